//! A checkpoint that is cut short while the window shows it: a sentence, and the window goes on.

use std::fs;

use moescope::ui::Command;

use super::drive::until;
use super::fixture;

#[test]
fn a_checkpoint_that_is_cut_short_stops_the_text_and_nothing_else() {
    if !cfg!(unix) {
        eprintln!("told and passed: a file that is mapped cannot be cut here");
        return;
    }
    let mut fixture = fixture::open("mixtral");
    let window = &mut fixture.window;
    let n_before = window
        .state()
        .session()
        .baseline()
        .unwrap()
        .record
        .store
        .len();
    let file = fixture.folder.path().join("model.safetensors");
    let whole = fs::read(&file).unwrap();
    let opened = fs::OpenOptions::new().write(true).open(&file).unwrap();
    opened.set_len(4096).unwrap();
    window.state_mut().command(Command::Step);
    until(window, "the step fails", |it| {
        it.session().message.is_some()
    });
    let session = window.state().session();
    let message = session.message.clone().unwrap();
    assert!(message.failure);
    assert!(
        message
            .text
            .contains("the file became shorter while it was open"),
        "{}",
        message.text
    );
    assert!(message.text.contains(&file.display().to_string()));
    assert_eq!(session.baseline().unwrap().record.store.len(), n_before);
    assert_eq!(session.lost_device, None, "the device is well");
    // Once the file is whole again it opens again.
    fs::write(&file, whole).unwrap();
    let folder = fixture.folder.path().display().to_string();
    window.state_mut().command(Command::Open(folder));
    until(window, "the model is open again", |it| {
        it.is_idle() && it.session().message.as_ref().is_none_or(|it| !it.failure)
    });
    window.state_mut().command(Command::Step);
    until(window, "a token is written", |it| {
        it.session()
            .baseline()
            .is_some_and(|it| it.record.store.len() > 1)
    });
}
