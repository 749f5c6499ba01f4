//! The only place where engine, trace and panels meet.
//!
//! Between frames `logic` folds what the engine said and applies what the panels asked for; `ui`
//! draws. **Invariant:** the thread that draws never waits: a full queue is tried again next frame.

mod apply;
mod edits;
mod first_frame;
mod fold;
mod keys;
mod link;
mod screenshot;
mod share;
mod window;

use std::collections::{HashMap, VecDeque};

use eframe::egui::{self, Frame as Surface, Margin, Panel as Bar, util::undoer::Undoer};

use crate::engine::{ModelSource, Pace, Request};
use crate::spec::{Experiment, PromptForm, TokenId};
use crate::ui::{
    Command, Cx, Dialogs, Drawing, ExpertAt, Frame, Hover, PRESETS, Palette, Selection, Session,
    Settings, bottom_bar, dialogs_ui, expert_grid, install_theme, top_bar,
};

pub use apply::source;
pub use link::Link;
pub use screenshot::screenshot;
pub use window::{NoWindow, open_window};

const TOP_BAR: f32 = 32.0;
const BOTTOM_BAR: f32 = 42.0;
const EDGE: i8 = 6;

/// What is done with tokens that were asked for.
#[derive(Clone, Debug)]
struct Waiting {
    tag: u64,
    play: bool,
    /// Edits of a preset to add once the tokens are there.
    preset: Option<usize>,
}

/// The window's whole state.
pub struct App {
    link: Box<dyn Link>,
    /// What could not be sent yet.
    outbox: VecDeque<Request>,
    session: Session,
    experiment: Experiment,
    undo: Undoer<Experiment>,
    /// The experiment as it counted last; a drag goes beyond it until it is released.
    committed: Experiment,
    selection: Selection,
    hover: Hover,
    pins: Vec<ExpertAt>,
    prompt: String,
    form: PromptForm,
    /// The words and the form that given tokens came from.
    typed: HashMap<Vec<TokenId>, (String, PromptForm)>,
    settings: Settings,
    dialogs: Dialogs,
    frame: Frame,
    commands: Vec<Command>,
    /// What keys ask for, once it is known what is selected.
    pressed: Vec<fn(&Selection) -> Option<Command>>,
    waiting: Option<Waiting>,
    next_tag: u64,
    /// When the last tokens came, seconds.
    token_times: VecDeque<f64>,
    /// What is being opened.
    opening: String,
    /// How often writing has stopped.
    n_stops: u64,
    /// How the command line names the model that is being opened, and the open one.
    arguments: (String, String),
    /// The dialog that asks where to save.
    saving: Option<share::Saving>,
}

impl App {
    /// A window over `link` that opens `source` at once.
    #[must_use]
    pub fn new(
        cc: &eframe::CreationContext<'_>,
        link: Box<dyn Link>,
        source: Option<ModelSource>,
    ) -> Self {
        install_theme(&cc.egui_ctx);
        cc.egui_ctx.options_mut(|it| it.zoom_with_keyboard = false);
        if let Some(state) = &cc.wgpu_render_state {
            expert_grid::install(state);
        }
        let mut out = Self {
            link,
            outbox: VecDeque::new(),
            session: Session::default(),
            experiment: Experiment::default(),
            undo: Undoer::default(),
            committed: Experiment::default(),
            selection: Selection::default(),
            hover: Hover::default(),
            pins: Vec::new(),
            prompt: PRESETS[0].prompt.to_owned(),
            form: PromptForm::Plain,
            typed: HashMap::new(),
            settings: Settings::default(),
            dialogs: Dialogs::default(),
            frame: Frame::default(),
            commands: Vec::new(),
            pressed: Vec::new(),
            waiting: None,
            next_tag: 1,
            token_times: VecDeque::new(),
            opening: "a model".to_owned(),
            n_stops: 0,
            arguments: (String::new(), String::new()),
            saving: None,
        };
        out.ask(Request::SetPace(pace(out.settings)));
        if let Some(source) = source {
            out.open(source);
        }
        out
    }

    /// What the engine said so far, for tests and the screenshot.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What the user set.
    #[must_use]
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// What is selected.
    #[must_use]
    pub fn selection(&self) -> Selection {
        self.selection
    }

    /// Asks for something, as a panel would; it is done before the next frame.
    pub fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Whether nothing is under way: no load, no writing, nothing sent and not answered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let it = &self.session;
        !it.playing
            && it.loading.is_none()
            && it.catching.is_none()
            && self.waiting.is_none()
            && self.outbox.is_empty()
            && self.commands.is_empty()
            && self.pressed.is_empty()
    }

    fn ask(&mut self, request: Request) {
        self.outbox.push_back(request);
    }

    /// Sends what waits; true where the queue is full.
    fn flush(&mut self) -> bool {
        while let Some(request) = self.outbox.pop_front() {
            if let Err(request) = self.link.send(request) {
                self.outbox.push_front(request);
                return true;
            }
        }
        false
    }

    fn open(&mut self, source: ModelSource) {
        self.arguments.0 = share::argument(&source);
        self.opening = match &source {
            ModelSource::Tour => "the Tour model".to_owned(),
            ModelSource::Path(path) => path.display().to_string(),
        };
        self.session.message = None;
        self.session.loading = Some(crate::ui::Loading {
            name: self.opening.clone(),
            ..crate::ui::Loading::default()
        });
        self.ask(Request::Open(source));
    }
}

/// The pace as the engine takes it.
fn pace(settings: Settings) -> Pace {
    settings.pace.map_or(Pace::Unlimited, Pace::TokensPerSec)
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        let now_secs = ctx.input(|it| it.time);
        let events = self.link.events();
        if !events.is_empty() {
            // There may be more than were taken.
            ctx.request_repaint();
        }
        for event in events {
            self.fold(event, now_secs);
        }
        self.apply_all(ctx, now_secs);
        self.save_on(ctx);
        if self.flush() {
            ctx.request_repaint();
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.keys(ui);
        let palette = Palette::of(ui);
        let mut cx = Cx {
            session: &self.session,
            experiment: &self.experiment,
            selection: self.selection,
            hover: self.hover,
            prompt: &self.prompt,
            form: &self.form,
            settings: self.settings,
            can_undo: self.undo.has_undo(&self.experiment),
            can_redo: self.undo.has_redo(&self.experiment),
            pins: &self.pins,
            drawing: Drawing::Screen,
            palette,
            commands: &mut self.commands,
        };
        let bar = Surface::new()
            .fill(palette.window)
            .inner_margin(Margin::symmetric(8, 2));
        Bar::top("top")
            .exact_size(TOP_BAR)
            .frame(bar)
            .show_separator_line(false)
            .show(ui, |ui| top_bar(&mut cx, ui));
        Bar::bottom("bottom")
            .exact_size(BOTTOM_BAR)
            .frame(bar)
            .show_separator_line(false)
            .show(ui, |ui| bottom_bar(&mut cx, ui));
        let surface = Surface::new()
            .fill(palette.window)
            .inner_margin(Margin::symmetric(EDGE, 0));
        egui::CentralPanel::no_frame()
            .frame(surface)
            .show(ui, |ui| {
                self.frame.ui(&mut cx, ui);
                dialogs_ui(&mut cx, ui, &mut self.dialogs);
            });
        self.take_hover(ui.ctx());
        if !self.commands.is_empty() || !self.pressed.is_empty() {
            ui.ctx().request_repaint();
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }
}
