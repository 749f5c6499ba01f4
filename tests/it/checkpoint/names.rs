//! Tensors under any of the names that files have for them: the same weights, to the bit.

use serde_json::json;

use super::{check, opened};
use crate::tiny::{E, F, FAMILIES, H, LAYERS, Tensor, Tiny, V};
use moescope::checkpoint::Checkpoint;

/// The same slots hold the same numbers, and nothing was copied.
#[track_caller]
fn assert_same(got: &Checkpoint, want: &Checkpoint, what: &str) {
    assert_eq!(got.spec, want.spec, "{what}");
    assert_eq!(
        got.weights.iter().count(),
        want.weights.iter().count(),
        "{what}"
    );
    for (slot, weight) in want.weights.iter() {
        let got = got
            .weights
            .get(*slot)
            .unwrap_or_else(|| panic!("{what}: no {slot:?}"));
        assert_eq!(got.shape(), weight.shape(), "{what}: {slot:?}");
        assert_eq!(got.to_f32(), weight.to_f32(), "{what}: {slot:?}");
    }
    let mut weights = got.weights.iter();
    assert!(weights.all(|it| it.1.is_aligned()), "{what}");
}

fn rename(tiny: &mut Tiny, change: impl Fn(&str) -> String) {
    let tensors = std::mem::take(&mut tiny.tensors);
    tiny.tensors = tensors
        .into_iter()
        .map(|(name, it)| (change(&name), it))
        .collect();
}

/// Makes three tensors an expert into two for all, under `mlp.experts`, in one layer.
fn fuse_each(tiny: &mut Tiny, layer: usize, names: [&str; 3], experts: &str) {
    let (mut inner, mut outer) = (Vec::new(), Vec::new());
    for e in 0..E {
        let mut take = |name: &str| {
            let name = format!("model.layers.{layer}.{experts}.{e}.{name}.weight");
            tiny.tensors.remove(&name).unwrap().bytes
        };
        let [gate, up, down] = names.map(&mut take);
        inner.extend(gate);
        inner.extend(up);
        outer.extend(down);
    }
    let name = |it: &str| format!("model.layers.{layer}.mlp.experts.{it}");
    let tensor = |shape: [usize; 3], bytes| Tensor {
        dtype: "BF16",
        shape: shape.to_vec(),
        bytes,
    };
    tiny.tensors
        .insert(name("gate_up_proj"), tensor([E, 2 * F, H], inner));
    tiny.tensors
        .insert(name("down_proj"), tensor([E, H, F], outer));
}

/// The names of Transformers 5 in one layer.
fn fuse(tiny: &mut Tiny, family: &str, layer: usize) {
    match family {
        "mixtral" => {
            fuse_each(tiny, layer, ["w1", "w3", "w2"], "block_sparse_moe.experts");
            let old = format!("model.layers.{layer}.block_sparse_moe.gate");
            let new = format!("model.layers.{layer}.mlp.gate");
            rename(tiny, |it| it.replace(&old, &new));
        }
        "granitemoe" | "granitemoeshared" => {
            let start = format!("model.layers.{layer}.block_sparse_moe.");
            let pairs = [
                ("router.layer.weight", "router.weight"),
                ("input_linear.weight", "experts.gate_up_proj"),
                ("output_linear.weight", "experts.down_proj"),
            ];
            rename(tiny, |name| {
                let rest = name.strip_prefix(&start);
                let pair = pairs.iter().find(|it| Some(it.0) == rest);
                pair.map_or(name.to_owned(), |it| format!("{start}{}", it.1))
            });
        }
        _ => fuse_each(
            tiny,
            layer,
            ["gate_proj", "up_proj", "down_proj"],
            "mlp.experts",
        ),
    }
}

#[test]
fn fused_experts_are_the_same_weights_in_every_family() {
    for family in FAMILIES {
        let plain = Tiny::of(family);
        let (folder, mut fused) = (plain.save(), plain.clone());
        let want = opened(folder.path());
        fuse(&mut fused, family, 1);
        let mixed_folder = fused.save_sharded(2);
        let mixed = opened(mixed_folder.path());
        assert_same(&mixed, &want, &format!("{family}, one layer of two"));
        fuse(&mut fused, family, 0);
        let fused_folder = fused.save();
        let got = opened(fused_folder.path());
        assert_same(&got, &want, family);
        assert_eq!(got.notes, want.notes, "{family}");
    }
}

#[test]
fn what_is_missing_is_named_as_the_file_would_name_it() {
    for (family, tensor) in [
        ("mixtral", "mlp.experts.down_proj"),
        ("mixtral", "mlp.experts.gate_up_proj"),
        ("qwen3_moe", "mlp.experts.down_proj"),
        ("granitemoe", "block_sparse_moe.experts.down_proj"),
    ] {
        for layer in 0..LAYERS {
            let name = format!("model.layers.{layer}.{tensor}");
            let is_first = layer == 0 && tensor.ends_with("gate_up_proj");
            let wanted = [name.as_str(), "is missing"];
            // Nothing before the first tensor of experts tells how a file calls them.
            check(
                |it| {
                    (0..LAYERS).for_each(|l| fuse(it, family, l));
                    it.tensors.remove(&name).unwrap();
                },
                family,
                if is_first { &wanted[1..] } else { &wanted },
            );
        }
    }
    check(
        |it| {
            rename(it, |name| name.replace("model.", ""));
            it.tensors.remove("norm.weight");
        },
        "olmoe",
        &["tensor norm.weight is missing"],
    );
}

#[test]
fn shapes_of_fused_experts_are_those_of_the_config() {
    check(
        |it| {
            fuse(it, "qwen3_moe", 0);
            it.set("num_experts", E + 1);
            it.without(".mlp.gate.")
                .add("model.layers.0.mlp.gate.weight", &[E + 1, H]);
        },
        "qwen3_moe",
        &["experts.gate_up_proj has shape [4, 24, 32]", "[5, 24, 32]"],
    );
}

#[test]
fn one_part_under_two_names_is_refused() {
    check(
        |it| {
            it.add("model.layers.1.mlp.gate.weight", &[E, H]);
        },
        "mixtral",
        &[
            "model.layers.1.block_sparse_moe.gate.weight",
            "model.layers.1.mlp.gate.weight",
            "expected one of them",
        ],
    );
    check(
        |it| {
            it.add("model.layers.0.mlp.experts.down_proj", &[E, H, F]);
        },
        "qwen2_moe",
        &[
            "experts.0.down_proj.weight and",
            "experts.down_proj are the same",
        ],
    );
    check(
        |it| {
            it.add("norm.weight", &[H]);
        },
        "olmoe",
        &["model.norm.weight and norm.weight"],
    );
}

#[test]
fn names_may_begin_otherwise() {
    for family in FAMILIES {
        let plain = Tiny::of(family);
        let folder = plain.save();
        let want = opened(folder.path());
        for (body, head) in [
            ("", "lm_head"),
            ("language_model.model.", "language_model.lm_head"),
            ("model.language_model.", "lm_head"),
        ] {
            let mut other = plain.clone();
            rename(&mut other, |name| match name.strip_prefix("model.") {
                Some(it) => format!("{body}{it}"),
                None => name.replace("lm_head", head),
            });
            let folder = other.save();
            assert_same(
                &opened(folder.path()),
                &want,
                &format!("{family} with {body:?}"),
            );
        }
    }
}

#[test]
fn a_shared_expert_of_width_zero_is_none() {
    for (family, key) in [
        ("qwen2_moe", "shared_expert_intermediate_size"),
        ("granitemoeshared", "shared_intermediate_size"),
    ] {
        let mut tiny = Tiny::of(family);
        tiny.set(key, 0).without("shared");
        let bare = opened(tiny.save().path());
        assert!(
            bare.weights
                .iter()
                .all(|(slot, _)| !format!("{slot:?}").contains("Shared"))
        );
        // As Transformers saves them: tensors without a number, and a gate for nothing.
        for l in 0..LAYERS {
            let name = |it: &str| format!("model.layers.{l}.{it}");
            if family == "qwen2_moe" {
                tiny.add_mlp(&name("mlp.shared_expert"), 0);
                tiny.add(&name("mlp.shared_expert_gate.weight"), &[1, H]);
            } else {
                tiny.add(&name("shared_mlp.input_linear.weight"), &[0, H]);
                tiny.add(&name("shared_mlp.output_linear.weight"), &[H, 0]);
            }
        }
        let folder = tiny.save();
        let it = opened(folder.path());
        assert_same(&it, &bare, family);
        assert!(
            it.notes
                .iter()
                .any(|it| it.contains("not used: model.layers.0.")),
            "{:?}",
            it.notes
        );
    }
}

#[test]
fn a_tied_pair_is_what_the_file_has() {
    let embedding = |it: &Checkpoint| {
        let slot = moescope::checkpoint::Slot::Embedding;
        it.weights.get(slot).unwrap().to_f32()
    };
    let head = |it: &Checkpoint| {
        let view = it.weights.get(moescope::checkpoint::Slot::Head)?;
        Some(view.to_f32())
    };
    let note = |it: &Checkpoint, text: &str| {
        assert!(
            it.notes.iter().any(|it| it.contains(text)),
            "{text:?}: {:?}",
            it.notes
        );
    };
    let mut tiny = Tiny::of("qwen3_moe");
    tiny.set("tie_word_embeddings", true);
    let folder = tiny.save();
    let two = opened(folder.path());
    assert!(!two.spec.head.tied);
    assert_ne!(head(&two).unwrap(), embedding(&two));
    note(&two, "the file's head is used");

    let mut equal = tiny.clone();
    let same = equal.tensors["model.embed_tokens.weight"].clone();
    equal.tensors.insert("lm_head.weight".to_owned(), same);
    let folder = equal.save();
    let it = opened(folder.path());
    assert!(it.spec.head.tied && head(&it).is_none());
    note(&it, "stored twice");

    for (gone, text) in [
        ("lm_head", None),
        ("embed_tokens", Some("stored once, as lm_head.weight")),
    ] {
        let mut one = tiny.clone();
        one.without(gone);
        let folder = one.save();
        let it = opened(folder.path());
        assert!(it.spec.head.tied && head(&it).is_none(), "without {gone}");
        let want = if gone == "lm_head" {
            embedding(&two)
        } else {
            head(&two).unwrap()
        };
        assert_eq!(embedding(&it), want, "without {gone}");
        if let Some(text) = text {
            note(&it, text);
        }
    }
    check(
        |it| {
            it.set("tie_word_embeddings", false).without("embed_tokens");
        },
        "qwen3_moe",
        &["embed_tokens.weight is missing"],
    );
    check(
        |it| {
            it.set("tie_word_embeddings", true)
                .add("lm_head.weight", &[V + 1, H]);
        },
        "qwen3_moe",
        &["lm_head.weight has shape [51, 32]", "[50, 32]"],
    );
}

#[test]
fn heads_of_other_tasks_are_noted() {
    let mut tiny = Tiny::of("mixtral");
    tiny.add("v_head.summary.weight", &[1, H])
        .add("v_head.summary.bias", &[1]);
    tiny.add("score.weight", &[2, H]);
    let it = opened(tiny.save().path());
    let want = "3 tensors are in the file and not used: score.weight, v_head.summary.bias, v_head.summary.weight";
    assert!(it.notes.iter().any(|it| it == want), "{:?}", it.notes);
    tiny.without("v_head").without("lm_head");
    let it = opened(tiny.save().path());
    for want in [
        "1 tensor is in the file and not used: score.weight",
        "serves as the head",
    ] {
        assert!(
            it.notes.iter().any(|it| it.contains(want)),
            "{:?}",
            it.notes
        );
    }
    let part = |it: &mut Tiny| {
        it.add("model.layers.0.self_attn.q_norm.weight", &[8]);
    };
    check(
        part,
        "mixtral",
        &["1 tensor is not part of a Mixtral model", "q_norm"],
    );
}

#[test]
fn weights_in_other_formats_are_refused_by_their_name() {
    let router = "model.layers.0.block_sparse_moe.experts.0.w1";
    for (tensor, settings, want) in [
        ("qweight", json!({}), "GPTQ or AWQ, which no quant_method"),
        ("qweight", json!({"quant_method": "exl2"}), "exl2"),
        (
            "weight.absmax",
            json!({"load_in_4bit": true}),
            "bitsandbytes",
        ),
        (
            "weight.quant_state.bitsandbytes__nf4",
            json!({}),
            "bitsandbytes",
        ),
        (
            "SCB",
            json!({"quant_method": "bitsandbytes"}),
            "bitsandbytes",
        ),
        ("W_q", json!({}), "HQQ"),
        ("weight_packed", json!({"quant_method": "quark"}), "quark"),
    ] {
        let change = |it: &mut Tiny| {
            if settings != json!({}) {
                it.set("quantization_config", settings.clone());
            }
            it.tensors.remove(&format!("{router}.weight"));
            it.add(&format!("{router}.{tensor}"), &[4]);
        };
        check(change, "mixtral", &["quantised by", want, router, "GGUF"]);
    }
    let packed = |it: &mut Tiny| {
        it.set("quantization_config", json!({"quant_method": "hqq"}));
        it.tensors.get_mut("lm_head.weight").unwrap().dtype = "I16";
    };
    check(packed, "mixtral", &["quantised by hqq (lm_head.weight)"]);
    let mut plain = Tiny::of("mixtral");
    plain.set(
        "quantization_config",
        json!({"quant_method": "gptq", "bits": 4}),
    );
    let it = opened(plain.save().path());
    assert!(
        it.notes
            .iter()
            .any(|it| it.contains("GPTQ, but they are plain")),
        "{:?}",
        it.notes
    );
}

#[test]
fn an_adapter_is_refused_as_one() {
    let lora = |it: &mut Tiny| {
        rename(it, |name| format!("base_model.model.{name}"));
        it.add(
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
            &[2, H],
        );
    };
    check(
        lora,
        "mixtral",
        &["lora_A", "is part of an adapter", "expected a whole model"],
    );
}
