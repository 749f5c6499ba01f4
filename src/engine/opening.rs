//! Opens real checkpoints for the engine: headers first, then the bytes in slices, then a backend.

use super::{
    Encode, LiveBackend, Load, LoadProgress, LoadStep, ModelSource, OpenModel, Opener, gate_facts,
};
use crate::checkpoint::{
    self, Census, Checkpoint, MemoryNeed, Source, TextCodec, Warmup, available,
    cache_bytes_per_position,
};
use crate::model::Model;
use crate::ops::{Cpu, Ops as _};
use crate::trace::{ModelFacts, ParameterCount, WeightShare};

/// Bytes brought into memory between two looks at the mailbox.
const SLICE_BYTES: usize = 64 << 20;

/// Positions a model must have memory for before it is opened. Caches grow as they fill, so a
/// context of a million positions is no reason to refuse a model whose first pages would fit.
const N_POSITIONS_NEEDED: usize = 4096;

/// Opens checkpoints on the CPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelOpener;

/// A checkpoint whose bytes are being brought into memory.
struct Loading {
    checkpoint: Option<Checkpoint>,
    warmup: Warmup,
    need: MemoryNeed,
    is_announced: bool,
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
            checkpoint: Some(checkpoint),
            warmup,
            need,
            is_announced: false,
        }))
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
        match self.checkpoint.take_if(|_| progress.is_done()) {
            Some(checkpoint) => Ok(LoadStep::Done(Box::new(open_model(checkpoint)?))),
            None => Ok(LoadStep::Going(LoadProgress {
                done_bytes: progress.done_bytes,
                total_bytes: progress.total_bytes,
                needed_bytes: self.need.total_bytes,
                available_bytes: self.need.available_bytes,
            })),
        }
    }
}

/// A checkpoint as the engine runs it.
///
/// # Errors
/// What the model needs and this version does not compute.
pub fn open_model(checkpoint: Checkpoint) -> Result<OpenModel, String> {
    let facts = facts(&checkpoint);
    let n_drawable = checkpoint
        .codec
        .as_ref()
        .map_or(checkpoint.spec.n_vocab, TextCodec::n_tokens);
    let model = Model::new(checkpoint.spec, &checkpoint.weights, Cpu::default())
        .map_err(|it| it.to_string())?;
    let encode = checkpoint.codec.map(|codec| -> Encode {
        Box::new(move |text, form| codec.encode_as(text, form).map_err(|it| it.to_string()))
    });
    Ok(OpenModel {
        backend: Box::new(LiveBackend::new(model, n_drawable)),
        facts,
        encode,
    })
}

fn facts(checkpoint: &Checkpoint) -> ModelFacts {
    let census = checkpoint.census();
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
        device: Cpu::default().label(),
        tokens: checkpoint.token_table(),
        has_tokenizer: checkpoint.codec.is_some(),
        has_chat_template: checkpoint
            .codec
            .as_ref()
            .is_some_and(TextCodec::has_chat_template),
        eos: checkpoint.eos.clone(),
        n_ctx: checkpoint.spec.n_ctx,
        notes: checkpoint.notes.clone(),
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
