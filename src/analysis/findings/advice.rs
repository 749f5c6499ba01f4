//! What stands beside a finding: what it usually means, what to look at next, which edit shows it.

use std::borrow::Cow;

use serde::Serialize;

use super::{FindingKind, edit_text};
use crate::analysis::{RouterReport, Verdict};
use crate::spec::{Action, Intervention, ModelSpec, RouterRef, Site, Span, StackId};
use crate::trace::PositionKind;

/// What to make of a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// What it usually means, a sentence.
    pub means: Cow<'static, str>,
    /// What to look at next, a sentence.
    pub next: Cow<'static, str>,
    /// The edit that shows it, and what is then to be seen; none where no edit can.
    #[serde(serialize_with = "edit_text")]
    pub edit: Option<Intervention>,
    /// What is to be seen under the edit, a sentence; empty where there is none.
    pub seen: Cow<'static, str>,
}

impl Advice {
    /// The same, said of what stands at the positions of the model: of points where those do.
    #[must_use]
    pub(super) fn said(self, kind: PositionKind) -> Self {
        Self {
            means: kind.said(self.means),
            next: kind.said(self.next),
            edit: self.edit,
            seen: kind.said(self.seen),
        }
    }
}

/// On a finding; `edit` is the one that shows it.
pub(super) fn on(kind: FindingKind, edit: Option<Intervention>) -> Advice {
    let (means, next, seen) = match kind {
        FindingKind::NotFinite => (
            "Usually a run that diverged, a shard that was cut off, or a conversion that overflowed.",
            "Look at the same tensor in the checkpoint before this one, and at its range in the training log.",
            "",
        ),
        FindingKind::TokenIndependent => (
            "Usually a router whose learning rate, initialisation or z-loss drove its logits apart or to zero, or one that was never loaded.",
            "Look at the Router panel: the logits of this layer hardly move from token to token.",
            "Random choices do no worse than this router's own.",
        ),
        FindingKind::Copies => (
            "Usually a model made from a dense one whose experts never diverged, or an expert written twice by a conversion.",
            "Look at how often each is picked: the load is shared between them, and looks even.",
            "One runs in the place of the other, and not a logit changes.",
        ),
        FindingKind::NoOutput => (
            "Usually an expert that weight decay drove to zero because it was hardly picked, or one that was not loaded.",
            "Look at how often it is picked all the same: each of these places does nothing.",
            "Its output contributes nothing, and the text stays as it is.",
        ),
        FindingKind::BiasOutlier => (
            "Usually a balancing step that was too large, or one that went on pushing an expert nobody wanted.",
            "Look at the load of this expert: the bias, not the token, decides whether it is picked.",
            "The bias goes back to the median, and the choice is the gate's own.",
        ),
        FindingKind::SameGateRow => (
            "Usually a gate that was copied when experts were, and never trained since.",
            "Look at the Router panel: they have the same logit at every token.",
            "One is masked, and the other is picked as before.",
        ),
        FindingKind::EmptyGateRow => (
            "Usually a row that was never initialised or was pruned: its logit is near zero whatever is read.",
            "Look at its load: it is picked where every other expert is unwanted.",
            "It is masked, and its tokens go to the experts with the next highest scores.",
        ),
    };
    Advice {
        means: means.into(),
        next: next.into(),
        seen: if edit.is_some() { seen } else { "" }.into(),
        edit,
    }
}

/// On a router of a model whose load is skewed or collapsed; none on one that is even or not judged.
#[must_use]
pub fn advice_on_load(it: &RouterReport, spec: &ModelSpec) -> Option<Advice> {
    let router = spec.routers.get(it.router.idx())?;
    let verdict = it.verdict.filter(|it| *it != Verdict::Even)?;
    let place = router.place;
    let at = match (place.stack, place.site) {
        (StackId::Decoder, Site::Ffn) if place.of_two => {
            Some(RouterRef::InStack(place.stack, place.layer))
        }
        (StackId::Decoder, Site::Ffn) => Some(RouterRef::Layer(place.layer)),
        (StackId::Decoder, Site::Attention) => Some(RouterRef::Attention(place.layer)),
        (StackId::Encoder, _) => Some(RouterRef::InStack(place.stack, place.layer)),
    };
    let edit = |action| {
        at.map(|at| Intervention {
            at,
            action,
            span: Span::default(),
        })
    };
    if let Some(dead) = it.dead.first() {
        let force = Action::Force {
            expert: dead.expert,
            share: None,
        };
        let advice = Advice {
            means: "Usually too little balancing while it was trained: an expert that is not picked gets no gradient, and is picked less still.".into(),
            next: "Look at what the dead expert would say, and at the step at which it died (`check` with several models).".into(),
            edit: edit(force),
            seen: "The expert is picked everywhere: if the text falls apart, it never learned.".into(),
        };
        return Some(advice.said(PositionKind::of(spec)));
    }
    let busiest = it.busiest?;
    let means = match verdict {
        Verdict::Collapsed => {
            "Usually too little balancing while it was trained: a few experts do the work of all."
        }
        _ => {
            "Usually a balancing loss that was too weak, or texts unlike those it was trained on: read a mix of kinds before blaming the model."
        }
    };
    let advice = Advice {
        means: means.into(),
        next:
            "Look at the tokens of the busiest expert (Expert panel), and at its load text by text."
                .into(),
        edit: edit(Action::Mask {
            expert: busiest.expert,
        }),
        seen: "The busiest expert is masked: what it alone can do is missing.".into(),
    };
    Some(advice.said(PositionKind::of(spec)))
}
