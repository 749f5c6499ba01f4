//! The window: panels over a shared selection. Panels read `Cx` and push `Command`s; they never see
//! the engine, and nothing here waits.

mod change;
mod command;
mod cx;
mod export;
mod frame;
mod kept;
mod paint;
mod panels;
mod presets;
mod progress;
mod selection;
mod session;
mod theme;
mod widgets;
pub mod words;

pub use change::{Change, Changes, LEAST_FULL_KL};
pub use command::{
    Command, Direction, ENTRIES, Entry, ExportForm, ExportTo, Menu, SurveyOf, key_hint, key_words,
};
pub use cx::{Cx, Drawing, Settings};
pub use export::{Caption, Paper, PaperFormat, png};
pub use frame::{
    Dialogs, Dropped, Frame, ModeError, PathFor, PathSheet, Sheet, bottom_bar, dialogs_ui, drop_ui,
    focus_ring, present_bar, same_words, top_bar, worked_height, worked_line, worked_ui,
};
pub use kept::{Memo, RowOf};
pub use paint::{GridView, expert_grid, kept_mesh};
pub use panels::{MIXED_TEXT, PANELS, Panel, check_list};
pub use presets::{PRESETS, PromptPreset, SERIES_PRESETS, presets};
pub use progress::{BacklogProgress, PagesRead, SliceProgress};
pub use selection::{ExpertAt, Hover, RowChoice, Selection};
pub use session::{
    ControlsOf, Examined, Loading, Message, RowKey, RowView, Session, SessionControls, Steps,
    Survey, SurveyedText,
};
pub use theme::{
    DARK, LABEL_SIZE, LIGHT, PRESENT, Palette, RAMP_LEN, ThemeKind, apply as apply_theme,
    install as install_theme, present as present_theme,
};
pub use widgets::{MOST_PINS, keeps_arrows, set_kind};
