//! What holds of every edit, on the two models that read something else than one text: a source and a text, and a series.

use super::*;

/// Stepwise under some edits.
fn under(name: &str, edits: &[&str]) -> Arrays {
    let expected = read(&fixture(name).join("expected.safetensors"));
    let edits: Vec<String> = edits.iter().map(|it| (*it).to_owned()).collect();
    eval(&fixture(name), &expected, &edits, "cpu", &["--stepwise"])
}

/// The first `n` rows of an array.
fn rows(array: &Array, n: usize) -> Vec<u64> {
    let (Array::Numbers(shape, _) | Array::Ids(shape, _)) = array;
    let n = n * shape[1..].iter().product::<usize>();
    match array {
        Array::Numbers(_, it) => it[..n].iter().map(|it| u64::from(it.to_bits())).collect(),
        Array::Ids(_, it) => it[..n].iter().map(|it| it.cast_unsigned()).collect(),
    }
}

fn ids<'a>(arrays: &'a Arrays, name: &str) -> &'a [i64] {
    match &arrays[name] {
        Array::Ids(_, it) => it,
        Array::Numbers(..) => panic!("{name} holds numbers"),
    }
}

/// Bit for bit, in every array of some names. Returns what there is without the edit, and with it.
fn assert_same_before(
    name: &str,
    edit: &str,
    at: usize,
    is_of: impl Fn(&str) -> bool,
) -> [Arrays; 2] {
    let (plain, edited) = (under(name, &[]), under(name, &[edit]));
    for (key, array) in plain.iter().filter(|it| is_of(it.0)) {
        assert_eq!(
            rows(array, at),
            rows(&edited[key], at),
            "{key} under {edit}"
        );
    }
    assert_ne!(plain, edited, "{edit} changes something");
    [plain, edited]
}

#[test]
fn an_edit_of_a_forecast_changes_nothing_before_its_position() {
    for edit in ["mask:0.1@20..", "bias:1.3=4@20..", "uniform:*@20.."] {
        assert_same_before("time_moe", edit, 20, |_| true);
    }
    // More places in every row of a choice, some of them empty.
    let is_said = |it: &str| !it.starts_with("topk");
    assert_same_before("time_moe", "k:*=3@20..", 20, is_said);
}

#[test]
fn an_edit_of_the_decoder_changes_nothing_of_the_source_nor_of_the_text_before_it() {
    for edit in [
        "mask:dec.1.4@5..",
        "bias:dec.3.2=6@5..",
        "zero:dec.1.4@5..9",
    ] {
        let is_text = |it: &str| !it.contains("encoder");
        let [plain, edited] = assert_same_before("switch", edit, 5, is_text);
        for (key, array) in plain.iter().filter(|it| it.0.contains("encoder")) {
            assert_eq!(array, &edited[key], "{key} under {edit}");
        }
    }
}

/// Every token of a source sees all others, so its last one reaches the text's first.
#[test]
fn an_edit_of_the_encoder_reaches_the_whole_text() {
    let (plain, edited) = (
        under("switch", &[]),
        under("switch", &["mask:enc.1.2@23.."]),
    );
    assert_ne!(rows(&plain["logits"], 1), rows(&edited["logits"], 1));
    let before = "router_logits.encoder.1";
    assert_eq!(
        plain[before], edited[before],
        "the router itself reads what it read"
    );
}

#[test]
fn a_masked_expert_is_never_chosen_and_a_forced_one_always() {
    let masked = under("switch", &["mask:*.3"]);
    for place in ["encoder.1", "encoder.3", "decoder.1", "decoder.3"] {
        assert!(!ids(&masked, &format!("expert.{place}")).contains(&3));
    }
    let forced = under("time_moe", &["force:*.5"]);
    for layer in 0..3 {
        let chosen = ids(&forced, &format!("topk_ids.{layer}"));
        assert!(chosen.chunks(2).all(|it| it.contains(&5)));
    }
}

/// The first four tokens of a sequence, as its capacity says; the others pass it by.
#[test]
fn an_expert_that_is_forced_everywhere_takes_as_many_tokens_as_it_may() {
    let forced = under("switch", &["force:enc.1.6", "force:dec.3.2"]);
    for (place, expert) in [("encoder.1", 6), ("decoder.3", 2)] {
        let chosen = ids(&forced, &format!("expert.{place}"));
        assert_eq!(chosen[..4], [expert; 4]);
        assert!(chosen[4..].iter().all(|it| *it == -1), "{chosen:?}");
    }
}

#[test]
fn edits_that_take_each_other_back_leave_every_bit() {
    for (name, edits) in [
        ("switch", ["bias:enc.1.3=2", "bias:enc.1.3=-2"]),
        ("time_moe", ["bias:0.3=2", "bias:0.3=-2"]),
    ] {
        assert_eq!(under(name, &[]), under(name, &edits), "{name}");
    }
}

/// The rows of `run` and the numbers of `eval` are of one model: the likeliest token after the likeliest token.
#[test]
fn a_text_is_written_behind_its_source_as_it_is_evaluated() {
    let model = fixture("switch");
    let model = model.to_str().unwrap();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("out.safetensors");
    let source = "174,32,323,40,269,326,1";
    for edits in [
        &[][..],
        &["--edit", "mask:enc.1.3", "--edit", "mask:dec.3.1"],
    ] {
        let eval = [
            "eval", model, "--ids", source, "--greedy", "9", "--device", "cpu",
        ];
        let to = ["--out", file.to_str().unwrap()];
        let said = moescope(&[&eval[..], &to, edits].concat());
        assert!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        let run = [
            "run", model, "--ids", source, "-n", "9", "--temp", "0", "--json",
        ];
        let said = moescope(&[&run[..], &["--device", "cpu"], edits].concat());
        assert!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        let tokens: Vec<i64> = serde_json::from_value(said["tokens"].clone()).unwrap();
        let n_given = said["prompt_ids"].as_array().unwrap().len();
        assert_eq!(
            n_given, 8,
            "the source, and the token that a text starts with"
        );
        // A text ends where the model ends it.
        assert!(!tokens.is_empty());
        assert_eq!(tokens, ids(&read(&file), "greedy_ids")[..tokens.len()]);
    }
}

#[test]
fn what_a_model_of_two_stacks_or_a_series_cannot_take_is_said() {
    let (switch, series) = (fixture("switch"), fixture("time_moe"));
    let [switch, series] = [&switch, &series].map(|it| it.to_str().unwrap());
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("out");
    let file = file.to_str().unwrap();
    for (args, word) in [
        (
            vec!["eval", switch, "--series", "1,2", "--out", file],
            "reads tokens",
        ),
        (
            vec!["eval", series, "--ids", "1,2", "--out", file],
            "reads a time series",
        ),
        (
            vec!["eval", series, "--series", "1,NaN", "--out", file],
            "no finite number",
        ),
        (
            vec!["eval", series, "--series", "1,x", "--out", file],
            "\"x\" is no number",
        ),
        (vec!["run", series, "--ids", "1,2"], "run --series FILE"),
        (
            vec![
                "eval",
                switch,
                "--ids",
                "5",
                "--edit",
                "mask:enc.0.3",
                "--out",
                file,
            ],
            "layer",
        ),
    ] {
        let said = moescope(&args);
        let text = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(word), "{args:?}: {text}");
        assert!(!Path::new(file).exists(), "{args:?} left a file");
    }
}
