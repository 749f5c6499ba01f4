//! The real window, or one panel of it, drawn off screen after writing some tokens.
//!
//! No display is needed. The window takes something to draw with: a graphics driver, or Mesa's in software; a panel
//! alone is drawn on paper and takes nothing.

use std::{
    future::Future,
    io::Cursor,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use eframe::egui::{self, vec2};
use eframe::egui_wgpu::{WgpuSetup, wgpu};
use egui_kittest::Harness;

use crate::cli::{
    Failure, OutFile,
    screenshot::{Args, RowArg, Theme},
};
use crate::spec::{
    Experiment, ExpertId, GivenIds, Position, PromptForm, RouterId, Series, StackId, TokenId,
};
use crate::ui::{
    Command, DARK, LIGHT, MIXED_TEXT, PANELS, PaperFormat, RowChoice, Selection, SurveyOf,
    same_words,
};

use super::{
    App,
    command_line::{NO_IDS, NO_SERIES},
    export::system_fonts,
    link::Silent,
    scale::presented,
};

/// Between two looks at what the engine said.
const NAP: Duration = Duration::from_millis(4);
/// Frames until everything has its place.
const N_SETTLING: usize = 4;

/// What is to be set before writing.
struct Wanted {
    experiment: Experiment,
    /// Ids in place of a prompt.
    ids: Option<GivenIds>,
    prompt: Option<String>,
    /// Points in place of a prompt.
    series: Option<Series>,
    form: PromptForm,
    n: u32,
}

/// Draws the window or a panel to a file.
///
/// # Errors
/// Nothing to draw with, a model or a prompt that cannot be used, a panel or a selection that is not there, a run that
/// failed.
pub fn screenshot(args: &Args) -> Result<(), Failure> {
    let source = args.source();
    let form = args.form()?;
    let size = args.size()?;
    let zoom = if args.present {
        presented(size.1 as f32)
    } else {
        args.zoom
    };
    let size = vec2(size.0 as f32, size.1 as f32) / zoom;
    let panel = args.panel.as_deref().map(listed).transpose()?;
    let wanted = Wanted {
        experiment: Experiment {
            sampling: args.sampling()?,
            edits: args.edits()?,
            ..Experiment::default()
        },
        ids: args.ids()?,
        prompt: args.prompt.clone(),
        series: args.series()?,
        form: args.prompt_form(),
        n: args.n,
    };
    let out = OutFile::at(&args.out, "file")?;
    let (theme, palette) = match args.theme {
        Theme::Dark => (egui::Theme::Dark, &DARK),
        Theme::Light => (egui::Theme::Light, &LIGHT),
    };
    let mut builder = Harness::builder()
        .with_size(size)
        .with_pixels_per_point(zoom)
        .with_theme(theme)
        .with_render_cursor(false)
        .allow_missing_glyphs()
        .with_accessibility_check(false)
        .with_context_setup(|ctx| ctx.add_font_provider(system_fonts()));
    if panel.is_none() {
        check_adapter()?;
        builder = builder.wgpu();
    }
    let mut failed = None;
    let opener = args.opener(wanted.series.as_ref());
    let mut window = builder.build_eframe(|cc| {
        App::over(cc, source, opener).unwrap_or_else(|error| {
            failed = Some(error.to_string());
            App::new(cc, Box::new(Silent), None)
        })
    });
    if let Some(why) = failed {
        return Err(Failure::part_way(format!(
            "the engine did not start: {why}"
        )));
    }
    for mode in &args.modes {
        let set = window.state_mut().frame.set_mode(panel, mode);
        set.map_err(Failure::misuse)?;
    }
    if args.mixed {
        let frame = &mut window.state_mut().frame;
        let set = frame.set_mode(Some("health"), MIXED_TEXT);
        set.map_err(Failure::misuse)?;
    }
    if args.present {
        window.state_mut().command(Command::TogglePresent);
    }
    write(&mut window, wanted, args)?;
    survey(&mut window, args, panel)?;
    let bytes = match panel {
        None => picture(&mut window)?,
        Some(panel) => {
            let sheet = PaperFormat {
                size,
                pixels_per_point: args.zoom,
                fonts: Some(system_fonts()),
            };
            let app = window.state_mut();
            app.panel(panel, form.into(), palette, sheet)
                .map_err(|it| Failure::part_way(it.to_string()))?
        }
    };
    out.write(&bytes)
}

/// A panel's name as the list has it.
fn listed(name: &str) -> Result<&'static str, Failure> {
    let names = || PANELS.iter().map(|it| it.0);
    let same = |it: &&'static str| same_words(it, name);
    names().find(same).ok_or_else(|| {
        let names: Vec<String> = names().map(|it| it.replace('_', " ")).collect();
        Failure::misuse(format!(
            "there is no panel \"{name}\"; the panels are {}",
            names.join(", ")
        ))
    })
}

/// Reads the texts that Health judges by, and looks at the weights.
fn survey(
    window: &mut Harness<'_, App>,
    args: &Args,
    panel: Option<&'static str>,
) -> Result<(), Failure> {
    let of = match (args.samples, &*args.text) {
        (true, _) => SurveyOf::Samples,
        (false, []) => return Ok(()),
        (false, files) => SurveyOf::Files(files.to_vec()),
    };
    let app = window.state_mut();
    app.command(Command::Survey(of));
    if panel.is_none() {
        app.command(Command::ShowPanel("health"));
    }
    let is_over = |it: &App| {
        let examined = it.session().examined.as_ref();
        it.is_idle() && examined.is_some_and(|it| it.progress.is_none())
    };
    wait(window, is_over, Failure::misuse)?;
    (0..N_SETTLING).for_each(|_| window.step());
    Ok(())
}

/// The window as a PNG.
fn picture(window: &mut Harness<'_, App>) -> Result<Vec<u8>, Failure> {
    let failed = |it: String| Failure::part_way(format!("the window could not be drawn: {it}"));
    let picture = window.render().map_err(failed)?;
    let mut out = Cursor::new(Vec::new());
    picture
        .write_to(&mut out, image::ImageFormat::Png)
        .map_err(|it| failed(it.to_string()))?;
    Ok(out.into_inner())
}

/// Opens, reads, writes, and selects what tells most.
fn write(window: &mut Harness<'_, App>, wanted: Wanted, args: &Args) -> Result<(), Failure> {
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
    let selection = window.state().picked(args)?;
    window.state_mut().command(Command::Select(selection));
    (0..N_SETTLING).for_each(|_| window.step());
    Ok(())
}

fn is_caught_up(app: &App) -> bool {
    let session = app.session();
    let len = |it: Option<crate::ui::RowView<'_>>| it.map(|it| it.record.store.len());
    let read = session.baseline().is_some_and(|it| {
        it.record.store.len() >= it.record.n_given.min(app.experiment().given.len())
    });
    let level = session.counterfactual().is_none()
        || len(session.counterfactual()) == len(session.baseline());
    app.is_idle() && read && level && app.has_controls()
}

/// Steps until something holds; a message of failure ends it, as a run that failed where a step did.
fn wait(
    window: &mut Harness<'_, App>,
    holds: impl Fn(&App) -> bool,
    failure: fn(String) -> Failure,
) -> Result<(), Failure> {
    loop {
        window.step();
        let app = window.state();
        let message = app.session().message.as_ref().filter(|it| it.failure);
        let failed = message.map(|it| &it.text);
        if let Some(why) = failed.or(app.session().lost_device.as_ref()) {
            let failure = if app.has_broken {
                Failure::part_way
            } else {
                failure
            };
            return Err(failure(why.clone()));
        }
        if holds(app) {
            return Ok(());
        }
        thread::sleep(NAP);
    }
}

/// Says in one sentence that there is nothing to draw with; egui's harness would panic.
pub(super) fn check_adapter() -> Result<(), Failure> {
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
            ids,
            prompt,
            series,
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
            return self.fail(why.to_string());
        }
        if ids.is_some() && self.reads_series() {
            return self.fail(NO_IDS.to_owned());
        }
        if let (Some(ids), Some(spec)) = (ids, self.session.spec()) {
            match ids.given(spec) {
                Ok(given) => self.experiment.given = given,
                Err(why) => return self.fail(why.to_string()),
            }
            self.retype(&self.experiment.clone());
            self.commit(0.0);
            return;
        }
        if let Some(series) = &series {
            if !self.reads_series() {
                return self.fail(NO_SERIES.to_owned());
            }
            self.prompt = series.words();
        }
        if let Some(prompt) = prompt {
            self.prompt = prompt;
        }
        let has_tokenizer = self
            .session
            .facts
            .as_ref()
            .is_some_and(|it| it.has_tokenizer);
        if self.form.is_chat() && !has_tokenizer {
            let why = "this checkpoint has no chat template; give the prompt as plain text";
            return self.fail(why.to_owned());
        }
        // Read anew even where the words are the same: the edits are not.
        self.experiment.given = Vec::<TokenId>::new();
        // Where there is no template to use, the answer says why.
        self.read_prompt_as(self.form.clone(), false, None);
    }

    /// What is to be selected: as asked for, else the token where the texts part, or one in the middle, and the expert
    /// that counts there.
    fn picked(&self, args: &Args) -> Result<Selection, Failure> {
        let divergence = self.session.divergence();
        let row = match args.row {
            Some(RowArg::Baseline) => RowChoice::Baseline,
            Some(RowArg::Edited) => RowChoice::Edited,
            None if divergence.is_some() => RowChoice::Baseline,
            None => self.selection.row,
        };
        if args.row == Some(RowArg::Edited) && self.session.edited().is_none() {
            return Err(Failure::misuse(
                "there is no edited row without an edit; give one with --edit",
            ));
        }
        let n = self.session.row(row).map_or(0, |it| it.record.store.len());
        let (router, expert) = self.picked_expert(args)?;
        // Tokens are those that the layers of the router read.
        let place = router.and_then(|it| self.session.spec()?.router(it));
        let stack = place.map_or(StackId::Decoder, |it| it.place.stack);
        let mine = self.session.parts(row).range(stack, n);
        let (start, n) = (mine.start, mine.len());
        let position = match args.token {
            Some(at) if (at as usize) < n => Some(Position(at).plus(start)),
            Some(at) => {
                let what = format!("there is no token {at}; {n} were read, from 0");
                return Err(Failure::misuse(what));
            }
            None => {
                let middle = n
                    .checked_sub(1)
                    .map(|last| Position::new(start + last * 2 / 3));
                divergence.filter(|it| mine.contains(&it.idx())).or(middle)
            }
        };
        let strongest = position.zip(router).and_then(|(at, router)| {
            let routed = self.session.row(row)?.record.store.at(router, at)?;
            Some(routed.strongest()?.expert)
        });
        Ok(Selection {
            row,
            position,
            router,
            expert: expert.or(strongest),
        })
    }

    /// The router and the expert asked for, else those of the first edit.
    fn picked_expert(&self, args: &Args) -> Result<(Option<RouterId>, Option<ExpertId>), Failure> {
        let Some(spec) = self.session.spec() else {
            return Ok((None, None));
        };
        let edited = self.experiment.edits.active().find_map(|edit| {
            let expert = edit.action.expert()?;
            let mut routers = spec.router_ids();
            let found = routers.find(|(_, it)| crate::ui::words::covers(edit.at, &it.place))?;
            Some((found.0, expert))
        });
        let router = match args.layer {
            Some(layer) => {
                let mut routers = spec.router_ids();
                let found = routers.find(|it| crate::ui::words::covers(layer, &it.1.place));
                let found = found.map(|it| it.0);
                let none = || Failure::misuse(format!("there is no router in layer {layer}"));
                Some(found.ok_or_else(none)?)
            }
            None => edited.map(|it| it.0).or(self.selection.router),
        };
        let expert = match args.expert {
            Some(expert) => {
                let n = router
                    .and_then(|it| spec.router(it))
                    .map_or(0, |it| it.n_experts);
                if usize::from(expert) >= n {
                    let what = format!("there is no expert {expert}; there are {n}, from 0");
                    return Err(Failure::misuse(what));
                }
                Some(ExpertId(expert))
            }
            None => edited.filter(|it| Some(it.0) == router).map(|it| it.1),
        };
        Ok((router, expert))
    }
}
