//! The control of an experiment: the same edits on other experts of the same layers.
//!
//! A claim about an expert's importance means little until the same was done to others: any edit
//! changes something. Others are drawn without replacement by a hash of a seed, so that a control
//! can be named and made again. Several controls of one list are all different ones.

use crate::spec::{
    Action, ExpertId, Intervention, InterventionSet, ModelSpec, RouterId, RouterRef, RouterSpec,
};

use super::{LoadStats, PhaseFilter};

/// From this many candidates on, only the half nearest in load is drawn from.
const ENOUGH_TO_MATCH: usize = 16;

/// How often one is drawn for each that is wanted, until it is held that there are no more.
const DRAWS_EACH: u32 = 32;

/// What a list is compared with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Control {
    /// One for each edit that names an expert, in the order of the list.
    pub edits: Vec<Intervention>,
    /// Edits of a whole layer, which have none.
    pub n_without: usize,
    /// Edits for which no other expert of the layer was left.
    pub n_left_out: usize,
}

/// Controls of one list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controls {
    /// No two of them alike; fewer than were wanted where the layers have no more experts to draw from.
    pub lists: Vec<InterventionSet>,
    /// Edits of a whole layer, which have none.
    pub n_without: usize,
    /// Edits for which no other expert of the layer was left.
    pub n_left_out: usize,
}

/// Up to `n` different controls of a list; the same ones for the same `seed`. Where a list has none, `lists` is empty.
#[must_use]
pub fn controls(
    list: &InterventionSet,
    spec: &ModelSpec,
    load: Option<&LoadStats>,
    (seed, n): (u32, usize),
    covers: impl Fn(RouterRef, &RouterSpec) -> bool,
) -> Controls {
    let mut out = Controls::default();
    for draw in 0..DRAWS_EACH.saturating_mul(n as u32) {
        if out.lists.len() >= n {
            break;
        }
        let drawn = control(list, spec, load, hash(seed) ^ draw, &covers);
        (out.n_without, out.n_left_out) = (drawn.n_without, drawn.n_left_out);
        if drawn.edits.is_empty() {
            break;
        }
        let drawn: InterventionSet = drawn.edits.into_iter().collect();
        if !out.lists.contains(&drawn) {
            out.lists.push(drawn);
        }
    }
    out
}

/// The same action on another expert for each edit that is switched on: of the same layers, at the same
/// positions, of experts that no line of the list names there. `covers` says whether an edit acts on a
/// router; `load` is the baseline's, to match experts by how much they are used.
#[must_use]
pub fn control(
    list: &InterventionSet,
    spec: &ModelSpec,
    load: Option<&LoadStats>,
    seed: u32,
    covers: impl Fn(RouterRef, &RouterSpec) -> bool,
) -> Control {
    let mut out = Control::default();
    for (n, edit) in list.active().enumerate() {
        let Some(edited) = edit.action.expert() else {
            out.n_without += 1;
            continue;
        };
        let routers: Vec<(RouterId, &RouterSpec)> = spec
            .router_ids()
            .filter(|(_, it)| covers(edit.at, it))
            .collect();
        let n_experts = routers.iter().map(|it| it.1.n_experts).min().unwrap_or(0);
        let is_taken = |expert: ExpertId| {
            let listed = list.entries.iter().map(|it| &it.edit);
            listed.chain(&out.edits).any(|it| {
                names(&it.action, expert) && routers.iter().any(|(_, router)| covers(it.at, router))
            })
        };
        let mut free: Vec<ExpertId> = (0..n_experts)
            .map(ExpertId::new)
            .filter(|it| !is_taken(*it))
            .collect();
        if let [(router, _)] = routers[..] {
            keep_nearest(&mut free, edited, load, router);
        }
        if free.is_empty() {
            out.n_left_out += 1;
            continue;
        }
        let drawn = free[hash(hash(seed) ^ n as u32) as usize % free.len()];
        out.edits.push(Intervention {
            action: with_expert(edit.action, drawn),
            ..*edit
        });
    }
    out
}

/// Where there are enough, only the half whose load is nearest to that of the edited one.
fn keep_nearest(
    free: &mut Vec<ExpertId>,
    edited: ExpertId,
    load: Option<&LoadStats>,
    router: RouterId,
) {
    let load = load.and_then(|it| it.router(router, PhaseFilter::All));
    let Some(load) = load.filter(|_| free.len() >= ENOUGH_TO_MATCH) else {
        return;
    };
    let n = |it: ExpertId| load.n.get(it.idx()).copied().unwrap_or(0);
    free.sort_by_key(|it| (n(*it).abs_diff(n(edited)), *it));
    free.truncate(free.len() / 2);
}

fn names(action: &Action, expert: ExpertId) -> bool {
    action.expert() == Some(expert)
        || matches!(action, Action::Swap { with, .. } if *with == expert)
}

fn with_expert(action: Action, expert: ExpertId) -> Action {
    match action {
        Action::Bias { value, .. } => Action::Bias { expert, value },
        Action::Select { value, .. } => Action::Select { expert, value },
        Action::Mask { .. } => Action::Mask { expert },
        Action::Force { share, .. } => Action::Force { expert, share },
        Action::Zero { .. } => Action::Zero { expert },
        Action::Swap { with, .. } => Action::Swap { expert, with },
        Action::K { .. } | Action::Uniform | Action::Random { .. } => action,
    }
}

/// One round of the 32-bit PCG hash (RXS-M-XS).
fn hash(seed: u32) -> u32 {
    let x = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let y = ((x >> ((x >> 28) + 4)) ^ x).wrapping_mul(277_803_737);
    (y >> 22) ^ y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{LayerId, Position, RouterPlace, Span, TokenId};
    use crate::trace::{Phase, Pick, PickState, RouterTrace, StepTrace};

    fn spec(n_layers: u16, n_experts: usize) -> ModelSpec {
        let router = |it| RouterSpec::softmax_top_k(LayerId(it), n_experts, 2);
        ModelSpec::with_routers((0..n_layers).map(router))
    }

    fn covers(at: RouterRef, router: &RouterSpec) -> bool {
        let RouterPlace { layer, .. } = router.place;
        at == RouterRef::All || at == RouterRef::Layer(layer)
    }

    fn list(texts: &[&str]) -> InterventionSet {
        texts.iter().map(|it| it.parse().unwrap()).collect()
    }

    #[test]
    fn other_experts_of_the_same_layers_at_the_same_positions() {
        let list = list(&["mask:2.5@8..", "mask:2.6@8..", "bias:3.1=2", "k:1=1"]);
        for seed in 0..50 {
            let got = control(&list, &spec(4, 8), None, seed, covers);
            assert_eq!((got.edits.len(), got.n_without, got.n_left_out), (3, 1, 0));
            for (got, edit) in got.edits.iter().zip(list.active()) {
                assert_eq!((got.at, got.span), (edit.at, edit.span));
                assert_eq!(got.action.keyword(), edit.action.keyword());
                assert!(
                    !list
                        .active()
                        .any(|it| { it.at == got.at && it.action.expert() == got.action.expert() })
                );
            }
            assert_ne!(got.edits[0], got.edits[1], "without replacement");
            assert_eq!(got, control(&list, &spec(4, 8), None, seed, covers));
            assert_eq!(got.edits[0].span, Span::starting(Position(8)));
        }
        let drawn = |seed| control(&list, &spec(4, 8), None, seed, covers).edits;
        assert!((1..9).any(|seed| drawn(seed) != drawn(0)));
    }

    #[test]
    fn controls_of_a_list_are_all_different_and_made_again_by_their_seed() {
        let of = |texts: &[&str], n_experts, seed, n| {
            controls(&list(texts), &spec(4, n_experts), None, (seed, n), covers)
        };
        let eight = of(&["mask:2.5", "mask:2.6"], 8, 1, 8);
        assert_eq!(eight.lists.len(), 8);
        for (n, it) in eight.lists.iter().enumerate() {
            assert!(!eight.lists[..n].contains(it));
        }
        assert_eq!(eight, of(&["mask:2.5", "mask:2.6"], 8, 1, 8));
        assert_ne!(eight, of(&["mask:2.5", "mask:2.6"], 8, 2, 8));
        // One of four experts has three others.
        let three = of(&["mask:2.1", "k:1=1"], 4, 1, 8);
        assert_eq!((three.lists.len(), three.n_without), (3, 1));
        let none = of(&["k:1=1", "uniform:2"], 8, 1, 8);
        assert_eq!((none.lists.len(), none.n_without), (0, 2));
    }

    #[test]
    fn where_no_other_expert_is_left_it_is_said() {
        let list = list(&["mask:0.0", "bias:0.1=1"]);
        let got = control(&list, &spec(1, 2), None, 1, covers);
        assert_eq!((got.edits.len(), got.n_left_out), (0, 2));
    }

    #[test]
    fn experts_of_like_load_are_drawn_where_there_are_enough() {
        // Experts 0 to 9 are picked for every token, 10 to 19 for none.
        let mut load = LoadStats::default();
        let picks = (0..10).map(|it| Pick {
            expert: ExpertId(it),
            weight: 0.1,
            state: PickState::Chosen,
        });
        let step = StepTrace {
            seq: crate::spec::SeqId(0),
            phase: Phase::Prefill,
            start: Position(0),
            revision: crate::spec::Revision(0),
            tokens: vec![TokenId(1)],
            routers: vec![RouterTrace {
                n_experts: 20,
                n_picks: 10,
                picks: picks.collect(),
                margin: vec![None],
                ..RouterTrace::default()
            }],
        };
        load.add(&step, |_| false);
        for seed in 0..40 {
            let got = control(
                &list(&["mask:0.4"]),
                &spec(1, 20),
                Some(&load),
                seed,
                covers,
            );
            assert!(got.edits[0].action.expert().unwrap() < ExpertId(10));
        }
    }
}
