//! Quantised weights that are not whole: one sentence with the tensor.

use serde_json::{Value, json};

use super::{
    super::{opened, refused},
    both, layouts,
    layouts::{Gptq, Numbers, f32s},
    of,
};
use crate::tiny::Tiny;

const Q: &str = "model.layers.0.self_attn.q_proj";

fn fp8() -> Tiny {
    let layout = |rng: &mut Numbers, rows, cols| layouts::fp8_blocks(rng, rows, cols, [16, 32]);
    let settings = json!({"quantization_config": {
        "quant_method": "fp8", "weight_block_size": [16, 32]
    }});
    let [it, _] = both(&layout, &settings);
    it
}

fn gptq() -> Tiny {
    let kind = Gptq {
        bits: 4,
        group: 16,
        less: 1,
        is_shuffled: false,
    };
    let layout = move |rng: &mut Numbers, rows, cols| layouts::gptq(rng, rows, cols, kind);
    let settings = json!({"quantization_config": {
        "quant_method": "gptq", "bits": 4, "group_size": 16
    }});
    let [it, _] = both(&layout, &settings);
    it
}

fn check(mut tiny: Tiny, change: impl Fn(&mut Tiny), parts: &[&str]) {
    change(&mut tiny);
    refused(tiny.save().path(), parts);
}

fn set(tiny: &mut Tiny, key: &str, value: impl Into<Value>) {
    tiny.config["quantization_config"][key] = value.into();
}

#[test]
fn a_scale_that_is_missing_or_of_another_shape_is_named() {
    let scale = &format!("{Q}.weight_scale_inv");
    check(
        fp8(),
        |it| drop(it.tensors.remove(scale)),
        &[scale, "is missing", "[2, 1]"],
    );
    check(
        fp8(),
        |it| it.tensors.get_mut(scale).unwrap().shape = vec![1, 2],
        &[scale, "[1, 2]", "[2, 1]"],
    );
    check(
        fp8(),
        |it| it.tensors.get_mut(scale).unwrap().dtype = "I32",
        &[scale, "holds I32 numbers", "F32 or F16 or BF16"],
    );
    let other = |it: &mut Tiny| {
        it.tensors
            .insert(format!("{Q}.weight_scale"), f32s(&[1], &[1.0]));
    };
    check(fp8(), other, &["two scales", scale]);
}

#[test]
fn a_scale_of_nothing_is_refused() {
    let lone = "model.layers.0.mlp.gate.weight_scale_inv";
    let add = |it: &mut Tiny| {
        it.tensors.insert(lone.to_owned(), f32s(&[1, 1], &[1.0]));
    };
    check(fp8(), add, &["1 tensor is not part of", lone]);
}

#[test]
fn biases_of_zeros_are_left_out_and_others_refused() {
    let bias = &format!("{Q}.bias");
    let mut it = gptq();
    it.tensors.insert(bias.clone(), f32s(&[32], &[0.0; 32]));
    let notes = opened(it.save().path()).notes;
    assert!(notes.iter().any(|it| it.contains(bias)), "{notes:?}");
    it.tensors.insert(bias.clone(), f32s(&[32], &[0.5; 32]));
    refused(it.save().path(), &["1 tensor is not part of", bias]);
}

#[test]
fn levels_of_another_shape_are_named() {
    let levels = &format!("{Q}.weight");
    let add = |it: &mut Tiny| {
        let tensor = it.tensors.get_mut(levels).unwrap();
        tensor.shape = vec![64, 16];
    };
    check(fp8(), add, &[levels, "[64, 16]", "[32, 32]"]);
    let words = &format!("{Q}.qweight");
    let turn = |it: &mut Tiny| it.tensors.get_mut(words).unwrap().shape.reverse();
    check(gptq(), turn, &[words, "[32, 4]", "[4, 32]"]);
    for end in ["qzeros", "scales"] {
        let name = &format!("{Q}.{end}");
        check(
            gptq(),
            |it| drop(it.tensors.remove(name)),
            &[name, "is missing"],
        );
    }
    let order = &format!("{Q}.g_idx");
    let cut = |it: &mut Tiny| {
        let tensor = it.tensors.get_mut(order).unwrap();
        tensor.shape = vec![16];
        tensor.bytes.truncate(64);
    };
    check(gptq(), cut, &[order, "[16]", "[32]"]);
}

#[test]
fn zero_points_that_the_config_promises_are_missed_by_name() {
    let made = |symmetric: &[bool]| {
        let layout =
            |rng: &mut Numbers, rows, cols| layouts::packed_int(rng, rows, cols, 4, 16, true);
        let groups = symmetric.iter().enumerate().map(|(i, it)| {
            let group = json!({"weights": {"num_bits": 4, "symmetric": it}});
            (format!("group_{i}"), group)
        });
        let groups: serde_json::Map<String, Value> = groups.collect();
        let [packed, _] = both(
            &layout,
            &json!({"quantization_config": {
                "quant_method": "compressed-tensors", "config_groups": groups
            }}),
        );
        packed
    };
    let zeros = &format!("{Q}.weight_zero_point");
    let without = |it: &mut Tiny| drop(it.tensors.remove(zeros));
    check(made(&[false]), without, &[zeros, "is missing"]);
    // Where some groups have none, each weight's own tensors say it.
    for symmetric in [&[true][..], &[true, false], &[]] {
        let mut it = made(symmetric);
        without(&mut it);
        opened(it.save().path());
    }
}

#[test]
fn settings_that_make_no_sense_are_named() {
    for (value, want) in [
        (json!([128]), "two whole numbers above 0"),
        (json!([0, 128]), "two whole numbers above 0"),
        (json!("128"), "two whole numbers above 0"),
    ] {
        let change = |it: &mut Tiny| set(it, "weight_block_size", value.clone());
        let key = "quantization_config.weight_block_size";
        check(fp8(), change, &[key, want]);
    }
    let change = |it: &mut Tiny| set(it, "group_size", 0);
    check(gptq(), change, &["quantization_config.group_size", "or -1"]);
    let change = |it: &mut Tiny| set(it, "bits", "four");
    check(
        gptq(),
        change,
        &["quantization_config.bits", "whole number"],
    );
    let change = |it: &mut Tiny| {
        it.set("quantization_config", 4);
    };
    check(gptq(), change, &["quantization_config", "an object"]);
}

#[test]
fn other_kinds_of_a_method_are_refused_by_name() {
    for (key, value, want) in [
        ("bits", json!(3), "GPTQ of 3 bits, format gptq"),
        (
            "checkpoint_format",
            json!("marlin"),
            "GPTQ of 4 bits, format marlin",
        ),
        ("quant_method", json!("auto-round"), "auto-round"),
    ] {
        let change = |it: &mut Tiny| set(it, key, value.clone());
        check(gptq(), change, &["quantised by", want, "qweight", "GGUF"]);
    }
    let awq = |it: &mut Tiny| {
        set(it, "quant_method", "awq");
        set(it, "version", "gemv");
    };
    check(gptq(), awq, &["quantised by AWQ of 4 bits, version gemv"]);
    let layout = |rng: &mut Numbers, rows, cols| layouts::mlx(rng, rows, cols, 4, 16);
    let [mut mlx, _] = both(
        &layout,
        &json!({"quantization": {"bits": 3, "group_size": 16}}),
    );
    let weight = &format!("{Q}.weight");
    let tensor = mlx.tensors.get_mut(weight).unwrap();
    tensor.shape = vec![32, 3];
    tensor.bytes.truncate(32 * 3 * 4);
    refused(mlx.save().path(), &[weight, "3.00 bits", "MLX's 4 or 8"]);
    let [mlx, _] = both(
        &layout,
        &json!({"quantization": {"bits": 4, "group_size": 16, "mode": "mxfp6"}}),
    );
    refused(mlx.save().path(), &["quantised by MLX, mode mxfp6"]);
    let [mut mlx, _] = both(
        &layout,
        &json!({"quantization": {"bits": 4, "group_size": 16}}),
    );
    for end in ["scales", "biases"] {
        let name = format!("{Q}.{end}");
        let tensor = mlx.tensors.remove(&name).unwrap();
        refused(mlx.save().path(), &[&name, "is missing"]);
        mlx.tensors.insert(name, tensor);
    }
    // A factor of the whole matrix would be left out.
    let [mut mlx, _] = both(
        &layout,
        &json!({"quantization": {"bits": 4, "group_size": 16}}),
    );
    mlx.tensors
        .insert(format!("{Q}.global_scale"), f32s(&[], &[2.0]));
    refused(mlx.save().path(), &[weight, "MLX with a global_scale"]);
    let said = json!({"quantization": {"bits": 4, "group_size": 32, "mode": "mxfp4"}});
    let [mut mlx, _] = both(&layouts::mlx_mxfp4, &said);
    let scales = mlx.tensors.get_mut(&format!("{Q}.scales")).unwrap();
    scales.shape[1] *= 2;
    scales.bytes = scales.bytes.repeat(2);
    refused(mlx.save().path(), &[weight, "groups of 16", "MLX's mxfp4"]);
    let [quark, _] = both(&layouts::int8, &of("quark"));
    refused(quark.save().path(), &["quantised by quark"]);
}
