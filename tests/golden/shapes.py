#!/usr/bin/env python3
"""Writes `shapes/NAME`: tiny checkpoints of Switch Transformer and Time-MoE in shapes that the fixtures do not have, with random
weights, and what the forward of `edits.py` says of them.

    python3 tests/golden/shapes.py

That forward is held against Transformers' numbers on the fixture of each family before it computes anything here.
Keys of `expected.safetensors` are those of the fixtures; `greedy_series [16]` is continued by the longest horizon that fits.
"""

import json
import math
import pathlib
import random

import edits

SHAPES = pathlib.Path(__file__).parent / "shapes"

SWITCH = {
    "model_type": "switch_transformers", "decoder_start_token_id": 0, "dense_act_fn": "relu", "eos_token_id": 1, "is_encoder_decoder": True,
    "layer_norm_epsilon": 1e-6, "pad_token_id": 0, "router_bias": False, "router_dtype": "float32", "tie_word_embeddings": True,
}
TIME = {"model_type": "time_moe", "hidden_act": "silu", "input_size": 1, "rms_norm_eps": 1e-6, "use_dense": False, "max_position_embeddings": 4096}

# What differs from the fixture: (settings, length of the source or series, length of the text).
ALL = {
    # Every layer of the encoder sparse, one of two in the decoder; heads wider together than the model; a head of its own; capacity 1.
    "switch_every_layer": ({**SWITCH, "num_layers": 3, "num_sparse_encoder_layers": 3, "num_decoder_layers": 2, "num_sparse_decoder_layers": 1,
        "num_heads": 3, "d_kv": 8, "d_model": 20, "d_ff": 28, "num_experts": 5, "expert_capacity": 1, "vocab_size": 40,
        "tie_word_embeddings": False, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 12}, 23, 9),
    # Steps of three and two, five layers and six; heads narrower together than the model; a source of one token; a bias on the gate.
    "switch_one_token": ({**SWITCH, "num_layers": 6, "num_sparse_encoder_layers": 2, "num_decoder_layers": 5, "num_sparse_decoder_layers": 2,
        "num_heads": 2, "d_kv": 4, "d_model": 12, "d_ff": 16, "num_experts": 3, "expert_capacity": 2, "vocab_size": 30, "router_bias": True,
        "dense_act_fn": "gelu_new", "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}, 1, 12),
    # No sparse layer asked for in the decoder, which Transformers gives one all the same; a source longer than any distance has a
    # bucket of its own; more experts than tokens an expert may take.
    "switch_long_source": ({**SWITCH, "num_layers": 2, "num_sparse_encoder_layers": 1, "num_decoder_layers": 3, "num_sparse_decoder_layers": 0,
        "num_heads": 1, "d_kv": 16, "d_model": 16, "d_ff": 12, "num_experts": 7, "expert_capacity": 8, "vocab_size": 30, "dense_act_fn": "silu",
        "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20}, 90, 30),
    # Three of five experts, heads that share keys, one horizon, two points.
    "time_moe_two_points": ({**TIME, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2, "num_experts": 5,
        "num_experts_per_tok": 3, "intermediate_size": 22, "horizon_lengths": [1], "rope_theta": 10000}, 2, 0),
    # One of two experts, a layer, four horizons of which the longest fits no forecast of 16; a long series.
    "time_moe_long_series": ({**TIME, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "num_experts": 2,
        "num_experts_per_tok": 1, "intermediate_size": 12, "horizon_lengths": [1, 3, 7, 64], "rope_theta": 500}, 150, 0),
    # Every expert for every point.
    "time_moe_all_experts": ({**TIME, "hidden_size": 12, "num_hidden_layers": 3, "num_attention_heads": 3, "num_key_value_heads": 1, "num_experts": 4,
        "num_experts_per_tok": 4, "intermediate_size": 20, "horizon_lengths": [1, 2, 5, 8, 16], "rope_theta": 10000}, 1, 0),
}


def switch_tensors(c):
    """Names and shapes."""
    d, inner, f, n = c["d_model"], c["num_heads"] * c["d_kv"], c["d_ff"], c["num_experts"]
    out = {"shared.weight": [c["vocab_size"], d]}
    if not c["tie_word_embeddings"]:
        out["lm_head.weight"] = [c["vocab_size"], d]
    for stack, layers, sparse in (("encoder", "num_layers", "num_sparse_encoder_layers"), ("decoder", "num_decoder_layers", "num_sparse_decoder_layers")):
        step = c[layers] // (c[sparse] or 1)
        out[f"{stack}.final_layer_norm.weight"] = [d]
        for l in range(c[layers]):
            at = f"{stack}.block.{l}.layer."
            attention = ["0.SelfAttention"] + (["1.EncDecAttention"] if stack == "decoder" else [])
            for name in attention:
                out[f"{at}{name[0]}.layer_norm.weight"] = [d]
                out |= {f"{at}{name}.{it}.weight": [inner, d] for it in "qkv"}
                out[f"{at}{name}.o.weight"] = [d, inner]
            if l == 0:
                out[f"{at}0.SelfAttention.relative_attention_bias.weight"] = [c["relative_attention_num_buckets"], c["num_heads"]]
            at = f"{at}{len(attention)}."
            out[at + "layer_norm.weight"] = [d]
            if step == 1 or l % step == 1:
                out[at + "mlp.router.classifier.weight"] = [n, d]
                if c["router_bias"]:
                    out[at + "mlp.router.classifier.bias"] = [n]
                for e in range(n):
                    out |= {f"{at}mlp.experts.expert_{e}.wi.weight": [f, d], f"{at}mlp.experts.expert_{e}.wo.weight": [d, f]}
            else:
                out |= {at + "mlp.wi.weight": [f, d], at + "mlp.wo.weight": [d, f]}
    return out


def time_tensors(c):
    """Names and shapes."""
    d, f, k = c["hidden_size"], c["intermediate_size"], c["num_experts_per_tok"]
    wide = d // c["num_attention_heads"] * c["num_key_value_heads"]
    network = lambda at, f: {f"{at}.gate_proj.weight": [f, d], f"{at}.up_proj.weight": [f, d], f"{at}.down_proj.weight": [d, f]}
    out = {f"model.embed_layer.{it}_layer.weight": [d, 1] for it in ("emb", "gate")} | {"model.norm.weight": [d]}
    out |= {f"lm_heads.{i}.out_layer.weight": [n, d] for i, n in enumerate(c["horizon_lengths"])}
    for l in range(c["num_hidden_layers"]):
        at = f"model.layers.{l}."
        out |= {at + "input_layernorm.weight": [d], at + "post_attention_layernorm.weight": [d]}
        for name, rows in (("q", d), ("k", wide), ("v", wide)):
            out |= {f"{at}self_attn.{name}_proj.weight": [rows, d], f"{at}self_attn.{name}_proj.bias": [rows]}
        out |= {at + "self_attn.o_proj.weight": [d, d], at + "ffn_layer.gate.weight": [c["num_experts"], d], at + "ffn_layer.shared_expert_gate.weight": [1, d]}
        out |= network(at + "ffn_layer.shared_expert", f)
        for e in range(c["num_experts"]):
            out |= network(f"{at}ffn_layer.experts.{e}", f // k)
    return out


def drawn(name, shape, rng):
    """Norms near 1, all else so wide that what comes of it is as wide as what goes in."""
    n = math.prod(shape)
    if "norm" in name:
        return [rng.uniform(0.6, 1.4) for _ in range(n)]
    width = 1.0 if "embed_layer" in name or "shared.weight" == name or "relative" in name else (3.0 if "router" in name or ".gate.weight" in name else 1.0) / math.sqrt(shape[-1])
    return [rng.gauss(0, width) for _ in range(n)]


def make(name):
    config, n, n_text = ALL[name]
    folder, rng = SHAPES / name, random.Random(name)
    folder.mkdir(parents=True, exist_ok=True)
    is_switch = config["model_type"] == "switch_transformers"
    tensors = (switch_tensors if is_switch else time_tensors)(config)
    edits.write(folder / "model.safetensors", {it: (shape, drawn(it, shape, rng)) for it, shape in tensors.items()})
    weights = edits.Weights(folder, edits.FAMILIES[config["model_type"]].prefix)
    for _ in range(50):
        if is_switch:
            ids = lambda n: [rng.randrange(2, config["vocab_size"]) for _ in range(n)]
            given = ids(n), [0] + ids(n_text - 1)
            out = {"input_ids": ([1, n], given[0]), "decoder_input_ids": ([1, n_text], given[1])}
        else:
            series = [math.sin(it * 0.4) + rng.gauss(0, 0.5) for it in range(n)]
            series = list(edits.array.array("f", series))
            given, out = ([], series), {"series": ([n], series)}
        said, routers, margin = edits.run(weights, config, given, [])
        if margin > edits.MARGIN:
            break
    else:
        raise AssertionError(f"{name}: a choice hangs on {margin:.2g}")
    out |= {key: edits.flat(rows) for key, rows in said.items()}
    if is_switch:
        lost = sum(len(it) for router in routers.values() for it in router.dropped)
        print(f"{name}: {len(routers)} routers, {lost} dropped")
    else:
        out["greedy_series"] = ([16], continued(weights, config, given[1]))
        print(f"{name}: {len(routers)} routers")
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    edits.write(folder / "expected.safetensors", out)


def continued(weights, config, series):
    """16 points by the longest horizon that fits, read in turn."""
    model = edits.FAMILIES[config["model_type"]](config, weights)
    heads = [model.step(it, []) for it in series][-1]
    out = []
    while len(out) < 16:
        points = [it for it in heads if len(it) <= 16 - len(out)][-1]
        # What is read again is read as f32.
        points = list(edits.array.array("f", points))
        out += points
        for it in points:
            heads = model.step(it, [])
    return out


for fixture in ("switch", "time_moe"):
    folder = edits.FIXTURES / fixture
    config = json.loads((folder / "config.json").read_text())
    weights = edits.Weights(folder, edits.FAMILIES[config["model_type"]].prefix)
    expected = edits.read(folder / "expected.safetensors")
    plain, _, _ = edits.run(weights, config, edits.given(expected), [])
    edits.hold(fixture, plain, expected)
for name in ALL:
    make(name)
