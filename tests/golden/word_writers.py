"""Writes `writers/awq_*` and `writers/gptq_*`: a tiny Qwen3-MoE in 32-bit words, as AutoAWQ 0.2.9 (`WQLinear_GEMM.from_linear`),
AutoGPTQ 0.7.1 (`qlinear_cuda.QuantLinear.pack`) and GPTQModel 7.7.0 (`TorchLinear.pack_original`, `AwqTorchLinear.pack`,
`convert_gptq_v2_to_v1_format_module`) pack it, and in `writers/NAME/decoded/` the numbers that the same code decodes of
it, scales widened to f32 first. What GPTQModel wrote as its first format is decoded as it loads it, by
`convert_gptq_v1_to_v2_format_module`.

usage: word_writers.py AUTO_GPTQ, the folder `auto_gptq` of that package, of which one file is run; all on the CPU.
Needs autoawq, gptqmodel, torch, transformers.
"""
import importlib.util
import json
import os
import sys

import torch
from awq.modules.linear.gemm import WQLinear_GEMM
from awq.utils.packing_utils import dequantize_gemm
from gptqmodel.nn_modules.qlinear.torch import TorchLinear
from gptqmodel.nn_modules.qlinear.torch_awq import AwqTorchLinear
from gptqmodel.quantization.config import FORMAT, METHOD, QuantizeConfig
from gptqmodel.utils.model import convert_gptq_v1_to_v2_format_module, convert_gptq_v2_to_v1_format_module
from safetensors.torch import save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "writers")
GROUP, HIDDEN = 32, 64
GPTQ = {
    "gptq_int4_order": {"bits": 4, "sym": True, "desc_act": True, "format": "gptq"},
    "gptq_int4_zeros": {"bits": 4, "sym": False, "desc_act": True, "format": "gptq"},
    "gptq_int8_zeros": {"bits": 8, "sym": False, "desc_act": False, "format": "gptq"},
    "gptq_v2_int4": {"bits": 4, "sym": False, "desc_act": True, "format": "gptq_v2"},
    "gptq_v2_int8": {"bits": 8, "sym": False, "desc_act": False, "format": "gptq_v2"},
}


def weights():
    """The model in f32, every number one of f16."""
    torch.manual_seed(5)
    out = {}

    def normal(name, *shape, scale=0.15):
        out[name] = (torch.randn(shape) * scale).half().float()

    normal("model.embed_tokens.weight", 64, HIDDEN, scale=1.0)
    normal("lm_head.weight", 64, HIDDEN)
    layer = "model.layers.0."
    for name, n in [("input_layernorm", HIDDEN), ("post_attention_layernorm", HIDDEN), ("self_attn.q_norm", 32), ("self_attn.k_norm", 32)]:
        out[f"{layer}{name}.weight"] = (1 + torch.randn(n) * 0.1).half().float()
    out["model.norm.weight"] = (1 + torch.randn(HIDDEN) * 0.1).half().float()
    for name, rows in [("q", 64), ("k", 32), ("v", 32), ("o", 64)]:
        normal(f"{layer}self_attn.{name}_proj.weight", rows, HIDDEN)
    normal(f"{layer}mlp.gate.weight", 2, HIDDEN, scale=0.5)
    for expert in range(2):
        for name in ["gate_proj", "up_proj", "down_proj"]:
            normal(f"{layer}mlp.experts.{expert}.{name}.weight", 64, HIDDEN)
    for name, weight in out.items():
        if name.endswith("_proj.weight"):
            # Rows whose numbers have one sign, so that some zero points are the smallest and the largest there are.
            weight[0::8] = weight[0::8].abs()
            weight[3::8] = -weight[3::8].abs()
    return out


def group_parameters(weight, groups, bits, sym):
    """Scales and zero points `[rows, groups]`, both f32, scales rounded to f16: round to nearest by group."""
    scales, zeros = [], []
    for group in range(HIDDEN // GROUP):
        some = weight[:, groups == group]
        most = 2**bits - 1
        if sym:
            scales.append(some.abs().amax(1) * 2 / most)
            zeros.append(torch.full((len(some),), 2.0 ** (bits - 1)))
        else:
            least, largest = some.amin(1).clamp(max=0), some.amax(1).clamp(min=0)
            scales.append((largest - least) / most)
            zeros.append(torch.round(-least / scales[-1]))
    return torch.stack(scales, 1).half().float(), torch.stack(zeros, 1)


def snapped(weight, scales, zeros, groups, bits):
    """The numbers nearest to `weight` that levels from 0 to the most can say, which is what is packed."""
    scales, zeros = scales[:, groups], zeros[:, groups]
    return (torch.clamp(torch.round(weight / scales) + zeros, 0, 2**bits - 1) - zeros) * scales


def linear_of(weight, scales, zeros, groups, bits):
    weight = snapped(weight, scales, zeros, groups, bits)
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float32)
    linear.weight.data = weight
    return linear


def tensors_of(module, names):
    return {name: getattr(module, name).detach().clone().contiguous() for name in names}


def by_auto_awq(weight):
    groups = torch.arange(HIDDEN) // GROUP
    scales, zeros = group_parameters(weight, groups, 4, False)
    linear = linear_of(weight, scales, zeros, groups, 4)
    module = WQLinear_GEMM.from_linear(linear, 4, GROUP, scales=scales.t().contiguous(), zeros=zeros.t().contiguous())
    tensors = tensors_of(module, ["qweight", "qzeros", "scales"])
    numbers = dequantize_gemm(module.qweight, module.qzeros, module.scales.float(), 4, GROUP)
    return tensors, numbers.t()


def by_gptqmodel_awq(weight):
    groups = torch.arange(HIDDEN) // GROUP
    scales, zeros = group_parameters(weight, groups, 4, False)
    rows, cols = weight.shape
    module = AwqTorchLinear(bits=4, group_size=GROUP, sym=False, desc_act=False, in_features=cols, out_features=rows, register_buffers=True)
    module.pack(linear_of(weight, scales, zeros, groups, 4), scales, zeros)
    tensors = tensors_of(module, ["qweight", "qzeros", "scales"])
    return tensors, dequantize_gemm(module.qweight, module.qzeros, module.scales.float(), 4, GROUP).t()


def order_of(desc_act):
    groups = torch.arange(HIDDEN) // GROUP
    return groups[torch.randperm(HIDDEN)] if desc_act else groups


def by_gptqmodel(weight, bits, sym, desc_act, format):
    groups = order_of(desc_act)
    scales, zeros = group_parameters(weight, groups, bits, sym)
    rows, cols = weight.shape
    module = TorchLinear(
        bits=bits, group_size=GROUP, sym=sym, desc_act=desc_act, in_features=cols, out_features=rows, format=FORMAT.GPTQ_V2
    )
    module.pack_original(linear_of(weight, scales, zeros, groups, bits), scales, zeros, groups.to(torch.int32))
    if format == "gptq":
        convert_gptq_v2_to_v1_format_module(module, QuantizeConfig(bits=bits))
    tensors = tensors_of(module, ["qweight", "qzeros", "scales", "g_idx"])
    if format == "gptq":
        convert_gptq_v1_to_v2_format_module(module, bits, torch.int32)
    module.scales = module.scales.float()
    return tensors, module.dequantize_weight().t()


def by_auto_gptq(quant_linear, weight, bits):
    groups = torch.arange(HIDDEN) // GROUP
    scales, zeros = group_parameters(weight, groups, bits, True)
    module = quant_linear(bits, GROUP, weight.shape[1], weight.shape[0], False, weight_dtype=torch.float32)
    module.pack(linear_of(weight, scales, zeros, groups, bits), scales, zeros, groups.to(torch.int32))
    tensors = tensors_of(module, ["qweight", "qzeros", "g_idx"])
    # Rows of the unit matrix pick the numbers out one by one.
    return {**tensors, "scales": module.scales.half()}, module(torch.eye(weight.shape[1])).t()


def write(name, settings, pack):
    with open(os.path.join(HERE, "compressed_fp8/decoded/config.json")) as file:
        config = json.load(file)
    tensors, numbers = {}, {}
    for key, weight in weights().items():
        if not key.endswith("_proj.weight"):
            tensors[key], numbers[key] = weight.half(), weight
            continue
        made, decoded = pack(weight)
        assert decoded.dtype == torch.float32 and (decoded - weight).abs().max() < 0.1, key
        numbers[key] = decoded.contiguous()
        stem = key.removesuffix("weight")
        tensors.update({stem + end: it for end, it in made.items()})
    path = os.path.join(HERE, name)
    os.makedirs(os.path.join(path, "decoded"), exist_ok=True)
    save_file(tensors, os.path.join(path, "model.safetensors"), metadata={"format": "pt"})
    save_file(numbers, os.path.join(path, "decoded", "model.safetensors"), metadata={"format": "pt"})
    for at, extra in [(path, {"quantization_config": settings}), (os.path.join(path, "decoded"), {})]:
        with open(os.path.join(at, "config.json"), "w") as file:
            json.dump({**config, **extra}, file, indent=1)


def gptqmodel_settings(**keys):
    made = QuantizeConfig(group_size=GROUP, **keys)
    made.meta_set_versionable(key="quantizer", value=["gptqmodel:7.7.0"])
    # Where the settings of the run lay on this machine is no part of the format.
    made = {key: it for key, it in json.loads(json.dumps(made.to_dict())).items() if key != "meta"}
    return {**made, "meta": {"quantizer": ["gptqmodel:7.7.0"]}}


def main(auto_gptq):
    place = os.path.join(auto_gptq, "nn_modules/qlinear/qlinear_cuda.py")
    spec = importlib.util.spec_from_file_location("qlinear_cuda", place)
    qlinear = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(qlinear)
    awq = {"quant_method": "awq", "zero_point": True, "group_size": GROUP, "bits": 4, "version": "gemm", "modules_to_not_convert": None}
    write("awq_int4", awq, by_auto_awq)
    made = gptqmodel_settings(bits=4, quant_method=METHOD.AWQ, format=FORMAT.GEMM, sym=False)
    write("awq_int4_gptqmodel", made, by_gptqmodel_awq)
    auto = {
        "bits": 4, "group_size": GROUP, "damp_percent": 0.01, "desc_act": False, "static_groups": False, "sym": True,
        "true_sequential": True, "model_name_or_path": None, "model_file_base_name": None, "quant_method": "gptq",
        "checkpoint_format": "gptq",
    }
    write("gptq_int4_auto", auto, lambda it: by_auto_gptq(qlinear.QuantLinear, it, 4))
    for name, how in GPTQ.items():
        keys = {**how, "format": FORMAT.GPTQ_V2 if how["format"] == "gptq_v2" else FORMAT.GPTQ}
        write(name, gptqmodel_settings(**keys), lambda it, how=how: by_gptqmodel(it, **how))


if __name__ == "__main__":
    main(sys.argv[1])
