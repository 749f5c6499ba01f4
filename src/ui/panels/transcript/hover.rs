//! The exact numbers of a token: in its tooltip, and as text to copy.

use eframe::egui::Ui;

use crate::document::{full_words, router_entropy};
use crate::spec::{Position, RouterId, RouterSpec, Score};
use crate::trace::PositionKind;
use crate::ui::words::{grouped, percent, quoted};
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
    /// Where.
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
    let Some(token) = view.record.tokens.get(at.idx()).copied() else {
        return Vec::new();
    };
    let spec = cx.spec().and_then(|it| it.router(router));
    let label = spec.map_or_else(String::new, RouterSpec::label);
    let score = spec.map_or(Score::Softmax, |it| it.score);
    let name = quoted(cx.session.tokens(), token);
    let called = cx.token_name(at);
    let kind = cx.session.position_kind();
    let mut out = vec![match kind {
        PositionKind::Token => {
            let id = cx.session.tokens().in_vocabulary(token);
            format!("{name} · {called}, id {id}")
        }
        PositionKind::Point => format!("{name} · {called}"),
    }];
    match view.record.store.at(router, at) {
        Some(routed) => {
            let picks: Vec<String> = routed
                .picks()
                .map(|it| format!("expert {} ({:.3})", it.expert, it.weight))
                .collect();
            match (routed.dropped(), spec) {
                (Some(it), Some(spec)) => {
                    out.push(format!("{label}: {}", full_words(spec, it)));
                    let weight = it.weight;
                    out.push(format!(
                        "only the residual stream goes on; the weight would have been {weight:.3}"
                    ));
                }
                _ => out.push(format!("{label}: {}", picks.join(", "))),
            }
            out.extend(routed.margin().map(|it| format!("margin {it:.4}")));
        }
        None => out.push("not read yet".to_owned()),
    }
    if let Some(entropy) = router_entropy(view.record, router, at, score) {
        out.push(format!("router entropy {} of the most", percent(entropy)));
    }
    if let Some((line, mean)) = mean {
        out.push(format!("{}, mean over layers", line.words(mean)));
    }
    if let Some(surprise) = view.record.surprise(at) {
        let before = at.idx() - 1;
        let next = view.record.readouts.get(before).and_then(|it| it.next);
        let rank = grouped(next.map_or(0, |it| u64::from(it.rank)));
        let p = percent((-surprise).exp());
        out.push(format!("surprise {surprise:.3} nats, rank {rank}, p = {p}"));
    }
    if let Some(kl) = cx.records().kl(at).filter(|_| baseline) {
        let (change, unit) = (kind.change(), kind.unit());
        out.push(format!("{change} of the edit {kl:.4} {unit}"));
    }
    out
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
