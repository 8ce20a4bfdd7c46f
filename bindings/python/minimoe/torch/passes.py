# SPDX-License-Identifier: Apache-2.0
"""Forward and backward of MoELayer as PyTorch's autograd sees them."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..moe_cache import RoutingMetrics
from .bound_layer import BoundLayer, Lease, lease_of, lease_tensor

if TYPE_CHECKING:
    from .moe_layer import MoELayer
    from .routing import LastPass


@dataclass
class Call:
    """One forward, as its backward needs to know it."""
    module: MoELayer
    bound: BoundLayer
    names: tuple[str, ...]  # of the weights, in the order of MoEPass's arguments
    seq_len: int
    balance_scale: float
    bias_version: int = 0
    counted: bool = False
    load: torch.Tensor | None = None
    figures: RoutingMetrics | None = None
    last: LastPass | None = None  # from its forward to the end of MoELayer.forward: several threads may be in it


class MoEPass(torch.autograd.Function):
    """(x, valid, call, *weights) -> (y, balance_loss)"""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, valid: torch.Tensor | None, call: Call,
                *weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, lease, last = call.module._run(call.bound, x, valid, call.seq_len, weights)
        call.last, call.load, call.figures = last, last.load, last.figures
        ctx.call = call
        # Saving the weights too makes autograd refuse a backward after they were written to, as everywhere in torch.
        ctx.save_for_backward(x, valid, lease_tensor(lease), *weights)
        return y, last.balance_loss.clone()

    @staticmethod
    def backward(ctx: Any, d_y: torch.Tensor, d_balance_loss: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, valid, token, *weights = ctx.saved_tensors
        call: Call = ctx.call
        wanted = [n for n, name in enumerate(call.names) if ctx.needs_input_grad[3 + n]]

        def compute() -> tuple[torch.Tensor, ...]:
            gradients = {call.names[n]: torch.zeros_like(weights[n]) for n in wanted}
            d_x = _backward(call, lease_of(token), x, valid, d_y, float(d_balance_loss), weights, gradients)
            return d_x, *gradients.values()

        if torch.is_grad_enabled():  # create_graph
            results = _FirstDerivative.apply(compute, d_y, d_balance_loss, x, *weights)
        else:
            results = compute()
        d_weights: list[torch.Tensor | None] = [None] * len(weights)
        for n, gradient in zip(wanted, results[1:]):
            d_weights[n] = gradient
        return results[0] if ctx.needs_input_grad[0] else None, None, None, *d_weights


def _backward(call: Call, lease: Lease | None, x: torch.Tensor, valid: torch.Tensor | None, d_y: torch.Tensor,
              d_balance_loss: float, weights: list[torch.Tensor], gradients: dict[str, torch.Tensor]) -> torch.Tensor:
    bound = lease.layer if lease else call.bound
    with bound.lock:
        used = dict(zip(call.names, weights))
        if not bound.computes_with(used):  # autograd vouches for their values
            bound.bind(used)
        if lease is None or lease.cache.consumed:  # retain_graph, or hooks that keep copies of saved tensors
            if call.bias_version != call.module.bias_version():
                raise RuntimeError("MoELayer: expert_bias was changed between a forward and a backward that has to "
                                   "repeat it; call update_bias() after the last backward")
            _, lease = bound.forward(x, valid, call.seq_len)
        scale = call.balance_scale + d_balance_loss
        if not scale >= 0:
            raise ValueError(f"balance_loss: its gradient plus balance_scale is {scale}, expected 0 or more")
        d_x = bound.backward(lease, x, d_y, scale, gradients)
        if not call.counted:
            call.counted = True
            assert call.load is not None and call.figures is not None
            call.module._count(call.load, bound.probability_sums(lease.cache, x.numel() // x.shape[-1]), call.figures)
    return d_x


class _FirstDerivative(torch.autograd.Function):
    """What backward computed, for a graph through it: differentiating that is refused in words."""

    @staticmethod
    def forward(ctx: Any, compute: Any, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        results: tuple[torch.Tensor, ...] = compute()
        return results

    @staticmethod
    def backward(ctx: Any, *d_results: torch.Tensor) -> tuple[None, ...]:
        raise NotImplementedError("minimoe.torch.MoELayer has first derivatives only: nothing made with "
                                  "create_graph=True can be differentiated through it again")
