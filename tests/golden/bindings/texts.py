# SPDX-License-Identifier: Apache-2.0
"""Longer inputs of the golden set, all invented: a text, router logs, load vectors, figures of comparisons."""
import json
import math

# Three widths of UTF-8, a line without its line feed.
BOOK = "".join(f"{i}: the caf\u00e9 sends {i * i % 7} tokens \u2192 expert {i % 4} \U0001f600\n" for i in range(40))
BOOK += "end"

LOADS = [("even", [12, 12, 12, 12], 2), ("one dead, one hot", [0, 31, 9, 8], 2), ("a single expert", [5], 1),
         ("large counts", [2 ** 53 + 1, 2 ** 53 + 3, 2 ** 52], 1), ("all zero", [0, 0], 1), ("top_k above E", [1, 2], 3)]


def _log(loads_of, num_steps=80, probs_of=None, every=1, **more):
    lines = []
    for step in range(every, num_steps + 1, every):
        line = {"step": step, "layer": 0, "top_k": 2, "load": loads_of(step), **more}
        if probs_of:
            line["mean_probs"] = probs_of(step)
        lines.append(json.dumps(line, separators=(",", ":")))
    return "\n".join(lines) + "\n"


def health_logs():
    """(name, log, options)"""
    even = [0.25] * 4

    def wobbling(step):
        return [1024 + step % 5, 1024 - step % 5, 1024 + step % 3, 1024 - step % 3]

    def collapsing(step):
        moved = min(1000, 14 * step)
        return [1024 + moved, 1024 + moved, 1024 - moved, 1024 - moved]
    early = '{"warmup":0,"settle_steps":0,"window":20}'
    return [("healthy", _log(wobbling, probs_of=lambda step: even), early),
            ("collapsing", _log(collapsing, probs_of=lambda step: even), early),
            ("sham", _log(wobbling, probs_of=lambda step: [0.97, 0.01, 0.01, 0.01]), early),
            ("summed lines, drops, no probabilities", _log(lambda step: [4096, 4100, 4092, 4096], every=4, num_steps=4,
                                                           num_dropped=2000), early),
            ("too early", _log(wobbling, num_steps=3), ""),
            ("a line that no router can have done", _log(lambda step: [3, 0, 0, 0], num_steps=1), "{}"),
            ("an unknown option", _log(wobbling, num_steps=2), '{"windw":5}')]


def _figures(moe, dense, active, total, ratio):
    def variant(losses, time):
        return {"val_loss": losses, "cpu_time_s": [time + 0.25 * i for i in range(len(losses))]}
    return {"moe_variant": variant(moe, 8 * ratio), "dense_baseline": variant(dense, 8),
            "dense_active_matched": variant(active, 9), "dense_total_matched": variant(total, 12)}


def verdicts():
    """(name, figures of the four variants)"""
    moe, wobble = [1.3125, 1.328125, 1.296875, 1.3046875], [0.001, -0.002, 0.0015, -0.0005]

    def worse(by):
        return [loss + by + w for loss, w in zip(moe, wobble)]
    missing = _figures(moe, worse(0.1), worse(0.1), worse(0.1), 1)
    missing["dense_baseline"]["val_loss"][1] = None
    return [("adopt", _figures(moe, worse(0.05), worse(0.04), worse(0.03), 1.25)),
            ("never", _figures(moe, worse(-0.03), worse(0.04), worse(0.05), 1.25)),
            ("never, the same for twice the time", _figures(moe, worse(0.0005), worse(0.04), worse(0.05), 2)),
            ("defer", _figures(moe, worse(0.05), worse(-0.01), worse(0.01), 1.25)),
            ("defer, one seed", _figures(moe[:1], worse(0.05)[:1], worse(0.04)[:1], worse(0.03)[:1], 1.25)),
            ("a figure that is null", missing)]


def _record(loads, probs, losses, verdict, val_loss, norm):
    """A run of four steps for run_findings, without its window."""
    lines = [{"step": i + 1, "loss": loss, "aux_loss": 1.0 + 0.125 * i, "layers": [
        {"block": 1, "load": load, "dropped": [0, 0, 0, 4], "mean_probs": prob}]}
             for i, (load, prob, loss) in enumerate(zip(loads, probs, losses))]
    lines[1]["interference"] = [{"block": 1, "main_norm": norm, "aux_norm": 0.5, "scaled_ratio": None, "cosine": None}]
    lines[3]["val_loss"] = val_loss
    return {"config": {"model": {"moe": {"top_k": 1}}, "train": {"steps": 4}}, "lines": lines, "val_loss": val_loss, "health": {
        "verdict": verdict, "layers": [{"verdict": verdict, "windows": [
            {"first_step": 1, "last_step": 2, "verdict": "healthy"}, {"first_step": 3, "last_step": 4, "verdict": verdict}]}]}}


def runs_of_breaks():
    """(name, op, document)"""
    even, one, flat, sharp = [25, 25, 25, 25], [97, 1, 1, 1], [0.25] * 4, [0.97, 0.01, 0.01, 0.01]
    healthy = _record([even] * 4, [flat] * 4, [2.0, 1.75, 1.5, 1.25], "healthy", 1.25, 0.125)
    broken = _record([even, even, one, one], [flat, sharp, sharp, sharp], [2.0, 1.75, None, 1.5], "collapsed", 1.5, 0.0)
    fixed = _record([one, one, even, even], [sharp, flat, flat, flat], [1.5, 1.5, 1.5, 1.25], "healthy", 1.25, 0.25)
    dense = _record([even] * 4, [flat] * 4, [2.0, 1.75, 1.5, 1.25], "healthy", 1.375, 0.125)
    for line in dense["lines"]:
        line["layers"] = []
        line.pop("interference", None)
    dense["health"] = None

    def document(name, **runs):
        runs = {"healthy": healthy, "broken": broken, "dense": dense, "fixed": fixed} | runs
        return {"schema": "minimoe-break-runs/1", "break": name, "window": 2, "seeds": [{"seed": 7, "runs": runs}]}
    unfinished = dict(broken, lines=broken["lines"][:3])
    return [("a collapsing router", "run_findings", broken | {"window": 2}),
            ("a dense model", "run_findings", dense | {"window": 3}),
            ("a window of no line", "run_findings", dense | {"window": 0}),
            ("headstart", "break_findings", document("headstart")),
            ("aux-off", "break_findings", document("aux-off")),
            ("an unfinished run", "break_findings", document("headstart", broken=unfinished)),
            ("an unknown break", "break_findings", document("headstrat"))]


def _comparison():
    """What `minimoe compare` writes, of a comparison that never ran."""
    def variant(differences, time, params, active, d_ff, flops):
        losses = [1.3 + 0.01 * i + d for i, d in enumerate(differences)]
        spread = {"final_val_loss": losses, "final_val_ppl": [round(math.exp(x), 6) for x in losses],
                  "cpu_time_s": [time, time * 1.01, time * 1.02]}
        return {"params": params, "active_params": active, "train_flops_per_token": flops, "d_ff": d_ff,
                "probe_accuracy_val": 0.9125, "spread": {name: {"values": v} for name, v in spread.items()}}
    moe = variant([0, 0, 0], 13, 233248, 166500, 256, 1010000)
    moe["spread"].update({"experts_dead_count": {"values": [0, 1, 0]}, "experts_cold_count": {"values": [0, 2, 0]},
                          "load_balance_stddev": {"values": [0.0125, 0.0625, 0.0125]}})
    health = {"verdict": "healthy", "layers": [{"layer": 0, "verdict": "healthy", "reason": "3.97 of 4 in effect."}]}
    return {"schema": "minimoe-compare/1", "seeds": [36000, 36001, 36002], "num_experts": 4, "top_k": 2,
            "moe_layer_indices": [1], "alpha_aux_loss": 0.01, "steps": 5000,
            "entropy_floor": {"train": 1.2, "val": 1.2003}, "corpus": {"name": "grammar", "vocab_size": 517},
            "config": {"model": {"moe": {"bias_balancing": False}}, "train": {"learning_rate": 0.003}},
            "dense_baseline": variant([0.049, 0.05, 0.051], 10, 133248, 133248, 256, 810000), "moe_variant": moe,
            "dense_active_matched": variant([0.039, 0.04, 0.041], 11, 166464, 166464, 384, 1000000),
            "dense_total_matched": variant([0.029, 0.03, 0.031], 12, 233152, 233152, 640, 1400000),
            "health": [health] * 3, "specialisation": None}


COMPARISON = _comparison()
