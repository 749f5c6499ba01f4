//! `moescope inspect MODEL`: what a model is, from its headers, its settings and the gates of its routers.
//! No other weight is read, unless `--verify` asks for samples of all. `moescope inspect --devices`: where models can run.

use std::{ffi::OsString, fmt::Write as _};

use serde_json::{Value, json};

use super::{Failure, Output, devices, experts, json_text, verify};
use crate::analysis::SelectionBias;
use crate::checkpoint::{
    Allowances, Census, Checkpoint, DecodedTwice, MemoryNeed, Source, cache_bytes_per_position,
    gigabytes, open,
};
use crate::engine::{Extent, Place, gate_facts, trace_bytes_per_position};
use crate::spec::{ModelSpec, TokenId, count_of, grouped, shown};
use crate::trace::GateFacts;

/// Show what a model is: shapes, routing rules, parameters, memory
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct Args {
    /// A folder with config.json and model.safetensors or `pytorch_model.bin`, a GGUF file, or `tour` or `tour-collapsed` for a model inside the program
    #[arg(value_name = "MODEL", required_unless_present = "devices")]
    pub model: Option<OsString>,

    /// Show the graphics processors there are instead, which one is taken, and why others are not
    #[arg(long, conflicts_with = "model")]
    pub devices: bool,

    /// Also decode samples of all weights a second time, by candle, and compare: exit status 1 where a number differs
    #[arg(long, conflicts_with = "devices")]
    pub verify: bool,

    /// Also read the weights of all experts, for numbers that are none, copies and experts that put out nothing: exit status 1 where anything is found
    #[arg(long, conflicts_with = "devices")]
    pub experts: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints what a model is.
///
/// # Errors
/// A model that does not open, numbers that are read differently by two decoders, or an output that is closed.
pub fn run(args: &Args) -> Result<(), Failure> {
    if args.devices {
        return Output::standard().print(&devices::text(args.json)?);
    }
    let model = args.model.as_deref().unwrap_or_default();
    let checkpoint = open(&Source::parse(model)).map_err(Failure::misuse)?;
    let memory = Memory::of(&checkpoint, Allowances::now());
    let twice = args.verify.then(|| checkpoint.decoded_twice()).transpose();
    let twice = twice.map_err(Failure::misuse)?;
    let found = args.experts.then(|| experts::found(&checkpoint));
    let text = if args.json {
        let mut json = as_json(&checkpoint, &memory);
        if let Some(found) = &twice {
            json["decoded_twice"] = verify::as_json(found);
        }
        if let Some(found) = &found {
            json["findings"] = json!(found);
        }
        json_text(&json, false)?
    } else {
        let mut text = as_text(&checkpoint, &memory, twice.as_deref());
        text.extend(found.as_deref().map(experts::text));
        text
    };
    Output::standard().print(&text)?;
    experts::judge(&found.unwrap_or_default())?;
    verify::judge(&twice.unwrap_or_default())
}

/// What a window holds of a model on the CPU, weights as stored, and what it may.
struct Memory {
    need: MemoryNeed,
    may: Allowances,
    /// Bytes that one more position takes: cache and record of one row.
    position_bytes: u64,
    /// What is held once the whole context is filled.
    whole_bytes: u64,
}

impl Memory {
    fn of(checkpoint: &Checkpoint, may: Allowances) -> Self {
        let spec = &checkpoint.spec;
        let need = |extent: Extent| {
            let layouts = checkpoint.weights.layouts();
            extent.need(spec, layouts, Place::Cpu, None)
        };
        let first_pages = Extent::first_pages(spec);
        let whole = Extent {
            n_positions: spec.n_ctx,
            ..first_pages
        };
        Self {
            need: need(first_pages),
            whole_bytes: need(whole).held_bytes(),
            may,
            position_bytes: cache_bytes_per_position(spec) + trace_bytes_per_position(spec),
        }
    }
}

fn as_text(checkpoint: &Checkpoint, memory: &Memory, twice: Option<&[DecodedTwice]>) -> String {
    let census = checkpoint.census();
    let mut page = Page::default();
    page.line("model", &checkpoint.name);
    shape_lines(&mut page, &checkpoint.spec);
    router_lines(&mut page, &checkpoint.spec);
    gate_lines(&mut page, &checkpoint.spec, &gate_facts(checkpoint));
    size_lines(&mut page, checkpoint, &census);
    token_lines(&mut page, checkpoint);
    memory_lines(&mut page, memory, checkpoint.spec.n_ctx);
    for (row, line) in verify::lines(twice.unwrap_or_default()).iter().enumerate() {
        page.line(if row == 0 { "decoded twice" } else { "" }, line);
    }
    let paging = memory.need.paging_note(&memory.may);
    for note in checkpoint.notes.iter().chain(&paging) {
        page.line("note", note);
    }
    page.0
}

/// What is held at the positions a window has memory for when it opens the model, and whether it may be.
fn memory_lines(page: &mut Page, memory: &Memory, n_ctx: usize) {
    let need = &memory.need;
    let mapped = match need.mapped_bytes {
        0 => String::new(),
        it => format!("; {} of weights read where they lie", gigabytes(it)),
    };
    let n = need.n_positions;
    page.line(
        "memory",
        format!(
            "{} held at {}{mapped}",
            gigabytes(need.held_bytes()),
            count_of(n, "position")
        ),
    );
    for (bytes, words) in need.parts() {
        page.line("", format!("{:>10} {words}", gigabytes(bytes)));
    }
    if let Some(room) = memory.may.own() {
        let fits = need.fits(&memory.may);
        let verdict = if fits { "fits" } else { "does not fit" };
        page.line("", format!("{verdict}: {room}"));
    }
    let thousand = memory.position_bytes.saturating_mul(1000);
    let whole = if n < n_ctx {
        let held = gigabytes(memory.whole_bytes);
        let n_ctx = grouped(n_ctx as u64);
        format!("; the whole context of {n_ctx}: {held} held")
    } else {
        String::new()
    };
    let thousand = gigabytes(thousand);
    page.line("", format!("1,000 positions take {thousand}{whole}"));
}

/// Lines of a name and a value, the values in one column.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name:<20} {}", shown(value));
    }
}

fn shape_lines(page: &mut Page, spec: &ModelSpec) {
    page.line("family", format!("{} ({})", spec.family_label, spec.family));
    for (name, value) in spec.shape_lines() {
        page.line(name, value);
    }
}

fn router_lines(page: &mut Page, spec: &ModelSpec) {
    for (ids, router) in spec.router_kinds() {
        page.line(
            "routers",
            format!(
                "{}: {} experts, {}",
                spec.layers_words(&ids),
                router.n_experts,
                router.rule()
            ),
        );
        page.line("", router.formula());
    }
    for (name, value) in spec.expert_lines() {
        page.line(name, value);
    }
}

/// What the gates alone tell, a line a router.
fn gate_lines(page: &mut Page, spec: &ModelSpec, gates: &[GateFacts]) {
    let mut name = "gates";
    for (router, gate) in spec.routers.iter().zip(gates) {
        let bias = SelectionBias::of(&gate.selection_bias, router.score);
        let bias = bias.map_or(String::new(), |it| format!("; {}", it.words()));
        page.line(
            name,
            format!("{}: {}{bias}", router.label(), gate_words(gate)),
        );
        name = "";
    }
}

/// `row norms 0.81 to 1.32, largest cosine 0.42 (experts 3 and 5)`.
fn gate_words(gate: &GateFacts) -> String {
    let least = gate.norms.iter().copied().reduce(f32::min);
    let most = gate.norms.iter().copied().reduce(f32::max);
    let (Some(least), Some(most)) = (least, most) else {
        return "not read".to_owned();
    };
    let mut out = format!("row norms {least:.3} to {most:.3}");
    if let Some(it) = gate.nearest {
        let words = format!(
            ", largest cosine {:.3} (experts {} and {})",
            it.cosine, it.a, it.b
        );
        out.push_str(&words);
    }
    match gate.n_not_finite {
        0 => out.push_str(", every number finite"),
        n => {
            let words = format!(", {n} numbers NaN or infinite");
            out.push_str(&words);
        }
    }
    out
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
    page.line("numbers", checkpoint.formats.join(", "));
}

fn token_lines(page: &mut Page, checkpoint: &Checkpoint) {
    let Some(codec) = &checkpoint.codec else {
        page.line("tokenizer", "none");
        return;
    };
    page.line("tokenizer", count_of(codec.n_tokens(), "token"));
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

fn memory_json(memory: &Memory, weights_bytes: u64) -> Value {
    let room = memory.may.own();
    let mut out = json!(memory.need);
    out["weights_bytes"] = json!(weights_bytes);
    out["held_bytes"] = json!(memory.need.held_bytes());
    out["position_bytes"] = json!(memory.position_bytes);
    out["available_bytes"] = json!(room.map(|it| it.bytes));
    out["available_by"] = json!(room.map(|it| it.limit));
    out["fits"] = json!(memory.need.fits(&memory.may));
    out
}

fn as_json(checkpoint: &Checkpoint, memory: &Memory) -> Value {
    let (spec, census) = (&checkpoint.spec, checkpoint.census());
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
                "formula": it.formula(),
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
        "dtypes": checkpoint.formats,
        "routers": routers,
        "gates": gate_facts(checkpoint),
        "parameters": census,
        "memory": memory_json(memory, census.total.bytes),
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
        let twice = tour.decoded_twice().unwrap();
        let text = as_text(&tour, &Memory::of(&tour, Allowances::now()), Some(&twice));
        for want in [
            "Mixtral (mixtral)",
            "layers 0-5: 8 experts, softmax, top 2, renormalised",
            "T = top 2 of softmax(z), w = softmax(z) / Σ over T",
            "layer 5: row norms ",
            "largest cosine ",
            "every number finite",
            "0 <|endoftext|>",
            " held at 512 positions\n",
            "of cache at 512 positions",
            "fits: ",
            "1,000 positions take ",
            "decoded twice        ",
            " compared, largest difference 0 ulp\n",
        ] {
            assert!(text.contains(want), "{want} is not in\n{text}");
        }
    }

    /// Lines of a fixture, and what is no part of its page.
    fn check(fixture: &str, wanted: &[&str], unwanted: &str) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures");
        let it = open(&Source::parse(folder.join(fixture).as_os_str())).unwrap();
        let text = as_text(&it, &Memory::of(&it, Allowances::now()), None);
        let squeezed: Vec<String> = text
            .lines()
            .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for want in wanted {
            let found = squeezed.iter().any(|it| it.starts_with(want));
            assert!(found, "{want} is not in\n{text}");
        }
        assert!(!text.contains(unwanted), "{unwanted} is in\n{text}");
    }

    #[test]
    fn layers_that_differ_are_told_apart_and_states_are_counted_by_kind() {
        let qwen = [
            "attention 4 heads, 2 of keys and values, 32 wide, q and k normed per head, gated in layer 3",
            "positions rotary over 8 of 32, base 10000000",
            "states gated delta rule in layers 0-2",
            "gated delta rule ",
            "note the tower for images is not run (",
        ];
        check("qwen3_5_moe", &qwen, "not encoded");
        let nemotron = [
            "attention 4 heads, 2 of keys and values, 16 wide in layer 3",
            "positions not encoded",
            "routers layers 1, 4: 8 experts, sigmoid, top 3, renormalised, × 2.5",
            "Mamba-2 ",
        ];
        check("nemotron_h", &nemotron, "rotary");
        let mellum = [
            "positions rotary, base 10000 in layers 0-1",
            "positions rotary, base 500000 in layer 2",
            "window 8 positions in layers 0-1",
            "note what drafts later tokens is not run (4 tensors)",
        ];
        check("mellum", &mellum, "states");
        check(
            "gpt_oss_mxfp4",
            &["attention 4 heads, 2 of keys and values, 32 wide, sinks"],
            "states",
        );
        check(
            "lfm2_moe",
            &["gated convolution ", "dense layers 0"],
            "delta",
        );
    }

    #[test]
    fn the_json_has_one_entry_a_router() {
        let tour = tour();
        let json = as_json(&tour, &Memory::of(&tour, Allowances::now()));
        assert_eq!(json["routers"].as_array().unwrap().len(), 6);
        assert_eq!(json["routers"][5]["top_k"], 2);
        assert_eq!(json["gates"][5]["norms"].as_array().unwrap().len(), 8);
        assert_eq!(json["gates"][5]["n_not_finite"], 0);
        assert_eq!(json["parameters"]["total"]["parameters"], 7_177_760);
        let memory = &json["memory"];
        assert_eq!(memory["n_positions"], 512);
        assert_eq!(memory["cache_bytes"], 6 * 2 * 5 * 32 * 4 * 512);
        assert_eq!(memory["mapped_bytes"], 0);
        assert_eq!(memory["fits"], true);
        assert!(memory["available_by"].is_string() || memory["available_bytes"].is_null());
    }
}
