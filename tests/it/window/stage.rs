//! One panel alone on a made-up session, without the window around it.

use eframe::egui::{self, Theme, vec2};
use egui_kittest::Harness;
use moescope::document::Table;
use moescope::spec::{Branches, Experiment, ExpertId, Position, RouterId};
use moescope::ui::{
    Command, Cx, DARK, Drawing, ExpertAt, Hover, LIGHT, PANELS, Panel, RowChoice, Selection,
    Session, Settings, install_theme,
};

/// A panel and what it reads.
pub struct HeadlessApp {
    pub session: Session,
    pub experiment: Experiment,
    pub selection: Selection,
    pub pins: Vec<ExpertAt>,
    pub drawing: Drawing,
    panel: Box<dyn Panel>,
    /// What it asked for, in all frames.
    pub asked: Vec<Command>,
}

pub type Staged = Harness<'static, HeadlessApp>;

impl HeadlessApp {
    pub fn new(panel: &str, session: Session) -> Self {
        let make = PANELS.iter().find(|it| it.0 == panel).unwrap().1;
        Self {
            session,
            experiment: Experiment::default(),
            selection: Selection::default(),
            pins: Vec::new(),
            drawing: Drawing::Screen,
            panel: make(),
            asked: Vec::new(),
        }
    }

    /// An expert on the baseline is selected.
    pub fn at(mut self, router: usize, expert: usize, position: Option<usize>) -> Self {
        self.selection = Selection {
            row: RowChoice::Baseline,
            position: position.map(Position::new),
            router: Some(RouterId::new(router)),
            expert: Some(ExpertId::new(expert)),
        };
        self
    }

    /// The panel's numbers.
    pub fn table(&mut self) -> Option<Table> {
        let mut commands = Vec::new();
        let Self {
            session,
            experiment,
            selection,
            pins,
            drawing,
            panel,
            ..
        } = self;
        panel.table(&cx(
            session,
            experiment,
            *selection,
            pins,
            *drawing,
            true,
            &mut commands,
        ))
    }

    fn ui(&mut self, ui: &mut egui::Ui) {
        let dark = ui.visuals().dark_mode;
        let Self {
            session,
            experiment,
            selection,
            pins,
            drawing,
            panel,
            asked,
        } = self;
        let from = asked.len();
        let mut cx = cx(session, experiment, *selection, pins, *drawing, dark, asked);
        panel.ui(&mut cx, ui);
        // As the app does between frames.
        for command in &asked[from..] {
            if let Command::Select(it) = command {
                *selection = *it;
            }
        }
        asked.retain(|it| !matches!(it, Command::Hover(_)));
    }

    pub fn show(self, size: (f32, f32), theme: Theme, drawn: bool) -> Staged {
        let builder = Harness::builder()
            .with_size(vec2(size.0, size.1))
            .with_theme(theme)
            .with_render_cursor(false)
            .with_context_setup(install_theme);
        let builder = if drawn { builder.wgpu() } else { builder };
        let mut out = builder.build_ui_state(|ui, stage: &mut Self| stage.ui(ui), self);
        (0..4).for_each(|_| out.step());
        out
    }
}

static NO_BRANCHES: std::sync::OnceLock<Branches> = std::sync::OnceLock::new();

fn cx<'a>(
    session: &'a Session,
    experiment: &'a Experiment,
    selection: Selection,
    pins: &'a [ExpertAt],
    drawing: Drawing,
    dark: bool,
    commands: &'a mut Vec<Command>,
) -> Cx<'a> {
    Cx {
        session,
        experiment,
        selection,
        branches: NO_BRANCHES.get_or_init(Branches::default),
        hover: Hover::default(),
        prompt: "",
        form: &moescope::spec::PromptForm::Plain,
        prompt_is_read: false,
        recents: &[],
        settings: Settings::default(),
        can_undo: false,
        can_redo: false,
        pins,
        drawing,
        palette: if dark { &DARK } else { &LIGHT },
        commands,
    }
}
