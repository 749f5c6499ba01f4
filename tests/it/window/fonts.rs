//! No tofu: letters of the languages promised, and every sign the window itself uses.

use std::{collections::BTreeSet, fs, path::Path};

use eframe::egui::{self, Context, FontId};

/// Letters beyond ASCII, both cases.
const LETTERS: &[(&str, &str)] = &[
    ("German", "äöüßÄÖÜẞ„“‚‘»«–…€§"),
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

fn has(sign: char) -> bool {
    let ctx = Context::default();
    has_all(&ctx, &sign.to_string())
}

fn has_all(ctx: &Context, text: &str) -> bool {
    let mut found = true;
    let _ = ctx.run_ui(egui::RawInput::default(), |ui| {
        let font = FontId::proportional(13.0);
        found = ui.fonts_mut(|it| it.has_glyphs(&font, text));
    });
    found
}

#[test]
fn the_built_in_fonts_have_the_letters_promised() {
    for (language, letters) in LETTERS {
        let missing: String = letters.chars().filter(|it| !has(*it)).collect();
        assert!(missing.is_empty(), "{language} lacks {missing}");
    }
    assert!(!has('字'), "the check can fail");
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
    // Ranges of characters without a mark of their own, replaced by their codes before drawing.
    used.retain(|it| !it.is_control());
    let missing: String = used.into_iter().filter(|it| !has(*it)).collect();
    assert!(
        missing.is_empty(),
        "the window uses {missing:?}, which would be drawn as boxes"
    );
}
