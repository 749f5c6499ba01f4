//! The exact numbers of a token: in its tooltip, and as text to copy.

use eframe::egui::Ui;

use crate::document::{TokenNumbers, full_words};
use crate::spec::{Position, RouterId};
use crate::ui::{Cx, ExpertAt, RowView};

use super::line::{self, Line, Of};
use super::lit;

/// Which token, and what of it.
#[derive(Clone, Copy)]
pub struct HoveredToken<'a> {
    /// Its row.
    pub view: RowView<'a>,
    /// The router whose numbers are wanted.
    pub router: RouterId,
    /// The mean that the line shows beside them.
    pub mean: Option<(Line, f32)>,
    /// Position of the token.
    pub at: Position,
    /// Whether it is the baseline's: only there is KL its own.
    pub baseline: bool,
}

/// Everything known of the token.
pub fn ui(cx: &Cx<'_>, ui: &mut Ui, asked: HoveredToken<'_>) {
    let mut lines = lines(cx, asked).into_iter();
    if let Some(title) = lines.next() {
        ui.strong(title);
    }
    for line in lines {
        ui.label(line);
    }
    if asked.at.idx() < asked.view.record.n_given {
        ui.weak("given");
    }
}

/// The same as lines of text, its name first.
pub fn lines(cx: &Cx<'_>, asked: HoveredToken<'_>) -> Vec<String> {
    let HoveredToken {
        view,
        router,
        mean,
        at,
        baseline,
    } = asked;
    TokenNumbers {
        tokens: cx.session.tokens(),
        record: view.record,
        at,
        name: &cx.token_name(at),
        router: (router, cx.spec().and_then(|it| it.router(router))),
        mean: mean.map(|(line, mean)| line.words(mean)),
        kl: cx.records().kl(at).filter(|_| baseline),
    }
    .lines()
}

/// What the line under the token says, as it is read aloud.
pub fn line_words(cx: &Cx<'_>, line: Line, of: Of, asked: HoveredToken<'_>) -> Option<String> {
    let routed = asked.view.record.store.at(asked.router, asked.at);
    match line {
        Line::Strongest if routed.is_some_and(|it| it.dropped().is_some()) => {
            let spec = cx.spec()?.router(asked.router)?;
            Some(full_words(spec, routed?.dropped()?))
        }
        Line::Strongest => Some(format!("strongest expert {}", routed?.strongest()?.expert)),
        Line::Pinned => {
            let picked = |pin: &&ExpertAt| lit::picked(asked.view, asked.at, **pin);
            let picked = cx.pins.iter().filter(picked);
            let names: Vec<String> = picked
                .filter_map(|it| {
                    let label = cx.spec()?.router(it.router)?.label();
                    Some(format!("{label} expert {}", it.expert))
                })
                .collect();
            let none = names.is_empty();
            Some(if none {
                "no pinned expert".to_owned()
            } else {
                format!("pinned {}", names.join(", "))
            })
        }
        _ => match (of, asked.mean) {
            (Of::Mean, Some((line, it))) => Some(format!("{}, mean over layers", line.words(it))),
            (Of::Mean, None) => None,
            (Of::Router(_), _) => {
                let amount = line::amount(line, of, cx.spec()?, asked.view, asked.at)?;
                Some(line.words(amount))
            }
        },
    }
}
