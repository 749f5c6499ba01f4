//! The only place where engine, trace and panels meet.
//!
//! Between frames `logic` folds what the engine said and applies what the panels asked for; `ui`
//! draws. **Invariant:** the thread that draws never waits: a full queue is tried again next frame.

mod apply;
mod bench_ui;
mod branches;
mod command_line;
mod controls;
mod dialog;
mod edits;
mod export;
mod first_frame;
mod fold;
mod headless;
mod keeping;
mod keys;
mod link;
mod models;
mod paths;
mod scale;
mod screenshot;
mod series;
mod share;
mod steps;
mod survey;
mod synthetic_session;
mod typed_paths;
mod window;

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
};

use eframe::egui::{self, Frame as Surface, Margin, Panel as Bar, util::undoer::Undoer};

use crate::cli::Start;
use crate::corpus::TextSource;
use crate::document::{SavedSettings, SeriesFile};
use crate::engine::{ModelSource, Pace, Request};
use crate::spec::{Branches, Experiment, PromptForm, SeriesScale, TokenId};
use crate::ui::{
    Command, Cx, Dialogs, Drawing, ExpertAt, Frame, Hover, PRESETS, Palette, Selection, Session,
    Settings, bottom_bar, dialogs_ui, drop_ui, expert_grid, focus_ring, install_theme, kept_mesh,
    present_bar, set_kind, top_bar, worked_height, worked_line, worked_ui,
};

pub use bench_ui::bench_ui;
pub use dialog::{DialogFor, PickedPaths, Picker};
pub use headless::{FrameCost, HeadlessApp};
pub use link::Link;
pub use models::source;
pub use screenshot::screenshot;
pub use synthetic_session::{HUGE, LIST, Size, SyntheticSession, TOUR_LIKE};
pub use window::{NoWindow, Opening, open_window};

const TOP_BAR: f32 = 32.0;
const BOTTOM_BAR: f32 = 42.0;
const EDGE: i8 = 6;

/// What is done with tokens that were asked for.
#[derive(Clone, Debug)]
struct Waiting {
    tag: u64,
    play: bool,
    /// The words they were made of, and their form.
    words: (String, PromptForm),
    /// Edits of a preset to add once the tokens are there.
    preset: Option<usize>,
    /// Of a series: what brings its points back to their units.
    scale: SeriesScale,
}

/// The window's whole state.
pub struct App {
    link: Box<dyn Link>,
    /// What could not be sent yet.
    unsent: VecDeque<Request>,
    session: Session,
    experiment: Experiment,
    undo: Undoer<Experiment>,
    /// The experiment as it counted last; a drag goes beyond it until it is released.
    committed: Experiment,
    branches: Branches,
    selection: Selection,
    hover: Hover,
    pins: Vec<ExpertAt>,
    prompt: String,
    form: PromptForm,
    /// The words and the form that were read last.
    read: (String, PromptForm),
    /// The words and the form that given tokens came from.
    typed: HashMap<SeriesScale, HashMap<Vec<TokenId>, (String, PromptForm)>>,
    /// The files that series came from, of this model.
    series_files: HashMap<(SeriesScale, Vec<TokenId>), SeriesFile>,
    settings: Settings,
    dialogs: Dialogs,
    frame: Frame,
    commands: Vec<Command>,
    /// What keys ask for, once it is known what is selected.
    pressed: Vec<fn(&Selection) -> Option<Command>>,
    waiting: Option<Waiting>,
    next_tag: u64,
    /// The time of this frame, seconds of the window's clock.
    now_secs: f64,
    /// When the last tokens came, seconds.
    token_times: VecDeque<f64>,
    /// What is being opened, in the order asked for: each is answered once, the last one counts.
    opening: VecDeque<ModelSource>,
    /// What is kept from one start to the next.
    saved: SavedSettings,
    has_new_settings: bool,
    /// Where that is kept; none where it is not.
    keeper: Option<keeping::Keeper>,
    /// Where a file was written last.
    save_folder: Option<PathBuf>,
    /// The path of the model being opened, as it was typed or chosen in the sheet.
    typed_open: Option<String>,
    picker: Picker,
    /// The dialog that is open.
    asked: Option<dialog::OpenDialog>,
    /// Whether a step failed: what was asked for was sound.
    has_broken: bool,
    /// How often writing has stopped.
    n_stops: u64,
    /// How the command line names the open model.
    argument: String,
    /// Checkpoints that are read beside the open model.
    steps: Option<steps::StepReader>,
    /// The texts that were asked for last.
    texts: Vec<TextSource>,
    /// Whether the first model may be opened elsewhere than was asked for.
    start: models::Start,
    /// What controls of the edits are drawn with.
    control_seed: u32,
    /// What the first model begins with; none once it has, or where nothing was asked for.
    begin: Option<Start>,
    /// What was set, while something else makes everything larger.
    scale: scale::Scale,
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
            kept_mesh::install(state);
        }
        let mut out = Self {
            link,
            unsent: VecDeque::new(),
            session: Session::default(),
            experiment: Experiment::default(),
            undo: Undoer::default(),
            committed: Experiment::default(),
            branches: Branches::default(),
            selection: Selection::default(),
            hover: Hover::default(),
            pins: Vec::new(),
            prompt: PRESETS[0].prompt.to_owned(),
            form: PromptForm::Plain,
            read: (String::new(), PromptForm::Plain),
            typed: HashMap::new(),
            series_files: HashMap::new(),
            settings: Settings::default(),
            dialogs: Dialogs::default(),
            frame: Frame::default(),
            commands: Vec::new(),
            pressed: Vec::new(),
            waiting: None,
            next_tag: 1,
            now_secs: 0.0,
            token_times: VecDeque::new(),
            opening: VecDeque::new(),
            saved: SavedSettings::default(),
            has_new_settings: false,
            keeper: None,
            save_folder: None,
            typed_open: None,
            picker: dialog::system_picker(),
            asked: None,
            has_broken: false,
            n_stops: 0,
            argument: String::new(),
            steps: None,
            texts: Vec::new(),
            start: models::Start::default(),
            control_seed: controls::FIRST_SEED,
            begin: None,
            scale: scale::Scale::default(),
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

    /// What is kept from one start to the next.
    #[must_use]
    pub fn saved(&self) -> &SavedSettings {
        &self.saved
    }

    /// Opens files and folders with other dialogs than the system's.
    #[must_use]
    pub fn with_picker(mut self, picker: Picker) -> Self {
        self.picker = picker;
        self
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
            && it.backlog.is_none()
            && it.survey.as_ref().is_none_or(|it| it.progress.is_none())
            && self.steps.is_none()
            && self.waiting.is_none()
            && self.unsent.is_empty()
            && self.commands.is_empty()
            && self.pressed.is_empty()
    }

    /// What panels may read, and what they are drawn in.
    fn parts(
        &mut self,
        palette: &'static Palette,
        drawing: Drawing,
    ) -> (Cx<'_>, &mut Frame, &mut Dialogs) {
        let cx = Cx {
            session: &self.session,
            experiment: &self.experiment,
            branches: &self.branches,
            selection: self.selection,
            hover: self.hover,
            prompt: &self.prompt,
            form: &self.form,
            prompt_is_read: self.read.0 == self.prompt && self.read.1 == self.form,
            settings: self.settings,
            can_undo: self.undo.has_undo(&self.experiment),
            can_redo: self.undo.has_redo(&self.experiment),
            pins: &self.pins,
            recents: &self.saved.recents,
            drawing,
            palette,
            commands: &mut self.commands,
        };
        (cx, &mut self.frame, &mut self.dialogs)
    }

    /// Tells a request from those before.
    fn new_tag(&mut self) -> u64 {
        let tag = self.next_tag;
        self.next_tag += 1;
        tag
    }

    fn ask(&mut self, request: Request) {
        self.unsent.push_back(request);
    }

    /// Sends what waits; true where the queue is full.
    fn flush(&mut self) -> bool {
        while let Some(request) = self.unsent.pop_front() {
            if let Err(request) = self.link.send(request) {
                self.unsent.push_front(request);
                return true;
            }
        }
        false
    }
}

/// The pace as the engine takes it.
fn pace(settings: Settings) -> Pace {
    settings.pace.map_or(Pace::Unlimited, Pace::TokensPerSec)
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        let now_secs = ctx.input(|it| it.time);
        self.now_secs = now_secs;
        let events = self.link.events();
        if !events.is_empty() {
            // There may be more than were taken.
            ctx.request_repaint();
        }
        for event in events {
            self.fold(event, ctx, now_secs);
        }
        self.poll_steps(ctx);
        self.end_sentence(ctx, now_secs);
        self.take_dropped(ctx);
        self.poll_dialog(ctx, now_secs);
        self.apply_all(ctx, now_secs);
        self.read_controls();
        self.rescale(ctx);
        self.keep(ctx, now_secs);
        if self.flush() {
            ctx.request_repaint();
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.keys(ui);
        set_kind(ui.ctx(), self.session.position_kind());
        let palette = Palette::of(ui);
        let (mut cx, frame, dialogs) = self.parts(palette, Drawing::Screen);
        let bar = Surface::new()
            .fill(palette.window)
            .inner_margin(Margin::symmetric(8, 2));
        let edge = |it: Bar, size: f32| {
            let it = it.exact_size(size).frame(bar);
            it.show_separator_line(false)
        };
        if frame.is_presenting() {
            edge(Bar::bottom("present"), BOTTOM_BAR).show(ui, |ui| present_bar(&mut cx, ui));
            let words = worked_line(&cx);
            let height = words.as_ref().map_or(0.0, |it| worked_height(ui, it));
            edge(Bar::bottom("worked"), height).show(ui, |ui| {
                if let Some(words) = &words {
                    worked_ui(&cx, ui, words);
                }
            });
        } else {
            edge(Bar::top("top"), TOP_BAR).show(ui, |ui| top_bar(&mut cx, ui));
            edge(Bar::bottom("bottom"), BOTTOM_BAR).show(ui, |ui| bottom_bar(&mut cx, ui));
        }
        let surface = Surface::new()
            .fill(palette.window)
            .inner_margin(Margin::symmetric(EDGE, 0));
        egui::CentralPanel::no_frame()
            .frame(surface)
            .show(ui, |ui| {
                frame.ui(&mut cx, ui);
                dialogs_ui(&mut cx, ui, dialogs);
                drop_ui(ui);
                focus_ring(ui, frame.ring());
            });
        self.take_hover(ui.ctx());
        if !self.commands.is_empty() || !self.pressed.is_empty() {
            ui.ctx().request_repaint();
        }
    }

    /// What was changed last is written, however soon after it the window is closed.
    fn on_exit(&mut self) {
        self.write_settings();
    }

    /// Settings are kept in a file of our own, and nothing beside them.
    fn persist_egui_memory(&self) -> bool {
        false
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }
}
