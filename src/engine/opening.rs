//! Opens real checkpoints for the engine: headers first, then the bytes in slices, then a backend.

use std::rc::Rc;

use super::{
    Backend, Encode, Load, LoadProgress, LoadStep, ModelSource, MovedModel, OpenModel, Opener,
    gate_facts,
    placing::{Begun, Need, begin},
};
use crate::checkpoint::{
    self, Census, Checkpoint, MemoryNeed, Source, TextCodec, Warmup, Weights, available,
    cache_bytes_per_position,
};
use crate::model::{held_bytes, not_quantized};
use crate::spec::{BlockFormat, DeviceChoice, ModelSpec, Placement};
use crate::trace::{DeviceFacts, ModelFacts, ParameterCount, WeightShare};

/// Bytes brought into memory between two looks at the mailbox.
const SLICE_BYTES: usize = 64 << 20;

/// Positions a model must have memory for before it is opened. Caches grow as they fill, so a
/// context of a million positions is no reason to refuse a model whose first pages would fit.
const N_POSITIONS_NEEDED: usize = 4096;

/// Opens checkpoints, on the device that was chosen.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelOpener(pub Placement);

/// A checkpoint whose bytes are being brought into memory, then to the device.
struct Loading {
    checkpoint: Checkpoint,
    warmup: Warmup,
    need: MemoryNeed,
    placement: Placement,
    begun: Option<Begun>,
    is_announced: bool,
}

/// A model that is open already on its way to another device.
struct Moving {
    weights: Rc<Placeable>,
    begun: Option<Begun>,
}

/// What is needed to place a model once more.
struct Placeable {
    spec: ModelSpec,
    weights: Weights,
    n_drawable: usize,
    need: Need,
    quantize: Option<BlockFormat>,
}

impl From<Source> for ModelSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Bundled(it) => Self::Bundled(it),
            Source::Folder(path) => Self::Path(path),
        }
    }
}

impl From<&ModelSource> for Source {
    fn from(source: &ModelSource) -> Self {
        match source {
            ModelSource::Bundled(it) => Self::Bundled(*it),
            ModelSource::Path(path) => Self::Folder(path.clone()),
        }
    }
}

impl Opener for ModelOpener {
    fn open(&mut self, source: &ModelSource) -> Result<Box<dyn Load>, String> {
        let checkpoint = checkpoint::open(&source.into()).map_err(|it| it.to_string())?;
        let n_ctx = checkpoint.spec.n_ctx.min(N_POSITIONS_NEEDED);
        let warmup = checkpoint.warm_up(n_ctx).map_err(|it| it.to_string())?;
        let need = checkpoint.need(n_ctx);
        Ok(Box::new(Loading {
            checkpoint,
            warmup,
            need,
            placement: self.0,
            begun: None,
            is_announced: false,
        }))
    }

    fn set_device(&mut self, device: DeviceChoice) {
        self.0.device = device;
    }
}

impl Load for Loading {
    fn advance(&mut self) -> Result<LoadStep, String> {
        // What it will take is said before the first byte is read.
        let progress = if std::mem::replace(&mut self.is_announced, true) {
            self.warmup.step(SLICE_BYTES).map_err(|it| it.to_string())?
        } else {
            self.warmup.progress()
        };
        if progress.is_done() && self.place()? {
            return self.finish();
        }
        // A device of its own has to be given everything once more.
        let begun = self.begun.as_ref().filter(|it| it.device.is_gpu);
        let to_place = begun.map_or(0, |_| progress.total_bytes);
        let placed = begun.map_or(0, |it| it.placed(to_place));
        Ok(LoadStep::Going(LoadProgress {
            done_bytes: progress.done_bytes + placed,
            total_bytes: progress.total_bytes + to_place,
            needed_bytes: self.need.total_bytes,
            available_bytes: self.need.available_bytes,
        }))
    }
}

impl Loading {
    /// Does the next piece; whether none is left.
    fn place(&mut self) -> Result<bool, String> {
        let (spec, weights) = (&self.checkpoint.spec, &self.checkpoint.weights);
        let need = Need::of(&self.need, weights, self.placement.quantize);
        step(&mut self.begun, spec, weights, self.placement, need)
    }

    fn finish(&mut self) -> Result<LoadStep, String> {
        self.warmup.check().map_err(|it| it.to_string())?;
        let (checkpoint, begun) = (&self.checkpoint, self.begun.take());
        let begun = begun.ok_or("the model was taken already")?;
        let quantize = self.placement.quantize;
        let placeable = Rc::new(Placeable {
            spec: checkpoint.spec.clone(),
            weights: checkpoint.weights.clone(),
            n_drawable: n_drawable(checkpoint),
            need: Need::of(&self.need, &checkpoint.weights, quantize),
            quantize,
        });
        let device = begun.device.clone();
        let backend = begun.finish(&placeable.weights, placeable.n_drawable)?;
        let encode = checkpoint.codec.clone().map(|codec| -> Encode {
            Box::new(move |text, form| codec.encode_as(text, form).map_err(|it| it.to_string()))
        });
        Ok(LoadStep::Done(Box::new(OpenModel {
            backend,
            facts: facts(checkpoint, device, self.placement.quantize),
            encode,
            mover: Some(Box::new(move |device| {
                Ok(Box::new(Moving::new(Rc::clone(&placeable), device)?))
            })),
        })))
    }
}

/// A checkpoint as the engine runs it, at once.
///
/// # Errors
/// What the model needs and this version does not compute, or why there is no such device.
pub fn open_backend(
    checkpoint: &Checkpoint,
    placement: Placement,
) -> Result<(Box<dyn Backend>, DeviceFacts), String> {
    let (spec, weights) = (&checkpoint.spec, &checkpoint.weights);
    let need = checkpoint.need(spec.n_ctx.min(N_POSITIONS_NEEDED));
    let need = Need::of(&need, weights, placement.quantize);
    let mut begun = None;
    while !step(&mut begun, spec, weights, placement, need)? {}
    checkpoint.check_files().map_err(|it| it.to_string())?;
    let begun = begun.ok_or("the model was taken already")?;
    let device = begun.device.clone();
    Ok((begun.finish(weights, n_drawable(checkpoint))?, device))
}

/// Every row of the embedding may be drawn unless the tokenizer has fewer.
fn n_drawable(checkpoint: &Checkpoint) -> usize {
    let codec = checkpoint.codec.as_ref();
    codec.map_or(checkpoint.spec.n_vocab, TextCodec::n_tokens)
}

impl Need {
    fn of(need: &MemoryNeed, weights: &Weights, quantize: Option<BlockFormat>) -> Self {
        Self {
            weights_bytes: held_bytes(weights, quantize),
            cache_bytes: need.cache_bytes,
        }
    }
}

impl Moving {
    fn new(weights: Rc<Placeable>, device: DeviceChoice) -> Result<Self, String> {
        let placement = Placement {
            device,
            quantize: weights.quantize,
        };
        let begun = begin(&weights.spec, placement, weights.need)?;
        Ok(Self {
            weights,
            begun: Some(begun),
        })
    }
}

impl Load for Moving {
    fn advance(&mut self) -> Result<LoadStep, String> {
        let Placeable {
            weights,
            n_drawable,
            need,
            ..
        } = &*self.weights;
        let mut begun = self.begun.take().ok_or("the model was moved already")?;
        if begun.is_placed() {
            let files = weights.files();
            let checked = files.iter().try_for_each(|it| it.check());
            checked.map_err(|it| it.to_string())?;
            let device = begun.device.clone();
            let backend = begun.finish(weights, *n_drawable)?;
            return Ok(LoadStep::Moved(Box::new(MovedModel { backend, device })));
        }
        begun.step(weights)?;
        let total_bytes = need.weights_bytes;
        let done_bytes = begun.placed(total_bytes);
        self.begun = Some(begun);
        Ok(LoadStep::Going(LoadProgress {
            done_bytes,
            total_bytes,
            needed_bytes: total_bytes.saturating_add(need.cache_bytes),
            available_bytes: None,
        }))
    }
}

/// Begins to place a model, or does its next piece; whether none is left. Where the best device was
/// asked for and it fails on the way, the CPU takes over.
fn step(
    begun: &mut Option<Begun>,
    spec: &ModelSpec,
    weights: &Weights,
    placement: Placement,
    need: Need,
) -> Result<bool, String> {
    let Some(it) = begun else {
        *begun = Some(begin(spec, placement, need)?);
        return Ok(false);
    };
    match it.step(weights) {
        Err(why) if placement.device == DeviceChoice::Auto && it.device.is_gpu => {
            let on_cpu = Placement {
                device: DeviceChoice::Cpu,
                ..placement
            };
            let mut cpu = begin(spec, on_cpu, need)?;
            cpu.device.notes.push(why);
            *begun = Some(cpu);
            Ok(false)
        }
        Err(why) => Err(why),
        Ok(()) => Ok(it.is_placed()),
    }
}

fn facts(
    checkpoint: &Checkpoint,
    device: DeviceFacts,
    quantize: Option<BlockFormat>,
) -> ModelFacts {
    let census = checkpoint.census();
    let mut notes = checkpoint.notes.clone();
    notes.extend(quantize.map(|it| quantized_note(it, &checkpoint.weights)));
    ModelFacts {
        name: checkpoint.name.clone(),
        dtype: checkpoint
            .dtypes
            .iter()
            .map(|it| it.label())
            .collect::<Vec<_>>()
            .join(", "),
        parameters: ParameterCount {
            total: census.total.parameters,
            active: census.active_parameters,
        },
        weight_shares: weight_shares(&census),
        weight_bytes: census.total.bytes,
        cache_bytes_per_position: cache_bytes_per_position(&checkpoint.spec),
        available_bytes: available(),
        gates: gate_facts(checkpoint),
        device,
        tokens: checkpoint.token_table(),
        has_tokenizer: checkpoint.codec.is_some(),
        has_chat_template: checkpoint
            .codec
            .as_ref()
            .is_some_and(TextCodec::has_chat_template),
        eos: checkpoint.eos.clone(),
        n_ctx: checkpoint.spec.n_ctx,
        notes,
        spec: checkpoint.spec.clone(),
    }
}

fn weight_shares(census: &Census) -> Vec<WeightShare> {
    let shares = census.shares().into_iter();
    let share = |(kind, it): (&str, checkpoint::Share)| WeightShare {
        kind: kind.to_owned(),
        parameters: it.parameters,
        bytes: it.bytes,
    };
    shares.filter(|it| it.1.parameters > 0).map(share).collect()
}

/// What was made into blocks, and what was not.
#[must_use]
pub fn quantized_note(format: BlockFormat, weights: &Weights) -> String {
    let kept = not_quantized(weights);
    let kept = if kept.is_empty() {
        String::new()
    } else {
        format!(
            "; as stored, since their rows are no multiple of 32: {}",
            kept.join("; ")
        )
    };
    format!("weights are held in {format}, but for gates and vectors{kept}")
}
