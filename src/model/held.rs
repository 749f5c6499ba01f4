//! How the weights of a model are held while it runs, and in how many bytes: read where they lie, copied, in blocks, in
//! the buffers of a device. All from their layouts; nothing here reads a number.

use std::collections::BTreeSet;

use crate::checkpoint::{LayerSlot, Layout, Slot, WeightView, Weights, active_share};
use crate::formats::Dtype;
use crate::spec::{BlockFormat, ModelSpec};

/// Whether a weight is made into blocks: matrices but the gates.
pub(super) fn is_quantized(slot: Slot) -> bool {
    !matches!(
        slot.part(),
        Some((
            _,
            _,
            LayerSlot::Router
                | LayerSlot::RouterOut
                | LayerSlot::AttentionRouter
                | LayerSlot::SharedGate
                | LayerSlot::RelativeBias
        ))
    )
}

/// Bytes of weights by how they are held while the model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldWeights {
    /// Read where they lie in their files.
    pub mapped_bytes: u64,
    /// Copied, because they are not aligned there.
    pub copied_bytes: u64,
    /// Made into blocks.
    pub block_bytes: u64,
    /// Vectors, widened to f32 beside what is stored.
    pub widened_bytes: u64,
    /// In buffers of a device.
    pub device_bytes: u64,
}

impl HeldWeights {
    /// What the CPU holds of weights of these layouts, in blocks where that was asked for and can be.
    pub fn on_cpu(
        layouts: impl Iterator<Item = (Slot, Layout)>,
        quantize: Option<BlockFormat>,
    ) -> Self {
        let mut held = Self::default();
        for (slot, it) in layouts {
            if let Some(dtype) = blocks_of(slot, &it, quantize) {
                held.block_bytes += Layout { dtype, ..it }.n_bytes();
            } else if !it.is_aligned {
                held.copied_bytes += it.n_bytes();
            } else if it.is_mapped {
                held.mapped_bytes += it.n_bytes();
            }
            if it.rows == 1 {
                held.widened_bytes += 4 * it.cols as u64;
            }
        }
        held
    }

    /// What the buffers of a device hold of them: blocks take the bytes they are stored in, rows of numbers stored one
    /// by one and of planes whole units, vectors once more in f32.
    pub fn on_device(
        layouts: impl Iterator<Item = (Slot, Layout)>,
        quantize: Option<BlockFormat>,
    ) -> Self {
        /// Bytes of a row are a multiple of this, unless they are blocks.
        const UNIT_BYTES: u64 = 16;
        let bytes = |(slot, it): (Slot, Layout)| {
            let it = held_layout(slot, it, quantize);
            let vector = if it.rows == 1 { 4 * it.cols as u64 } else { 0 };
            if let Some(planes) = it.in_planes() {
                return planes.laid_bytes(it.rows, it.cols).saturating_add(vector);
            }
            let dtype = it.dtype;
            let row = dtype.row_bytes(it.cols).unwrap_or(usize::MAX) as u64;
            let row = if dtype.has_blocks() {
                row
            } else {
                row.next_multiple_of(UNIT_BYTES)
            };
            row.saturating_mul(it.rows as u64).saturating_add(vector)
        };
        Self {
            device_bytes: layouts.map(bytes).fold(0, u64::saturating_add),
            ..Self::default()
        }
    }
}

/// The blocks a weight is made into, where that was asked for and can be.
fn blocks_of(slot: Slot, it: &Layout, quantize: Option<BlockFormat>) -> Option<Dtype> {
    let dtype = Dtype::from(quantize.filter(|_| is_quantized(slot) && it.rows > 1)?);
    dtype.row_bytes(it.cols).map(|_| dtype)
}

/// How a weight of this layout is held: as stored, or in blocks where that was asked for and can be.
#[must_use]
pub fn held_layout(slot: Slot, it: Layout, quantize: Option<BlockFormat>) -> Layout {
    let dtype = blocks_of(slot, &it, quantize).unwrap_or(it.dtype);
    Layout { dtype, ..it }
}

/// Bytes of all weights as they are held: as stored, or in blocks where that was asked for and can be.
#[must_use]
pub fn held_bytes(weights: &Weights, quantize: Option<BlockFormat>) -> u64 {
    let weights = weights.iter();
    weights
        .map(|(slot, view)| bytes_of(*slot, view, quantize))
        .sum()
}

fn bytes_of(slot: Slot, view: &WeightView, quantize: Option<BlockFormat>) -> u64 {
    let layout = view.layout();
    let dtype = blocks_of(slot, &layout, quantize).unwrap_or(layout.dtype);
    Layout { dtype, ..layout }.n_bytes()
}

/// Bytes of the weights one token passes, as they are held: of experts the share that an even load
/// chooses, of an embedding that is not the head too one row, which is left out.
#[must_use]
pub fn token_bytes(spec: &ModelSpec, weights: &Weights, quantize: Option<BlockFormat>) -> u64 {
    let (mut all, mut idle) = (0, 0.0);
    for (slot, view) in weights.iter() {
        let bytes = bytes_of(*slot, view, quantize);
        match slot {
            Slot::Embedding if !spec.head.tied => continue,
            _ => idle += bytes as f64 * (1.0 - active_share(spec, *slot)),
        }
        all += bytes;
    }
    all - idle.round() as u64
}

/// The tensors that stay as they are stored when a model is made into blocks, though they are matrices:
/// their rows are no whole blocks. Each by what it is for, those of one kind once.
#[must_use]
pub fn not_quantized(weights: &Weights) -> Vec<String> {
    let kept = weights.iter().filter(|(slot, view)| {
        let (rows, cols) = view.shape();
        is_quantized(**slot) && rows > 1 && !cols.is_multiple_of(Dtype::Q8_0.block_numbers())
    });
    let kinds: BTreeSet<String> = kept
        .map(|(slot, view)| match slot {
            Slot::Layer(_, LayerSlot::Expert(_, part) | LayerSlot::AttentionExpert(_, part)) => {
                format!("{part:?} of experts, rows of {}", view.shape().1)
            }
            Slot::Layer(_, it) => format!("{it:?}, rows of {}", view.shape().1),
            it => format!("{it:?}, rows of {}", view.shape().1),
        })
        .collect();
    kinds.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Bundled, MadeUp, Part, Source, open};
    use crate::formats::{
        Factor, Level, Offset, Packing, PlaneFormat, ScaleOrder, ScaleType, Sharing, ZeroPlus,
    };
    use crate::spec::LayerId;

    #[test]
    fn what_is_held_in_blocks_is_counted_in_blocks() {
        let checkpoint = open(&Source::Bundled(Bundled::Tour)).unwrap();
        let (weights, census) = (&checkpoint.weights, checkpoint.census());
        assert_eq!(held_bytes(weights, None), census.total.bytes);
        // Gates, norms and biases stay; all else of the Tour model has rows of whole blocks.
        assert_eq!(not_quantized(weights), Vec::<String>::new());
        let kept = |slot: Slot, view: &WeightView| !is_quantized(slot) || view.shape().0 == 1;
        let as_stored: usize = weights
            .iter()
            .filter(|(slot, view)| kept(**slot, view))
            .map(|(_, view)| view.n_bytes())
            .sum();
        let numbers: usize = weights
            .iter()
            .filter(|(slot, view)| !kept(**slot, view))
            .map(|(_, view)| view.shape().0 * view.shape().1)
            .sum();
        for (format, of_32) in [(BlockFormat::Q8_0, 34), (BlockFormat::Q4_0, 18)] {
            let want = as_stored + numbers / 32 * of_32;
            assert_eq!(held_bytes(weights, Some(format)), want as u64, "{format}");
        }
    }

    #[test]
    fn a_token_passes_the_parameters_that_are_counted_as_active() {
        let config = r#"{"model_type": "olmoe", "hidden_size": 64, "intermediate_size": 32,
            "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2,
            "num_experts": 7, "num_experts_per_tok": 3, "vocab_size": 96,
            "max_position_embeddings": 64, "tie_word_embeddings": true}"#;
        let place = std::path::Path::new("config.json");
        let made_up = MadeUp::of_config(config.as_bytes(), place).unwrap().make(1);
        let (spec, weights) = (&made_up.spec, &made_up.weights);
        // All of its weights are bf16.
        let want = 2 * made_up.census().active_parameters;
        assert_eq!(token_bytes(spec, weights, None), want);
        // Where a layer chooses more of its experts, more of them are passed.
        let mut wider = spec.clone();
        wider.routers[1].top_k = 5;
        let expert = 3 * 64 * 32 * 2;
        assert_eq!(token_bytes(&wider, weights, None), want + 2 * expert);
    }

    fn layout(dtype: Dtype, rows: usize, cols: usize) -> Layout {
        Layout {
            dtype,
            rows,
            cols,
            is_mapped: true,
            is_aligned: true,
            planes: None,
        }
    }

    fn slot(it: LayerSlot) -> Slot {
        Slot::Layer(LayerId::new(0), it)
    }

    /// A gate, two of q, k and v stored differently, a matrix one byte off, a norm.
    fn layouts() -> Vec<(Slot, Layout)> {
        let odd = Layout {
            is_aligned: false,
            ..layout(Dtype::Bf16, 10, 40)
        };
        vec![
            (slot(LayerSlot::Router), layout(Dtype::Bf16, 8, 64)),
            (slot(LayerSlot::Q), layout(Dtype::Bf16, 64, 64)),
            (slot(LayerSlot::K), layout(Dtype::F32, 32, 64)),
            (slot(LayerSlot::Expert(3, Part::Down)), odd),
            (slot(LayerSlot::FfnNorm), layout(Dtype::Bf16, 1, 64)),
        ]
    }

    #[test]
    fn the_cpu_holds_copies_and_blocks_and_reads_the_rest_where_it_lies() {
        let stored = HeldWeights::on_cpu(layouts().into_iter(), None);
        let want = HeldWeights {
            mapped_bytes: 2 * (8 + 64 + 1) * 64 + 4 * 32 * 64,
            copied_bytes: 2 * 10 * 40,
            widened_bytes: 4 * 64,
            ..HeldWeights::default()
        };
        assert_eq!(stored, want);
        // Rows of 40 are no whole blocks, so the copy stays.
        let blocks = HeldWeights::on_cpu(layouts().into_iter(), Some(BlockFormat::Q8_0));
        let want = HeldWeights {
            mapped_bytes: 2 * (8 + 1) * 64,
            block_bytes: 34 * 2 * (64 + 32),
            ..want
        };
        assert_eq!(blocks, want);
    }

    /// 4-bit numbers with a scale and a zero point, 16 bits each, for 128.
    #[test]
    fn a_device_holds_planes_in_about_the_bytes_they_are_stored_in() {
        let format = PlaneFormat {
            name: "awq int4",
            level: Level::U4,
            packing: Packing::WordsOfRows,
            sharing: Sharing::Group(128),
            scale: ScaleType::F16,
            scale_order: ScaleOrder::Groups,
            offset: Offset::Zeros {
                bits: 4,
                is_awq: true,
                plus: ZeroPlus::Nothing,
            },
            factor: Factor::None,
            has_order: false,
        };
        let planes = Layout {
            planes: Some(format),
            ..layout(Dtype::F32, 64, 256)
        };
        let held = |quantize| {
            let layouts = [(slot(LayerSlot::Q), planes)];
            HeldWeights::on_device(layouts.into_iter(), quantize).device_bytes
        };
        assert_eq!(held(None), 64 * (256 / 2 + 2 * 4));
        assert_eq!(planes.n_bytes(), 64 * (256 / 2 + 2 * 2 + 1));
        assert_eq!(held(Some(BlockFormat::Q8_0)), 64 * 34 * 8);
    }

    #[test]
    fn a_device_holds_rows_of_whole_units_and_blocks_as_they_are() {
        let held = HeldWeights::on_device(layouts().into_iter(), None);
        let router = 8 * 128;
        let qk = 64 * 64 * 2 + 32 * 64 * 4;
        let (expert, norm) = (10 * 80, 128 + 256);
        let want = HeldWeights {
            device_bytes: router + qk + expert + norm,
            ..HeldWeights::default()
        };
        assert_eq!(held, want);
        let held = HeldWeights::on_device(layouts().into_iter(), Some(BlockFormat::Q8_0));
        let qk = 34 * 2 * (64 + 32);
        assert_eq!(held.device_bytes, router + qk + expert + norm);
        let mixed = [(LayerSlot::Q, Dtype::Q4K), (LayerSlot::V, Dtype::Q3K)];
        let mixed = mixed.map(|(it, dtype)| (slot(it), layout(dtype, 3, 512)));
        let held = HeldWeights::on_device(mixed.into_iter(), None);
        assert_eq!(held.device_bytes, 3 * 2 * (144 + 110));
    }
}
