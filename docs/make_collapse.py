#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the tables of docs/collapse.md and puts them there, between the lines that name them.

Usage: make_collapse.py PROGRAM [--file FILE] [--only CORPUS] [--seeds N] [--out DIR] [--isa NAME]
FILE is a UTF-8 text (the tables were made with tiny Shakespeare); without it only the embedded corpus is measured, and
the other table stays as it is. A run that DIR holds already is not taken again.
"""
import argparse
import json
import pathlib
import re
import subprocess

DOCUMENT = pathlib.Path(__file__).resolve().parent / "collapse.md"
K1 = ["--top-k", "1", "--lr", "3e-3", "--warmup-steps", "50", "--steps", "500"]
LAB = ["--steps", "500"]
AHEAD = ["--set", "model.moe.router_bias=true", "--set", "model.moe.router_bias_init=[6,0,0,0]"]
SIXTEEN = ["--num-experts", "16"]
# What the row is about, and what is given to `minimoe train`.
ROWS = [
    ("the lab's own: E=4, K=2, gate std 0.02", LAB + ["--alpha", "0"]),
    ("the lab's own: E=4, K=2, gate std 0.02", LAB + ["--alpha", "0.01"]),
    ("E=4, K=1", K1 + ["--alpha", "0"]),
    ("E=4, K=1", K1 + ["--alpha", "0.01"]),
    ("E=4, K=1, bias +6 on expert 0", K1 + ["--alpha", "0"] + AHEAD),
    ("E=4, K=1, bias +6 on expert 0", K1 + ["--alpha", "0.01"] + AHEAD),
    ("E=4, K=1, bias +6 on expert 0", K1 + ["--alpha", "0", "--bias-update-rate", "1e-3"] + AHEAD),
    ("E=4, K=1, bias +6 on expert 0", K1 + ["--alpha", "0", "--bias-update-rate", "1e-2"] + AHEAD),
    ("E=4, K=1, bias +6 on expert 0", K1 + ["--alpha", "0.01", "--bias-update-rate", "1e-2"] + AHEAD),
    ("E=16, K=1", K1 + SIXTEEN + ["--alpha", "0"]),
    ("E=16, K=1", K1 + SIXTEEN + ["--alpha", "0.01"]),
    ("E=16, K=1", K1 + SIXTEEN + ["--alpha", "0", "--bias-update-rate", "1e-3"]),
]
HEAD = ["start", "balance", "verdict at step 150", "verdict at the end", "ever not healthy after that", "largest share",
        "effective / E", "gate mass / E", "cold", "val loss - dense", "command"]


def balance_of(flags):
    alpha = flags[flags.index("--alpha") + 1]
    rate = flags[flags.index("--bias-update-rate") + 1] if "--bias-update-rate" in flags else None
    return f"alpha {alpha}" + (f", bias u = {rate}" if rate else "")


def effective(masses):
    from math import exp, log
    total = sum(masses)
    return exp(-sum(m / total * log(m / total) for m in masses if m > 0)) / len(masses)


def train(options, corpus, flags, seed):
    """The directory of the run, which is made unless it is there."""
    command = [*flags, "--seed", str(seed)] + (["--corpus", options.file] if corpus == "file" else [])
    name = re.sub(r"[^\w.+-]+", "_", " ".join([corpus, *flags, str(seed)]))
    directory = pathlib.Path(options.out) / name
    if not options.have and not (directory / "result.json").exists():
        subprocess.run([options.program, "train", *command, "--threads", "1", "--isa", options.isa, "--quiet", "--json",
                        "--force", "--out", str(directory)], check=True, stdout=subprocess.DEVNULL)
    return directory


def figures(options, directory):
    """What a row tells of one seed; the verdicts are those of the program of now, also for a run that was there."""
    result = json.loads((directory / "result.json").read_text())
    health = json.loads(subprocess.run([options.program, "health", str(directory), "--json"], stdout=subprocess.PIPE).stdout)
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()][-50:]
    layers = [line["layers"][0] for line in lines]
    loads = [sum(layer["load"][e] for layer in layers) for e in range(len(layers[0]["load"]))]
    probs = [sum(layer["mean_probs"][e] for layer in layers) for e in range(len(loads))]
    windows = health["layers"][0]["windows"]
    at_150 = [w["verdict"] for w in windows if w["last_step"] <= 150]
    return {"at_150": at_150[-1] if at_150 else "-", "verdict": health["verdict"],
            "left": any(w["verdict"] not in ("healthy", "untested") for w in windows if w["last_step"] >= 150),
            "largest": max(loads) / sum(loads), "effective": effective(loads), "gate": effective(probs),
            "cold": sum(load < 0.1 * sum(loads) / len(loads) for load in loads), "val_loss": result["val_loss"]}


def row(options, corpus, start, flags):
    runs, differences = [], []
    for seed in range(36000, 36000 + options.seeds):
        runs.append(figures(options, train(options, corpus, flags, seed)))
        dense = [*(LAB if "--top-k" not in flags else K1[2:]), "--moe-layer", "none"]
        dense_loss = json.loads((train(options, corpus, dense, seed) / "result.json").read_text())["val_loss"]
        differences.append(runs[-1]["val_loss"] - dense_loss)
        print(corpus, start, balance_of(flags), seed, runs[-1], flush=True)

    def each(key, decimals):
        return " / ".join(f"{run[key]:.{decimals}f}" for run in runs)
    command = " ".join(["minimoe train", *flags, "--seed SEED", *(["--corpus FILE"] if corpus == "file" else [])])
    return [start, balance_of(flags), " / ".join(r["at_150"] for r in runs), " / ".join(r["verdict"] for r in runs),
            " / ".join("yes" if r["left"] else "no" for r in runs), each("largest", 2), each("effective", 2),
            each("gate", 2), each("cold", 0), " / ".join(f"{d:+.4f}" for d in differences), f"`{command}`"]


def table(options, corpus):
    rows = [HEAD, ["---"] * len(HEAD)]
    for start, flags in ROWS:
        try:
            rows.append(row(options, corpus, start, flags))
        except FileNotFoundError:
            if not options.have:
                raise
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--file")
    parser.add_argument("--only", choices=["grammar", "file"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--have", action="store_true", help="train nothing: rows of which a run is missing are left out")
    parser.add_argument("--out", default="experiments/collapse")
    parser.add_argument("--isa", default="avx2", help="one instruction set, so that outcomes repeat")
    options = parser.parse_args()
    for corpus in [options.only] if options.only else ["grammar"] + (["file"] if options.file else []):
        made = table(options, corpus)
        text = DOCUMENT.read_text()
        begin, end = f"<!-- {corpus}: made by make_collapse.py -->\n", f"\n<!-- end of {corpus} -->"
        DOCUMENT.write_text(text[:text.index(begin) + len(begin)] + made + text[text.index(end):])


if __name__ == "__main__":
    main()
