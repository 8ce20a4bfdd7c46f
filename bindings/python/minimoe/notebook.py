# SPDX-License-Identifier: Apache-2.0
"""What a notebook shows of a Health or a Comparison: one self-contained piece of HTML, without scripts.

Text takes the page's own colour and nothing paints a background, so a light and a dark notebook both stay readable; the
colours below have a contrast of at least 3 to 1 on white and on black, and no meaning hangs on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

VERDICT_COLOURS = {
    "healthy": "#0d8f63",
    "adopt": "#0d8f63",
    "untested": "#7d8590",
    "defer": "#7d8590",
    "skewed": "#b7791f",
    "at-risk": "#c9600e",
    "sham": "#a855b5",
    "collapsed": "#d64545",
    "never": "#d64545",
}
_BAR, _OTHER = "#2f86c9", "#7d8590"
_MOST_LABELS = 32
_COMPARED = {
    "moe_variant_minus_dense_baseline": "dense, same d_ff",
    "moe_variant_minus_dense_active_matched": "dense, same active parameters",
    "moe_variant_minus_dense_total_matched": "dense, same total parameters",
}


def health_html(report: Mapping[str, Any]) -> str:
    """A report of minimoe.health: the verdict, and for each layer its reason, loads, windows and advice."""
    several = len(report["layers"]) > 1
    head = _banner("Router health", report["verdict"],
                   f"worst of {len(report['layers'])} layers" if several else report["layers"][0]["rule"])
    return _page(head + "".join(_layer(layer, several) for layer in report["layers"]))


def comparison_html(report: Mapping[str, Any]) -> str:
    """A report of minimoe.compare_verdict: the verdict, its reasons, and the differences with their intervals."""
    head = _banner("MoE against dense", report["verdict"], report["rule"])
    differences = {label: report["differences"][key] for key, label in _COMPARED.items()
                   if key in report.get("differences", {})}
    return _page(head + _list(report["reasons"]) + _intervals(differences) + _spread(report.get("spread", {})))


def _page(body: str) -> str:
    return f'<div style="max-width:720px;line-height:1.45;color:inherit;font-size:14px">{body}</div>'


def _banner(title: str, verdict: str, detail: str) -> str:
    colour = VERDICT_COLOURS.get(verdict, _OTHER)
    return (f'<div style="border-left:6px solid {colour};padding:2px 0 2px 12px;margin:4px 0 8px">'
            f'<span style="opacity:.75">{escape(title)}</span><br>'
            f'<strong style="font-size:1.35em">{escape(verdict)}</strong> '
            f'<span style="opacity:.75">{escape(detail)}</span></div>')


def _list(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul style="margin:4px 0 8px;padding-left:20px">{items}</ul>' if items else ""


def _layer(layer: Mapping[str, Any], several: bool) -> str:
    title = f"Layer {layer['layer']}" + (f" (block {layer['block']})" if layer.get("block") is not None else "")
    rule = f"{layer['verdict']}, {layer['rule']}" if several else layer["rule"]
    figures = layer["figures"]
    parts = [f'<p style="margin:10px 0 2px"><strong>{escape(title)}</strong> '
             f'<span style="opacity:.75">{escape(rule)}</span></p>',
             f'<p style="margin:2px 0 6px">{escape(layer["reason"])}.</p>']
    if figures and figures.get("utilisation"):
        parts.append(_loads(title, figures))
    if len(layer.get("windows", ())) > 1:
        parts.append(_windows(title, layer["windows"]))
    for name, sentences in (("What to try", layer.get("advice")), ("Also found", layer.get("findings"))):
        if sentences:
            parts.append(f'<p style="margin:6px 0 0;opacity:.75">{name}</p>{_list(sentences)}')
    return "".join(parts)


def _svg(label: str, width: int, height: float, body: str) -> str:
    return (f'<svg viewBox="0 0 {width} {height:g}" width="{width}" role="img" aria-label="{escape(label)}" '
            f'style="max-width:100%;height:auto;display:block" font-size="11" fill="currentColor">'
            f"<title>{escape(label)}</title>{body}</svg>")


def _text(x: float, y: float, text: str, anchor: str = "start", opacity: float = 0.8) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" opacity="{opacity}">{escape(text)}</text>'


def _loads(title: str, figures: Mapping[str, Any]) -> str:
    """Bars of each expert's load, a tick where its gate mass is; 1 is an even share."""
    loads: list[float] = figures["utilisation"]
    count = len(loads)
    mass: list[float] = [p * count for p in figures.get("mean_probs") or []]
    left, right, top, bottom = 34.0, 640.0, 16.0, 128.0
    highest: float = max([1.25, *loads, *mass])
    pitch = (right - left) / count

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / highest

    bars = "".join(f"M{left + (n + 0.15) * pitch:.1f} {bottom}V{y(load):.1f}h{0.7 * pitch:.2f}V{bottom}z"
                   for n, load in enumerate(loads))
    ticks = "".join(f"M{left + (n + 0.03) * pitch:.1f} {y(value):.1f}h{0.94 * pitch:.2f}" for n, value in enumerate(mass))
    body = (f'<path d="{bars}" fill="{_BAR}"/>'
            f'<path d="M{left} {y(1):.1f}H{right}" stroke="currentColor" stroke-dasharray="2 3" opacity=".7"/>'
            f'<path d="M{left} {bottom}H{right}" stroke="currentColor" opacity=".4"/>'
            f'<path d="{ticks}" stroke="currentColor" stroke-width="2.5" fill="none"/>')
    body += _text(left - 5, y(1) + 4, "even", "end") + _text(left - 5, bottom + 1, "0", "end")
    for n in range(count) if count <= _MOST_LABELS else (0, count - 1):
        x = left + (n + 0.5) * pitch
        body += _text(x, bottom + 13, str(n), "middle")
        if count <= _MOST_LABELS // 2:
            body += _text(x, y(max([loads[n], *mass[n:n + 1]])) - 6, f"{loads[n]:.2f}", "middle")
    caption = "load of each expert, in even shares" + ("; line: its gate mass" if mass else "")
    body += _text((left + right) / 2, bottom + 28, f"{caption} (steps {figures['first_step']} to {figures['last_step']})",
                  "middle")
    return _svg(f"{title}: load of each of {count} experts; even is 1, the fullest has {max(loads):.2f}", 660,
                bottom + 36, body)


def _windows(title: str, windows: list[Mapping[str, Any]]) -> str:
    """A strip of the verdicts over time, the last forty of them."""
    shown = windows[-40:]
    left, width = 34.0, 606.0
    pitch = width / len(shown)
    body = ""
    for n, window in enumerate(shown):
        verdict, x = window["verdict"], left + n * pitch
        tip = f"steps {window['first_step']} to {window['last_step']}: {verdict}"
        body += (f'<rect x="{x:.1f}" y="2" width="{max(1.0, pitch - 2):.1f}" height="14" rx="2" '
                 f'fill="{VERDICT_COLOURS.get(verdict, _OTHER)}"><title>{escape(tip)}</title></rect>')
        if n == 0 or verdict != shown[n - 1]["verdict"]:
            body += _text(x, 29, verdict)
    first, last = shown[0]["first_step"], shown[-1]["last_step"]
    body += _text(left, 43, f"step {first}") + _text(left + width, 43, f"{last}", "end")
    return _svg(f"{title}: verdicts from step {first} to {last}", 660, 48, body)


def _intervals(differences: Mapping[str, Mapping[str, Any]]) -> str:
    """Validation loss of the MoE model minus that of each dense one: seeds as dots, mean, 95 % interval."""
    numbers: list[float] = [value for d in differences.values() for value in (*d["values"], d["low"], d["high"]) if value is not None]
    if not numbers:
        return ""
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    margin = 0.06 * (high - low or 1.0)
    left, right, pitch = 200.0, 640.0, 26.0

    def x(value: float) -> float:
        return left + (right - left) * (value - low + margin) / (high - low + 2 * margin)

    bottom = 8 + pitch * len(differences)
    body = f'<path d="M{x(0):.1f} 2V{bottom}" stroke="currentColor" stroke-dasharray="2 3" opacity=".8"/>'
    body += _text(x(0), bottom + 13, "0", "middle")
    for n, (name, d) in enumerate(differences.items()):
        y = 18 + n * pitch
        body += _text(left - 8, y + 4, name, "end", 1)
        if d["low"] is not None:
            body += f'<path d="M{x(d["low"]):.1f} {y}H{x(d["high"]):.1f}" stroke="{_BAR}" stroke-width="3"/>'
        body += "".join(f'<circle cx="{x(v):.1f}" cy="{y}" r="2.5" opacity=".7"/>' for v in d["values"])
        body += (f'<path d="M{x(d["mean"]):.1f} {y - 7}v14" stroke="currentColor" stroke-width="2.5"/>'
                 + _text(x(d["mean"]), y - 8, f"{d['mean']:+.4f}", "middle"))
    body += _text((left + right) / 2, bottom + 28,
                  "validation loss, MoE minus dense, in nats (below 0: MoE is better)", "middle")
    return _svg("Differences of validation loss, MoE minus dense: " + ", ".join(
        f"{name} {d['mean']:+.4f}" for name, d in differences.items()), 660, bottom + 36, body)


def _spread(spread: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    names = list(dict.fromkeys(figure for figures in spread.values() for figure in figures))
    if not names:
        return ""
    cell = 'style="padding:2px 12px 2px 0;text-align:right"'
    first = 'style="padding:2px 12px 2px 0;text-align:left;font-weight:normal"'
    rows = ""
    for variant, figures in spread.items():
        cells = "".join(f"<td {cell}>{_mean(figures.get(name))}</td>" for name in names)
        rows += f'<tr style="background:none"><th scope="row" {first}>{escape(variant)}</th>{cells}</tr>'
    heads = "".join(f'<th scope="col" {cell}>{escape(name)}</th>' for name in names)
    return (f'<table style="border-collapse:collapse;margin:8px 0;color:inherit"><caption style="text-align:left;'
            f'opacity:.75;color:inherit">mean ± standard deviation over seeds</caption>'
            f'<thead><tr style="background:none"><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>')


def _mean(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["mean"] is None:
        return "–"
    return f"{figure['mean']:.4g}" + (f" ± {figure['std']:.2g}" if figure["n"] > 1 else "")
