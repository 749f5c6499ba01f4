//! Checkpoints that are broken in one way or several, and what `check` says of each; sound ones, of which it says nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use moescope::analysis::{Evidence, findings};
use moescope::checkpoint::{Bundled, Source, open};
use moescope::engine::{Examiner, gate_facts};
use serde_json::Value;
use tempfile::TempDir;

use crate::commands::{ended, program};
use crate::golden::gguf_file::GgufFile;

/// A copy of a model whose tensors can be changed.
pub struct Broken {
    folder: TempDir,
    bytes: Vec<u8>,
    header: Value,
    data: usize,
}

impl Broken {
    /// Of the Tour.
    pub fn tour() -> Self {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
        Self::of(&models.join("tour"))
    }

    /// Of the Tour that was trained without balancing.
    pub fn collapsed() -> Self {
        Self::of(crate::check::collapsed().path())
    }

    /// Of a fixture.
    pub fn fixture(name: &str) -> Self {
        Self::of(&fixtures().join(name))
    }

    fn of(from: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_files(from, folder.path());
        let bytes = fs::read(from.join("model.safetensors")).unwrap();
        let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
        Self {
            folder,
            header,
            data: 8 + n,
            bytes,
        }
    }

    fn place(&self, tensor: &str) -> (std::ops::Range<usize>, usize) {
        let entry = &self.header[tensor];
        assert!(entry.is_object(), "no {tensor}");
        let at = |it: usize| self.data + entry["data_offsets"][it].as_u64().unwrap() as usize;
        let width = match entry["dtype"].as_str().unwrap() {
            "BF16" => 2,
            "F32" => 4,
            other => panic!("{other}"),
        };
        (at(0)..at(1), width)
    }

    /// Columns of a tensor, its last dimension.
    fn cols(&self, tensor: &str) -> usize {
        let shape = self.header[tensor]["shape"].as_array().unwrap();
        shape.last().unwrap().as_u64().unwrap() as usize
    }

    /// Changes every number: `of(index, number)`.
    pub fn set(&mut self, tensor: &str, of: impl Fn(usize, f32) -> f32) -> &mut Self {
        let (range, width) = self.place(tensor);
        for (at, number) in self.bytes[range].chunks_exact_mut(width).enumerate() {
            if width == 2 {
                let bits = u32::from(u16::from_le_bytes(number.try_into().unwrap())) << 16;
                let new = of(at, f32::from_bits(bits)).to_bits() >> 16;
                number.copy_from_slice(&(new as u16).to_le_bytes());
            } else {
                let old = f32::from_le_bytes(number.try_into().unwrap());
                number.copy_from_slice(&of(at, old).to_le_bytes());
            }
        }
        self
    }

    /// Puts the numbers of one tensor in another.
    pub fn copy(&mut self, from: &str, to: &str) -> &mut Self {
        let bytes = self.bytes[self.place(from).0].to_vec();
        let to = self.place(to).0;
        self.bytes[to].copy_from_slice(&bytes);
        self
    }

    /// Half way to another model's numbers, or as far as `part` says.
    fn mix(&mut self, other: &Self, part: f32) -> &mut Self {
        let names: Vec<String> = self.header.as_object().unwrap().keys().cloned().collect();
        for name in names.iter().filter(|it| *it != "__metadata__") {
            let there = other.place(name).0;
            let there: Vec<f32> = other.bytes[there]
                .chunks_exact(2)
                .map(|it| f32::from_bits(u32::from(u16::from_le_bytes([it[0], it[1]])) << 16))
                .collect();
            self.set(name, |at, it| it + part * (there[at] - it));
        }
        self
    }

    /// Copies one expert of a Tour onto another.
    pub fn copy_expert(&mut self, layer: usize, from: usize, to: usize) {
        for part in ["w1", "w2", "w3"] {
            self.copy(&expert(layer, from, part), &expert(layer, to, part));
        }
    }

    /// Writes it to its folder.
    pub fn write(&self) {
        fs::write(self.path().join("model.safetensors"), &self.bytes).unwrap();
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What `check` says of it over so many bytes of each sample: exit status, JSON, stderr.
    fn check(&self, n_bytes: usize) -> (i32, Value, String) {
        self.write();
        let texts = Texts::of(n_bytes);
        let (status, out, log) = texts.check(&[self.arg(), "--json"]);
        (status, serde_json::from_str(&out).unwrap_or_default(), log)
    }

    fn arg(&self) -> &str {
        self.path().to_str().unwrap()
    }
}

/// The beginnings of the samples, each in a file.
struct Texts {
    _folder: TempDir,
    paths: Vec<String>,
}

impl Texts {
    fn of(n_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let samples = moescope::corpus::SAMPLES;
        let paths = samples.iter().map(|(name, text)| {
            let end = (0..=n_bytes.min(text.len()))
                .rev()
                .find(|it| text.is_char_boundary(*it));
            let path = folder.path().join(format!("{name}.txt"));
            fs::write(&path, &text[..end.unwrap()]).unwrap();
            path.to_str().unwrap().to_owned()
        });
        Self {
            paths: paths.collect(),
            _folder: folder,
        }
    }

    /// `check` over them.
    fn check(&self, args: &[&str]) -> (i32, String, String) {
        let texts = ["--text"]
            .into_iter()
            .chain(self.paths.iter().map(String::as_str));
        let all: Vec<&str> = ["check"]
            .into_iter()
            .chain(args.iter().copied())
            .chain(texts)
            .collect();
        moescope(&all)
    }
}

/// Enough to find anything but what takes a judgement on the load.
const FEW: usize = 150;
/// Enough for a verdict: more than 2,000 tokens in all.
const ENOUGH: usize = 1_100;

fn moescope(args: &[&str]) -> (i32, String, String) {
    let (status, out, log) = ended(program().args(args).args(["--device", "cpu"]));
    (status.unwrap(), out, log)
}

/// The files of a folder, into another.
fn copy_files(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let name = file.unwrap().file_name();
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures")
}

fn expert(layer: usize, expert: usize, part: &str) -> String {
    format!("model.layers.{layer}.block_sparse_moe.experts.{expert}.{part}.weight")
}

fn gate(layer: usize) -> String {
    format!("model.layers.{layer}.block_sparse_moe.gate.weight")
}

/// Kind, place and experts of each finding.
fn told(object: &Value) -> Vec<String> {
    let all = object["findings"].as_array().unwrap();
    let of = |it: &Value| {
        let word = |key: &str| it[key].as_str().unwrap().to_owned();
        assert!(
            !word("means").is_empty() && !word("next").is_empty(),
            "{it}"
        );
        format!("{} {} {}", word("kind"), word("place"), it["experts"])
    };
    all.iter().map(of).collect()
}

#[test]
fn no_sound_model_has_anything_found_in_its_weights() {
    let bundled = [Bundled::Tour, Bundled::TourCollapsed].map(Source::Bundled);
    let folders = fs::read_dir(fixtures()).unwrap();
    let folders = folders.map(|it| Source::parse(it.unwrap().path().as_os_str()));
    let mut n = 0;
    for it in bundled
        .into_iter()
        .chain(folders)
        .filter_map(|it| open(&it).ok())
    {
        let examiner = Examiner::new(&it);
        let parts: Vec<_> = (0..examiner.n_parts())
            .map(|at| examiner.part(at))
            .collect();
        let gates = gate_facts(&it);
        let evidence = Evidence {
            gates: &gates,
            weights: &parts,
            ..Evidence::default()
        };
        let found = findings(&it.spec, &evidence);
        assert!(found.is_empty(), "{}: {found:#?}", it.name);
        n += 1;
    }
    assert!(n > 60, "{n}");
}

#[test]
fn a_sound_model_has_no_finding_over_the_samples_however_its_load_lies() {
    for it in [Broken::tour(), Broken::collapsed()] {
        let (_, object, log) = it.check(ENOUGH);
        assert!(object["verdict"].is_string(), "{log}");
        assert_eq!(told(&object), Vec::<String>::new(), "{log}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_named_and_no_load_is_judged() {
    let cols = Broken::tour().cols(&expert(3, 5, "w2"));
    for (tensor, at, value, place) in [
        (
            gate(2),
            4 * 160 + 7,
            f32::NAN,
            "layer 2, expert 4, gate of the router, row 4 (",
        ),
        (
            expert(3, 5, "w2"),
            3 * cols + 1,
            f32::NAN,
            "layer 3, expert 5, down projection, row 3 (",
        ),
        (
            expert(0, 1, "w3"),
            0,
            f32::INFINITY,
            "layer 0, expert 1, up projection, row 0 (",
        ),
        (
            "model.norm.weight".to_owned(),
            2,
            f32::NAN,
            "last norm, row 0 (",
        ),
    ] {
        let mut it = Broken::tour();
        it.set(&tensor, |n, old| if n == at { value } else { old });
        let (status, object, log) = it.check(FEW);
        assert_eq!(status, 1, "{log}");
        assert!(object["verdict"].is_null() && object["report"].is_null());
        assert_eq!(object["findings"].as_array().unwrap().len(), 1, "{object}");
        let finding = &object["findings"][0];
        assert_eq!(finding["kind"], "not_finite");
        let named = format!("{place}{tensor})");
        let evidence = finding["evidence"].as_str().unwrap();
        assert!(evidence.contains(&named), "{evidence}");
        assert!(
            log.contains(&named) && log.contains("No load was judged"),
            "{log}"
        );
        // The run names the same place, and writes nothing.
        let run = [
            "run",
            it.arg(),
            "--prompt",
            "Once upon a time, the fox",
            "-n",
            "40",
        ];
        let (status, out, log) = moescope(&run);
        let is_router = tensor == gate(2);
        let is_rare = tensor == expert(3, 5, "w2") || tensor == expert(0, 1, "w3");
        if !(is_rare && status == 0) {
            assert_eq!(status, if is_router { 2 } else { 3 }, "{out}{log}");
            assert!(log.contains(&named), "{log}");
        }
    }
}

#[test]
fn what_was_broken_is_found_and_nothing_else() {
    let mut copied = Broken::tour();
    copied.copy_expert(3, 2, 5);
    let mut nearly = Broken::tour();
    nearly.copy_expert(1, 0, 7);
    nearly.set(&expert(1, 7, "w1"), |at, it| {
        it * (1.0 + 0.02 * (at as f32).sin())
    });
    let mut silent = Broken::tour();
    silent.set(&expert(4, 6, "w2"), |_, _| 0.0);
    let mut faint = Broken::tour();
    faint.set(&expert(0, 1, "w3"), |_, it| it * 1e-3);
    let mut blind = Broken::tour();
    blind.set(&gate(2), |_, _| 0.0);
    let mut alike = Broken::tour();
    alike.set(&gate(5), |at, _| ((at % 160) as f32).sin());
    // The router reads nothing, though its gate is sound.
    let mut unread = Broken::tour();
    unread.set("model.layers.4.post_attention_layernorm.weight", |_, _| 0.0);
    let mut row = Broken::tour();
    let of_three: Vec<usize> = (3 * 160..4 * 160).collect();
    row.set(
        &gate(1),
        |at, it| if of_three.contains(&at) { 0.0 } else { it },
    );
    let mut biased = Broken::fixture("deepseek_v3");
    biased.set(
        "model.layers.2.mlp.gate.e_score_correction_bias",
        |at, it| {
            if at == 9 { 3.0 } else { it }
        },
    );
    let mut several = Broken::tour();
    several.copy_expert(0, 4, 1);
    several.set(&expert(2, 3, "w2"), |_, _| 0.0);
    several.set(&gate(5), |_, _| 0.0);
    for (it, wanted) in [
        (copied, &["copies layer 3 [2,5]"][..]),
        (nearly, &["copies layer 1 [0,7]"]),
        (silent, &["no_output layer 4 [6]"]),
        (faint, &["no_output layer 0 [1]"]),
        (blind, &["token_independent layer 2 []"]),
        (alike, &["token_independent layer 5 []"]),
        (unread, &["token_independent layer 4 []"]),
        (row, &["empty_gate_row layer 1 [3]"]),
        (biased, &["bias_outlier layer 2 [9]"]),
        (
            several,
            &[
                "copies layer 0 [1,4]",
                "no_output layer 2 [3]",
                "token_independent layer 5 []",
            ],
        ),
    ] {
        let (status, object, log) = it.check(FEW);
        assert_eq!(told(&object), wanted, "{log}");
        assert_eq!(status, 1, "{wanted:?}: {log}");
        let evidence = object["findings"][0]["evidence"].as_str().unwrap();
        assert!(log.contains(evidence), "{log}");
    }
}

/// What `inspect --experts` finds in a model.
fn inspected(model: &Path) -> (i32, Vec<String>, Value) {
    let (status, out, log) =
        ended(program().args(["inspect", model.to_str().unwrap(), "--experts", "--json"]));
    let object: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{log}"));
    (status.unwrap(), told(&object), object)
}

#[test]
fn what_was_broken_in_other_families_is_found_and_nothing_else() {
    let llama_moe = "model.layers.1.mlp.gate.gate_network.0.weight";
    let mut zero = Broken::fixture("llama_moe");
    zero.set(llama_moe, |_, _| 0.0);
    let mut parallel = Broken::fixture("llama_moe");
    parallel.set(llama_moe, |at, _| {
        ((at % 48) as f32).sin() * (1 + at / 48) as f32
    });
    let mut same = Broken::fixture("llama_moe");
    same.set("model.layers.2.mlp.gate.gate_network.2.weight", |at, _| {
        ((at % 8) as f32).cos()
    });
    let mut faint = Broken::fixture("gpt_oss");
    let of_four = |n: usize| move |at: usize, it: f32| if at / n == 4 { 1e-9 * it } else { it };
    faint.set("model.layers.2.mlp.experts.down_proj", of_four(64 * 64));
    faint.set("model.layers.2.mlp.experts.down_proj_bias", of_four(64));
    let bias = "model.layers.1.mlp.gate.e_score_correction_bias";
    let by = |value: f32| move |at: usize, it: f32| if at == 3 { it + value } else { it };
    let mut pushed = Broken::fixture("dots1");
    pushed.set(bias, by(5.0));
    let mut kept_away = Broken::fixture("dots1");
    kept_away.set(bias, by(-5.0));
    let mut none = Broken::fixture("dots1");
    none.set(bias, by(f32::NAN));
    let mut in_attention = Broken::fixture("jetmoe");
    let router = "model.layers.2.self_attention.experts.router.layer.weight";
    let cols = in_attention.cols(router);
    in_attention.set(router, |at, _| ((at % cols) as f32).sin());
    for (it, wanted) in [
        (zero, "token_independent layer 1 []"),
        (parallel, "token_independent layer 1 []"),
        (same, "token_independent layer 2 []"),
        (faint, "no_output layer 2 [4]"),
        (pushed, "bias_outlier layer 1 [3]"),
        (kept_away, "bias_outlier layer 1 [3]"),
        (none, "not_finite layer 1 [3]"),
        (in_attention, "token_independent layer 2 attention []"),
    ] {
        it.write();
        let (status, found, object) = inspected(it.path());
        assert_eq!((status, &*found), (1, &[wanted.to_owned()][..]), "{object}");
    }
}

#[test]
fn what_was_broken_in_a_gguf_file_is_found_and_nothing_else() {
    let file = GgufFile::read(&fixtures().join("gguf_qwen3moe/model.gguf"));
    // Experts are the last dimension, so each is one piece.
    let mut copied = file.clone();
    for part in ["gate", "up", "down"] {
        let tensor = copied
            .tensors
            .get_mut(&format!("blk.1.ffn_{part}_exps.weight"));
        let bytes = &mut tensor.unwrap().bytes;
        let n = bytes.len() / 8;
        bytes.copy_within(..n, 5 * n);
    }
    let mut broken = file.clone();
    let down = broken
        .tensors
        .get_mut("blk.0.ffn_down_exps.weight")
        .unwrap();
    let (rows, cols) = (down.sizes[1] as usize, down.sizes[0] as usize);
    let at = 2 * ((3 * rows + 2) * cols + 7);
    // Infinity in bf16, which these are.
    down.bytes[at..at + 2].copy_from_slice(&[0x80, 0x7f]);
    let mut same = file;
    let gate = same.tensors.get_mut("blk.1.ffn_gate_inp.weight").unwrap();
    let n = gate.bytes.len() / gate.sizes[1] as usize;
    gate.bytes = gate.bytes[..n].repeat(gate.sizes[1] as usize);
    for (file, wanted) in [
        (copied, "copies layer 1 [0,5]"),
        (broken, "not_finite layer 0 [3]"),
        (same, "token_independent layer 1 []"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        file.write(&path);
        let (status, found, object) = inspected(&path);
        assert_eq!((status, &*found), (1, &[wanted.to_owned()][..]), "{object}");
        if wanted.starts_with("not") {
            let evidence = object["findings"][0]["evidence"].as_str().unwrap();
            let place = "infinity in layer 0, expert 3, down projection, row 2 (blk.0.ffn_down_exps.weight)";
            assert!(evidence.contains(place), "{evidence}");
        }
    }
}

#[test]
fn the_text_says_what_it_means_what_to_look_at_and_which_edit_shows_it() {
    let mut it = Broken::tour();
    it.copy_expert(3, 2, 5);
    it.write();
    let (status, out, _) = Texts::of(FEW).check(&[it.arg()]);
    assert_eq!(status, 1);
    assert!(
        out.contains("found beyond the load:\nlayer 3: Experts 2 and 5 of layer 3 are copies"),
        "{out}"
    );
    assert!(out.contains("To see it: --edit swap:3.5>2."), "{out}");
    let (status, plain, _) = moescope(&["run", it.arg(), "--prompt", "The fox", "-n", "20"]);
    assert_eq!(status, 0);
    let swap = [
        "run",
        it.arg(),
        "--prompt",
        "The fox",
        "-n",
        "20",
        "--edit",
        "swap:3.5>2",
    ];
    let (status, swapped, _) = moescope(&swap);
    assert_eq!(
        (status, swapped),
        (0, plain),
        "as the advice says, not a token changes"
    );
}

#[test]
fn a_model_without_a_tokenizer_is_looked_at_all_the_same() {
    let mut it = Broken::fixture("nemotron_h");
    let tensor = it
        .header
        .as_object()
        .unwrap()
        .keys()
        .find(|it| it.contains("experts.3.down_proj"))
        .unwrap()
        .clone();
    it.set(&tensor, |_, _| 0.0);
    it.write();
    let (status, out, log) = Texts::of(FEW).check(&[it.arg()]);
    assert_eq!(status, 1, "{out}{log}");
    assert!(
        log.contains("Expert 3 of layer ") && log.contains("no tokenizer"),
        "{log}"
    );
    let (status, out, _) = Texts::of(FEW).check(&[it.arg(), "--json"]);
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, told(&object).len()), (1, 1), "{object}");
    assert!(object["report"].is_null() && object["verdict"].is_null());
    let sound = Broken::fixture("nemotron_h");
    let (status, _, log) = Texts::of(FEW).check(&[sound.arg()]);
    assert_eq!(status, 2, "{log}");
}

/// Checkpoints on the way from one Tour to the other: how far, and the number of the step, in folders `step-N`.
pub fn steps<const N: usize>(all: [(f32, u32); N]) -> (TempDir, [String; N]) {
    let folder = tempfile::tempdir().unwrap();
    let end = Broken::collapsed();
    let paths = all.map(|(part, step)| {
        let mut it = Broken::tour();
        it.mix(&end, part);
        it.write();
        let to = folder.path().join(format!("step-{step}"));
        fs::create_dir(&to).unwrap();
        copy_files(it.path(), &to);
        to.to_str().unwrap().to_owned()
    });
    (folder, paths)
}

#[test]
fn several_models_make_a_timeline_in_the_order_of_their_numbers() {
    let (_folder, [zero, five, ten]) = steps([(0.0, 0), (0.03, 5), (1.0, 10)]);
    // As a shell lists them.
    let report = tempfile::tempdir().unwrap();
    let report = report.path().join("report.json");
    let args = [&zero, &ten, &five, "--out", report.to_str().unwrap()];
    let (status, out, log) = Texts::of(ENOUGH).check(&args);
    assert_eq!(status, 1, "the last is not even: {out}{log}");
    let places: Vec<usize> = ["step-0 ", "step-5 ", "step-10"]
        .iter()
        .map(|it| out.find(it).unwrap())
        .collect();
    assert!(places.is_sorted(), "{out}");
    assert!(out.contains("left the even band: expert "), "{out}");
    let object: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(object["verdict"], "collapsed");
    let timeline = &object["timeline"];
    assert_eq!(
        timeline["steps"],
        serde_json::json!(["step-0", "step-5", "step-10"])
    );
    let routers = timeline["routers"].as_array().unwrap();
    assert_eq!(routers.len(), 6);
    for router in routers {
        let steps = router["utilisation"].as_array().unwrap();
        assert_eq!(steps.len(), 3);
        for step in steps {
            let sum: f64 = step
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_f64)
                .sum();
            assert!((sum - 8.0).abs() < 1e-9, "times even: {sum}");
        }
        let churn: Vec<f64> = router["churn"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_f64().unwrap())
            .collect();
        assert!(churn[0] < churn[1], "a small step changes less: {churn:?}");
    }
    let left = routers[2]["left"].as_array().unwrap();
    assert!(
        left.iter()
            .any(|it| it["step"] == 2 && it["is_back"] == false),
        "{left:?}"
    );
    let last = object["models"][2]["report"]["n_tokens"].as_u64();
    assert!(
        last > Some(2000),
        "the last model's own report is there too"
    );
}

#[test]
fn two_models_tell_which_experts_moved_and_where_they_part() {
    let mut other = Broken::tour();
    other.set(&gate(3), |at, it| if at < 160 { 1.5 * it } else { it });
    other.write();
    let (status, out, log) = Texts::of(FEW).check(&["tour", other.arg()]);
    assert_eq!(status, 3, "too few for a verdict: {out}{log}");
    assert!(out.contains("part first at layer 3"), "{out}");
    assert!(out.contains("moved most: expert 0 from "), "{out}");
    let same = Broken::tour();
    let (status, out, _) = Texts::of(FEW).check(&["tour", same.arg()]);
    assert_eq!(status, 3, "{out}");
    assert!(out.contains("choose the same everywhere"), "{out}");
}

#[test]
fn models_of_other_shapes_are_no_steps_of_one() {
    let other = Broken::fixture("mixtral");
    let (status, out, log) = Texts::of(FEW).check(&["tour", other.arg()]);
    assert_eq!(status, 2, "{out}{log}");
    assert!(
        log.contains(
            "have routers of different shapes (6 routers of 8 experts, 2 of them picked and "
        ),
        "{log}"
    );
    let args = [
        "check",
        "tour",
        "tour-collapsed",
        "--samples",
        "--edit",
        "mask:3.1",
    ];
    let (status, _, log) = moescope(&args);
    assert_eq!(status, 2);
    assert!(log.contains("a timeline compares several"), "{log}");
}

#[test]
fn under_edits_the_load_and_its_change_are_told_and_no_verdict() {
    let texts = Texts::of(FEW);
    let args = ["tour", "--edit", "mask:3.1"];
    let (status, out, log) = texts.check(&args);
    assert_eq!(status, 3, "{out}{log}");
    assert!(
        out.starts_with("Tour: no verdict: edits are in force"),
        "{out}"
    );
    let line = out.lines().find(|it| it.starts_with("layer 3")).unwrap();
    assert!(line.contains("1: ") && line.contains("→ 0.00"), "{line}");
    let before = out.lines().find(|it| it.starts_with("layer 2")).unwrap();
    assert!(
        before.ends_with("nothing"),
        "a layer below is as it was: {before}"
    );
    assert!(log.contains("no verdict under edits"), "{log}");
    let (_, out, _) = texts.check(&[&args[..], &["--json"]].concat());
    let object: Value = serde_json::from_str(&out).unwrap();
    assert!(object["verdict"].is_null());
    assert_eq!(object["edited"]["routers"][3]["n"][1], 0);
    assert_ne!(object["report"]["routers"][3]["n"][1], 0);
    let (status, _, log) = moescope(&["check", "tour", "--samples", "--edit", "mask:9.1"]);
    assert_eq!(status, 2, "{log}");
}

#[test]
fn json_prints_out_writes_and_a_file_behind_json_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let path = path.to_str().unwrap();
    let (status, out, log) = moescope(&["check", "tour", "--samples", "--json", path]);
    assert_eq!(status, 2, "{out}");
    assert!(
        log.contains("--json prints the report and takes no file; --out "),
        "{log}"
    );
    assert!(!Path::new(path).exists() && out.is_empty());
    let (status, out, _) = Texts::of(FEW).check(&["tour", "--json", "--out", path]);
    assert_eq!(status, 3);
    assert_eq!(fs::read_to_string(path).unwrap(), out);
}

#[test]
fn inspect_reads_experts_where_it_is_asked_to() {
    let inspect = |model: &str, more: &[&str]| {
        let (status, out, log) = ended(program().args(["inspect", model]).args(more));
        (status.unwrap(), out, log)
    };
    let (status, out, _) = inspect("tour", &["--experts"]);
    assert_eq!(status, 0);
    assert!(out.contains("nothing is wrong with their weights"), "{out}");
    let mut it = Broken::tour();
    it.copy_expert(3, 2, 5);
    it.write();
    let (status, _, _) = inspect(it.arg(), &[]);
    assert_eq!(status, 0, "experts are not read unless that is asked for");
    let (status, out, log) = inspect(it.arg(), &["--experts"]);
    assert_eq!(status, 1);
    assert!(
        out.contains("To see it: --edit swap:3.5>2.") && log.contains("are copies"),
        "{out}{log}"
    );
    let (status, out, _) = inspect(it.arg(), &["--experts", "--json"]);
    assert_eq!(status, 1);
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told(&object), ["copies layer 3 [2,5]"]);
}

#[test]
fn eval_takes_a_prompt_as_run_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (prompt, ids) = (path("prompt.st"), path("ids.st"));
    let words = "Once upon a time";
    let (status, out, _) = moescope(&["run", "tour", "--prompt", words, "-n", "1", "--json"]);
    assert_eq!(status, 0);
    let run: Value = serde_json::from_str(&out).unwrap();
    let given = run["prompt_ids"].as_array().unwrap();
    let given: Vec<String> = given.iter().map(ToString::to_string).collect();
    assert!(given.len() > 3, "{run}");
    let (status, _, log) = moescope(&["eval", "tour", "--prompt", words, "--out", &prompt]);
    assert_eq!(status, 0, "{log}");
    let (status, _, _) = moescope(&["eval", "tour", "--ids", &given.join(","), "--out", &ids]);
    assert_eq!(status, 0);
    assert_eq!(fs::read(prompt).unwrap(), fs::read(ids).unwrap());
    let (status, _, log) = moescope(&["eval", "tour", "--out", &path("none.st")]);
    assert_eq!(status, 2);
    assert!(log.contains("--prompt"), "{log}");
}
