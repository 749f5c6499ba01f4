//! The line under each token: which of its numbers, and in what colour.

use eframe::egui::Color32;

use crate::document::router_entropy;
use crate::spec::{ModelSpec, Position, RouterId, RouterSpec, Score};
use crate::trace::{Pick, PositionKind};
use crate::ui::widgets::{MOST_COLOURS, MOST_PINS};
use crate::ui::words::{percent, short};
use crate::ui::{Cx, Palette, RowView};

use super::lit;

/// Most nats of surprise the scale tells apart.
const MOST_SURPRISE: f32 = 10.0;
/// Colours of experts; those after them have the same, dashed.
const SOLID_COLOURS: usize = 8;

/// What the line shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Line {
    /// The strongest expert's colour.
    #[default]
    Strongest,
    /// The pinned experts, where they were picked.
    Pinned,
    /// How evenly the router spread its probability.
    Entropy,
    /// How near the choice was.
    Margin,
    /// How surprising the token was.
    Surprise,
}

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// One router's.
    Router(RouterId),
    /// The mean over all routers that have one.
    Mean,
}

impl Line {
    /// Every choice, in the order of the menu.
    pub const ALL: [Self; 5] = [
        Self::Strongest,
        Self::Pinned,
        Self::Entropy,
        Self::Margin,
        Self::Surprise,
    ];

    /// What the chip says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Strongest => "strongest expert",
            Self::Pinned => "pinned experts",
            Self::Entropy => "router entropy",
            Self::Margin => "margin",
            Self::Surprise => "surprise",
        }
    }

    /// The ends of its scale; none where it is no amount. `margins` are the smallest and the largest of the text.
    pub fn scale(self, margins: Option<(f32, f32)>) -> Option<(String, String)> {
        let ends = |low: &str, high: &str| Some((low.to_owned(), high.to_owned()));
        match (self, margins) {
            (Self::Strongest | Self::Pinned, _) => None,
            (Self::Entropy, _) => ends("sure 0 %", "even 100 %"),
            (Self::Margin, None) => ends("a near thing", "clear"),
            (Self::Margin, Some((low, high))) => {
                let number = |it: f32| short(f64::from(it));
                ends(
                    &format!("a near thing {}", number(low)),
                    &format!("clear {}, by rank", number(high)),
                )
            }
            (Self::Surprise, _) => ends("expected 0", "10 nats"),
        }
    }

    /// Whether it can be a mean over layers.
    pub fn has_mean(self) -> bool {
        matches!(self, Self::Entropy | Self::Margin)
    }

    /// Whether it is one router's.
    pub fn has_router(self) -> bool {
        matches!(self, Self::Strongest | Self::Entropy | Self::Margin)
    }

    /// Whether it can be chosen now.
    pub fn is_offered(self, cx: &Cx<'_>, router: RouterId) -> bool {
        match self {
            Self::Strongest => has_colours(cx, router),
            Self::Pinned => !cx.pins.is_empty(),
            // A point has no probability.
            Self::Surprise => cx.session.position_kind() == PositionKind::Token,
            _ => true,
        }
    }

    /// What can be shown: beyond 16 experts colours give way to the pins, and without any to the surprise, of a series to
    /// the margin.
    pub fn shown(self, cx: &Cx<'_>, router: RouterId) -> Self {
        let few = has_colours(cx, router);
        let is_point = cx.session.position_kind() == PositionKind::Point;
        match self {
            Self::Pinned if cx.pins.is_empty() => Self::Strongest.shown(cx, router),
            Self::Surprise if is_point => Self::Strongest.shown(cx, router),
            Self::Strongest if !few && cx.pins.is_empty() && is_point => Self::Margin,
            Self::Strongest if !few && cx.pins.is_empty() => Self::Surprise,
            Self::Strongest if !few => Self::Pinned,
            it => it,
        }
    }

    /// A number of this kind in words: `margin 0.31`.
    pub fn words(self, number: f32) -> String {
        match self {
            Self::Entropy => format!("{} {} of the most", self.label(), percent(number)),
            Self::Surprise => format!("surprise {} nats", short(f64::from(number))),
            _ => format!("{} {}", self.label(), short(f64::from(number))),
        }
    }
}

/// Whether a router has so few experts that each has a colour.
fn has_colours(cx: &Cx<'_>, router: RouterId) -> bool {
    let router = cx.spec().and_then(|it| it.router(router));
    router.is_none_or(|it| it.n_experts <= MOST_COLOURS)
}

/// How a token's line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ink {
    /// In one colour.
    Solid(Color32),
    /// Dashed: the expert is one of the ninth to sixteenth.
    Dashed(Color32),
    /// In the colours and patterns of the pins at these places, side by side.
    Pins([bool; MOST_PINS]),
    /// Read, and none of what is looked for.
    Quiet,
}

/// How the router scores.
pub fn score(cx: &Cx<'_>, router: RouterId) -> Score {
    let router = cx.spec().and_then(|it| it.router(router));
    router.map_or(Score::Softmax, |it| it.score)
}

/// The choice of a router for a token that was dropped, since its expert was full.
pub fn dropped(view: RowView<'_>, router: RouterId, at: Position) -> Option<Pick> {
    view.record.store.at(router, at)?.dropped().copied()
}

/// The experts that the line of a token shows, by number.
pub fn numbers(
    cx: &Cx<'_>,
    line: Line,
    view: RowView<'_>,
    router: RouterId,
    at: Position,
) -> String {
    let store = &view.record.store;
    if line == Line::Pinned {
        let first = cx.pins.iter().find(|pin| lit::picked(view, at, **pin));
        return first.map_or(String::new(), |it| it.expert.to_string());
    }
    if dropped(view, router, at).is_some() {
        return "×".to_owned();
    }
    let strongest = store.at(router, at).and_then(|it| it.strongest());
    strongest.map_or(String::new(), |it| it.expert.to_string())
}

/// The line of a token that is no amount; none where nothing is known.
pub fn pick_ink(
    cx: &Cx<'_>,
    line: Line,
    view: RowView<'_>,
    router: RouterId,
    at: Position,
) -> Option<Ink> {
    let store = &view.record.store;
    if line == Line::Pinned {
        let mut pins = [false; MOST_PINS];
        for (slot, pin) in pins.iter_mut().zip(cx.pins) {
            *slot = lit::picked(view, at, *pin);
        }
        let any = pins.contains(&true);
        return (at < store.end()).then_some(if any { Ink::Pins(pins) } else { Ink::Quiet });
    }
    if dropped(view, router, at).is_some() {
        return Some(Ink::Quiet);
    }
    let expert = store.at(router, at)?.strongest()?.expert.idx();
    let color = cx.palette.expert(expert);
    Some(if expert < SOLID_COLOURS {
        Ink::Solid(color)
    } else {
        Ink::Dashed(color)
    })
}

/// The colour of an amount. `rank` is what share of the margins of the text is smaller, where that is known: margins lie
/// close together, and a scale of their own size shows one colour.
pub fn amount_ink(
    line: Line,
    amount: f32,
    (score, rank): (Score, Option<f32>),
    palette: &Palette,
) -> Ink {
    let t = match line {
        Line::Surprise => amount / MOST_SURPRISE,
        Line::Margin => rank.unwrap_or_else(|| margin_scale(amount, score)),
        _ => amount,
    };
    Ink::Solid(palette.amount(t))
}

/// The number of a token; none where it is not known.
pub fn amount(
    line: Line,
    of: Of,
    spec: &ModelSpec,
    view: RowView<'_>,
    at: Position,
) -> Option<f32> {
    if line == Line::Surprise {
        return view.record.surprise(at);
    }
    let one = |id: RouterId, router: &RouterSpec| match line {
        Line::Entropy => router_entropy(view.record, id, at, router.score),
        Line::Margin => view.record.store.at(id, at)?.margin(),
        _ => None,
    };
    match of {
        Of::Router(id) => {
            // Of a token of the other stack the router that stands for it there.
            let id = spec.counterpart(id, spec.parts(&view.record.tokens).stack(at));
            one(id, spec.router(id)?)
        }
        Of::Mean => {
            let (mut sum, mut n) = (0.0, 0);
            for it in spec.router_ids().filter_map(|(id, it)| one(id, it)) {
                sum += f64::from(it);
                n += 1;
            }
            (n > 0).then(|| (sum / f64::from(n)) as f32)
        }
    }
}

/// Margins of probabilities lie in 0..1; those of logits have no end.
fn margin_scale(margin: f32, score: Score) -> f32 {
    match score {
        Score::Softmax | Score::Sigmoid => margin,
        Score::Logit | Score::SqrtSoftplus => 1.0 - (-margin).exp(),
    }
}
