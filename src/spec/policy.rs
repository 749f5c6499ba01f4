//! A list of edits, lowered: for each range of positions one dense record per router that an edit
//! touches. What a list cannot do is refused here, before anything runs, so routing cannot fail.

use std::ops::Range;

use super::{
    Action, ExpertId, Intervention, InterventionSet, ModelSpec, Position, Revision, RouterId,
    RouterRef, RouterSpec, Site, StackId,
};

/// Why a list cannot act on this model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No such router.
    #[error("edit \"{edit}\": {what}")]
    NoRouter {
        /// The edit as text: `mask:4.5`.
        edit: String,
        /// What is missing, and what there is.
        what: String,
    },
    /// An expert the router does not have.
    #[error("edit \"{edit}\": {place} has experts 0 to {}, not {expert}", n_experts - 1)]
    NoExpert {
        /// The edit as text: `mask:4.5`.
        edit: String,
        /// Where the router sits: `layer 4`.
        place: String,
        /// E, number of experts of the router.
        n_experts: usize,
        /// What was asked for.
        expert: ExpertId,
    },
    /// More experts than there are.
    #[error("edit \"{edit}\": {place} has {n_experts} experts, so k can be at most {n_experts}")]
    KTooLarge {
        /// The edit as text: `mask:4.5`.
        edit: String,
        /// Where the router sits: `layer 4`.
        place: String,
        /// E, number of experts of the router.
        n_experts: usize,
    },
    /// Every expert is masked.
    #[error("{place}: no expert left to pick from position {at} on: all {n_experts} are masked")]
    AllMasked {
        /// Where the router sits: `layer 4`.
        place: String,
        /// The first such position.
        at: Position,
        /// E, number of experts of the router.
        n_experts: usize,
    },
    /// More forced than chosen.
    #[error(
        "{place}: {n_forced} experts are forced from position {at} on, but only {k} are chosen"
    )]
    TooManyForced {
        /// Where the router sits: `layer 4`.
        place: String,
        /// The first such position.
        at: Position,
        /// How many are forced.
        n_forced: usize,
        /// Number of experts chosen there.
        k: usize,
    },
    /// Shares leave nothing.
    #[error("{place}: the shares from position {at} on sum to {total}; they must stay below 1")]
    SharesTooLarge {
        /// Where the router sits: `layer 4`.
        place: String,
        /// The first such position.
        at: Position,
        /// Sum of the shares.
        total: String,
    },
    /// Shares for all that is chosen.
    #[error(
        "{place}: from position {at} on every one of the {n} chosen experts has a share; at least one must have none"
    )]
    NothingUnshared {
        /// Where the router sits: `layer 4`.
        place: String,
        /// The first such position.
        at: Position,
        /// How many are chosen.
        n: usize,
    },
}

/// What edits do to one router at one position.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterPolicy {
    /// How many are chosen.
    pub k: usize,
    /// `[E]`: added to the raw logits. Empty where no edit does.
    pub logit_bias: Vec<f32>,
    /// `[E]`: added to what selects. Empty where no edit does.
    pub select_bias: Vec<f32>,
    /// `[E]`: false where masked. Empty where no edit does.
    pub allowed: Vec<bool>,
    /// Forced experts in the order of the list, each with its share; a sparsemixer takes them in this order.
    pub forced: Vec<(ExpertId, Option<f32>)>,
    /// Whether weights are made equal.
    pub uniform: bool,
    /// The seed, where the choice is random.
    pub random: Option<u32>,
    /// Experts whose output contributes nothing, ascending.
    pub zeroed: Vec<ExpertId>,
    /// Chosen expert and the one run in its place, by ascending id.
    pub swapped: Vec<(ExpertId, ExpertId)>,
}

impl RouterPolicy {
    fn untouched(spec: &RouterSpec) -> Self {
        Self {
            k: spec.top_k,
            logit_bias: Vec::new(),
            select_bias: Vec::new(),
            allowed: Vec::new(),
            forced: Vec::new(),
            uniform: false,
            random: None,
            zeroed: Vec::new(),
            swapped: Vec::new(),
        }
    }

    /// Whether a choice of this expert is possible.
    #[must_use]
    pub fn allows(&self, expert: usize) -> bool {
        self.allowed.get(expert).copied().unwrap_or(true)
    }

    /// The network that runs where `expert` is chosen; `None` where its output is zeroed.
    #[must_use]
    pub fn network(&self, expert: ExpertId) -> Option<ExpertId> {
        if self.zeroed.contains(&expert) {
            return None;
        }
        let swap = self.swapped.iter().find(|(from, _)| *from == expert);
        Some(swap.map_or(expert, |(_, with)| *with))
    }

    fn n_allowed(&self, n_experts: usize) -> usize {
        (0..n_experts).filter(|it| self.allows(*it)).count()
    }

    /// Applies the next edit of the list; later ones of a kind win, biases add up.
    fn apply(&mut self, action: &Action, n_experts: usize) {
        let add = |biases: &mut Vec<f32>, expert: ExpertId, value: f32| {
            biases.resize(n_experts, 0.0);
            // Two huge biases stay finite, so that a softmax over them does.
            let sum = biases[expert.idx()] + value;
            biases[expert.idx()] = sum.clamp(f32::MIN, f32::MAX);
        };
        match *action {
            Action::Bias { expert, value } => add(&mut self.logit_bias, expert, value.0),
            Action::Select { expert, value } => add(&mut self.select_bias, expert, value.0),
            Action::K { n } => self.k = usize::from(n),
            Action::Mask { expert } => {
                self.allowed.resize(n_experts, true);
                self.allowed[expert.idx()] = false;
                self.forced.retain(|(it, _)| *it != expert);
            }
            Action::Force { expert, share } => {
                if let Some(it) = self.allowed.get_mut(expert.idx()) {
                    *it = true;
                }
                self.forced.retain(|(it, _)| *it != expert);
                self.forced.push((expert, share.map(|it| it.0)));
            }
            Action::Uniform => self.uniform = true,
            Action::Random { seed } => self.random = Some(seed),
            Action::Zero { expert } => {
                self.zeroed.retain(|it| *it != expert);
                self.zeroed.push(expert);
                self.zeroed.sort_unstable();
            }
            Action::Swap { expert, with } => {
                self.swapped.retain(|(it, _)| *it != expert);
                self.swapped.push((expert, with));
                self.swapped.sort_unstable();
            }
        }
    }

    fn check(&self, spec: &RouterSpec, at: Position) -> Result<(), PolicyError> {
        let place = spec.label();
        let n_experts = spec.n_experts;
        let n_allowed = self.n_allowed(n_experts);
        if n_allowed == 0 {
            return Err(PolicyError::AllMasked {
                place,
                at,
                n_experts,
            });
        }
        if self.forced.len() > self.k {
            return Err(PolicyError::TooManyForced {
                place,
                at,
                n_forced: self.forced.len(),
                k: self.k,
            });
        }
        let shares: Vec<f32> = self.forced.iter().filter_map(|(_, share)| *share).collect();
        let total: f32 = shares.iter().sum();
        if total >= 1.0 {
            return Err(PolicyError::SharesTooLarge {
                place,
                at,
                total: total.to_string(),
            });
        }
        let n_chosen = self.k.min(n_allowed);
        if !shares.is_empty() && shares.len() >= n_chosen {
            return Err(PolicyError::NothingUnshared {
                place,
                at,
                n: n_chosen,
            });
        }
        Ok(())
    }
}

/// One range of positions and what holds there.
#[derive(Clone, Debug, PartialEq)]
struct Segment {
    /// Positions `start <= t < end`.
    range: Range<u32>,
    /// `[R]`: the routers an edit touches there.
    routers: Vec<Option<RouterPolicy>>,
}

/// The list as routing reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutingPolicy {
    revision: Revision,
    /// How many of the routers, the first ones, are the encoder's: their positions are those of the source.
    n_encoder: usize,
    /// Ascending and without gaps; empty where no edit is switched on.
    segments: Vec<Segment>,
}

impl RoutingPolicy {
    /// Lowers the edits that are switched on, for `revision`.
    ///
    /// # Errors
    /// A router or expert the model does not have; a list that leaves a router nothing to pick,
    /// forces more than k, or gives shares to all that is chosen, with the first such position.
    pub fn lower(
        edits: &InterventionSet,
        spec: &ModelSpec,
        revision: Revision,
    ) -> Result<Self, PolicyError> {
        let edits: Vec<(&Intervention, Vec<RouterId>)> = edits
            .active()
            .map(|it| routers_of(it, spec).map(|rows| (it, rows)))
            .collect::<Result<_, _>>()?;
        let mut cuts: Vec<u32> = edits
            .iter()
            .flat_map(|(it, _)| {
                [
                    it.span.start().0,
                    it.span.until.map_or(u32::MAX, |end| end.0),
                ]
            })
            .collect();
        cuts.extend([0, u32::MAX]);
        cuts.sort_unstable();
        cuts.dedup();
        let segments = if edits.is_empty() {
            Vec::new()
        } else {
            cuts.windows(2)
                .map(|it| segment(it[0]..it[1], &edits, spec))
                .collect::<Result<_, _>>()?
        };
        let in_encoder = |it: &&RouterSpec| it.place.stack == StackId::Encoder;
        Ok(Self {
            revision,
            n_encoder: spec.routers.iter().filter(in_encoder).count(),
            segments,
        })
    }

    /// The list it came from.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What holds for a router at a position; `None` where no edit touches it.
    #[must_use]
    pub fn at(&self, router: RouterId, t: Position) -> Option<&RouterPolicy> {
        self.segment(t)?.routers.get(router.idx())?.as_ref()
    }

    /// The most experts the router chooses at positions `range`.
    #[must_use]
    pub fn max_picks(&self, router: RouterId, spec: &RouterSpec, range: Range<u32>) -> usize {
        let touched = self
            .segments
            .iter()
            .filter(|it| it.range.start < range.end && range.start < it.range.end);
        touched
            .map(|it| {
                it.routers[router.idx()]
                    .as_ref()
                    .map_or(spec.top_k, |it| it.k)
            })
            .max()
            .unwrap_or(spec.top_k)
    }

    /// The first position of a sequence at which the two policies differ; `None` where they never do.
    ///
    /// `n_source`: positions of its source. Every token of that sees all others, so where the encoder's edits differ the
    /// sequences do from the first on; the decoder's positions begin behind it.
    #[must_use]
    pub fn first_difference(&self, other: &Self, n_source: usize) -> Option<Position> {
        let mut cuts: Vec<u32> = self
            .segments
            .iter()
            .chain(&other.segments)
            .map(|it| it.range.start)
            .collect();
        cuts.push(0);
        cuts.sort_unstable();
        cuts.dedup();
        let differ = |at: Position, stack| self.touches(at, stack) != other.touches(at, stack);
        let mut cuts = cuts.into_iter().map(Position);
        let in_source = |at: Position| at.idx() < n_source && differ(at, StackId::Encoder);
        if cuts.clone().any(in_source) {
            return Some(Position(0));
        }
        let first = cuts.find(|at| differ(*at, StackId::Decoder));
        first.map(|at| at.plus(n_source))
    }

    /// The first position of a sequence that any edit touches; `n_source` are those of its source.
    #[must_use]
    pub fn first_touched(&self, n_source: usize) -> Option<Position> {
        self.first_difference(&Self::default(), n_source)
    }

    /// The touched routers of a stack at a position of it; untouched everywhere compares equal to no list at all.
    fn touches(&self, t: Position, stack: StackId) -> &[Option<RouterPolicy>] {
        let routers = self.segment(t).map_or(&[][..], |it| &it.routers);
        let (encoder, decoder) = routers.split_at(self.n_encoder.min(routers.len()));
        let mine = match stack {
            StackId::Encoder => encoder,
            StackId::Decoder => decoder,
        };
        if mine.iter().any(Option::is_some) {
            mine
        } else {
            &[]
        }
    }

    fn segment(&self, t: Position) -> Option<&Segment> {
        let row = self.segments.partition_point(|it| it.range.end <= t.0);
        self.segments.get(row)
    }
}

fn segment(
    range: Range<u32>,
    edits: &[(&Intervention, Vec<RouterId>)],
    spec: &ModelSpec,
) -> Result<Segment, PolicyError> {
    let at = Position(range.start);
    let mut routers: Vec<Option<RouterPolicy>> = vec![None; spec.routers.len()];
    for (edit, rows) in edits.iter().filter(|(it, _)| it.span.contains(at)) {
        for row in rows {
            let router = &spec.routers[row.idx()];
            routers[row.idx()]
                .get_or_insert_with(|| RouterPolicy::untouched(router))
                .apply(&edit.action, router.n_experts);
        }
    }
    for (policy, router) in routers.iter().zip(&spec.routers) {
        if let Some(policy) = policy {
            policy.check(router, at)?;
        }
    }
    Ok(Segment { range, routers })
}

/// The routers an edit names, each checked to have the expert it names.
fn routers_of(edit: &Intervention, spec: &ModelSpec) -> Result<Vec<RouterId>, PolicyError> {
    let no_router = |what: String| PolicyError::NoRouter {
        edit: edit.to_string(),
        what,
    };
    let one = |stack, layer, site| {
        let found = spec.router_at(stack, layer, site).map(|it| vec![it]);
        found.ok_or_else(|| {
            no_router(format!(
                "layer {layer} has no router there; {}",
                routers_there_are(spec, stack, site)
            ))
        })
    };
    let rows = match edit.at {
        RouterRef::All => spec.router_ids().map(|(id, _)| id).collect(),
        RouterRef::AllAttention => spec
            .router_ids()
            .filter(|(_, it)| it.place.site == Site::Attention)
            .map(|(id, _)| id)
            .collect(),
        RouterRef::Layer(layer) => one(StackId::Decoder, layer, Site::Ffn)?,
        RouterRef::Attention(layer) => one(StackId::Decoder, layer, Site::Attention)?,
        RouterRef::InStack(stack, _) if spec.encoder.is_none() => {
            return Err(no_router(format!(
                "this model has one stack, so a layer is written without \"{}\"",
                if stack == StackId::Encoder {
                    "enc."
                } else {
                    "dec."
                }
            )));
        }
        RouterRef::InStack(stack, layer) => one(stack, layer, Site::Ffn)?,
    };
    if rows.is_empty() {
        return Err(no_router("this model has no such router".to_owned()));
    }
    for row in &rows {
        check_reach(edit, &spec.routers[row.idx()])?;
    }
    Ok(rows)
}

fn check_reach(edit: &Intervention, router: &RouterSpec) -> Result<(), PolicyError> {
    let n_experts = router.n_experts;
    let named = edit.action.expert();
    let with = if let Action::Swap { with, .. } = edit.action {
        Some(with)
    } else {
        None
    };
    if let Some(expert) = named
        .into_iter()
        .chain(with)
        .find(|it| it.idx() >= n_experts)
    {
        return Err(PolicyError::NoExpert {
            edit: edit.to_string(),
            place: router.label(),
            n_experts,
            expert,
        });
    }
    match edit.action {
        Action::K { n } if usize::from(n) > n_experts => Err(PolicyError::KTooLarge {
            edit: edit.to_string(),
            place: router.label(),
            n_experts,
        }),
        _ => Ok(()),
    }
}

fn routers_there_are(spec: &ModelSpec, stack: StackId, site: Site) -> String {
    let layers: Vec<usize> = spec
        .routers
        .iter()
        .filter(|it| it.place.stack == stack && it.place.site == site)
        .map(|it| it.place.layer.idx())
        .collect();
    match (layers.first(), layers.last()) {
        (Some(first), Some(last)) if last - first + 1 == layers.len() => {
            format!("layers {first} to {last} have one")
        }
        (Some(_), Some(_)) => format!(
            "layers {} have one",
            layers
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        _ => "no layer of this model has one".to_owned(),
    }
}
