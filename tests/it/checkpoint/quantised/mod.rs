//! Weights in fewer bits in files of safetensors: each layout gives the logits of the numbers it stands for, and a file
//! that lacks a part of one is refused by it.

#[cfg(feature = "gpu")]
mod device;
mod layouts;
mod refused;
mod writers;

use std::{path::Path, slice};

use moescope::checkpoint::{Checkpoint, Slot};
use moescope::model::Model;
use moescope::ops::Cpu;
use moescope::spec::TokenId;
use serde_json::{Value, json};

use super::opened;
use crate::{
    read::whole,
    tiny::{E, H, LAYERS, Tensor, Tiny, V},
};

use self::layouts::{Gptq, Made, Numbers, f32s};

/// Width of the experts: rows of several groups and whole words.
const F: usize = 64;

/// How a matrix of so many rows and columns is laid out.
type Layout = dyn Fn(&mut Numbers, usize, usize) -> Made;

/// A Qwen3-MoE with wider experts.
fn plain() -> Tiny {
    let mut tiny = Tiny::of("qwen3_moe");
    tiny.set("moe_intermediate_size", F);
    for l in 0..LAYERS {
        for e in 0..E {
            tiny.add_mlp(&format!("model.layers.{l}.mlp.experts.{e}"), F);
        }
    }
    tiny
}

/// The names of its projections, without `.weight`, and their shapes.
fn matrices(tiny: &Tiny) -> Vec<(String, usize, usize)> {
    let named = tiny.tensors.iter().filter_map(|(name, tensor)| {
        let stem = name.strip_suffix(".weight")?;
        let [rows, cols] = tensor.shape[..] else {
            return None;
        };
        stem.ends_with("_proj")
            .then(|| (stem.to_owned(), rows, cols))
    });
    named.collect()
}

/// The model in a layout, and the same with the numbers it stands for.
fn both(layout: &Layout, settings: &Value) -> [Tiny; 2] {
    let (mut packed, mut wide) = (plain(), plain());
    let mut rng = Numbers(7);
    for (stem, rows, cols) in matrices(&plain()) {
        let made = layout(&mut rng, rows, cols);
        packed.tensors.remove(&format!("{stem}.weight"));
        for (end, tensor) in made.parts {
            packed.tensors.insert(format!("{stem}{end}"), tensor);
        }
        let numbers = f32s(&[rows, cols], &made.numbers);
        wide.tensors.insert(format!("{stem}.weight"), numbers);
    }
    for (key, value) in settings.as_object().unwrap() {
        packed.set(key, value.clone());
    }
    [packed, wide]
}

fn tokens() -> Vec<TokenId> {
    (0..40).map(|t| TokenId::new(t * 7 % V)).collect()
}

fn logits(folder: &Path) -> Vec<u32> {
    let it = opened(folder);
    let model = Model::new(it.spec.clone(), &it.weights, Cpu::default()).unwrap();
    let row = whole(model, &tokens());
    assert!(row.logits.iter().all(|it| it.is_finite()));
    row.logits.iter().map(|it| it.to_bits()).collect()
}

/// Every matrix is decoded to the bit, and so are the logits. Returns the model.
fn check_layout(layout: &Layout, settings: &Value, label: &str) -> Checkpoint {
    let [packed, wide] = both(layout, settings).map(|it| it.save());
    let (it, other) = (opened(packed.path()), opened(wide.path()));
    for (slot, view) in it.weights.iter() {
        let wide = other.weights.get(*slot).unwrap();
        assert_eq!(view.shape(), wide.shape(), "{label} {slot:?}");
        assert!(view.to_f32() == wide.to_f32(), "{label} {slot:?}");
    }
    let numbers = logits(packed.path());
    assert!(numbers == logits(wide.path()), "{label}");
    #[cfg(feature = "gpu")]
    device::check(&it, &numbers, label);
    assert_eq!(it.formats[0], label);
    assert_eq!(
        it.census().total.parameters,
        other.census().total.parameters
    );
    it
}

/// Bytes of the tensors of all matrices, but those that are not used.
fn stored_bytes(layout: &Layout) -> u64 {
    let mut rng = Numbers(7);
    let made = matrices(&plain())
        .into_iter()
        .flat_map(|(_, rows, cols)| layout(&mut rng, rows, cols).parts);
    let used = made.filter(|it| it.0 != ".weight_shape");
    used.map(|it| it.1.bytes.len() as u64).sum()
}

fn check(layout: &Layout, settings: &Value, label: &str) {
    let it = check_layout(layout, settings, label);
    let matrices: usize = it
        .weights
        .iter()
        .filter(|(_, view)| view.format_label() == label)
        .map(|(_, view)| view.n_bytes())
        .sum();
    assert_eq!(matrices as u64, stored_bytes(layout), "{label}");
}

fn of(method: &str) -> Value {
    json!({ "quantization_config": { "quant_method": method } })
}

#[test]
fn fp8_in_blocks_is_the_numbers_it_stands_for() {
    for block in [[128, 128], [16, 32], [24, 16], [5, 7]] {
        let settings = json!({"quantization_config": {
            "quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": block
        }});
        let label = format!("fp8 {}×{}", block[0], block[1]);
        let layout =
            move |rng: &mut Numbers, rows, cols| layouts::fp8_blocks(rng, rows, cols, block);
        check(&layout, &settings, &label);
    }
}

/// As Transformers 5 holds them: gate and up of all experts in one tensor, whose blocks are cut at each expert's end.
#[test]
fn fused_experts_in_blocks_are_the_numbers_they_stand_for() {
    const BLOCK: [usize; 2] = [24, 16];
    let (mut packed, mut wide) = (plain(), plain());
    packed.without(".mlp.experts.");
    packed.set(
        "quantization_config",
        json!({"quant_method": "fp8", "weight_block_size": BLOCK}),
    );
    let mut rng = Numbers(5);
    for l in 0..LAYERS {
        let stem = format!("model.layers.{l}.mlp.experts");
        for (fused, parts, rows, cols) in [
            ("gate_up_proj", &["gate", "up"][..], 2 * F, H),
            ("down_proj", &["down"], H, F),
        ] {
            let mut all: Option<Vec<Tensor>> = None;
            for e in 0..E {
                let made = layouts::fp8_blocks(&mut rng, rows, cols, BLOCK);
                let each = made.numbers.len() / parts.len();
                for (part, numbers) in parts.iter().zip(made.numbers.chunks(each)) {
                    let name = format!("{stem}.{e}.{part}_proj.weight");
                    let numbers = f32s(&[rows / parts.len(), cols], numbers);
                    wide.tensors.insert(name, numbers);
                }
                let tensors = made.parts.into_iter().map(|it| it.1);
                all = Some(match all {
                    None => tensors.collect(),
                    Some(all) => all.into_iter().zip(tensors).map(below).collect(),
                });
            }
            for (mut tensor, end) in all.unwrap().into_iter().zip(["", "_scale_inv"]) {
                tensor.shape[0] /= E;
                tensor.shape.insert(0, E);
                packed
                    .tensors
                    .insert(format!("{stem}.{fused}{end}"), tensor);
            }
        }
    }
    let [packed, wide] = [packed, wide].map(|it| it.save());
    assert!(logits(packed.path()) == logits(wide.path()));
    let formats = opened(packed.path()).formats;
    assert!(formats.contains(&"fp8 24×16".to_owned()), "{formats:?}");
}

/// One tensor below another.
fn below((mut it, other): (Tensor, Tensor)) -> Tensor {
    it.shape[0] += other.shape[0];
    it.bytes.extend(other.bytes);
    it
}

#[test]
fn fp8_with_a_scale_for_a_row_or_a_tensor_is_the_numbers_it_stands_for() {
    for method in ["compressed-tensors", "modelopt", "fbgemm_fp8"] {
        check(
            &|rng: &mut Numbers, rows, cols| layouts::fp8_scaled(rng, rows, cols, &[rows, 1]),
            &of(method),
            "fp8 per row",
        );
        check(
            &|rng: &mut Numbers, rows, cols| layouts::fp8_scaled(rng, rows, cols, &[]),
            &of(method),
            "fp8 per tensor",
        );
    }
}

#[test]
fn whole_numbers_of_8_bits_are_the_numbers_they_stand_for() {
    check(&layouts::int8, &of("compressed-tensors"), "int8 per row");
}

#[test]
fn gptq_is_the_numbers_it_stands_for() {
    let settings = |bits: u32, group: i64, format: &str| {
        json!({"quantization_config": {
            "quant_method": "gptq", "bits": bits, "group_size": group, "checkpoint_format": format
        }})
    };
    for (bits, group, format, is_shuffled) in [
        (4, 16, "gptq", false),
        (4, 32, "gptq_v2", false),
        (4, 16, "gptq", true),
        (8, 32, "gptq", true),
        (8, 8, "gptq_v2", false),
    ] {
        let kind = Gptq {
            bits,
            group,
            less: u32::from(format == "gptq"),
            is_shuffled,
        };
        let layout = move |rng: &mut Numbers, rows, cols| layouts::gptq(rng, rows, cols, kind);
        let label = format!("gptq int{bits} by {group}");
        check(&layout, &settings(bits, group as i64, format), &label);
    }
    // One group for all columns.
    let layout = |rng: &mut Numbers, rows, cols| {
        let kind = Gptq {
            bits: 4,
            group: cols,
            less: 1,
            is_shuffled: false,
        };
        layouts::gptq(rng, rows, cols, kind)
    };
    check(&layout, &settings(4, -1, "gptq"), "gptq int4 per row");
}

#[test]
fn awq_is_the_numbers_it_stands_for() {
    for group in [16, 32] {
        let settings = json!({"quantization_config": {
            "quant_method": "awq", "bits": 4, "group_size": group, "version": "gemm"
        }});
        let layout = move |rng: &mut Numbers, rows, cols| layouts::awq(rng, rows, cols, group);
        check(&layout, &settings, &format!("awq int4 by {group}"));
    }
}

#[test]
fn packed_whole_numbers_are_the_numbers_they_stand_for() {
    for (bits, group, has_zeros) in [(4, 16, false), (4, 32, true), (8, 16, true), (8, 32, false)] {
        let layout = move |rng: &mut Numbers, rows, cols| {
            layouts::packed_int(rng, rows, cols, bits, group, has_zeros)
        };
        let it = check_layout(&layout, &of("compressed-tensors"), &int_label(bits, group));
        let noted = it.notes.iter().any(|it| it.contains("weight_shape"));
        assert!(noted, "{:?}", it.notes);
    }
}

/// Rows of 32 in one group of 32 are one group a row, so those of 64 are more.
fn int_label(bits: u32, group: usize) -> String {
    if group == H {
        format!("int{bits} per row")
    } else {
        format!("int{bits} by {group}")
    }
}

#[test]
fn floats_of_4_bits_are_the_numbers_they_stand_for() {
    let modelopt = |rng: &mut Numbers, rows, cols| {
        layouts::nvfp4(rng, rows, cols, [".weight", ".weight_scale_2"], false)
    };
    check(&modelopt, &of("modelopt"), "nvfp4 by 16");
    let compressed = |rng: &mut Numbers, rows, cols| {
        let names = [".weight_packed", ".weight_global_scale"];
        layouts::nvfp4(rng, rows, cols, names, true)
    };
    check(&compressed, &of("compressed-tensors"), "nvfp4 by 16");
    check(
        &layouts::packed_mxfp4,
        &of("compressed-tensors"),
        "mxfp4 by 32",
    );
}

/// As mlx-lm writes it: the experts of a layer in one tensor, routers and embedding too, of other bits.
fn mlx_of(bits: u32, group: usize, mode: Option<&str>) -> [Tiny; 2] {
    let (mut packed, mut wide) = (plain(), plain());
    packed.without(".mlp.experts.").without("_proj.weight");
    let mut said = json!({"bits": bits, "group_size": group});
    if let Some(mode) = mode {
        said["mode"] = mode.into();
    }
    packed.set("quantization", said);
    let mut rng = Numbers(3);
    let is_mxfp4 = |bits| mode.is_some() && bits == 4;
    let mut put = |stem: &str, names: &[String], rows: usize, cols: usize, bits: u32| {
        let made: Vec<Made> = names
            .iter()
            .map(|_| {
                if is_mxfp4(bits) {
                    layouts::mlx_mxfp4(&mut rng, rows, cols)
                } else {
                    layouts::mlx(&mut rng, rows, cols, bits, group)
                }
            })
            .collect();
        for (name, made) in names.iter().zip(&made) {
            let numbers = f32s(&[rows, cols], &made.numbers);
            wide.tensors.insert(format!("{name}.weight"), numbers);
        }
        for part in 0..made[0].parts.len() {
            let mut whole = made[0].parts[part].1.clone();
            if names.len() > 1 {
                whole.shape.insert(0, names.len());
                whole.bytes = made
                    .iter()
                    .flat_map(|it| it.parts[part].1.bytes.clone())
                    .collect();
            }
            let name = format!("{stem}{}", made[0].parts[part].0);
            packed.tensors.insert(name, whole);
        }
    };
    for l in 0..LAYERS {
        let name = |it: &str| format!("model.layers.{l}.{it}");
        for (it, rows, cols) in [("gate", F, H), ("up", F, H), ("down", H, F)] {
            let of_expert = |e| name(&format!("mlp.experts.{e}.{it}_proj"));
            let experts: Vec<String> = (0..E).map(of_expert).collect();
            let stem = name(&format!("mlp.switch_mlp.{it}_proj"));
            put(&stem, &experts, rows, cols, bits);
        }
        put(&name("mlp.gate"), &[name("mlp.gate")], E, H, 8);
        for (it, rows) in [("q", 32), ("k", 16), ("v", 16), ("o", H)] {
            let name = name(&format!("self_attn.{it}_proj"));
            put(&name, slice::from_ref(&name), rows, 32, bits);
        }
    }
    let name = "model.embed_tokens".to_owned();
    put(&name, slice::from_ref(&name), V, H, bits);
    [packed, wide]
}

#[test]
fn what_mlx_writes_is_the_numbers_it_stands_for() {
    for (bits, group, mode) in [
        (4, 32, None),
        (4, 16, None),
        (8, 32, None),
        (4, 32, Some("mxfp4")),
    ] {
        let [packed, wide] = mlx_of(bits, group, mode).map(|it| it.save());
        let it = opened(packed.path());
        let numbers = logits(packed.path());
        assert!(numbers == logits(wide.path()), "{bits} {group}");
        #[cfg(feature = "gpu")]
        device::check(&it, &numbers, &it.formats[0]);
        let usual = format!("mlx int{bits}");
        let name = mode.map_or(usual, |it| format!("mlx {it}"));
        assert_eq!(it.formats[0], format!("{name} by {group}"));
        assert!(it.formats.contains(&format!("mlx int8 by {group}")));
        let embedding = it.weights.get(Slot::Embedding).unwrap();
        assert_eq!(embedding.shape(), (V, H));
    }
}

/// Another tensor of that kind and shape, of numbers that are finite.
fn other(name: &str, tensor: &Tensor) -> Tensor {
    let mut it = tensor.clone();
    if name.ends_with("g_idx") {
        let half = it.bytes.len() / 2;
        it.bytes.rotate_left(half);
    } else if it.dtype == "F32" {
        for number in it.bytes.as_chunks_mut::<4>().0 {
            *number = (f32::from_le_bytes(*number) * 1.5).to_le_bytes();
        }
    } else {
        // The lower byte alone of 16-bit floats: their exponents stay.
        let step = if tensor.dtype.ends_with("F16") { 2 } else { 1 };
        it.bytes.iter_mut().step_by(step).for_each(|it| *it ^= 0x11);
    }
    it
}

#[test]
fn every_tensor_of_a_weight_is_read() {
    let gptq = Gptq {
        bits: 4,
        group: 16,
        less: 1,
        is_shuffled: false,
    };
    let layouts: [(&Layout, Value, &[&str]); 6] = [
        (
            &|rng, rows, cols| layouts::fp8_blocks(rng, rows, cols, [16, 32]),
            json!({"quant_method": "fp8", "weight_block_size": [16, 32]}),
            &[],
        ),
        (
            &move |rng, rows, cols| layouts::gptq(rng, rows, cols, gptq),
            json!({"quant_method": "gptq", "group_size": 16}),
            &[],
        ),
        (
            &|rng, rows, cols| layouts::awq(rng, rows, cols, 16),
            json!({"quant_method": "awq", "group_size": 16}),
            &[],
        ),
        (
            &|rng, rows, cols| layouts::packed_int(rng, rows, cols, 4, 16, true),
            json!({"quant_method": "compressed-tensors"}),
            // The config and the other tensors tell it.
            &["weight_shape"],
        ),
        (
            &|rng, rows, cols| {
                layouts::nvfp4(rng, rows, cols, [".weight", ".weight_scale_2"], false)
            },
            json!({"quant_method": "modelopt"}),
            &[],
        ),
        (
            &|rng, rows, cols| layouts::mlx(rng, rows, cols, 4, 16),
            json!({"quant_method": "mlx"}),
            &[],
        ),
    ];
    for (layout, settings, exceptions) in layouts {
        let [it, _] = both(layout, &json!({ "quantization_config": settings }));
        let before = logits(it.save().path());
        let some = ["layers.0.self_attn.v_proj", "layers.1.mlp.experts.2.down"];
        let names = it.tensors.keys();
        let names = names.filter(|name| some.iter().any(|some| name.contains(some)));
        for name in names {
            let mut changed = it.clone();
            changed
                .tensors
                .insert(name.clone(), other(name, &it.tensors[name]));
            let is_read = logits(changed.save().path()) != before;
            let is_exception = exceptions.iter().any(|it| name.ends_with(it));
            assert_eq!(is_read, !is_exception, "{name} {settings}");
        }
    }
}

#[test]
fn a_note_says_that_activations_are_not_rounded() {
    let layout = |rng: &mut Numbers, rows, cols| layouts::fp8_blocks(rng, rows, cols, [128, 128]);
    let settings = json!({"quantization_config": {
        "quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128],
        "modules_to_not_convert": ["lm_head"]
    }});
    let [mut packed, _] = both(&layout, &settings);
    let it = opened(packed.save().path());
    assert!(
        it.notes
            .iter()
            .any(|it| it.contains("activations stay f32")),
        "{:?}",
        it.notes
    );
    let scale = "model.layers.0.self_attn.q_proj.input_scale";
    packed.tensors.insert(scale.to_owned(), f32s(&[], &[1.0]));
    let it = opened(packed.save().path());
    assert!(
        it.notes.iter().any(|it| it.contains(scale)),
        "{:?}",
        it.notes
    );
}
