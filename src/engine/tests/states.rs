//! The engine on models whose layers fold positions into a state, which can be cut only where copies are kept: the rows
//! of the window equal, to the bit, what the model says one token at a time, however they came about.

use std::path::PathBuf;

use super::watch::{Watch, World, experiment};
use crate::checkpoint::{self, Source};
use crate::engine::{Extent, ModelOpener, ModelSource, Options, open_backend};
use crate::spec::{Experiment, Placement};

pub fn opened(name: &str) -> Watch {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/fixtures")
        .join(name);
    let checkpoint = checkpoint::open(&Source::Folder(folder.clone())).unwrap();
    let world = World {
        spec: checkpoint.spec.clone(),
        n_ctx: checkpoint.spec.n_ctx,
        eos: checkpoint.eos.clone(),
        backend: Box::new(move || {
            let extent = Extent::first_pages(&checkpoint.spec);
            let opened = open_backend(&checkpoint, Placement::default(), extent);
            opened.unwrap().0
        }),
    };
    let opener = Box::new(ModelOpener {
        tells_series: true,
        ..ModelOpener::default()
    });
    Watch::opened(world, opener, Options::default(), ModelSource::Path(folder))
}

/// A prompt behind several places at which states are kept, and not at one of them.
fn shown(edits: &[&str]) -> Experiment {
    let ids: Vec<u32> = (0..103).map(|it| 20 + it * 37 % 300).collect();
    experiment(&ids, 1, edits)
}

fn check(name: &str) {
    let mut it = opened(name);
    let layer = it.world.spec.routers[1].place.layer;
    let plain = shown(&[]);
    it.show(&plain);
    it.play(6);
    it.check();
    // In the prompt near a copy, far behind one, before the first; then in what was written.
    for at in [64, 95, 40, 10, 105] {
        let edit = format!("mask:{layer}.5@{at}..");
        let edited = shown(&[&edit]);
        it.show(&edited);
        it.check();
        it.play(3);
        it.check();
        it.show(&plain);
        it.check();
        it.show(&edited);
        it.check();
    }
}

#[test]
fn edits_anywhere_are_what_a_model_of_delta_rules_says() {
    check("qwen3_next");
}

#[test]
fn edits_anywhere_are_what_a_model_of_selective_state_spaces_says() {
    check("nemotron_h");
    check("gguf_jamba");
}

#[test]
fn edits_anywhere_are_what_a_model_of_gated_convolutions_says() {
    check("lfm2_moe");
}

/// A source and a text behind it: edits of either, in any order, and sources that begin alike.
#[test]
fn edits_anywhere_are_what_a_model_of_two_stacks_says() {
    let mut it = opened("switch");
    let source: Vec<u32> = (0..40).map(|it| 20 + it * 37 % 300).collect();
    let given = |n: usize, text: &[u32]| [&source[..n], &[0], text].concat();
    let plain = |n| experiment(&given(n, &[17, 250, 33]), 1, &[]);
    it.show(&plain(40));
    it.play(6);
    it.check();
    for edits in [
        &["mask:dec.1.4@2.."][..],
        &["mask:enc.1.3@10.."],
        &["mask:enc.1.3@10..", "bias:dec.3.2=4@5.."],
        &["zero:dec.1.4@..3", "force:enc.3.6@39.."],
        // Beyond the end of the source: nothing.
        &["mask:enc.1.3@40.."],
    ] {
        let edited = experiment(&given(40, &[17, 250, 33]), 1, edits);
        it.show(&edited);
        it.check();
        it.play(3);
        it.check();
        it.show(&plain(40));
        it.check();
        it.show(&edited);
        it.check();
    }
    // Part of the first source, and all of it with more behind.
    for n in [39, 12, 40] {
        it.show(&plain(n));
        it.check();
    }
    let longer = experiment(&[&source[..], &[7, 0, 17]].concat(), 1, &[]);
    it.show(&longer);
    it.check();
}

#[test]
fn a_prompt_without_a_source_or_a_text_is_refused() {
    let mut it = opened("switch");
    for ids in [&[20, 30][..], &[0, 20]] {
        let asked = experiment(ids, 1, &[]);
        let why = it.refused(crate::engine::Request::SetExperiment(Box::new(asked)));
        assert!(why.contains("give a source"), "{why}");
    }
}
