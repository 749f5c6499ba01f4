//! One router's load in words.

use crate::analysis::{BalanceStats, ShareSeries};
use crate::document::panels::counted_tokens;
use crate::document::{percent, short};
use crate::spec::{ExpertId, count_of, part_of};

use super::{LoadValue, ShownLoad};

/// Experts named in a sentence at most.
const MOST_NAMED: usize = 6;

impl LoadValue {
    /// What the chip says.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Share => "share of tokens",
            Self::Mass => "gate mass",
        }
    }

    /// The unit of a bar, as a sentence begins with it.
    fn unit(self) -> &'static str {
        match self {
            Self::Share => "% of tokens",
            Self::Mass => "% of all gate weight",
        }
    }
}

impl ShownLoad<'_> {
    /// The sentence under the plot.
    #[must_use]
    pub fn sentence(&self) -> String {
        let what = self.of.value.unit();
        let effective = self.spread().map_or(0.0, |it| it.effective);
        format!(
            "{what} · {} of {} experts in effective use, {}{} · over {}: what it uses, not the health of the model (Health, over mixed text).",
            short(effective),
            self.spec.n_experts,
            self.unused_words(),
            self.dropped_words(),
            self.tokens_words(),
        )
    }

    /// The sentence under the load along the text.
    ///
    /// * `window`: over how many of the last tokens a share is taken; none counts from the start
    /// * `n_lines`: experts that have a line of their own
    #[must_use]
    pub fn sentence_over_time(
        &self,
        series: &ShareSeries,
        window: Option<usize>,
        n_lines: usize,
    ) -> String {
        let window = window.map_or_else(
            || "since the start".to_owned(),
            |it| format!("over the last {}", count_of(it, "token")),
        );
        let n = self.spec.n_experts;
        let some = if n_lines < n {
            format!(", the {n_lines} most used now of {n} drawn")
        } else {
            String::new()
        };
        let last = series.len().checked_sub(1);
        let (effective, cv) = last.map_or((0.0, 0.0), |it| (series.effective[it], series.cv[it]));
        format!(
            "{} {window}{some}{} · now {} of {n} experts in effective use, CV {} · {}: a text's own course, not the health of the model",
            self.of.value.unit(),
            self.dropped_words(),
            short(effective),
            short(cv),
            self.tokens_words(),
        )
    }

    /// ` · 5 of 26 tokens dropped, 19.2 %: their expert was full`; nothing where experts take any number.
    #[must_use]
    pub fn dropped_words(&self) -> String {
        if self.spec.capacity().is_none() {
            return String::new();
        }
        match (self.load.n_dropped, self.load.dropped_share()) {
            (0, _) | (_, None) => " · none dropped".to_owned(),
            (n, Some(share)) => format!(
                " · {} dropped, {}: their expert was full",
                part_of(n, self.load.n_tokens, "token"),
                percent(share as f32)
            ),
        }
    }

    /// `2 unused here (experts 3, 7)`; what an edit masks is *masked*, whatever its load.
    fn unused_words(&self) -> String {
        let unused = self.unused();
        let masked: Vec<usize> = (0..self.spec.n_experts)
            .filter(|it| self.is_masked(*it))
            .collect();
        let mut out = format!("{} unused here{}", unused.len(), named(&unused));
        if !masked.is_empty() {
            out = format!("{out}, {} masked{}", masked.len(), named(&masked));
        }
        out
    }

    /// `80 tokens of the edited text (1 special token not counted)`.
    #[must_use]
    pub fn tokens_words(&self) -> String {
        let text = match self.of.row {
            None => "this text".to_owned(),
            Some(row) => format!("the {row} text"),
        };
        let special = match self.n_special {
            0 => String::new(),
            n => format!(" ({} not counted)", count_of(n, "special token")),
        };
        let tokens = counted_tokens(self.load.n_tokens, self.of.phase);
        format!("{tokens} of {text}{special}")
    }

    /// The spread in short, beside what training would have charged.
    #[must_use]
    pub fn spread_words(&self, balance: Option<&BalanceStats>) -> String {
        let Some(spread) = self.spread() else {
            return String::new();
        };
        let entropy = spread.entropy.map_or_else(String::new, |it| {
            format!(" · entropy {}", percent(it as f32))
        });
        let other = match self.of.value {
            LoadValue::Share => self
                .load
                .mass_spread()
                .map(|it| format!(" · CV of gate mass {}", short(it.cv))),
            LoadValue::Mass => self
                .load
                .spread()
                .map(|it| format!(" · CV of counts {}", short(it.cv))),
        };
        let loss = balance.and_then(BalanceStats::balance_loss);
        let loss = loss.map_or_else(String::new, |it| {
            let even = self.spec.top_k;
            format!(" · balance loss {} (even {even})", short(it))
        });
        format!(
            "CV {} · MaxVio {} · Gini {}{entropy}{}{loss}",
            short(spread.cv),
            short(spread.max_vio),
            short(spread.gini),
            other.unwrap_or_default(),
        )
    }

    /// Every number of the spread with its formula, a line each; none where nothing was counted.
    #[must_use]
    pub fn spread_lines(&self, balance: Option<&BalanceStats>) -> Vec<String> {
        let Some(spread) = self.spread() else {
            return Vec::new();
        };
        let (n, top_k) = (self.spec.n_experts, self.spec.top_k);
        let mut out = vec![
            format!(
                "effective experts exp(H(f)) = {:.4} of {n}, evenness {:.4}",
                spread.effective, spread.evenness
            ),
            format!("CV std(n)/mean(n) = {:.4}, 0 is even", spread.cv),
            format!(
                "MaxVio (max n − mean)/mean = {:.4}, at most {:.4}",
                spread.max_vio,
                n as f64 / top_k as f64 - 1.0
            ),
            format!("Gini = {:.4}, 0 is even", spread.gini),
        ];
        let entropy = |it: f64| format!("entropy H(f)/ln N = {it:.4} of the most, 1 is even");
        out.extend(spread.entropy.map(entropy));
        let Some(stats) = balance else {
            return out;
        };
        if let (Some(loss), Some(z)) = (stats.balance_loss(), stats.z_loss()) {
            out.push(format!(
                "balance loss N·Σ (n/T)·P = {loss:.4}, even is {top_k}; z-loss {z:.4}; over {} read",
                count_of(stats.n_tokens(), "token")
            ));
        }
        if stats.n_forgotten() > 0 {
            out.push(format!(
                "without the {} whose raw scores were forgotten",
                stats.n_forgotten()
            ));
        }
        out
    }

    /// The exact numbers of one expert, a line each.
    #[must_use]
    pub fn expert_lines(&self, expert: usize) -> Vec<String> {
        let (n, id) = (self.load.n[expert], ExpertId::new(expert));
        if n == 0 {
            return vec![format!("unused here: over {}", self.tokens_words())];
        }
        vec![
            format!(
                "picked for {}: {:.3} %, even is {}",
                part_of(n, self.load.n_tokens, "token"),
                self.load.share(id).unwrap_or(0.0) * 100.0,
                percent(self.spec.even_share())
            ),
            format!(
                "{:.3} times even (n/mean), {} of {} by load",
                self.load.utilisation(id).unwrap_or(0.0),
                self.rank(expert),
                self.spec.n_experts
            ),
            format!(
                "gate mass {:.4}: {:.3} % of all, {:.4} a pick",
                self.load.mass[expert],
                self.load.mass_share(id).unwrap_or(0.0) * 100.0,
                self.load.mass[expert] / n as f64
            ),
        ]
    }

    /// What a bar is called: `load of expert 5, layer 4: 24.7 % of tokens, 20 of 81, even 25 %`.
    #[must_use]
    pub fn name(&self, expert: usize) -> String {
        let what = match self.of.value {
            LoadValue::Share => "of tokens",
            LoadValue::Mass => "of gate weight",
        };
        let state = match (self.is_masked(expert), self.is_unused(expert)) {
            (true, _) => ", masked",
            (false, true) => ", unused here",
            (false, false) => "",
        };
        format!(
            "load of expert {expert}, {}: {} % {what}, {} of {}, even {} %{state}",
            self.spec.label(),
            short(self.share(expert) * 100.0),
            self.load.n[expert],
            self.load.n_tokens,
            short(self.even() * 100.0),
        )
    }
}

/// ` (experts 3, 7)`, at most six of them; nothing for none.
fn named(experts: &[usize]) -> String {
    let ids: Vec<String> = experts
        .iter()
        .take(MOST_NAMED)
        .map(ToString::to_string)
        .collect();
    let more = if experts.len() > MOST_NAMED {
        ", …"
    } else {
        ""
    };
    match experts.len() {
        0 => String::new(),
        1 => format!(" (expert {})", ids[0]),
        _ => format!(" (experts {}{more})", ids.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::RouterLoad;
    use crate::document::LoadOf;
    use crate::spec::{LayerId, RouterId, RouterSpec};

    /// The words of 8 experts, top 2, of which some are masked.
    fn check(n: [u64; 8], masked: &[u16], row: Option<&'static str>, wanted: [&str; 2]) {
        let spec = RouterSpec::softmax_top_k(LayerId(0), 8, 2);
        let shown = ShownLoad {
            router: RouterId::new(0),
            spec: &spec,
            load: RouterLoad {
                n: n.to_vec(),
                mass: n.iter().map(|it| *it as f64 / 2.0).collect(),
                n_tokens: n.iter().sum::<u64>() / 2,
                ..RouterLoad::default()
            },
            n_special: 1,
            of: LoadOf {
                row,
                ..LoadOf::default()
            },
            masked: masked.iter().map(|it| ExpertId(*it)).collect(),
        };
        assert_eq!([shown.unused_words(), shown.tokens_words()], wanted);
        assert!(shown.sentence().contains(wanted[0]));
    }

    #[test]
    fn an_expert_that_an_edit_masks_is_not_called_unused() {
        check(
            [4, 2, 2, 2, 2, 2, 2, 0],
            &[],
            None,
            [
                "1 unused here (expert 7)",
                "8 tokens of this text (1 special token not counted)",
            ],
        );
        check(
            [1, 1, 0, 0, 0, 0, 0, 0],
            &[7],
            Some("edited"),
            [
                "5 unused here (experts 2, 3, 4, 5, 6), 1 masked (expert 7)",
                "1 token of the edited text (1 special token not counted)",
            ],
        );
        check(
            [2, 0, 0, 0, 0, 0, 0, 0],
            &[],
            Some("baseline"),
            [
                "7 unused here (experts 1, 2, 3, 4, 5, 6, …)",
                "1 token of the baseline text (1 special token not counted)",
            ],
        );
    }
}
