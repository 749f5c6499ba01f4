//! The real window, drawn off screen after writing some tokens.
//!
//! No display is needed, only something to draw with: a graphics driver, or Mesa's in software.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use eframe::egui::{self, FontProvider, vec2};
use eframe::egui_wgpu::{WgpuSetup, wgpu};
use egui_kittest::Harness;

use crate::cli::{
    Failure,
    screenshot::{Args, Theme},
};
use crate::spec::{Experiment, Position, PromptForm, TokenId};
use crate::ui::{Command, RowChoice, Selection};

use super::{App, link::Silent};

/// Between two looks at what the engine said.
const NAP: Duration = Duration::from_millis(4);
/// Frames until everything has its place.
const N_SETTLING: usize = 4;

/// What is to be set before writing.
struct Wanted {
    experiment: Experiment,
    prompt: Option<String>,
    form: PromptForm,
    n: u32,
}

/// Draws the window to a file.
///
/// # Errors
/// Nothing to draw with, a model or a prompt that cannot be used, a run that failed.
pub fn screenshot(args: &Args) -> Result<(), Failure> {
    let source = args.source()?;
    let wanted = Wanted {
        experiment: Experiment {
            given: args.ids()?.unwrap_or_default(),
            sampling: args.sampling()?,
            edits: args.edits()?,
        },
        prompt: args.prompt.clone(),
        form: args.form(),
        n: args.n,
    };
    check_adapter()?;
    let theme = match args.theme {
        Theme::Dark => egui::Theme::Dark,
        Theme::Light => egui::Theme::Light,
    };
    let mut failed = None;
    let mut window = Harness::builder()
        .with_size(vec2(args.size.0 as f32, args.size.1 as f32))
        .with_theme(theme)
        .with_render_cursor(false)
        .allow_missing_glyphs()
        .with_accessibility_check(false)
        .with_context_setup(|ctx| ctx.add_font_provider(system_fonts()))
        .wgpu()
        .build_eframe(|cc| {
            App::on_engine(cc, source).unwrap_or_else(|error| {
                failed = Some(error.to_string());
                App::new(cc, Box::new(Silent), None)
            })
        });
    if let Some(why) = failed {
        return Err(Failure::part_way(format!(
            "the engine did not start: {why}"
        )));
    }
    write(&mut window, wanted)?;
    let picture = window
        .render()
        .map_err(|it| Failure::part_way(format!("the window could not be drawn: {it}")))?;
    picture.save(&args.out).map_err(|it| {
        Failure::misuse(format!(
            "the picture could not be written: {it} (in {})",
            args.out.display()
        ))
    })
}

fn system_fonts() -> Arc<dyn FontProvider> {
    Arc::new(egui_system_font_provider::SystemFontProvider::new())
}

/// Opens, reads, writes, and selects what tells most.
fn write(window: &mut Harness<'_, App>, wanted: Wanted) -> Result<(), Failure> {
    wait(window, |it| it.session().facts.is_some(), Failure::misuse)?;
    wait(window, App::is_idle, Failure::misuse)?;
    let n = wanted.n;
    let app = window.state_mut();
    app.set_up(wanted);
    wait(window, App::is_idle, Failure::misuse)?;
    if n > 0 {
        let stops = window.state().n_stops;
        window.state_mut().command(Command::PlayPause);
        wait(window, |it| it.n_stops > stops, Failure::part_way)?;
    }
    wait(window, is_caught_up, Failure::part_way)?;
    window.state_mut().select_what_tells();
    (0..N_SETTLING).for_each(|_| window.step());
    Ok(())
}

fn is_caught_up(app: &App) -> bool {
    let session = app.session();
    let len = |it: Option<&crate::ui::RowView>| it.map(|it| it.record.store.len());
    let read = session
        .baseline()
        .is_some_and(|it| it.record.store.len() >= it.n_given.min(app.experiment().given.len()));
    let level = session.twin().is_none() || len(session.twin()) == len(session.baseline());
    app.is_idle() && read && level
}

/// Steps until something holds; a message of failure ends it.
fn wait(
    window: &mut Harness<'_, App>,
    holds: impl Fn(&App) -> bool,
    failure: fn(String) -> Failure,
) -> Result<(), Failure> {
    loop {
        window.step();
        let app = window.state();
        if let Some(message) = app.session().message.as_ref().filter(|it| it.failure) {
            return Err(failure(message.text.clone()));
        }
        if holds(app) {
            return Ok(());
        }
        thread::sleep(NAP);
    }
}

/// Says in one sentence that there is nothing to draw with; egui's harness would panic.
fn check_adapter() -> Result<(), Failure> {
    let none = || {
        Failure::misuse(
            "there is nothing to draw with: install a graphics driver, or Mesa's in software (mesa-vulkan-drivers)",
        )
    };
    let WgpuSetup::CreateNew(setup) = egui_kittest::wgpu::default_wgpu_setup() else {
        return Ok(());
    };
    let backends = setup.instance_descriptor.backends;
    let instance = wgpu::Instance::new(setup.instance_descriptor);
    match ready(instance.enumerate_adapters(backends)) {
        Some(adapters) if !adapters.is_empty() => Ok(()),
        _ => Err(none()),
    }
}

/// A future that is done at once, as wgpu's are on a desktop.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(it) => Some(it),
        Poll::Pending => None,
    }
}

impl App {
    /// Sets what is to be shown, as one experiment.
    fn set_up(&mut self, wanted: Wanted) {
        let Wanted {
            experiment,
            prompt,
            form,
            n,
        } = wanted;
        self.form = form;
        self.command(Command::SetPace(None));
        self.settings.stop_after = n.max(1);
        self.experiment.sampling = experiment.sampling;
        self.experiment.edits = experiment.edits;
        if let Some(spec) = self.session.spec()
            && let Err(why) = crate::ui::check_list(spec, &self.experiment.edits)
        {
            return self.fail(why);
        }
        if !experiment.given.is_empty() {
            self.prompt = self.session.tokens().text(&experiment.given);
            self.experiment.given = experiment.given;
            return self.commit(0.0);
        }
        if let Some(prompt) = prompt {
            self.prompt = prompt;
        }
        let has_template = self
            .session
            .facts
            .as_ref()
            .is_some_and(|it| it.has_chat_template);
        if self.form.is_chat() && !has_template {
            let why = "this checkpoint has no chat template; give the prompt as plain text";
            return self.fail(why.to_owned());
        }
        // Read anew even where the words are the same: the edits are not.
        self.experiment.given = Vec::<TokenId>::new();
        self.read_prompt(false, None);
    }

    /// Selects the token where the texts part, or one in the middle, and the expert that counts there.
    fn select_what_tells(&mut self) {
        let spec = self.session.spec();
        let first = self.experiment.edits.active().find_map(|edit| {
            let expert = edit.action.expert()?;
            let mut routers = spec?.router_ids();
            let found = routers.find(|(_, it)| crate::ui::words::covers(edit.at, &it.place))?;
            Some((found.0, expert))
        });
        let parting = self.session.parting();
        let row = if parting.is_some() {
            RowChoice::Baseline
        } else {
            self.selection.row
        };
        let n = self.session.row(row).map_or(0, |it| it.record.store.len());
        let middle = n.checked_sub(1).map(|last| Position::new(last * 2 / 3));
        let position = parting.filter(|it| it.idx() < n).or(middle);
        let router = first.map(|it| it.0).or(self.selection.router);
        let strongest = position.zip(router).and_then(|(at, router)| {
            let routed = self.session.row(row)?.record.store.at(router, at)?;
            Some(routed.strongest()?.expert)
        });
        self.command(Command::Select(Selection {
            row,
            position,
            router,
            expert: first.map(|it| it.1).or(strongest),
        }));
    }
}
