# SPDX-License-Identifier: Apache-2.0
"""Outputs and gradients of minimoe.torch.MoELayer equal those of PyTorch (tests/golden/reference.py, in double)."""
import unittest

from torch_peers import Oracle, relative_error, torch

from minimoe.torch import MoELayer

TOLERANCE = 1e-5

# name, options of the layer, shape of x in front of d_model
CASES = [
    *((f"{order} top {k}", {"gate_order": order, "top_k": k, "allow_constant_gate": True}, (40,))
      for order in ("softmax_topk_renorm", "softmax_topk", "topk_softmax", "sigmoid_topk_renorm") for k in (1, 2, 3, 4)),
    ("swiglu", {"ffn": "swiglu"}, (40,)),
    ("gelu by erf", {"gelu": "erf"}, (40,)),
    ("shared experts", {"num_shared_experts": 2}, (40,)),
    ("shared experts, swiglu", {"num_shared_experts": 1, "ffn": "swiglu"}, (40,)),
    ("shared experts with a gate", {"num_shared_experts": 2, "shared_expert_gate": True, "ffn": "swiglu"}, (40,)),
    ("a trained router bias", {"router_bias": True, "router_bias_init": [0.3, -0.2, 0.1, 0.0]}, (40,)),
    ("aux loss alone", {"aux_loss_coef": 0.7}, (40,)),
    ("aux loss of each sequence", {"aux_loss_coef": 0.7, "aux_loss_scope": "sequence"}, (4, 10)),
    ("aux loss, sigmoid", {"aux_loss_coef": 0.7, "gate_order": "sigmoid_topk_renorm", "routed_scale": 2.5}, (40,)),
    ("z loss", {"z_loss_coef": 0.3}, (40,)),
    ("both losses, router bias", {"aux_loss_coef": 0.5, "z_loss_coef": 0.3, "router_bias": True}, (40,)),
    ("capacity by position", {"capacity_factor": 0.8}, (40,)),
    ("capacity by probability", {"capacity_factor": 0.6, "drop_priority": "probability"}, (40,)),
    ("capacity, losses, sigmoid", {"capacity_factor": 0.7, "aux_loss_coef": 0.5, "gate_order": "sigmoid_topk_renorm"}, (40,)),
    ("one expert", {"num_experts": 1, "top_k": 1, "gate_order": "softmax_topk"}, (40,)),
    ("16 experts", {"num_experts": 16, "top_k": 3}, (64,)),
    ("no losses", {"aux_loss_coef": 0.0}, (40,)),
    ("one token", {}, (1,)),
    ("a single vector", {}, ()),
    ("four dimensions", {}, (2, 3, 7)),
]


def make(options, seed=3):
    """Weights large enough that every part of the gradient is well above rounding."""
    return MoELayer(**{"d_model": 12, "d_expert": 20, "init_std": 0.3, "router_init_std": 0.5, "seed": seed, **options})


class Gradients(unittest.TestCase):
    def check(self, layer, x, valid=None, balance_scale=1.0):
        d_y = torch.randn(x.shape, generator=torch.Generator().manual_seed(9))
        x = x.requires_grad_()
        y = layer(x, valid) if valid is not None else layer(x)
        y.backward(d_y)
        expected_y, d_x, expected, margin = Oracle(layer).gradients(x, d_y, valid, balance_scale, layer.training)
        self.assertGreater(margin, 1e-6, "a routing decision hangs on rounding: choose another seed")
        self.assertLess(relative_error(y, expected_y), TOLERANCE)
        self.assertLess(relative_error(x.grad, d_x), TOLERANCE, "d_x")
        self.assertEqual(set(expected), {name for name, _ in layer.named_parameters()})
        for name, parameter in layer.named_parameters():
            self.assertLess(relative_error(parameter.grad, expected[name]), TOLERANCE, name)

    def test_all_gradients_equal_pytorchs(self):
        for name, options, shape in CASES:
            with self.subTest(name):
                layer = make(options)
                self.check(layer, torch.randn(*shape, 12, generator=torch.Generator().manual_seed(1)))

    def test_an_input_in_another_order_is_the_same_tokens(self):
        """A leaf of each layout against the reference; then the same values copied: equal bits, y and gradients."""
        rows = torch.randn(6, 5, 24, generator=torch.Generator().manual_seed(5))
        layouts = {"sequence first": rows[..., :12].contiguous().transpose(0, 1), "every other token": rows[::2, :, :12],
                   "columns of a wider tensor": rows[..., 12:],
                   "channels first": rows[..., :12].transpose(1, 2).contiguous().transpose(1, 2),
                   "expanded": rows[:1, :, :12].expand(6, 5, 12), "every other column": rows[..., ::2]}
        for name, x in layouts.items():
            for options in ({}, {"aux_loss_coef": 0.7, "aux_loss_scope": "sequence"}):
                with self.subTest(name, **options):
                    self.assertFalse(x.is_contiguous())
                    layer, same = make(options), make(options)
                    self.check(layer, x.detach())
                    copied = x.detach().contiguous().requires_grad_()
                    d_y = torch.randn(x.shape, generator=torch.Generator().manual_seed(9))
                    y = same(copied)
                    y.backward(d_y)
                    moved = x.detach().requires_grad_()
                    layer.zero_grad()
                    got = layer(moved)
                    got.backward(d_y)
                    self.assertTrue(got.is_contiguous())
                    self.assertTrue(torch.equal(got, y))
                    self.assertTrue(torch.equal(moved.grad, copied.grad))
                    for (key, ours), theirs in zip(layer.named_parameters(), same.parameters()):
                        self.assertTrue(torch.equal(ours.grad, theirs.grad), key)

    def test_the_gradient_goes_back_through_the_view(self):
        """To what was transposed or expanded, in its own layout: a sequence-first model, one vector for all tokens."""
        layer = make({"aux_loss_coef": 0.0})
        sequence_first = torch.randn(5, 3, 12, generator=torch.Generator().manual_seed(6)).requires_grad_()
        one = torch.randn(1, 1, 12, generator=torch.Generator().manual_seed(7)).requires_grad_()
        for base, view in ((sequence_first, lambda t: t.transpose(0, 1)), (one, lambda t: t.expand(3, 5, 12))):
            d_y = torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(8))
            layer(view(base)).backward(d_y)
            leaf = base.detach().double().requires_grad_()
            _, d_x, _, margin = Oracle(layer).gradients(view(leaf), d_y)
            self.assertGreater(margin, 1e-6)
            view(leaf).backward(d_x)
            self.assertEqual((base.grad.shape, base.grad.stride()), (base.shape, base.stride()))
            self.assertLess(relative_error(base.grad, leaf.grad), TOLERANCE)

    def test_a_mask_in_another_order(self):
        layer = make({"aux_loss_coef": 0.5})
        valid = (torch.arange(10)[:, None] < torch.tensor([10, 7, 1, 4])).t()
        self.assertFalse(valid.is_contiguous())
        x = torch.randn(10, 4, 12, generator=torch.Generator().manual_seed(4)).transpose(0, 1)
        self.check(layer, x.detach(), valid)
        with torch.no_grad():
            y = layer.eval()(x, valid)
        self.assertTrue(torch.equal(y, layer(x.contiguous(), valid.contiguous()).detach()))

    def test_the_selection_bias_moves_the_choice_and_no_weight(self):
        layer = make({"num_experts": 5})
        layer.expert_bias += torch.tensor([0.3, -0.2, 0.1, 0.0, -0.3])
        x = torch.randn(40, 12, generator=torch.Generator().manual_seed(2))
        self.check(layer, x)
        moved = layer.routing.topk_idx
        layer.expert_bias.zero_()
        layer(x)
        self.assertFalse(torch.equal(moved, layer.routing.topk_idx))

    def test_masked_tokens_count_nowhere(self):
        layer = make({"aux_loss_coef": 0.5, "z_loss_coef": 0.2, "capacity_factor": 0.9})
        valid = torch.arange(10).expand(4, 10) < torch.tensor([10, 7, 1, 4])[:, None]
        x = torch.randn(4, 10, 12, generator=torch.Generator().manual_seed(4))
        self.check(layer, x, valid.contiguous())
        self.assertEqual(float(layer(x, valid.contiguous())[~valid].detach().abs().max()), 0)
        self.assertEqual(int(layer.load.sum()), 2 * 22)

    def test_balance_scale_multiplies_both_coefficients(self):
        layer = make({"aux_loss_coef": 0.5, "z_loss_coef": 0.2})
        layer.balance_scale = 0.25
        self.check(layer, torch.randn(40, 12, generator=torch.Generator().manual_seed(5)), balance_scale=0.25)

    def test_values_of_the_losses_equal_pytorchs(self):
        layer = make({"aux_loss_coef": 0.5, "z_loss_coef": 0.2})
        x = torch.randn(40, 12)
        layer(x)
        with torch.no_grad():
            _, aux, z, routing = Oracle(layer)(x.double())
        self.assertAlmostEqual(layer.aux_loss, float(aux), 6)
        self.assertAlmostEqual(layer.z_loss, float(z), 5)
        self.assertAlmostEqual(float(layer.balance_loss.detach()), 0.5 * float(aux) + 0.2 * float(z), 6)
        self.assertEqual(layer.load.tolist(), routing.load_E.tolist())

    def test_eval_with_gradients_has_the_capacity_of_evaluation(self):
        layer = make({"capacity_factor": 0.5, "eval_capacity_factor": 0.9}).eval()
        x = torch.randn(40, 12, generator=torch.Generator().manual_seed(6))
        self.check(layer, x)
        self.assertEqual(layer.routing.num_dropped, 80 - int(layer.routing.kept.sum()))
        with torch.no_grad():
            self.assertTrue(torch.equal(layer(x), layer.train()(x)) is False)
            self.assertLess(relative_error(layer.eval()(x), Oracle(layer)(x.double(), training=False)[0]), TOLERANCE)


if __name__ == "__main__":
    unittest.main()
