//! Models at paths that are no text: named on the command line, dropped, opened again, kept from one start to the next.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use eframe::egui::Theme;
use egui_kittest::HarnessBuilder;
use egui_kittest::kittest::Queryable as _;
use moescope::app::{App, source};
use moescope::document::SettingsFile;
use moescope::engine::ModelSource;
use moescope::spec::Placement;

use crate::tiny::Tiny;

use super::drive::{builder, click, settle, until};
use super::script::{Script, TOUR_LIKE, baseline};
use super::shell::{asked_to_open, drop_files};

/// `modèle` in Latin-1.
fn odd(folder: &Path) -> PathBuf {
    folder.join(OsStr::from_bytes(b"mod\xE8le"))
}

/// The built-in fonts have no `�`; the window finds it in the system's.
fn window() -> HarnessBuilder<App> {
    builder((1440.0, 900.0), Theme::Dark).allow_missing_glyphs()
}

#[test]
fn a_model_at_a_path_that_is_no_text_opens_from_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    let model = odd(place.path());
    let tiny = Tiny::of("mixtral").save();
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(tiny.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    let named = source(&model);
    assert_eq!(named, ModelSource::Path(model.clone()));
    let mut window =
        window().build_eframe(move |cc| App::on_engine(cc, named, Placement::default()).unwrap());
    until(&mut window, "the model is open", |it| {
        it.is_idle() && it.session().facts.is_some()
    });
    let facts = window.state().session().facts.as_ref().unwrap();
    assert_eq!(facts.name, "mod\u{fffd}le");
    assert_eq!(window.state().saved().recents, [model]);
}

#[test]
fn a_model_at_a_path_that_is_no_text_is_dropped_kept_and_opened_again() {
    let model = odd(Path::new("/models"));
    let script = Script::default();
    let link = script.clone();
    let mut window = window().build_eframe(move |cc| App::new(cc, Box::new(link), None));
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    drop_files(&mut window, &[&model]);
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    click(&mut window, "File");
    click(&mut window, "Recent models");
    click(&mut window, "Open mod\u{fffd}le");
    let asked = ModelSource::Path(model.clone());
    assert_eq!(asked_to_open(&script), [asked.clone(), asked]);

    let kept = tempfile::tempdir().unwrap();
    let file = SettingsFile::in_folder(kept.path());
    file.save(window.state().saved()).unwrap();
    let (again, said) = file.load();
    assert_eq!((again.recents, said), (vec![model], None));
    assert!(window.query_by_label_contains("could not").is_none());
}
