//! All that a panel, a menu or a key may ask for, and the list that menus, shortcuts and help are made from.

use std::{path::PathBuf, sync::Arc};

use eframe::egui::{self, Key, KeyboardShortcut, Modifiers, ThemePreference};

use crate::spec::{
    BranchId, DeviceChoice, Intervention, InterventionSet, Position, PromptForm, Sampling, TokenId,
};
use crate::ui::{ExpertAt, Hover, RowChoice, Selection};

/// Where the arrow keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The token before.
    Left,
    /// The token after.
    Right,
    /// The layer above.
    Up,
    /// The layer below.
    Down,
}

/// What is read to judge the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SurveyOf {
    /// The sample texts inside the program.
    Samples,
    /// Text files.
    Files(Vec<PathBuf>),
    /// Files whose paths are asked for.
    Asked,
}

/// What a panel is exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportForm {
    /// Pixels, as on screen.
    Png,
    /// Shapes and text.
    Svg,
    /// The numbers.
    Csv,
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportTo {
    /// A file whose path is asked for.
    Asked,
    /// This file.
    File(PathBuf),
    /// The clipboard.
    Clipboard,
}

/// Something a panel, a menu or a key asks for. The app applies commands between frames, in one `match`.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Looking: what is selected.
    Select(Selection),
    /// Looking: what lies under the pointer.
    Hover(Hover),
    /// Looking: follow the newest token again.
    Follow,
    /// Looking: move the selection by one.
    Move(Direction),
    /// Looking: to the next place that changed most, or back.
    NextChange {
        /// Backwards.
        back: bool,
    },
    /// The words in the prompt box.
    SetPrompt(String),
    /// The form the prompt is given in.
    SetForm(PromptForm),
    /// Read the prompt and write on.
    RunPrompt,
    /// Put one of the presets in the prompt box and run it.
    Preset(usize),
    /// Add the edits that belong to a preset, from its last token on.
    PresetEdits(usize),
    /// Ask for the path of a file of numbers.
    AskSeries,
    /// Continue the series of a file; where it has several columns of numbers, ask which.
    OpenSeries(PathBuf),
    /// Continue this column of the file whose path is typed.
    TakeColumn(String),
    /// Write, or stop.
    PlayPause,
    /// Stop writing.
    Pause,
    /// Write one token.
    Step,
    /// To the last token of the prompt as it was typed; what was added to it since is left.
    ToPromptEnd,
    /// One token back: what lies before becomes given.
    Back,
    /// The next seed.
    Regenerate,
    /// Where models run from now on, also at the next start; the open one moves there.
    SetDevice(DeviceChoice),
    /// The same with the CPU, but for the next start: the device that was lost may be there again.
    GoOnOnCpu,
    /// Tokens a second; none is as fast as it goes.
    SetPace(Option<f32>),
    /// Most new tokens of one play.
    SetStopAfter(u32),
    /// How tokens are drawn; a step of a drag is not committed.
    SetSampling {
        /// The values.
        sampling: Sampling,
        /// Whether the drag has ended.
        commit: bool,
    },
    /// Mask the expert from the selected position on, or take away the edit that masks it there.
    ToggleMask(ExpertAt),
    /// The same with force.
    ToggleForce(ExpertAt),
    /// Add an edit at the end of the list.
    AddEdit(Intervention),
    /// Put another edit in a line of the list.
    ReplaceEdit {
        /// The line.
        line: usize,
        /// Its new edit.
        edit: Intervention,
    },
    /// Switch a line of the list on or off.
    ToggleEdit(usize),
    /// Take a line away.
    RemoveEdit(usize),
    /// Move a line one place up or down.
    MoveEdit {
        /// The line.
        line: usize,
        /// Up.
        up: bool,
    },
    /// Put another list in the place of the whole, as one change.
    SetEdits(InterventionSet),
    /// Take every edit away.
    ClearEdits,
    /// Copy the command line that opens the window as it is now.
    CopyCommandLine,
    /// Draw other random controls of the edits.
    OtherControls,
    /// Tokens up to here become given.
    ContinueFrom {
        /// Of which row.
        row: RowChoice,
        /// The last given one.
        at: Position,
    },
    /// Tokens up to here become given, and this one after them.
    ContinueWith {
        /// Of which row.
        row: RowChoice,
        /// The last one kept.
        at: Position,
        /// What follows it.
        token: TokenId,
    },
    /// Looking: give the expert a colour of its own among many, or take it back.
    TogglePin(ExpertAt),
    /// Read texts with no edit in force, to judge the load.
    Survey(SurveyOf),
    /// Give that up.
    CancelSurvey,
    /// Read the same texts with several checkpoints, whose paths are asked for where there are none.
    Steps(Vec<PathBuf>),
    /// Give that up.
    CancelSteps,
    /// What a panel shows, to a file or the clipboard.
    Export {
        /// The panel's name in the list.
        panel: &'static str,
        /// As what.
        form: ExportForm,
        /// File or clipboard.
        to: ExportTo,
    },
    /// The same of the panel last used.
    ExportHere {
        /// As what.
        form: ExportForm,
        /// File or clipboard.
        to: ExportTo,
    },
    /// Write a file that was asked for.
    SaveFile {
        /// Path of the file.
        path: PathBuf,
        /// What was on screen when it was asked for.
        bytes: Arc<[u8]>,
    },
    /// The run as one HTML file.
    ShareHtml(ExportTo),
    /// Show a panel's numbers as a table instead of the picture, or back.
    ToggleTable(&'static str),
    /// Every panel side by side.
    ShowAll,
    /// The same of the panel last used.
    ToggleTableHere,
    /// Show a panel alone in the window, or all again.
    ToggleAlone(&'static str),
    /// The same with the panel that is pointed at, else the one used last.
    AloneHere,
    /// Show the text and one panel to a class, large and light, or the whole window again.
    TogglePresent,
    /// Give the keyboard to the next panel, or the one before.
    FocusPanel {
        /// The one before.
        back: bool,
    },
    /// The change before.
    Undo,
    /// The change after.
    Redo,
    /// Ask for the path of a model.
    AskPath,
    /// Do what the sheet is for with the path typed there.
    TakePath(String),
    /// Ask for the path with the system's own dialog instead.
    ChoosePath,
    /// Ask for a file of a model with the system's own dialog, where `ChoosePath` asks for a folder.
    ChooseModelFile,
    /// Open a model: a path as it is typed, `tour` or `tour-collapsed`.
    Open(String),
    /// Open the model in a folder, or the one that a file belongs to.
    OpenPath(PathBuf),
    /// Forget which models were opened last.
    ForgetRecents,
    /// Close the sheet over the panels.
    CloseDialog,
    /// Give up the load.
    CancelLoad,
    /// Put the message away.
    Dismiss,
    /// Put away one of the failures in whose place something else is said.
    DismissFailure(usize),
    /// Show the folder of a file that was written.
    ShowFile(PathBuf),
    /// Put a text that left the screen on it again.
    BringBack(BranchId),
    /// Call a text that left the screen something else.
    NameText {
        /// Number of the text.
        id: BranchId,
        /// Its new name.
        name: String,
    },
    /// Forget a text that left the screen.
    DeleteText(BranchId),
    /// Put away the offer to go on elsewhere.
    DismissLostDevice,
    /// Say something.
    Say(String),
    /// Dark, light or as the system.
    SetTheme(ThemePreference),
    /// Larger.
    ZoomIn,
    /// Smaller.
    ZoomOut,
    /// As at first.
    ZoomReset,
    /// The tiles as at first.
    ResetLayout,
    /// Show a panel.
    ShowPanel(&'static str),
    /// Show or hide the list of keys.
    ToggleHelp,
    /// Show or hide the list of everything that can be done.
    TogglePalette,
    /// Show or hide the settings.
    ToggleSettings,
    /// Let nothing move for show, or let it.
    SetReducedMotion(bool),
    /// End the program.
    Quit,
}

/// Which menu an entry stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// Models, the end.
    File,
    /// Edits, undo.
    Edit,
    /// How things look.
    View,
    /// Writing.
    Run,
    /// Keys.
    Help,
}

impl Menu {
    /// Every menu, from left to right.
    pub const ALL: [Self; 5] = [Self::File, Self::Edit, Self::View, Self::Run, Self::Help];

    /// Its name.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Edit => "Edit",
            Self::View => "View",
            Self::Run => "Run",
            Self::Help => "Help",
        }
    }
}

/// A command that has a name: a line of a menu, a shortcut, a line of the help.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Where it stands.
    pub menu: Menu,
    /// Among which lines of that menu: a line parts one group from the next.
    pub group: u8,
    /// What it is called.
    pub name: &'static str,
    /// What it does, one line.
    pub help: &'static str,
    /// Its key.
    pub key: Option<KeyboardShortcut>,
    /// What it asks for, given what is selected; none where it makes no sense now.
    pub command: fn(&Selection) -> Option<Command>,
}

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn with_command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const SHIFT_COMMAND: Modifiers = Modifiers {
    shift: true,
    ..Modifiers::COMMAND
};

macro_rules! entries {
    ($($menu:ident $group:literal, $name:literal, $key:expr, $help:literal, $command:expr;)*) => {
        &[$(Entry { menu: Menu::$menu, group: $group, name: $name, help: $help, key: $key, command: $command }),*]
    };
}

/// Every command with a name.
pub const ENTRIES: &[Entry] = entries! {
    File 0, "Open a model…", Some(with_command(Key::O)), "Type the path of a folder, or choose it", |_| Some(Command::AskPath);
    File 0, "Open the Tour model", None, "The small trained model inside the program", |_| Some(Command::Open("tour".to_owned()));
    File 0, "Open the Tour model trained without balancing", None, "The collapsed Tour, in which experts of several layers are never used", |_| Some(Command::Open("tour-collapsed".to_owned()));
    File 0, "Cancel opening", None, "Give up the load; the open model stays", |_| Some(Command::CancelLoad);
    File 1, "Forget the recent models", None, "Empty the list of models opened last", |_| Some(Command::ForgetRecents);
    File 2, "Share as one HTML file…", None, "The run as a page that any browser shows, with nothing to load", |_| Some(Command::ShareHtml(ExportTo::Asked));
    File 3, "Copy the numbers of the panel", None, "As CSV; of the panel last used", |_| Some(Command::ExportHere { form: ExportForm::Csv, to: ExportTo::Clipboard });
    File 3, "Copy the panel as a picture", None, "Of the panel last used", |_| Some(Command::ExportHere { form: ExportForm::Png, to: ExportTo::Clipboard });
    File 4, "Save the panel as PNG…", None, "A picture of the panel last used", |_| Some(Command::ExportHere { form: ExportForm::Png, to: ExportTo::Asked });
    File 4, "Save the panel as SVG…", None, "Shapes and text of the panel last used", |_| Some(Command::ExportHere { form: ExportForm::Svg, to: ExportTo::Asked });
    File 4, "Save the numbers of the panel…", None, "As CSV; of the panel last used", |_| Some(Command::ExportHere { form: ExportForm::Csv, to: ExportTo::Asked });
    File 5, "Quit", Some(with_command(Key::Q)), "End the program", |_| Some(Command::Quit);
    Edit 0, "Undo", Some(with_command(Key::Z)), "The change before", |_| Some(Command::Undo);
    Edit 0, "Redo", Some(KeyboardShortcut::new(SHIFT_COMMAND, Key::Z)), "The change after", |_| Some(Command::Redo);
    Edit 1, "Mask or unmask the expert", Some(plain(Key::M)), "Forbid the selected expert from the selected token on", |it| it.expert_at().map(Command::ToggleMask);
    Edit 1, "Force or release the expert", Some(plain(Key::F)), "Have the selected expert picked from the selected token on", |it| it.expert_at().map(Command::ToggleForce);
    Edit 1, "Remove all edits", None, "Back to the baseline", |_| Some(Command::ClearEdits);
    Edit 2, "Draw other controls", None, "The edits beside other random experts of the same layers", |_| Some(Command::OtherControls);
    Edit 2, "Copy as command line", None, "The line that opens the window so: model, prompt, edits, seed", |_| Some(Command::CopyCommandLine);
    Edit 3, "Settings…", Some(with_command(Key::Comma)), "Theme, size, pace, device, motion", |_| Some(Command::ToggleSettings);
    View 0, "Command palette…", Some(with_command(Key::P)), "Find anything that can be done by its name", |_| Some(Command::TogglePalette);
    View 0, "Pin or unpin the expert", Some(plain(Key::I)), "Give the selected expert a colour and a pattern of its own", |it| it.expert_at().map(Command::TogglePin);
    View 1, "Present", Some(plain(Key::F5)), "The text and one panel for the back row: light, large, experts numbered; again ends it", |_| Some(Command::TogglePresent);
    View 1, "Show the panel alone", Some(plain(Key::A)), "The panel pointed at or used last fills the window; again, or Esc, shows all", |_| Some(Command::AloneHere);
    View 1, "Panel as a table", Some(plain(Key::F8)), "The numbers of the panel last used, or its picture again", |_| Some(Command::ToggleTableHere);
    View 1, "Next panel", Some(plain(Key::F6)), "Give the keyboard to the next panel; Tab goes on inside it", |_| Some(Command::FocusPanel { back: false });
    View 1, "Previous panel", Some(KeyboardShortcut::new(Modifiers::SHIFT, Key::F6)), "Give the keyboard to the panel before", |_| Some(Command::FocusPanel { back: true });
    View 2, "Dark", None, "Dark theme", |_| Some(Command::SetTheme(ThemePreference::Dark));
    View 2, "Light", None, "Light theme", |_| Some(Command::SetTheme(ThemePreference::Light));
    View 2, "As the system", None, "The system's theme", |_| Some(Command::SetTheme(ThemePreference::System));
    View 3, "Zoom in", Some(with_command(Key::Plus)), "Everything larger", |_| Some(Command::ZoomIn);
    View 3, "Zoom out", Some(with_command(Key::Minus)), "Everything smaller", |_| Some(Command::ZoomOut);
    View 3, "Actual size", Some(with_command(Key::Num0)), "As at first", |_| Some(Command::ZoomReset);
    View 4, "Show every panel", None, "All panels side by side", |_| Some(Command::ShowAll);
    View 4, "Reset the layout", None, "The tiles as at first", |_| Some(Command::ResetLayout);
    Run 0, "Play or pause", Some(plain(Key::Space)), "Write on at the pace set, or stop", |_| Some(Command::PlayPause);
    Run 0, "Pause", Some(plain(Key::K)), "Stop reading and writing", |_| Some(Command::Pause);
    Run 0, "Step", Some(plain(Key::Period)), "Write one token", |_| Some(Command::Step);
    Run 0, "To the prompt's end", Some(plain(Key::Home)), "Select the prompt's last token; what became given after it is left", |_| Some(Command::ToPromptEnd);
    Run 0, "Back one token", Some(plain(Key::Backspace)), "What lies before becomes given", |_| Some(Command::Back);
    Run 0, "Regenerate", Some(plain(Key::R)), "Write again with the next seed", |_| Some(Command::Regenerate);
    Run 1, "Next change", Some(plain(Key::N)), "To the next token that the edits changed most", |_| Some(Command::NextChange { back: false });
    Run 1, "Previous change", Some(plain(Key::P)), "To the one before", |_| Some(Command::NextChange { back: true });
    Run 2, "Previous token", Some(plain(Key::ArrowLeft)), "Select the token before", |_| Some(Command::Move(Direction::Left));
    Run 2, "Next token", Some(plain(Key::ArrowRight)), "Select the token after", |_| Some(Command::Move(Direction::Right));
    Run 2, "Layer above", Some(plain(Key::ArrowUp)), "Select the router above", |_| Some(Command::Move(Direction::Up));
    Run 2, "Layer below", Some(plain(Key::ArrowDown)), "Select the router below", |_| Some(Command::Move(Direction::Down));
    Run 2, "Follow the newest token", Some(plain(Key::Escape)), "Select nothing: show the newest token", |_| Some(Command::Follow);
    Run 3, "Run on the best device", None, "A graphics processor where there is one that can, else the CPU", |_| Some(Command::SetDevice(DeviceChoice::Auto));
    Run 3, "Run on the graphics processor", None, "Rows stay as they are; one in software is taken too", |_| Some(Command::SetDevice(DeviceChoice::Gpu));
    Run 3, "Run on the CPU", None, "Rows stay as they are", |_| Some(Command::SetDevice(DeviceChoice::Cpu));
    Help 0, "Keys and gestures", Some(plain(Key::F1)), "This list", |_| Some(Command::ToggleHelp);
};

/// A key as it is written: `Ctrl+Z`, `.`, `Esc`, `→`.
#[must_use]
pub fn key_words(key: &KeyboardShortcut, ctx: &egui::Context) -> String {
    let sign = match key.logical_key {
        Key::Period => ".",
        Key::Escape => "Esc",
        Key::ArrowLeft => "←",
        Key::ArrowRight => "→",
        Key::ArrowUp => "↑",
        Key::ArrowDown => "↓",
        Key::Comma | Key::Plus | Key::Minus => {
            // Signs as they stand on the keys, not their names.
            let words = ctx.format_shortcut(key);
            let name = key.logical_key.name();
            return words.replace(name, key.logical_key.symbol_or_name());
        }
        _ => return ctx.format_shortcut(key),
    };
    sign.to_owned()
}

/// The key of a named command after its name: ` (M)`; empty where it has none.
#[must_use]
pub fn key_hint(name: &str, ctx: &egui::Context) -> String {
    ENTRIES
        .iter()
        .find(|it| it.name == name)
        .and_then(|it| it.key)
        .map_or(String::new(), |it| format!(" ({})", key_words(&it, ctx)))
}
