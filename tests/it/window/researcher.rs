//! As a researcher would: an edit, its controls, a candidate, the text brought back, the run exported.

use eframe::egui::Key;
use egui_kittest::kittest::Queryable as _;
use moescope::app::App;
use moescope::ui::{Command, ExportTo, RowChoice};

use super::drive::{Window, click, click_token, key, list, said, settle, tour, until};

fn tokens(window: &Window, row: RowChoice) -> Vec<moescope::spec::TokenId> {
    let row = window.state().session().row(row);
    row.map_or(Vec::new(), |it| it.record.tokens.clone())
}

#[test]
fn an_edit_its_control_a_candidate_the_text_brought_back_and_the_run_exported() {
    let mut window = tour();
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(8));
    settle(&mut window);
    // The French expert is masked from the last given token on, by what is in sight.
    let last = window.state().experiment().given.len() - 1;
    click_token(&mut window, last);
    click(&mut window, "layer 4 expert 5");
    key(&mut window, Key::M);
    assert_eq!(list(&window), [format!("mask:4.5@{last}..")]);
    key(&mut window, Key::Space);
    until(&mut window, "both texts are written", |it| {
        let written = |row| {
            let row = it.session().row(row);
            row.is_some_and(|it| it.record.tokens.len() > last + 8)
        };
        it.is_idle() && written(RowChoice::Baseline) && written(RowChoice::Edited)
    });
    // Its controls are read by themselves, and their number stands beside its own.
    until(&mut window, "the controls are read", |it| {
        it.is_idle() && it.has_controls() && it.session().controls.is_some()
    });
    assert!(said(&window, "Mean KL "));
    assert!(said(
        &window,
        "7 random controls of the same layers (seed 1)"
    ));
    assert!(said(&window, "control, mean of 7 (seed 1): mean KL "));
    assert_eq!(list(&window).len(), 1, "the edit stays as it is");
    let (before, experiment) = (
        tokens(&window, RowChoice::Edited),
        window.state().experiment().clone(),
    );
    // Another candidate in the place of the token that was drawn.
    let at = moescope::spec::Position::new(last);
    let row = window.state().session().baseline().unwrap().record;
    let drawn = row.readouts.get(last).unwrap().next.unwrap().token;
    let top = row.readouts.get(last).unwrap().top.clone();
    let token = top.iter().map(|it| it.token).find(|it| *it != drawn);
    window.state_mut().command(Command::ContinueWith {
        row: RowChoice::Baseline,
        at,
        token: token.unwrap(),
    });
    until(&mut window, "another text is on screen", App::is_idle);
    assert_ne!(tokens(&window, RowChoice::Edited), before);
    // The first one is brought back from the list.
    window.state_mut().command(Command::ShowPanel("texts"));
    settle(&mut window);
    click(&mut window, "Bring back Text 1");
    until(&mut window, "it is back", |it| {
        it.is_idle() && it.experiment() == &experiment
    });
    until(&mut window, "it is whole", |it| {
        let row = it.session().row(RowChoice::Edited);
        it.is_idle() && row.is_some_and(|it| it.record.tokens.starts_with(&before))
    });
    until(&mut window, "its controls are read again", |it| {
        it.is_idle() && it.has_controls()
    });
    // The page has the same sentence.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.html");
    let share = Command::ShareHtml(ExportTo::File(path.clone()));
    window.state_mut().command(share);
    settle(&mut window);
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains("7 random controls of the same layers (seed 1)"));
    assert!(page.contains("control, mean of 7 (seed 1)"));
    // It is said where, and the file can be shown.
    let message = window.state().session().message.clone().unwrap();
    assert_eq!(message.file, Some(path));
    window.get_by_label("Show the file").click();
    let mut opened = Vec::new();
    for _ in 0..4 {
        window.step();
        let commands = &window.output().platform_output.commands;
        opened.extend(commands.iter().filter_map(|it| match it {
            eframe::egui::OutputCommand::OpenUrl(it) => Some(it.url.clone()),
            _ => None,
        }));
    }
    let folder = folder.path().display().to_string();
    assert_eq!(opened, [format!("file://{folder}")]);
}
