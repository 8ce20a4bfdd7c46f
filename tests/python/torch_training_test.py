# SPDX-License-Identifier: Apache-2.0
"""Training with minimoe.torch.MoELayer follows training with PyTorch's own block, whatever the optimizer."""
import copy
import unittest

from torch_peers import LoopMoE, relative_error, torch
from torch.nn import functional as F

from minimoe.torch import from_experts

STEPS = 12
OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.3),
    "SGD, momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=3e-3),
    "AdamW, foreach": lambda p: torch.optim.AdamW(p, lr=3e-3, foreach=True),
    "AdamW, fused": lambda p: torch.optim.AdamW(p, lr=3e-3, fused=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=1e-3),
}


class Model(torch.nn.Module):
    """Two residual blocks around an MoE block each, between linear layers."""

    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(6, 16), torch.nn.Linear(16, 3)
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(16) for _ in range(2))
        self.blocks = torch.nn.ModuleList(LoopMoE(16, 24, 4, 2) for _ in range(2))

    def forward(self, x):
        h = self.first(x)
        for norm, block in zip(self.norms, self.blocks):
            h = h + block(norm(h))
        return self.last(h)

    def swap(self):
        for n, block in enumerate(self.blocks):
            self.blocks[n] = from_experts(block.router, block.experts, top_k=2)
        return self


def loss_curve(model, optimizer, aux_of, micro_batches=1, clip=None):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(micro_batches, 64, 6, generator=generator)
    target = torch.sin(3 * x[..., :3]) + x[..., 3:].abs()
    losses = []
    for _ in range(STEPS):
        total = 0.0
        for part in range(micro_batches):
            loss = F.mse_loss(model(x[part]), target[part]) / micro_batches
            total += float(loss.detach())
            (loss + aux_of(model) / micro_batches).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        losses.append(total)
        optimizer.step()
        optimizer.zero_grad()
    return losses


def models(seed=5):
    torch.manual_seed(seed)
    theirs = Model()
    torch.manual_seed(seed)
    return theirs, Model().swap()


class Training(unittest.TestCase):
    def compare(self, make_optimizer, **options):
        theirs, ours = models()
        for block in ours.blocks:
            block.balance_scale = 1 / options.get("micro_batches", 1)
        expected = loss_curve(theirs, make_optimizer(theirs.parameters()),
                              lambda m: 0.01 * sum(b.aux_loss for b in m.blocks), **options)
        got = loss_curve(ours, make_optimizer(ours.parameters()), lambda m: 0.0, **options)
        self.assertLess(expected[-1], expected[0])
        for step, (a, b) in enumerate(zip(got, expected)):
            self.assertLess(abs(a - b) / b, 2e-5, f"step {step + 1}")
        self.assertLess(relative_error(ours.first.weight, theirs.first.weight), 1e-4)
        return ours

    def test_the_loss_curve_is_pytorchs(self):
        for name, make_optimizer in OPTIMIZERS.items():
            with self.subTest(name):
                self.compare(make_optimizer)

    def test_micro_batches_and_clipping(self):
        ours = self.compare(OPTIMIZERS["AdamW"], micro_batches=3, clip=0.5)
        log = ours.blocks[0].health_log
        self.assertEqual([line["step"] for line in log], list(range(1, STEPS + 1)))
        self.assertEqual({sum(line["load"]) for line in log}, {3 * 64 * 2})

    def test_aux_loss_added_by_hand(self):
        theirs, ours = models()
        for block in ours.blocks:
            block.balance_scale = 0
        expected = loss_curve(theirs, torch.optim.AdamW(theirs.parameters(), lr=3e-3),
                              lambda m: 0.01 * sum(b.aux_loss for b in m.blocks))
        got = loss_curve(ours, torch.optim.AdamW(ours.parameters(), lr=3e-3),
                         lambda m: sum(b.balance_loss for b in m.blocks))
        for a, b in zip(got, expected):
            self.assertLess(abs(a - b) / b, 2e-5)

    def test_saved_in_the_middle_it_goes_on_with_the_same_bits(self):
        def trained(steps, model, optimizer, x):
            for _ in range(steps):
                model(x).square().mean().backward()
                optimizer.step()
                optimizer.zero_grad()

        x = torch.randn(64, 6, generator=torch.Generator().manual_seed(8))
        _, whole = models()
        optimizer = torch.optim.AdamW(whole.parameters(), lr=3e-3)
        trained(3, whole, optimizer, x)
        _, parts = models(seed=6)
        parts.load_state_dict(whole.state_dict())
        again = torch.optim.AdamW(parts.parameters(), lr=3e-3)
        again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        trained(3, whole, optimizer, x)
        trained(3, parts, again, x)
        for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values()):
            self.assertTrue(torch.equal(a, b), name)


if __name__ == "__main__":
    unittest.main()
