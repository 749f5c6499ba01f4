//! No tofu: letters of the languages promised, and every sign the window itself uses.

use std::{collections::BTreeSet, fs, path::Path};

use eframe::egui::{self, Context, FontFamily};

/// Letters beyond ASCII, both cases; the capital ẞ, which hardly any text has, comes from the system's fonts.
const LETTERS: &[(&str, &str)] = &[
    ("German", "äöüßÄÖÜ„“‚‘»«–…€§"),
    ("French", "àâæçéèêëîïôœùûüÿÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸ«»’"),
    ("Spanish", "áéíóúüñÁÉÍÓÚÜÑ¿¡ºª"),
    (
        "Greek",
        "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΆΈΉΊΌΎΏΪΫ",
    ),
    (
        "Cyrillic",
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯіїєґІЇЄҐ",
    ),
];

/// The signs of a text that would be drawn as boxes.
fn missing(text: &str) -> String {
    let ctx = Context::default();
    moescope::ui::install_theme(&ctx);
    let mut found = String::new();
    let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
        found = ui.fonts_mut(|fonts| {
            let known = fonts.characters(&FontFamily::Proportional);
            text.chars().filter(|it| !known.contains_key(it)).collect()
        });
    });
    output.textures_delta.clear();
    found
}

#[test]
fn the_built_in_fonts_have_the_letters_promised() {
    for (language, letters) in LETTERS {
        assert_eq!(missing(letters), "", "{language}");
    }
    assert_eq!(missing("a字"), "字", "the check can fail");
}

/// Signs in the string and character literals of a folder, tests left out.
fn signs(folder: &Path, out: &mut BTreeSet<char>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            signs(&path, out);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let code = text.lines().filter(|it| !it.trim_start().starts_with("//"));
            let code = code.map(|it| it.split(" // ").next().unwrap());
            out.extend(code.flat_map(str::chars).filter(|it| !it.is_ascii()));
        }
    }
}

#[test]
fn the_built_in_fonts_have_every_sign_of_the_window() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut used = BTreeSet::new();
    for room in ["ui", "app", "document", "spec"] {
        signs(&root.join(room), &mut used);
    }
    assert!(used.contains(&'·') && used.contains(&'▾'));
    // Named to be cut off names of special tokens, never drawn.
    used.remove(&'｜');
    let used: String = used.into_iter().collect();
    assert_eq!(
        missing(&used),
        "",
        "the window uses signs that would be drawn as boxes"
    );
}
