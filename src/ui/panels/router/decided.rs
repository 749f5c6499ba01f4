//! What the panel is about, gathered once a frame.

use crate::document::Decided;
use crate::spec::ExpertId;
use crate::ui::{Cx, ExpertAt};

/// What is selected, where it was read.
pub fn decided<'a>(cx: &Cx<'a>) -> Option<Decided<'a>> {
    let model = cx.session.spec()?;
    let router = cx.selection.router.or_else(|| model.middle_router())?;
    let row = cx.row()?.record;
    Decided::new(model, row, &cx.experiment.edits, (router, cx.position()?))
}

/// The expert with its router.
pub fn expert_at(it: &Decided<'_>, expert: ExpertId) -> ExpertAt {
    ExpertAt {
        router: it.router,
        expert,
    }
}
