//! How often each expert was picked, beside an even share: one router in total or over the text, or all routers.
//!
//! The text's own use of the experts, never a verdict on the model: that needs mixed text and stands in Health.

mod bars;
mod chips;
mod curve;
mod frame;
mod numbers;
mod routers;
mod table;
mod time;

use eframe::egui::Ui;

use crate::analysis::PhaseFilter;
use crate::document::{LoadValue, Table};
use crate::spec::RouterId;
use crate::ui::widgets::{NO_ROUTER, READING, nothing_yet};
use crate::ui::{Cx, Panel};

use numbers::shown_load;

/// Above this many experts labelled bars give way to a rank curve.
const MOST_BARS: usize = 32;

/// Which routers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The selected one.
    #[default]
    One,
    /// Each in a line of its own.
    All,
}

/// Whether the text is taken as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// As a whole.
    #[default]
    Total,
    /// Token by token.
    Time,
}

/// What can be chosen in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSettings {
    scope: Scope,
    over: Over,
    value: LoadValue,
    phase: PhaseFilter,
    /// Over how many of the last tokens a share over time is taken; none counts from the start.
    window: Option<usize>,
    thresholds: bool,
    sort: routers::Sort,
}

impl Default for LoadSettings {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            over: Over::default(),
            value: LoadValue::default(),
            phase: PhaseFilter::default(),
            window: Some(32),
            thresholds: true,
            sort: routers::Sort::default(),
        }
    }
}

/// View state of the panel, and what it keeps between frames.
#[derive(Clone, Debug, Default)]
pub struct LoadPanel {
    view: LoadSettings,
    balance: numbers::Balance,
    time: time::TimeSeries,
    routers: routers::RouterLines,
    menu: frame::MenuAt,
}

impl Panel for LoadPanel {
    fn title(&self) -> &'static str {
        "Load"
    }

    fn help(&self) -> &'static str {
        "How often each expert was picked, beside an even share"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        chips::head_ui(cx, ui, &mut self.view);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let router = match shown_router(cx) {
            Ok(router) => router,
            Err(why) => {
                nothing_yet(ui, why);
                return;
            }
        };
        if self.view.scope == Scope::All {
            routers::ui(cx, ui, &mut self.view, &mut self.routers);
            return;
        }
        let Some(shown) = shown_load(cx, self.view, router) else {
            nothing_yet(ui, "No token of this kind was counted yet");
            return;
        };
        self.balance.follow(cx, ui, router, self.view.phase);
        match self.view.over {
            Over::Time => time::ui(cx, ui, (self.view, &shown), &mut self.time, &mut self.menu),
            Over::Total if shown.spec.n_experts > MOST_BARS => {
                curve::ui(cx, ui, &shown, &self.balance, &mut self.menu);
            }
            Over::Total => bars::ui(cx, ui, &shown, &self.balance),
        }
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let router = shown_router(cx).ok()?;
        table::table(cx, self.view, router)
    }
}

/// The router shown; a sentence where there is nothing to show.
fn shown_router(cx: &Cx<'_>) -> Result<RouterId, &'static str> {
    let spec = cx
        .spec()
        .ok_or("Open a model to see how often its experts are picked")?;
    let router = cx.selection.router.or_else(|| spec.middle_router());
    let router = router.ok_or(NO_ROUTER)?;
    let n = cx.row().map_or(0, |it| it.load.n_tokens(PhaseFilter::All));
    if n == 0 && cx.reads_first() {
        return Err(READING);
    }
    if n == 0 {
        return Err(
            "Space writes the first tokens: each expert's load grows as they come; the tab Health judges whether it is even over texts",
        );
    }
    Ok(router)
}
