//! The numbers of the router shown, in words: bars, hover, sentence and table all read them here.

use eframe::egui::Ui;

use crate::analysis::{BalanceStats, PhaseFilter, RouterLoad, Spread, Thresholds};
use crate::spec::{ExpertId, Position, RouterId, RouterSpec};
use crate::ui::widgets::edit_mark;
use crate::ui::words::{percent, short};
use crate::ui::{Cx, Drawing, ExpertAt, Memo, RowChoice, RowOf};

use super::{LoadSettings, Value};

/// Scores turned into probabilities in one frame at most; long texts are caught up with over several.
const SCORES_A_FRAME: usize = 8_000;
/// Experts named in a sentence at most.
const MOST_NAMED: usize = 6;

/// One router's load as it is shown.
pub struct ShownLoad<'a> {
    /// Which.
    pub router: RouterId,
    /// Its rule.
    pub spec: &'a RouterSpec,
    /// Counts and gate mass.
    pub load: RouterLoad,
    /// Special tokens left out.
    pub n_special: u64,
    /// What was chosen in the head.
    pub view: LoadSettings,
}

impl<'a> ShownLoad<'a> {
    /// The router's load in the row shown; none where no token of the phase was counted.
    pub fn of(cx: &Cx<'a>, view: LoadSettings, router: RouterId) -> Option<Self> {
        let row = cx.row()?;
        let load = row.load.router(router, view.phase)?;
        let spec = cx.spec()?.router(router)?;
        (load.n_tokens > 0 && load.n.len() == spec.n_experts).then(|| Self {
            router,
            spec,
            load,
            n_special: row.load.n_special(),
            view,
        })
    }

    /// An expert of it.
    pub fn at(&self, expert: usize) -> ExpertAt {
        ExpertAt {
            router: self.router,
            expert: ExpertId::new(expert),
        }
    }

    /// What its bar shows, 0 to 1.
    pub fn share(&self, expert: usize) -> f64 {
        let expert = ExpertId::new(expert);
        let share = match self.view.value {
            Value::Share => self.load.share(expert),
            Value::Mass => self.load.mass_share(expert),
        };
        share.unwrap_or(0.0)
    }

    /// The share of each where load is even: k/E of the tokens, 1/E of the gate mass.
    pub fn even(&self) -> f64 {
        match self.view.value {
            Value::Share => f64::from(self.spec.even_share()),
            Value::Mass => 1.0 / self.spec.n_experts as f64,
        }
    }

    /// The shares at which the verdict rule calls a router skewed and an expert dead, where the rule applies:
    /// it counts tokens.
    pub fn thresholds(&self) -> Option<(f64, f64)> {
        let shown = self.view.thresholds && self.view.value == Value::Share;
        let rule = Thresholds::default();
        let times = rule.skewed_above(self.spec.n_experts, self.spec.top_k)?;
        let applies = self.spec.top_k < self.spec.n_experts;
        (shown && applies).then(|| (times * self.even(), rule.dead_below * self.even()))
    }

    /// How even the value shown is.
    pub fn spread(&self) -> Option<Spread> {
        match self.view.value {
            Value::Share => self.load.spread(),
            Value::Mass => self.load.mass_spread(),
        }
    }

    /// Whether an expert was never picked over the tokens counted.
    pub fn is_unused(&self, expert: usize) -> bool {
        self.load.n.get(expert) == Some(&0)
    }

    /// Whether an edit masks an expert in the row shown. The baseline is never masked, whatever the list says.
    pub fn is_masked(&self, cx: &Cx<'_>, expert: usize) -> bool {
        let edited = cx.selection.row == RowChoice::Edited && cx.session.edited().is_some();
        edited && edit_mark(cx, self.at(expert)).masked
    }

    /// The sentence under the plot.
    pub fn sentence(&self, cx: &Cx<'_>) -> String {
        let what = match self.view.value {
            Value::Share => "% of tokens",
            Value::Mass => "% of all gate weight",
        };
        let effective = self.spread().map_or(0.0, |it| it.effective);
        format!(
            "{what} · {} of {} experts in effective use, {} · over {}: what it uses, not the health of the model (Health, over mixed text).",
            short(effective),
            self.spec.n_experts,
            self.unused_words(cx),
            self.tokens_words(cx),
        )
    }

    /// `2 unused here (experts 3, 7)`; what an edit masks is *masked*, whatever its load.
    fn unused_words(&self, cx: &Cx<'_>) -> String {
        let n_experts = self.spec.n_experts;
        let is_masked = |it: &usize| self.is_masked(cx, *it);
        let masked: Vec<usize> = (0..n_experts).filter(is_masked).collect();
        let unused: Vec<usize> = (0..n_experts)
            .filter(|it| self.is_unused(*it) && !is_masked(it))
            .collect();
        let mut out = format!("{} unused here{}", unused.len(), named(&unused));
        if !masked.is_empty() {
            out = format!("{out}, {} masked{}", masked.len(), named(&masked));
        }
        out
    }

    /// `80 tokens of the edited text (1 special token not counted)`.
    pub fn tokens_words(&self, cx: &Cx<'_>) -> String {
        let edited = cx.session.edited().is_some();
        let text = match (edited, cx.session.row_name(cx.selection.row)) {
            (false, _) => "this text",
            (true, "edited") => "the edited text",
            (true, _) => "the baseline text",
        };
        let kind = match self.view.phase {
            PhaseFilter::All => "",
            PhaseFilter::Prefill => "given ",
            PhaseFilter::Decode => "drawn ",
        };
        let special = match self.n_special {
            0 => String::new(),
            n => format!(" ({n} special {} not counted)", plural(n, "token")),
        };
        let n = self.load.n_tokens;
        format!("{n} {kind}{} of {text}{special}", plural(n, "token"))
    }

    /// The spread in short, beside what training would have charged.
    pub fn spread_words(&self, balance: &Balance) -> String {
        let Some(spread) = self.spread() else {
            return String::new();
        };
        let entropy = spread.entropy.map_or_else(String::new, |it| {
            format!(" · entropy {}", percent(it as f32))
        });
        let other = match self.view.value {
            Value::Share => self
                .load
                .mass_spread()
                .map(|it| format!(" · CV of gate mass {}", short(it.cv))),
            Value::Mass => self
                .load
                .spread()
                .map(|it| format!(" · CV of counts {}", short(it.cv))),
        };
        let loss = balance.stats().and_then(BalanceStats::balance_loss);
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

    /// Every number with its formula.
    pub fn spread_hover_ui(&self, ui: &mut Ui, balance: &Balance) {
        let Some(spread) = self.spread() else {
            return;
        };
        let n = self.spec.n_experts;
        ui.strong(format!(
            "{}, {}",
            self.spec.label(),
            self.view.value.label()
        ));
        let mut line = |words: String| {
            ui.label(words);
        };
        line(format!(
            "effective experts exp(H(f)) = {:.4} of {n}, evenness {:.4}",
            spread.effective, spread.evenness
        ));
        line(format!("CV std(n)/mean(n) = {:.4}, 0 is even", spread.cv));
        line(format!(
            "MaxVio (max n − mean)/mean = {:.4}, at most {:.4}",
            spread.max_vio,
            n as f64 / self.spec.top_k as f64 - 1.0
        ));
        line(format!("Gini = {:.4}, 0 is even", spread.gini));
        if let Some(entropy) = spread.entropy {
            line(format!(
                "entropy H(f)/ln N = {entropy:.4} of the most, 1 is even"
            ));
        }
        let Some(stats) = balance.stats() else {
            return;
        };
        if let (Some(loss), Some(z)) = (stats.balance_loss(), stats.z_loss()) {
            line(format!(
                "balance loss N·Σ (n/T)·P = {loss:.4}, even is {}; z-loss {z:.4}; over {} tokens read",
                self.spec.top_k,
                stats.n_tokens()
            ));
        }
        if stats.n_forgotten() > 0 {
            line(format!(
                "without the {} whose raw scores were forgotten",
                stats.n_forgotten()
            ));
        }
    }

    /// The exact numbers of one expert.
    pub fn hover_ui(&self, cx: &Cx<'_>, ui: &mut Ui, expert: usize) {
        ui.strong(format!("{}, expert {expert}", self.spec.label()));
        let (n, id) = (self.load.n[expert], ExpertId::new(expert));
        if n == 0 {
            ui.label(format!("unused here: over {}", self.tokens_words(cx)));
        } else {
            ui.label(format!(
                "picked for {n} of {} tokens: {:.3} %, even is {}",
                self.load.n_tokens,
                self.load.share(id).unwrap_or(0.0) * 100.0,
                percent(self.spec.even_share())
            ));
            ui.label(format!(
                "{:.3} times even (n/mean), {} of {} by load",
                self.load.utilisation(id).unwrap_or(0.0),
                self.rank(expert),
                self.spec.n_experts
            ));
            ui.label(format!(
                "gate mass {:.4}: {:.3} % of all, {:.4} a pick",
                self.load.mass[expert],
                self.load.mass_share(id).unwrap_or(0.0) * 100.0,
                self.load.mass[expert] / n as f64
            ));
        }
        let mark = edit_mark(cx, self.at(expert));
        if mark.masked {
            let words = if self.is_masked(cx, expert) {
                "masked by an edit"
            } else {
                "masked by an edit in the edited row"
            };
            ui.colored_label(cx.palette.amber, words);
        } else if mark.forced {
            ui.colored_label(cx.palette.amber, "forced by an edit");
        }
        ui.weak("click selects · double-click or M masks · right-click lists every edit");
    }

    fn rank(&self, expert: usize) -> usize {
        let own = self.load.n[expert];
        1 + self.load.n.iter().filter(|it| **it > own).count()
    }

    /// What a bar is called: `load of expert 5, layer 4: 24.7 % of tokens, 20 of 81, even 25 %`.
    pub fn name(&self, cx: &Cx<'_>, expert: usize) -> String {
        let what = match self.view.value {
            Value::Share => "of tokens",
            Value::Mass => "of gate weight",
        };
        let state = match (self.is_masked(cx, expert), self.is_unused(expert)) {
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

/// `token` or `tokens`.
pub fn plural(n: u64, word: &str) -> String {
    if n == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
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

/// Balance loss and z-loss of the router shown, read a portion a frame.
#[derive(Clone, Debug, Default)]
pub struct Balance {
    read: Memo<(RowOf, RouterId, PhaseFilter), ReadBalance>,
}

#[derive(Clone, Debug, Default)]
struct ReadBalance {
    stats: BalanceStats,
    /// Up to where.
    end: Position,
}

impl Balance {
    /// Reads on; asks for another frame where something is left.
    pub fn follow(&mut self, cx: &Cx<'_>, ui: &Ui, router: RouterId, phase: PhaseFilter) {
        let (Some(key), Some(row), Some(spec)) = (
            RowOf::of(cx),
            cx.row(),
            cx.spec().and_then(|it| it.router(router)),
        ) else {
            return;
        };
        let (key, store) = ((key, router, phase), &row.record.store);
        let read = self.read.resume(key, |it| it.end <= store.end());
        // A file is drawn once: there the whole text is read at once.
        let mut left = match cx.drawing {
            Drawing::Screen => SCORES_A_FRAME / spec.n_experts.max(1),
            Drawing::Paper => usize::MAX,
        };
        for step in store.steps_from(read.end) {
            let start = read.end.idx() - step.start.idx();
            let n_rows = left.min(step.tokens.len() - start);
            let trace = step.routers.get(router.idx());
            if let Some(trace) = trace.filter(|_| phase.holds(step.phase)) {
                for (at, token) in step.tokens.iter().enumerate().skip(start).take(n_rows) {
                    if !cx.session.is_special(*token) {
                        read.stats.add_row(trace, at, spec.score);
                    }
                }
            }
            read.end = read.end.plus(n_rows);
            left -= n_rows;
            if read.end < step.end() {
                ui.ctx().request_repaint();
                break;
            }
        }
    }

    /// What was read so far; none before anything was.
    pub fn stats(&self) -> Option<&BalanceStats> {
        self.read.key().map(|_| &self.read.value().stats)
    }
}
