# SPDX-License-Identifier: Apache-2.0
"""minimoe.torch.MoELayer inside autograd: graphs kept, repeated, dropped, recomputed and asked for too much."""
import gc
import unittest
import warnings

from torch_gradient_test import make
from torch_peers import Oracle, relative_error, torch
from torch.utils.checkpoint import checkpoint

from minimoe.torch import MoELayer


def inputs(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gradients(layer):
    return {name: p.grad.clone() for name, p in layer.named_parameters()}


class Passes(unittest.TestCase):
    def setUp(self):
        self.layer = make({"aux_loss_coef": 0.3, "z_loss_coef": 0.1})

    def same(self, ours, theirs, tolerance=0.0):
        for name in theirs:
            self.assertLessEqual(relative_error(ours[name], theirs[name]), tolerance, name)

    def expected(self, xs, d_ys):
        """Sums of the gradients of one pass after another."""
        total = {}
        for x, d_y in zip(xs, d_ys):
            self.layer.zero_grad()
            self.layer(x).backward(d_y)
            for name, g in gradients(self.layer).items():
                total[name] = total.get(name, 0) + g
        self.layer.zero_grad()
        return total

    def test_two_forwards_before_two_backwards_in_either_order(self):
        xs, d_ys = [inputs(20, 12, seed=s) for s in (1, 2)], [inputs(20, 12, seed=s) for s in (3, 4)]
        expected = self.expected(xs, d_ys)
        for order in ((0, 1), (1, 0)):
            ys = [self.layer(x) for x in xs]
            for n in order:
                ys[n].backward(d_ys[n])
            self.same(gradients(self.layer), expected, 1e-7)
            self.layer.zero_grad()

    def test_one_backward_through_a_layer_used_twice(self):
        x = inputs(20, 12).requires_grad_()
        y = self.layer(torch.tanh(self.layer(x)))
        y.square().sum().backward()
        oracle = Oracle(self.layer)
        x64 = x.detach().double().requires_grad_()
        y1, aux1, z1, _ = oracle(x64)
        y2, aux2, z2, _ = oracle(torch.tanh(y1))
        loss = y2.square().sum() + 0.3 * (aux1 + aux2) + 0.1 * (z1 + z2)
        d_x, *d_weights = torch.autograd.grad(loss, [x64, *oracle.weights.values()])
        self.assertLess(relative_error(x.grad, d_x), 1e-5)
        self.same(gradients(self.layer), dict(zip(oracle.weights, d_weights)), 1e-5)

    def test_a_forward_without_backward_leaves_no_trace(self):
        x, d_y = inputs(20, 12), inputs(20, 12, seed=2)
        expected = self.expected([x], [d_y])
        dropped = self.layer(inputs(20, 12, seed=5))
        y = self.layer(x)
        del dropped
        y.backward(d_y)
        self.same(gradients(self.layer), expected)

    def test_accumulated_gradients_are_the_sum(self):
        xs, d_ys = [inputs(20, 12, seed=s) for s in (1, 2, 3)], [inputs(20, 12, seed=s) for s in (4, 5, 6)]
        expected = self.expected(xs, d_ys)
        for x, d_y in zip(xs, d_ys):
            self.layer(x).backward(d_y)
        self.same(gradients(self.layer), expected, 1e-7)

    def test_retain_graph_gives_the_same_gradients_again(self):
        x, d_y = inputs(20, 12).requires_grad_(), inputs(20, 12, seed=2)
        y = self.layer(x)
        first = torch.autograd.grad(y, [x, *self.layer.parameters()], d_y, retain_graph=True)
        second = torch.autograd.grad(y, [x, *self.layer.parameters()], d_y)
        for a, b in zip(first, second):
            self.assertTrue(torch.equal(a, b))
        self.assertEqual(int(self.layer.pending_load.sum()), 2 * 20, "counted once")
        with self.assertRaisesRegex(RuntimeError, "second time"):
            y.backward(d_y)

    def test_autograd_grad_leaves_dot_grad_alone(self):
        grads = torch.autograd.grad(self.layer(inputs(20, 12)).sum(), list(self.layer.parameters()))
        self.assertTrue(all(g.shape == p.shape for g, p in zip(grads, self.layer.parameters())))
        self.assertTrue(all(p.grad is None for p in self.layer.parameters()))

    def test_checkpointing_gives_the_same_bits_and_counts_once(self):
        x, d_y = inputs(20, 12), inputs(20, 12, seed=2)
        expected = self.expected([x], [d_y])
        for use_reentrant in (False, True):
            with self.subTest(use_reentrant=use_reentrant):
                self.layer.zero_grad()
                self.layer.update_bias(torch.ones(4, dtype=torch.int64))  # counts begin anew; equal loads move no bias
                leaf = x.clone().requires_grad_()
                y = checkpoint(self.layer, leaf, use_reentrant=use_reentrant)
                y.backward(d_y)
                self.same(gradients(self.layer), expected)
                self.assertEqual(int(self.layer.pending_load.sum()), 2 * 20)
                self.assertTrue(torch.equal(self.layer.pending_load, self.layer.load))

    def test_checkpointing_without_reentrance_frees_what_the_forward_left(self):
        bound = self.layer._bound_layer("training")
        y = checkpoint(self.layer, inputs(20, 12).requires_grad_(), use_reentrant=False)
        gc.collect()
        self.assertEqual(len(bound._free), 0)
        self.assertIsNone(self.layer._last_pass.lease())
        y.sum().backward()

    def test_checkpointed_deep_stack_equals_the_plain_one(self):
        layers = torch.nn.ModuleList(make({"seed": s, "capacity_factor": 0.9, "eval_capacity_factor": 2.0}) for s in (1, 2, 3))
        x = inputs(4, 10, 12)

        def loss(run):
            h = x.clone().requires_grad_()
            leaf = h
            for layer in layers:
                h = h + run(layer, torch.nn.functional.layer_norm(h, (12,)))
            h.square().mean().backward()
            result = [leaf.grad, *(p.grad.clone() for p in layers.parameters())]
            layers.zero_grad()
            return result

        plain = loss(lambda layer, h: layer(h))
        for use_reentrant in (False, True):
            again = loss(lambda layer, h: checkpoint(layer, h, use_reentrant=use_reentrant))
            self.assertTrue(all(torch.equal(a, b) for a, b in zip(plain, again)))

    def test_hooks_that_copy_saved_tensors_make_the_pass_be_repeated(self):
        x, d_y = inputs(20, 12), inputs(20, 12, seed=2)
        expected = self.expected([x], [d_y])
        self.layer.update_bias(torch.ones(4, dtype=torch.int64))
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
            y = self.layer(x)
        y.backward(d_y)
        self.same(gradients(self.layer), expected)
        self.assertEqual(int(self.layer.pending_load.sum()), 40)

    def test_a_repeated_pass_is_refused_after_the_bias_moved(self):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
            y = self.layer(inputs(20, 12))
        self.layer.update_bias(torch.tensor([9, 1, 1, 1]))
        with self.assertRaisesRegex(RuntimeError, "expert_bias was changed"):
            y.sum().backward()

    def test_the_bias_may_move_between_a_forward_and_its_backward(self):
        x, d_y = inputs(20, 12), inputs(20, 12, seed=2)
        expected = self.expected([x], [d_y])
        y = self.layer(x)
        self.layer.update_bias(torch.tensor([9, 1, 1, 1]))
        y.backward(d_y)
        self.same(gradients(self.layer), expected)

    def test_double_backward_is_refused_in_words(self):
        x = inputs(20, 12).requires_grad_()
        (d_x,) = torch.autograd.grad(self.layer(x).square().sum(), x, create_graph=True)
        self.assertTrue(d_x.requires_grad)
        with self.assertRaisesRegex(NotImplementedError, "first derivatives only"):
            d_x.square().sum().backward()

    def test_create_graph_alone_gives_the_plain_gradient(self):
        x = inputs(20, 12).requires_grad_()
        plain = torch.autograd.grad(self.layer(x).square().sum(), [x, *self.layer.parameters()])
        with_graph = torch.autograd.grad(self.layer(x).square().sum(), [x, *self.layer.parameters()], create_graph=True)
        self.assertTrue(all(torch.equal(a, b.detach()) for a, b in zip(plain, with_graph)))

    def test_weights_written_to_before_the_backward_are_refused_as_everywhere(self):
        y = self.layer(inputs(20, 12))
        with torch.no_grad():
            self.layer.router.weight.mul_(2)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            y.sum().backward()

    def test_an_x_written_to_before_the_backward_is_refused_as_everywhere(self):
        x = inputs(20, 12)
        y = self.layer(x)
        x.add_(1)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            y.sum().backward()

    def test_gradients_that_come_expanded_or_strided(self):
        x = inputs(20, 12)
        expected = self.expected([x], [torch.ones(20, 12)])
        self.layer(x).sum().backward()  # a gradient of strides 0
        self.same(gradients(self.layer), expected)
        self.layer.zero_grad()
        self.layer(x).backward(torch.ones(12, 20).t())
        self.same(gradients(self.layer), expected)

    def test_frozen_weights_get_no_gradient_and_cost_the_others_nothing(self):
        x, d_y = inputs(20, 12), inputs(20, 12, seed=2)
        expected = self.expected([x], [d_y])
        self.layer.experts.requires_grad_(False)
        self.layer(x).backward(d_y)
        self.assertTrue(torch.equal(self.layer.router.weight.grad, expected["router.weight"]))
        self.assertIsNone(self.layer.experts.w_up_proj.grad)
        self.layer.requires_grad_(False)
        leaf = x.clone().requires_grad_()
        self.layer(leaf).backward(d_y)
        self.assertGreater(float(leaf.grad.norm()), 0)
        self.assertFalse(self.layer(x).requires_grad)

    def test_hooks_on_parameters_run(self):
        seen = []
        self.layer.router.weight.register_hook(lambda g: seen.append(g.shape))
        self.layer.router.weight.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad is not None))
        self.layer(inputs(20, 12)).sum().backward()
        self.assertEqual(seen, [torch.Size([4, 12]), True])

    def test_weights_shared_by_two_layers_get_both_gradients(self):
        other = make({"aux_loss_coef": 0.3, "z_loss_coef": 0.1}, seed=8)
        other.experts = self.layer.experts
        x = inputs(20, 12)
        (self.layer(x).sum() + other(x).sum()).backward()
        both = self.layer.experts.w_up_proj.grad.clone()
        parts = []
        for layer in (self.layer, other):
            self.layer.zero_grad()
            layer(x).sum().backward()
            parts.append(self.layer.experts.w_up_proj.grad.clone())
        self.assertLess(relative_error(both, parts[0] + parts[1]), 1e-7)

    def test_functional_call_uses_and_differentiates_the_weights_it_is_given(self):
        x = inputs(20, 12)
        doubled = {name: (p.detach() * 2).requires_grad_() for name, p in self.layer.named_parameters()}
        y = torch.func.functional_call(self.layer, doubled, (x,))
        y.sum().backward()
        self.assertTrue(all(p.grad is None for p in self.layer.parameters()))
        with torch.no_grad():
            for p in self.layer.parameters():
                p.mul_(2)
        self.assertTrue(torch.equal(self.layer(x), y))
        self.layer(x).sum().backward()
        self.same({name: p.grad for name, p in doubled.items()}, gradients(self.layer))

    def test_computed_weights_by_parametrization(self):
        class Doubled(torch.nn.Module):
            def forward(self, w):
                return 2 * w

        x = inputs(20, 12)
        torch.nn.utils.parametrize.register_parametrization(self.layer.router, "weight", Doubled())
        self.layer(x).sum().backward()
        d_original = self.layer.router.parametrizations.weight.original.grad
        plain = make({"aux_loss_coef": 0.3, "z_loss_coef": 0.1})
        with torch.no_grad():
            plain.router.weight.mul_(2)
        plain(x).sum().backward()
        self.assertLess(relative_error(d_original, 2 * plain.router.weight.grad), 1e-7)

    def test_balance_loss_added_to_the_loss_equals_balance_scale(self):
        x, d_y = inputs(20, 12), inputs(20, 12, seed=2)
        expected = self.expected([x], [d_y])
        self.layer.balance_scale = 0
        y = self.layer(x)
        ((y * d_y).sum() + self.layer.balance_loss).backward()
        self.same(gradients(self.layer), expected, 1e-6)
        self.layer.zero_grad()
        self.layer(x)
        self.layer.balance_loss.backward()
        self.assertEqual(float(self.layer.experts.w_up_proj.grad.abs().max()), 0)
        self.assertGreater(float(self.layer.router.weight.grad.abs().max()), 0)

    def test_a_negative_weight_on_the_balance_loss_is_refused(self):
        self.layer.balance_scale = 0
        self.layer(inputs(20, 12))
        with self.assertRaisesRegex(ValueError, "balance_loss"):
            (-self.layer.balance_loss).backward()

    def test_no_tokens(self):
        x = torch.empty(0, 12, requires_grad=True)
        y = self.layer(x)
        y.sum().backward()
        self.assertEqual((y.shape, x.grad.shape), ((0, 12), (0, 12)))
        self.assertEqual(float(self.layer.experts.w_up_proj.grad.abs().max()), 0)

    def test_not_finite_tokens_are_an_error_that_leaves_no_gradient(self):
        y = self.layer(inputs(20, 12))
        with self.assertRaisesRegex(Exception, "not finite|NaN|infinite"):
            y.backward(torch.full((20, 12), float("nan")))
        self.assertIsNone(self.layer.router.weight.grad)

    def test_caches_are_reused_and_not_piled_up(self):
        for _ in range(10):
            ys = [self.layer(inputs(n, 12)) for n in (20, 5, 20)]
            sum(y.sum() for y in ys).backward()
            del ys
        self.assertLessEqual(len(self.layer._bound_layer("training")._free), 3)
        self.layer.free_caches()
        self.assertEqual(len(self.layer._bound_layer("training")._free), 0)


class Modes(unittest.TestCase):
    def setUp(self):
        self.layer = make({"capacity_factor": 0.5, "eval_capacity_factor": 0})
        self.x = inputs(40, 12)

    def test_capacity_follows_train_and_eval_and_not_grad_mode(self):
        training = self.layer(self.x).detach()
        self.assertGreater(self.layer.routing.num_dropped, 0)
        with torch.no_grad():
            self.assertTrue(torch.equal(self.layer(self.x), training))
            evaluation = self.layer.eval()(self.x)
        self.assertFalse(torch.equal(evaluation, training))
        self.assertTrue(torch.equal(self.layer(self.x).detach(), evaluation))
        with torch.inference_mode():
            self.assertTrue(torch.equal(self.layer(self.x), evaluation))

    def test_inference_keeps_nothing(self):
        with torch.inference_mode():
            y = self.layer.eval()(self.x)
        self.assertFalse(y.requires_grad)
        with self.assertRaisesRegex(RuntimeError, "no forward yet"):
            self.layer.routing  # pylint: disable=pointless-statement

    def test_weights_made_in_inference_mode_are_read_anew_each_time(self):
        with torch.inference_mode():
            layer = MoELayer(12, d_expert=20, seed=1).eval()
            before = layer(self.x)
            layer.experts.w_up_proj.mul_(3)
            self.assertFalse(torch.equal(layer(self.x), before))

    def test_autocast_widens_what_came_narrow(self):
        outer = torch.nn.Linear(12, 12)
        with torch.autocast("cpu", torch.bfloat16):
            narrow = outer(self.x)
            y = self.layer(narrow)
        self.assertEqual((narrow.dtype, y.dtype), (torch.bfloat16, torch.float32))
        y.sum().backward()
        self.assertGreater(float(outer.weight.grad.norm()), 0)

    def test_compile_breaks_the_graph_here_and_gives_the_same(self):
        model = torch.nn.Sequential(torch.nn.Linear(12, 12), self.layer, torch.nn.Linear(12, 3))
        expected = model(self.x)
        expected.square().sum().backward()
        grads = [p.grad.clone() for p in model.parameters()]
        model.zero_grad()
        compiled = torch.compile(model, backend="aot_eager")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the compiler's, about itself
            y = compiled(self.x)
        y.square().sum().backward()
        self.assertLess(relative_error(y, expected), 1e-6)
        for p, g in zip(model.parameters(), grads):
            self.assertLess(relative_error(p.grad, g), 1e-6)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.assertLess(relative_error(compiled.eval()(self.x), model.eval()(self.x)), 1e-6)


if __name__ == "__main__":
    unittest.main()
