#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files beside this script: ops, moe_layer, model and training. Usage: make_golden.py [NAME...]

Each is a safetensors file whose one metadata entry, "golden", is JSON: the configuration of each case and what else its
test must know. Tensors are named CASE/what. Inputs and start weights are float32 (float and double start from the same
numbers), results float64; integers are float32 too, the library's reader knows no other types.
"""
import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import cases
import reference

IGNORE = -100
class Draw:
    """Random inputs; float32 values in float64 tensors."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape, std=1.0, mean=0.0):
        x = torch.randn(shape, generator=self.generator, dtype=torch.float64) * std + mean
        return x.float().double()

    def integers(self, high, *shape):
        return torch.randint(high, shape, generator=self.generator)


class Golden:
    def __init__(self, name):
        self.name, self.tensors, self.info, self.inputs = name, {}, {}, set()

    def input(self, name, value):
        self.tensors[name] = value.detach().float().contiguous()

    def result(self, name, value):
        value = value.detach().to(torch.float64 if value.is_floating_point() else torch.float32)
        self.tensors[name] = value.contiguous().clone()

    def save(self):
        path = pathlib.Path(__file__).parent / f"{self.name}.safetensors"
        save_file(self.tensors, path, {"golden": json.dumps({"torch": torch.__version__.split("+")[0], **self.info})})
        path.chmod(0o644)
        print(f"{path.name}: {path.stat().st_size} bytes, {len(self.tensors)} tensors")


def leaf(x):
    return x.clone().requires_grad_()


# ---- ops ----

def make_ops(golden):
    draw = Draw(1)

    def case(name, function, **inputs):
        """Stores the inputs, y = function(inputs), a random d_y, and the gradient of each input."""
        inputs = {key: leaf(value) for key, value in inputs.items()}
        y = function(**inputs)
        d_y = draw.normal(*y.shape)
        y.backward(d_y)
        for key, value in inputs.items():
            golden.input(f"{name}/{key}", value)
            golden.result(f"{name}/d_{key}", value.grad)
        golden.input(f"{name}/d_y", d_y)
        golden.result(f"{name}/y", y)

    x, weight, bias = draw.normal(7, 37), draw.normal(37, std=0.3, mean=1), draw.normal(37, std=0.3)  # of the norms
    case("linear", F.linear, input=draw.normal(7, 37), weight=draw.normal(21, 37), bias=draw.normal(21))
    case("linear_without_bias", F.linear, input=draw.normal(7, 37), weight=draw.normal(21, 37))
    case("softmax", lambda x: torch.softmax(x, -1), x=draw.normal(7, 37, std=3))
    case("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), x=draw.normal(131, std=2))
    case("gelu_erf", lambda x: F.gelu(x), x=draw.normal(131, std=2))
    case("silu", lambda x: F.silu(x), x=draw.normal(131, std=3))
    case("swiglu", lambda gate, up: F.silu(gate) * up, gate=draw.normal(131, std=2), up=draw.normal(131))
    case("layer_norm", lambda x, weight, bias: F.layer_norm(x, (37,), weight, bias, 1e-5), x=x, weight=weight,
         bias=bias)
    case("rms_norm", lambda x, weight: F.rms_norm(x, (37,), weight, 1e-5), x=x, weight=weight)

    def head_norm(x, weight):  # heads 1 and 2 of four, as the keys of a fused projection
        heads = x.unflatten(-1, (4, 9))
        normed = F.rms_norm(heads[:, 1:3], (9,), weight, 1e-5)
        return torch.cat([heads[:, :1], normed, heads[:, 3:]], 1).flatten(1)
    case("head_rms_norm", head_norm, x=draw.normal(7, 36), weight=draw.normal(9, std=0.3, mean=1))

    for pairing in ("half_split", "interleaved"):
        def rotate(x):  # two sequences of five, three heads of six columns, the last head left alone
            heads = x.view(2, 5, 3, 6)
            turned = reference.rope(heads[:, :, :2], 100.0, pairing)
            return torch.cat([turned, heads[:, :, 2:]], 2).view(10, 18)
        case(f"rope_{pairing}", rotate, x=draw.normal(10, 18))

    for name, kv_heads in (("attention", 4), ("attention_grouped", 2), ("attention_multi_query", 1)):
        def attend(qkv):
            q, k, v = qkv.view(2, 13, 4 + 2 * kv_heads, 6).split([4, kv_heads, kv_heads], 2)
            return reference.causal_attention(q, k, v).flatten(2).flatten(0, 1)
        case(name, attend, qkv=draw.normal(26, (4 + 2 * kv_heads) * 6, std=1.5))
        golden.info[name] = dict(batch_size=2, seq_len=13, num_heads=4, num_kv_heads=kv_heads, head_dim=6)

    tokens = draw.integers(11, 2, 6)
    golden.result("embedding/tokens", tokens)
    case("embedding", lambda token, position: (F.embedding(tokens, token) + position[:6]).flatten(0, 1),
         token=draw.normal(11, 21), position=draw.normal(8, 21))

    logits, targets = leaf(draw.normal(9, 37, std=2)), draw.integers(37, 9)
    targets[[2, 7]] = IGNORE
    loss = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
    (0.25 * loss).backward()
    golden.input("cross_entropy/logits", logits)
    golden.result("cross_entropy/targets", targets)
    golden.result("cross_entropy/d_logits", logits.grad)
    golden.info["cross_entropy"] = dict(scale=0.25, num_targets=7, loss=float(loss.detach()))

    weight, rates = leaf(draw.normal(131)), [1e-2, 3e-3, 2e-2]
    golden.input("adamw/weight", weight)
    optimizer = torch.optim.AdamW([weight], betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, foreach=False)
    for step, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        gradient = draw.normal(131, std=0.1)
        golden.input(f"adamw/gradient_{step}", gradient)
        weight.grad = 0.5 * gradient
        optimizer.step()
    golden.info["adamw"] = dict(rates=rates, weight_decay=0.1, gradient_scale=0.5)
    golden.result("adamw/updated", weight)
    golden.result("adamw/moment1", optimizer.state[weight]["exp_avg"])
    golden.result("adamw/moment2", optimizer.state[weight]["exp_avg_sq"])


# ---- parameters ----
DECAYED = ("_embedding.weight", "head.weight", "qkv.weight", "proj.weight", "router.weight", "w_gate_proj", "w_up_proj",
           "w_down_proj")


def start_values(draw, shapes):
    def start(name, shape):
        if name.endswith("norm.weight") or "norm1.weight" in name or "norm2.weight" in name:
            return draw.normal(*shape, std=0.2, mean=1)
        if name.endswith("expert_bias"):
            return draw.normal(*shape, std=0.1)
        return draw.normal(*shape, std=0.5 if "router" in name else 0.2)
    return {name: leaf(start(name, shape)) for name, shape in shapes.items()}


def trained(p):
    return {name: value for name, value in p.items() if not name.endswith("expert_bias")}


def store_gradients(golden, case, p):
    for name, value in trained(p).items():
        golden.result(f"{case}/gradient/{name}", value.grad if value.grad is not None else torch.zeros_like(value))


def first_good(make, smallest):
    """make(seed) of the first seed whose margin is above `smallest`; make returns (margin, anything)."""
    for seed in range(1, 1000):
        margin, made = make(seed)
        if margin > smallest:
            return margin, made
    raise SystemExit(f"no seed has a margin above {smallest}")


def right_padding(lengths, seq_len):
    return torch.arange(seq_len)[None, :] < torch.tensor(lengths)[:, None]


# ---- one MoE layer ----

def make_moe_layer(golden):
    for name, (fields, moe, lengths) in cases.moe_layer_cases().items():
        m = cases.config(cases.GPT2, dict(moe, layers=[0]), **(dict(num_layers=1, d_model=10, num_heads=2) | fields))
        seq_len = 6

        def make(seed):
            draw = Draw(seed)
            p = start_values(draw, {f"moe.{n}": s for n, s in cases.moe_shapes(m).items()})
            x = leaf(draw.normal(len(lengths) * seq_len, m["d_model"]))
            valid = right_padding(lengths, seq_len).flatten()
            y, routing = reference.moe(p, "moe", x, m, valid, seq_len)
            return routing.margin, (draw, p, x, valid, y, routing)

        margin, (draw, p, x, valid, y, r) = first_good(make, 1e-3)
        d_y, c = draw.normal(*y.shape), m["moe"]
        aux, z = reference.balance_losses([r], c["aux_loss_scope"])
        aux_term, z_term, extra = aux, z, {}
        if c["aux_loss_scope"] == "global_batch":  # this call is one of several of a step of 60 tokens
            load = r.load_E + torch.tensor([7, 30, 2, 11, 22])
            extra = dict(global_load=load.tolist(), num_tokens=60)
            aux_term = c["num_experts"] * (load / load.sum() * r.probs_NE.sum(0) / 60).sum()
            z_term = (r.lse_N ** 2).sum() / 60
        ((y * d_y).sum() + c["aux_loss_coef"] * aux_term + c["z_loss_coef"] * z_term).backward()

        golden.info[name] = dict(config=dict(model=m, train=dict(seq_len=seq_len)), topk_margin=margin,
                                 aux_loss=float(aux.detach()), z_loss=float(z.detach()), load=r.load_E.tolist(),
                                 num_dropped=int((~r.kept_NK).sum()), **extra)
        for n, value in p.items():
            golden.input(f"{name}/start/{n}", value)
        store_gradients(golden, name, p)
        golden.input(f"{name}/x", x)
        golden.input(f"{name}/d_y", d_y)
        golden.result(f"{name}/valid", valid.long())
        golden.result(f"{name}/y", y)
        golden.result(f"{name}/d_x", x.grad)

        def all_tokens(rows, fill=0):
            everywhere = torch.full((len(valid), rows.shape[1]), fill, dtype=rows.dtype)
            return everywhere.index_copy(0, valid.nonzero().flatten(), rows)
        golden.result(f"{name}/topk_idx", all_tokens(r.topk_idx_NK, -1))
        golden.result(f"{name}/kept", all_tokens(r.kept_NK.long()))
        golden.result(f"{name}/gate_weights", all_tokens(r.gate_weights_NK.detach()))
        golden.result(f"{name}/router_probs", all_tokens(r.probs_NE.detach()))


# ---- whole models ----

def random_batch(draw, m, lengths, seq_len, num_ignored):
    """Walks over the vocabulary that a model can learn, with some noise; targets are the next tokens."""
    batch, vocab = len(lengths), m["vocab_size"]
    walk = [draw.integers(vocab, batch)]
    for _ in range(seq_len):
        noise = draw.integers(8, batch) == 0
        walk.append(torch.where(noise, draw.integers(vocab, batch), (5 * walk[-1] + 3) % vocab))
    walk = torch.stack(walk, 1)
    tokens, targets, valid = walk[:, :-1].clone(), walk[:, 1:].clone(), right_padding(lengths, seq_len)
    targets[:, :num_ignored] = IGNORE
    targets[~valid] = IGNORE
    return tokens, targets, valid


def store_batches(golden, case, batches):
    """batches: tuples of (tokens, targets, valid); stored as [number of micro-batches, B * S]."""
    for i, what in enumerate(("tokens", "targets", "valid")):
        golden.result(f"{case}/{what}", torch.stack([batch[i].flatten() for batch in batches]).long())


def make_model(golden):
    for name, (m, lengths) in cases.model_cases().items():
        def make(seed):
            draw = Draw(seed)
            p = start_values(draw, cases.model_shapes(m))
            batch = random_batch(draw, m, lengths, 8, 1)
            loss = reference.step_loss(p, m, [batch])
            return loss.margin, (p, batch, loss)

        margin, (p, batch, loss) = first_good(make, 1e-3)
        loss.total.backward()
        golden.info[name] = dict(config=dict(model=m, train=dict(batch_size=len(lengths), seq_len=8)),
                                 topk_margin=margin, loss=float(loss.main.detach()), aux_loss=float(loss.aux.detach()),
                                 z_loss=float(loss.z.detach()), load=loss.load_LE.tolist())
        for n, value in p.items():
            golden.input(f"{name}/start/{n}", value)
        store_gradients(golden, name, p)
        store_batches(golden, name, [batch])
        golden.result(f"{name}/logits", loss.logits[0])


# ---- 20 training steps ----

def train(p, m, t, batches):
    """torch.optim.AdamW. Returns the curves [steps, 5] (loss, aux, z, gradient norm, learning rate), the loads
    [steps, layers, E] and the smallest margin."""
    groups, factors = [], []
    for name, value in trained(p).items():
        groups.append(dict(params=[value], weight_decay=t["weight_decay"] if name.endswith(DECAYED) else 0.0))
        factors.append(m["moe"]["router_learning_rate_factor"] if ".router." in name else 1.0)
    optimizer = torch.optim.AdamW(groups, betas=(t["beta1"], t["beta2"]), eps=t["adam_eps"], foreach=False)
    curves, loads, margin, micros = [], [], math.inf, t["accumulation_steps"]
    for step in range(1, t["steps"] + 1):
        optimizer.zero_grad(set_to_none=False)
        loss = reference.step_loss(p, m, batches[(step - 1) * micros:step * micros])
        loss.total.backward()
        weights = list(trained(p).values())
        for w in weights:
            if w.grad is None:
                w.grad = torch.zeros_like(w)
        norm = torch.nn.utils.clip_grad_norm_(weights, t["clip_norm"])
        rate = reference.learning_rate_at(t, step)
        for group, factor in zip(optimizer.param_groups, factors):
            group["lr"] = rate * factor
        optimizer.step()
        if m["moe"]["bias_balancing"]:
            for layer, load in zip(m["moe"]["layers"], loss.load_LE.double()):
                update = m["moe"]["bias_update_rate"] * torch.sign(load.mean() - load)
                if m["moe"]["bias_centering"]:
                    update -= update.mean()
                with torch.no_grad():
                    p[f"blocks.{layer}.moe.expert_bias"] += update
        curves.append([float(v.detach()) for v in (loss.main, loss.aux, loss.z, norm)] + [rate])
        loads.append(loss.load_LE)
        margin = min(margin, loss.margin)
    return torch.tensor(curves, dtype=torch.float64), torch.stack(loads), margin


def make_training(golden):
    for name, (m, t, padded) in cases.training_cases().items():
        def make(seed):
            draw = Draw(seed)
            p = start_values(draw, cases.model_shapes(m))
            start = {n: value.detach().clone() for n, value in p.items()}
            batches = []
            for i in range(t["steps"] * t["accumulation_steps"]):
                lengths = [8, 3 + i % 5] if padded and i % 2 else [8, 8]
                batches.append(random_batch(draw, m, lengths, t["seq_len"], i % 2))
            curves, loads, margin = train(p, m, t, batches)
            return margin, (start, p, batches, curves, loads)

        # Float leaves the double trajectory by about 1e-5: a margin above that keeps both on the same experts.
        margin, (start, p, batches, curves, loads) = first_good(make, 1e-4)
        margin = margin if m["moe"]["layers"] else 1.0
        golden.info[name] = dict(config=dict(model=m, train=t), topk_margin=margin)
        store_batches(golden, name, batches)
        for n, value in start.items():
            golden.input(f"{name}/start/{n}", value)
        for n, value in p.items():
            golden.result(f"{name}/final/{n}", value)
        golden.result(f"{name}/curves", curves)
        golden.result(f"{name}/load", loads)
        print(f"  {name}: loss {curves[0, 0]:.4f} -> {curves[-1, 0]:.4f}, gradient norm {curves[:, 3].min():.3f} .. "
              f"{curves[:, 3].max():.3f}, margin {margin:.2e}")


MAKERS = dict(ops=make_ops, moe_layer=make_moe_layer, model=make_model, training=make_training)

if __name__ == "__main__":
    torch.set_num_threads(1)
    for wanted in sys.argv[1:] or MAKERS:
        file = Golden(wanted)
        MAKERS[wanted](file)
        file.save()
