//! What the weights of a model alone tell of its experts, before any token is read.

use serde::{Deserialize, Serialize};

use crate::spec::{ExpertId, LayerId, RouterId};

/// A weight that holds a number that is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotFinite {
    /// What its tensor is called on disk.
    pub tensor: String,
    /// What it is for: `gate of the router`.
    pub part: String,
    /// Its layer, where it belongs to one.
    pub layer: Option<LayerId>,
    /// Its router, where it belongs to one or to one of its experts.
    pub router: Option<RouterId>,
    /// Its expert, where it is one's.
    pub expert: Option<ExpertId>,
    /// The row of the first one, in the part.
    pub row: usize,
    /// Its place in the row.
    pub col: usize,
    /// Whether the first one is NaN; else it is infinite.
    pub is_nan: bool,
    /// How many there are.
    pub n: u64,
}

/// How experts are known to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameBy {
    /// Their matrices point the same way.
    Weights,
    /// They put out the same for the same inputs, however their weights are ordered.
    Outputs,
}

/// Experts of a router that are copies of each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copies {
    /// At least two, ascending.
    pub experts: Vec<ExpertId>,
    /// Whether their weights or their outputs are alike.
    pub by: SameBy,
    /// The least cosine of a matrix of one with that of the first, −1 to 1; of outputs, 1 less their relative distance.
    pub likeness: f32,
}

/// What one part of the weights tells: a router with its experts, or all that belongs to none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WeightPart {
    /// The router; none for the rest.
    pub router: Option<RouterId>,
    /// Weights that hold what is no number.
    pub not_finite: Vec<NotFinite>,
    /// `[E]`: how long an expert's output is on random inputs, their mean; empty where that was not asked, or numbers
    /// are missing. Zero for an expert without weights.
    pub output_norms: Vec<f32>,
    /// Which experts have weights `[E]`; empty where `output_norms` is.
    pub has_weights: Vec<bool>,
    /// Experts that are copies.
    pub copies: Vec<Copies>,
}

impl NotFinite {
    /// Where, in words: `layer 2, expert 5, down projection, row 3 (model.….weight)`.
    #[must_use]
    pub fn place(&self) -> String {
        let layer = self.layer.map(|it| format!("layer {it}"));
        let expert = self.expert.map(|it| format!("expert {it}"));
        let row = format!("{}, row {}", self.part, self.row);
        let parts: Vec<String> = [layer, expert, Some(row)].into_iter().flatten().collect();
        let tensor = match &*self.tensor {
            "" => String::new(),
            it => format!(" ({it})"),
        };
        parts.join(", ") + &tensor
    }

    /// What is there: `NaN`.
    #[must_use]
    pub fn what(&self) -> &'static str {
        if self.is_nan { "NaN" } else { "infinity" }
    }

    /// In a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let more = match self.n {
            1 => String::new(),
            n => format!(", the first of {n} numbers there that are none"),
        };
        format!("the weights hold {} in {}{more}", self.what(), self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_layer_expert_part_row_and_tensor() {
        let mut it = NotFinite {
            tensor: "model.layers.2.mlp.experts.5.down_proj.weight".to_owned(),
            part: "down projection".to_owned(),
            layer: Some(LayerId(2)),
            router: Some(RouterId(2)),
            expert: Some(ExpertId(5)),
            row: 3,
            col: 1,
            is_nan: true,
            n: 1,
        };
        assert_eq!(
            it.sentence(),
            "the weights hold NaN in layer 2, expert 5, down projection, row 3 \
             (model.layers.2.mlp.experts.5.down_proj.weight)"
        );
        it.n = 4;
        it.is_nan = false;
        it.layer = None;
        it.expert = None;
        assert!(
            it.sentence()
                .starts_with("the weights hold infinity in down projection, row 3 (")
        );
        assert!(
            it.sentence()
                .ends_with("the first of 4 numbers there that are none")
        );
    }
}
