//! The plot kept from frame to frame, and made anew only where what it shows has changed.

use std::rc::Rc;
use std::sync::Arc;

use crate::spec::Position;
use crate::ui::paint::expert_grid::ABSENT;
use crate::ui::{Cx, ExpertAt, Memo, RowKey};

use super::difference::Compared;
use super::order::{Order, Orders, Places};
use super::plot::{Plot, PlotSettings, Value};
use super::values;

/// All that the plot is made from.
#[derive(Clone, Copy, Debug, PartialEq)]
struct PlotFor {
    asked: PlotSettings,
    opened: u64,
    row: Option<RowKey>,
    baseline: Option<RowKey>,
    other: Option<RowKey>,
    edited_from: Option<Position>,
    /// Only where one token is shown: else each new selection would make everything anew.
    position: Option<Position>,
}

impl PlotFor {
    fn of(cx: &Cx<'_>, asked: PlotSettings) -> Self {
        use crate::ui::RowChoice;
        let session = cx.session;
        let compares = asked.value == Value::Difference;
        let one_token = matches!(asked.value, Value::Pick | Value::Score);
        Self {
            asked,
            opened: session.opened,
            row: session.row_key(cx.selection.row),
            baseline: session.row_key(RowChoice::Baseline).filter(|_| compares),
            other: session.counterfactual_key().filter(|_| compares),
            edited_from: session.shown().and_then(|it| it.edited_from),
            position: cx.position().filter(|_| one_token),
        }
    }
}

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    /// The numbers.
    pub plot: Rc<Plot>,
    /// The order.
    pub places: Rc<Places>,
    /// `[R × E]`: the cells as they stand.
    pub values: Arc<Vec<f32>>,
}

/// What was drawn last.
#[derive(Default)]
pub struct DrawnPlot {
    plot: Memo<PlotFor, Rc<Plot>>,
    drawn: Drawn,
    orders: Orders,
    compared: Compared,
}

impl DrawnPlot {
    /// What is to be drawn now.
    pub fn update(&mut self, cx: &Cx<'_>, asked: PlotSettings, order: Order) -> Drawn {
        let key = PlotFor::of(cx, asked);
        let places = self.orders.update(cx, order, asked.phase);
        let compared = &mut self.compared;
        let plot = self.plot.get(key, |_| Rc::new(plot(cx, asked, compared)));
        let drawn = &mut self.drawn;
        if !Rc::ptr_eq(plot, &drawn.plot) || !Rc::ptr_eq(&places, &drawn.places) {
            drawn.values = Arc::new(standing(cx, plot, &places));
            drawn.plot = Rc::clone(plot);
            drawn.places = places;
        }
        self.drawn.clone()
    }
}

/// The cells in the order in which they stand.
fn standing(cx: &Cx<'_>, plot: &Plot, places: &Places) -> Vec<f32> {
    let mut out = vec![ABSENT; plot.cells.len()];
    let Some(spec) = cx.spec() else {
        return out;
    };
    for (router, spec) in spec.router_ids() {
        let row = router.idx();
        for col in 0..spec.n_experts {
            let expert = places.expert(col, row);
            if let Some(it) = out.get_mut(row * plot.n_cols + col) {
                *it = plot.cell(ExpertAt { router, expert });
            }
        }
    }
    out
}

/// The plot made anew, for a table that is asked for once.
pub fn once(cx: &Cx<'_>, asked: PlotSettings) -> Plot {
    plot(cx, asked, &mut Compared::default())
}

/// The plot, with what it compares counted up to now.
fn plot(cx: &Cx<'_>, asked: PlotSettings, compared: &mut Compared) -> Plot {
    let compares = asked.value == Value::Difference;
    if compares {
        compared.update(cx, asked.against);
    }
    values::plot(cx, asked, compares.then_some(&*compared))
}
