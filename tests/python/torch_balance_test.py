# SPDX-License-Identifier: Apache-2.0
"""What minimoe.torch.MoELayer tells of its routing, and how it balances: loads, bias, log and verdict."""
import unittest

from torch_gradient_test import make
from torch_peers import Oracle, torch

import minimoe
from minimoe.torch import MoELayer


def tokens(n=64, seed=1):
    return torch.randn(n, 12, generator=torch.Generator().manual_seed(seed))


class Routing(unittest.TestCase):
    def test_routing_is_that_of_the_last_forward_and_survives_the_next(self):
        layer = make({"num_experts": 5, "capacity_factor": 0.8})
        x = tokens(40).view(4, 10, 12)
        layer(x).sum().backward()
        routing = layer.routing
        with torch.no_grad():
            *_, expected = Oracle(layer)(x.double())
        self.assertEqual(routing.topk_idx.flatten(0, 1).tolist(), expected.topk_idx_NK.tolist())
        self.assertTrue(torch.allclose(routing.gate_weights.flatten(0, 1).double(), expected.gate_weights_NK, atol=1e-6))
        self.assertEqual(routing.kept.flatten(0, 1).tolist(), expected.kept_NK.tolist())
        self.assertTrue(torch.allclose(routing.router_probs.flatten(0, 1).double(), expected.probs_NE, atol=1e-6))
        self.assertEqual(routing.load.tolist(), expected.load_E.tolist())
        self.assertEqual((routing.num_tokens, routing.num_dropped), (40, int((~routing.kept).sum())))
        self.assertEqual((routing.topk_idx.dtype, routing.kept.dtype), (torch.int64, torch.bool))
        kept = routing.topk_idx.clone()
        layer(tokens(40, seed=2))
        self.assertTrue(torch.equal(routing.topk_idx, kept))
        self.assertFalse(torch.equal(layer.routing.topk_idx.flatten(), kept.flatten()))

    def test_masked_tokens_have_no_expert(self):
        layer = make({})
        valid = torch.arange(64) < 50
        layer(tokens(), valid)
        self.assertTrue(bool((layer.routing.topk_idx[~valid] == -1).all()))
        self.assertEqual((int(layer.load.sum()), layer.routing.num_tokens), (100, 50))

    def test_routing_whose_memory_was_taken_is_refused(self):
        layer = make({})
        layer(tokens()).sum().backward()
        layer.free_caches()
        with self.assertRaisesRegex(RuntimeError, "routing of the last forward is gone"):
            layer.routing  # pylint: disable=pointless-statement


class Bias(unittest.TestCase):
    def test_update_bias_moves_by_rate_against_the_load_of_all_passes(self):
        layer = make({"bias_update_rate": 0.01})
        for seed in (1, 2):
            layer(tokens(seed=seed)).sum().backward()
        load = layer.pending_load.double()
        self.assertEqual(int(load.sum()), 2 * 64 * 2)
        layer.update_bias()
        self.assertTrue(torch.allclose(layer.expert_bias, (0.01 * torch.sign(load.mean() - load)).float()))
        self.assertEqual(int(layer.pending_load.sum()), 0)
        layer.update_bias(torch.tensor([10, 0, 0, 0]))
        self.assertLess(float(layer.expert_bias[0]), float(layer.expert_bias[1:].min()) + 0.02)

    def test_the_bias_balances_without_a_loss(self):
        layer = make({"aux_loss_coef": 0.0, "bias_update_rate": 0.02, "router_bias": True,
                      "router_bias_init": [1.5, 0.0, 0.0, -0.5]})
        x = tokens(512)
        layer(x)
        before = layer.routing.max_violation
        for _ in range(60):
            layer(x).sum().backward()
            layer.zero_grad()
            layer.update_bias()
        layer(x)
        self.assertGreater(before, 0.5)
        self.assertLess(layer.routing.max_violation, 0.1)
        self.assertGreater(float(layer.expert_bias[3]), float(layer.expert_bias[0]))

    def test_evaluation_and_unused_forwards_count_nothing(self):
        layer = make({})
        layer(tokens())
        with torch.no_grad():
            layer(tokens())
            layer.eval()(tokens())
        self.assertEqual(int(layer.pending_load.sum()), 0)
        with self.assertRaisesRegex(RuntimeError, "no training step yet"):
            layer.health()


class Health(unittest.TestCase):
    def train(self, steps=130, **options):
        torch.manual_seed(0)
        layer = MoELayer(12, d_expert=16, seed=2, **options)
        optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3)
        for step in range(steps):
            x = torch.randn(256, 12)
            (layer(x) - x.roll(1, -1)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            layer.eval()
            with torch.no_grad():
                layer(x)
            layer.train()
        return layer

    def test_a_balanced_router_is_healthy_and_the_log_is_its_steps(self):
        layer = self.train()
        report = layer.health()
        self.assertIsInstance(report, minimoe.Health)
        self.assertEqual(report.verdict, "healthy", str(report))
        self.assertEqual(report["options"]["aux_loss_coef"], 0.01)
        self.assertIs(report["options"]["bias_balancing"], False)
        log = layer.health_log
        self.assertEqual([line["step"] for line in log], list(range(1, 131)))
        self.assertEqual({sum(line["load"]) for line in log}, {512})
        self.assertEqual(minimoe.health(log)["verdict"], "healthy")
        self.assertIn("<svg", report._repr_html_())

    def test_a_router_that_starts_collapsed_is_said_to_be(self):
        layer = self.train(num_experts=8, top_k=1, router_bias=True, router_bias_init=[9.0] + [0.0] * 7,
                           aux_loss_coef=0.0)
        report = layer.health()
        self.assertEqual(report.verdict, "collapsed", str(report))
        self.assertTrue(report["layers"][0]["advice"])

    def test_history_is_bounded_and_options_pass(self):
        layer = self.train(steps=30, history=12)
        self.assertEqual([line["step"] for line in layer.health_log], list(range(19, 31)))
        self.assertEqual(layer.health(window=5, warmup=0, settle_steps=0)["window"], 5)
        layer(tokens()).sum().backward()
        layer.update_bias()
        self.assertIs(layer.health()["options"]["bias_balancing"], True)
        with self.assertRaisesRegex(ValueError, "windw"):
            layer.health(windw=5)

    def test_several_layers_are_judged_together(self):
        lines = [{**line, "layer": n} for n in range(2) for line in self.train(steps=110).health_log]
        report = minimoe.health(sorted(lines, key=lambda line: line["step"]))
        self.assertEqual([layer["layer"] for layer in report["layers"]], [0, 1])


if __name__ == "__main__":
    unittest.main()
