//! What is picked and what lies under the pointer, in every panel.

use crate::spec::{ExpertId, Position, RouterId};

/// An expert of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpertAt {
    /// The router.
    pub router: RouterId,
    /// The expert.
    pub expert: ExpertId,
}

/// Which of the rows on screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RowChoice {
    /// The text without edits.
    #[default]
    Baseline,
    /// The text under the edits.
    Edited,
}

/// What is picked, in every panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The row shown.
    pub row: RowChoice,
    /// The token shown; none follows the newest.
    pub position: Option<Position>,
    /// The router shown.
    pub router: Option<RouterId>,
    /// The expert picked.
    pub expert: Option<ExpertId>,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            row: RowChoice::Edited,
            position: None,
            router: None,
            expert: None,
        }
    }
}

impl Selection {
    /// The expert picked with its router.
    #[must_use]
    pub fn expert_at(&self) -> Option<ExpertAt> {
        Some(ExpertAt {
            router: self.router?,
            expert: self.expert?,
        })
    }
}

/// What lies under the pointer, in whatever panel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hover {
    /// A token.
    pub token: Option<(RowChoice, Position)>,
    /// An expert.
    pub expert: Option<ExpertAt>,
}
