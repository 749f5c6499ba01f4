#!/usr/bin/env python3
"""Makes the small checkpoints of tests/golden/fixtures whose settings the others do not have, and their reference numbers.

    python3 -m venv venv && venv/bin/pip install torch transformers safetensors
    venv/bin/python tests/golden/make.py [NAME ...]

Made with transformers 5.23.0 and torch 2.15.0. A fixture is a folder: `config.json` and safetensors as published checkpoints
have them, random weights (norms and biases too), and `expected.safetensors`, computed by transformers in f32 from these files:

    input_ids        [T]     i64
    logits           [T, V]  f32
    router_logits.L  [T, E]  f32, raw gate outputs of layer L
    topk_ids.L       [T, K]  i64, ascending
    topk_weights.L   [T, K]  f32, in the order of the ids
    greedy_ids       [16]    i64, the arg max after the ids, each read in turn

No two experts that could change places are closer than MARGIN, so that rounding cannot change a choice.
"""

import json
import math
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
N_GREEDY = 16
MARGIN = 1e-4

SIZES = dict(
    vocab_size=96, num_hidden_layers=2, max_position_embeddings=64,
    bos_token_id=0, eos_token_id=0, pad_token_id=0,
)  # fmt: skip

# family, settings, how positions rotate, whether the config says so in the newer style, dtype of the weights, bytes a shard, tokens, seed
CASES = {
    # A window shorter than the text, a tied head, one head of keys, heads wider than the model, `rope_parameters`, f16.
    "mixtral_window": dict(
        family="mixtral",
        config=dict(
            hidden_size=36, num_attention_heads=3, num_key_value_heads=1, head_dim=16, intermediate_size=17,
            num_local_experts=5, num_experts_per_tok=2, sliding_window=7, tie_word_embeddings=True,
        ),
        rope=dict(rope_type="linear", factor=2.5, rope_theta=5000.0),
        newer=True, dtype=torch.float16, shard="20KB", n_tokens=40, seed=3,
    ),
    # Queries, keys and values clipped, biases in attention, weights renormalised, as many heads of keys as of queries, f32.
    "olmoe_clip": dict(
        family="olmoe",
        config=dict(
            hidden_size=40, num_attention_heads=4, num_key_value_heads=4, intermediate_size=19,
            num_experts=7, num_experts_per_tok=4, clip_qkv=1.5, attention_bias=True, norm_topk_prob=True,
        ),
        rope=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=32, rope_theta=500000.0),
        newer=False, dtype=torch.float32, shard=None, n_tokens=40, seed=5,
    ),
    # YaRN in the style of published configs, many narrow experts, every factor other than 1, bf16.
    "granitemoe_yarn": dict(
        family="granitemoe",
        config=dict(
            hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=8,
            num_local_experts=33, num_experts_per_tok=6, embedding_multiplier=6.0, attention_multiplier=0.125,
            residual_multiplier=0.4, logits_scaling=0.5, tie_word_embeddings=True,
        ),
        rope=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=8.0, rope_theta=10000.0),
        newer=False, dtype=torch.bfloat16, shard=None, n_tokens=40, seed=7,
    ),
}  # fmt: skip


def randomise(model, seed):
    """Weights of the size that keeps a residual stream level; gates twice that, so that choices are clear."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if weight.dim() == 1:
            weight.copy_(1 + 0.3 * noise if "norm" in name else 0.5 * noise)
        elif "embed_tokens" in name:
            weight.copy_(noise)
        else:
            is_gate = name.endswith(("gate.weight", "router.weight"))
            weight.copy_(noise * (2.0 if is_gate else 1.0) / math.sqrt(weight.shape[-1]))


def publish(config, newer):
    """A config as it is published: rope and dtype under their older names, unless `newer`."""
    if newer:
        return config
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.46.0"
    return config


def forward(model, ids):
    """Logits `[T, V]`; per layer raw gate outputs, ids and weights; the smallest margin of a choice."""
    routers, hooks = {}, []
    for name, module in model.named_modules():
        if type(module).__name__.endswith("TopKRouter"):
            layer = int(name.split(".layers.")[1].split(".")[0])
            keep = lambda _module, _args, out, layer=layer: routers.update({layer: out[:3]})
            hooks.append(module.register_forward_hook(keep))
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    margin = math.inf
    for gate, _, chosen in routers.values():
        k = chosen.shape[1]
        best = gate.sort(-1, descending=True).values
        margin = min(margin, (best[:, k - 1] - best[:, k]).min().item())
    return logits, routers, margin


def make(name, case):
    folder = FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    config = CONFIG_MAPPING[case["family"]](**SIZES, **case["config"], rope_parameters=dict(case["rope"]))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomise(model, case["seed"])
    model.tie_weights()
    model.to(case["dtype"]).save_pretrained(folder, **({"max_shard_size": case["shard"]} if case["shard"] else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps(publish(json.loads(file.read_text()), case["newer"]), indent=2) + "\n")

    # From here on only what is on the disk counts.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    model.set_experts_implementation("eager")
    generator = torch.Generator().manual_seed(case["seed"])
    ids = torch.randint(0, SIZES["vocab_size"], (case["n_tokens"],), generator=generator).tolist()
    logits, routers, margin = forward(model, ids)
    expected = {"input_ids": torch.tensor(ids), "logits": logits}
    for layer, (gate, weights, chosen) in routers.items():
        order = chosen.argsort(-1)
        expected[f"router_logits.{layer}"] = gate
        expected[f"topk_ids.{layer}"] = chosen.gather(1, order)
        expected[f"topk_weights.{layer}"] = weights.gather(1, order)
    greedy, last = [], logits[-1]
    while len(greedy) < N_GREEDY:
        greedy.append(int(last.argmax()))
        longer, _, margin_then = forward(model, ids + greedy)
        last, margin = longer[-1], min(margin, margin_then)
    expected["greedy_ids"] = torch.tensor(greedy)
    save_file({key: it.contiguous() for key, it in expected.items()}, folder / "expected.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    n_bytes = sum(it.stat().st_size for it in folder.iterdir())
    print(f"{name}: {n_bytes} bytes, smallest margin {margin:.2g}")
    assert margin > MARGIN, "choose another seed"


def main():
    torch.set_grad_enabled(False)
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name])


main()
