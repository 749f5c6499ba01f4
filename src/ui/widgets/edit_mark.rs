//! What the list of edits does to experts: every panel that names one marks it.

use std::collections::BTreeMap;

use crate::spec::Action;
use crate::ui::words::covers;
use crate::ui::{Cx, ExpertAt};

/// What the list does to an expert.
#[derive(Clone, Copy, Default)]
pub struct EditMark {
    /// Never chosen.
    pub masked: bool,
    /// Always chosen.
    pub forced: bool,
    /// Something else.
    pub other: bool,
}

impl EditMark {
    /// Whether anything is done to it.
    pub fn any(self) -> bool {
        self.masked || self.forced || self.other
    }

    fn add(&mut self, action: Action) {
        match action {
            Action::Mask { .. } => (self.masked, self.forced) = (true, false),
            Action::Force { .. } => (self.masked, self.forced) = (false, true),
            _ => self.other = true,
        }
    }
}

/// What the list does to an expert, over all positions.
pub fn edit_mark(cx: &Cx<'_>, at: ExpertAt) -> EditMark {
    let mut out = EditMark::default();
    let Some(router) = cx.spec().and_then(|it| it.router(at.router)) else {
        return out;
    };
    for edit in cx.experiment.edits.active() {
        if edit.action.expert() == Some(at.expert) && covers(edit.at, &router.place) {
            out.add(edit.action);
        }
    }
    out
}

/// Every edited expert: few, however many there are.
pub fn edit_marks(cx: &Cx<'_>) -> BTreeMap<ExpertAt, EditMark> {
    let mut out: BTreeMap<ExpertAt, EditMark> = BTreeMap::new();
    let Some(spec) = cx.spec() else {
        return out;
    };
    for edit in cx.experiment.edits.active() {
        let Some(expert) = edit.action.expert() else {
            continue;
        };
        for (router, spec) in spec
            .router_ids()
            .filter(|(_, it)| covers(edit.at, &it.place))
        {
            if expert.idx() < spec.n_experts {
                let at = ExpertAt { router, expert };
                out.entry(at).or_default().add(edit.action);
            }
        }
    }
    out
}
