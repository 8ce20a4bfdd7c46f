# SPDX-License-Identifier: Apache-2.0
"""The router laboratory: what to train side by side, and what the runs showed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import _calls as raw
from .config import Config, _parse, text_of, to_json


def config_variants(config: Mapping[str, Any] | str | None = None, /, **keywords: Any) -> list[dict[str, Any]]:
    """The four models of a comparison of MoE with dense: [{"key": "dense_baseline", "title": "dense", "config":
    Config}, ...], then "moe_variant" (the configuration itself), and "dense_active_matched" and "dense_total_matched",
    whose d_ff brings their parameters nearest to those that a token passes through, and to all of them.

    The configuration is Config(config, **keywords), with an MoE layer and model.vocab_size.
    """
    return _with_configs(_parse(raw.minimoe_config_variants(text_of(Config(config, **keywords)))))


def config_balancers(config: Mapping[str, Any] | str | None, kinds: str | Iterable[str], /,
                     **keywords: Any) -> list[dict[str, Any]]:
    """Config(config, **keywords) balanced in several ways, for runs that differ in nothing else: [{"name", "title",
    "config": Config}], in the order of kinds.

    kinds: some of "none", "aux", "seq-aux", "bias" and "bias+aux", as a list or separated by commas.
    """
    text = text_of(Config(config, **keywords))
    return _with_configs(_parse(raw.minimoe_config_balancers(text, _joined(kinds))))


def run_findings(run: Mapping[str, Any], /) -> dict[str, Any]:
    """What a finished run showed, window by window: {"val_loss", "verdict", "verdict_windows", "windows",
    "interference", "val_losses"}.

    run: {"window": 50, "config": the resolved configuration, "lines": the lines of metrics.jsonl, "health": of
    minimoe.health, or None without MoE layers, "val_loss": nats a token}.
    """
    result: dict[str, Any] = _parse(raw.minimoe_run_findings(to_json("run", run)))
    return result


def break_findings(runs: Mapping[str, Any], /) -> dict[str, Any]:
    """What a break showed: {"name", "claims", "symptom", "recovery", "seeds", ...}. minimoe.breaks() has the breaks.

    runs: {"schema": "minimoe-break-runs/1", "break": "headstart", "window": 50, "seeds": [{"seed": 36000, "runs":
    {"healthy": RUN, "broken": RUN, "dense": RUN, "fixed": RUN}}]}; a RUN is what run_findings reads, without "window".
    """
    result: dict[str, Any] = _parse(raw.minimoe_break_findings(to_json("runs", runs)))
    return result


def _joined(kinds: str | Iterable[str]) -> str:
    if isinstance(kinds, str):
        return kinds
    try:
        return ",".join(kinds)
    except TypeError as error:
        raise TypeError(f"kinds: expected a str or strs: {error}") from None


def _with_configs(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**entry, "config": Config(entry["config"])} for entry in entries]
