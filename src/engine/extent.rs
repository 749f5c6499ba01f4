//! How far a run will go, and what memory that takes: for the rule that refuses a run before anything of it is held.
//!
//! Caches and records grow as they fill, so what counts is the text that will really be read and written. Where that is
//! not known, as in the window, it is the first pages: a context of a million positions is no reason to refuse a model
//! that could write them.

use super::pace::most_tokens;
use crate::checkpoint::{
    Layout, MemoryNeed, Slot, TextCodec, cache_bytes_per_position, state_bytes,
};
use crate::model::HeldWeights;
use crate::spec::{BlockFormat, Ffn, LayerSpec, Mixer, ModelSpec, PromptForm, StackId, TokenId};
use crate::study::EncodeError;
use crate::trace::{DEFAULT_BUDGET_BYTES, Pick, RouterTrace};

/// Positions of the first pages: what a model must have memory for where the text is not known.
const FIRST_PAGES: usize = 4096;

/// Rows of an edited run: baseline, edited text and counterfactual, and a copy of the baseline that a counterfactual is compared with where
/// it is behind.
const N_EDITED: usize = 4;

/// How long a text will be, as far as that is known before a model is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// Length not known: room for the first pages of the cache.
    #[default]
    FirstPages,
    /// So many tokens.
    Tokens(usize),
    /// A prompt, and so many tokens after it.
    Prompt {
        /// Text of the prompt.
        text: String,
        /// Whether it is a turn of a conversation.
        form: PromptForm,
        /// Tokens after it.
        n_written: usize,
    },
}

/// The prompt of a run, turned into tokens to know how long the run will be: when it is asked for, it is at hand.
pub(super) struct PlannedPrompt {
    text: String,
    form: PromptForm,
    tokens: Result<Vec<TokenId>, EncodeError>,
}

impl PlannedPrompt {
    /// Of a length that is a prompt's; none where there is no tokenizer.
    pub fn of(length: &Length, codec: Option<&TextCodec>) -> Option<Self> {
        let Length::Prompt { text, form, .. } = length else {
            return None;
        };
        Some(Self {
            text: text.clone(),
            form: form.clone(),
            tokens: codec?.encode_as(text, form).map_err(EncodeError::text),
        })
    }

    /// The tokens, where it is this prompt.
    pub fn find(&self, text: &str, form: &PromptForm) -> Option<Result<Vec<TokenId>, EncodeError>> {
        let is_it = self.text == text && self.form == *form;
        is_it.then(|| self.tokens.clone())
    }

    fn n_tokens(&self) -> usize {
        self.tokens.as_ref().map_or(0, Vec::len)
    }
}

/// How many positions are read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceRows {
    /// Of all sequences together, as many as the engine reads between two checks of the request channel.
    Paced,
    /// Of each sequence, so many at most.
    AtMost(usize),
}

/// What will be read, and what is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Positions of each sequence.
    pub n_positions: usize,
    /// Sequences side by side.
    pub n_sequences: usize,
    /// What is read at once.
    pub slice: SliceRows,
    /// Whether all logits of all positions are kept and written.
    pub keeps_logits: bool,
}

/// Where weights are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the program's memory, or where they lie in their files.
    Cpu,
    /// In the buffers of a device.
    Device,
}

impl Extent {
    /// One sequence of so many positions, read in slices of at most `n_slice`.
    #[must_use]
    pub fn of(n_positions: usize, n_slice: usize) -> Self {
        Self {
            n_positions,
            n_sequences: 1,
            slice: SliceRows::AtMost(n_slice),
            keeps_logits: false,
        }
    }

    /// One sequence of so many positions, read as the engine reads.
    fn paced(n_positions: usize) -> Self {
        Self {
            slice: SliceRows::Paced,
            ..Self::of(n_positions, 0)
        }
    }

    /// What a window reads first.
    #[must_use]
    pub fn first_pages(spec: &ModelSpec) -> Self {
        Self::paced(spec.n_ctx.min(FIRST_PAGES))
    }

    /// What a text of this length takes, with edits or without. A prompt that becomes no tokens is told of later.
    pub(super) fn planned(
        length: &Length,
        is_edited: bool,
        spec: &ModelSpec,
        prompt: Option<&PlannedPrompt>,
    ) -> Self {
        let n_positions = match length {
            Length::FirstPages => FIRST_PAGES,
            Length::Tokens(n) => *n,
            Length::Prompt { n_written, .. } => {
                let n_given = prompt.map_or(0, PlannedPrompt::n_tokens);
                n_given.saturating_add(*n_written)
            }
        };
        Self {
            n_sequences: if is_edited { N_EDITED } else { 1 },
            ..Self::paced(n_positions.min(spec.n_ctx))
        }
    }

    /// What a model of this shape holds for it, with weights of these layouts.
    #[must_use]
    pub fn need(
        self,
        spec: &ModelSpec,
        layouts: impl Iterator<Item = (Slot, Layout)>,
        place: Place,
        quantize: Option<BlockFormat>,
    ) -> MemoryNeed {
        let held = match place {
            Place::Cpu => HeldWeights::on_cpu(layouts, quantize),
            Place::Device => HeldWeights::on_device(layouts, quantize),
        };
        let (n_positions, n_sequences) = (self.n_positions as u64, self.n_sequences as u64);
        let of_all = |it: u64| it.saturating_mul(n_positions).saturating_mul(n_sequences);
        MemoryNeed {
            mapped_bytes: held.mapped_bytes,
            made_up_bytes: 0,
            copied_bytes: held.copied_bytes,
            block_bytes: held.block_bytes,
            widened_bytes: held.widened_bytes,
            device_bytes: held.device_bytes,
            n_positions: self.n_positions,
            n_sequences: self.n_sequences,
            cache_bytes: of_all(cache_bytes_per_position(spec))
                .saturating_add(n_sequences.saturating_mul(state_bytes(spec, self.n_positions))),
            record_bytes: self.record_bytes(spec),
            step_bytes: self.step_bytes(spec, place),
        }
    }

    /// Choices and raw logits of the routers, a record a sequence, each within its budget. Where all logits are kept,
    /// they and the rest stand three times: as they came, in one array a router, and in the file that is written.
    fn record_bytes(self, spec: &ModelSpec) -> u64 {
        let n_positions = self.n_positions as u64;
        let traced = trace_bytes_per_position(spec);
        if self.keeps_logits {
            let all = traced.saturating_add(4 * spec.n_out() as u64);
            return all.saturating_mul(3).saturating_mul(n_positions);
        }
        let one = traced.saturating_mul(n_positions);
        let one = one.min(DEFAULT_BUDGET_BYTES as u64);
        one.saturating_mul(self.n_sequences as u64)
    }

    /// Positions of all sequences that are read at once, at most.
    fn n_rows(self, spec: &ModelSpec, place: Place) -> usize {
        let all = self.n_positions.saturating_mul(self.n_sequences);
        let at_once = match self.slice {
            SliceRows::Paced => most_tokens(place == Place::Device, spec.n_out()),
            SliceRows::AtMost(n) => n.saturating_mul(self.n_sequences),
        };
        at_once.min(all)
    }

    /// Activations of the widest layer and logits, f32: of every row of a slice the residual stream twice, normed and as
    /// it is, and its logits, since what is shown of a text is shown of each position.
    fn step_bytes(self, spec: &ModelSpec, place: Place) -> u64 {
        let layers = spec.layers_of(StackId::Encoder).iter().chain(&spec.layers);
        let widest = layers.map(|it| width(it, spec)).max();
        let row = (2 * spec.d_model as u64).saturating_add(widest.unwrap_or(0));
        let row = row.saturating_add(spec.n_out() as u64);
        let n_rows = self.n_rows(spec, place) as u64;
        n_rows.saturating_mul(row).saturating_mul(4)
    }
}

/// Bytes of the record of one position, read in a step of its own: of each router its choices, f32 logits for each
/// expert, and what says what they are.
#[must_use]
pub fn trace_bytes_per_position(spec: &ModelSpec) -> u64 {
    let routers = spec.routers.iter();
    let fixed = size_of::<RouterTrace>() as u64;
    let choice = size_of::<Pick>() as u64;
    routers
        .map(|it| fixed + choice * it.top_k as u64 + 4 * it.n_experts as u64)
        .fold(0, u64::saturating_add)
}

/// Numbers of one row inside a layer: q, k, v and what attention puts out, or gate, up and product of each chosen
/// network with what it puts out.
fn width(layer: &LayerSpec, spec: &ModelSpec) -> u64 {
    let attention = match &layer.mixer {
        Mixer::Gqa(it) | Mixer::MoA { attn: it, .. } => {
            2 * (it.n_heads + it.n_kv_heads) * it.head_dim + it.gate_width()
        }
        Mixer::Recurrent(it) => it.n_in() + it.n_channels() + it.n_between() + it.n_out(),
        Mixer::Mla(it) => {
            let index = it.indexer.as_ref();
            it.q_lora.unwrap_or(0)
                + index.map_or(0, |it| it.n_heads * (it.dim + 1) + it.dim)
                + it.width()
                + it.n_heads * (it.q_dim() + it.width() + it.kv_lora + it.v_dim)
        }
        Mixer::None => 0,
    };
    let network = match &layer.ffn {
        Ffn::Dense(it) => 3 * it.d_ff + spec.d_model,
        Ffn::None => 0,
        Ffn::Moe(it) => {
            let router = spec.router(it.router);
            let (k, e) = router.map_or((0, 0), |it| (it.top_k, it.n_experts));
            let shared = it.shared.map_or(0, |it| 3 * it.mlp.d_ff + spec.d_model);
            k.saturating_mul(3 * it.expert.d_ff + spec.d_model) + shared + e
        }
    };
    attention.max(network) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Bundled, Checkpoint, Source, open};

    fn tour() -> Checkpoint {
        open(&Source::Bundled(Bundled::Tour)).unwrap()
    }

    fn planned(length: &Length, is_edited: bool) -> Extent {
        let tour = tour();
        let prompt = PlannedPrompt::of(length, tour.codec.as_ref());
        Extent::planned(length, is_edited, &tour.spec, prompt.as_ref())
    }

    fn prompt(text: &str, n_written: usize) -> Length {
        Length::Prompt {
            text: text.to_owned(),
            form: PromptForm::Plain,
            n_written,
        }
    }

    #[test]
    fn positions_are_those_of_the_text() {
        for (length, n_positions) in [
            (Length::FirstPages, 512),
            (Length::Tokens(7), 7),
            (Length::Tokens(usize::MAX), 512),
            // Eight words and the token that begins a text.
            (prompt("Once upon a time, there was a little", 20), 30),
            (prompt("", usize::MAX), 512),
        ] {
            let it = planned(&length, false);
            assert_eq!(
                (it.n_positions, it.n_sequences),
                (n_positions, 1),
                "{length:?}"
            );
        }
        let edited = planned(&Length::Tokens(7), true);
        assert_eq!((edited.n_positions, edited.n_sequences), (7, 4));
        // No tokenizer: what is wrong with the prompt is told when it is read.
        let spec = tour().spec;
        let blind = Extent::planned(&prompt("Once", 3), false, &spec, None);
        assert_eq!(blind.n_positions, 3);
    }

    #[test]
    fn a_prompt_that_was_turned_into_tokens_is_at_hand() {
        let codec = tour().codec.unwrap();
        let (text, plain) = ("Once upon a time", PromptForm::Plain);
        let it = PlannedPrompt::of(&prompt(text, 3), Some(&codec)).unwrap();
        let tokens = codec.encode_as(text, &plain).unwrap();
        assert_eq!(it.find(text, &plain), Some(Ok(tokens)));
        assert_eq!(it.find("Once upon", &plain), None);
        let chat = PromptForm::Chat { system: None };
        assert_eq!(it.find(text, &chat), None);
        assert!(PlannedPrompt::of(&Length::Tokens(3), Some(&codec)).is_none());
    }

    #[test]
    fn caches_records_and_steps_grow_with_what_is_read() {
        let tour = tour();
        let need = |it: Extent| it.need(&tour.spec, tour.weights.layouts(), Place::Cpu, None);
        let (one, ten) = (need(Extent::of(1, 64)), need(Extent::of(10, 64)));
        let cache = 6 * 2 * 5 * 32 * 4;
        assert_eq!((one.cache_bytes, ten.cache_bytes), (cache, 10 * cache));
        assert_eq!(ten.record_bytes, 10 * trace_bytes_per_position(&tour.spec));
        // q and k take 2 × (heads + kv heads) × 32, two experts more: 2 × (3 F + H).
        assert!(ten.step_bytes > one.step_bytes);
        assert_eq!(
            need(Extent::of(500, 64)).step_bytes,
            need(Extent::of(64, 64)).step_bytes
        );
        let four = Extent {
            n_sequences: 4,
            ..Extent::of(10, 64)
        };
        assert_eq!(need(four).cache_bytes, 40 * cache);
        assert_eq!(need(four).record_bytes, 4 * ten.record_bytes);
        // A bundled model is part of the program.
        assert_eq!(
            (ten.mapped_bytes, ten.copied_bytes, ten.block_bytes),
            (0, 0, 0)
        );
        // Each sequence reads its own slice.
        assert_eq!(need(four).step_bytes, 4 * ten.step_bytes);
        let kept = Extent {
            keeps_logits: true,
            ..Extent::of(10, 64)
        };
        let logits = 4 * tour.spec.n_out() as u64;
        let all = 3 * 10 * (logits + trace_bytes_per_position(&tour.spec));
        assert_eq!(need(kept).record_bytes, all);
    }

    /// Bytes of one step of an extent, in rows of the Tour model's widest layer with its logits.
    fn check_rows(it: Extent, place: Place, want: u64) {
        let spec = tour().spec;
        let need = it.need(&spec, std::iter::empty(), place, None);
        let Ffn::Moe(moe) = &spec.layers[0].ffn else {
            panic!("the Tour model is one of experts");
        };
        let router = spec.router(moe.router).unwrap();
        let experts = router.top_k * (3 * moe.expert.d_ff + spec.d_model) + router.n_experts;
        let row = 2 * spec.d_model + experts + spec.n_vocab;
        assert_eq!(need.step_bytes, want * 4 * row as u64, "{it:?}");
    }

    #[test]
    fn every_position_of_a_slice_has_logits_and_slices_are_those_of_the_place() {
        let pages = Extent::first_pages(&tour().spec);
        check_rows(pages, Place::Cpu, 128);
        check_rows(pages, Place::Device, 256);
        // Rows of an edited run share the slice.
        check_rows(planned(&Length::FirstPages, true), Place::Cpu, 128);
        check_rows(planned(&Length::Tokens(7), true), Place::Cpu, 28);
        check_rows(planned(&Length::Tokens(7), false), Place::Device, 7);
        check_rows(Extent::of(500, 100), Place::Cpu, 100);
        check_rows(Extent::of(500, 100), Place::Device, 100);
    }

    #[test]
    fn a_record_stays_within_its_budget() {
        let spec = tour().spec;
        let it = Extent::of(1 << 40, 64);
        let need = it.need(&spec, std::iter::empty(), Place::Cpu, None);
        assert_eq!(need.record_bytes, DEFAULT_BUDGET_BYTES as u64);
    }
}
