"""Writes `writers/NAME/`: a tiny Qwen3-MoE as the writers of quantised checkpoints store it, and in `writers/NAME/decoded/`
the numbers that the writer's own decoder makes of it, in f32.

MLX's are what `mlx_lm.convert` writes, decoded by `mlx.core.dequantize`; compressed-tensors' come from its registered
compressors, weight by weight, decoded by the same, scales widened to f32 first; ModelOpt's are what its
`export_hf_checkpoint` writes, decoded by its `NVFP4QTensor` and, for FP8, by its one multiplication.
Needs mlx (CPU), mlx-lm, compressed-tensors, nvidia-modelopt[hf], torch, transformers.
"""
import json
import os
import shutil
import sys
import tempfile

import mlx.core as mx
import mlx_lm
import modelopt.torch.quantization as mtq
import torch
from compressed_tensors.compressors.base import BaseCompressor
from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme
from compressed_tensors.quantization.lifecycle.forward import dequantize
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from modelopt.torch.export import export_hf_checkpoint
from modelopt.torch.quantization.qtensor import NVFP4QTensor
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "writers")
HIDDEN, EXPERT_WIDTH, EXPERTS, VOCABULARY, HEADS, HEAD_WIDTH = 64, 64, 2, 64, 2, 32
CONFIG = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "decoder_sparse_step": 1,
    "eos_token_id": 0,
    "head_dim": HEAD_WIDTH,
    "hidden_act": "silu",
    "hidden_size": HIDDEN,
    "intermediate_size": 112,
    "max_position_embeddings": 256,
    "mlp_only_layers": [],
    "moe_intermediate_size": EXPERT_WIDTH,
    "norm_topk_prob": True,
    "num_attention_heads": HEADS,
    "num_experts": EXPERTS,
    "num_experts_per_tok": 1,
    "num_hidden_layers": 1,
    "num_key_value_heads": 1,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": VOCABULARY,
}
MLX = {
    "mlx_int4": {"q_bits": 4, "q_group_size": 64},
    "mlx_int8": {"q_bits": 8, "q_group_size": 32},
    "mlx_mxfp4": {"q_mode": "mxfp4"},
    "mlx_mxfp8": {"q_mode": "mxfp8"},
    "mlx_nvfp4": {"q_mode": "nvfp4"},
}
COMPRESSED = {
    "compressed_int4": ("pack-quantized", {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 32}),
    "compressed_int4_zeros": ("pack-quantized", {"num_bits": 4, "type": "int", "symmetric": False, "strategy": "group", "group_size": 32}),
    "compressed_int8_packed": ("pack-quantized", {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}),
    "compressed_int8": ("int-quantized", {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}),
    "compressed_fp8": ("float-quantized", {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel"}),
    "compressed_fp8_block": ("float-quantized", {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "block", "block_structure": [32, 32]}),
    "compressed_nvfp4": ("nvfp4-pack-quantized", {"num_bits": 4, "type": "float", "symmetric": True, "strategy": "tensor_group", "group_size": 16}),
    "compressed_mxfp4": ("mxfp4-pack-quantized", {"num_bits": 4, "type": "float", "symmetric": True, "strategy": "group", "group_size": 32}),
}

MODELOPT = {"modelopt_fp8": mtq.FP8_DEFAULT_CFG, "modelopt_nvfp4": mtq.NVFP4_DEFAULT_CFG}


def folder(*parts):
    path = os.path.join(HERE, *parts)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def write_config(path, extra=None):
    with open(os.path.join(path, "config.json"), "w") as file:
        json.dump({**CONFIG, **(extra or {})}, file, indent=1)


def write_base(path, tokenizer):
    """The model in bf16, and a tokenizer, without which mlx-lm converts nothing."""
    mx.random.seed(3)
    weights = {}

    def normal(name, *shape, scale=0.15):
        weights[name] = (mx.random.normal(shape) * scale).astype(mx.bfloat16)

    def norm(name, n):
        weights[name] = (1 + mx.random.normal((n,)) * 0.1).astype(mx.bfloat16)

    normal("model.embed_tokens.weight", VOCABULARY, HIDDEN, scale=1.0)
    normal("lm_head.weight", VOCABULARY, HIDDEN)
    norm("model.norm.weight", HIDDEN)
    layer = "model.layers.0."
    for name in ["input_layernorm", "post_attention_layernorm"]:
        norm(f"{layer}{name}.weight", HIDDEN)
    for name in ["q_norm", "k_norm"]:
        norm(f"{layer}self_attn.{name}.weight", HEAD_WIDTH)
    for name, heads in [("q", HEADS), ("k", 1), ("v", 1)]:
        normal(f"{layer}self_attn.{name}_proj.weight", heads * HEAD_WIDTH, HIDDEN)
    normal(f"{layer}self_attn.o_proj.weight", HIDDEN, HEADS * HEAD_WIDTH)
    normal(f"{layer}mlp.gate.weight", EXPERTS, HIDDEN, scale=0.5)
    for expert in range(EXPERTS):
        for name in ["gate_proj", "up_proj", "down_proj"]:
            normal(f"{layer}mlp.experts.{expert}.{name}.weight", EXPERT_WIDTH, HIDDEN)
    mx.save_safetensors(os.path.join(path, "model.safetensors"), weights, metadata={"format": "pt"})
    write_config(path)
    shutil.copy(tokenizer, os.path.join(path, "tokenizer.json"))
    with open(os.path.join(path, "tokenizer_config.json"), "w") as file:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast"}, file)


def mlx_decoded(weights, settings):
    out = {}
    for name, weight in weights.items():
        stem = name.removesuffix(".weight")
        scales = weights.get(stem + ".scales")
        if name.endswith((".scales", ".biases")):
            continue
        if scales is None:
            out[name] = weight
            continue
        own = settings.get(stem, {})
        mode = own.get("mode", "affine" if stem in settings else settings["mode"])
        sizes = {key: own.get(key, settings[key]) for key in ["group_size", "bits"]}
        if mode == "affine":
            biases = weights[stem + ".biases"].astype(mx.float32)
            out[name] = mx.dequantize(weight, scales.astype(mx.float32), biases, mode=mode, **sizes)
        else:
            out[name] = mx.dequantize(weight, scales, None, mode=mode, dtype=mx.float32, **sizes)
        assert out[name].dtype == mx.float32
    return out


def write_mlx(base, name, how):
    with tempfile.TemporaryDirectory() as scratch:
        made = os.path.join(scratch, "made")
        mlx_lm.convert(base, made, quantize=True, **how)
        path = folder(name)
        for file in ["config.json", "model.safetensors"]:
            shutil.copy(os.path.join(made, file), path)
    with open(os.path.join(path, "config.json")) as file:
        settings = json.load(file)["quantization"]
    decoded = mlx_decoded(mx.load(os.path.join(path, "model.safetensors")), settings)
    inner = folder(name, "decoded")
    mx.save_safetensors(os.path.join(inner, "model.safetensors"), decoded)
    write_config(inner)


def extremes(weight, args):
    strategy = getattr(args.strategy, "value", args.strategy)
    if strategy in ("group", "tensor_group"):
        groups = weight.reshape(weight.shape[0], -1, args.group_size)
        return groups.amin(-1), groups.amax(-1)
    if strategy == "block":
        rows, cols = args.block_structure
        blocks = weight.reshape(weight.shape[0] // rows, rows, weight.shape[1] // cols, cols)
        return blocks.amin((1, 3)), blocks.amax((1, 3))
    return weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)


def compressed(weight, kind, args, compressor, scheme):
    """The tensors of a weight, and its numbers."""
    least, most = extremes(weight.float(), args)
    state = {"weight": weight}
    is_fp4 = kind.startswith(("nvfp4", "mxfp4"))
    if kind.startswith("nvfp4"):
        whole = weight.float()
        state["weight_global_scale"] = generate_gparam(whole.amin().reshape(1), whole.amax().reshape(1)).reshape(1)
        scale, zero = calculate_qparams(least, most, args, global_scale=state["weight_global_scale"])
    else:
        scale, zero = calculate_qparams(least, most, args)
    state["weight_scale"] = scale if is_fp4 else scale.bfloat16()
    if not args.symmetric:
        state["weight_zero_point"] = zero
    made = compressor.compress(state, scheme)
    if is_fp4:
        levels = made["weight_packed"]
        levels = unpack_fp4_from_uint8(levels, levels.shape[0], levels.shape[1] * 2, dtype=torch.float32)
        scale = compressor._decompress_scale(made["weight_scale"], torch.float32)
        numbers = dequantize(levels, scale, args=args, global_scale=made.get("weight_global_scale"), dtype=torch.float32)
    else:
        numbers = compressor.decompress({**made, "weight_scale": made["weight_scale"].float()}, scheme)["weight"]
    assert numbers.dtype == torch.float32
    return made, numbers.contiguous()


def write_compressed(base, name, kind, settings):
    args = QuantizationArgs(**settings)
    scheme = QuantizationScheme(targets=["Linear"], weights=args, format=kind)
    compressor = BaseCompressor.get_value_from_registry(kind)
    tensors, numbers = {}, {}
    for key, weight in load_file(os.path.join(base, "model.safetensors")).items():
        if not key.endswith("_proj.weight"):
            tensors[key], numbers[key] = weight, weight.float()
            continue
        made, numbers[key] = compressed(weight, kind, args, compressor, scheme)
        stem = key.removesuffix("weight")
        tensors.update({stem + end: it.contiguous() for end, it in made.items()})
    path, inner = folder(name), folder(name, "decoded")
    save_file(tensors, os.path.join(path, "model.safetensors"), metadata={"format": "pt"})
    save_file(numbers, os.path.join(inner, "model.safetensors"), metadata={"format": "pt"})
    config = QuantizationConfig(
        config_groups={"group_0": scheme}, format=kind, ignore=["lm_head", "re:.*mlp.gate$"], quantization_status="compressed"
    )
    write_config(path, {"quantization_config": config.model_dump(mode="json")})
    write_config(inner)


def modelopt_decoded(name, weight, tensors):
    scale = tensors.get(f"{name}_scale")
    if scale is None:
        return weight.float()
    if weight.dtype == torch.float8_e4m3fn:
        return weight.float() * scale
    made = NVFP4QTensor((weight.shape[0], 2 * weight.shape[1]), torch.float32, weight)
    return made.dequantize(scale=scale, double_scale=tensors[f"{name}_scale_2"], block_sizes={-1: 16})


def write_modelopt(base, name, settings):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    model = mtq.quantize(model, settings, lambda it: it(torch.arange(VOCABULARY)[None]))
    path, inner = folder(name), folder(name, "decoded")
    with tempfile.TemporaryDirectory() as made:
        export_hf_checkpoint(model, export_dir=made)
        for file in ["config.json", "hf_quant_config.json", "model.safetensors"]:
            shutil.copyfile(os.path.join(made, file), os.path.join(path, file))
    tensors = load_file(os.path.join(path, "model.safetensors"))
    weights = {key: it for key, it in tensors.items() if key.endswith(".weight")}
    numbers = {key: modelopt_decoded(key, it, tensors).contiguous() for key, it in weights.items()}
    assert all(it.dtype == torch.float32 for it in numbers.values())
    save_file(numbers, os.path.join(inner, "model.safetensors"), metadata={"format": "pt"})
    write_config(inner)


def main(tokenizer):
    with tempfile.TemporaryDirectory() as base:
        write_base(base, tokenizer)
        for name, how in MLX.items():
            write_mlx(base, name, how)
        for name, (kind, settings) in COMPRESSED.items():
            write_compressed(base, name, kind, settings)
        for name, settings in MODELOPT.items():
            write_modelopt(base, name, settings)


if __name__ == "__main__":
    main(sys.argv[1])
