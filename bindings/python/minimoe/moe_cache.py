# SPDX-License-Identifier: Apache-2.0
"""What one forward of a bare layer leaves: activations for its backward, and its routing decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _calls as raw
from ._arrays import filled
from ._handle import Handle

if TYPE_CHECKING:
    from .moe_layer import MoELayer


class RoutingMetrics(NamedTuple):
    """What one forward routed, in short."""

    num_tokens: int
    """Valid tokens."""
    num_dropped: int
    """Assignments cut by capacity."""
    aux_loss: float
    """Switch loss, unscaled; 1 is even."""
    z_loss: float
    """Router z-loss, unscaled."""
    max_violation: float
    """max(load) / mean(load) - 1; 0 is even."""
    load_entropy: float
    """Of the load shares, over ln E: 1 is even."""


class MoECache(Handle[raw.minimoe_moe_cache]):
    """Room for one forward of at most `max_tokens` tokens. Several caches make several forwards before their backwards
    possible. Arrays are copies, of the last forward: T tokens, K experts a token, E experts."""

    __slots__ = ("layer",)

    def __init__(self, layer: MoELayer, max_tokens: int) -> None:
        handle = getattr(layer, "_handle", None)
        if not isinstance(handle, raw.minimoe_moe_layer):
            raise TypeError(f"layer: expected a MoELayer, got {type(layer).__name__}")
        self._raw = raw.minimoe_moe_cache_create(handle, max_tokens)
        self.layer = layer

    def topk_idx(self) -> npt.NDArray[np.int32]:
        """Chosen experts [T, K] by descending score; -1 for tokens that are not valid."""
        return filled(np.int32, lambda out: raw.minimoe_moe_cache_topk_idx(self._handle, out)
                      ).reshape(-1, self.layer.top_k)

    def gate_weights(self) -> npt.NDArray[np.float32]:
        """Combine weights [T, K], before any capacity drop."""
        return filled(np.float32, lambda out: raw.minimoe_moe_cache_gate_weights(self._handle, out)
                      ).reshape(-1, self.layer.top_k)

    def kept(self) -> npt.NDArray[np.uint8]:
        """1 for every kept assignment [T, K], 0 for those that capacity dropped."""
        return filled(np.uint8, lambda out: raw.minimoe_moe_cache_kept(self._handle, out)
                      ).reshape(-1, self.layer.top_k)

    def router_logits(self) -> npt.NDArray[np.float32]:
        """[T, E]"""
        return filled(np.float32, lambda out: raw.minimoe_moe_cache_router_logits(self._handle, out)
                      ).reshape(-1, self.layer.num_experts)

    def router_probs(self) -> npt.NDArray[np.float32]:
        """[T, E]: softmax of the logits, or the sigmoids divided by their sum."""
        return filled(np.float32, lambda out: raw.minimoe_moe_cache_router_probs(self._handle, out)
                      ).reshape(-1, self.layer.num_experts)

    def load(self) -> npt.NDArray[np.int64]:
        """Assignments of each expert [E], before any capacity drop."""
        return filled(np.int64, lambda out: raw.minimoe_moe_cache_load(self._handle, out))

    def metrics(self) -> RoutingMetrics:
        """The forward in short."""
        return RoutingMetrics._make(raw.minimoe_moe_cache_metrics(self._handle))

    def __repr__(self) -> str:
        return "<MoECache, closed>" if self.closed else f"<MoECache of {self.layer!r}>"
