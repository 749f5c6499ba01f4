//! What can be done now, and in a few words why not: the same for menus and for the palette.

use crate::ui::{Command, Cx, Entry};

const NO_MODEL: &str = "open a model first";

/// What an entry asks for now.
///
/// # Errors
/// Why it cannot be done, in a few words.
pub fn offer(cx: &Cx<'_>, entry: &Entry) -> Result<Command, &'static str> {
    let command = (entry.command)(&cx.selection).ok_or("select an expert first")?;
    let session = cx.session;
    let unless = |no: bool, why| if no { Some(why) } else { None };
    let no_model = unless(session.facts.is_none(), NO_MODEL);
    let why = match &command {
        Command::Undo => unless(!cx.can_undo, "nothing to undo"),
        Command::Redo => unless(!cx.can_redo, "nothing to redo"),
        Command::OtherControls => no_model.or(unless(
            !cx.experiment
                .edits
                .active()
                .any(|it| it.action.expert().is_some()),
            "no edit names an expert",
        )),
        Command::ClearEdits => unless(cx.experiment.edits.entries.is_empty(), "there are no edits"),
        Command::NextChange { .. } => no_model.or(unless(
            session.counterfactual().is_none(),
            "nothing was edited",
        )),
        Command::Pause => unless(
            !session.playing && session.backlog.is_none(),
            "nothing is being read or written",
        ),
        Command::CancelLoad => unless(session.loading.is_none(), "nothing is being opened"),
        Command::ForgetRecents => {
            unless(cx.recents.is_empty(), "no model was opened from a folder")
        }
        Command::ToggleMask(_)
        | Command::ToggleForce(_)
        | Command::PlayPause
        | Command::Step
        | Command::Back
        | Command::ToPromptEnd
        | Command::Regenerate
        | Command::CopyCommandLine
        | Command::Move(_) => no_model,
        _ => None,
    };
    why.map_or(Ok(command), Err)
}
