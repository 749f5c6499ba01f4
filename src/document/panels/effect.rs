//! What is said of the effect wherever it is shown, in the Transcript, beside the edits, on a shared page, by `run`: how
//! much the edits change, beside random controls, and where the change sits.

mod rows;
#[cfg(test)]
mod tests;

// Writing to a string cannot fail.
use std::fmt::Write as _;

use crate::analysis::{
    ChangedPicks, Concentration, ControlEffects, ControlSummary, Effect, PickShares, Range,
    concentration, effect,
};
use crate::document::{covers, percent, short};
use crate::spec::{InterventionSet, ModelSpec, RouterId, count_of, part_of};
use crate::trace::{PositionKind, RowRecord};

use super::kl_words;

pub use rows::{EffectNumbers, effect_number_words};

/// Below this the change is said to be none, nats.
const NEXT_TO_NOTHING: f32 = 0.05;

/// Below this a mean is said to be less, nats.
const LEAST_NATS: f64 = 0.001;

/// The effect of a list and what it is set beside.
#[derive(Clone, Copy, Debug)]
pub struct ShownEffect<'a> {
    /// The list.
    pub edits: &'a InterventionSet,
    /// What it changes; none where nothing was compared yet.
    pub effect: Option<Effect>,
    /// How concentrated that is.
    pub concentration: Option<Concentration>,
    /// Which layers it passes through.
    pub layers: Option<ByLayer<'a>>,
    /// Its controls; none where none were asked for.
    pub controls: Option<&'a ControlEffects>,
    /// What stands at a position, which says what the numbers are of.
    pub kind: PositionKind,
}

/// The picks that changed, and whose layers they are.
#[derive(Clone, Copy, Debug)]
pub struct ByLayer<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// Where most of them are.
    pub picks: PickShares,
}

impl<'a> ShownEffect<'a> {
    /// What a list changed, beside its controls.
    ///
    /// * `counterfactual`: the baseline's tokens under the list, where they were read
    #[must_use]
    pub fn of(
        (spec, edits): (&'a ModelSpec, &'a InterventionSet),
        baseline: &RowRecord,
        counterfactual: Option<&RowRecord>,
        controls: Option<&'a ControlEffects>,
    ) -> Self {
        let from = spec.first_edited(edits, &baseline.tokens);
        let picks = counterfactual.map(|it| ChangedPicks::of(baseline, it, from));
        let picks = picks.and_then(|it| it.shares());
        Self {
            edits,
            effect: counterfactual.and_then(|it| effect(it, from)),
            concentration: counterfactual.and_then(|it| concentration(it, from)),
            layers: picks.map(|picks| ByLayer { spec, picks }),
            controls,
            kind: PositionKind::of(spec),
        }
    }

    /// `KL`, or `difference`.
    fn name(&self) -> &'static str {
        match self.kind {
            PositionKind::Token => "KL",
            PositionKind::Point => "difference",
        }
    }

    /// How much, beside the controls. Empty where nothing was compared.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Some(effect) = self.effect else {
            return String::new();
        };
        let (what, unit, noun) = (self.kind.change(), self.kind.unit(), self.kind.noun());
        let mut out = format!("Mean {what} {} {unit} a {noun}", nats(effect.mean_kl));
        if effect.n_scored > 0 {
            let change = change(effect.loss_change);
            let _ = write!(out, ", loss {change}");
        }
        let tokens = count_of(effect.n_tokens as u64, noun);
        let _ = write!(out, " over {tokens} of the baseline");
        let beside = self.controls_words(&effect);
        if !beside.is_empty() {
            out.push_str("; ");
            out.push_str(&beside);
        }
        out.push('.');
        out
    }

    /// How much in a few words, where there is no room for more. Empty where nothing was compared.
    #[must_use]
    pub fn short_sentence(&self) -> String {
        let Some(effect) = self.effect else {
            return String::new();
        };
        let name = self.name();
        let mut out = format!("Mean {name} {}", nats(effect.mean_kl));
        if effect.n_scored > 0 {
            let _ = write!(out, ", loss {}", change(effect.loss_change));
        }
        if let Some(it) = self.controls.and_then(ControlEffects::summary) {
            let controls = count_of(it.n as u64, "control");
            let _ = write!(out, "; {controls}: {name} {}", nats(it.mean_kl.mean));
        }
        out
    }

    /// How much in one sentence, beside the mean of the controls. Empty where nothing was compared.
    #[must_use]
    pub fn brief_sentence(&self) -> String {
        let Some(effect) = self.effect else {
            return String::new();
        };
        let (what, unit, noun) = (self.kind.change(), self.kind.unit(), self.kind.noun());
        let mut out = format!("Mean {what} {} {unit} a {noun}", nats(effect.mean_kl));
        let loss = |it: f64| match effect.n_scored {
            0 => String::new(),
            _ => format!(", loss {}", change(it)),
        };
        out.push_str(&loss(effect.loss_change));
        let summary = self.controls.and_then(|it| Some((it, it.summary()?)));
        let beside = match summary {
            Some((controls, it)) => format!(
                "{} (seed {}): {} {}{}",
                count_of(it.n as u64, "random control"),
                controls.seed,
                self.name(),
                nats(it.mean_kl.mean),
                loss(it.loss_change.mean),
            ),
            None => self.controls_words(&effect),
        };
        if !beside.is_empty() {
            let _ = write!(out, "; {beside}");
        }
        out.push('.');
        out
    }

    /// The same as `sentence`, and where the change sits.
    #[must_use]
    pub fn sentences(&self) -> String {
        let parts = [self.sentence(), self.place_sentence()];
        let parts: Vec<String> = parts.into_iter().filter(|it| !it.is_empty()).collect();
        parts.join(" ")
    }

    /// What share of the change sits in how few tokens, and in which layers. Empty where nothing changed.
    #[must_use]
    pub fn place_sentence(&self) -> String {
        let mut out = self
            .concentration
            .map_or_else(String::new, |it| concentration_words(self.kind, &it));
        if !out.is_empty() && self.layers.is_some() {
            out.push(' ');
            out.push_str(&self.layers_sentence());
        }
        out
    }

    /// In which layers the picks that changed are. Empty where nothing was compared.
    #[must_use]
    pub fn layers_sentence(&self) -> String {
        self.layers
            .map_or_else(String::new, |it| self.layers_words(&it))
    }

    /// `Of 128 picks that changed 62 % sit in layer 4 (edited), 31 % in layer 5, 7 % in 3 more layers.`
    fn layers_words(&self, it: &ByLayer<'_>) -> String {
        let PickShares {
            n_picks,
            n_changed,
            n_routers,
            largest,
        } = it.picks;
        let named: Vec<(String, u64)> = largest
            .into_iter()
            .flatten()
            .map(|(id, n)| (self.router_words(it.spec, id), n))
            .collect();
        let share = |n: u64| share_words(n, n_changed);
        match &named[..] {
            [] => format!("None of {} changed.", count_of(n_picks, "pick")),
            [(name, _)] => {
                let verb = if n_changed == 1 { "sits" } else { "sit" };
                let all = if n_changed == 1 { "The" } else { "All" };
                let picks = count_of(n_changed, "pick");
                format!("{all} {picks} that changed {verb} in {name}.")
            }
            [(first, a), others @ ..] => {
                let mut out = format!(
                    "Of {} that changed {} sit in {first}",
                    count_of(n_changed, "pick"),
                    share(*a)
                );
                for (name, n) in others {
                    let _ = write!(out, ", {} in {name}", share(*n));
                }
                let n_left = n_routers - named.len();
                if n_left > 0 {
                    let left = n_changed - named.iter().map(|it| it.1).sum::<u64>();
                    let layers = count_of(n_left as u64, "more layer");
                    let _ = write!(out, ", {} in {layers}", share(left));
                }
                out.push('.');
                out
            }
        }
    }

    /// `layer 4 62 %, layer 5 31 %`: the layers in which most picks changed. Empty where none did.
    fn most_changed(&self) -> String {
        let Some(ByLayer { spec, picks }) = self.layers else {
            return String::new();
        };
        let words = |(id, n): (RouterId, u64)| {
            let label = spec.router(id)?.label();
            Some(format!("{label} {}", share_words(n, picks.n_changed)))
        };
        let all: Vec<String> = picks
            .largest
            .into_iter()
            .flatten()
            .filter_map(words)
            .collect();
        all.join(", ")
    }

    fn router_words(&self, spec: &ModelSpec, id: RouterId) -> String {
        let Some(router) = spec.router(id) else {
            return String::new();
        };
        let is_edited = self.edits.active().any(|it| covers(it.at, &router.place));
        let mark = if is_edited { " (edited)" } else { "" };
        format!("{}{mark}", router.label())
    }

    fn controls_words(&self, effect: &Effect) -> String {
        let without = self.without_words();
        let Some(controls) = self.controls else {
            return without;
        };
        if controls.n_wanted == 0 {
            return if controls.n_left_out > 0 {
                "no control: its layers have no other expert".to_owned()
            } else {
                without
            };
        }
        let mut out = match controls.summary() {
            Some(it) => self.summary_words(&it, controls, effect),
            None => format!(
                "{} are read",
                part_of(controls.effects.len(), controls.n_wanted, "random control")
            ),
        };
        if !without.is_empty() {
            let _ = write!(out, " ({without})");
        }
        out
    }

    /// `8 random controls of the same layers (seed 1): KL 0.011 (0.002 to 0.03), loss +0.004 (−0.01 to +0.02)`.
    fn summary_words(
        &self,
        it: &ControlSummary,
        controls: &ControlEffects,
        effect: &Effect,
    ) -> String {
        let n = it.n;
        let what = if controls.is_whole() {
            count_of(n, "random control")
        } else {
            part_of(n, controls.n_wanted, "random control")
        };
        let mut notes = vec![format!("seed {}", controls.seed)];
        if it.n_tokens != effect.n_tokens {
            let tokens = count_of(it.n_tokens as u64, self.kind.noun());
            notes.push(format!("over {tokens}"));
        }
        if it.is_provisional {
            let few = controls.is_whole();
            notes.push(
                if few {
                    "few to compare with"
                } else {
                    "provisional"
                }
                .to_owned(),
            );
        }
        let mut out = format!(
            "{what} of the same layers ({}): {} {}",
            notes.join(", "),
            self.name(),
            ranged(&it.mean_kl, n, nats),
        );
        if effect.n_scored > 0 {
            let _ = write!(out, ", loss {}", ranged(&it.loss_change, n, change));
        }
        out
    }

    /// `k and uniform name no expert, so that they have no control`.
    fn without_words(&self) -> String {
        let mut kinds: Vec<&str> = Vec::new();
        for edit in self.edits.active() {
            let kind = edit.action.keyword();
            if edit.action.expert().is_none() && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        match kinds[..] {
            [] => String::new(),
            [one] => format!("{one} names no expert, so that it has no control"),
            [.., last] => {
                let first = kinds[..kinds.len() - 1].join(", ");
                format!("{first} and {last} name no expert, so that they have no control")
            }
        }
    }

    /// `control, mean of 8 (seed 1)`.
    #[must_use]
    pub fn control_name(&self) -> String {
        let Some(controls) = self.controls else {
            return "control".to_owned();
        };
        let n = controls.effects.len();
        let more = if controls.is_whole() {
            String::new()
        } else {
            format!(" so far of {}", controls.n_wanted)
        };
        format!("control, mean of {n}{more} (seed {})", controls.seed)
    }
}

/// The mean with the least and the most, where there are several.
fn ranged(it: &Range, n: usize, words: fn(f64) -> String) -> String {
    let (mean, least, most) = (words(it.mean), words(it.least), words(it.most));
    if n < 2 || least == most {
        return mean;
    }
    format!("{mean} ({least} to {most})")
}

/// Nats in three digits at most: `0.52`, `< 0.001`.
fn nats(value: f64) -> String {
    if value < LEAST_NATS {
        return format!("< {LEAST_NATS}");
    }
    short(value)
}

/// A change with its sign: `+0.35`, `−0.02`, `±0.001 at most`.
fn change(value: f64) -> String {
    if value.abs() < LEAST_NATS {
        return "unchanged".to_owned();
    }
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{}", short(value.abs()))
}

/// A part of what changed, in whole per cents: `62 %`, `< 1 %`.
fn share_words(n: u64, of: u64) -> String {
    let share = n as f64 / of as f64;
    if share < 0.01 {
        return "< 1 %".to_owned();
    }
    percent(((share * 100.0).round() / 100.0) as f32)
}

fn concentration_words(kind: PositionKind, it: &Concentration) -> String {
    let (unit, noun) = (kind.unit(), kind.noun());
    let largest = kl_words(it.largest.kl);
    if it.largest.kl < NEXT_TO_NOTHING {
        return format!(
            "The edits change next to nothing: at most {largest} {unit} at one of {}.",
            count_of(it.n_tokens as u64, noun),
        );
    }
    format!(
        "{} of the change sits in {} of {}, the largest {largest} {unit}.",
        percent((it.share * 100.0).round() / 100.0),
        it.n_largest,
        count_of(it.n_tokens as u64, noun),
    )
}
