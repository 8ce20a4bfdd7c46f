# SPDX-License-Identifier: Apache-2.0
"""MiniGPT with Mixture-of-Experts layers in PyTorch, float64, with this project's parameter names.

Written to be obviously right, not fast: every expert sees every token, balance losses are formed from the pooled
probabilities of all micro-batches in one graph, and autograd does the rest. `m` is the "model" object of a run
configuration with every key present, `p` maps parameter names to tensors.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)  # a quotient of integers would be float32


def rope(x_BSHd, theta, pairing):
    seq_len, d = x_BSHd.shape[1], x_BSHd.shape[3]
    frequency = theta ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angle = torch.outer(torch.arange(seq_len, dtype=torch.float64), frequency)[:, None, :]
    turn = torch.polar(torch.ones_like(angle), angle)
    if pairing == "half_split":
        z = torch.complex(x_BSHd[..., :d // 2], x_BSHd[..., d // 2:]) * turn
        return torch.cat([z.real, z.imag], -1)
    z = torch.view_as_complex(x_BSHd.unflatten(-1, (d // 2, 2)).contiguous()) * turn
    return torch.view_as_real(z).flatten(-2)


def causal_attention(q_BSHd, k_BSGd, v_BSGd):
    q, k, v = (t.transpose(1, 2) for t in (q_BSHd, k_BSGd, v_BSGd))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2)


def attention(p, prefix, x_BSD, m):
    heads, head_dim = m["num_heads"], m["d_model"] // m["num_heads"]
    kv_heads = m["num_kv_heads"] or heads
    qkv = F.linear(x_BSD, p[f"{prefix}.qkv.weight"], p.get(f"{prefix}.qkv.bias"))
    q, k, v = qkv.unflatten(-1, (heads + 2 * kv_heads, head_dim)).split([heads, kv_heads, kv_heads], dim=2)
    if m["qk_norm"]:
        first = 2 if m["qk_norm_full_width"] else 3  # over all heads of a token at once, or over each
        q, k = (F.rms_norm(t.flatten(first), w.shape, w, m["norm_eps"]).view_as(t)
                for t, w in ((q, p[f"{prefix}.q_norm.weight"]), (k, p[f"{prefix}.k_norm.weight"])))
    if m["position"] == "rope":
        q, k = (rope(t, m["rope_theta"], m["rope_pairing"]) for t in (q, k))
    y = causal_attention(q, k, v).flatten(2)
    return F.linear(y, p[f"{prefix}.proj.weight"], p.get(f"{prefix}.proj.bias"))


def feed_forward(w, x, m):
    if m["ffn"] == "swiglu":
        hidden = F.silu(F.linear(x, w["w_gate_proj"])) * F.linear(x, w["w_up_proj"])
        return F.linear(hidden, w["w_down_proj"])
    hidden = F.gelu(F.linear(x, w["w_up_proj"], w["b_up_proj"]), approximate={"tanh": "tanh", "erf": "none"}[m["gelu"]])
    return F.linear(hidden, w["w_down_proj"], w["b_down_proj"])


def group(p, prefix):
    """The parameters below `prefix`, by the rest of their names."""
    return {name[len(prefix) + 1:]: value for name, value in p.items() if name.startswith(prefix + ".")}


@dataclass
class Routing:
    """What one routing call did; rows are the valid tokens, N of them."""
    probs_NE: torch.Tensor
    lse_N: torch.Tensor
    topk_idx_NK: torch.Tensor
    gate_weights_NK: torch.Tensor
    kept_NK: torch.Tensor
    sequence_N: torch.Tensor
    load_E: torch.Tensor
    margin: float  # smallest difference that decided a choice, an order or a drop


def capacity(factor, num_tokens, top_k, num_experts):
    return min(num_tokens, math.ceil(factor * num_tokens * top_k / num_experts - 1e-9)) if factor else num_tokens


def keep(topk_idx_NK, gate_weights_NK, num_experts, slots, priority):
    """Which assignments keep their slot, and the smallest difference of weights that decided it."""
    kept, margin = torch.ones_like(topk_idx_NK, dtype=torch.bool), math.inf
    for e in range(num_experts):
        n, k = torch.nonzero(topk_idx_NK == e, as_tuple=True)  # by token
        if len(n) <= slots:
            continue
        order = torch.arange(len(n))
        if priority == "probability":
            order = torch.argsort(gate_weights_NK[n, k], descending=True, stable=True)
            weights = gate_weights_NK[n, k][order]
            margin = min(margin, float(weights[slots - 1] - weights[slots]) if slots else math.inf)
        kept[n[order[slots:]], k[order[slots:]]] = False
    return kept, margin


def moe(p, prefix, x_TD, m, valid_T, seq_len, training=True):
    c = m["moe"]
    num_experts, top_k = c["num_experts"], c["top_k"]
    tokens_N = torch.nonzero(valid_T).flatten()
    x_ND = x_TD[tokens_N]
    logits = F.linear(x_ND, p[f"{prefix}.router.weight"], p.get(f"{prefix}.router.bias"))
    order = c["gate_order"]
    scores = torch.sigmoid(logits) if order == "sigmoid_topk_renorm" else torch.softmax(logits, -1)
    probs = scores / scores.sum(-1, keepdim=True)

    biased = (scores + p[f"{prefix}.expert_bias"]).detach()
    best, idx = torch.topk(biased, min(top_k + 1, num_experts), sorted=True)
    margin = float((best[:, :-1] - best[:, 1:]).min()) if best.shape[1] > 1 else math.inf
    idx = idx[:, :top_k]
    chosen = scores.gather(1, idx)
    if order == "topk_softmax":
        weights = torch.softmax(logits.gather(1, idx), -1)
    elif order == "softmax_topk":
        weights = chosen
    else:
        scale = c["routed_scale"] if order == "sigmoid_topk_renorm" else 1.0
        weights = chosen / chosen.sum(-1, keepdim=True) * scale

    slots = capacity(c["capacity_factor"] if training else c["eval_capacity_factor"], len(tokens_N), top_k, num_experts)
    kept, drop_margin = keep(idx, weights.detach(), num_experts, slots, c["drop_priority"])
    combine_NE = torch.zeros_like(probs).scatter(1, idx, weights * kept)
    stacked = group(p, f"{prefix}.experts")
    y_ND = sum(combine_NE[:, e, None] * feed_forward({n: w[e] for n, w in stacked.items()}, x_ND, m)
               for e in range(num_experts))
    if c["num_shared_experts"]:
        shared_ND = feed_forward(group(p, f"{prefix}.shared"), x_ND, m)
        gate = p.get(f"{prefix}.shared_gate.weight")
        y_ND = y_ND + (shared_ND if gate is None else torch.sigmoid(F.linear(x_ND, gate)) * shared_ND)
    y_TD = torch.zeros_like(x_TD).index_copy(0, tokens_N, y_ND)
    routing = Routing(probs, torch.logsumexp(logits, -1), idx, weights, kept, tokens_N // seq_len,
                      torch.bincount(idx.flatten(), minlength=num_experts), min(margin, drop_margin))
    return y_TD, routing


def switch_aux_loss(idx_NK, probs_NE):
    num_experts = probs_NE.shape[1]
    share = torch.bincount(idx_NK.flatten(), minlength=num_experts) / idx_NK.numel()
    return num_experts * (share * probs_NE.mean(0)).sum()


def balance_losses(routings, scope):
    """Aux and z loss of one layer over the micro-batches of an optimizer step."""
    if scope == "micro_batch":
        aux = [switch_aux_loss(r.topk_idx_NK, r.probs_NE) for r in routings]
        z = [(r.lse_N ** 2).mean() for r in routings]
        return sum(aux) / len(aux), sum(z) / len(z)
    z = (torch.cat([r.lse_N for r in routings]) ** 2).mean()
    if scope == "global_batch":
        pooled = [torch.cat(parts) for parts in zip(*((r.topk_idx_NK, r.probs_NE) for r in routings))]
        return switch_aux_loss(*pooled), z
    aux = [switch_aux_loss(r.topk_idx_NK[r.sequence_N == s], r.probs_NE[r.sequence_N == s])
           for r in routings for s in r.sequence_N.unique()]
    return sum(aux) / len(aux), z


def forward(p, m, tokens_BS, valid_BS, training=True):
    """Logits [B * S, V] and the Routing of each MoE layer."""
    def norm(prefix, x):
        width, weight = (m["d_model"],), p[f"{prefix}.weight"]
        if m["norm"] == "rms_norm":
            return F.rms_norm(x, width, weight, m["norm_eps"])
        return F.layer_norm(x, width, weight, p[f"{prefix}.bias"], m["norm_eps"])

    x = F.embedding(tokens_BS, p["token_embedding.weight"])
    if m["position"] == "learned":
        x = x + p["position_embedding.weight"][:tokens_BS.shape[1]]
    routings = []
    for layer in range(m["num_layers"]):
        block = f"blocks.{layer}"
        x = x + attention(p, f"{block}.attn", norm(f"{block}.norm1", x), m)
        h = norm(f"{block}.norm2", x)
        if layer in m["moe"]["layers"]:
            y, routing = moe(p, f"{block}.moe", h.flatten(0, 1), m, valid_BS.flatten(), tokens_BS.shape[1], training)
            routings.append(routing)
            x = x + y.view_as(x)
        else:
            x = x + feed_forward(group(p, f"{block}.ffn"), h, m)
    head = p["token_embedding.weight" if m["tied_embeddings"] else "head.weight"]
    return F.linear(norm("final_norm", x), head).flatten(0, 1), routings


@dataclass
class StepLoss:
    main: torch.Tensor
    aux: torch.Tensor
    z: torch.Tensor
    total: torch.Tensor
    logits: list       # per micro-batch
    load_LE: torch.Tensor
    margin: float


def step_loss(p, m, micro_batches):
    """The loss of one optimizer step. micro_batches: (tokens, targets, valid), each [B, S]; padding has no target."""
    outputs = [forward(p, m, tokens, valid) for tokens, _, valid in micro_batches]
    targets = torch.cat([t.flatten() for _, t, _ in micro_batches])
    main = F.cross_entropy(torch.cat([logits for logits, _ in outputs]), targets, ignore_index=-100)
    layers = list(zip(*(routings for _, routings in outputs)))  # [layer][micro]
    aux = z = torch.zeros((), dtype=torch.float64)
    if layers:
        aux, z = (sum(part) / len(layers) for part in
                  zip(*(balance_losses(routings, m["moe"]["aux_loss_scope"]) for routings in layers)))
    total = main + m["moe"]["aux_loss_coef"] * aux + m["moe"]["z_loss_coef"] * z
    load = [sum(r.load_E for r in routings) for routings in layers]
    margin = min([r.margin for routings in layers for r in routings], default=math.inf)
    return StepLoss(main, aux, z, total, [logits for logits, _ in outputs],
                    torch.stack(load) if load else torch.zeros(0, 0, dtype=torch.int64), margin)


def learning_rate_at(t, step):
    """Linear warm-up, then a cosine down to min_learning_rate at the last step; the first step is 1."""
    warmup = max(t["warmup_steps"], 1)
    if step <= warmup:
        return t["learning_rate"] * step / warmup
    progress = (step - warmup) / (t["steps"] - warmup)
    low = t["min_learning_rate"]
    return low + 0.5 * (t["learning_rate"] - low) * (1 + math.cos(math.pi * progress))
