#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains small models on the embedded corpus and keeps their router logs, labelled by what came out.

Usage: make_real_logs.py PROGRAM RUN_DIRECTORY OUTPUT_DIRECTORY [--keep-runs]

A log line sums ten steps. The outcome is taken from the validation split, which no line of a log has seen, by counting
experts: see outcome_of. It knows nothing of entropies, windows, or the limits of the health rule.
"""
import json
import pathlib
import subprocess
import sys

INTERVAL = 10


def start_ahead(num_experts, ahead=1):
    return {"router_bias": True, "router_bias_init": [6.0] * ahead + [0.0] * (num_experts - ahead)}


def settings():
    """Every run: (name, moe section, train section). K = 1 weights by the plain softmax."""
    def run(name, num_experts, top_k, seed, moe, **train):
        base = {"layers": [1], "num_experts": num_experts, "top_k": top_k, "d_expert": 256}
        if top_k == 1:
            base["gate_order"] = "softmax_topk"
        return (f"{name}-s{seed}", {**base, **moe},
                {"steps": 500, "warmup_steps": 50, "learning_rate": 3e-3, "min_learning_rate": 3e-4, "seed": seed, **train})

    aux, none = {"aux_loss_coef": 0.01}, {"aux_loss_coef": 0.0}
    bias = {**none, "bias_balancing": True, "bias_update_rate": 1e-2}
    slow = {**none, "bias_balancing": True, "bias_update_rate": 1e-3}
    for seed in (1, 2, 3):
        yield run("e4k1-none", 4, 1, seed, none)
        yield run("e4k1-aux", 4, 1, seed, aux)
        yield run("e4k1-headstart-none", 4, 1, seed, {**none, **start_ahead(4)})
        yield run("e4k1-headstart-aux", 4, 1, seed, {**aux, **start_ahead(4)})
        yield run("e4k1-headstart-bias", 4, 1, seed, {**bias, **start_ahead(4)})
        yield run("e16k1-none", 16, 1, seed, none)
        yield run("e16k1-aux", 16, 1, seed, aux)
    for seed in (4, 5):
        yield run("e4k1-bias", 4, 1, seed, slow)
        yield run("e16k1-headstart-none", 16, 1, seed, {**none, **start_ahead(16)})
        yield run("e16k1-headstart-bias", 16, 1, seed, {**bias, **start_ahead(16)})
        yield run("e16k1-bias", 16, 1, seed, slow)
        yield run("e2k1-headstart-none", 2, 1, seed, {**none, **start_ahead(2)})
        yield run("e2k1-headstart-bias", 2, 1, seed, {**bias, **start_ahead(2)})
        yield run("e4k2-none", 4, 2, seed, none)
        yield run("e4k2-aux", 4, 2, seed, aux)
        yield run("e4k2-headstart-none", 4, 2, seed, {**none, **start_ahead(4)})
        yield run("e8k2-headstart-none", 8, 2, seed, {**none, **start_ahead(8, 2)})
        yield run("e8k2-aux", 8, 2, seed, aux)
        yield run("e8k4-headstart-none", 8, 4, seed, {**none, **start_ahead(8, 4)})
    yield run("e2k1-aux", 2, 1, 6, aux)
    yield run("e2k2-aux", 2, 2, 6, aux)
    yield run("e4k4-none", 4, 4, 6, none)
    yield run("e32k1-none", 32, 1, 6, none)
    yield run("e32k2-aux", 32, 2, 6, aux)
    yield run("e8k1-lr-spike", 8, 1, 6, {**aux, "router_learning_rate_factor": 30})
    yield run("e4k1-capacity-tight", 4, 1, 6, {**none, **start_ahead(4), "capacity_factor": 0.5})
    yield run("e4k1-capacity-fits", 4, 1, 6, {**aux, "capacity_factor": 2.0})


def router_log(metrics, top_k):
    """Lines that sum INTERVAL steps each."""
    lines = []
    for start in range(0, len(metrics), INTERVAL):
        steps = metrics[start:start + INTERVAL]
        layers = [step["layers"][0] for step in steps]
        num_experts = len(layers[0]["load"])
        tokens = [sum(layer["load"]) // top_k for layer in layers]
        violation = [max(layer["load"]) * num_experts / sum(layer["load"]) - 1 for layer in layers]
        lines.append({
            "step": steps[-1]["step"], "layer": 0, "top_k": top_k,
            "load": [sum(layer["load"][e] for layer in layers) for e in range(num_experts)],
            "mean_probs": [round(sum(n * layer["mean_probs"][e] for n, layer in zip(tokens, layers)) / sum(tokens), 5)
                           for e in range(num_experts)],
            "num_dropped": sum(sum(layer["dropped"]) for layer in layers), "num_steps": len(steps),
            "max_violation_batch": round(sum(violation) / len(violation), 4)})
    return lines


def outcome_of(layer, top_k, drop_rate):
    """What the validation split says of the last weights, by counting experts and tokens. An expert is in use with a
    quarter of an even share of the assignments, and has weight with a quarter of an even share of the probability.

    collapsed: one expert gets nine tenths of what it could get beyond its even share. sham: experts without weight get
    more than half of the assignments that all but one expert would get if counts were even. collapsed, too: at most a
    third of the experts beyond top_k are in use. skewed: an expert without a tenth of an even share, or with four, or
    more than one assignment in twenty dropped in the last ten steps.
    """
    load, probs = layer["load_share"], layer["mean_probs"]
    num_experts = len(load)
    in_use = sum(share >= 0.25 / num_experts for share in load)
    weightless = sum(share for share, p in zip(load, probs) if p < 0.25 / num_experts)
    if top_k < num_experts and (max(load) - 1 / num_experts) / (1 / top_k - 1 / num_experts) >= 0.9:
        return "collapsed"
    if weightless > 0.5 * (1 - 1 / num_experts):
        return "sham"
    if top_k < num_experts and in_use - top_k <= (num_experts - top_k) / 3:
        return "collapsed"
    if min(load) < 0.1 / num_experts or max(load) > 4 / num_experts or drop_rate > 0.05:
        return "skewed"
    return "healthy"


def main():
    program, runs, out = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    index = []
    for name, moe, train in settings():
        directory = runs / name
        config = runs / f"{name}.json"
        runs.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps({"model": {"moe": moe}, "train": train}))
        if not (directory / "result.json").exists():
            subprocess.run([program, "train", f"--config={config}", f"--out={directory}", "--force", "--quiet", "--json",
                            "--threads=1", "--isa=avx2", "--eval-windows=100"], check=True, stdout=subprocess.DEVNULL)
        metrics = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
        log = router_log(metrics, moe["top_k"])
        (out / f"{name}.jsonl").write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in log))
        layer = json.loads((directory / "result.json").read_text())["splits"]["val"]["layers"][0]
        drop_rate = log[-1]["num_dropped"] / sum(log[-1]["load"])
        index.append({"file": f"{name}.jsonl", "outcome": outcome_of(layer, moe["top_k"], drop_rate),
                      "val_load_share": [round(x, 4) for x in layer["load_share"]],
                      "val_mean_probs": [round(x, 4) for x in layer["mean_probs"]]})
        print(index[-1], flush=True)
    (out / "outcomes.json").write_text("[\n" + ",\n".join(json.dumps(entry) for entry in index) + "\n]\n")


if __name__ == "__main__":
    main()
