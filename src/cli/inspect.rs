//! `moescope inspect MODEL`: what a model is, from its headers and settings. No weight is read.

use std::{ffi::OsString, fmt::Write as _, io::Write as _};

use serde_json::{Value, json};

use super::Failure;
use crate::checkpoint::{Census, Checkpoint, Dtype, MemoryNeed, Source, gigabytes, open};
use crate::spec::{
    Algo, Ffn, Mask, Mixer, ModelSpec, QkNorm, Renorm, RopeScaling, RouterId, RouterSpec, Score,
    TokenId, Weight,
};

/// Show what a model is: shapes, routing rules, parameters, memory
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder with config.json and model.safetensors, or `tour` or `tour-collapsed` for a model inside the program
    #[arg(value_name = "MODEL")]
    pub model: OsString,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints what a model is.
///
/// # Errors
/// A model that does not open, or an output that is closed.
pub fn run(args: &Args) -> Result<(), Failure> {
    let checkpoint = open(&Source::parse(&args.model)).map_err(Failure::misuse)?;
    let need = checkpoint.need(checkpoint.spec.n_ctx);
    let text = if args.json {
        let mut text = serde_json::to_string_pretty(&as_json(&checkpoint, &need))
            .map_err(Failure::part_way)?;
        text.push('\n');
        text
    } else {
        as_text(&checkpoint, &need)
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads it may leave when they have seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::part_way(error))
        }
        _ => Ok(()),
    }
}

/// Routers of one rule, in the order of the model.
fn groups(spec: &ModelSpec) -> Vec<(Vec<RouterId>, &RouterSpec)> {
    let mut groups: Vec<(Vec<RouterId>, &RouterSpec)> = Vec::new();
    for (id, router) in spec.router_ids() {
        let place = router.place;
        let is_same = |it: &&mut (Vec<RouterId>, &RouterSpec)| {
            *router
                == RouterSpec {
                    place,
                    ..it.1.clone()
                }
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.0.push(id),
            None => groups.push((vec![id], router)),
        }
    }
    groups
}

/// The rule with its numbers: z are the logits, T the chosen, w their weights.
fn formula(router: &RouterSpec) -> String {
    let score = match router.score {
        Score::Softmax => "softmax(z)",
        Score::Sigmoid => "sigmoid(z)",
        Score::SqrtSoftplus => "√softplus(z)",
        Score::Logit => "z",
    };
    let bias = if router.select_bias { " + b" } else { "" };
    let among = match router.groups {
        Some(it) => format!(" within the {} best of {} groups", it.keep, it.n),
        None => String::new(),
    };
    let chosen = match router.algo {
        Algo::TopK => format!("T = top {} of {score}{bias}{among}", router.top_k),
        Algo::SparseMixer { eps } => format!("T = sparsemixer(z, {eps})"),
        Algo::Top1Capacity { cap, .. } => format!("T = best of {score}, {cap} tokens an expert"),
        Algo::HashTable => "T = table(token)".to_owned(),
    };
    let weight = match (router.weight, router.renorm) {
        (Weight::SoftmaxOverTopK, _) => "w = softmax of z over T".to_owned(),
        (Weight::SigmoidOfLogit, _) => "w = sigmoid(z)".to_owned(),
        (Weight::Score, Renorm::None) => format!("w = {score}"),
        (Weight::Score, Renorm::Sum { .. }) => format!("w = {score} / Σ over T"),
        (Weight::Score, Renorm::PNorm(p)) => format!("w = {score} / {p}-norm over T"),
    };
    let scale = if router.scale.to_bits() == 1.0f32.to_bits() {
        String::new()
    } else {
        format!(" · {}", router.scale)
    };
    format!("{chosen}, {weight}{scale}")
}

/// `0-2, 4`: whole numbers with runs drawn together.
fn runs(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &it in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == it => *end = it,
            _ => runs.push((it, it)),
        }
    }
    let words: Vec<String> = runs
        .into_iter()
        .map(|(from, to)| {
            if from == to {
                from.to_string()
            } else {
                format!("{from}-{to}")
            }
        })
        .collect();
    words.join(", ")
}

fn layers_of(spec: &ModelSpec, ids: &[RouterId]) -> Vec<usize> {
    ids.iter()
        .filter_map(|it| spec.router(*it))
        .map(|it| it.place.layer.idx())
        .collect()
}

fn dtypes(checkpoint: &Checkpoint) -> Vec<&'static str> {
    checkpoint
        .dtypes
        .iter()
        .map(|it| Dtype::label(*it))
        .collect()
}

fn as_text(checkpoint: &Checkpoint, need: &MemoryNeed) -> String {
    let census = checkpoint.census();
    let mut page = Page::default();
    page.line("model", &checkpoint.name);
    shape_lines(&mut page, &checkpoint.spec);
    router_lines(&mut page, &checkpoint.spec);
    size_lines(&mut page, checkpoint, &census);
    token_lines(&mut page, checkpoint);
    page.line(
        "memory",
        format!(
            "{} weights + {} cache at {} positions = {}",
            gigabytes(need.weights_bytes),
            gigabytes(need.cache_bytes),
            need.n_ctx,
            gigabytes(need.total_bytes)
        ),
    );
    if let Some(free) = need.available_bytes {
        let verdict = if need.fits() { "fits" } else { "does not fit" };
        page.line("", format!("{verdict}: {} free", gigabytes(free)));
    }
    for note in &checkpoint.notes {
        page.line("note", note);
    }
    page.0
}

/// Lines of a name and a value, the values in one column.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name:<20} {value}");
    }
}

fn shape_lines(page: &mut Page, spec: &ModelSpec) {
    page.line("family", format!("{} ({})", spec.family_label, spec.family));
    page.line("layers", spec.layers.len());
    page.line("width", spec.d_model);
    page.line("vocabulary", spec.n_vocab);
    page.line("context", spec.n_ctx);
    if let Some(Mixer::Gqa(attn)) = spec.layers.first().map(|it| &it.mixer) {
        let norm = match attn.qk_norm {
            QkNorm::None => "",
            QkNorm::PerHead => ", q and k normed per head",
            QkNorm::Full | QkNorm::L2 => ", q and k normed",
        };
        page.line(
            "attention",
            format!(
                "{} heads, {} of keys and values, {} wide{norm}",
                attn.n_heads, attn.n_kv_heads, attn.head_dim
            ),
        );
        if let Some(rope) = &attn.rope {
            page.line(
                "positions",
                format!("rotary, base {}{}", rope.theta, scaling(&rope.scaling)),
            );
        }
    }
    let windows: Vec<(usize, usize)> = spec
        .layers
        .iter()
        .enumerate()
        .filter_map(|(l, it)| match &it.mixer {
            Mixer::Gqa(it) => match it.mask {
                Mask::Window(n) => Some((l, n)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    if let Some((_, n)) = windows.first() {
        let layers: Vec<usize> = windows.iter().map(|it| it.0).collect();
        page.line(
            "window",
            format!("{n} positions in layers {}", runs(&layers)),
        );
    }
    page.line(
        "head",
        if spec.head.tied {
            "the embedding"
        } else {
            "its own"
        },
    );
}

fn scaling(scaling: &RopeScaling) -> String {
    match scaling {
        RopeScaling::None => String::new(),
        RopeScaling::Linear { factor } => format!(", linear × {factor}"),
        RopeScaling::Yarn {
            factor,
            original_ctx,
            ..
        } => format!(", yarn × {factor} from {original_ctx}"),
        RopeScaling::Llama3 {
            factor,
            original_ctx,
            ..
        } => format!(", llama3 × {factor} from {original_ctx}"),
        RopeScaling::LongRope { original_ctx, .. } => format!(", longrope from {original_ctx}"),
    }
}

fn router_lines(page: &mut Page, spec: &ModelSpec) {
    for (ids, router) in groups(spec) {
        let layers = runs(&layers_of(spec, &ids));
        page.line(
            "routers",
            format!(
                "layers {layers}: {} experts, {}",
                router.n_experts,
                router.rule()
            ),
        );
        page.line("", formula(router));
    }
    let experts = spec.layers.iter().find_map(|it| match &it.ffn {
        Ffn::Moe(it) => Some(it),
        Ffn::Dense(_) => None,
    });
    if let Some(moe) = experts {
        page.line("expert width", moe.expert.d_ff);
        if let Some(shared) = moe.shared {
            page.line("shared expert width", shared.mlp.d_ff);
        }
    }
    let dense: Vec<usize> = spec
        .layers
        .iter()
        .enumerate()
        .filter(|(_, it)| matches!(it.ffn, Ffn::Dense(_)))
        .map(|it| it.0)
        .collect();
    if !dense.is_empty() {
        page.line("dense layers", runs(&dense));
    }
}

fn size_lines(page: &mut Page, checkpoint: &Checkpoint, census: &Census) {
    page.line(
        "parameters",
        format!(
            "{}, {} of them active per token",
            count(census.total.parameters),
            count(census.active_parameters)
        ),
    );
    for (name, share) in census.shares().into_iter().filter(|it| it.1.parameters > 0) {
        page.line(
            &format!("  {name}"),
            format!(
                "{:>10}  {:>10}  {:>5.1} %",
                count(share.parameters),
                gigabytes(share.bytes),
                100.0 * share.bytes as f64 / census.total.bytes as f64
            ),
        );
    }
    page.line("numbers", dtypes(checkpoint).join(", "));
}

fn token_lines(page: &mut Page, checkpoint: &Checkpoint) {
    let Some(codec) = &checkpoint.codec else {
        page.line("tokenizer", "none");
        return;
    };
    page.line("tokenizer", format!("{} tokens", codec.n_tokens()));
    let table = codec.token_table();
    let shown = |id: TokenId| {
        let piece = table
            .pieces
            .get(id.idx())
            .map(Vec::as_slice)
            .unwrap_or_default();
        format!("{id} {}", String::from_utf8_lossy(piece))
    };
    page.line(
        "begins with",
        codec
            .bos()
            .map_or_else(|| "nothing of its own".to_owned(), shown),
    );
    let ends: Vec<String> = checkpoint.eos.iter().map(|it| shown(*it)).collect();
    page.line(
        "ends at",
        if ends.is_empty() {
            "nothing".to_owned()
        } else {
            ends.join(", ")
        },
    );
}

/// A count as people read it: `6.9 B`, `14.4 M`.
fn count(n: u64) -> String {
    let x = n as f64;
    if x >= 1e9 {
        format!("{:.2} B", x / 1e9)
    } else if x >= 1e6 {
        format!("{:.2} M", x / 1e6)
    } else if x >= 1e4 {
        format!("{:.2} K", x / 1e3)
    } else {
        n.to_string()
    }
}

fn as_json(checkpoint: &Checkpoint, need: &MemoryNeed) -> Value {
    let spec = &checkpoint.spec;
    let routers: Vec<Value> = spec
        .router_ids()
        .map(|(id, it)| {
            json!({
                "id": id,
                "label": it.label(),
                "layer": it.place.layer,
                "n_experts": it.n_experts,
                "top_k": it.top_k,
                "rule": it.rule(),
                "formula": formula(it),
            })
        })
        .collect();
    json!({
        "name": checkpoint.name,
        "family": spec.family,
        "family_label": spec.family_label,
        "n_layers": spec.layers.len(),
        "d_model": spec.d_model,
        "n_vocab": spec.n_vocab,
        "n_ctx": spec.n_ctx,
        "dtypes": dtypes(checkpoint),
        "routers": routers,
        "parameters": checkpoint.census(),
        "memory": need,
        "tokenizer": checkpoint.codec.as_ref().map(|it| json!({
            "n_tokens": it.n_tokens(),
            "bos": it.bos(),
        })),
        "eos": checkpoint.eos,
        "notes": checkpoint.notes,
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Bundled;

    fn tour() -> Checkpoint {
        open(&Source::Bundled(Bundled::Tour)).unwrap()
    }

    #[test]
    fn the_text_names_rule_experts_and_memory() {
        let tour = tour();
        let text = as_text(&tour, &tour.need(512));
        for want in [
            "Mixtral (mixtral)",
            "layers 0-5: 8 experts, softmax, top 2, renormalised",
            "T = top 2 of softmax(z), w = softmax(z) / Σ over T",
            "0 <|endoftext|>",
            "weights + ",
        ] {
            assert!(text.contains(want), "{want} is not in\n{text}");
        }
    }

    #[test]
    fn the_json_has_one_entry_a_router() {
        let tour = tour();
        let json = as_json(&tour, &tour.need(512));
        assert_eq!(json["routers"].as_array().unwrap().len(), 6);
        assert_eq!(json["routers"][5]["top_k"], 2);
        assert_eq!(json["parameters"]["total"]["parameters"], 7_177_760);
    }

    #[test]
    fn runs_are_drawn_together() {
        assert_eq!(runs(&[0, 1, 2, 4, 6, 7]), "0-2, 4, 6-7");
        assert_eq!(runs(&[]), "");
    }
}
