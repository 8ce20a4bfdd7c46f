# SPDX-License-Identifier: Apache-2.0
"""The routing of recent optimizer steps, as minimoe.health reads it."""
from __future__ import annotations

from collections import deque
from typing import Any

import torch

from ..moe_cache import RoutingMetrics


class StepLog:
    """Sums the passes of a step until it ends; keeps the last `size` steps."""

    def __init__(self, top_k: int, size: int):
        self._top_k = top_k
        self._step = 0
        self._passes: list[tuple[torch.Tensor, torch.Tensor, RoutingMetrics]] = []
        self._lines: deque[dict[str, Any]] = deque(maxlen=size)

    def add(self, load: torch.Tensor, probability_sums: torch.Tensor, figures: RoutingMetrics) -> None:
        """A pass that took part in the gradient."""
        if figures.num_tokens > 0:
            self._passes.append((load, probability_sums, figures))

    def end_step(self, bias: torch.Tensor) -> None:
        """Without passes, nothing."""
        if self._passes:
            self._step += 1
            self._lines.append(self._line(self._step, bias))
            self._passes.clear()

    def lines(self, bias: torch.Tensor) -> list[dict[str, Any]]:
        """One object a step, the unfinished one included."""
        return [*self._lines, *([self._line(self._step + 1, bias)] if self._passes else [])]

    def _line(self, step: int, bias: torch.Tensor) -> dict[str, Any]:
        loads, probs, figures = zip(*self._passes)
        tokens = sum(f.num_tokens for f in figures)
        mean_probs = sum(probs) / tokens
        return {"step": step, "layer": 0, "top_k": self._top_k, "load": sum(loads).tolist(),
                "mean_probs": (mean_probs / mean_probs.sum()).tolist(),
                "num_dropped": sum(f.num_dropped for f in figures),
                "aux_loss": sum(f.aux_loss for f in figures) / len(figures),
                "z_loss": sum(f.z_loss for f in figures) / len(figures),
                "bias_min": float(bias.min()), "bias_max": float(bias.max())}
