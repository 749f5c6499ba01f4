//! Files held over the window: what they are taken for, and the words that say so before they are let go.

use std::path::{Path, PathBuf};

use eframe::egui::{self, Align2, FontId, LayerId, Order, StrokeKind, Ui, vec2};

use crate::ui::Palette;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE, PANEL_CORNER};
use crate::ui::words::count_of;

/// Endings of files that are texts.
const TEXTS: [&str; 2] = ["txt", "jsonl"];
/// Endings of files that are tables of numbers.
const TABLES: [&str; 2] = ["csv", "tsv"];
/// Endings of files that belong to a model.
const PARTS: [&str; 4] = ["safetensors", "bin", "json", "model"];

/// What files are taken for, by their names alone: nothing is read before it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The folder of a model.
    pub model: Option<PathBuf>,
    /// Texts.
    pub texts: Vec<PathBuf>,
    /// A table of numbers: a series to be continued.
    pub series: Option<PathBuf>,
}

impl Dropped {
    /// Sorts files: texts by their ending; of what else there is, the first names a model, by a file of it or
    /// by its folder.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut out = Self::default();
        for path in paths {
            let ending = path.extension().and_then(|it| it.to_str());
            let ending = ending.unwrap_or_default().to_ascii_lowercase();
            if TEXTS.contains(&ending.as_str()) {
                out.texts.push(path.to_owned());
            } else if TABLES.contains(&ending.as_str()) {
                out.series.get_or_insert_with(|| path.to_owned());
            } else if out.model.is_none() {
                out.model = Some(model_folder(path));
            }
        }
        out
    }

    fn words(&self) -> String {
        let name = |it: &Path| {
            it.file_name()
                .map_or_else(String::new, |it| it.to_string_lossy().into_owned())
        };
        if let (None, [], Some(series)) = (&self.model, self.texts.as_slice(), &self.series) {
            return format!("Drop to continue the series in {}", name(series));
        }
        match (&self.model, self.texts.as_slice()) {
            (Some(model), _) => format!("Drop to open {}", name(model)),

            (None, [text]) => format!("Drop to judge the load over {}", name(text)),
            (None, texts) => format!(
                "Drop to judge the load over {}",
                count_of(texts.len(), "text")
            ),
        }
    }
}

/// The folder of a model that a file belongs to, or the folder itself.
fn model_folder(path: &Path) -> PathBuf {
    let ending = path.extension().and_then(|it| it.to_str());
    let is_part = ending.is_some_and(|it| PARTS.contains(&it.to_ascii_lowercase().as_str()));
    match path.parent() {
        Some(parent) if is_part => parent.to_owned(),
        _ => path.to_owned(),
    }
}

/// Says, while files are held over the window, what becomes of them.
pub fn drop_ui(ui: &Ui) {
    let held: Vec<PathBuf> = ui.input(|it| {
        let files = it.raw.hovered_files.iter();
        files.filter_map(|it| it.path.clone()).collect()
    });
    if held.is_empty() {
        return;
    }
    let palette = Palette::of(ui);
    let dropped = Dropped::of(held.iter().map(PathBuf::as_path));
    let rect = ui.ctx().content_rect();
    let layer = LayerId::new(Order::Tooltip, egui::Id::unique("drop"));
    let painter = ui.ctx().layer_painter(layer);
    painter.rect_filled(rect, 0.0, palette.window.gamma_multiply(0.6));
    let accent = (3.0, palette.accent);
    painter.rect_stroke(rect, PANEL_CORNER, accent, StrokeKind::Inside);
    let font = FontId::proportional(BODY_SIZE + 3.0);
    let words = painter.layout(
        dropped.words(),
        font,
        palette.selected,
        rect.width() - 120.0,
    );
    let more = painter.layout_no_wrap(
        "A model folder, a file inside one, a GGUF file, texts (.txt, .jsonl), or a series (.csv)"
            .to_owned(),
        FontId::proportional(LABEL_SIZE),
        palette.second,
    );
    let size = vec2(
        words.size().x.max(more.size().x),
        words.size().y + more.size().y + 6.0,
    );
    let card = Align2::CENTER_CENTER.align_size_within_rect(size, rect);
    painter.rect_filled(card.expand(18.0), PANEL_CORNER, palette.raised);
    let center = |galley: &egui::Galley| card.center().x - galley.size().x / 2.0;
    let second = egui::pos2(center(&more), card.top() + words.size().y + 6.0);
    let first = egui::pos2(center(&words), card.top());
    painter.galley(first, words, palette.selected);
    painter.galley(second, more, palette.second);
    let response = ui.interact(card, egui::Id::unique("drop words"), egui::Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, dropped.words()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str]) -> Dropped {
        Dropped::of(paths.iter().map(Path::new))
    }

    #[test]
    fn a_file_of_a_model_names_its_folder() {
        let want = Some(PathBuf::from("/m/Qwen1.5-MoE-A2.7B"));
        for path in [
            "/m/Qwen1.5-MoE-A2.7B",
            "/m/Qwen1.5-MoE-A2.7B/config.json",
            "/m/Qwen1.5-MoE-A2.7B/model-00001-of-00002.safetensors",
            "/m/Qwen1.5-MoE-A2.7B/pytorch_model.bin",
        ] {
            let it = of(&[path]);
            assert_eq!((it.model, it.texts.len()), (want.clone(), 0), "{path}");
        }
    }

    #[test]
    fn texts_are_told_by_their_ending() {
        let it = of(&["/a/one.TXT", "/a/two.jsonl", "/m/x", "/m/y"]);
        assert_eq!(it.texts.len(), 2);
        let it = of(&["/a/sold.CSV", "/a/two.tsv"]);
        assert_eq!(it.series, Some(PathBuf::from("/a/sold.CSV")));
        assert_eq!(it.words(), "Drop to continue the series in sold.CSV");
        assert!(it.model.is_none() && it.texts.is_empty());
        let it = of(&["/a/one.TXT", "/a/two.jsonl", "/m/x", "/m/y"]);
        assert_eq!(it.model, Some(PathBuf::from("/m/x")));
    }
}
