# SPDX-License-Identifier: Apache-2.0
"""MoELayers with the weights of a PyTorch block, to put in its place. Weights are copied; make the optimizer after."""
from __future__ import annotations

from typing import Any, Sequence

import torch
from torch import nn

from .moe_layer import MoELayer


def from_experts(router: nn.Linear | torch.Tensor, experts: Sequence[nn.Module], *, up: str = "up", down: str = "down",
                 gate: str | None = None, **options: Any) -> MoELayer:
    """From the common block that loops over experts: a router and a list of feed-forward modules.

        block.moe = from_experts(block.moe.router, block.moe.experts, up="up", down="down", top_k=2)

    Each expert is down(gelu(up(x))), or down(silu(gate(x)) * up(x)) when `gate` is given, with the Linear layers found
    under these names ("0" and "2" of an nn.Sequential). GELU experts without biases get zeros. Options are those of
    MoELayer: top_k, gate_order and gelu have to say what the block did. Raises ValueError for what does not fit.
    """
    weight = router.weight if isinstance(router, nn.Linear) else router
    if not isinstance(weight, torch.Tensor) or weight.dim() != 2:
        raise TypeError("router: expected an nn.Linear or its weight [E, D]")
    if len(experts) == 0:
        raise ValueError("experts: expected at least one")
    names = {"w_up_proj": up, "w_down_proj": down, **({"w_gate_proj": gate} if gate else {})}
    linears = {name: [_linear(expert, index, leaf) for index, expert in enumerate(experts)]
               for name, leaf in names.items()}
    if len(experts) != weight.shape[0]:
        raise ValueError(f"experts: {len(experts)} of them, the router chooses among {weight.shape[0]}")
    values = {"router.weight": weight}
    if isinstance(router, nn.Linear) and router.bias is not None:
        options.setdefault("router_bias", True)
        values["router.bias"] = router.bias
    for name, layers in linears.items():
        values[f"experts.{name}"] = torch.stack([layer.weight.detach() for layer in layers])
        biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
        if gate is None:
            rows = layers[0].weight.shape[0]
            values[f"experts.b{name[1:]}"] = torch.stack(biases) if biases else weight.new_zeros(len(layers), rows)
        elif biases:
            raise ValueError(f"experts: SwiGLU experts have no biases here, {names[name]} has one")
    return _layer(values, ffn="swiglu" if gate else "gelu", training=_training(experts), **options)


def from_mixtral(block: Any, **options: Any) -> MoELayer:
    """From a MixtralSparseMoeBlock of Hugging Face Transformers (that of 5.x, with stacked experts).

        layer.mlp = from_mixtral(layer.mlp)

    Blocks of other models with the same layout fit as well: gate.weight [E, D], experts.gate_up_proj [E, 2F, D],
    experts.down_proj [E, D, F], SiLU, softmax over all experts, top-k, weights divided by their sum (unless
    gate.norm_topk_prob is there and false), no shared experts. The balance loss is
    ours from here on (aux_loss_coef=0.01, not the model's router_aux_loss_coef).
    """
    try:
        router, stacked, down = block.gate.weight, block.experts.gate_up_proj, block.experts.down_proj
        top_k = options.pop("top_k", None) or getattr(block.gate, "top_k", None) or block.top_k
    except AttributeError as missing:
        raise TypeError(f"block: {type(block).__name__} is not laid out as MixtralSparseMoeBlock: {missing}") from None
    activation = getattr(block.experts, "act_fn", None)
    if activation is not None and not _is_silu(activation):
        raise ValueError(f"block: its activation is {type(activation).__name__}, expected SiLU")
    if getattr(block, "jitter_noise", 0):
        raise ValueError(f"block: jitter_noise is {block.jitter_noise}, MoELayer has none: set it to 0 first")
    for shared in ("shared_expert", "shared_experts"):
        if getattr(block, shared, None) is not None:
            raise ValueError(f"block: {type(block).__name__} has {shared}, which from_mixtral does not take over")
    gate, up = stacked.chunk(2, dim=1)
    values = {"router.weight": router, "experts.w_gate_proj": gate, "experts.w_up_proj": up, "experts.w_down_proj": down}
    renormalised = getattr(block.gate, "norm_topk_prob", True)
    options.setdefault("gate_order", "softmax_topk_renorm" if renormalised else "softmax_topk")
    return _layer(values, ffn="swiglu", top_k=top_k, training=block.training, **options)


def _layer(values: dict[str, torch.Tensor], *, training: bool, **options: Any) -> MoELayer:
    num_experts, d_expert, d_model = values["experts.w_up_proj"].shape
    layer = MoELayer(d_model, num_experts=num_experts, d_expert=d_expert, **options)
    mine = dict(layer.named_parameters())
    if extra := sorted(set(mine) - set(values)):
        raise ValueError(f"options: they add {', '.join(extra)}, which the block does not have")
    with torch.no_grad():
        for name, value in values.items():
            if value.shape != mine[name].shape:
                raise ValueError(f"{name}: the block's is {list(value.shape)}, expected {list(mine[name].shape)}")
            mine[name].copy_(value)
    return layer.train(training)


def _linear(expert: nn.Module, index: int, name: str) -> nn.Linear:
    linear = getattr(expert, name, None)
    if not isinstance(linear, nn.Linear):
        raise TypeError(f"experts[{index}].{name}: expected an nn.Linear, got {type(linear).__name__}")
    return linear


def _training(experts: Sequence[nn.Module]) -> bool:
    return all(expert.training for expert in experts)


def _is_silu(activation: Any) -> bool:
    x = torch.linspace(-4, 4, 9)
    return torch.allclose(activation(x), nn.functional.silu(x), atol=1e-6)
