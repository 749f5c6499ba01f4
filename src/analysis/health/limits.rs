//! Where even ends and collapsed begins: the default limits, and those of other tools.

use serde::Serialize;

use super::{Measure, Numbers, Reason};

/// Limits that have a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// moescope's own, which the two bundled models and made-up loads of 8, 64 and 128 experts were tried on.
    #[default]
    Default,
    /// Those of `MoEWatch`'s README.
    MoeWatch,
}

impl Preset {
    /// Every choice, in the order of the menu.
    pub const ALL: [Self; 2] = [Self::Default, Self::MoeWatch];

    /// What the chip says.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::MoeWatch => "MoEWatch",
        }
    }
}

/// How many dead experts pass a limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLimit {
    /// At least one.
    Any,
    /// At least this share of the experts.
    Share(f64),
}

/// How far the busiest expert may stand above the mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxLimit {
    /// So many times the mean.
    Times(f64),
    /// This part of the way from even (1) to the ceiling (`N/k`).
    OfTheWay(f64),
}

/// Limits of one verdict; one that is passed is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Limits {
    /// Dead experts, at least.
    pub dead: Option<DeadLimit>,
    /// `exp(H)/N`, below.
    pub evenness: Option<f64>,
    /// `H/ln N`, below.
    pub entropy: Option<f64>,
    /// `max n / n̄`, above.
    pub max_over_mean: Option<MaxLimit>,
}

/// All that a verdict is made by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    /// What they are called.
    pub preset: Preset,
    /// Tokens a verdict needs at least.
    pub min_tokens: u64,
    /// Picks that an even share has to come to: `T ≥ min_picks · N/k`.
    pub min_picks: u64,
    /// Idle is less than this part of the mean, over all texts.
    pub dead_below: f64,
    /// What is idle is dead unless it takes more than this part of the mean in one of the texts.
    pub alive_above: f64,
    /// Limits of skewed.
    pub skewed: Limits,
    /// Limits of collapsed.
    pub collapsed: Limits,
}

impl Default for Thresholds {
    fn default() -> Self {
        Preset::Default.into()
    }
}

impl From<Preset> for Thresholds {
    fn from(preset: Preset) -> Self {
        let (skewed, collapsed) = match preset {
            Preset::Default => (
                Limits {
                    dead: Some(DeadLimit::Any),
                    evenness: Some(0.75),
                    entropy: None,
                    max_over_mean: Some(MaxLimit::OfTheWay(0.75)),
                },
                Limits {
                    dead: Some(DeadLimit::Share(0.25)),
                    evenness: Some(0.5),
                    ..Limits::default()
                },
            ),
            // Its "warn" and its imbalance error are skewed here, its "critical" is collapsed.
            Preset::MoeWatch => (
                Limits {
                    entropy: Some(0.6),
                    max_over_mean: Some(MaxLimit::Times(5.0)),
                    ..Limits::default()
                },
                Limits {
                    entropy: Some(0.4),
                    ..Limits::default()
                },
            ),
        };
        Self {
            preset,
            min_tokens: 2000,
            min_picks: 50,
            dead_below: 0.05,
            alive_above: 0.5,
            skewed,
            collapsed,
        }
    }
}

impl Thresholds {
    /// Tokens a verdict on N experts of which k are picked needs.
    #[must_use]
    pub fn needed(&self, n_experts: usize, top_k: usize) -> u64 {
        let by_experts = (self.min_picks * n_experts as u64).div_ceil(top_k.max(1) as u64);
        by_experts.max(self.min_tokens)
    }

    /// The largest load over the mean above which a router is skewed; none where that is no limit.
    #[must_use]
    pub fn skewed_above(&self, n_experts: usize, top_k: usize) -> Option<f64> {
        let limit = self.skewed.max_over_mean?;
        Some(limit.times(n_experts, top_k))
    }
}

impl DeadLimit {
    /// The fewest dead experts that pass it.
    #[must_use]
    pub fn fewest(self, n_experts: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::Share(share) => ((n_experts as f64 * share).ceil() as usize).max(1),
        }
    }
}

impl MaxLimit {
    /// As a multiple of the mean.
    #[must_use]
    pub fn times(self, n_experts: usize, top_k: usize) -> f64 {
        match self {
            Self::Times(it) => it,
            Self::OfTheWay(it) => {
                let ceiling = n_experts as f64 / top_k.max(1) as f64;
                1.0 + it * (ceiling - 1.0)
            }
        }
    }
}

impl Limits {
    /// Those that were passed.
    pub(super) fn passed(
        &self,
        numbers: &Numbers,
        n_dead: usize,
        n_experts: usize,
        top_k: usize,
    ) -> Vec<Reason> {
        let reason = |measure, value, limit| Reason {
            measure,
            value,
            limit,
        };
        let dead = self.dead.map(|it| it.fewest(n_experts));
        let dead = dead
            .filter(|it| n_dead >= *it)
            .map(|it| reason(Measure::Dead, n_dead as f64, it as f64));
        let evenness = self
            .evenness
            .filter(|it| numbers.evenness < *it)
            .map(|it| reason(Measure::Evenness, numbers.evenness, it));
        let entropy = self
            .entropy
            .filter(|it| numbers.entropy < *it)
            .map(|it| reason(Measure::Entropy, numbers.entropy, it));
        let most = self.max_over_mean.map(|it| it.times(n_experts, top_k));
        let most = most
            .filter(|it| numbers.max_over_mean > *it)
            .map(|it| reason(Measure::MaxOverMean, numbers.max_over_mean, it));
        [dead, evenness, entropy, most]
            .into_iter()
            .flatten()
            .collect()
    }
}
