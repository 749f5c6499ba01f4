//! `eval`: the numbers of a pass over given ids, in a safetensors file, to be compared with a reference.
//!
//! `logits [T, V]` f32; per router `router_logits.L [T, E]` f32 (raw gate outputs), `topk_ids.L [T, K]`
//! i64 (ascending, -1 last), `topk_weights.L [T, K]` f32; `greedy_ids [N]` i64 with `--greedy N`.
//! L is the layer's index, `attn.L` a router in attention; K the most picks in any row of that router.

use std::{borrow::Cow, path::PathBuf};

use safetensors::{Dtype, View};

use super::{
    Failure, OutFile,
    model::{ModelArgs, parse_ids},
    values::{parse_count, path_parser},
};
use crate::checkpoint::Checkpoint;
use crate::engine::{Backend, Capture, Extent, Feed, Row, StepRow, Wait};
use crate::spec::{ModelSpec, RouterPlace, RoutingPolicy, SeqId, Site, StackId, TokenId};
use crate::trace::{Pick, RouterTrace};

/// Tokens read at a time.
const SLICE: usize = 64;

/// Write logits, router logits and choices for given token ids to a file.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Token ids, as 5,17,3; no BOS is added.
    #[arg(long, allow_hyphen_values = true)]
    ids: String,
    /// Continue by this many tokens, each the arg max over the whole vocabulary.
    #[arg(
        long,
        default_value_t = 0,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = parse_count
    )]
    greedy: usize,
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
    let ids = parse_ids(&args.ids)?;
    let checkpoint = args.model.open()?;
    let policy = args.model.policy(&checkpoint.spec)?;
    check_ids(&ids, args.greedy, &checkpoint)?;
    let out = OutFile::at(&args.out, "result")?;
    let slice = if args.stepwise { 1 } else { SLICE };
    let extent = Extent {
        keeps_logits: true,
        ..Extent::of(ids.len().saturating_add(args.greedy), slice)
    };
    let mut backend = args.model.backend(&checkpoint, extent)?;
    let mut pass = Pass {
        seq: backend.open(),
        backend: &mut *backend,
        policy: &policy,
    };
    let rows = ids
        .chunks(slice)
        .map(|it| pass.read(it))
        .collect::<Result<Vec<_>, _>>()?;
    let greedy = pass.continue_greedily(&rows, args.greedy, checkpoint.spec.n_vocab)?;
    let mut tensors = tensors(&rows, &checkpoint.spec);
    if args.greedy > 0 {
        let ids: Vec<i64> = greedy.iter().map(|it| i64::from(it.0)).collect();
        tensors.push(("greedy_ids".to_owned(), Tensor::ids(vec![ids.len()], &ids)));
    }
    drop(rows);
    let named = tensors.iter().map(|(name, it)| (name.as_str(), it));
    let bytes = safetensors::serialize(named, None).map_err(Failure::part_way)?;
    out.write(&bytes)
}

fn check_ids(ids: &[TokenId], n_greedy: usize, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let (n_vocab, n_ctx) = (checkpoint.spec.n_vocab, checkpoint.spec.n_ctx);
    if let Some(id) = ids.iter().find(|it| it.idx() >= n_vocab) {
        return Err(Failure::misuse(format!(
            "token id {id} is not in the vocabulary of {n_vocab}"
        )));
    }
    let n = ids.len().saturating_add(n_greedy.saturating_sub(1));
    if n > n_ctx {
        return Err(Failure::misuse(format!(
            "the context holds {n_ctx} tokens, and {n} are to be read"
        )));
    }
    Ok(())
}

struct Pass<'a> {
    backend: &'a mut dyn Backend,
    seq: SeqId,
    policy: &'a RoutingPolicy,
}

impl Pass<'_> {
    fn read(&mut self, tokens: &[TokenId]) -> Result<StepRow, Failure> {
        let row = Row {
            seq: self.seq,
            feed: Feed::Tokens(tokens),
            next: None,
            policy: self.policy,
            sampling: None,
            against: None,
        };
        let ticket = self
            .backend
            .submit(&[row], Capture::Logits)
            .map_err(Failure::misuse)?;
        let step = self
            .backend
            .poll(ticket, Wait::Done)
            .map_err(Failure::part_way)?;
        step.and_then(|it| it.rows.into_iter().next())
            .ok_or_else(|| Failure::part_way("the step came back empty"))
    }

    fn continue_greedily(
        &mut self,
        rows: &[StepRow],
        n: usize,
        n_vocab: usize,
    ) -> Result<Vec<TokenId>, Failure> {
        let mut out: Vec<TokenId> = Vec::with_capacity(n);
        let mut next = rows.last().map(|it| best(&it.logits, n_vocab));
        while let Some(token) = next.filter(|_| out.len() < n) {
            out.push(token);
            next = if out.len() < n {
                Some(best(&self.read(&[token])?.logits, n_vocab))
            } else {
                None
            };
        }
        Ok(out)
    }
}

/// Arg max of the last row of `[T, V]`, ties to the lowest id.
fn best(logits: &[f32], n_vocab: usize) -> TokenId {
    let last = &logits[logits.len() - n_vocab..];
    let better = |a: usize, b: usize| if last[b] > last[a] { b } else { a };
    TokenId::new((1..n_vocab).fold(0, better))
}

fn tensors(rows: &[StepRow], spec: &ModelSpec) -> Vec<(String, Tensor)> {
    let logits: Vec<f32> = rows.iter().flat_map(|it| &it.logits).copied().collect();
    let n_rows = logits.len() / spec.n_vocab;
    let mut out = vec![(
        "logits".to_owned(),
        Tensor::numbers(vec![n_rows, spec.n_vocab], &logits),
    )];
    for (id, router) in spec.router_ids() {
        let parts: Vec<&RouterTrace> = rows.iter().map(|it| &it.trace.routers[id.idx()]).collect();
        let place = suffix(router.place, spec);
        let logits: Vec<f32> = parts.iter().flat_map(|it| &it.logits).copied().collect();
        let picks = ascending(&parts);
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
        let mut picks: Vec<Pick> = part.picks_of(row).copied().collect();
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
