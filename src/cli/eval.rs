//! `eval`: the numbers of a pass over a prompt or given ids, in a safetensors file, to be compared with a reference.
//!
//! `logits [T, V]` f32; per router `router_logits.L [T, E]` f32 (raw gate outputs), `topk_ids.L [T, K]`
//! i64 (ascending, -1 last), `topk_weights.L [T, K]` f32; `greedy_ids [N]` i64 with `--greedy N`.
//! L is the layer's index, `attn.L` a router in attention; K the most picks in any row of that router.
//!
//! Of an encoder–decoder model the source is `--ids` and the text `--decoder-ids`, whose logits are written; of each router
//! `router_logits.S.L`, and in place of `topk_…` `expert.S.L [T]` i64 (-1 where it was dropped by capacity) and `weight.S.L [T]`
//! f32, S being `encoder` or `decoder` (`topk_…` too where an edit chooses more than one).
//!
//! Of a time series, in place of logits and `greedy_ids`: `forecast.H [T, H]` f32, what the head of H points says at every
//! position, and `greedy_series [N]` f32 with `--forecast N`.

use std::{borrow::Cow, path::PathBuf};

use safetensors::{Dtype, View};

use super::{
    Failure, OutFile,
    model::{ChatArgs, ModelArgs, parse_ids, parse_points},
    pass::Pass,
    values::{parse_count, path_parser},
};
use crate::checkpoint::Checkpoint;
use crate::engine::{Extent, StepRow};
use crate::spec::{ModelSpec, RouterPlace, Site, StackId, TokenId, count_of, grouped};
use crate::study::EncodeError;
use crate::trace::{Pick, PickState, RouterTrace};

/// Tokens read at a time.
const SLICE: usize = 128;

/// Write logits, router logits and choices for a prompt or given token ids to a file.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// What the text starts with; the tokenizer's own start token is added.
    #[arg(
        long,
        required_unless_present_any = ["ids", "series"],
        conflicts_with_all = ["ids", "series"],
        allow_hyphen_values = true
    )]
    prompt: Option<String>,
    /// What the text starts with, as token ids 5,17,3; nothing is added.
    #[arg(long, allow_hyphen_values = true, conflicts_with = "series")]
    ids: Option<String>,
    #[command(flatten)]
    chat: ChatArgs,
    /// Token ids that an encoder–decoder model's text begins with, as 0,5,17; without them, its start token alone.
    #[arg(
        long,
        value_name = "IDS",
        allow_hyphen_values = true,
        conflicts_with = "series"
    )]
    decoder_ids: Option<String>,
    /// Points of a time series, as 0.5,-1,2.25, for a model that reads those; they are taken as they are.
    #[arg(long, value_name = "X,X,…", allow_hyphen_values = true)]
    series: Option<String>,
    /// Continue by this many tokens, each the arg max over the whole vocabulary.
    #[arg(
        long,
        default_value_t = 0,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = parse_count
    )]
    greedy: usize,
    /// Continue a series by this many points.
    #[arg(
        long,
        default_value_t = 0,
        value_name = "N",
        allow_hyphen_values = true,
        requires = "series",
        conflicts_with = "greedy",
        value_parser = parse_count
    )]
    forecast: usize,
    /// Feed the ids one at a time through the cache.
    #[arg(long)]
    stepwise: bool,
    /// The file to write.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path_parser())]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Unusable input (2), or a run that failed part-way (3); no file is left behind.
pub fn run(args: &Args) -> Result<(), Failure> {
    let given = match (&args.ids, &args.series) {
        (Some(ids), _) => Some(parse_ids(ids)?),
        (None, Some(series)) => Some(parse_points(series)?),
        (None, None) => None,
    };
    let checkpoint = args.model.open()?;
    let ids = match given {
        Some(it) => it,
        None => encoded(args, &checkpoint)?,
    };
    let spec = &checkpoint.spec;
    let policy = args.model.policy(spec)?;
    let n_more = args.greedy.max(args.forecast);
    let (source, text) = split(ids, args.decoder_ids.as_deref(), spec)?;
    let all: Vec<TokenId> = source.iter().chain(&text).copied().collect();
    check_ids(&all, args.series.is_some(), n_more, spec)?;
    let out = OutFile::at(&args.out, "result")?;
    let slice = if args.stepwise { 1 } else { SLICE };
    let extent = Extent {
        keeps_logits: true,
        ..Extent::of(all.len().saturating_add(n_more), slice.max(source.len()))
    };
    let mut backend = args.model.backend(&checkpoint, extent)?;
    let mut pass = Pass::new(&mut *backend, &policy);
    // A source is read whole: each of its tokens sees all others.
    let mut rows = pass.read_in_slices(&source, source.len().max(1))?;
    rows.extend(pass.read_in_slices(&text, slice)?);
    let mut tensors = said(&rows, spec);
    tensors.extend(routed(&rows, spec));
    tensors.extend(continued(&mut pass, rows, args, spec)?);
    let named = tensors.iter().map(|(name, it)| (name.as_str(), it));
    let bytes = safetensors::serialize(named, None).map_err(Failure::part_way)?;
    out.write(&bytes)
}

/// The tokens of the prompt, in the form asked for.
fn encoded(args: &Args, checkpoint: &Checkpoint) -> Result<Vec<TokenId>, Failure> {
    let codec = checkpoint.codec.as_ref();
    let none = || Failure::misuse(EncodeError::NoTokenizer);
    let prompt = args.prompt.as_deref().unwrap_or_default();
    let codec = codec.ok_or_else(none)?;
    codec
        .encode_as(prompt, &args.chat.form())
        .map_err(Failure::misuse)
}

/// Source and text; of a model without an encoder all is text.
fn split(
    ids: Vec<TokenId>,
    decoder_ids: Option<&str>,
    spec: &ModelSpec,
) -> Result<(Vec<TokenId>, Vec<TokenId>), Failure> {
    match (&spec.encoder, decoder_ids) {
        (None, Some(_)) => Err(Failure::misuse(format!(
            "{} has no encoder: give --ids alone",
            spec.family_label
        ))),
        (None, None) => Ok((Vec::new(), ids)),
        (Some(_), Some(text)) => Ok((ids, parse_ids(text)?)),
        (Some(it), None) => Ok((ids, vec![it.start])),
    }
}

fn check_ids(
    ids: &[TokenId],
    is_series: bool,
    n_more: usize,
    spec: &ModelSpec,
) -> Result<(), Failure> {
    let (n_vocab, n_ctx) = (spec.n_vocab, spec.n_ctx);
    let refuse = |what: String| Err(Failure::misuse(what));
    let family = &spec.family_label;
    match (is_series, spec.is_series()) {
        (false, true) => {
            return refuse(format!(
                "{family} reads a time series: give --series, not --ids"
            ));
        }
        (true, false) => {
            return refuse(format!("{family} reads tokens: give --ids, not --series"));
        }
        _ => {}
    }
    if let Some(id) = ids.iter().find(|it| !spec.takes(**it)) {
        return refuse(if is_series {
            format!("{} is no finite number of a series", id.point())
        } else {
            format!("token id {id} is not in the vocabulary of {n_vocab}")
        });
    }
    let n = ids.len().saturating_add(n_more.saturating_sub(1));
    if n > n_ctx {
        let what = if is_series { "point" } else { "token" };
        return refuse(format!(
            "the context holds {}, and {} are to be read",
            count_of(n_ctx, what),
            grouped(n as u64)
        ));
    }
    Ok(())
}

/// What the heads say at every position.
fn said(rows: &[StepRow], spec: &ModelSpec) -> Vec<(String, Tensor)> {
    let all: Vec<f32> = rows.iter().flat_map(|it| &it.logits).copied().collect();
    let width = spec.n_out();
    let n_rows = all.len() / width;
    if !spec.is_series() {
        let logits = Tensor::numbers(vec![n_rows, width], &all);
        return vec![("logits".to_owned(), logits)];
    }
    let mut first = 0;
    let head = |n: &usize| {
        let points = all.chunks(width).flat_map(|it| &it[first..first + n]);
        let points: Vec<f32> = points.copied().collect();
        first += n;
        (
            format!("forecast.{n}"),
            Tensor::numbers(vec![n_rows, *n], &points),
        )
    };
    spec.head.horizons.iter().map(head).collect()
}

/// What stands behind what was read, where that was asked for.
fn continued(
    pass: &mut Pass<'_>,
    mut rows: Vec<StepRow>,
    args: &Args,
    spec: &ModelSpec,
) -> Result<Option<(String, Tensor)>, Failure> {
    if args.forecast > 0 {
        let points = pass.forecast(&mut rows, args.forecast, &spec.head.horizons)?;
        let tensor = Tensor::numbers(vec![points.len()], &points);
        return Ok(Some(("greedy_series".to_owned(), tensor)));
    }
    if args.greedy > 0 {
        let ids = pass.continue_greedily(&rows, args.greedy, spec.n_vocab)?;
        let ids: Vec<i64> = ids.iter().map(|it| i64::from(it.0)).collect();
        let tensor = Tensor::ids(vec![ids.len()], &ids);
        return Ok(Some(("greedy_ids".to_owned(), tensor)));
    }
    Ok(None)
}

/// What the routers did.
fn routed(rows: &[StepRow], spec: &ModelSpec) -> Vec<(String, Tensor)> {
    let mut out = Vec::new();
    for (id, router) in spec.router_ids() {
        let parts: Vec<&RouterTrace> = rows.iter().map(|it| &it.trace.routers[id.idx()]).collect();
        let place = suffix(router.place, spec);
        let logits: Vec<f32> = parts.iter().flat_map(|it| &it.logits).copied().collect();
        let picks = ascending(&parts);
        let n_rows = picks.len();
        let width = picks.iter().map(Vec::len).max().unwrap_or(0);
        let padded = |row: &Vec<Pick>| (0..width).map(|i| row.get(i).copied()).collect::<Vec<_>>();
        let flat: Vec<Option<Pick>> = picks.iter().flat_map(padded).collect();
        let ids: Vec<i64> = flat
            .iter()
            .map(|it| it.map_or(-1, |it| i64::from(it.expert.0)))
            .collect();
        let weights: Vec<f32> = flat
            .iter()
            .map(|it| it.map_or(0.0, |it| it.weight))
            .collect();
        out.push((
            format!("router_logits.{place}"),
            Tensor::numbers(vec![n_rows, router.n_experts], &logits),
        ));
        if spec.encoder.is_some() {
            let kept = |row: &Vec<Pick>| {
                let first = row.first().filter(|it| it.state != PickState::Dropped);
                first.map_or(-1, |it| i64::from(it.expert.0))
            };
            let kept: Vec<i64> = picks.iter().map(kept).collect();
            let weights = picks
                .iter()
                .map(|it| it.first().map_or(0.0, |it| it.weight));
            let weights: Vec<f32> = weights.collect();
            let n = vec![n_rows];
            out.push((format!("expert.{place}"), Tensor::ids(n.clone(), &kept)));
            out.push((format!("weight.{place}"), Tensor::numbers(n, &weights)));
            if width < 2 {
                continue;
            }
        }
        out.push((
            format!("topk_ids.{place}"),
            Tensor::ids(vec![n_rows, width], &ids),
        ));
        out.push((
            format!("topk_weights.{place}"),
            Tensor::numbers(vec![n_rows, width], &weights),
        ));
    }
    out
}

/// Each row's picks by ascending id.
fn ascending(parts: &[&RouterTrace]) -> Vec<Vec<Pick>> {
    let row = |part: &RouterTrace, row: usize| {
        let mut picks: Vec<Pick> = part.choice_of(row).copied().collect();
        picks.sort_by_key(|it| it.expert);
        picks
    };
    parts
        .iter()
        .flat_map(|part| (0..part.n_rows()).map(|i| row(part, i)))
        .collect()
}

fn suffix(place: RouterPlace, spec: &ModelSpec) -> String {
    match (place.stack, place.site) {
        (StackId::Encoder, _) => format!("encoder.{}", place.layer),
        (StackId::Decoder, _) if spec.encoder.is_some() => format!("decoder.{}", place.layer),
        (StackId::Decoder, Site::Attention) => format!("attn.{}", place.layer),
        (StackId::Decoder, Site::Ffn) => place.layer.to_string(),
    }
}

/// One array of the file.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn numbers(shape: Vec<usize>, values: &[f32]) -> Self {
        Self {
            dtype: Dtype::F32,
            shape,
            bytes: values.iter().flat_map(|it| it.to_le_bytes()).collect(),
        }
    }

    fn ids(shape: Vec<usize>, values: &[i64]) -> Self {
        Self {
            dtype: Dtype::I64,
            shape,
            bytes: values.iter().flat_map(|it| it.to_le_bytes()).collect(),
        }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
