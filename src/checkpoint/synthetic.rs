//! Made-up models: the real shapes of a known checkpoint with random bf16 weights in memory, for
//! measuring speed without a download. They go through the same family readers as files do.

use std::{collections::BTreeMap, iter, path::Path};

use rayon::prelude::*;

use super::{
    Allowance, Allowances, Blob, Checkpoint, CheckpointError, LatentSlot, LayerSlot, Layout,
    MemoryNeed, RecurrentSlot, Slot, WeightView, Weights,
    config::Config,
    family::{self, Draft, TensorSource},
    gigabytes, presets,
};
use crate::formats::Dtype;
use crate::spec::ModelSpec;

/// Each tensor starts at a multiple of this many 4-byte words.
const ALIGN_WORDS: usize = 16;
/// Words filled by one task.
const CHUNK_WORDS: usize = 1 << 14;
/// Weights are uniform between minus and plus this: a standard deviation of 0.02, as models are started with.
const REACH: f32 = 0.034_64;
/// Weights of so many times the memory there may be are not even planned.
const FAR: u64 = 16;
/// 1.0 twice, in bf16.
const ONES: u32 = 0x3F80_3F80;
/// -1.0 twice: the decay of a state, which would grow without end above 0.
const DECAYS: u32 = 0xBF80_BF80;

/// A made-up model before its weights are made.
pub struct MadeUp {
    /// What it is called.
    pub name: String,
    draft: Draft,
    /// What lies in one piece of memory: what belongs to no layer, then each layer.
    groups: Vec<Vec<TensorSource>>,
    is_shared: bool,
}

impl MadeUp {
    /// Plans one of the preset's own number of layers or another. Where `is_shared`, layers of one shape share
    /// their memory: for a device that makes a copy of each.
    ///
    /// # Errors
    /// An unknown preset, a number of layers that makes no sense, or weights that are far more than there is memory.
    pub fn plan(
        preset: &str,
        n_layers: Option<usize>,
        is_shared: bool,
    ) -> Result<Self, CheckpointError> {
        let name = match n_layers {
            Some(n) => format!("made-up {preset}, {n} layers"),
            None => format!("made-up {preset}"),
        };
        Self::planned(name, &config(preset, n_layers)?, is_shared)
    }

    /// Plans one of the shape that a `config.json` describes, given its bytes; `place` is what sentences call them.
    ///
    /// # Errors
    /// What is no object of settings, a family that does not open, a setting that makes no sense.
    pub fn of_config(config: &[u8], place: &Path) -> Result<Self, CheckpointError> {
        let name = format!("made-up {}", place.display());
        Self::planned(name, &Config::parse(config, place)?, false)
    }

    fn planned(name: String, config: &Config, is_shared: bool) -> Result<Self, CheckpointError> {
        let family = family::find(config)?;
        let mut draft = family::read(family, config)?;
        draft.notes.push("weights are random".to_owned());
        let n_layers = draft.spec.layers.len();
        let mut plan = Self {
            name,
            draft,
            groups: Vec::new(),
            is_shared,
        };
        let room = Allowances::now().own();
        let mut n_words = 0;
        for group in iter::once(None).chain((0..n_layers).map(Some)) {
            let sources = family.names.usual(&plan.draft.spec, group);
            // Where memory is shared, it is at least that of the largest layer.
            let before = if is_shared { 0 } else { n_words };
            n_words = words_of(&shape_of(&layout(&sources)), before);
            plan.groups.push(sources);
            // A plan of so much would itself take more than there is.
            let n_bytes = n_words.saturating_mul(4);
            if let Some(room) = room.filter(|it| n_bytes / FAR > it.bytes) {
                return Err(plan.too_large(n_bytes, n_layers, room));
            }
        }
        Ok(plan)
    }

    fn too_large(&self, n_bytes: u64, n_layers: usize, room: Allowance) -> CheckpointError {
        let n_planned = self.groups.len().saturating_sub(1);
        CheckpointError::Memory {
            what: "making it up",
            need: format!(
                "{} of memory for the weights of {n_planned} of its {n_layers} layers",
                gigabytes(n_bytes)
            ),
            room,
            name: self.name.clone(),
        }
    }

    /// Its shape.
    #[must_use]
    pub fn spec(&self) -> &ModelSpec {
        &self.draft.spec
    }

    /// Bytes of the weights that are made.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        let mut made: Vec<Vec<usize>> = Vec::new();
        let mut n_words = 0_u64;
        for sources in &self.groups {
            let shape = shape_of(&layout(sources));
            if self.is_shared && made.contains(&shape) {
                continue;
            }
            n_words = words_of(&shape, n_words);
            made.push(shape);
        }
        n_words.saturating_mul(4)
    }

    /// Slot and layout of every weight there will be.
    pub fn layouts(&self) -> impl Iterator<Item = (Slot, Layout)> {
        self.groups.iter().flatten().map(|it| {
            let (rows, cols) = size_of_part(it);
            let layout = Layout {
                dtype: Dtype::Bf16,
                rows,
                cols,
                is_mapped: false,
                is_aligned: true,
                planes: None,
            };
            (it.slot, layout)
        })
    }

    /// Makes its weights.
    #[must_use]
    pub fn make(self, seed: u64) -> Checkpoint {
        let mut pieces: Vec<(Vec<usize>, Blob)> = Vec::new();
        let mut weights = Weights::default();
        for (row, sources) in self.groups.iter().enumerate() {
            let places = layout(sources);
            let shape = shape_of(&places);
            let made = pieces.iter().find(|it| self.is_shared && it.0 == shape);
            let blob = match made {
                Some((_, blob)) => blob.clone(),
                None => fill(&places, mix(seed ^ mix(row as u64))),
            };
            take(sources, &places, &blob, &mut weights);
            if self.is_shared {
                pieces.push((shape, blob));
            }
        }
        Checkpoint::new(self.name, self.draft, weights)
    }
}

impl Checkpoint {
    /// A made-up model, as `MadeUp::plan` says.
    ///
    /// # Errors
    /// What `MadeUp::plan` says, or more than there is memory.
    pub fn synthetic(
        preset: &str,
        n_layers: Option<usize>,
        seed: u64,
        is_shared: bool,
    ) -> Result<Self, CheckpointError> {
        let plan = MadeUp::plan(preset, n_layers, is_shared)?;
        let need = MemoryNeed {
            made_up_bytes: plan.n_bytes(),
            ..MemoryNeed::default()
        };
        need.check(&Allowances::now(), "making it up", &plan.name)?;
        Ok(plan.make(seed))
    }
}

fn config(preset: &str, n_layers: Option<usize>) -> Result<Config, CheckpointError> {
    let path = Path::new(preset);
    let mut settings = presets::settings(preset)?;
    if let (Some(n), Some(map)) = (n_layers, settings.as_object_mut()) {
        map.insert("num_hidden_layers".to_owned(), n.into());
    }
    Config::parse(settings.to_string().as_bytes(), path)
}

/// Where a tensor lies in its group's memory, in words.
struct Place {
    start: usize,
    n_words: usize,
    /// What every word is, where it is not random.
    fixed: Option<u32>,
}

fn layout(sources: &[TensorSource]) -> BTreeMap<&str, Place> {
    let mut places = BTreeMap::new();
    let mut start = 0_usize;
    for source in sources {
        let sizes = source.shape.iter();
        let n_numbers = sizes.fold(1, |n: usize, it| n.saturating_mul(*it));
        let n_words = n_numbers.div_ceil(2).next_multiple_of(ALIGN_WORDS);
        places.entry(source.tensor.as_str()).or_insert_with(|| {
            let at = start;
            start = start.saturating_add(n_words);
            Place {
                start: at,
                n_words,
                fixed: fixed(source.slot),
            }
        });
    }
    places
}

/// Rows of a source, and numbers of each, as they are read.
fn size_of_part(it: &TensorSource) -> (usize, usize) {
    let (rows, cols) = (it.cut.rows.len(), it.cut.cols.len());
    let step = it.every.1.max(1);
    match &it.transposed {
        Some(transposed) => (transposed.len() / step, rows),
        None => (rows, cols / step),
    }
}

/// Words of tensors of these sizes, and of what was there before.
fn words_of(shape: &[usize], before: u64) -> u64 {
    let words = shape.iter().map(|it| *it as u64);
    words.fold(before, u64::saturating_add)
}

/// Words of each tensor of a group.
fn shape_of(places: &BTreeMap<&str, Place>) -> Vec<usize> {
    places.values().map(|it| it.n_words).collect()
}

fn fixed(slot: Slot) -> Option<u32> {
    match slot {
        Slot::Layer(_, LayerSlot::Recurrent(RecurrentSlot::Decay)) => Some(DECAYS),
        it => is_norm(it).then_some(ONES),
    }
}

fn is_norm(slot: Slot) -> bool {
    match slot {
        Slot::FinalNorm => true,
        Slot::Layer(_, it) => matches!(
            it,
            LayerSlot::MixerNorm
                | LayerSlot::MixerPostNorm
                | LayerSlot::FfnNorm
                | LayerSlot::FfnPostNorm
                | LayerSlot::ExpertsPostNorm
                | LayerSlot::SharedNorm
                | LayerSlot::SharedPostNorm
                | LayerSlot::RouterNorm
                | LayerSlot::ExpertScale
                | LayerSlot::LayerScale
                | LayerSlot::QNorm
                | LayerSlot::KNorm
                | LayerSlot::Latent(
                    LatentSlot::QueryNorm | LatentSlot::Norm | LatentSlot::IndexNorm
                )
                | LayerSlot::Recurrent(RecurrentSlot::Norm | RecurrentSlot::SelectionNorm(_))
        ),
        _ => false,
    }
}

/// Makes the tensors of one layer, in one piece of memory.
fn fill(places: &BTreeMap<&str, Place>, seed: u64) -> Blob {
    let n_words = places.values().map(|it| it.n_words).sum();
    Blob::filled(n_words, |words| {
        words
            .par_chunks_mut(CHUNK_WORDS)
            .enumerate()
            .for_each(|(row, chunk)| fill_random(chunk, mix(seed ^ row as u64)));
        for place in places.values() {
            let its = words.get_mut(place.start..place.start + place.n_words);
            if let Some((its, fixed)) = its.zip(place.fixed) {
                its.fill(fixed);
            }
        }
    })
}

/// Views of the tensors in their memory.
fn take(
    sources: &[TensorSource],
    places: &BTreeMap<&str, Place>,
    blob: &Blob,
    weights: &mut Weights,
) {
    for source in sources {
        let Some(place) = places.get(source.tensor.as_str()) else {
            continue;
        };
        let cols = source.shape.last().copied().unwrap_or(0);
        let rows = source.shape.iter().product::<usize>() / cols.max(1);
        let view = WeightView::new(blob, place.start * 4, Dtype::Bf16, rows, cols)
            .and_then(|it| it.cut(&source.cut))
            .and_then(|it| match &source.transposed {
                Some(rows) => it.transposed()?.rows(rows.clone())?.every(source.every),
                None => it.every(source.every),
            });
        if let Some(view) = view {
            weights.insert(source.slot, view);
        }
    }
}

fn fill_random(words: &mut [u32], seed: u64) {
    let number = |bits: u64| {
        let value = f32::from((bits as u16).cast_signed()) * (REACH / 32_768.0);
        value.to_bits() >> 16
    };
    for (i, pair) in words.chunks_mut(2).enumerate() {
        let bits = mix(seed.wrapping_add(i as u64));
        for (word, bits) in pair.iter_mut().zip([bits, bits >> 32]) {
            *word = number(bits) | number(bits >> 16) << 16;
        }
    }
}

/// One step of splitmix64.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
