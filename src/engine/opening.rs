//! Opens real checkpoints for the engine: headers first, then a backend; on the CPU the weights are read while it runs already.

use std::{mem::replace, rc::Rc};

use super::{
    Backend, Encode, Examiner, Extent, Length, LoadProgress, LoadStep, LoadingJob, ModelSource,
    MovedModel, OpenError, OpenModel, Opener, Place,
    extent::PlannedPrompt,
    gate_facts,
    placing::{Asked, Begun, begin},
};
use crate::checkpoint::{
    self, Allowances, Census, Checkpoint, MemoryNeed, ReadAhead, Source, TextCodec, Weights,
    cache_bytes_per_position,
};
use crate::model::not_quantized;
use crate::spec::{
    BlockFormat, DeviceChoice, ModelSpec, Placement, Series, SeriesScale, TokenTable,
};
use crate::study::EncodeError;
use crate::trace::{DeviceFacts, ModelFacts, ParameterCount, WeightShare};

/// Opens checkpoints, on the device that was chosen, where there is memory for what they will read.
#[derive(Clone, Debug, Default)]
pub struct ModelOpener {
    /// Device, and the format weights are held in.
    pub placement: Placement,
    /// How long the text will be.
    pub length: Length,
    /// Whether there will be edits.
    pub is_edited: bool,
    /// Whether points of a series are no tokens of a text to whoever hears of them.
    pub tells_series: bool,
}

/// A checkpoint on its way to the device.
struct Loading {
    checkpoint: Checkpoint,
    /// Reads its files; none before it is said what the model will take.
    ahead: Option<ReadAhead>,
    placement: Placement,
    extent: Extent,
    prompt: Option<PlannedPrompt>,
    /// What the process might take when that was asked.
    may: Allowances,
    /// None once it is finished.
    begun: Option<Begun>,
    is_announced: bool,
}

/// A model that is open already on its way to another device.
struct Moving {
    model: Rc<Placeable>,
    begun: Option<Begun>,
}

/// What is needed to place a model once more.
struct Placeable {
    name: String,
    spec: ModelSpec,
    weights: Weights,
    n_drawable: usize,
    extent: Extent,
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

impl ModelOpener {
    /// For texts whose length is not known.
    #[must_use]
    pub fn on(placement: Placement) -> Self {
        Self {
            placement,
            ..Self::default()
        }
    }
}

impl Opener for ModelOpener {
    fn open(&mut self, source: &ModelSource) -> Result<Box<dyn LoadingJob>, OpenError> {
        let checkpoint = checkpoint::open(&source.into())?;
        if let Some(why) = not_told(&checkpoint.spec, self) {
            return Err(OpenError::NoModel(why));
        }
        check_routers(&checkpoint)?;
        let prompt = PlannedPrompt::of(&self.length, checkpoint.codec.as_ref());
        let spec = &checkpoint.spec;
        let extent = Extent::planned(&self.length, self.is_edited, spec, prompt.as_ref());
        let may = Allowances::now();
        let begun = begin(asked(&checkpoint, extent), self.placement)?;
        Ok(Box::new(Loading {
            checkpoint,
            ahead: None,
            placement: self.placement,
            extent,
            prompt,
            may,
            begun: Some(begun),
            is_announced: false,
        }))
    }

    fn set_device(&mut self, device: DeviceChoice) {
        self.placement.device = device;
    }
}

impl LoadingJob for Loading {
    fn advance(&mut self) -> Result<LoadStep, OpenError> {
        // What it will take is said before the first byte is read.
        if replace(&mut self.is_announced, true) {
            let warmup = || self.checkpoint.warm_up(&self.may).ahead();
            self.ahead.get_or_insert_with(warmup);
            if self.place()? {
                return self.finish();
            }
        }
        // A device of its own has to be given everything once more; the CPU makes blocks and copies.
        let begun = self.begun.as_ref();
        let need = begun.map_or_else(MemoryNeed::default, |it| it.need);
        let to_place = need.device_bytes + need.block_bytes + need.copied_bytes;
        let placed = begun.map_or(0, |it| it.placed(to_place));
        Ok(LoadStep::Going(LoadProgress {
            done_bytes: placed,
            total_bytes: to_place,
            needed_bytes: need.held_bytes(),
            available_bytes: self.may.own().map(|it| it.bytes),
        }))
    }
}

impl Loading {
    /// Does the next piece; whether none is left.
    fn place(&mut self) -> Result<bool, OpenError> {
        let asked = asked(&self.checkpoint, self.extent);
        step(&mut self.begun, asked, self.placement)
    }

    fn finish(&mut self) -> Result<LoadStep, OpenError> {
        let (checkpoint, begun) = (&self.checkpoint, self.begun.take());
        checkpoint.check_files()?;
        let begun = begun.ok_or(OpenError::Taken)?;
        let quantize = self.placement.quantize;
        let model = Rc::new(Placeable {
            name: checkpoint.name.clone(),
            spec: checkpoint.spec.clone(),
            weights: checkpoint.weights.clone(),
            n_drawable: n_drawable(checkpoint),
            extent: self.extent,
            quantize,
        });
        let (device, need) = (begun.device.clone(), begun.need);
        let backend = begun.finish(&model.weights, model.n_drawable)?;
        // A device of its own was given everything, and blocks are made of everything.
        let ahead = self.ahead.take();
        let ahead = ahead.filter(|_| !device.is_gpu && quantize.is_none());
        let prompt = self.prompt.take();
        let spec = checkpoint.spec.clone();
        let is_series = spec.is_series();
        let encode = checkpoint.codec.clone().map(|codec| -> Encode {
            Box::new(move |text, form| {
                let planned = prompt.as_ref().and_then(|it| it.find(text, form));
                let tokens = planned
                    .unwrap_or_else(|| codec.encode_as(text, form).map_err(EncodeError::text));
                tokens.map(|it| spec.prompt_of(it))
            })
        });
        let encode = if is_series {
            Some(points_of_text())
        } else {
            encode
        };
        let mut facts = model_facts(checkpoint, device, quantize);
        facts.notes.extend(need.paging_note(&self.may));
        Ok(LoadStep::Done(Box::new(OpenModel {
            backend,
            facts,
            encode,
            examiner: Some(Examiner::new(checkpoint)),
            ahead,
            mover: Some(Box::new(move |device| {
                Ok(Box::new(Moving::new(Rc::clone(&model), device)?))
            })),
        })))
    }
}

/// A checkpoint as the engine runs it, at once.
///
/// # Errors
/// What the model needs and this version does not compute, why there is no such device, or more than there may be of
/// memory.
pub fn open_backend(
    checkpoint: &Checkpoint,
    placement: Placement,
    extent: Extent,
) -> Result<(Box<dyn Backend>, DeviceFacts), OpenError> {
    check_routers(checkpoint)?;
    let asked = asked(checkpoint, extent);
    let mut begun = Some(begin(asked, placement)?);
    while !step(&mut begun, asked, placement)? {}
    checkpoint.check_files()?;
    let begun = begun.ok_or(OpenError::Taken)?;
    let device = begun.device.clone();
    let backend = begun.finish(&checkpoint.weights, n_drawable(checkpoint))?;
    Ok((backend, device))
}

/// Whether every router's weights are numbers: with others no expert can be chosen.
fn check_routers(checkpoint: &Checkpoint) -> Result<(), OpenError> {
    let broken = Examiner::new(checkpoint).broken_routers();
    match broken.first() {
        None => Ok(()),
        Some(it) => Err(OpenError::NotFinite {
            what: it.sentence(),
            name: checkpoint.name.clone(),
        }),
    }
}

/// A note where a checkpoint's weights do not stay in memory, computed with on the CPU.
#[must_use]
pub fn paging_note(
    checkpoint: &Checkpoint,
    quantize: Option<BlockFormat>,
    extent: Extent,
) -> Option<String> {
    let layouts = checkpoint.weights.layouts();
    let need = extent.need(&checkpoint.spec, layouts, Place::Cpu, quantize);
    need.paging_note(&Allowances::now())
}

fn asked(checkpoint: &Checkpoint, extent: Extent) -> Asked<'_> {
    Asked {
        name: &checkpoint.name,
        spec: &checkpoint.spec,
        weights: &checkpoint.weights,
        extent,
    }
}

/// Why what a model does cannot be told as the tokens of one text.
fn not_told(spec: &ModelSpec, opener: &ModelOpener) -> Option<String> {
    let family = &spec.family_label;
    if spec.is_series() && !opener.tells_series {
        return Some(format!(
            "{family} continues a time series, which is not text: `moescope run --series FILE` does that, and `moescope eval --series` writes down its routing"
        ));
    }
    None
}

/// Reads the points of a series, each series in a scale of its own.
fn points_of_text() -> Encode {
    Box::new(|text, _| {
        let series = Series::typed(text).map_err(EncodeError::text)?;
        Ok(series.tokens().0)
    })
}

/// Every row of the embedding may be drawn unless the tokenizer has fewer.
fn n_drawable(checkpoint: &Checkpoint) -> usize {
    let codec = checkpoint.codec.as_ref();
    codec.map_or(checkpoint.spec.n_vocab, TextCodec::n_tokens)
}

impl Moving {
    fn new(model: Rc<Placeable>, device: DeviceChoice) -> Result<Self, OpenError> {
        let placement = Placement {
            device,
            quantize: model.quantize,
        };
        let asked = Asked {
            name: &model.name,
            spec: &model.spec,
            weights: &model.weights,
            extent: model.extent,
        };
        let begun = Some(begin(asked, placement)?);
        Ok(Self { model, begun })
    }
}

impl LoadingJob for Moving {
    fn advance(&mut self) -> Result<LoadStep, OpenError> {
        let Placeable {
            weights,
            n_drawable,
            ..
        } = &*self.model;
        let mut begun = self.begun.take().ok_or(OpenError::Taken)?;
        if begun.is_placed() {
            let files = weights.files();
            files.iter().try_for_each(|it| it.check())?;
            let device = begun.device.clone();
            let backend = begun.finish(weights, *n_drawable)?;
            return Ok(LoadStep::Moved(Box::new(MovedModel { backend, device })));
        }
        begun.step(weights)?;
        let need = begun.need;
        let total_bytes = need.held_bytes().saturating_add(need.mapped_bytes);
        let done_bytes = begun.placed(total_bytes);
        self.begun = Some(begun);
        Ok(LoadStep::Going(LoadProgress {
            done_bytes,
            total_bytes,
            needed_bytes: need.held_bytes(),
            available_bytes: None,
        }))
    }
}

/// Places the next piece of a model; whether none is left. Where the best device was asked for and it fails on the
/// way, the CPU takes over.
fn step(
    begun: &mut Option<Begun>,
    asked: Asked<'_>,
    placement: Placement,
) -> Result<bool, OpenError> {
    let it = begun.as_mut().ok_or(OpenError::Taken)?;
    match it.step(asked.weights) {
        Err(why) if placement.device == DeviceChoice::Auto && it.device.is_gpu => {
            // What the device holds is given back first.
            *begun = None;
            let on_cpu = Placement {
                device: DeviceChoice::Cpu,
                ..placement
            };
            let mut cpu = begin(asked, on_cpu)?;
            cpu.device.notes.push(why.to_string());
            *begun = Some(cpu);
            Ok(false)
        }
        Err(why) => Err(why),
        Ok(()) => Ok(it.is_placed()),
    }
}

/// What there is to tell of a model that runs on a device.
#[must_use]
pub fn model_facts(
    checkpoint: &Checkpoint,
    device: DeviceFacts,
    quantize: Option<BlockFormat>,
) -> ModelFacts {
    let census = checkpoint.census();
    let is_series = checkpoint.spec.is_series();
    // Points have no vocabulary, even where a tokenizer lies beside the weights.
    let codec = checkpoint.codec.as_ref().filter(|_| !is_series);
    let mut notes = checkpoint.notes.clone();
    if let Some(it) = quantize {
        notes.push(quantized_note(it, &checkpoint.weights));
    }
    ModelFacts {
        name: checkpoint.name.clone(),
        dtype: checkpoint.formats.join(", "),
        parameters: ParameterCount {
            total: census.total.parameters,
            active: census.active_parameters,
        },
        weight_shares: weight_shares(&census),
        weight_bytes: census.total.bytes,
        cache_bytes_per_position: cache_bytes_per_position(&checkpoint.spec),
        available_bytes: Allowances::now().own().map(|it| it.bytes),
        gates: gate_facts(checkpoint),
        device,
        tokens: if is_series {
            TokenTable::points(SeriesScale::default())
        } else {
            checkpoint.token_table()
        },
        has_tokenizer: codec.is_some(),
        has_chat_template: codec.is_some_and(TextCodec::has_chat_template),
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
