//! A panel on paper: drawn by its own code in a context of its own, then written as SVG or as pixels.
//!
//! Nothing of the window is in the way there: no pointer, no menu over it, no scroll bar, and no graphics driver is
//! needed. **Invariant:** what stands in the file is what the panel draws at the same selection and the same size.

mod elements;
mod letters;
mod mesh;
mod paper;
mod pixels;
mod svg;
mod text;

pub use paper::{Caption, Paper, PaperFormat};
pub use pixels::png;
