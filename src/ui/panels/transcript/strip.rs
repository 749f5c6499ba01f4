//! The token strip: words, lines, the KL lane, the selection.

use eframe::egui::{self, Align2, FontId, Rect, Response, Sense, StrokeKind, Ui, pos2, vec2};

use crate::document::kl_words;
use crate::spec::{Position, RouterId, Score};
use crate::ui::theme::TRANSCRIPT_SIZE;
use crate::ui::widgets::dropped_on_panel;
use crate::ui::{
    Change, Command, Cx, Drawing, Hover, LEAST_FULL_KL, RowChoice, RowKey, RowView, Selection,
};

use super::amounts::{self, Amounts};
use super::heads::{self, HEADER};
use super::hover::{self, HoveredToken};
use super::ink::line_ui;
use super::label_font;
use super::line::{self, Ink, Line, Of};
use super::lit;
use super::part::{LANE, LINE, PartLayout, TokenRun, WORDS};
use super::place;
use super::sight::Places;

/// Lines in sight above and below a token that is jumped to.
const SURROUNDINGS: f32 = 1.5;

/// The strip.
#[derive(Default)]
pub struct Strip {
    layouts: Vec<PartLayout>,
    amounts: Amounts,
    /// The token scrolled to last.
    seen: Option<(RowChoice, Position)>,
    /// Whether it was clicked here: then it is in sight, and the text stays where it is.
    clicked: bool,
}

/// What the strip shows beside the words.
#[derive(Clone, Copy)]
pub struct Shows {
    /// What the line under each token is.
    pub line: Line,
    /// Whether a mean over layers was asked for.
    pub mean: bool,
    /// What the edits changed.
    pub change: Change,
}

/// What drawing a part needs to know.
struct PartUi<'a> {
    part: &'a TokenRun,
    layout: &'a PartLayout,
    view: RowView<'a>,
    /// Top left of the first line.
    origin: egui::Pos2,
    line: Line,
    of: Of,
    /// Those in sight: the first's place in the part, and a line for each.
    inks: (usize, Vec<TokenInk>),
    router: RouterId,
    score: Score,
    /// The KL of a bar as high as the lane.
    most_kl: f32,
    largest: Option<Position>,
    divergence: Option<Position>,
    /// The one followed.
    newest: Option<Position>,
    /// Whether a token of it was clicked.
    clicked: bool,
}

/// The line of a token, and the mean it is made of.
type TokenInk = (Option<Ink>, Option<f32>);

impl Strip {
    /// The smallest margin of the text and the largest, where the line shows margins.
    pub fn margins(&self) -> Option<(f32, f32)> {
        self.amounts.ends()
    }

    /// Draws all parts; the ui is the inside of a scroll area.
    ///
    /// Returns where in it what is to be in sight stands.
    pub fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, parts: &[TokenRun], shows: Shows) -> Places {
        self.layouts.resize_with(parts.len(), PartLayout::default);
        let router = cx.selection.router.unwrap_or_default();
        let line = shows.line.shown(cx, router);
        let of = amounts::of(line, shows.mean, router);
        self.amounts.begin(cx, line, of);
        let Change {
            concentration,
            divergence,
            ..
        } = shows.change;
        let top = ui.cursor().min;
        let (mut y, mut row_bottom) = (top.y, top.y);
        for (part, layout) in parts.iter().zip(&mut self.layouts) {
            let Some(view) = cx.session.row(part.row) else {
                continue;
            };
            layout.update(cx, ui, part, &view.record.tokens);
            if !part.beside {
                y = row_bottom;
            }
            let mut origin = pos2(top.x + part.x, y);
            let sight = ui.clip_rect();
            if !part.name.is_empty() {
                heads::name_ui(cx, ui, part.name, origin);
                origin.y += heads::NAME;
            }
            let own = cx.router_at(Position::new(part.range.start));
            if part.header {
                let bottom = origin.y + HEADER + layout.n_lines() as f32 * part.pitch();
                let head = heads::ui(cx, ui, part, origin, bottom);
                origin.y += HEADER;
                // What scrolls under it is neither seen nor clicked.
                ui.set_clip_rect(sight.with_min_y(sight.top().max(head)));
            }
            layout.origin = origin;
            let mut drawing = PartUi {
                part,
                layout,
                view,
                origin,
                line,
                of,
                inks: (0, Vec::new()),
                router: own,
                score: line::score(cx, own),
                most_kl: concentration.map_or(0.0, |it| it.largest.kl.max(LEAST_FULL_KL)),
                largest: concentration.map(|it| it.largest.at),
                divergence,
                newest: cx.position().filter(|_| cx.selection.position.is_none()),
                clicked: false,
            };
            drawing.inks = drawing.inks(cx, ui, &mut self.amounts);
            drawing.ui(cx, ui);
            self.clicked |= drawing.clicked;
            ui.set_clip_rect(sight);
            row_bottom = row_bottom.max(origin.y + layout.n_lines() as f32 * part.pitch());
        }
        if self.amounts.short {
            ui.ctx().request_repaint();
        }
        let places = place::places(cx, (parts, &self.layouts), divergence, top.y);
        let height = row_bottom - top.y + 2.0;
        let room = match cx.drawing {
            Drawing::Screen => {
                let snapped = |it| self.line_start(parts, top.y, it);
                places.room(height, ui.clip_rect().height(), snapped)
            }
            Drawing::Paper => 0.0,
        };
        ui.allocate_space(vec2(ui.available_width(), height + room));
        self.scroll_to_selection(cx, ui, parts);
        places
    }

    /// The first line that begins at `y` or under it, points from the top of the strip, which was drawn at `top`.
    pub fn line_start(&self, parts: &[TokenRun], top: f32, y: f32) -> f32 {
        place::line_start(parts, &self.layouts, top, y)
    }

    /// Brings a token that was selected elsewhere into sight, with the lines around it.
    fn scroll_to_selection(&mut self, cx: &Cx<'_>, ui: &Ui, parts: &[TokenRun]) {
        let now = cx.selection.position.map(|at| (cx.selection.row, at));
        if now == self.seen {
            return;
        }
        self.seen = now;
        let is_here = std::mem::take(&mut self.clicked);
        let Some((row, at)) = now else {
            return;
        };
        for (part, layout) in parts.iter().zip(&self.layouts) {
            let shared = !part.header;
            if (part.row == row || shared)
                && part.range.contains(&at.idx())
                && let Some(rect) = layout.rect(part, at.idx() - part.range.start)
            {
                let mut around = rect.expand2(vec2(0.0, SURROUNDINGS * part.pitch()));
                around.min.y -= HEADER;
                let sight = if is_here { rect } else { around };
                if !ui.clip_rect().y_range().contains(sight.top())
                    || !ui.clip_rect().y_range().contains(sight.bottom())
                {
                    ui.scroll_to_rect(around, None);
                }
            }
        }
    }
}

/// Letters of the number under each line; 0 where none is shown.
pub fn n_digits(cx: &Cx<'_>, line: Line) -> usize {
    let router = cx.selection.router.unwrap_or_default();
    let is_expert = matches!(line.shown(cx, router), Line::Strongest | Line::Pinned);
    let n = cx.spec().filter(|_| cx.palette.presents() && is_expert);
    let last = n.map(|it| it.max_experts().saturating_sub(1));
    last.map_or(0, |it| it.to_string().len())
}

impl PartUi<'_> {
    /// The tokens on the lines in sight; in a file only whole lines.
    fn in_sight(&self, cx: &Cx<'_>, ui: &Ui) -> std::ops::Range<usize> {
        let clip = ui.clip_rect();
        let line_at = |y: f32| ((y - self.origin.y) / self.part.pitch()).max(0.0);
        let first = line_at(clip.top()).floor() as usize;
        let end = match cx.drawing {
            Drawing::Screen => line_at(clip.bottom()).ceil() as usize + 1,
            Drawing::Paper => line_at(clip.bottom()).floor() as usize,
        };
        let placed = self.layout.placed();
        let from = placed.partition_point(|it| it.line < first);
        from..placed.partition_point(|it| it.line < end).max(from)
    }

    /// The lines of the tokens in sight.
    fn inks(&self, cx: &Cx<'_>, ui: &Ui, amounts: &mut Amounts) -> (usize, Vec<TokenInk>) {
        let range = self.in_sight(cx, ui);
        let key = cx.session.row_key(self.part.row).unwrap_or_default();
        let ink = |n: usize| self.ink(cx, Position::new(self.part.range.start + n), key, amounts);
        (range.start, range.map(ink).collect())
    }

    fn ink(&self, cx: &Cx<'_>, at: Position, key: RowKey, amounts: &mut Amounts) -> TokenInk {
        if matches!(self.line, Line::Strongest | Line::Pinned) {
            let ink = line::pick_ink(cx, self.line, self.view, self.router, at);
            return (ink, None);
        }
        let amount = amounts.at(cx, key, self.view, at);
        let ink = amount.map(|it| {
            let scale = (self.score, amounts.rank(it));
            line::amount_ink(self.line, it, scale, cx.palette)
        });
        (ink, amount.filter(|_| self.of == Of::Mean))
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let (from, inks) = (self.inks.0, self.inks.1.len());
        for n in from..from + inks {
            self.token_ui(cx, ui, n);
        }
        self.largest_ui(cx, ui);
    }

    fn token_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, n: usize) {
        let at = Position::new(self.part.range.start + n);
        let Some(rect) = self.layout.rect(self.part, n) else {
            return;
        };
        let (ink, mean) = self.inks.1[n - self.inks.0];
        if cx.drawing == Drawing::Paper {
            self.behind_ui(cx, ui, at, rect, false);
            self.marks_ui(cx, ui, (n, at), rect, ink);
            return;
        }
        let id = ui
            .scope_id()
            .with(("token", self.part.row == RowChoice::Edited, at.0));
        let response = ui.interact(rect, id, Sense::CLICK);
        let asked = HoveredToken {
            view: self.view,
            router: self.router,
            mean: mean.map(|it| (self.line, it)),
            at,
            baseline: self.is_baseline(),
        };
        response.widget_info(|| {
            let words = self.layout.text(n).trim();
            let row = match (self.part.header, self.part.row) {
                (true, RowChoice::Edited) => "edited ",
                _ => "",
            };
            let name = cx.token_name(at);
            let label = format!("{row}{name} {words}");
            egui::WidgetInfo {
                current_text_value: hover::line_words(cx, self.line, self.of, asked),
                ..egui::WidgetInfo::labeled(egui::Role::Button, true, label)
            }
        });
        self.behind_ui(cx, ui, at, rect, response.hovered());
        self.marks_ui(cx, ui, (n, at), rect, ink);
        self.clicked |= response.clicked() || response.secondary_clicked();
        self.gestures(cx, &response, at);
        response.context_menu(|ui| self.menu_ui(cx, ui, n, asked));
        response.on_hover_ui(|ui| hover::ui(cx, ui, asked));
    }

    /// Words, line, lane, outline.
    fn marks_ui(
        &self,
        cx: &Cx<'_>,
        ui: &Ui,
        (n, at): (usize, Position),
        rect: Rect,
        ink: Option<Ink>,
    ) {
        self.lane_ui(cx, ui, at, rect);
        self.words_ui(cx, ui, n, at, rect);
        line_ui(cx, ui, rect, ink);
        if line::dropped(self.view, self.router, at).is_some() {
            let bar = rect.center_bottom() - vec2(0.0, LINE / 2.0);
            let radius = (LINE / 2.0).min(rect.width() / 2.0 - 1.0).max(1.0);
            dropped_on_panel(ui.painter(), bar, radius, cx.palette);
        }
        self.number_ui(cx, ui, at, rect);
        self.outline_ui(cx, ui, at, rect);
    }

    /// The experts of the line as numbers under it.
    fn number_ui(&self, cx: &Cx<'_>, ui: &Ui, at: Position, rect: Rect) {
        if self.part.n_digits == 0 {
            return;
        }
        let place = rect.center_bottom() + vec2(0.0, 1.0);
        let words = line::numbers(cx, self.line, self.view, self.router, at);
        let color = cx.palette.text;
        let painter = ui.painter();
        painter.text(place, Align2::CENTER_TOP, words, label_font(), color);
    }

    /// Whether the tokens are also the baseline's.
    fn is_baseline(&self) -> bool {
        !self.part.header || self.part.row == RowChoice::Baseline
    }

    fn own_row(&self, cx: &Cx<'_>) -> RowChoice {
        if self.part.header {
            self.part.row
        } else {
            cx.selection.row
        }
    }

    fn behind_ui(&self, cx: &Cx<'_>, ui: &Ui, at: Position, rect: Rect, hovered: bool) {
        let words = rect.with_min_y(rect.top() + self.part.lane());
        let elsewhere = cx.hover.token == Some((self.own_row(cx), at));
        let hovered = hovered || (elsewhere && cx.drawing == Drawing::Screen);
        let lit = lit::expert(cx).filter(|it| lit::picked(self.view, at, *it));
        if let Some(expert) = lit.filter(|_| !hovered) {
            lit::ui(cx, ui, words, expert);
        }
        if self.divergence == Some(at) && self.part.header {
            let wash = words.with_max_y(words.top() + WORDS);
            ui.painter().rect_filled(wash, 3.0, cx.palette.amber_wash());
        } else if hovered {
            ui.painter().rect_filled(words, 3.0, cx.palette.hovered);
        }
    }

    /// A bar for KL, with a value at the largest.
    fn lane_ui(&self, cx: &Cx<'_>, ui: &Ui, at: Position, rect: Rect) {
        let shown = self.part.lane_from.is_some_and(|from| at >= from) && self.most_kl > 0.0;
        let Some(kl) = shown.then(|| cx.records().kl(at)).flatten() else {
            return;
        };
        let height = ((LANE - 4.0) * kl / self.most_kl).max(1.0);
        let bottom = rect.top() + LANE - 1.0;
        let bar = Rect::from_min_max(
            pos2(rect.left() + 0.5, bottom - height),
            pos2(rect.right() - 0.5, bottom),
        );
        ui.painter().rect_filled(bar, 0.5, cx.palette.amber);
    }

    /// The value at the largest, over whatever stands beside it.
    fn largest_ui(&self, cx: &Cx<'_>, ui: &Ui) {
        let Some(at) = self
            .largest
            .filter(|it| self.part.range.contains(&it.idx()))
        else {
            return;
        };
        let n = at.idx() - self.part.range.start;
        let (Some(rect), Some(kl)) = (self.layout.rect(self.part, n), cx.records().kl(at)) else {
            return;
        };
        if self.part.lane_from.is_none_or(|from| at < from) {
            return;
        }
        let font = FontId::proportional(cx.palette.letters(10.0));
        let galley = ui
            .painter()
            .layout_no_wrap(kl_words(kl), font, cx.palette.amber);
        let room = self.origin.x + self.part.width - rect.right();
        let x = if room > galley.size().x + 4.0 {
            rect.right() + 3.0
        } else {
            rect.left() - 3.0 - galley.size().x
        };
        let at = pos2(x, rect.top());
        let back = Rect::from_min_size(at, galley.size()).expand2(vec2(2.0, -1.0));
        ui.painter().rect_filled(back, 2.0, cx.palette.panel);
        ui.painter().galley(at, galley, cx.palette.amber);
    }

    fn words_ui(&self, cx: &Cx<'_>, ui: &Ui, n: usize, at: Position, rect: Rect) {
        let given = at.idx() < self.view.record.n_given;
        let color = if given {
            cx.palette.second
        } else {
            cx.palette.text
        };
        ui.painter().text(
            pos2(rect.left(), rect.top() + self.part.lane() + WORDS / 2.0),
            Align2::LEFT_CENTER,
            self.layout.text(n),
            FontId::proportional(TRANSCRIPT_SIZE),
            color,
        );
    }

    fn outline_ui(&self, cx: &Cx<'_>, ui: &Ui, at: Position, rect: Rect) {
        let selected = cx.selection.position == Some(at) && cx.selection.row == self.own_row(cx);
        if selected {
            let rect = rect.with_min_y(rect.top() + self.part.lane()).expand(2.0);
            ui.painter()
                .rect_stroke(rect, 4.0, (1.5, cx.palette.selected), StrokeKind::Inside);
        } else if self.newest == Some(at) && cx.selection.row == self.own_row(cx) {
            let rect = rect.with_min_y(rect.top() + self.part.lane()).expand(1.0);
            ui.painter()
                .rect_stroke(rect, 4.0, (1.0, cx.palette.second), StrokeKind::Inside);
        }
    }

    fn gestures(&self, cx: &mut Cx<'_>, response: &Response, at: Position) {
        if response.hovered() {
            cx.push(Command::Hover(Hover {
                token: Some((self.own_row(cx), at)),
                ..Hover::default()
            }));
        }
        if response.clicked() || response.secondary_clicked() {
            cx.push(Command::Select(Selection {
                row: self.own_row(cx),
                position: Some(at),
                ..cx.selection
            }));
        }
    }

    fn menu_ui(&self, cx: &mut Cx<'_>, ui: &mut Ui, n: usize, asked: HoveredToken<'_>) {
        let at = asked.at;
        let row = self.own_row(cx);
        let select = Selection {
            row,
            position: Some(at),
            ..cx.selection
        };
        if ui
            .button("Continue from here")
            .on_hover_text("The tokens up to this one become given")
            .clicked()
        {
            cx.push(Command::ContinueFrom { row, at });
        }
        if ui
            .button("Edit from here")
            .on_hover_text("Select it: the next edit acts from this token on")
            .clicked()
        {
            cx.push(Command::Select(select));
        }
        ui.separator();
        if ui.button("Copy the token").clicked() {
            ui.ctx().copy_text(self.layout.text(n).to_owned());
        }
        if ui.button("Copy its numbers").clicked() {
            ui.ctx().copy_text(hover::lines(cx, asked).join("\n"));
        }
        if ui.button("Copy the text").clicked() {
            let text = cx.session.tokens().text(&self.view.record.tokens);
            ui.ctx().copy_text(text);
        }
    }
}
