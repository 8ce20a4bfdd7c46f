# SPDX-License-Identifier: Apache-2.0
"""Pictures of routers over time, with matplotlib (pip install 'minimoe[notebook]').

Each function draws into `ax` (None: a new figure) and returns it. A log is what minimoe.health reads: an iterable of
objects {"step", "layer", "load", ...}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .notebook import VERDICT_COLOURS

_MOST_LINES = 16  # more experts than this are drawn as a map


def load_over_steps(log: Iterable[Mapping[str, Any]], layer: int = 0, ax: Any = None) -> Any:
    """Each expert's share of a step's assignments, 1 being even: lines, or a map of more than 16 experts."""
    lines = _of_layer(log, layer)
    ax = _axes(ax)
    steps = [line["step"] for line in lines]
    shares = [[len(line["load"]) * count / max(1, sum(line["load"])) for count in line["load"]] for line in lines]
    num_experts = len(shares[0])
    if num_experts > _MOST_LINES:
        image = ax.pcolormesh(steps, range(num_experts), list(zip(*shares)), shading="nearest", cmap="cividis", vmin=0)
        ax.figure.colorbar(image, ax=ax, label="load, in even shares")
        ax.set_ylabel("expert")
    else:
        for expert, share in enumerate(zip(*shares)):
            ax.plot(steps, share, linewidth=1.4, label=f"expert {expert}",
                    linestyle=("-", "--", "-.", ":")[expert % 4])
        ax.axhline(1, color="grey", linewidth=0.8, linestyle=":")
        ax.set_ylabel("load, in even shares")
        ax.set_ylim(bottom=0)
        ax.legend(fontsize="small", ncols=1 + num_experts // 5, frameon=False)
    ax.set_xlabel("step")
    return ax


def bias_over_steps(log: Iterable[Mapping[str, Any]], layer: int = 0, ax: Any = None) -> Any:
    """The range of the selection bias (bias_min to bias_max of the log)."""
    lines = [line for line in _of_layer(log, layer) if line.get("bias_min") is not None]
    if not lines:
        raise ValueError(f"log: no line of layer {layer} has bias_min and bias_max")
    ax = _axes(ax)
    steps = [line["step"] for line in lines]
    low, high = [line["bias_min"] for line in lines], [line["bias_max"] for line in lines]
    ax.fill_between(steps, low, high, alpha=0.3, linewidth=0)
    ax.plot(steps, high, linewidth=1.2, label="largest")
    ax.plot(steps, low, linewidth=1.2, linestyle="--", label="smallest")
    ax.set_xlabel("step")
    ax.set_ylabel("expert_bias")
    ax.legend(fontsize="small", frameon=False)
    return ax


def verdicts(report: Mapping[str, Any], ax: Any = None) -> Any:
    """The verdict of each window of a minimoe.health report, a row a layer."""
    ax = _axes(ax)
    seen: dict[str, Any] = {}
    for row, layer in enumerate(report["layers"]):
        windows = layer["windows"] or [{**layer, "first_step": 0, "last_step": 1}]
        for window in windows:
            verdict = window["verdict"]
            bar = ax.barh(row, window["last_step"] - window["first_step"] + 1, left=window["first_step"] - 0.5,
                          height=0.7, color=VERDICT_COLOURS.get(verdict, "grey"), edgecolor="white", linewidth=0.8)
            seen.setdefault(verdict, bar)
    ax.set_yticks(range(len(report["layers"])), [f"layer {layer['layer']}" for layer in report["layers"]])
    ax.invert_yaxis()
    ax.set_xlabel("step")
    ax.legend(seen.values(), seen.keys(), fontsize="small", frameon=False, ncols=len(seen), loc="lower left",
              bbox_to_anchor=(0, 1))
    return ax


def overview(report: Mapping[str, Any], log: Iterable[Mapping[str, Any]], layer: int = 0) -> Any:
    """Loads, the bias where the log has one that moved, and verdicts, one below the other: a list of axes."""
    lines = _of_layer(log, layer)
    with_bias = any(line.get("bias_min") or line.get("bias_max") for line in lines)
    heights = [3.0, *([1.6] if with_bias else []), 0.7 + 0.35 * len(report["layers"])]
    _, axes = _pyplot().subplots(len(heights), 1, figsize=(8, 1.2 + sum(heights)), height_ratios=heights, sharex=True,
                                 constrained_layout=True)
    load_over_steps(lines, layer, axes[0]).set_title(f"layer {layer}: {report['layers'][_row(report, layer)]['verdict']}",
                                                    loc="left", fontsize="medium")
    if with_bias:
        bias_over_steps(lines, layer, axes[1])
    verdicts(report, axes[-1])
    for ax in axes[:-1]:
        ax.set_xlabel("")
    return list(axes)


def _of_layer(log: Iterable[Mapping[str, Any]], layer: int) -> list[Mapping[str, Any]]:
    lines = [line for line in log if line["layer"] == layer]
    if not lines:
        raise ValueError(f"log: it has no line of layer {layer}")
    return lines


def _row(report: Mapping[str, Any], layer: int) -> int:
    return [entry["layer"] for entry in report["layers"]].index(layer)


def _axes(ax: Any) -> Any:
    return _pyplot().subplots(figsize=(8, 3), constrained_layout=True)[1] if ax is None else ax


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot
    except ImportError as missing:
        raise ImportError("minimoe.plots needs matplotlib: pip install 'minimoe[notebook]'") from missing
    return matplotlib.pyplot
