//! Whose a weight is, and what it is called.

use crate::checkpoint::{LayerSlot, Part, Slot};
use crate::spec::{ExpertId, LayerId, ModelSpec, RouterId, Site, StackId};

/// Whose a weight is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A router's.
    Router(RouterId),
    /// An expert's.
    Expert(RouterId, ExpertId),
    /// Neither's.
    Other,
}

/// How the numbers of a router's weight belong to experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByExpert {
    /// A row each.
    Rows,
    /// A number each.
    Numbers,
    /// Not at all.
    No,
}

impl Owner {
    pub fn router(self) -> Option<RouterId> {
        match self {
            Self::Router(it) | Self::Expert(it, _) => Some(it),
            Self::Other => None,
        }
    }
}

impl ByExpert {
    pub fn expert(self, row: usize, col: usize) -> Option<ExpertId> {
        match self {
            Self::Rows => Some(ExpertId::new(row)),
            Self::Numbers => Some(ExpertId::new(col)),
            Self::No => None,
        }
    }
}

/// Whose a weight is, and how its numbers belong to experts where it is a router's.
pub(super) fn owner_of(spec: &ModelSpec, slot: Slot) -> (Owner, ByExpert) {
    let Some((stack, layer, part)) = slot.part() else {
        return (Owner::Other, ByExpert::No);
    };
    let (site, expert, by) = match part {
        LayerSlot::Router => (Site::Ffn, None, ByExpert::Rows),
        LayerSlot::AttentionRouter => (Site::Attention, None, ByExpert::Rows),
        LayerSlot::RouterBias | LayerSlot::SelectBias | LayerSlot::ExpertScale => {
            (Site::Ffn, None, ByExpert::Numbers)
        }
        LayerSlot::RouterOut | LayerSlot::RouterNorm => (Site::Ffn, None, ByExpert::No),
        LayerSlot::Expert(it, _) => (Site::Ffn, Some(ExpertId(it)), ByExpert::No),
        LayerSlot::AttentionExpert(it, _) => (Site::Attention, Some(ExpertId(it)), ByExpert::No),
        _ => return (Owner::Other, ByExpert::No),
    };
    match (router_at(spec, stack, layer, site), expert) {
        (Some(router), None) => (Owner::Router(router), by),
        (Some(router), Some(expert)) => (Owner::Expert(router, expert), by),
        (None, _) => (Owner::Other, ByExpert::No),
    }
}

fn router_at(spec: &ModelSpec, stack: StackId, layer: LayerId, site: Site) -> Option<RouterId> {
    let found = spec.router_ids().find(|(_, it)| {
        let place = it.place;
        place.stack == stack && place.layer == layer && place.site == site
    });
    found.map(|it| it.0)
}

/// What a weight is for: `gate of the router`, `down projection`.
pub(super) fn part_words(slot: Slot) -> String {
    let part = match slot {
        Slot::Embedding | Slot::EmbeddingGate => return "embedding".to_owned(),
        Slot::Horizon(n) => return format!("head {n}"),
        Slot::EncoderNorm => return "norm behind the encoder".to_owned(),
        Slot::FinalNorm | Slot::FinalNormBias => return "last norm".to_owned(),
        Slot::Head => return "head".to_owned(),
        Slot::HeadBias => return "bias of the head".to_owned(),
        Slot::Layer(_, part) => part,
        Slot::Encoder(layer, part) => {
            return format!("encoder, {}", part_words(Slot::Layer(layer, part)));
        }
    };
    match part {
        LayerSlot::Router => "gate of the router".to_owned(),
        LayerSlot::AttentionRouter => "gate of the router in attention".to_owned(),
        LayerSlot::RouterBias => "bias of the router".to_owned(),
        LayerSlot::SelectBias => "selection bias".to_owned(),
        LayerSlot::RouterOut => "second matrix of the router".to_owned(),
        LayerSlot::RouterNorm => "norm of what the router reads".to_owned(),
        LayerSlot::ExpertScale => "factors of the experts".to_owned(),
        LayerSlot::Expert(_, part) | LayerSlot::AttentionExpert(_, part) => {
            projection(part).to_owned()
        }
        LayerSlot::Shared(part) => format!("shared expert, {}", projection(part)),
        LayerSlot::SharedGate => "gate of the shared expert".to_owned(),
        LayerSlot::Dense(part) => format!("dense network, {}", projection(part)),
        LayerSlot::Q | LayerSlot::K | LayerSlot::V | LayerSlot::O => {
            format!("{part:?} projection of attention").to_lowercase()
        }
        other => words(&format!("{other:?}")),
    }
}

fn projection(part: Part) -> &'static str {
    match part {
        Part::Gate => "gate projection",
        Part::Up => "up projection",
        Part::Down => "down projection",
        Part::GateBias => "bias of the gate projection",
        Part::UpBias => "bias of the up projection",
        Part::DownBias => "bias of the down projection",
    }
}

/// `MixerPostNorm` as words: `mixer post norm`.
fn words(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        match letter {
            '(' => out.push(','),
            ')' => {}
            _ if letter.is_ascii_uppercase() => {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.push(letter.to_ascii_lowercase());
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{LatentSlot, RecurrentSlot};

    #[test]
    fn parts_are_called_as_people_call_them() {
        for (part, words) in [
            (LayerSlot::Router, "gate of the router"),
            (LayerSlot::Expert(3, Part::Down), "down projection"),
            (LayerSlot::Q, "q projection of attention"),
            (LayerSlot::MixerPostNorm, "mixer post norm"),
            (LayerSlot::Latent(LatentSlot::KeyUp), "latent, key up"),
            (
                LayerSlot::Recurrent(RecurrentSlot::In(2)),
                "recurrent, in,2",
            ),
        ] {
            assert_eq!(part_words(Slot::Layer(LayerId(0), part)), words);
        }
    }
}
