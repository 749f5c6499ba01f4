//! A person at the window: the first minute, on the real engine and the Tour model.

use eframe::egui::Key;
use egui_kittest::kittest::Queryable as _;
use moescope::spec::Position;
use moescope::ui::{Command, RowChoice};

use super::drive::{Window, click, click_token, key, list, settle, tour, type_prompt, undo, until};

fn n_tokens(window: &Window, row: RowChoice) -> usize {
    let row = window.state().session().row(row);
    row.map_or(0, |it| it.record.tokens.len())
}

#[test]
fn a_prompt_is_typed_an_expert_masked_and_the_mask_undone() {
    let mut window = tour();
    type_prompt(&mut window, "Once upon a time");
    window.state_mut().command(Command::SetPace(Some(60.0)));
    key(&mut window, Key::Enter);
    until(&mut window, "text appears", |it| {
        let row = it.session().baseline();
        row.is_some_and(|it| it.record.tokens.len() > it.record.n_given + 8)
    });
    assert!(window.state().session().playing);
    let text = {
        let session = window.state().session();
        session
            .tokens()
            .text(&session.baseline().unwrap().record.tokens)
    };
    assert!(text.starts_with("Once upon a time"), "{text}");

    key(&mut window, Key::Space);
    until(&mut window, "Space pauses", moescope::app::App::is_idle);
    let n = n_tokens(&window, RowChoice::Baseline);

    click_token(&mut window, 5);
    assert_eq!(window.state().selection().position, Some(Position(5)));
    let session = window.state().session();
    let router = moescope::spec::RouterId(4);
    let routed = session
        .baseline()
        .unwrap()
        .record
        .store
        .at(router, Position(5));
    let expert = routed.unwrap().strongest().unwrap().expert;
    click(&mut window, &format!("layer 4 expert {expert}"));
    key(&mut window, Key::M);
    assert_eq!(list(&window), [format!("mask:4.{expert}@5..")]);
    until(&mut window, "the counterfactual has caught up", |it| {
        let session = it.session();
        let len = |row: Option<moescope::ui::RowView<'_>>| row.map(|it| it.record.store.len());
        it.is_idle()
            && session.counterfactual().is_some()
            && len(session.counterfactual()) == len(session.baseline())
    });
    assert_eq!(
        n_tokens(&window, RowChoice::Edited),
        6,
        "tokens up to and including p stay"
    );
    assert_eq!(
        n_tokens(&window, RowChoice::Baseline),
        n,
        "no edit changes the baseline"
    );

    key(&mut window, Key::Space);
    until(&mut window, "the edited text runs", |it| {
        it.session()
            .edited()
            .is_some_and(|it| it.record.tokens.len() > 10)
    });
    key(&mut window, Key::K);
    until(&mut window, "K pauses", moescope::app::App::is_idle);
    let session = window.state().session();
    let never = session.edited().unwrap();
    for at in 5..never.record.store.len() {
        let mut picks = never
            .record
            .store
            .at(router, Position::new(at))
            .unwrap()
            .picks();
        assert!(
            picks.all(|it| it.expert != expert),
            "masked from token 5 on"
        );
    }

    undo(&mut window);
    assert!(list(&window).is_empty());
    until(&mut window, "the baseline stands alone", |it| {
        it.session().edited().is_none()
    });
    assert!(n_tokens(&window, RowChoice::Baseline) >= n);
}

#[test]
fn keys_belong_to_the_field_while_it_is_typed_in() {
    let mut window = tour();
    click(&mut window, "layer 4 expert 5");
    window.get_by_label("Prompt").click();
    settle(&mut window);
    key(&mut window, Key::M);
    key(&mut window, Key::Space);
    assert!(list(&window).is_empty());
    assert!(!window.state().session().playing);
    key(&mut window, Key::Escape);
    key(&mut window, Key::M);
    assert_eq!(list(&window).len(), 1);
}

#[test]
fn arrows_walk_through_tokens_and_layers() {
    let mut window = tour();
    click_token(&mut window, 3);
    key(&mut window, Key::ArrowRight);
    key(&mut window, Key::ArrowUp);
    let it = window.state().selection();
    assert_eq!(
        (it.position, it.router),
        (Some(Position(4)), Some(moescope::spec::RouterId(3)))
    );
    key(&mut window, Key::ArrowLeft);
    key(&mut window, Key::ArrowDown);
    let it = window.state().selection();
    assert_eq!(
        (it.position, it.router),
        (Some(Position(3)), Some(moescope::spec::RouterId(4)))
    );
    key(&mut window, Key::Escape);
    assert_eq!(window.state().selection().position, None);
}

#[test]
fn what_cannot_be_opened_is_said_and_the_open_model_stays() {
    let mut window = tour();
    window
        .state_mut()
        .command(Command::Open("/no/such/folder".to_owned()));
    until(&mut window, "it is said", |it| {
        it.session().message.is_some()
    });
    let session = window.state().session();
    assert!(session.message.as_ref().unwrap().failure);
    assert!(session.facts.is_some() && session.baseline().is_some() && session.loading.is_none());
    click(&mut window, "Close");
    assert!(window.state().session().message.is_none());
}

#[test]
fn right_click_lists_every_edit_with_its_formula() {
    let mut window = tour();
    click_token(&mut window, 4);
    window.get_by_label("layer 4 expert 5").click_secondary();
    settle(&mut window);
    for name in [
        "Mask",
        "Force",
        "Bias up",
        "Silence",
        "Equal weights in this layer",
    ] {
        assert!(window.query_all_by_label(name).count() > 0, "{name}");
    }
    click(&mut window, "Silence");
    assert_eq!(list(&window), ["zero:4.5@4.."]);
}

#[test]
fn a_picture_is_drawn_without_a_display() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("window.png");
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args(["screenshot".as_ref(), out.as_os_str()])
        .args([
            "--prompt",
            "Once upon a time",
            "-n",
            "6",
            "--edit",
            "mask:4.5@2..",
        ])
        .args(["--size", "900x600", "--theme", "light"])
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let bytes = std::fs::read(&out).unwrap();
    let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((size(16), size(20)), (900, 600));
}

#[test]
fn a_picture_that_cannot_be_drawn_ends_in_a_sentence_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("window.png");
    for extra in [
        ["--edit", "mask:9.1"],
        ["--edit", "boost:1"],
        ["--size", "1x1"],
    ] {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_moescope"))
            .args(["screenshot".as_ref(), out.as_os_str()])
            .args(extra)
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(2), "{extra:?}");
        assert!(!out.exists());
    }
}
