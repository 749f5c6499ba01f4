//! The line under each token: which of its numbers, and in what colour.

use crate::analysis::{entropy_share, probabilities};
use crate::spec::{Position, RouterId, Score};
use crate::ui::{Cx, Palette, RowView};

/// Most nats of surprise the scale tells apart.
const MOST_SURPRISE: f32 = 10.0;
/// With more experts than this nobody tells colours apart.
pub const MOST_COLOURS: usize = 16;

/// What the line shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// The strongest expert's colour.
    #[default]
    Strongest,
    /// How evenly the router spread its probability.
    Entropy,
    /// How near the choice was.
    Margin,
    /// How surprising the token was.
    Surprise,
}

impl Line {
    /// Every choice, in the order of the menu.
    pub const ALL: [Self; 4] = [Self::Strongest, Self::Entropy, Self::Margin, Self::Surprise];

    /// What the chip says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Strongest => "strongest expert",
            Self::Entropy => "router entropy",
            Self::Margin => "margin",
            Self::Surprise => "surprise",
        }
    }

    /// The ends of its scale; none where it is no amount.
    pub fn scale(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Strongest => None,
            Self::Entropy => Some(("sure", "even")),
            Self::Margin => Some(("a near thing", "clear")),
            Self::Surprise => Some(("expected", "10 nats")),
        }
    }

    /// What can be shown: beyond 16 experts colours give way to the margin.
    pub fn shown(self, cx: &Cx<'_>, router: RouterId) -> Self {
        let n = cx.spec().and_then(|it| it.router(router));
        if self == Self::Strongest && n.is_some_and(|it| it.n_experts > MOST_COLOURS) {
            Self::Margin
        } else {
            self
        }
    }
}

/// How a token's line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ink {
    /// Its colour.
    pub color: eframe::egui::Color32,
    /// Dashed: the expert is one of the ninth to sixteenth.
    pub dashed: bool,
}

/// The line of a token; none where nothing is known.
pub fn ink(
    line: Line,
    view: &RowView,
    router: RouterId,
    at: Position,
    score: Score,
    palette: &Palette,
) -> Option<Ink> {
    let amount = |t: f32| Ink {
        color: palette.amount(t),
        dashed: false,
    };
    match line {
        Line::Strongest => {
            let expert = view.record.store.at(router, at)?.strongest()?.expert.idx();
            Some(Ink {
                color: palette.expert(expert),
                dashed: expert >= 8,
            })
        }
        Line::Entropy => entropy(view, router, at, score).map(amount),
        Line::Margin => {
            let margin = view.record.store.at(router, at)?.margin()?;
            Some(amount(margin_scale(margin, score)))
        }
        Line::Surprise => view
            .record
            .surprise(at)
            .map(|it| amount(it / MOST_SURPRISE)),
    }
}

/// Router entropy at a position, as a share of the most.
pub fn entropy(view: &RowView, router: RouterId, at: Position, score: Score) -> Option<f32> {
    let logits = view.record.store.at(router, at)?.logits()?;
    Some(entropy_share(&probabilities(logits, score)))
}

/// Margins of probabilities lie in 0..1; those of logits have no end.
fn margin_scale(margin: f32, score: Score) -> f32 {
    match score {
        Score::Softmax | Score::Sigmoid => margin,
        Score::Logit | Score::SqrtSoftplus => 1.0 - (-margin).exp(),
    }
}
