//! Words written of tokens, said of points where a series is read: the window sets once a frame what stands at positions, and
//! whatever writes words asks here.

use std::borrow::Cow;

use eframe::egui::{Context, Id, Ui};

use crate::trace::PositionKind;

fn id() -> Id {
    Id::unique("position kind")
}

/// Sets what stands at the positions of the open model's rows.
pub fn set_kind(ctx: &Context, kind: PositionKind) {
    ctx.data_mut(|it| it.insert_temp(id(), kind));
}

/// What stands at the positions of the open model's rows.
fn kind_of(ctx: &Context) -> PositionKind {
    ctx.data(|it| it.get_temp(id()).unwrap_or_default())
}

/// Words written of tokens, as they are said of what stands there.
pub fn said<'a>(ui: &Ui, words: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    kind_of(ui.ctx()).said(words)
}
