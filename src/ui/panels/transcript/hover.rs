//! The exact numbers of a token.

use eframe::egui::Ui;

use crate::spec::{Position, RouterId, RouterSpec, Score};
use crate::ui::words::percent;
use crate::ui::{Cx, RowView, quoted};

use super::{line, sentence::kl_at};

/// Everything known of the token at a position of a row.
pub fn ui(
    cx: &Cx<'_>,
    ui: &mut Ui,
    view: &RowView,
    router: RouterId,
    at: Position,
    baseline: bool,
) {
    let Some(token) = view.record.tokens.get(at.idx()).copied() else {
        return;
    };
    let spec = cx.spec().and_then(|it| it.router(router));
    let label = spec.map_or_else(String::new, RouterSpec::label);
    let score = spec.map_or(Score::Softmax, |it| it.score);
    ui.strong(format!(
        "{} · token {at}, id {token}",
        quoted(cx.session.tokens(), token)
    ));
    match view.record.store.at(router, at) {
        Some(routed) => {
            let picks: Vec<String> = routed
                .picks()
                .map(|it| format!("expert {} ({:.3})", it.expert, it.weight))
                .collect();
            ui.label(format!("{label}: {}", picks.join(", ")));
            if let Some(margin) = routed.margin() {
                ui.label(format!("margin {margin:.4}"));
            }
        }
        None => {
            ui.label("not read yet");
        }
    }
    if let Some(entropy) = line::entropy(view, router, at, score) {
        ui.label(format!("router entropy {} of the most", percent(entropy)));
    }
    if let Some(surprise) = view.record.surprise(at) {
        let before = at.idx() - 1;
        let rank = view
            .record
            .readouts
            .get(before)
            .and_then(|it| it.next)
            .map_or(0, |it| it.rank);
        ui.label(format!(
            "surprise {surprise:.3} nats, rank {rank}, p = {}",
            percent((-surprise).exp())
        ));
    }
    if let Some(kl) = kl_at(cx, at).filter(|_| baseline) {
        ui.label(format!("KL of the edit {kl:.4} nats"));
    }
    if at.idx() < view.n_given {
        ui.weak("given");
    }
}
