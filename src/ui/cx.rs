//! Everything a panel may read this frame, and the one place it may write.

use std::{borrow::Cow, path::PathBuf};

use crate::document::ShownRecords;
use crate::spec::{
    Branches, DeviceChoice, Experiment, ModelSpec, Position, PromptForm, RouterId, RouterRef,
    SequenceParts, Span, StackId,
};
use crate::ui::words::{quoted, span_words};
use crate::ui::{Command, ExpertAt, Hover, Palette, RowChoice, RowView, Selection, Session};

/// What is set beside the experiment: it changes no result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Tokens a second; none is as fast as it goes.
    pub pace: Option<f32>,
    /// Most new tokens of one play.
    pub stop_after: u32,
    /// Whether nothing moves for show.
    pub reduced_motion: bool,
    /// Where models are to run.
    pub device: DeviceChoice,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pace: Some(8.0),
            stop_after: 128,
            reduced_motion: false,
            device: DeviceChoice::Auto,
        }
    }
}

/// What is drawn on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drawing {
    /// The window.
    #[default]
    Screen,
    /// A file: no shaders, only shapes and text; no hover, no buttons that cannot be pressed there.
    Paper,
}

/// Everything a panel may read this frame, and the one place it may write.
pub struct Cx<'a> {
    /// The model, the rows, what goes on.
    pub session: &'a Session,
    /// What the user set that changes the run.
    pub experiment: &'a Experiment,
    /// Texts that left the screen.
    pub branches: &'a Branches,
    /// What is picked.
    pub selection: Selection,
    /// What lies under the pointer.
    pub hover: Hover,
    /// The words in the prompt box.
    pub prompt: &'a str,
    /// The form the prompt is given in, where the model has a chat template.
    pub form: &'a PromptForm,
    /// Whether these words, in this form, are what was read last.
    pub prompt_is_read: bool,
    /// Pace and the like.
    pub settings: Settings,
    /// Whether there is something to undo.
    pub can_undo: bool,
    /// Whether there is something to redo.
    pub can_redo: bool,
    /// Experts that keep a colour of their own among many: at most four, in the order pinned.
    pub pins: &'a [ExpertAt],
    /// Paths of the models opened last, newest first.
    pub recents: &'a [PathBuf],
    /// What is drawn on.
    pub drawing: Drawing,
    /// The colours.
    pub palette: &'static Palette,
    /// Commands pushed in this frame; the app applies them after it.
    pub commands: &'a mut Vec<Command>,
}

impl<'a> Cx<'a> {
    /// The row shown.
    #[must_use]
    pub fn row(&self) -> Option<RowView<'a>> {
        self.session.row(self.selection.row)
    }

    /// The records of the rows on screen.
    #[must_use]
    pub fn records(&self) -> ShownRecords<'a> {
        let record = |it: RowView<'a>| it.record;
        ShownRecords {
            baseline: self.session.baseline().map(record),
            edited: self.session.edited().map(record),
            counterfactual: self.session.counterfactual().map(record),
            edited_from: self.session.shown().and_then(|it| it.edited_from),
            is_edited: self.selection.row == RowChoice::Edited,
        }
    }

    /// The open model's shape.
    #[must_use]
    pub fn spec(&self) -> Option<&'a ModelSpec> {
        self.session.spec()
    }

    /// Where the source of the row shown ends.
    #[must_use]
    pub fn parts(&self) -> SequenceParts {
        self.session.parts(self.selection.row)
    }

    /// What stands at a position: `token`, `point`.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        self.session.position_kind().noun()
    }

    /// Words written of tokens, as they are said of what stands at positions.
    pub fn said<'w>(&self, words: impl Into<Cow<'w, str>>) -> Cow<'w, str> {
        self.session.position_kind().said(words)
    }

    /// A panel's name, as it is called of what stands at positions.
    #[must_use]
    pub fn title(&self, panel: &'static str) -> &'static str {
        self.session.position_kind().named(panel)
    }

    /// How a token of the row shown is called: `token 3`, `source token 3`.
    #[must_use]
    pub fn token_name(&self, at: Position) -> String {
        self.parts().name(at)
    }

    /// The router that stands for the one shown where a token is read.
    #[must_use]
    pub fn router_at(&self, at: Position) -> RouterId {
        let router = self.selection.router.unwrap_or_default();
        let stack = self.parts().stack(at);
        self.spec()
            .map_or(router, |it| it.counterpart(router, stack))
    }

    /// The token shown: the selected one, else the newest that the stack of the router shown has read.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let n = self.row()?.record.store.len();
        let router = self.selection.router;
        let router = router.and_then(|it| self.spec()?.router(it));
        let stack = router.map_or(StackId::Decoder, |it| it.place.stack);
        let mine = self.parts().range(stack, n);
        match self.selection.position {
            Some(at) if mine.contains(&at.idx()) => Some(at),
            _ => mine.last().map(Position::new),
        }
    }

    /// Whether a text is there of which no token was read yet.
    #[must_use]
    pub fn reads_first(&self) -> bool {
        let row = self.session.baseline();
        row.is_some_and(|it| it.record.tokens.is_empty())
    }

    /// The first position of its stack that an edit of a router, made now, would act on.
    #[must_use]
    pub fn edit_from(&self, router: RouterId) -> Position {
        self.session.edit_from(self.selection.position, router)
    }

    /// The positions an edit acts on, with the words of the tokens of a row.
    #[must_use]
    pub fn span_words(&self, row: RowChoice, (at, span): (RouterRef, Span)) -> String {
        let name = |within: Position| {
            let (spec, row) = self.spec().zip(self.session.row(row))?;
            let tokens = &row.record.tokens;
            let at = spec.parts(tokens).in_sequence(spec.stack_of(at)?, within);
            let token = tokens.get(at.idx())?;
            Some(quoted(self.session.tokens(), *token))
        };
        span_words(span, name)
    }

    /// The token's words in quotes: `“avait”`; spaces at its edges left out.
    #[must_use]
    pub fn quoted(&self, at: Position) -> String {
        let token = self
            .row()
            .and_then(|it| it.record.tokens.get(at.idx()).copied());
        token.map_or_else(
            || self.token_name(at),
            |it| quoted(self.session.tokens(), it),
        )
    }

    /// Asks for something.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }
}
