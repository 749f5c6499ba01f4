//! What the Router panel is about: the token, the router, the record, what edits do there; its sentence and its table.

mod sentence;
mod table;
mod worked;

use crate::analysis::{Decision, entropy_share, probabilities};
use crate::document::{covers, router_ref, short, signed};
use crate::spec::{
    ExpertId, Intervention, InterventionSet, ModelSpec, Position, Revision, RouterId, RouterPolicy,
    RouterSpec, RoutingPolicy, Span,
};
use crate::trace::{Pick, PickState, Routed, RowRecord};

pub use sentence::{
    dropped_words, full_words, lacking, rounded_logits, router_sentence, shortest_router_sentence,
};
pub use table::router_table;
pub use worked::worked_words;

/// One router's choice for one token.
pub struct Decided<'a> {
    /// Which router.
    pub router: RouterId,
    /// Its rule.
    pub spec: &'a RouterSpec,
    /// Which token, by its place in the sequence.
    pub at: Position,
    /// How it is called: `token 3`, `source token 3`.
    pub token: String,
    /// The record.
    pub routed: Routed<'a>,
    /// What the list in force on the row does here.
    pub in_force: Option<RouterPolicy>,
    /// What the user's list does here, in force on this row or not.
    pub listed: Option<RouterPolicy>,
    /// Scores and distances; none where raw logits were dropped.
    pub decision: Option<Decision>,
    /// Every expert: those chosen first, then by what selects. Without scores those chosen alone.
    pub order: Vec<ExpertId>,
    /// How many of them were chosen, those that were dropped among them.
    pub n_picks: usize,
}

/// What edits do to one expert at one token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedMark {
    /// Never chosen.
    pub masked: bool,
    /// Always chosen.
    pub forced: bool,
    /// In words: `bias +2`; empty where nothing is done.
    pub words: String,
}

impl ListedMark {
    /// Whether anything is done to it.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.words.is_empty()
    }
}

impl<'a> Decided<'a> {
    /// What a router chose for the token at a position of a row, beside what the user's list does there; none where it was
    /// not recorded.
    #[must_use]
    pub fn new(
        model: &'a ModelSpec,
        row: &'a RowRecord,
        listed: &InterventionSet,
        (router, at): (RouterId, Position),
    ) -> Option<Self> {
        let spec = model.router(router)?;
        let routed = row.store.at(router, at)?;
        let parts = model.parts(&row.tokens);
        let within = parts.within(at);
        let in_force = policy_at(&row.edits.1, model, router, within);
        let listed = policy_at(listed, model, router, within);
        let decision = Decision::of(&routed, spec, in_force.as_ref());
        let picked = |e: ExpertId| routed.choice().any(|it| it.expert == e);
        let order = decision.as_ref().map_or_else(
            || routed.choice().map(|it| it.expert).collect(),
            |it| it.order(picked),
        );
        Some(Self {
            router,
            spec,
            at,
            token: parts.name(at),
            n_picks: routed.choice().count(),
            routed,
            in_force,
            listed,
            decision,
            order,
        })
    }

    /// How it was chosen, also where it was dropped since the expert was full; none where it was not.
    #[must_use]
    pub fn pick(&self, expert: ExpertId) -> Option<&'a Pick> {
        self.routed.choice().find(|it| it.expert == expert)
    }

    /// p of an expert, where scores are held.
    #[must_use]
    pub fn share(&self, expert: ExpertId) -> Option<f32> {
        self.decision.as_ref()?.shares.get(expert.idx()).copied()
    }

    /// What the bias edits in force add to its logit.
    #[must_use]
    pub fn bias(&self, expert: ExpertId) -> f32 {
        let biases = self.in_force.as_ref().map_or(&[][..], |it| &it.logit_bias);
        biases.get(expert.idx()).copied().unwrap_or(0.0)
    }

    /// Whether any bias edit is in force here.
    #[must_use]
    pub fn is_biased(&self) -> bool {
        self.in_force
            .as_ref()
            .is_some_and(|it| it.logit_bias.iter().any(|it| *it != 0.0))
    }

    /// The shares without the bias edits; none where none is in force or scores were dropped.
    #[must_use]
    pub fn unbiased(&self) -> Option<Vec<f32>> {
        let logits = self.routed.logits().filter(|_| self.is_biased())?;
        let unedited = Decision::new(logits, None, &[], self.spec, None);
        Some(probabilities(&unedited.logits, self.spec.score))
    }

    /// Router entropy of the scores shown, as a share of the most.
    #[must_use]
    pub fn entropy(&self) -> Option<f32> {
        Some(entropy_share(&self.decision.as_ref()?.shares))
    }

    /// Routing confidence.
    #[must_use]
    pub fn confidence(&self) -> Option<f32> {
        let chosen = self.routed.choice().map(|it| it.expert);
        Some(self.decision.as_ref()?.confidence(chosen))
    }

    /// The first expert past the cut that could have been chosen, and what its logit lacks.
    #[must_use]
    pub fn nearest(&self) -> Option<(ExpertId, f32)> {
        let decision = self.decision.as_ref()?;
        let mut rest = self.order.get(self.n_picks..)?.iter();
        let expert = *rest.find(|it| decision.open[it.idx()])?;
        Some((expert, decision.distance_to_cut(expert)?))
    }

    /// The model's own selection bias of an expert, where it has one; what edits add to it left out.
    #[must_use]
    pub fn selection_bias(&self, expert: ExpertId) -> Option<f32> {
        let decision = self.decision.as_ref().filter(|_| self.spec.select_bias)?;
        let edits = self.in_force.as_ref().map_or(&[][..], |it| &it.select_bias);
        let added = edits.get(expert.idx()).copied().unwrap_or(0.0);
        Some(decision.select_bias(expert) - added)
    }

    /// The group of an expert, where the family has groups.
    #[must_use]
    pub fn group(&self, expert: ExpertId) -> Option<usize> {
        let n = self.routed.groups_kept().len();
        let per_group = self.routed.n_experts().checked_div(n)?;
        expert.idx().checked_div(per_group)
    }

    /// What the user's list does to an expert here; words say so where it is not this row it acts on.
    #[must_use]
    pub fn mark(&self, expert: ExpertId) -> ListedMark {
        let mut mark = mark(self.listed.as_ref(), expert);
        if mark.any() && mark != self::mark(self.in_force.as_ref(), expert) {
            mark.words.push_str(" in edited");
        }
        mark
    }

    /// Whether the choice was one by hash.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.in_force.as_ref().is_some_and(|it| it.random.is_some())
    }
}

/// How a pick came to be, where it is not by its score.
#[must_use]
pub fn pick_state_words(state: PickState) -> &'static str {
    match state {
        PickState::Forced => "forced",
        PickState::Dropped => "dropped",
        PickState::Chosen | PickState::Empty => "",
    }
}

/// What a list does to one router at one position; none where it does nothing there.
fn policy_at(
    list: &InterventionSet,
    model: &ModelSpec,
    router: RouterId,
    at: Position,
) -> Option<RouterPolicy> {
    let place = model.router(router)?.place;
    let here = router_ref(model, router)?;
    let edits: InterventionSet = list
        .active()
        .filter(|it| covers(it.at, &place) && it.span.contains(at))
        .map(|it| Intervention {
            at: here,
            span: Span::default(),
            ..*it
        })
        .collect();
    let lowered = RoutingPolicy::lower(&edits, model, Revision(1)).ok()?;
    lowered.at(router, at).cloned()
}

fn mark(policy: Option<&RouterPolicy>, expert: ExpertId) -> ListedMark {
    let Some(policy) = policy else {
        return ListedMark::default();
    };
    let e = expert.idx();
    let amount = |of: &[f32]| of.get(e).copied().filter(|it| *it != 0.0);
    let masked = !policy.allows(e);
    let share = policy.forced.iter().find(|it| it.0 == expert);
    let mut words = Vec::new();
    if masked {
        words.push("masked".to_owned());
    }
    match share {
        Some((_, Some(share))) => words.push(format!("forced = {}", short(f64::from(*share)))),
        Some((_, None)) => words.push("forced".to_owned()),
        None => {}
    }
    if let Some(bias) = amount(&policy.logit_bias) {
        words.push(format!("bias {}", signed(bias)));
    }
    if let Some(bias) = amount(&policy.select_bias) {
        words.push(format!("favoured {}", signed(bias)));
    }
    match policy.network(expert) {
        None => words.push("silenced".to_owned()),
        Some(with) if with != expert => words.push(format!("runs {with}")),
        Some(_) => {}
    }
    ListedMark {
        masked,
        forced: share.is_some(),
        words: words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &RouterPolicy, expert: u16, words: &str) {
        assert_eq!(mark(Some(policy), ExpertId(expert)).words, words);
    }

    #[test]
    fn each_edit_of_an_expert_is_a_word() {
        let policy = RouterPolicy {
            k: 2,
            logit_bias: vec![2.0, 0.0, 0.0, 0.0, -0.5],
            select_bias: vec![0.1, 0.0, 0.0, 0.0, 0.0],
            allowed: vec![true, false, true, true, true],
            forced: vec![(ExpertId(2), None), (ExpertId(3), Some(0.25))],
            uniform: false,
            random: None,
            zeroed: vec![ExpertId(2)],
            swapped: vec![(ExpertId(4), ExpertId(0))],
        };
        check(&policy, 0, "bias +2, favoured +0.1");
        check(&policy, 1, "masked");
        check(&policy, 2, "forced, silenced");
        check(&policy, 3, "forced = 0.25");
        check(&policy, 4, "bias −0.5, runs 0");
        assert!(!mark(None, ExpertId(0)).any());
    }
}
