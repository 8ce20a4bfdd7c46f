# SPDX-License-Identifier: Apache-2.0
"""Verdicts over routers, by their loads."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from . import _calls as raw
from .config import _parse, to_json
from .moe_layer import _loads

Log = Iterable[Mapping[str, Any]] | str | bytes | os.PathLike[str]


class Health(dict[str, Any]):
    """A report over routers: {"verdict", "window", "warmup", "options", "layers", "text"}. docs/health.md has the rule,
    its words and its limits. A notebook shows it with pictures."""

    @property
    def verdict(self) -> str:
        """"healthy", "skewed", "at-risk", "collapsed", "sham" or "untested": that of the worst layer."""
        result: str = self["verdict"]
        return result

    @property
    def layers(self) -> list[dict[str, Any]]:
        """A verdict a layer: {"layer", "verdict", "rule", "reason", "advice", "findings", "figures", "windows"}."""
        result: list[dict[str, Any]] = self["layers"]
        return result

    @property
    def healthy(self) -> bool:
        """Whether the verdict is "healthy"."""
        return self.verdict == "healthy"

    def __str__(self) -> str:
        """What a terminal shows."""
        text: str = self["text"]
        return text

    def _repr_html_(self) -> str:
        from .notebook import health_html

        return health_html(self)


def health(log: Log, /, **options: Any) -> Health:
    """Judges anyone's routers by their log.

    log: one object for each layer and step (or several steps summed): {"step", "layer", "top_k", "load": [E counts]},
    and optionally "mean_probs" [E], "num_dropped", "num_steps", "gate_weight_share", "max_violation_batch",
    "router_logit_norm", "aux_loss", "z_loss", "bias_min", "bias_max", "block". An iterable of mappings (arrays are fine
    in them), the path of a file with one JSON object a line, or such text itself (a str with a line feed or "{").
    options: window (50), warmup (50), settle_steps (50), and the limits of docs/health.md; for the advice also
    aux_loss_coef, z_loss_coef, router_init_std, bias_balancing.
    """
    return Health(_parse(raw.minimoe_health_check(_lines(log), to_json("options", options))))


def load_statistics(load: Any, top_k: int) -> dict[str, Any]:
    """What loads [E] (int64, or a list) say about balance: {"max_violation", "max_share", "load_entropy",
    "effective_experts", "share_stddev", "num_dead", "num_cold", "num_hot", "utilisation"}."""
    result: dict[str, Any] = _parse(raw.minimoe_load_statistics(_loads("load", load), top_k))
    return result


def _lines(log: Log) -> str | bytes:
    if isinstance(log, bytes):
        return log
    if isinstance(log, str) and ("\n" in log or log.lstrip().startswith("{") or not log):
        return log
    if isinstance(log, (str, os.PathLike)):
        return pathlib.Path(log).read_bytes()
    if isinstance(log, Mapping) or not isinstance(log, Iterable):
        raise TypeError(f"log: expected an iterable of mappings, a path or text, got {type(log).__name__}")
    lines = []
    for number, entry in enumerate(log):
        if not isinstance(entry, Mapping):
            raise TypeError(f"log[{number}]: expected a mapping, got {type(entry).__name__}")
        lines.append(to_json(f"log[{number}]", entry) + "\n")
    return "".join(lines)
