//! What is said of the effect wherever it is shown, in the Transcript, beside the edits, on a shared page, by `run`: how
//! much the edits change, beside random controls, and where the change sits.

// Writing to a string cannot fail.
use std::fmt::Write as _;

use crate::analysis::{
    Concentration, ControlEffects, ControlSummary, Effect, Range, concentration, effect,
};
use crate::document::{Cell, Table, percent, plural, short};
use crate::spec::InterventionSet;
use crate::trace::RowRecord;

use super::kl_words;

/// Below this the change is said to be none, nats.
const NEXT_TO_NOTHING: f32 = 0.05;

/// Below this a mean is said to be less, nats.
const LEAST_NATS: f64 = 0.001;

const COLUMNS: [(&str, &str); 8] = [
    ("row", ""),
    ("mean KL", "nats a token"),
    ("loss", "nats a token"),
    ("change of loss", "nats a token"),
    ("least KL", "nats a token"),
    ("most KL", "nats a token"),
    ("tokens", ""),
    ("controls", ""),
];

/// The effect of a list and what it is set beside.
#[derive(Clone, Copy, Debug)]
pub struct ShownEffect<'a> {
    /// The list.
    pub edits: &'a InterventionSet,
    /// What it changes; none where nothing was compared yet.
    pub effect: Option<Effect>,
    /// How concentrated that is.
    pub concentration: Option<Concentration>,
    /// Its controls; none where none were asked for.
    pub controls: Option<&'a ControlEffects>,
}

impl<'a> ShownEffect<'a> {
    /// What a list changed, beside its controls.
    ///
    /// * `counterfactual`: the baseline's tokens under the list, where they were read
    #[must_use]
    pub fn of(
        edits: &'a InterventionSet,
        counterfactual: Option<&RowRecord>,
        controls: Option<&'a ControlEffects>,
    ) -> Self {
        let from = edits.active().map(|it| it.span.start()).min();
        let from = from.unwrap_or_default();
        Self {
            edits,
            effect: counterfactual.and_then(|it| effect(it, from)),
            concentration: counterfactual.and_then(|it| concentration(it, from)),
            controls,
        }
    }

    /// How much, beside the controls. Empty where nothing was compared.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Some(effect) = self.effect else {
            return String::new();
        };
        let mut out = format!("Mean KL {} nats a token", nats(effect.mean_kl));
        if effect.n_scored > 0 {
            let change = change(effect.loss_change);
            let _ = write!(out, ", loss {change}");
        }
        let tokens = tokens(effect.n_tokens);
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
        let mut out = format!("Mean KL {}", nats(effect.mean_kl));
        if effect.n_scored > 0 {
            let _ = write!(out, ", loss {}", change(effect.loss_change));
        }
        if let Some(it) = self.controls.and_then(ControlEffects::summary) {
            let _ = write!(out, "; {} controls: KL {}", it.n, nats(it.mean_kl.mean));
        }
        out
    }

    /// The same, and where the change sits.
    #[must_use]
    pub fn sentences(&self) -> String {
        let parts = [self.sentence(), self.place_sentence()];
        let parts: Vec<String> = parts.into_iter().filter(|it| !it.is_empty()).collect();
        parts.join(" ")
    }

    /// What share of the change sits in how few tokens. Empty where nothing changed.
    #[must_use]
    pub fn place_sentence(&self) -> String {
        self.concentration
            .map_or_else(String::new, |it| concentration_words(&it))
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
            Some(it) => summary_words(&it, controls, effect),
            None => format!(
                "{} of {} random controls are read",
                controls.effects.len(),
                controls.n_wanted
            ),
        };
        if !without.is_empty() {
            let _ = write!(out, " ({without})");
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

    /// Baseline, edits and controls, a row each. None where nothing was compared.
    #[must_use]
    pub fn table(&self) -> Option<Table> {
        let effect = self.effect?;
        let mut out = Table::new("Effect of the edits", &COLUMNS);
        let loss = |it: f64| {
            if effect.n_scored > 0 {
                Cell::Number(it)
            } else {
                Cell::Empty
            }
        };
        let none = || Cell::Empty;
        out.push([
            "baseline".into(),
            Cell::Number(0.0),
            loss(effect.loss),
            none(),
            none(),
            none(),
            Cell::from(effect.n_tokens),
            none(),
        ]);
        out.push([
            "edited".into(),
            Cell::Number(effect.mean_kl),
            loss(effect.loss + effect.loss_change),
            loss(effect.loss_change),
            none(),
            none(),
            Cell::from(effect.n_tokens),
            none(),
        ]);
        if let Some(it) = self.controls.and_then(ControlEffects::summary) {
            out.push([
                self.control_name().into(),
                Cell::Number(it.mean_kl.mean),
                loss(it.loss + it.loss_change.mean),
                loss(it.loss_change.mean),
                Cell::Number(it.mean_kl.least),
                Cell::Number(it.mean_kl.most),
                Cell::from(it.n_tokens),
                Cell::from(it.n),
            ]);
        }
        Some(out)
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

/// `8 random controls of the same layers (seed 1): KL 0.011 (0.002 to 0.03), loss +0.004 (−0.01 to +0.02)`.
fn summary_words(it: &ControlSummary, controls: &ControlEffects, effect: &Effect) -> String {
    let n = it.n;
    let what = plural(n as u64, "control");
    let so_far = if controls.is_whole() {
        String::new()
    } else {
        format!(" of {}", controls.n_wanted)
    };
    let mut notes = vec![format!("seed {}", controls.seed)];
    if it.n_tokens != effect.n_tokens {
        notes.push(format!("over {}", tokens(it.n_tokens)));
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
        "{n}{so_far} random {what} of the same layers ({}): KL {}",
        notes.join(", "),
        ranged(&it.mean_kl, n, nats),
    );
    if effect.n_scored > 0 {
        let _ = write!(out, ", loss {}", ranged(&it.loss_change, n, change));
    }
    out
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

fn tokens(n: usize) -> String {
    format!("{n} {}", plural(n as u64, "token"))
}

fn concentration_words(it: &Concentration) -> String {
    let largest = kl_words(it.largest.kl);
    if it.largest.kl < NEXT_TO_NOTHING {
        return format!(
            "The edits change next to nothing: at most {largest} nats at one of {}.",
            tokens(it.n_tokens),
        );
    }
    format!(
        "{} of the change sits in {} of {}, the largest {largest} nats.",
        percent((it.share * 100.0).round() / 100.0),
        it.n_largest,
        tokens(it.n_tokens),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Change;
    use crate::spec::Position;

    const EFFECT: Effect = Effect {
        n_tokens: 64,
        mean_kl: 0.5234,
        n_scored: 64,
        loss: 3.2,
        loss_change: 0.351,
    };

    fn controls(n: usize, n_wanted: usize) -> ControlEffects {
        let one = |it: usize| Effect {
            mean_kl: 0.01 + 0.002 * it as f64,
            loss_change: 0.004 * it as f64 - 0.01,
            ..EFFECT
        };
        ControlEffects {
            seed: 1,
            n_wanted,
            effects: (0..n).map(one).collect(),
            ..ControlEffects::default()
        }
    }

    fn check(edits: &[&str], controls: Option<&ControlEffects>, wanted: &str) {
        let edits = edits.iter().map(|it| it.parse().unwrap()).collect();
        let shown = ShownEffect {
            edits: &edits,
            effect: Some(EFFECT),
            concentration: None,
            controls,
        };
        assert_eq!(shown.sentence(), wanted);
    }

    const HEAD: &str = "Mean KL 0.523 nats a token, loss +0.351 over 64 tokens of the baseline";

    #[test]
    fn the_effect_stands_beside_its_controls() {
        check(&["mask:4.5"], None, &format!("{HEAD}."));
        check(
            &["mask:4.5"],
            Some(&controls(3, 8)),
            &format!("{HEAD}; 3 of 8 random controls are read."),
        );
        check(
            &["mask:4.5"],
            Some(&controls(4, 8)),
            &format!(
                "{HEAD}; 4 of 8 random controls of the same layers (seed 1, provisional): KL 0.013 (0.01 to 0.016), loss −0.004 (−0.01 to +0.002)."
            ),
        );
        check(
            &["mask:4.5"],
            Some(&controls(5, 5)),
            &format!(
                "{HEAD}; 5 random controls of the same layers (seed 1): KL 0.014 (0.01 to 0.018), loss −0.002 (−0.01 to +0.006)."
            ),
        );
        check(
            &["mask:4.5"],
            Some(&controls(1, 1)),
            &format!(
                "{HEAD}; 1 random control of the same layers (seed 1, few to compare with): KL 0.01, loss −0.01."
            ),
        );
    }

    #[test]
    fn edits_without_a_control_say_so() {
        check(
            &["k:1=1"],
            Some(&controls(0, 0)),
            &format!("{HEAD}; k names no expert, so that it has no control."),
        );
        check(
            &["k:1=1", "uniform:2", "random:3=7", "k:4=1"],
            None,
            &format!("{HEAD}; k, uniform and random name no expert, so that they have no control."),
        );
        check(
            &["k:1=1", "mask:4.5"],
            Some(&controls(3, 8)),
            &format!(
                "{HEAD}; 3 of 8 random controls are read (k names no expert, so that it has no control)."
            ),
        );
        let edits = ["mask:4.5".parse().unwrap()].into_iter().collect();
        let controls_of_it = controls(8, 8);
        let shown = ShownEffect {
            edits: &edits,
            effect: Some(EFFECT),
            concentration: None,
            controls: Some(&controls_of_it),
        };
        assert_eq!(
            shown.short_sentence(),
            "Mean KL 0.523, loss +0.351; 8 controls: KL 0.017"
        );
        let mut left_out = controls(0, 0);
        left_out.n_left_out = 1;
        check(
            &["mask:4.5"],
            Some(&left_out),
            &format!("{HEAD}; no control: its layers have no other expert."),
        );
    }

    #[test]
    fn the_control_is_a_third_row_of_the_table() {
        let edits = ["mask:4.5".parse().unwrap()].into_iter().collect();
        let of = |controls: Option<ControlEffects>| {
            let shown = ShownEffect {
                edits: &edits,
                effect: Some(EFFECT),
                concentration: None,
                controls: controls.as_ref(),
            };
            let table = shown.table().unwrap();
            let names = table.rows.iter().map(|it| it[0].words());
            names.collect::<Vec<_>>()
        };
        assert_eq!(of(None), ["baseline", "edited"]);
        assert_eq!(of(Some(controls(3, 8))), ["baseline", "edited"]);
        assert_eq!(
            of(Some(controls(8, 8))),
            ["baseline", "edited", "control, mean of 8 (seed 1)"]
        );
        assert_eq!(
            of(Some(controls(4, 8)))[2],
            "control, mean of 4 so far of 8 (seed 1)"
        );
    }

    #[test]
    fn where_the_change_sits_is_said_behind_it() {
        let edits = InterventionSet::default();
        let mut shown = ShownEffect {
            edits: &edits,
            effect: Some(EFFECT),
            concentration: Some(Concentration {
                share: 0.83,
                n_largest: 3,
                n_tokens: 95,
                largest: Change {
                    at: Position(9),
                    kl: 6.2,
                },
            }),
            controls: None,
        };
        let place = "83 % of the change sits in 3 of 95 tokens, the largest 6.2 nats.";
        assert_eq!(shown.place_sentence(), place);
        assert_eq!(shown.sentences(), format!("{HEAD}. {place}"));
        shown.effect = None;
        assert_eq!(shown.sentences(), place);
        assert_eq!(shown.table(), None);
    }
}
