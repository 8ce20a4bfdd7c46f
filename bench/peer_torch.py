#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch peer for libminimoe: one training step (forward + backward + AdamW) of a small GPT, dense or MoE, on CPU.

Prints one JSON line.  Pin it from outside for single-thread figures:  taskset -c 0 peer_torch.py --threads 1 ...

  --size lab : L=2 d=64  h=4 ff=256  V=256  T=64  B=16; --moe replaces the FFN of block 1 by E=4 top-2 experts of ff=256
  --size mid : L=4 d=512 h=8 ff=2048 V=8192 T=256 B=8;  --moe uses E=8 top-2 experts of ff=1024 in every block
"""
import argparse, json, resource, statistics, time
import torch
import torch.nn as nn
import torch.nn.functional as F

SIZES = {
    "lab": dict(L=2, D=64, H=4, ff=256, eff=256, E=4, k=2, V=256, T=64, B=16, moe_layers=[1]),
    "mid": dict(L=4, D=512, H=8, ff=2048, eff=1024, E=8, k=2, V=8192, T=256, B=8, moe_layers=[0, 1, 2, 3]),
}


class Attention(nn.Module):
    def __init__(self, D, H):
        super().__init__()
        self.H, self.qkv, self.proj = H, nn.Linear(D, 3 * D), nn.Linear(D, D)

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = (t.view(B, T, self.H, D // self.H).transpose(1, 2) for t in self.qkv(x).split(D, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(B, T, D))


class FFN(nn.Module):
    def __init__(self, D, ff):
        super().__init__()
        self.up, self.down = nn.Linear(D, ff), nn.Linear(ff, D)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class MoE(nn.Module):
    """Dropless top-k: gather, expert FFN, gate-weighted index_add, one expert after another."""

    def __init__(self, D, ff, E, k):
        super().__init__()
        self.E, self.k = E, k
        self.router = nn.Linear(D, E, bias=False)
        self.experts = nn.ModuleList(FFN(D, ff) for _ in range(E))

    def forward(self, x):
        s = x.reshape(-1, x.shape[-1])
        p = self.router(s).softmax(-1)
        w, sel = p.topk(self.k, -1)
        w = w / w.sum(-1, keepdim=True)
        y = torch.zeros_like(s)
        for e, expert in enumerate(self.experts):
            tok, slot = (sel == e).nonzero(as_tuple=True)
            y = y.index_add(0, tok, (expert(s[tok]) * w[tok, slot, None]).to(y.dtype))
        f = F.one_hot(sel, self.E).float().mean((0, 1))
        aux = self.E * (f * p.mean(0)).sum()
        return y.view_as(x), aux


class Block(nn.Module):
    def __init__(self, c, moe):
        super().__init__()
        self.moe = moe
        self.ln1, self.ln2, self.attn = nn.LayerNorm(c["D"]), nn.LayerNorm(c["D"]), Attention(c["D"], c["H"])
        self.mlp = MoE(c["D"], c["eff"], c["E"], c["k"]) if moe else FFN(c["D"], c["ff"])

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        if self.moe:
            y, aux = self.mlp(self.ln2(x))
            return x + y, aux
        return x + self.mlp(self.ln2(x)), 0.0


class GPT(nn.Module):
    def __init__(self, c, moe):
        super().__init__()
        self.tok, self.pos = nn.Embedding(c["V"], c["D"]), nn.Embedding(c["T"], c["D"])
        self.blocks = nn.ModuleList(Block(c, moe and i in c["moe_layers"]) for i in range(c["L"]))
        self.ln, self.head = nn.LayerNorm(c["D"]), nn.Linear(c["D"], c["V"], bias=False)

    def forward(self, idx, tgt):
        x, aux = self.tok(idx) + self.pos.weight[: idx.shape[1]], 0.0
        for b in self.blocks:
            x, a = b(x)
            aux = aux + a
        logits = self.head(self.ln(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), tgt.reshape(-1)) + 0.01 * aux


def hf_mixtral(c, impl):
    """HF transformers' Mixtral at the same sizes (RMSNorm, RoPE, SwiGLU experts: ff*2/3 keeps the FLOPs equal)."""
    from transformers import MixtralConfig, MixtralForCausalLM

    cfg = MixtralConfig(vocab_size=c["V"], hidden_size=c["D"], intermediate_size=int(c["eff"] * 2 / 3) // 16 * 16,
                        num_hidden_layers=c["L"], num_attention_heads=c["H"], num_key_value_heads=c["H"],
                        num_local_experts=c["E"], num_experts_per_tok=c["k"], max_position_embeddings=c["T"],
                        output_router_logits=True, router_aux_loss_coef=0.01, use_cache=False, tie_word_embeddings=False,
                        attn_implementation="sdpa", experts_implementation=impl)
    model = MixtralForCausalLM(cfg).float()

    class Wrap(nn.Module):
        def __init__(self):
            super().__init__()
            self.m = model

        def forward(self, idx, tgt):
            return self.m(input_ids=idx, labels=idx).loss

    return Wrap()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--size", choices=SIZES, default="lab")
    ap.add_argument("--moe", action="store_true")
    ap.add_argument("--dense", action="store_true", help="the default; for readable command lines")
    ap.add_argument("--hf", choices=["eager", "batched_mm", "grouped_mm"], help="transformers' Mixtral instead (MoE)")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--compile", action="store_true")
    ap.add_argument("--optimizer", choices=["fused", "foreach"], default="fused")
    ap.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    ap.add_argument("--steps", type=int, default=30)
    ap.add_argument("--warmup", type=int, default=3)
    a = ap.parse_args()
    if a.moe and a.dense:
        ap.error("--moe and --dense exclude each other")

    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    c = SIZES[a.size]
    rss0 = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    model = hf_mixtral(c, a.hf) if a.hf else GPT(c, a.moe)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=a.optimizer == "fused", foreach=a.optimizer == "foreach")
    data = torch.randint(0, c["V"], (8, c["B"], c["T"] + 1))
    fwd = torch.compile(model) if a.compile else model
    ms, cpu, loss = [], [], None
    for i in range(a.warmup + a.steps):
        b = data[i % 8]
        t0, c0 = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            loss = fwd(b[:, :-1].contiguous(), b[:, 1:].contiguous())
        loss.backward()
        opt.step()
        opt.zero_grad(set_to_none=True)
        if i >= a.warmup:
            ms.append((time.perf_counter() - t0) * 1e3)
            cpu.append((time.process_time() - c0) * 1e3)
    print(json.dumps({
        "torch": torch.__version__, "size": a.size, "model": f"hf-mixtral-{a.hf}" if a.hf else "moe" if a.moe else "dense",
        "threads": a.threads, "compile": a.compile, "optimizer": a.optimizer, "bf16": a.bf16,
        "params": sum(p.numel() for p in model.parameters()), "steps": a.steps,
        "ms_per_step": {"min": round(min(ms), 2), "median": round(statistics.median(ms), 2)},
        "cpu_ms_per_step": {"min": round(min(cpu), 2), "median": round(statistics.median(cpu), 2)},
        "tokens_per_s": round(c["B"] * c["T"] / min(ms) * 1e3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), "rss_after_import_mb": round(rss0),
        "loss": round(float(loss.detach()), 4)}))


if __name__ == "__main__":
    main()
