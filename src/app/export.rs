//! What a panel shows, to a file or the clipboard: pictures, shapes, numbers.
//!
//! What is saved is what was on screen when it was asked for. Files are written whole or not at all.

use std::sync::Arc;

use eframe::egui::{self, FontProvider, Theme};

use crate::cli::screenshot::Form;
use crate::document::{Table, file_stem};
use crate::ui::{DARK, Drawing, ExportForm, ExportTo, LIGHT, Palette, Paper, PaperFormat, png};

use super::App;

/// Pixels of a point in a picture, at least: sharp in print and on a fine screen.
const PIXELS_PER_POINT: f32 = 2.0;

/// Why a panel does not leave the program.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// By its title.
    #[error("{0} has no numbers to show yet")]
    NoNumbers(&'static str),
    /// By the name that layouts keep.
    #[error("there is no panel {0}")]
    NoPanel(String),
    /// What the encoder says.
    #[error("the picture could not be made: {0}")]
    Picture(#[from] image::ImageError),
}

/// A panel as it leaves the program.
enum Made {
    Text(String),
    Picture(egui::ColorImage, Vec<u8>),
}

impl Made {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Picture(_, png) => png,
        }
    }
}

impl App {
    /// Writes a panel, or says in one sentence why not.
    pub(super) fn export(
        &mut self,
        panel: &'static str,
        form: ExportForm,
        to: ExportTo,
        ctx: &egui::Context,
    ) {
        let on_screen = ctx.pixels_per_point();
        let sheet = PaperFormat {
            size: self.frame.size(panel),
            // Letters are as wide as the pixels let them be: what has no pixels keeps the widths of the screen.
            pixels_per_point: match form {
                ExportForm::Png => on_screen.max(PIXELS_PER_POINT),
                ExportForm::Svg | ExportForm::Csv => on_screen,
            },
            fonts: Some(system_fonts()),
        };
        let made = self.made(panel, form, palette(ctx), sheet);
        match made {
            Ok(made) => self.deliver(panel, (form, made), to, ctx),
            Err(why) => self.fail(why.to_string()),
        }
    }

    /// A panel's numbers now, for tests and for whoever exports them; none where there is nothing to show yet.
    #[must_use]
    pub fn table(&mut self, panel: &str) -> Option<Table> {
        let (cx, frame, _) = self.parts(&DARK, Drawing::Paper);
        frame.table(panel, &cx)
    }

    /// A panel as the bytes of a file.
    ///
    /// # Errors
    /// There is nothing to show yet, or the picture could not be made.
    pub(super) fn panel(
        &mut self,
        panel: &'static str,
        form: ExportForm,
        palette: &'static Palette,
        sheet: PaperFormat,
    ) -> Result<Vec<u8>, ExportError> {
        Ok(self.made(panel, form, palette, sheet)?.bytes())
    }

    fn made(
        &mut self,
        panel: &str,
        form: ExportForm,
        palette: &'static Palette,
        sheet: PaperFormat,
    ) -> Result<Made, ExportError> {
        match form {
            ExportForm::Csv => self.numbers_of(panel, palette),
            ExportForm::Svg => self.svg_of(panel, palette, sheet),
            ExportForm::Png => self.picture_of(panel, palette, sheet),
        }
    }

    fn deliver(
        &mut self,
        panel: &'static str,
        (form, made): (ExportForm, Made),
        to: ExportTo,
        ctx: &egui::Context,
    ) {
        let title = self.title_of(panel);
        match (to, made) {
            (ExportTo::Clipboard, Made::Text(text)) => {
                ctx.copy_text(text);
                self.say(format!("Copied from {title}"));
            }
            (ExportTo::Clipboard, Made::Picture(picture, _)) => {
                ctx.copy_image(picture);
                self.say(format!("Copied {title} as a picture"));
            }
            (ExportTo::File(path), made) => self.save(&path, &made.bytes(), ctx),
            (ExportTo::Asked, made) => {
                let stem = self.stem_of(panel, palette(ctx));
                let bytes: Arc<[u8]> = made.bytes().into();
                let name = format!("{stem}.{}", extension(form));
                self.ask_place(format!("Save {title}"), &name, bytes, ctx);
            }
        }
    }

    /// A panel's name as it stands in its head.
    fn title_of(&self, panel: &str) -> &'static str {
        self.frame.title(panel, self.session.position_kind())
    }

    /// A panel's numbers as CSV.
    fn numbers_of(&mut self, panel: &str, palette: &'static Palette) -> Result<Made, ExportError> {
        let title = self.title_of(panel);
        let (cx, frame, _) = self.parts(palette, Drawing::Paper);
        let table = frame.table(panel, &cx);
        let table = table.ok_or(ExportError::NoNumbers(title))?;
        Ok(Made::Text(table.to_csv()))
    }

    /// A panel's file name, without what stands for the form.
    fn stem_of(&mut self, panel: &str, palette: &'static Palette) -> String {
        let title = self.title_of(panel);
        let (cx, frame, _) = self.parts(palette, Drawing::Paper);
        let table = frame.table(panel, &cx);
        file_stem(&table.map_or_else(|| title.to_owned(), |it| it.title))
    }

    fn svg_of(
        &mut self,
        panel: &str,
        palette: &'static Palette,
        sheet: PaperFormat,
    ) -> Result<Made, ExportError> {
        Ok(Made::Text(self.paper_of(panel, palette, sheet)?.svg()))
    }

    fn picture_of(
        &mut self,
        panel: &str,
        palette: &'static Palette,
        sheet: PaperFormat,
    ) -> Result<Made, ExportError> {
        let picture = self.paper_of(panel, palette, sheet)?.pixels();
        let png = png(&picture)?;
        Ok(Made::Picture(picture, png))
    }

    fn paper_of(
        &mut self,
        panel: &str,
        palette: &'static Palette,
        sheet: PaperFormat,
    ) -> Result<Paper, ExportError> {
        let (cx, frame, _) = self.parts(palette, Drawing::Paper);
        let paper = frame.on_paper(panel, &cx, sheet);
        paper.ok_or_else(|| ExportError::NoPanel(panel.to_owned()))
    }
}

impl From<Form> for ExportForm {
    fn from(form: Form) -> Self {
        match form {
            Form::Png => Self::Png,
            Form::Svg => Self::Svg,
            Form::Csv => Self::Csv,
        }
    }
}

fn palette(ctx: &egui::Context) -> &'static Palette {
    match ctx.theme() {
        Theme::Dark => &DARK,
        Theme::Light => &LIGHT,
    }
}

fn extension(form: ExportForm) -> &'static str {
    match form {
        ExportForm::Png => "png",
        ExportForm::Svg => "svg",
        ExportForm::Csv => "csv",
    }
}

/// Letters that egui's own fonts lack, as the window has them.
pub(super) fn system_fonts() -> Arc<dyn FontProvider> {
    Arc::new(egui_system_font_provider::SystemFontProvider::new())
}
