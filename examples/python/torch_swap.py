# SPDX-License-Identifier: Apache-2.0
"""A tiny PyTorch language model whose MoE blocks are swapped for libminimoe's, one line each.

    python3 examples/python/torch_swap.py

The swapped model computes the same, trains with the same optimizer and the same loop, takes less time, and says what its
routers do. The task: characters of a sentence with a key in front that says how far it was rotated.
"""
import copy
import time

import torch
from torch import nn
from torch.nn import functional as F

from minimoe.torch import from_experts

STEPS, BATCH, LENGTH, VOCAB = 120, 16, 64, 32


class Expert(nn.Module):
    def __init__(self, d_model, d_expert):
        super().__init__()
        self.up, self.down = nn.Linear(d_model, d_expert), nn.Linear(d_expert, d_model)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class LoopMoE(nn.Module):
    """The block as it is usually written: top-k, then one expert after another."""

    def __init__(self, d_model, d_expert, num_experts, top_k):
        super().__init__()
        self.top_k = top_k
        self.router = nn.Linear(d_model, num_experts, bias=False)
        self.experts = nn.ModuleList(Expert(d_model, d_expert) for _ in range(num_experts))

    def forward(self, x):
        tokens = x.reshape(-1, x.shape[-1])
        weights, chosen = self.router(tokens).softmax(-1).topk(self.top_k, -1)
        weights = weights / weights.sum(-1, keepdim=True)
        y = torch.zeros_like(tokens)
        for e, expert in enumerate(self.experts):
            token, slot = (chosen == e).nonzero(as_tuple=True)
            y = y.index_add(0, token, expert(tokens[token]) * weights[token, slot, None])
        return y.view_as(x)


class Block(nn.Module):
    def __init__(self, d_model):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = nn.MultiheadAttention(d_model, 4, batch_first=True)
        self.moe = LoopMoE(d_model, 4 * d_model, num_experts=4, top_k=2)

    def forward(self, x, mask):
        h = self.norm1(x)
        x = x + self.attention(h, h, h, attn_mask=mask, is_causal=True, need_weights=False)[0]
        return x + self.moe(self.norm2(x))


class Model(nn.Module):
    def __init__(self, d_model=64):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCAB, d_model), nn.Embedding(LENGTH, d_model)
        self.blocks = nn.ModuleList(Block(d_model) for _ in range(2))
        self.head = nn.Linear(d_model, VOCAB)

    def forward(self, ids):
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
        x = self.tokens(ids) + self.positions.weight[:ids.shape[1]]
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)


def batch(generator):
    """[B, S + 1] token ids: a key, then a text rotated by it."""
    text = torch.tensor([ord(c) % 32 for c in "the router sends every token to its experts and learns from them "])
    key = torch.randint(0, VOCAB, (BATCH, 1), generator=generator)
    start = torch.randint(0, len(text), (BATCH, 1), generator=generator)
    return torch.cat([key, (text[(start + torch.arange(LENGTH)) % len(text)] + key) % VOCAB], 1)


def train(model):
    """The last loss, and seconds a step."""
    generator, optimizer = torch.Generator().manual_seed(1), torch.optim.AdamW(model.parameters(), lr=3e-3)
    best = float("inf")
    for _ in range(STEPS):
        ids = batch(generator)
        start = time.perf_counter()
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        best = min(best, time.perf_counter() - start)
    return float(loss.detach()), best


def main():
    torch.set_num_threads(1)  # a model this small gains little from more; the layer follows
    torch.manual_seed(0)
    theirs = Model()
    ours = copy.deepcopy(theirs)
    for block in ours.blocks:
        block.moe = from_experts(block.moe.router, block.moe.experts, top_k=2)  # the swap

    ids = batch(torch.Generator().manual_seed(2))[:, :-1]
    with torch.no_grad():
        difference = float((ours(ids) - theirs(ids)).abs().max())
    print(f"largest difference of a logit before training: {difference:.1e}")
    for name, model in (("PyTorch's loop over experts", theirs), ("minimoe.torch", ours)):
        loss, seconds = train(model)
        print(f"{name:<28} loss {loss:.3f} after {STEPS} steps, {1e3 * seconds:.1f} ms a step")
    for n, block in enumerate(ours.blocks):
        health = block.moe.health()
        print(f"router {n}: {health.verdict}: {health.layers[0]['reason']}")


if __name__ == "__main__":
    main()
