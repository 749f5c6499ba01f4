//! Weights of which only sizes and formats are there, for plans that read none of them.

use super::{Blob, BlobPart, Layout, Planes, Slot, WeightView, Weights};
use crate::formats::PlaneFormat;

impl Weights {
    /// Weights of these sizes, all of them views of one piece of memory that nobody has written, so that it takes
    /// none: what they say is 0. Of planes nothing is there to be read, and their groups follow each other.
    ///
    /// Returns `None` where a row is no whole blocks, or a size goes beyond what can be addressed.
    #[must_use]
    pub fn sketched(layouts: impl IntoIterator<Item = (Slot, Layout)>) -> Option<Self> {
        let layouts: Vec<(Slot, Layout)> = layouts.into_iter().collect();
        let n_bytes = |it: &Layout| match it.in_planes() {
            Some(_) => Some(0),
            None => it.rows.checked_mul(it.dtype.row_bytes(it.cols)?),
        };
        let mut largest = 0;
        for (_, it) in &layouts {
            largest = largest.max(n_bytes(it)?);
        }
        let blob = Blob::filled(largest.div_ceil(4), |_| {});
        let mut weights = Self::default();
        for (slot, it) in layouts {
            let view = match it.in_planes() {
                Some(format) => WeightView::in_planes(planes(&blob, format, &it)?, 1),
                None => WeightView::new(&blob, 0, it.dtype, it.rows, it.cols)?,
            };
            weights.insert(slot, view);
        }
        Some(weights)
    }
}

/// One matrix in planes of nothing.
fn planes(blob: &Blob, format: PlaneFormat, it: &Layout) -> Option<Planes> {
    let nothing = BlobPart::new(blob, 0..0)?;
    Some(Planes {
        format: PlaneFormat {
            has_order: false,
            ..format
        },
        levels: nothing.clone(),
        scales: nothing,
        offsets: None,
        factors: None,
        order: None,
        matrix_rows: it.rows,
        cols: it.cols,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Bundled, MadeUp, Source, open};
    use crate::formats::Dtype;

    #[test]
    fn a_sketch_has_every_weight_in_its_size_and_format() {
        let checkpoint = open(&Source::Bundled(Bundled::Tour)).unwrap();
        let sketch = Weights::sketched(checkpoint.weights.layouts()).unwrap();
        let mut n = 0;
        for (slot, view) in checkpoint.weights.iter() {
            let it = sketch.get(*slot).unwrap();
            assert_eq!(
                (it.shape(), it.dtype()),
                (view.shape(), view.dtype()),
                "{slot:?}"
            );
            assert!(it.to_f32().iter().all(|it| *it == 0.0), "{slot:?}");
            n += 1;
        }
        assert_eq!(sketch.iter().count(), n);
        let odd = Layout {
            dtype: Dtype::Q8_0,
            rows: 2,
            cols: 40,
            is_mapped: false,
            is_aligned: true,
            planes: None,
        };
        assert!(Weights::sketched([(Slot::Head, odd)]).is_none());
    }

    /// gpt-oss stores its experts transposed, gates and ups interleaved.
    #[test]
    fn what_is_planned_of_a_made_up_model_has_the_sizes_that_are_made() {
        for config in [
            r#"{"model_type": "gpt_oss", "hidden_size": 64, "intermediate_size": 32,
                "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                "head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2,
                "vocab_size": 96, "max_position_embeddings": 64, "sliding_window": 8,
                "attention_bias": true, "swiglu_limit": 7.0, "tie_word_embeddings": false}"#,
            r#"{"model_type": "olmoe", "hidden_size": 64, "intermediate_size": 32,
                "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2,
                "num_experts": 7, "num_experts_per_tok": 3, "vocab_size": 96,
                "max_position_embeddings": 64, "tie_word_embeddings": true}"#,
        ] {
            let place = std::path::Path::new("config.json");
            let plan = MadeUp::of_config(config.as_bytes(), place).unwrap();
            let sketch = Weights::sketched(plan.layouts()).unwrap();
            let made = plan.make(1);
            assert_eq!(sketch.iter().count(), made.weights.iter().count());
            for (slot, view) in made.weights.iter() {
                assert_eq!(sketch.get(*slot).unwrap().shape(), view.shape(), "{slot:?}");
            }
        }
    }
}
