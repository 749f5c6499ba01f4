//! Made-up models: the real shapes of a known checkpoint with random bf16 weights in memory, for
//! measuring speed without a download. They go through the same family readers as files do.

use std::{collections::BTreeMap, iter, path::Path, sync::Arc};

use rayon::prelude::*;

use super::{
    Blob, Checkpoint, CheckpointError, Dtype, LayerSlot, Slot, WeightView, Weights,
    config::Config,
    family::{self, Source},
    memory, presets,
};

/// Each tensor starts at a multiple of this many 4-byte words.
const ALIGN_WORDS: usize = 16;
/// Words filled by one task.
const CHUNK_WORDS: usize = 1 << 14;
/// Weights are uniform between minus and plus this: a standard deviation of 0.02, as models are started with.
const REACH: f32 = 0.034_64;
/// 1.0 twice, in bf16.
const ONES: u32 = 0x3F80_3F80;

impl Checkpoint {
    /// A made-up model, of the preset's own number of layers or another. Where `is_shared`, layers of
    /// one shape share their memory: for a device that makes a copy of each.
    ///
    /// # Errors
    /// An unknown preset, a number of layers that makes no sense, or more than there is memory.
    pub fn synthetic(
        preset: &str,
        n_layers: Option<usize>,
        seed: u64,
        is_shared: bool,
    ) -> Result<Self, CheckpointError> {
        let name = match n_layers {
            Some(n) => format!("made-up {preset}, {n} layers"),
            None => format!("made-up {preset}"),
        };
        let config = config(preset, n_layers)?;
        let family = family::find(&config)?;
        let mut draft = family::read(family, &config)?;
        draft.notes.push("weights are random".to_owned());
        let layers = (0..draft.spec.layers.len()).map(Some);
        let groups: Vec<Vec<Source>> = iter::once(None)
            .chain(layers)
            .map(|it| family.names.usual(&draft.spec, it))
            .collect();
        let mut pieces: Vec<(Vec<usize>, Blob)> = Vec::new();
        let made: &[Vec<Source>] = if is_shared {
            &groups[..groups.len().min(2)]
        } else {
            &groups
        };
        check_memory(made, &name)?;
        let mut weights = Weights::default();
        for (row, sources) in groups.iter().enumerate() {
            let places = layout(sources);
            let shape: Vec<usize> = places.values().map(|it| it.n_words).collect();
            let made = pieces.iter().find(|it| is_shared && it.0 == shape);
            let blob = match made {
                Some((_, blob)) => blob.clone(),
                None => fill(&places, mix(seed ^ mix(row as u64))),
            };
            take(sources, &places, &blob, &mut weights);
            if is_shared {
                pieces.push((shape, blob));
            }
        }
        Ok(Self::new(name, draft, weights))
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

fn check_memory(groups: &[Vec<Source>], name: &str) -> Result<(), CheckpointError> {
    let need_bytes = groups
        .iter()
        .flat_map(|it| layout(it).into_values())
        .map(|it| (it.n_words as u64).saturating_mul(4))
        .fold(0, u64::saturating_add);
    match memory::available() {
        Some(free_bytes) if need_bytes > free_bytes => Err(CheckpointError::Memory {
            what: "making it up",
            need_bytes,
            free_bytes,
            name: name.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Where a tensor lies in its group's memory, in words.
struct Place {
    start: usize,
    n_words: usize,
    is_norm: bool,
}

fn layout(sources: &[Source]) -> BTreeMap<&str, Place> {
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
                is_norm: is_norm(source.slot),
            }
        });
    }
    places
}

fn is_norm(slot: Slot) -> bool {
    match slot {
        Slot::FinalNorm => true,
        Slot::Layer(_, it) => matches!(
            it,
            LayerSlot::MixerNorm | LayerSlot::FfnNorm | LayerSlot::QNorm | LayerSlot::KNorm
        ),
        _ => false,
    }
}

/// Makes the tensors of one layer, in one piece of memory.
fn fill(places: &BTreeMap<&str, Place>, seed: u64) -> Blob {
    let n_words = places.values().map(|it| it.n_words).sum();
    let mut words = vec![0u32; n_words];
    words
        .par_chunks_mut(CHUNK_WORDS)
        .enumerate()
        .for_each(|(row, chunk)| fill_random(chunk, mix(seed ^ row as u64)));
    for place in places.values().filter(|it| it.is_norm) {
        if let Some(it) = words.get_mut(place.start..place.start + place.n_words) {
            it.fill(ONES);
        }
    }
    Blob::Memory(Arc::new(words))
}

/// Views of the tensors in their memory.
fn take(sources: &[Source], places: &BTreeMap<&str, Place>, blob: &Blob, weights: &mut Weights) {
    for source in sources {
        let Some(place) = places.get(source.tensor.as_str()) else {
            continue;
        };
        let cols = source.shape.last().copied().unwrap_or(0);
        let rows = source.shape.iter().product::<usize>() / cols.max(1);
        let view = WeightView::new(blob, place.start * 4, Dtype::Bf16, rows, cols)
            .and_then(|it| it.rows(source.rows.clone()));
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
