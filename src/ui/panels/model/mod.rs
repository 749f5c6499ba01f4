//! What is open: its shape, its routing rule with its numbers, its memory.
//!
//! Everything here is known when a model is opened and kept as one page; only the speed changes.

mod draw;

use std::sync::Arc;

use eframe::egui::{Color32, Label, Rect, RichText, ScrollArea, Sense, Ui, pos2, vec2};

use crate::document::{ModelGate, ModelPage, ModelRule, Table, WHY_CPU, model_table};
use crate::trace::ModelFacts;
use crate::ui::widgets::{note, nothing_yet, said};
use crate::ui::words::{bytes, grouped, percent, short};
use crate::ui::{Cx, Drawing, Memo, Palette, Panel};

use draw::{NumberTable, heading, pair, pairs, quiet, value};

/// Height of the stacked bar.
const BAR: f32 = 14.0;
/// Formulas stand left of what they mean from this width on.
const BESIDE: f32 = 420.0;
const FORMULA: f32 = 190.0;
/// A square before a kind, and the space after it.
const SWATCH: f32 = 15.0;

/// The page of the open model.
#[derive(Clone, Debug, Default)]
pub struct ModelPanel {
    page: Memo<PageOf, Option<ModelPage>>,
}

/// What a page is of: the same record, which is another one when the model moves to another device.
#[derive(Clone, Debug)]
struct PageOf(Arc<ModelFacts>);

impl PartialEq for PageOf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Panel for ModelPanel {
    fn title(&self) -> &'static str {
        "Model"
    }

    fn help(&self) -> &'static str {
        "What is open: its shape, its routing rule with its numbers, its memory"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(facts) = &cx.session.facts else {
            self.page = Memo::default();
            nothing_yet(
                ui,
                "Open a model to see its shape, its routing rule and its memory",
            );
            return;
        };
        let of = PageOf(Arc::clone(facts));
        let Some(page) = self.page.get(of, |it| Some(ModelPage::new(&it.0))) else {
            return;
        };
        if cx.drawing == Drawing::Paper {
            page_ui(cx, ui, page);
            return;
        }
        let area = ScrollArea::vertical().auto_shrink([false, false]);
        area.show(ui, |ui| page_ui(cx, ui, page));
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let facts = cx.session.facts.as_ref()?;
        let speed = [cx.session.could_do, cx.session.measured];
        Some(model_table(&ModelPage::new(facts), speed))
    }
}

fn page_ui(cx: &Cx<'_>, ui: &mut Ui, page: &ModelPage) {
    ui.spacing_mut().item_spacing.y = 3.0;
    name_ui(cx, ui, page);
    heading(ui, "Routing rule");
    page.rules.iter().for_each(|it| rule_ui(ui, it));
    heading(ui, "Shape");
    pairs(ui, &page.shape);
    heading(ui, "Memory");
    memory_ui(ui, page);
    heading(ui, "Device and speed");
    speed_ui(cx, ui, page);
    if !page.gates.is_empty() {
        heading(ui, "Gates, before any token is read");
        gates_ui(ui, page);
    }
    if !page.facts.notes.is_empty() {
        heading(ui, "Noted while opening");
        page.facts.notes.iter().for_each(|it| quiet(ui, it));
    }
    ui.add_space(4.0);
}

fn name_ui(cx: &Cx<'_>, ui: &mut Ui, page: &ModelPage) {
    let facts = &page.facts;
    let name = RichText::new(&facts.name)
        .strong()
        .color(cx.palette.selected);
    ui.add(Label::new(name).wrap().selectable(true));
    let family = &facts.spec.family_label;
    quiet(
        ui,
        &format!(
            "{family} architecture · {} · {}",
            facts.dtype, facts.device.label
        ),
    );
    value(ui, &parameter_words(page));
    parameters_ui(ui, page);
}

/// `7,177,760 parameters, of which one token passes 4,203,680, 58.6 %`.
fn parameter_words(page: &ModelPage) -> String {
    let it = page.facts.parameters;
    format!(
        "{} parameters, of which one token passes {}, {}",
        grouped(it.total),
        grouped(it.active),
        percent(page.active_share())
    )
}

/// All parameters as one bar, those of one token bright.
fn parameters_ui(ui: &mut Ui, page: &ModelPage) {
    let palette = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 8.0), Sense::hover());
    let words = said(ui, parameter_words(page));
    response.widget_info(|| {
        eframe::egui::WidgetInfo::labeled(eframe::egui::Role::Image, true, words.as_ref())
    });
    let bar = rect.shrink2(vec2(0.0, 1.0));
    let middle = bar.left() + bar.width() * page.active_share();
    ui.painter()
        .rect_filled(bar, 2.0, palette.quiet(palette.second, 0.3));
    ui.painter()
        .rect_filled(bar.with_max_x(middle), 2.0, palette.second);
    response.on_hover_text(said(
        ui,
        "Bright: what one token passes. The rest are experts it was not sent to.",
    ));
}

/// The steps: a formula, and what it means beside or under it.
fn rule_ui(ui: &mut Ui, rule: &ModelRule) {
    quiet(ui, &rule.title);
    for step in &rule.steps {
        if ui.available_width() < BESIDE {
            value(ui, &step.formula);
            ui.indent("meaning", |ui| quiet(ui, &step.meaning));
            continue;
        }
        ui.horizontal_top(|ui| {
            ui.allocate_ui(vec2(FORMULA, 0.0), |ui| {
                ui.set_min_width(FORMULA);
                value(ui, &step.formula);
            });
            quiet(ui, &step.meaning);
        });
    }
}

/// The kinds as shades of grey, the largest brightest: which is which stands in the table below.
fn shade(palette: &Palette, place: usize) -> Color32 {
    let strength = [0.95, 0.68, 0.5, 0.38, 0.28, 0.22, 0.18];
    let last = strength.len() - 1;
    palette.quiet(palette.second, strength[place.min(last)])
}

fn memory_ui(ui: &mut Ui, page: &ModelPage) {
    let palette = Palette::of(ui);
    let mut order: Vec<usize> = (0..page.kinds.len()).collect();
    order.sort_by_key(|it| std::cmp::Reverse(page.kinds[*it].share.bytes));
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), BAR), Sense::hover());
    let names: Vec<String> = order
        .iter()
        .map(|it| &page.kinds[*it])
        .map(|it| format!("{} {}", it.share.kind, percent(it.part)))
        .collect();
    let words = format!("Bytes of the weights: {}", names.join(", "));
    response
        .widget_info(|| eframe::egui::WidgetInfo::labeled(eframe::egui::Role::Image, true, &words));
    response.on_hover_text(&words);
    let mut left = rect.left();
    for (place, n) in order.iter().enumerate() {
        let right = left + rect.width() * page.kinds[*n].part;
        // A hair of the panel between two kinds, where they are wide enough to spare it.
        let gap = if right - left > 3.0 { 1.5 } else { 0.0 };
        let piece = Rect::from_min_max(pos2(left, rect.top()), pos2(right - gap, rect.bottom()));
        ui.painter().rect_filled(piece, 1.0, shade(palette, place));
        left = right;
    }
    kinds_ui(ui, page, &order);
    ui.add_space(3.0);
    for (name, words) in &page.memory {
        pair(ui, name, words);
    }
}

fn kinds_ui(ui: &mut Ui, page: &ModelPage, order: &[usize]) {
    let palette = Palette::of(ui);
    let longest = page.kinds.iter().map(|it| it.share.kind.as_str());
    let longest = longest.max_by_key(|it| it.len()).unwrap_or_default();
    let total = grouped(page.facts.parameters.total);
    let heads = [
        ("parameters", total.as_str()),
        ("bytes", "999.9 MB"),
        ("of all", "99.9 %"),
    ];
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let table = NumberTable::new(ui, SWATCH, longest, &heads);
        for (place, n) in order.iter().enumerate() {
            let it = &page.kinds[*n];
            let cells = || {
                vec![
                    grouped(it.share.parameters),
                    bytes(it.share.bytes),
                    percent(it.part),
                ]
            };
            let rect = table.row(ui, &it.share.kind, cells, true);
            let at = pos2(rect.left() + 4.5, rect.center().y);
            let square = Rect::from_center_size(at, vec2(9.0, 9.0));
            ui.painter().rect_filled(square, 2.0, shade(palette, place));
        }
    });
}

fn speed_ui(cx: &Cx<'_>, ui: &mut Ui, page: &ModelPage) {
    let device = &page.facts.device;
    pair(ui, "device", &device.label);
    for why in &device.notes {
        pair(ui, WHY_CPU, why);
    }
    pairs(ui, &device.details);
    let could = cx.session.could_do.map_or_else(
        || "not measured yet: write some tokens".to_owned(),
        |it| format!("{} tokens/s, as fast as it goes", short(f64::from(it))),
    );
    pair(ui, "could do", &could);
}

fn gates_ui(ui: &mut Ui, page: &ModelPage) {
    let longest = page.gates.iter().map(|it| it.label.as_str());
    let longest = longest.max_by_key(|it| it.len()).unwrap_or_default();
    let heads = [
        ("largest cosine", "0.000"),
        ("experts", "100, 100"),
        ("shortest row", "0.000"),
        ("longest", "00.000"),
        ("mean", "00.000"),
        ("NaN or ∞", "0"),
    ];
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let table = NumberTable::new(ui, 0.0, longest, &heads);
        for gate in &page.gates {
            table.row(ui, &gate.label, || gate_cells(gate), true);
        }
    });
    note(ui, page.gates_words());
}

/// Cosine and names of the two gates most alike, norms, numbers that are none.
fn gate_cells(gate: &ModelGate) -> Vec<String> {
    let norms = gate.norms.map(|it| it.map(|it| short(f64::from(it))));
    let [least, mean, most] = norms.unwrap_or_else(|| ["–"; 3].map(str::to_owned));
    let near = gate.facts.nearest;
    let cosine = near.map_or("–".to_owned(), |it| short(f64::from(it.cosine)));
    let pair = near.map_or("–".to_owned(), |it| format!("{}, {}", it.a, it.b));
    let broken = grouped(gate.facts.n_not_finite);
    vec![cosine, pair, least, most, mean, broken]
}
