# SPDX-License-Identifier: Apache-2.0
"""What minimoe.torch is held against: the golden set's reference in double, and the block that people write."""
import contextlib
import pathlib
import sys
import unittest

try:
    import torch
except ImportError as missing:
    raise unittest.SkipTest("PyTorch is not installed in this Python; TORCH_PYTHON names one that has it") from missing
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "golden"))
import reference  # noqa: E402

torch.set_default_dtype(torch.float32)  # reference.py sets double
torch.set_num_threads(1)  # what is tested is small


@contextlib.contextmanager
def default_double():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


class Oracle:
    """The reference's MoE layer in double, with a layer's weights as leaves."""

    def __init__(self, layer):
        self.config = layer.config
        self.weights = {name: value.detach().double().requires_grad_() for name, value in layer.named_parameters()}
        self.expert_bias = layer.expert_bias.double()

    def __call__(self, x, valid=None, training=True):
        """y, aux loss, z loss, and the Routing of the valid tokens; x [.., D]."""
        seq_len = x.shape[-2] if x.dim() > 2 else x.numel() // x.shape[-1]
        valid = torch.ones(x.shape[:-1], dtype=torch.bool) if valid is None else valid
        parameters = {f"l.{name}": value for name, value in self.weights.items()} | {"l.expert_bias": self.expert_bias}
        with default_double():
            y, routing = reference.moe(parameters, "l", x.reshape(-1, x.shape[-1]), self.config, valid.flatten(), seq_len, training)
            aux, z = reference.balance_losses([routing], self.config["moe"]["aux_loss_scope"])
        return y.view_as(x), aux, z, routing

    def gradients(self, x, d_y, valid=None, balance_scale=1.0, training=True):
        """y, d_x and {name: gradient}, the balance losses' included; and the smallest margin of a routing decision."""
        x = x.detach().double().requires_grad_()
        y, aux, z, routing = self(x, valid, training)
        moe = self.config["moe"]
        loss = (y * d_y.double()).sum() + balance_scale * (moe["aux_loss_coef"] * aux + moe["z_loss_coef"] * z)
        d_x, *d_weights = torch.autograd.grad(loss, [x, *self.weights.values()], allow_unused=True)
        zero = [torch.zeros_like(w) if g is None else g for g, w in zip(d_weights, self.weights.values())]
        return y.detach(), d_x, dict(zip(self.weights, zero)), routing.margin


def relative_error(ours, theirs):
    """Norm-wise, of one tensor; 0 when both are zero."""
    ours, theirs = ours.detach().double(), theirs.detach().double()
    scale = ours.norm() + theirs.norm()
    return float((ours - theirs).norm() / scale) if scale > 0 else 0.0


class Expert(nn.Module):
    def __init__(self, d_model, d_expert, swiglu=False):
        super().__init__()
        self.up = nn.Linear(d_model, d_expert, bias=not swiglu)
        self.down = nn.Linear(d_expert, d_model, bias=not swiglu)
        self.gate = nn.Linear(d_model, d_expert, bias=False) if swiglu else None

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh") if self.gate is None else F.silu(self.gate(x)) * self.up(x))


class LoopMoE(nn.Module):
    """Top-k with renormalised softmax weights, one expert after another; `aux_loss` is Switch's."""

    def __init__(self, d_model, d_expert, num_experts, top_k, swiglu=False):
        super().__init__()
        self.top_k = top_k
        self.router = nn.Linear(d_model, num_experts, bias=False)
        self.experts = nn.ModuleList(Expert(d_model, d_expert, swiglu) for _ in range(num_experts))

    def forward(self, x):
        tokens = x.reshape(-1, x.shape[-1])
        probs = self.router(tokens).softmax(-1)
        weights, chosen = probs.topk(self.top_k, -1)
        weights = weights / weights.sum(-1, keepdim=True)
        y = torch.zeros_like(tokens)
        for e, expert in enumerate(self.experts):
            token, slot = (chosen == e).nonzero(as_tuple=True)
            y = y.index_add(0, token, expert(tokens[token]) * weights[token, slot, None])
        share = F.one_hot(chosen, len(self.experts)).float().mean((0, 1))
        self.aux_loss = len(self.experts) * (share * probs.mean(0)).sum()
        return y.view_as(x)
