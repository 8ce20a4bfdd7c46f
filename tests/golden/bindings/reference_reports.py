# SPDX-License-Identifier: Apache-2.0
"""What the cases about configurations, loads, figures and statuses must give, by the formulas of the documents."""
import csv
import json
import math
import pathlib
import re

import reference_data

ROOT = pathlib.Path(__file__).resolve().parents[3]
INVALID = reference_data.INVALID


def library(case):
    header = (ROOT / "capi/minimoe.h").read_text(encoding="utf-8")
    codes = {int(number): name for name, number in re.findall(r"#define (MINIMOE_(?:OK|E_\w+)) (\d+) ", header)}
    major, minor, patch = (int(part) for part in re.search(
        r"project\(\s*minimoe\s+VERSION (\d+)\.(\d+)\.(\d+)", (ROOT / "CMakeLists.txt").read_text()).groups())
    defaults = {f"model.{key}": value for key, value in DEFAULTS.items() if key != "moe"}
    defaults |= {f"model.moe.{key}": value for key, value in MOE_DEFAULTS.items()}
    defaults |= {f"train.{key}": value for key, value in TRAIN_DEFAULTS.items()} | OTHER_DEFAULTS
    return {"config_keys": {"table": ["key", {key: {"default": json.dumps(value, separators=(",", ":"))}
                                            for key, value in defaults.items()}]},
            "config_breaks": {"contains": ['"claims":', '"fix_diff":']},
            "version_number": major * 1000000 + minor * 1000 + patch, "version_string": f"{major}.{minor}.{patch}",
            "build_info": {"json": {"version": f"{major}.{minor}.{patch}"}},
            "status_names": [codes.get(code, "MINIMOE_E_?") for code in case["codes"]]}


def preset(case):
    moe = {"lab": [1], "lab-dense": []}.get(case["preset"])
    if moe is None:
        return {"preset": INVALID}
    return {"preset": {"json": {"model/moe/layers": moe, "model/moe/num_experts": 4, "model/moe/top_k": 2,
                                "model/num_layers": 2}}}


# ---- configurations ----

DEFAULTS = dict(vocab_size=0, max_seq_len=64, num_layers=2, d_model=64, num_heads=4, num_kv_heads=0, d_ff=256,
                norm="layer_norm", position="learned", ffn="gelu", gelu="tanh", attention_bias=True,
                attention_output_bias=True, qk_norm=False, qk_norm_full_width=False, tied_embeddings=False,
                rope_theta=10000.0, rope_pairing="half_split", norm_eps=1e-5)
LLAMA = dict(norm="rms_norm", position="rope", ffn="swiglu", attention_bias=False)
MOE_DEFAULTS = dict(layers=[], num_experts=4, top_k=2, d_expert=256, gate_order="auto", routed_scale=1.0,
                    num_shared_experts=0, shared_expert_gate=False, router_bias=False, router_learning_rate_factor=1.0,
                    aux_loss_coef=0.01, aux_loss_scope="micro_batch", z_loss_coef=0.0, bias_balancing=False,
                    bias_update_rate=1e-3, bias_centering=False, capacity_factor=0.0, eval_capacity_factor=0.0,
                    drop_priority="position")
TRAIN_DEFAULTS = dict(steps=5000, batch_size=16, seq_len=64, accumulation_steps=1, learning_rate=1e-3,
                      min_learning_rate=1e-4, warmup_steps=100, schedule="cosine", beta1=0.9, beta2=0.95, adam_eps=1e-8,
                      weight_decay=0.1, clip_norm=1.0, precision="fp32", seed=36000)
# Of keys that no reference model looks at.
OTHER_DEFAULTS = {"model.preset": "gpt2", "model.init_std": 0.02, "model.moe.allow_constant_gate": False,
                  "model.moe.router_init_std": 0.02, "model.moe.router_bias_init": [], "model.moe.bias_guard": True,
                  "data.corpus": "grammar", "data.format": "auto", "data.languages": ["en", "es"],
                  "data.num_eval_sentences": 4000, "data.val_fraction": 0.1, "data.tokenizer": "auto",
                  "data.max_vocab": 2048}


def resolved(config):
    """The "model" and "train" objects of a configuration with every key that counts here."""
    given = json.loads(config or "{}")
    model = dict(given.get("model", {}))
    base = DEFAULTS | (LLAMA if model.pop("preset", "gpt2") == "llama" else {})
    moe = MOE_DEFAULTS | model.get("moe", {})
    if moe["gate_order"] == "auto":
        moe["gate_order"] = "softmax_topk" if moe["top_k"] == 1 else "softmax_topk_renorm"
    model = base | model | {"moe": moe}
    seq_len = min(TRAIN_DEFAULTS["seq_len"], model["max_seq_len"])
    return model, TRAIN_DEFAULTS | {"seq_len": seq_len} | given.get("train", {})


def feed_forward_size(m, width):
    d = m["d_model"]
    return 3 * d * width if m["ffn"] == "swiglu" else 2 * d * width + width + d


def cost(m, seq_len):
    """Counts of parameters, and 6 floating-point operations for each multiply-add of a token's forward pass."""
    d, vocab, moe = m["d_model"], m["vocab_size"], m["moe"]
    head_dim = d // m["num_heads"]
    qkv = (m["num_heads"] + 2 * (m["num_kv_heads"] or m["num_heads"])) * head_dim
    norm = d * (2 if m["norm"] == "layer_norm" else 1)
    matrices = 3 if m["ffn"] == "swiglu" else 2
    total = vocab * d * (1 if m["tied_embeddings"] else 2) + norm
    total += m["max_seq_len"] * d if m["position"] == "learned" else 0
    products, idle = vocab * d, 0
    for block in range(m["num_layers"]):
        total += 2 * norm + qkv * d + d * d + (qkv if m["attention_bias"] else 0)
        total += d if m["attention_bias"] and m["attention_output_bias"] else 0
        total += ((qkv + d) // 2 if m["qk_norm_full_width"] else 2 * head_dim) if m["qk_norm"] else 0
        products += qkv * d + d * d + (seq_len + 1) * d
        if block not in moe["layers"]:
            total += feed_forward_size(m, m["d_ff"])
            products += matrices * d * m["d_ff"]
            continue
        experts, top_k, width = moe["num_experts"], moe["top_k"], moe["d_expert"]
        shared = moe["num_shared_experts"] * width
        total += experts * d + experts * feed_forward_size(m, width) + (experts if moe["router_bias"] else 0)
        total += (feed_forward_size(m, shared) if shared else 0) + (d if moe["shared_expert_gate"] else 0)
        idle += (experts - top_k) * feed_forward_size(m, width)
        products += experts * d + matrices * d * (top_k * width + shared) + (d if moe["shared_expert_gate"] else 0)
    return {"total_parameters": total, "active_parameters": total - idle, "train_flops_per_token": 6.0 * products}


def variants(m, seq_len):
    """The four models of a comparison: of two widths of the same distance the narrower one."""
    if not m["moe"]["layers"]:
        return INVALID
    dense = m | {"moe": m["moe"] | {"layers": []}}
    size = cost(m, seq_len)
    paths = {"0/key": "dense_baseline", "1/key": "moe_variant", "2/key": "dense_active_matched", "3/key": "dense_total_matched",
             "0/title": "dense", "1/title": "moe", "2/title": "dense-active", "3/title": "dense-total"}
    for at, target in (("2", "active_parameters"), ("3", "total_parameters")):
        far = {width: abs(cost(dense | {"d_ff": width}, seq_len)["total_parameters"] - size[target])
               for width in range(1, 10 * m["d_ff"] * m["moe"]["num_experts"])}
        paths[f"{at}/config/model/d_ff"] = min(far, key=lambda width: (far[width], width))
    for at in "023":
        paths[f"{at}/config/model/moe/layers"] = []
    return {"json": paths | {"1/config/model/moe/layers": m["moe"]["layers"], "0/config/model/d_ff": m["d_ff"]}}


def balancers(m, kinds):
    moe, names = m["moe"], kinds.split(",")
    known = {"none": (0, 0, 0), "aux": (1, 0, 0), "seq-aux": (1, 1, 0), "bias": (0, 0, 1), "bias+aux": (1, 0, 1)}
    if not moe["layers"] or not set(names) <= set(known) or len(set(names)) < len(names):
        return INVALID
    paths = {}
    for i, name in enumerate(names):
        aux, per_sequence, bias = known[name]
        scope = "micro_batch" if moe["aux_loss_scope"] == "sequence" else moe["aux_loss_scope"]
        paths |= {f"{i}/name": name, f"{i}/title": "balance-" + name.replace("+", "-"),
                  f"{i}/config/model/moe/aux_loss_coef": float(aux * (moe["aux_loss_coef"] or 0.01)),
                  f"{i}/config/model/moe/aux_loss_scope": "sequence" if per_sequence else scope,
                  f"{i}/config/model/moe/bias_balancing": bool(bias)}
    return {"json": paths}


def config(case):
    every = ("resolved", "cost", "memory", "variants", "balancers")
    try:
        m, t = resolved(case["config"])
        text = json.loads(case["config"] or "{}")
    except json.JSONDecodeError:
        return dict.fromkeys(every, INVALID)
    if case["name"] in ("config: several bad keys", "config: a duplicate key") or t["seq_len"] > m["max_seq_len"]:
        return dict.fromkeys(every, INVALID)
    result = {"resolved": {"json": reference_data.given(json.dumps(text))}, "balancers": balancers(m, case["kinds"])}
    if m["vocab_size"] == 0:
        return result | {"cost": INVALID, "memory": INVALID, "variants": INVALID}
    size = cost(m, t["seq_len"])
    return result | {"cost": {"json": size}, "variants": variants(m, t["seq_len"])}


# ---- loads and figures ----

def load_statistics(case):
    load, top_k = case["load"], case["top_k"]
    total, num = sum(load), len(load)
    if total == 0 or top_k > num:
        return {"statistics": INVALID}
    mean, shares = total / num, [c / total for c in load]
    effective = math.exp(-sum(s * math.log(s) for s in shares if s))
    return {"statistics": {"json": {
        "max_violation": max(load) / mean - 1,
        "max_share": (max(shares) - 1 / num) / (1 / top_k - 1 / num) if top_k < num else 0.0,
        "load_entropy": math.log(effective) / math.log(num) if num > 1 else 1.0,
        "effective_experts": effective,
        "share_stddev": math.sqrt(sum((s - 1 / num) ** 2 for s in shares) / num),
        "num_dead": load.count(0),
        "num_cold": sum(c < 0.1 * mean for c in load),
        "num_hot": sum(c > 1.25 * mean for c in load),
        "utilisation": [c / mean for c in load]}}}


def student_t(degrees):
    """Half width of a 95 % interval in standard errors, by scipy."""
    with open(ROOT / "tests/analysis/student_t.csv", encoding="utf-8") as table:
        for row in csv.reader(table):
            if row[:3] == ["t", "0.95", str(degrees)]:
                return float(row[3])
    raise KeyError(degrees)


def compare_verdict(case):
    figures = json.loads(case["json"])
    losses = {name: f["val_loss"] for name, f in figures.items()}
    if any(loss is None for values in losses.values() for loss in values):
        return {"verdict": INVALID}
    moe, seeds = losses["moe_variant"], len(losses["moe_variant"])
    times = {name: sum(f["cpu_time_s"]) / seeds for name, f in figures.items()}
    ratio = times["moe_variant"] / times["dense_baseline"]
    paths, limits = {"cpu_time_ratio": ratio}, {}
    for other in ("dense_baseline", "dense_active_matched", "dense_total_matched"):
        values = [a - b for a, b in zip(moe, losses[other])]
        mean = sum(values) / seeds
        at = f"differences/moe_variant_minus_{other}/"
        paths |= {at + "mean": mean, at + "n": seeds, at + "min": min(values), at + "max": max(values),
                  at + "values": values}
        if seeds > 1:
            std = math.sqrt(sum((v - mean) ** 2 for v in values) / (seeds - 1))
            half = student_t(seeds - 1) * std / math.sqrt(seeds)
            limits[other] = mean - half, mean + half
            paths |= {at + "std": std, at + "low": mean - half, at + "high": mean + half}
        else:
            paths |= {at + "low": None, at + "high": None}
    paths["gain"] = 1 - math.exp(paths["differences/moe_variant_minus_dense_baseline/mean"])
    low, high = limits.get("dense_baseline", (-math.inf, math.inf))
    same = math.log(1.01)
    if limits and all(above < 0 for _, above in limits.values()) and paths["gain"] > 0.01:
        paths["verdict"] = "adopt"
    elif low > 0 or (-same < low and high < same and ratio > 1.5):
        paths["verdict"] = "never"
    else:
        paths["verdict"] = "defer"
    return {"verdict": {"json": paths}}


# What the logs of texts.py were made to show.
LABELS = {"healthy": "healthy", "collapsing": "collapsed", "sham": "sham", "too early": "untested",
          "summed lines, drops, no probabilities": "skewed"}


def health_check(case):
    label = LABELS.get(case["name"].removeprefix("health: "))
    if label is None:
        return {"health": INVALID}
    last = json.loads(case["log"].splitlines()[-1])
    return {"health": {"json": {"verdict": label, "layers/0/verdict": label, "layers/0/layer": 0,
                                "layers/0/figures/last_step": last["step"]}}}


def compare_findings(case):
    return {"findings": {"contains": ["\n## ", "perplexity", "233"]}}


def effective_share(shares):
    return math.exp(-sum(s * math.log(s) for s in shares if s)) / len(shares)


def run_findings(case):
    run = json.loads(case["json"])
    size, lines = run["window"], run["lines"]
    if size < 1:
        return {"findings": INVALID}
    whole = max(1, len(lines) // size)  # what is left joins the last window
    paths = {"val_loss": run["val_loss"], "verdict": run["health"] and run["health"]["verdict"]}
    for i in range(whole):
        window = lines[i * size:(i + 1) * size if i + 1 < whole else len(lines)]
        losses = [line["loss"] for line in window]
        paths |= {f"windows/{i}/first_step": window[0]["step"], f"windows/{i}/last_step": window[-1]["step"],
                  f"windows/{i}/loss": None if None in losses else sum(losses) / len(losses)}
        layers = [line["layers"][0] for line in window if line["layers"]]
        if not layers:
            continue
        load = [sum(column) for column in zip(*(layer["load"] for layer in layers))]
        total = sum(load)
        probs = [sum(p * sum(layer["load"]) for p, layer in zip(column, layers)) / total
                 for column in zip(*(layer["mean_probs"] for layer in layers))]
        paths |= {f"windows/{i}/load": load, f"windows/{i}/mean_probs": probs, f"windows/{i}/largest_share": max(load) / total,
                  f"windows/{i}/aux_loss": sum(line["aux_loss"] for line in window) / len(window),
                  f"windows/{i}/effective_share": effective_share([c / total for c in load]),
                  f"windows/{i}/gate_mass_share": effective_share(probs),
                  f"windows/{i}/max_violation": max(load) * len(load) / total - 1,
                  f"windows/{i}/num_cold": sum(c < 0.1 * total / len(load) for c in load),
                  f"windows/{i}/drop_rate": sum(sum(layer["dropped"]) for layer in layers) / total}
    return {"findings": {"json": paths}}


def break_findings(case):
    """The runs of texts.py, by hand: four steps in two windows. Runs of a break take 500."""
    name = case["name"].removeprefix("break_findings: ")
    if name not in ("headstart", "aux-off"):
        return {"findings": INVALID}
    said = {"main loss": 4, "aux loss": 4, "expert counts": 4, "gate mass": 4, "drop rate": None, "router gradient": 2,
            "health verdict": 4, "validation loss": 4}
    paths = {"name": name, "claims/0/claim": "collapsed", "claims/0/holds": True, "claims/0/decided": False,
             "seeds/0/seed": 7, "seeds/0/fixed_even_from": 4, "seeds/0/fixed_healthy_from": 2,
             "seeds/0/runs/broken/verdict": "collapsed", "seeds/0/runs/broken/windows/0/load": [50, 50, 50, 50],
             "seeds/0/runs/dense/verdict": None, "seeds/0/runs/broken/interference/0/step": 2}
    for i, (signal, step) in enumerate(said.items()):
        paths |= {f"seeds/0/signals/{i}/signal": signal, f"seeds/0/signals/{i}/first_step": step}
    if name == "aux-off":  # one choice a token: more than 80 % can be reached
        paths |= {"claims/1/claim": "share-above-80-percent", "claims/1/holds": True, "claims/1/decided": True,
                  "claims/3/claim": "worse-than-dense", "claims/3/holds": True}
    return {"findings": {"json": paths}}


def status(case):
    result = {"result": {"error": case["status"]}}
    return result | {"needed": case["count"]} if case["status"] == "MINIMOE_E_BUFFER_TOO_SMALL" else result
