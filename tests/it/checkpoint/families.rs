//! Every family opens; tensors that are missing, too many or of the wrong kind of layer are named.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{check, opened};
use crate::tiny::{E, F, FAMILIES, H, Tiny, V};
use moescope::checkpoint::{
    Allowances, LayerSlot, Part, ReadAheadProgress, Slot, cache_bytes_per_position, open,
};
use moescope::spec::LayerId;

#[test]
fn every_family_opens_and_every_tensor_of_it_is_needed() {
    for family in FAMILIES {
        let tiny = Tiny::of(family);
        let it = opened(tiny.save().path());
        assert_eq!(it.spec.family, family);
        let n: usize = tiny.tensors.values().map(|it| it.bytes.len() / 2).sum();
        assert_eq!(it.census().total.parameters, n as u64, "{family}");
        assert_eq!(
            it.notes,
            ["there is no tokenizer.json, so tokens are given by their ids"]
        );
        for name in tiny.tensors.keys().filter(|it| *it != "lm_head.weight") {
            check(
                |it| {
                    it.tensors.remove(name);
                },
                family,
                &[name, "is missing, expected with shape"],
            );
        }
    }
}

#[test]
fn experts_are_what_their_names_say() {
    let tiny = Tiny::of("mixtral");
    let it = opened(tiny.save().path());
    let part = |part| {
        let slot = Slot::Layer(LayerId(1), LayerSlot::Expert(2, part));
        it.weights.get(slot).unwrap().to_f32()
    };
    let file = |name: &str| {
        let name = format!("model.layers.1.block_sparse_moe.experts.2.{name}.weight");
        floats(&tiny.tensors[&name].bytes)
    };
    assert_eq!(part(Part::Gate), file("w1"));
    assert_eq!(part(Part::Up), file("w3"));
    assert_eq!(part(Part::Down), file("w2"));
}

#[test]
fn fused_experts_are_split_where_the_family_says() {
    let tiny = Tiny::of("granitemoeshared");
    let it = opened(tiny.save().path());
    let get = |slot| {
        it.weights
            .get(Slot::Layer(LayerId(0), slot))
            .unwrap()
            .to_f32()
    };
    let file = |name: &str| floats(&tiny.tensors[&format!("model.layers.0.{name}.weight")].bytes);
    let inner = file("block_sparse_moe.input_linear");
    let outer = file("block_sparse_moe.output_linear");
    for e in 0..E {
        let at = e * 2 * F * H;
        assert_eq!(
            get(LayerSlot::Expert(e as u16, Part::Gate)),
            inner[at..at + F * H]
        );
        assert_eq!(
            get(LayerSlot::Expert(e as u16, Part::Up)),
            inner[at + F * H..at + 2 * F * H]
        );
        let down = get(LayerSlot::Expert(e as u16, Part::Down));
        assert_eq!(down, outer[e * H * F..(e + 1) * H * F]);
    }
    let shared = file("shared_mlp.input_linear");
    assert_eq!(get(LayerSlot::Shared(Part::Gate)), shared[..10 * H]);
    assert_eq!(get(LayerSlot::Shared(Part::Up)), shared[10 * H..]);
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let pairs = bytes.chunks_exact(2);
    pairs
        .map(|it| f32::from_bits(u32::from(it[0]) << 16 | u32::from(it[1]) << 24))
        .collect()
}

#[test]
fn biases_are_there_where_a_family_has_them() {
    for family in ["olmoe", "qwen3_moe", "granitemoe"] {
        let mut tiny = Tiny::of(family);
        tiny.set("attention_bias", true);
        for l in 0..2 {
            for (name, n) in [("q", 32), ("k", 16), ("v", 16), ("o", H)] {
                tiny.add(
                    &format!("model.layers.{l}.self_attn.{name}_proj.bias"),
                    &[n],
                );
            }
        }
        let it = opened(tiny.save().path());
        let slot = Slot::Layer(LayerId(1), LayerSlot::OBias);
        assert_eq!(it.weights.get(slot).unwrap().shape(), (1, H));
    }
    let mut tiny = Tiny::of("qwen2_moe");
    tiny.set("qkv_bias", false).without("_proj.bias");
    opened(tiny.save().path());
}

#[test]
fn a_head_that_is_not_there_is_the_embedding() {
    let mut tiny = Tiny::of("mixtral");
    tiny.without("lm_head");
    let it = opened(tiny.save().path());
    assert!(it.spec.head.tied && it.weights.get(Slot::Head).is_none());
    assert!(
        it.notes
            .iter()
            .any(|it| it.contains("embedding serves as the head"))
    );
}

#[test]
fn tensors_of_no_use_are_refused_unless_they_are_known() {
    let mut tiny = Tiny::of("mixtral");
    tiny.add("model.layers.0.self_attn.rotary_emb.inv_freq", &[4]);
    tiny.add("model.layers.2.self_attn.q_proj.weight", &[32, H]);
    tiny.add("model.mtp.0.weight", &[3]);
    for tower in ["visual.blocks.0", "embed_vision", "audio_tower.conv"] {
        tiny.add(&format!("model.{tower}.weight"), &[3]);
    }
    let it = opened(tiny.save().path());
    let want = "the tower for images is not run (2 tensors); the tower for sound is not run (1 tensor); \
                what drafts later tokens is not run (2 tensors); \
                1 tensor is in the file and not used: model.layers.0.self_attn.rotary_emb.inv_freq";
    assert!(it.notes.iter().any(|it| it == want), "{:?}", it.notes);
    let parts = [
        "5 tensors are not part of a Mixtral model",
        "model.x.0, model.x.1, model.x.2, …",
    ];
    let add = |it: &mut Tiny| {
        for n in 0..5 {
            it.add(&format!("model.x.{n}"), &[1]);
        }
    };
    check(add, "mixtral", &parts);
}

#[test]
fn dense_layers_have_dense_tensors() {
    let mut tiny = Tiny::of("qwen3_moe");
    tiny.set("mlp_only_layers", vec![1]);
    let parts = ["layer 1 is a dense layer", "model.layers.1.mlp.gate.weight"];
    let wrong = tiny.clone();
    check(|it| *it = wrong.clone(), "qwen3_moe", &parts);
    tiny.without("layers.1.mlp")
        .add_mlp("model.layers.1.mlp", F);
    let it = opened(tiny.save().path());
    assert_eq!(it.spec.routers.len(), 1);
    tiny.set("mlp_only_layers", json!([]));
    let parts = [
        "layer 1 is an expert layer",
        "model.layers.1.mlp.gate_proj.weight",
    ];
    check(|it| *it = tiny.clone(), "qwen3_moe", &parts);
}

#[test]
fn a_config_of_another_size_names_the_first_tensor_that_differs() {
    let set = |key: &'static str, n: u64| {
        move |it: &mut Tiny| {
            it.set(key, n);
        }
    };
    check(
        set("num_local_experts", 5),
        "mixtral",
        &["gate.weight has shape [4, 32]", "[5, 32]"],
    );
    check(
        set("vocab_size", V as u64 + 1),
        "mixtral",
        &["embed_tokens", "[50, 32]", "[51, 32]"],
    );
    check(
        set("num_hidden_layers", 4096),
        "mixtral",
        &["model.layers.2.", "is missing"],
    );
}

#[test]
fn only_the_chosen_experts_are_active() {
    let it = opened(Tiny::of("mixtral").save().path());
    let census = it.census();
    let experts = (2 * E * 3 * F * H) as u64;
    assert_eq!(census.experts.parameters, experts);
    assert_eq!(
        census.active_parameters,
        census.total.parameters - experts / 2
    );
    let sum: u64 = census.shares().iter().map(|it| it.1.bytes).sum();
    assert_eq!(sum, census.total.bytes);
    assert_eq!(cache_bytes_per_position(&it.spec), 2 * 2 * 2 * 8 * 4);
}

#[test]
fn warming_up_counts_every_byte_once() {
    let folder = Tiny::of("olmoe").save_sharded(3);
    let it = opened(folder.path());
    let mut load = it.warm_up(&Allowances::now());
    let total = load.progress().total_bytes;
    let mut last = 0;
    while !load.progress().is_done() {
        let now = load.step(5000).unwrap().done_bytes;
        assert!(now > last && now <= total);
        last = now;
    }
    let done = ReadAheadProgress {
        done_bytes: total,
        total_bytes: total,
    };
    assert_eq!(load.step(5000).unwrap(), done);
    let ahead = it.warm_up(&Allowances::now()).ahead();
    let end = Instant::now() + Duration::from_secs(20);
    while ahead.progress() != done {
        assert!(Instant::now() < end, "{:?}", ahead.progress());
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn fixtures_open() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures");
    for name in ["mixtral", "qwen2_moe", "granitemoeshared"] {
        let source = moescope::checkpoint::Source::Folder(folder.join(name));
        assert_eq!(open(&source).unwrap().name, name);
    }
}
