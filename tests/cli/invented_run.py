# SPDX-License-Identifier: Apache-2.0
"""Files of a run that never was: routing, health and specialisation of any size, with any names."""
import json
import random

HOSTILE = ["<script>alert(1)</script>", "a_b^c@d{e}~f", "50% \"quoted\" & 'single'", "niño_año ¿qué?", "back\\slash \\n x",
           "{/Symbol a}", "tab\there\x07", "a very long class name that has no end at all and goes on and on", "]]>", "-->", "`date`",
           "$(id)"]
UPOS = ["NOUN", "VERB", "PUNCT", "DET", "ADP", "ADJ", "PRON", "ADV", "AUX", "PROPN", "CCONJ", "NUM", "SCONJ", "PART", "INTJ",
        "SYM", "X"]


def shares(rng, num_experts, evenness):
    weights = [rng.gammavariate(evenness, 1) + 1e-9 for _ in range(num_experts)]
    return [w / sum(weights) for w in weights]


def metrics(num_experts, top_k=2, steps=120, blocks=(1,), tokens=1024, seed=3, drops=False):
    rng, lines = random.Random(seed), []
    ahead = {b: shares(rng, num_experts, 4) for b in blocks}
    for step in range(1, steps + 1):
        layers = []
        for b in blocks:
            probs = [0.7 * a + 0.3 * s for a, s in zip(ahead[b], shares(rng, num_experts, 9))]
            load = [int(p * tokens * top_k) for p in probs]
            load[0] += tokens * top_k - sum(load)
            layers.append({"block": b, "load": load, "mean_probs": probs, "gate_weight_share": probs,
                           "dropped": [n // 10 if drops else 0 for n in load]})
        lines.append({"step": step, "loss": 7 / step ** 0.3, "aux_loss": 1.01, "z_loss": 1.9, "tokens": tokens,
                      "seconds": 0.1, "cpu_seconds": 0.1, "layers": layers})
        if step % 40 == 0:
            lines[-1]["val_loss"] = 7.1 / step ** 0.3
    return lines


def health(verdict="healthy", blocks=(1,), reason="Over 50 steps the load uses 0.97 of the experts."):
    figures = {"effective_experts": 3.9, "effective_share": 0.97, "max_share": 0.1, "max_violation_window": 0.2,
               "gate_mass_share": 0.96, "dead": [], "cold": [], "hot": [2], "drop_rate": 0.0}
    layers = [{"layer": b, "verdict": verdict, "rule": "even", "reason": reason, "advice": ["Halve the learning rate."],
               "findings": ["Expert 2 is hot."], "figures": figures,
               "windows": [{"first_step": 51, "last_step": 100, "verdict": verdict, "effective_share": 0.97,
                            "gate_mass_share": 0.96, "max_violation": 0.2}]} for b in blocks]
    return {"verdict": verdict, "window": 20, "warmup": 10, "options": {}, "layers": layers, "text": verdict}


def specialisation(num_experts, names=tuple(UPOS), blocks=(1,), by="class", seed=5):
    rng, layers = random.Random(seed), []
    for b in blocks:
        classes = [{"name": n, "count": max(3, int(9000 / (i + 1) ** 1.9)), "enough": i < 8,
                    "share": shares(rng, num_experts, 1.5), "lift": [1.0] * num_experts} for i, n in enumerate(names)]
        buckets = [{"name": n, "count": c, "share": shares(rng, num_experts, 3)}
                   for n, c in (("1-10", 90), ("11-100", 4000), ("> 100", 30000))]
        layers.append({
            "block": b, "num_experts": num_experts, "top_k": 2,
            "histogram": [int(50000 * s) for s in shares(rng, num_experts, 9)],
            "by_choice": [[1] * num_experts] * 2, "classes": classes if by == "class" else [], "frequency": buckets,
            "nmi": {"value": 0.25, "low": 0.243, "high": 0.259},
            "controls": {"shuffled_labels": {"mean": 0.0006, "max": 0.001, "p_value": 0.005},
                         "random_table": {"mean": 0.12, "std": 0.02}, "random_router": {"mean": 0.19, "std": 0.03},
                         "within_word_shuffle": {"mean": 0.23, "std": 0.004}},
            "word_explains": 0.82, "class_beyond_word": 0.012, "conclusion": "word-form",
            "text": "Experts divide by word form: the word explains 82 % of the choice, and class adds 1.2 % beyond it."})
    return {"corpus": "invented", "split": "val", "num_tokens": 25000, "by": by, "class_names": list(names),
            "layers": layers, "text": "Experts divide by word form."}


def result():
    return {"version": "0.0.0", "steps": 120, "seed": 7, "train_loss": 1.5, "val_loss": 1.6, "val_perplexity": 4.95,
            "entropy_floor": {"train": 0.96, "val": 0.97}, "wall_time_s": 9, "cpu_time_s": 8, "tokens_per_s": 13000,
            "corpus": {"name": "invented", "sha256": "0" * 64, "vocab_size": 99}}


def write_run(directory, lines=None, **documents):
    """`documents`: health=..., specialisation=..., manifest=..., result=...; a None is left out."""
    directory.mkdir(parents=True, exist_ok=True)
    documents.setdefault("result", result())
    if lines is not None:
        (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, document in documents.items():
        if document is not None:
            (directory / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False))
    return directory
