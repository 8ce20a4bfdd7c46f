#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Router logs whose truth is known because it was put in. Usage: make_synthetic_logs.py OUTPUT_DIRECTORY

The second series (-again) was drawn after the rule was fixed.

Fixed seeds: the same files each time. Unless a kind is about it, a line sums ten steps of 2,000 tokens, a log reaches
from step 10 to step 250, and the warm-up and window are the defaults of the health check (50 and 50 steps).
"""
import json
import math
import pathlib
import random
import sys

TOKENS, INTERVAL, LAST = 2000, 10, 250


def capped(weights, top_k):
    """Probabilities of being chosen, summing to top_k, none above 1, in the ratio of the weights below that."""
    chosen = [0.0] * len(weights)
    free, left = set(range(len(weights))), float(top_k)
    while True:
        total = sum(weights[e] for e in free)
        over = [e for e in free if weights[e] * left > total * (1 + 1e-12)] if total > 0 else []
        if not over:
            break
        for e in over:
            chosen[e] = 1.0
            free.remove(e)
            left -= 1
    for e in free:
        chosen[e] = left * weights[e] / total if total > 0 else 0.0
    return chosen


def draw(rng, weights, top_k, tokens):
    """Counts of `tokens` tokens that each choose top_k experts."""
    if tokens <= 400:  # one by one
        counts = [0] * len(weights)
        for _ in range(tokens):
            left = list(weights)
            for _ in range(top_k):
                e = rng.choices(range(len(left)), left)[0]
                counts[e] += 1
                left[e] = 0.0
        return counts
    counts = []
    for p in capped(weights, top_k):
        counts.append(min(tokens, max(0, round(tokens * p + math.sqrt(tokens * p * (1 - p)) * rng.gauss(0, 1)))))
    while sum(counts) != tokens * top_k:  # the normal draws do not sum to what they must
        step = 1 if sum(counts) < tokens * top_k else -1
        e = rng.choices(range(len(weights)), [w + 1e-12 for w in weights])[0]
        if 0 <= counts[e] + step <= tokens:
            counts[e] += step
    return counts


def normal(weights):
    return [w / sum(weights) for w in weights]


class Log:
    def __init__(self, name, num_experts, top_k, seed):
        self.name, self.num_experts, self.top_k = name, num_experts, top_k
        self.rng = random.Random(f"{name} {seed}")
        self.lines = []

    def even(self, spread=0.12):
        """Weights of a router in order: each a little off."""
        return [math.exp(self.rng.gauss(0, spread)) for _ in range(self.num_experts)]

    def on(self, favourites, leak):
        """Weights that leave `leak` of the choices to all but the favourites."""
        others = self.num_experts - len(favourites)
        return [(1 - leak) / len(favourites) if e in favourites else leak / max(1, others)
                for e in range(self.num_experts)]

    def add(self, step, weights, probs=None, tokens=TOKENS * INTERVAL, steps=INTERVAL, drop=0.0, layer=0, load=None,
            keys=("mean_probs", "num_dropped"), **more):
        load = load or draw(self.rng, weights, self.top_k, tokens)
        line = {"step": step, "layer": layer, "top_k": self.top_k, "load": load}
        if "mean_probs" in keys:
            line["mean_probs"] = [round(p, 5) for p in normal(probs or weights)]
        if "num_dropped" in keys:
            line["num_dropped"] = round(drop * sum(load))
        if steps > 1:
            line["num_steps"] = steps
            mean = sum(load) / len(load)
            line["max_violation_batch"] = round(max(load) / mean - 1 + 0.02, 4)
        self.lines.append({**line, **more})

    def fill(self, weights_of_step, first=INTERVAL, last=LAST, **more):
        if self.num_experts >= 64:  # long lines: the last windows are enough
            first = max(first, 110)
        for step in range(first, last + 1, INTERVAL):
            self.add(step, weights_of_step(step), **more)
        return self


def cases(series=""):
    """(kind, truth, log); another series draws other numbers for the same kinds."""
    pairs = [(2, 1), (4, 1), (4, 2), (8, 1), (8, 2), (8, 4), (16, 1), (16, 2), (32, 4), (64, 8), (128, 2), (128, 8)]

    def log(kind, e, k, variant=0):
        return Log(f"{kind}-e{e}k{k}" + (f"-{variant}" if variant else "") + series, e, k, variant)

    for e, k in pairs:
        one = log("healthy", e, k)
        base = one.even()
        yield "healthy", "healthy", one.fill(lambda s: base)
    for e, k in [(4, 1), (8, 2), (16, 1), (64, 2)]:  # padding: the number of valid tokens differs from line to line
        one = log("healthy-padded", e, k)
        base = one.even()
        for step in range(10, LAST + 1, 10):
            one.add(step, base, tokens=one.rng.randrange(3000, 20000))
        yield "padding", "healthy", one
    for e, k in [(4, 1), (16, 2)]:  # significant, and harmless
        one = log("healthy-many-tokens", e, k)
        base = [1 + 0.01 * one.rng.choice((-1, 1)) for _ in range(e)]
        yield "significant", "healthy", one.fill(lambda s: base, tokens=10**9)
    for e, k in [(4, 2), (16, 1)]:
        one = log("healthy-without-probs", e, k)
        base = one.even()
        yield "without mean_probs", "healthy", one.fill(lambda s: base, keys=())
    for e, k in [(2, 1), (4, 1), (8, 1), (16, 1), (16, 2), (64, 2), (128, 8)]:
        one = log("collapsed", e, k)
        base = one.on(set(one.rng.sample(range(e), k)), one.rng.uniform(0.01, 0.08))
        yield "collapsed", "collapsed", one.fill(lambda s: base)
    for e, k in [(4, 2), (4, 3), (8, 4), (8, 6), (16, 8)]:  # K/E of a half and more: n_eff / E never gets below it
        one = log("collapsed-half", e, k)
        base = one.on(set(one.rng.sample(range(e), k)), 0.02)
        yield "K/E >= .5", "collapsed", one.fill(lambda s: base)
    for e, k in [(4, 2), (8, 2), (8, 4), (16, 2), (64, 4), (128, 8)]:  # first choice always the same, the others even
        one = log("silent", e, k)
        first = one.rng.randrange(e)
        base = [40.0 * e if i == first else w for i, w in enumerate(one.even(0.05))]
        yield "silent at K >= 2", "collapsed", one.fill(lambda s: base)
    for e in (4, 8, 32):  # every token on one expert whose probability is a hair ahead: aux_loss reads about 1
        one = log("silent-argmax", e, 1)
        probs = [1 / e - 1e-3 / (e - 1)] * e
        probs[1] = 1 / e + 1e-3
        yield "aux_loss blind", "collapsed", one.fill(
            lambda s: one.on({1}, 0.001), probs=probs, aux_loss=round(e * probs[1], 4))
    for e, k, tokens in [(4, 1, 2), (8, 1, 3), (16, 2, 3), (64, 1, 20), (128, 2, 12), (4, 2, 1), (32, 1, 8)]:
        one = log("few-tokens", e, k)
        base = [1.0] * e
        yield "few tokens", "untested", one.fill(lambda s: base, tokens=tokens)
    for e, k, variant in [(64, 1, 0), (64, 2, 0), (64, 2, 1), (128, 2, 0), (128, 8, 0), (32, 1, 0)]:
        one = log("hot-one", e, k, variant)
        base = one.even(0.08)
        base[one.rng.randrange(e)] = one.rng.uniform(8, 12)
        yield "one hot expert among many", "skewed", one.fill(lambda s: base)
    for e, k, dead in [(8, 1, 2), (16, 1, 4), (16, 2, 1), (64, 2, 6), (128, 8, 5), (4, 1, 1)]:
        one = log("dead", e, k)
        base = one.even()
        for i in one.rng.sample(range(e), dead):
            base[i] = one.rng.choice((0.0, 0.03))
        yield "cold experts", "skewed", one.fill(lambda s: base)
    for e, k in [(2, 1), (4, 1), (8, 1), (8, 2), (16, 1)]:
        one = log("uneven", e, k)
        base = [1.0 / (1 + i) ** 1.1 for i in range(e)]
        if e == 2:
            base = [0.8, 0.2]
        one.rng.shuffle(base)
        yield "uneven", "skewed", one.fill(lambda s: base)
    for e, k in [(4, 1), (8, 1), (8, 2), (16, 1), (64, 2)]:  # each batch on one set of experts, the next on another
        one = log("batch-by-batch", e, k)
        for step in range(201, 251):
            one.add(step, one.on({(step * k + i) % e for i in range(k)}, 0.01), probs=[1.0] * e, tokens=TOKENS, steps=1)
        yield "a different expert each batch", "collapsed", one
    for e, k in [(4, 1), (16, 2)]:  # the same, in lines that sum ten steps and say what batches did
        one = log("batch-by-batch-summed", e, k)
        yield "a different expert each batch", "collapsed", one.fill(lambda s: [1.0] * e,
                                                                     max_violation_batch=0.97 * (e / k - 1))
    for e, k, mass in [(2, 1, 0.93), (2, 1, 0.86), (4, 1, 0.76), (4, 1, 0.9), (8, 1, 0.6), (16, 1, 0.5), (16, 1, 0.9),
                       (64, 1, 0.5), (4, 2, 0.85), (16, 2, 0.7), (128, 2, 0.6)]:
        one = log(f"sham-{round(100 * mass)}", e, k)
        base = one.even(0.05)
        heavy = one.on({one.rng.randrange(e)}, 1 - mass)
        yield "sham", "sham", one.fill(lambda s: base, probs=heavy)
    for e, k in [(4, 1), (8, 1), (16, 1)]:  # the counts are not quite even either
        one = log("sham-uneven", e, k)
        base = one.even(0.4)
        heavy = one.on({one.rng.randrange(e)}, 0.1)
        yield "sham below .8", "sham", one.fill(lambda s: base, probs=heavy)
    for e, k in [(2, 2), (4, 4)]:
        one = log("all-experts-sham", e, k)
        heavy = one.on({0}, 0.08)
        yield "K = E", "sham", one.fill(lambda s: [1.0] * e, probs=heavy)
        one = log("all-experts", e, k)
        yield "K = E", "healthy", one.fill(lambda s: one.even())
        one = log("all-experts-without-probs", e, k)
        yield "K = E", "untested", one.fill(lambda s: one.even(), keys=())
    for e, k, drop in [(4, 1, 0.2), (8, 2, 0.12), (16, 2, 0.3), (64, 2, 0.08)]:
        one = log("drops", e, k)
        base = one.even()
        yield "drops", "skewed", one.fill(lambda s: base, drop=drop)
    for e, k in [(4, 1), (8, 2)]:
        one = log("few-drops", e, k)
        base = one.even()
        yield "drops", "healthy", one.fill(lambda s: base, drop=0.02)
    for e, k in [(4, 1), (8, 2), (16, 1), (64, 2)]:  # collapsed for the last 20 of the window's 50 steps
        one = log("onset", e, k)
        base, end = one.even(), one.on(set(range(k)), 0.03)
        yield "onset", "collapsed", one.fill(lambda s: end if s > LAST - 20 else base)
    for e, k in [(4, 1), (16, 2), (8, 1)]:  # for the last 10
        one = log("sudden-onset", e, k)
        base, end = one.even(), one.on(set(range(k)), 0.03)
        yield "onset", "at-risk", one.fill(lambda s: end if s > LAST - 10 else base)
    for e, k in [(4, 1), (8, 1), (16, 2)]:  # from one expert to the next every ten steps
        one = log("oscillating", e, k)
        yield "oscillation", "collapsed", one.fill(lambda s: one.on({(s // 10 * k + i) % e for i in range(k)}, 0.04))
    for e, k in [(4, 1), (8, 2), (16, 1)]:  # bad and good windows in turn, at the end a good one
        one = log("back-and-forth", e, k)
        base, bad = one.even(), one.on(set(range(k)), 0.05)
        yield "oscillation", "at-risk", one.fill(lambda s: bad if (s - 1) // 50 % 2 == 1 else base)
    for e, k in [(4, 1), (8, 2), (16, 1), (64, 4)]:
        one = log("recovered", e, k)
        base, bad = one.even(), one.on(set(range(k)), 0.05)
        yield "recovery", "healthy", one.fill(lambda s: bad if s <= 150 else base)
    for e, k in [(4, 1), (8, 2), (16, 1)]:  # the distance to collapse falls by .1 to .2 a window
        one = log("falling", e, k)
        base, bad = one.even(0.03), one.on(set(range(k)), 0.0)

        def mixed(s):
            share = min(0.75, max(0.0, (s - 100) / 150 * 0.5))
            return [(1 - share) * a / sum(base) + share * b for a, b in zip(base, bad)]
        yield "falling", "at-risk", one.fill(mixed)
    for variant, (first, second, truth) in enumerate([("even", "bad", "collapsed"), ("bad", "mirror", "collapsed"),
                                                      ("even", "dead", "skewed"), ("even", "sham", "sham")]):
        one = log("two-layers", 4, 1, variant)
        kinds = {"even": one.even(), "bad": one.on({0, 1}, 0.0), "mirror": one.on({2, 3}, 0.0),
                 "dead": [1.0, 1.1, 0.9, 0.01], "sham": one.even(0.04)}
        if variant == 1:
            kinds.update(bad=one.on({0}, 0.02), mirror=[0.02, 0.3267, 0.3267, 0.3266])
        if variant == 0:
            kinds.update(bad=one.on({3}, 0.02))
        for step in range(10, LAST + 1, 10):
            for layer, kind in enumerate((first, second)):
                one.add(step, kinds[kind], layer=layer, probs=one.on({2}, 0.05) if kind == "sham" else None)
        yield "layers that cancel when pooled", truth, one
    for e, k in [(4, 1), (16, 2), (8, 1)]:
        one = log("too-early", e, k)
        base = one.even()
        yield "early", "untested", one.fill(lambda s: base, last=80)
    for e, k in [(4, 1), (8, 1), (16, 1)]:
        one = log("early-warning", e, k)
        yield "early", "at-risk", one.fill(lambda s: one.on({1}, 0.04), last=60)
        one = log("early-ahead-by-counts", e, k)  # the gate mass is not behind it: it may heal
        yield "early", "untested", one.fill(lambda s: one.on({1}, 0.04), probs=one.even(0.2), last=60)
    for e, k in [(4, 1), (8, 1)]:  # one step in ten of a bias that flips
        one = log("sampled", e, k)
        for step in range(10, LAST + 1, 10):
            flip = [2.6 if i % 2 == 0 else 0.5 for i in range(e)]
            one.add(step, flip, probs=one.even(0.03), tokens=TOKENS, steps=1)
        yield "sampled", "untested", one


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    index = []
    second = [case for number, case in enumerate(cases("-again")) if number % 7 == 3]
    for kind, truth, log in [*cases(), *second]:
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in log.lines)
        (out / f"{log.name}.jsonl").write_text(text)
        index.append({"file": f"{log.name}.jsonl", "kind": kind, "truth": truth})
    assert len({entry["file"] for entry in index}) == len(index)
    (out / "truths.json").write_text("[\n" + ",\n".join(json.dumps(entry) for entry in index) + "\n]\n")
    print(len(index), "logs")


if __name__ == "__main__":
    main()
