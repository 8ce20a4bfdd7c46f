# SPDX-License-Identifier: Apache-2.0
"""What one forward of MoELayer decided."""
from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch

from .bound_layer import BoundLayer, Lease


@dataclass(frozen=True)
class Routing:
    """Copies, which later forwards leave alone. Leading dimensions are those of x; tokens that were not valid have
    topk_idx -1 and zeros elsewhere."""
    topk_idx: torch.Tensor       # [.., K] int64: experts by descending biased score
    gate_weights: torch.Tensor   # [.., K]: combine weights, before any capacity drop
    kept: torch.Tensor           # [.., K] bool: False where capacity dropped the assignment
    router_logits: torch.Tensor  # [.., E]
    router_probs: torch.Tensor   # [.., E]: softmax of the logits, or the sigmoids divided by their sum
    load: torch.Tensor           # [E] int64: assignments, before any capacity drop
    num_tokens: int              # valid ones
    num_dropped: int             # assignments cut by capacity
    aux_loss: float              # Switch loss, unscaled; 1 is even
    z_loss: float                # router z-loss, unscaled
    max_violation: float         # max(load) / mean(load) - 1; 0 is even
    load_entropy: float          # over ln E; 1 is even


class LastPass:
    """What a module keeps of its last forward: the figures, and the way to its decisions while they are there."""

    def __init__(self, bound: BoundLayer, lease: Lease, shape: torch.Size):
        cache = lease.cache
        self.figures, self.load = bound.figures(cache), bound.load(cache)
        moe = bound.config["model"]["moe"]
        self.balance_loss = torch.tensor(moe["aux_loss_coef"] * self.figures.aux_loss +
                                         moe["z_loss_coef"] * self.figures.z_loss)
        self.lease = weakref.ref(lease)
        self._bound, self._cache, self._serial, self._shape = bound, weakref.ref(cache), cache.serial, shape

    def routing(self) -> Routing:
        cache = self._cache()
        if cache is None or cache.serial != self._serial:
            raise RuntimeError("MoELayer: the routing of the last forward is gone; read it before checkpointing or a "
                               "later pass takes its memory")
        decisions = {name: value.view(*self._shape, value.shape[1])
                     for name, value in self._bound.decisions(cache, self._shape.numel()).items()}
        return Routing(decisions["topk_idx"].long(), decisions["gate_weights"], decisions["kept"].bool(),
                       decisions["router_logits"], decisions["router_probs"], self.load.clone(), *self.figures)
