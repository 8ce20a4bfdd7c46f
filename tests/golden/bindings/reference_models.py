# SPDX-License-Identifier: Apache-2.0
"""What the cases with parameters must give, by PyTorch in float64 (tests/golden/reference.py)."""
import json
import math

import torch

import cases as shapes_of
import formulas
import philox
import reference
import reference_data
import reference_reports

IGNORE = -100
SMALLEST_MARGIN = 1e-4  # float32 must take the same decisions as float64
DECAYED = ("_embedding.weight", "head.weight", "qkv.weight", "proj.weight", "router.weight", "w_gate_proj", "w_up_proj",
           "w_down_proj")


def stable_topk(x, k, dim=-1, sorted=True):  # of equals, the lower index: torch.topk promises nothing
    values, indices = torch.sort(x, dim=dim, descending=True, stable=True)
    return values[..., :k], indices[..., :k]


torch.topk = stable_topk


def near(values):
    values = torch.as_tensor(values, dtype=torch.float64).detach().flatten().tolist()
    return {"near": [float(f"{v:.8g}") for v in values]}


def fill(tag, count, scale, period=None):
    values = [formulas.fill(tag, i % (period or count), scale) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64)


def filled(case, shapes, prefix=""):
    """Parameters by name: those of the case, and start values of the norms."""
    p = {}
    for name, shape in shapes.items():
        p[prefix + name] = torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
    for position, (name, count, period, scale) in enumerate(case["parameters"]):
        assert math.prod(shapes[name]) == count, name
        p[prefix + name] = fill(case["tag"] + position, count, scale, period).reshape(shapes[name])
    listed = {name for name, *_ in case["parameters"]}
    assert all(name in listed or "norm" in name for name in shapes), sorted(set(shapes) - listed)
    return {name: value.requires_grad_(not name.endswith("expert_bias")) for name, value in p.items()}


def parameter_info(shapes):
    rows = {name: {"shape": list(shape), "role": "weight"} for name, shape in shapes.items()}
    for name in rows:
        if name.endswith("expert_bias"):
            rows[name]["role"] = "buffer"
    return {"table": ["name", rows]}


def everywhere(rows, valid, empty=0):
    whole = torch.full((len(valid), rows.shape[1]), empty, dtype=rows.dtype)
    return whole.index_copy(0, valid.nonzero().flatten(), rows)


def entropy_share(load):
    shares = load.double() / load.sum()
    entropy = -(shares[shares > 0] * shares[shares > 0].log()).sum()
    return float(entropy / math.log(len(load)))


def require_margin(case, margin):
    if "tie" not in case["name"] and margin < SMALLEST_MARGIN:
        raise SystemExit(f"{case['name']}: a decision has a margin of {margin:.1e}: take another tag")


# ---- one layer ----

def layer(case):
    m, _ = reference_reports.resolved(case["config"])
    c, num_tokens = m["moe"], case["num_tokens"]
    p = filled(case, shapes_of.moe_shapes(m), "moe.")
    x = fill(case["tag"] + 100, num_tokens * m["d_model"], case["x_scale"]).reshape(num_tokens, -1).requires_grad_()
    d_y = fill(case["tag"] + 101, x.numel(), case["d_y_scale"]).reshape(x.shape)
    valid = torch.tensor(case["valid"] or [1] * num_tokens).bool()
    seq_len = case["seq_len"] or num_tokens
    inferred, at_inference = reference.moe(p, "moe", x, m, valid, seq_len, training=False)
    y, r = reference.moe(p, "moe", x, m, valid, seq_len)
    require_margin(case, min(r.margin, at_inference.margin))
    aux, z = reference.balance_losses([r], c["aux_loss_scope"])
    balance = c["aux_loss_coef"] * aux + c["z_loss_coef"] * z
    ((y * d_y).sum() + case["balance_scale"] * balance).backward()

    logits = torch.nn.functional.linear(x, p["moe.router.weight"], p.get("moe.router.bias"))[valid]
    bias, mean = p["moe.expert_bias"].clone(), r.load_E.double().mean()
    for _ in range(case["bias_updates"]):
        update = c["bias_update_rate"] * torch.sign(mean - r.load_E)
        bias += update - update.mean() if c["bias_centering"] else update
    result = {
        "config": {"json": reference_data.given(case["config"])},
        "num_parameters": len(case["parameters"]), "parameter_info": parameter_info(shapes_of.moe_shapes(m)),
        "infer": near(inferred), "y": near(y), "d_x": near(x.grad),
        "topk_idx": everywhere(r.topk_idx_NK, valid, -1).flatten().tolist(),
        "gate_weights": near(everywhere(r.gate_weights_NK, valid)),
        "kept": everywhere(r.kept_NK.long(), valid).flatten().tolist(),
        "router_logits": near(everywhere(logits, valid)), "router_probs": near(everywhere(r.probs_NE, valid)),
        "load": r.load_E.tolist(),
        "metrics.num_tokens": int(valid.sum()), "metrics.num_dropped": int((~r.kept_NK).sum()),
        "metrics.aux_loss": near(aux), "metrics.z_loss": near(z),
        "metrics.max_violation": near(r.load_E.max() / mean - 1),
        "metrics.load_entropy": near(entropy_share(r.load_E)),
        "expert_bias": near(bias),
    }
    for name in case["gradients"]:
        gradient = p[f"moe.{name}"].grad
        result[f"gradient/{name}"] = near(torch.zeros_like(p[f"moe.{name}"]) if gradient is None else gradient)
    return result


# ---- whole models ----

def traced(p, m, tokens_BS, valid_BS):
    """Logits, and the trace of the evaluation over all MoE layers."""
    logits, routings = reference.forward(p, m, tokens_BS, valid_BS, training=False)
    valid = valid_BS.flatten()

    def column(rows, empty=0):
        return torch.cat([everywhere(rows(r), valid, empty).flatten() for r in routings]) if routings else \
            torch.zeros(0, dtype=torch.int64)
    trace = {"trace.experts": column(lambda r: r.topk_idx_NK, -1).tolist(),
             "trace.weights": near(column(lambda r: r.gate_weights_NK)),
             "trace.kept": column(lambda r: r.kept_NK.long()).tolist()}
    return logits, trace, min([r.margin for r in routings], default=math.inf)


def generate(p, m, prompt, options):
    """Greedy, or drawn from the likeliest by one uniform number for each token."""
    text, margin = list(prompt), math.inf
    for _ in range(options["max_new_tokens"]):
        context = torch.tensor([text[-m["max_seq_len"]:]])
        logits = reference.forward(p, m, context, torch.ones_like(context).bool(), training=False)[0][-1]
        best, order = torch.sort(logits, descending=True)
        if options["temperature"] == 0:
            margin = min(margin, float(best[0] - best[1]))
            text.append(int(order[0]))
            continue
        kept = options.get("top_k") or len(order)
        if kept == len(order):
            order = torch.arange(len(order))
        order = order[:kept]
        edges = torch.softmax(logits[order] / options["temperature"], -1).cumsum(-1)
        drawn = philox.uniform(options["seed"], "sample", len(text))
        margin = min(margin, float((edges - drawn).abs().min()))
        text.append(int(order[int((edges <= drawn).sum())]))
    return text[len(prompt):], margin


def model(case):
    m, _ = reference_reports.resolved(case["config"])
    p = filled(case, shapes_of.model_shapes(m))
    tokens = [formulas.token(case["tag"] + 100, i, case["vocab_size"]) for i in range(case["num_tokens"])]
    tokens_BS = torch.tensor(tokens).reshape(-1, case["seq_len"])
    valid_BS = torch.tensor(case["valid"] or [1] * len(tokens)).bool().reshape(tokens_BS.shape)
    with torch.no_grad():
        logits, trace, margin = traced(p, m, tokens_BS, valid_BS)
        generated, draw_margin = generate(p, m, tokens[:case["prompt"]], json.loads(case["generate"]))
    require_margin(case, min(margin, draw_margin))
    cost = reference_reports.cost(m, case["seq_len"])
    result = {
        "config": {"json": reference_data.given(case["config"])},
        "info": {"json": {"total_parameters": cost["total_parameters"], "active_parameters": cost["active_parameters"],
                          "moe_blocks": m["moe"]["layers"], "num_threads": case["num_threads"]}},
        "num_parameters": len(p), "parameter_info": parameter_info(shapes_of.model_shapes(m)),
        "logits": near(logits), "loaded.logits": near(logits), "generated": generated,
        "checkpoint_info": {"json": {"step": 0, **{f"config/{path}": value for path, value in
                                                   reference_data.given(case["config"]).items()}}},
    }
    return result | trace | {f"parameter/{name}": near(p[name]) for name in case["read"]}


# ---- training ----

def batch_of(windows, batch_size, seq_len):
    """(tokens, targets, valid), each [B, S], padded with windows that are not valid."""
    whole = torch.zeros(batch_size, seq_len + 1, dtype=torch.int64)
    whole[:len(windows)] = torch.tensor(windows)
    tokens, targets = whole[:, :-1].clone(), whole[:, 1:].clone()
    valid = (torch.arange(batch_size) < len(windows))[:, None].expand(batch_size, seq_len)
    targets[~valid] = IGNORE
    return tokens, targets, valid


class Run:
    """The curve of a training run, its loads, and the parameters after each step."""

    def __init__(self, case):
        self.m, self.t = reference_reports.resolved(case["config"])
        self.data = reference_data.Tokens(case, {})
        self.m["vocab_size"] = self.data.vocab_size
        self.p = filled(case, shapes_of.model_shapes(self.m))
        self.curve, self.margin, self.routings, self.interference = [], math.inf, [], [self.pull(0)]
        self.parameters = [self.copy()]
        groups = [dict(params=[value], weight_decay=self.t["weight_decay"] if name.endswith(DECAYED) else 0.0)
                  for name, value in self.trained().items()]
        self.optimizer = torch.optim.AdamW(groups, betas=(self.t["beta1"], self.t["beta2"]), eps=self.t["adam_eps"],
                                           foreach=False)

    def trained(self):
        return {name: value for name, value in self.p.items() if not name.endswith("expert_bias")}

    def copy(self):
        return {name: value.detach().clone() for name, value in self.p.items()}

    def micro_batches(self, step):
        micros, size, seq_len = self.t["accumulation_steps"], self.t["batch_size"], self.t["seq_len"]
        first = step * micros * size
        windows = [self.data.window("train", self.t["seed"], first + i, seq_len) for i in range(micros * size)]
        return [batch_of(windows[i * size:(i + 1) * size], size, seq_len) for i in range(micros)]

    def pull(self, step):
        """Norms of the routers' gradients of the main and of the aux loss, and their cosine, before a step."""
        loss = reference.step_loss(self.p, self.m, self.micro_batches(step))
        told = []
        for block in self.m["moe"]["layers"]:
            prefix = f"blocks.{block}.moe.router."
            routers = [value for name, value in self.trained().items() if name.startswith(prefix)]
            main, aux = (torch.cat([g.flatten() for g in torch.autograd.grad(part, routers, retain_graph=True)])
                         for part in (loss.main, loss.aux))
            told.append({"block": block, "main_norm": float(main.norm()), "aux_norm": float(aux.norm()),
                         "scaled_ratio": float(self.m["moe"]["aux_loss_coef"] * aux.norm() / main.norm()),
                         "cosine": float(torch.cosine_similarity(main, aux, dim=0))})
        return told

    def step(self):
        number = len(self.curve) + 1
        self.optimizer.zero_grad(set_to_none=False)
        micro_batches = self.micro_batches(number - 1)
        loss = reference.step_loss(self.p, self.m, micro_batches)
        loss.total.backward()
        for value in self.trained().values():
            value.grad = torch.zeros_like(value) if value.grad is None else value.grad
        norm = torch.nn.utils.clip_grad_norm_(list(self.trained().values()), self.t["clip_norm"])
        rate = self.t["learning_rate"] * min(1, number / max(self.t["warmup_steps"], 1))
        if self.t["schedule"] == "cosine":
            rate = reference.learning_rate_at(self.t, number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        if self.m["moe"]["bias_balancing"]:
            for block, load in zip(self.m["moe"]["layers"], loss.load_LE.double()):
                update = self.m["moe"]["bias_update_rate"] * torch.sign(load.mean() - load)
                self.p[f"blocks.{block}.moe.expert_bias"] += update
        self.curve.append({"loss": loss.main.item(), "aux_loss": loss.aux.item(), "z_loss": loss.z.item(),
                           "total_loss": loss.total.item(), "learning_rate": rate, "gradient_norm": norm.item()})
        self.routings.append(loss.load_LE)
        self.margin = min(self.margin, loss.margin)
        self.parameters.append(self.copy())
        self.interference.append(self.pull(number))

    @torch.no_grad()
    def evaluate(self, parameters, split):
        size, seq_len = self.t["batch_size"], self.t["seq_len"]
        count = self.data.num_windows(split, seq_len)
        windows = [self.data.window(split, 0, i, seq_len) for i in range(count)]
        total, load, margin = 0.0, 0, math.inf
        for first in range(0, count, size):
            tokens, targets, valid = batch_of(windows[first:first + size], size, seq_len)
            logits, routings = reference.forward(parameters, self.m, tokens, valid, training=False)
            total += float(torch.nn.functional.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE,
                                                             reduction="sum"))
            load += routings[0].load_E if routings else 0
            margin = min([margin, *(r.margin for r in routings)])
        return total / (count * seq_len), count, load, margin


RUNS = {}


def run_of(case, steps):
    key = json.dumps([case[k] for k in ("config", "data_tag", "num_data", "kind", "tag", "parameters")])
    if key not in RUNS:
        RUNS[key] = Run(case)
    run = RUNS[key]
    while len(run.curve) < steps:
        run.step()
    return run


def train(case, resumed_at):
    """`resumed_at`: the steps that the checkpoint holds which the case resumes; 0 without."""
    t = json.loads(case["config"])["train"]
    last = min(resumed_at + case["steps"], t["steps"])
    run = run_of(case, last)
    steps = range(resumed_at, last)
    loss, num_windows, load, margin = run.evaluate(run.parameters[last], case["split"])
    require_margin(case, min(run.margin, margin))
    num_tokens = run.t["accumulation_steps"] * run.t["batch_size"] * run.t["seq_len"]
    config = reference_data.given(case["config"])
    result = {
        "config": {"json": config}, "step_before": resumed_at, "step_after": last,
        "interference": {"json": {f"{i}/{key}": value for i, told in enumerate(run.interference[resumed_at])
                                  for key, value in told.items()} | {"": {"count": len(run.m["moe"]["layers"])}}},
        "metrics.step": [s + 1 for s in steps], "metrics.num_tokens": [num_tokens for _ in steps],
        "evaluation.loss": near(loss), "evaluation.num_windows": num_windows,
        "evaluation.num_targets": num_windows * run.t["seq_len"],
        "checkpoint_info": {"json": {"step": last, **{f"config/{path}": value for path, value in config.items()}}},
    }
    for what in run.curve[0]:
        result[f"metrics.{what}"] = near([run.curve[s][what] for s in steps])
    extra = run.t["accumulation_steps"] if run.m["moe"]["aux_loss_scope"] == "global_batch" else 0
    result["metrics.num_extra_passes"] = [extra for _ in steps]
    if run.m["moe"]["layers"]:
        result |= {"loads.step": run.routings[last - 1][0].tolist(), "loads.evaluation": load.tolist()}
        result["routing.step"] = {"json": {"0/load": run.routings[last - 1][0].tolist(), "0/num_tokens": num_tokens}}
        result["routing.evaluation"] = {"json": {"0/load": load.tolist(),
                                                 "0/num_tokens": num_windows * run.t["seq_len"]}}
        result["health"] = {"json": {"verdict": "untested", "window": 5, "warmup": 2}}  # settle_steps is 50
    else:
        result |= dict.fromkeys(("loads.step", "loads.evaluation", "health"), reference_data.INVALID)
        result |= dict.fromkeys(("routing.step", "routing.evaluation"), {"json": {"": {"count": 0}}})
    if case["cancel_after"] >= 0:
        result |= {"cancelled": {"error": "MINIMOE_E_CANCELLED"}, "cancelled_steps": 0}
    return result | {f"parameter/{name}": near(run.parameters[last][name]) for name in case["read"]}


# ---- analyses ----

def entropy(counts):
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log()).sum())


@torch.no_grad()
def analyse(case):
    if reference_data.is_grammar(case) or len(case["parameters"]) < 3:
        by = "class" if reference_data.is_grammar(case) or case["num_classes"] else "frequency"
        return {"specialisation": {"json": {"by": by, "num_windows": 6, "layers/0/block": 1}},
                "capacity_report": {"json": {"train/num_windows": 6, "evaluation/num_windows": 6}}}
    m, t = reference_reports.resolved(case["config"])
    data = reference_data.Tokens(case, {})
    m["vocab_size"] = data.vocab_size
    p = filled(case, shapes_of.model_shapes(m))
    windows = [data.window(case["split"], 0, i, t["seq_len"]) for i in range(6)]
    free = dict(m, moe=dict(m["moe"], eval_capacity_factor=0.0))
    totals, num_dropped, experts, margin = [0.0, 0.0], 0, [], math.inf
    for first in range(0, len(windows), t["batch_size"]):
        tokens, targets, valid = batch_of(windows[first:first + t["batch_size"]], t["batch_size"], t["seq_len"])
        for i, limits in enumerate((m, free)):
            logits, (routing,) = reference.forward(p, limits, tokens, valid, training=False)
            totals[i] += float(torch.nn.functional.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE,
                                                                 reduction="sum"))
            margin = min(margin, routing.margin)
            num_dropped += int((~routing.kept_NK).sum())
        experts.append(routing.topk_idx_NK)
    require_margin(case, margin)
    chosen, num_tokens = torch.cat(experts), len(windows) * t["seq_len"]
    classes = torch.tensor([c for w in windows for c in data.classes_of(w[:-1])])
    num_experts, top_k = m["moe"]["num_experts"], m["moe"]["top_k"]
    joint = torch.zeros(len(data.class_names), num_experts)
    joint.index_put_((classes[:, None].expand_as(chosen), chosen), torch.tensor(1.0 / top_k), accumulate=True)
    mutual = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.flatten())
    mean = (entropy(joint.sum(0)) + entropy(joint.sum(1))) / 2
    return {
        "specialisation": {"json": {
            "by": "class", "num_windows": 6, "num_tokens": num_tokens, "layers/0/block": m["moe"]["layers"][0],
            "layers/0/histogram": torch.bincount(chosen.flatten(), minlength=num_experts).tolist(),
            "layers/0/by_choice": [torch.bincount(chosen[:, k], minlength=num_experts).tolist() for k in range(top_k)],
            "layers/0/classes/1/count": int((classes == 1).sum()),
            "layers/0/classes/1/share": (joint[1] / joint[1].sum()).tolist(),
            "layers/0/nmi/value": mutual / mean}},
        "capacity_report": {"json": {
            "evaluation/num_windows": 6, "evaluation/num_tokens": num_tokens, "evaluation/loss": totals[0] / num_tokens,
            "evaluation/loss_without_drops": totals[1] / num_tokens,
            "evaluation/layers/0/num_dropped": num_dropped,
            "evaluation/layers/0/num_assignments": chosen.numel(),
            "evaluation/layers/0/drop_rate": num_dropped / chosen.numel()}},
        "probes": {"json": {"": {"count": 0}}},
    }
