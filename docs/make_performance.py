# SPDX-License-Identifier: Apache-2.0
"""Refreshes docs/performance/ and the tables of docs/performance.md from a directory of measurements.

Usage: make_performance.py [DIRECTORY]  (build/bench, which `make bench` fills: steps.json, steps-2.json, load.json, scaling.json and
its pictures; steps-avx512.json is steps.json of a CPU with AVX-512). A table whose file is not there stays as it is. --check writes nothing, and fails when a table is not that of the
JSON files in docs/performance/.
"""
import json
import pathlib
import re
import shutil
import sys

DOCS = pathlib.Path(__file__).resolve().parent
KEPT = DOCS / "performance"
DOCUMENT = DOCS / "performance.md"
FILES = ["steps.json", "steps-2.json", "steps-avx512.json", "load.json", "scaling.json", "scaling.svg", "scaling.png"]
PEERS = {"torch": "torch eager", "compile": "torch.compile", "mixtral": "Mixtral grouped_mm"}


def table(rows):
    head, *rest = [[str(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rest])


def least(runs):
    return min(runs, key=lambda run: run["ms_per_step"]["min"])


def ms(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def steps_table(document):
    rows = [["step", "ours, ms", "of FMA peak", "peak MB (estimate)", *(f"{p}, ms (ratio)" for p in PEERS.values())]]
    for row in document["steps"]:
        ours = least(row["runs"]["ours"])
        time = ours["ms_per_step"]["min"]
        cells = [row["row"], ms(time), f"{ours['fma_peak_fraction']:.2f}",
                 f"{ours['peak_rss_mb']:,.0f} ({ours['memory_estimate_mb']:,.0f})"]
        for peer in PEERS:
            theirs = least(row["runs"][peer])["ms_per_step"]["min"] if peer in row["runs"] else None
            cells.append(f"{ms(theirs)} ({time / theirs:.2f})" if theirs else "")
        rows.append(cells)
    return table(rows)


def layers_table(document):
    rows = [["layer, forward + backward", "minimoe.torch, ms", "loop over experts, ms (ratio)", "grouped_mm, ms (ratio)"]]
    for size in dict.fromkeys(layer["size"] for layer in document["layers"]):
        of = {layer["layer"]: layer["ms"] for layer in document["layers"] if layer["size"] == size}
        ours = of["minimoe.torch"]
        peers = [f"{ms(of[name])} ({ours / of[name]:.2f})" if name in of else ""
                 for name in ("loop over experts", "grouped_mm")]
        rows.append([size, ms(ours), *peers])
    return table(rows)


def profile_table(document):
    """The operations of each model's fastest step, both passes together, by their share in the first model."""
    models = {row["row"]: least(row["runs"]["ours"]) for row in document["steps"] if "," not in row["row"]}
    sums = {}
    for name, run in models.items():
        for entry in run["profile"]["operations"]:
            sum_ = sums.setdefault(entry["operation"], {}).setdefault(name, [0.0, 0.0])
            sum_[0] += entry["ms"]
            sum_[1] += entry["flops"]
    first = next(iter(models))
    rows = [["operation", *(f"{name}, ms (share; of peak)" for name in models)]]
    for operation in sorted(sums, key=lambda o: -sums[o].get(first, [0])[0]):
        cells = [operation]
        for name, run in models.items():
            time, flops = sums[operation].get(name, (0, 0))
            peak = f"; {flops * 1e-6 / time / run['fma_peak_gflops']:.2f}" if flops else ""
            cells.append(f"{time:,.2f} ({time / run['profile']['ms']:.1%}{peak})" if time else "")
        rows.append(cells)
    return table([*rows, ["step", *(f"{run['profile']['ms']:,.2f}" for run in models.values())]])


def threads_table(scaling):
    rows = [["model", "1 thread, ms", "2 threads, ms", "speed-up"]]
    for model in ("lab", "mid"):
        one, two = (point["ms"] for point in scaling[f"threads, {model}"])
        rows.append([f"{model} MoE", ms(one), ms(two), f"{one / two:.2f}"])
    return table(rows)


def growth_table(scaling):
    def of(axis, figure):
        points = scaling[axis]
        return ", ".join(f"{p['value']:,}: {figure(p, points[0])}" for p in points)

    aside = lambda p: p["ms"] - p["attention_ms"]  # noqa: E731
    return table([
        ["grows", "figure", "values"],
        ["tokens a step", "us a token", of("tokens", lambda p, _: f"{1e3 * p['ms'] / p['tokens']:.1f}")],
        ["experts", "time of the MoE layer over that of 4", of("experts", lambda p, f: f"{p['layer_ms'] / f['layer_ms']:.2f}")],
        ["d_model", "share of the FMA peak", of("width", lambda p, _: f"{p['fma_peak_fraction']:.2f}")],
        ["seq_len", "step without attention over that of 256", of("sequence", lambda p, f: f"{aside(p) / aside(f):.3f}")],
        ["seq_len", "attention, ms", of("sequence", lambda p, _: ms(p["attention_ms"]))],
        ["seq_len", "peak MB", of("sequence", lambda p, _: f"{p['peak_rss_mb']:,.0f}")]])


def load_table(rows):
    return table([["step of 2 threads", "idle, ms", "one busy process a core, ms", "ratio"],
                  *([row["row"], ms(row["idle_ms"]), ms(row["busy_ms"]), f"{row['ratio']:.2f}"] for row in rows)])


TABLES = {"steps": ("steps.json", steps_table), "steps-2": ("steps-2.json", steps_table),
          "steps-avx512": ("steps-avx512.json", steps_table), "layers-avx512": ("steps-avx512.json", layers_table),
          "layers": ("steps.json", layers_table), "profile": ("steps.json", profile_table),
          "threads": ("scaling.json", threads_table), "growth": ("scaling.json", growth_table),
          "load": ("load.json", load_table)}


def filled(text):
    for name, (file, make) in TABLES.items():
        if not (KEPT / file).exists():
            continue
        begin, end = f"<!-- {name}: made by make_performance.py -->\n", f"\n<!-- end of {name} -->"
        made = make(json.loads((KEPT / file).read_text()))
        text, count = re.subn(re.escape(begin) + ".*?" + re.escape(end), lambda _, m=made: begin + m + end, text, flags=re.S)
        if count != 1:
            sys.exit(f"{DOCUMENT.name}: {count} places for {name}, expected 1")
    return text


def main(arguments):
    if arguments == ["--check"]:
        sys.exit(0 if filled(DOCUMENT.read_text()) == DOCUMENT.read_text() else f"{DOCUMENT.name} is not what its JSON files give")
    source = pathlib.Path(arguments[0] if arguments else "build/bench")
    KEPT.mkdir(exist_ok=True)
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, KEPT / name)
    DOCUMENT.write_text(filled(DOCUMENT.read_text()))


main(sys.argv[1:])
