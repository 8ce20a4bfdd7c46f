# SPDX-License-Identifier: Apache-2.0
"""minimoe.torch.MoELayer as a module among others: its state, its copies, and weights that users replace or move."""
import copy
import io
import multiprocessing
import pickle
import subprocess
import sys
import threading
import unittest

from torch_gradient_test import make
from torch_peers import Oracle, relative_error, torch

import minimoe
from minimoe import _calls as raw
from minimoe.torch import MoELayer

X = torch.randn(20, 12, generator=torch.Generator().manual_seed(1))


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def infer_in_child(layer, x, answers):
    with torch.no_grad():
        answers.put(layer.eval()(x).tolist())


class State(unittest.TestCase):
    def setUp(self):
        self.layer = make({"aux_loss_coef": 0.3})

    def follows(self, layer=None):
        """The layer computes with the values that its parameters have now."""
        layer = layer or self.layer
        with torch.no_grad():
            expected, *_ = Oracle(layer)(X.double())
            self.assertLess(relative_error(layer(X), expected), 1e-6)

    def test_state_dict_has_the_librarys_names_and_shapes(self):
        with minimoe.MoELayer(self.layer.config and {"model": self.layer.config}) as bare:
            expected = {info["name"]: tuple(info["shape"]) for info in bare.parameters()}
        self.assertEqual({name: tuple(value.shape) for name, value in self.layer.state_dict().items()}, expected)
        self.assertEqual([name for name, _ in self.layer.named_buffers()], ["expert_bias"])

    def test_parameters_are_the_memory_that_the_library_computes_with(self):
        self.follows()
        before = self.layer(X).detach()
        pointers = [p.data_ptr() for p in self.layer.parameters()]
        with torch.no_grad():
            self.layer.experts.w_down_proj[1:] = 0
        self.follows()
        self.assertFalse(torch.equal(self.layer(X), before))
        self.assertEqual([p.data_ptr() for p in self.layer.parameters()], pointers)

    def test_gradients_become_dot_grad_without_a_copy(self):
        bound, seen = self.layer._bound_layer("training"), {}
        backward = bound.backward
        bound.backward = lambda *a: seen.update({n: g.data_ptr() for n, g in a[-1].items()}) or backward(*a)
        self.layer(X).sum().backward()
        self.assertEqual(seen, {name: p.grad.data_ptr() for name, p in self.layer.named_parameters()})

    def test_after_a_backward_the_library_no_longer_points_at_the_gradients(self):
        self.layer(X).sum().backward()
        bound, own = self.layer._bound_layer("training"), torch.ones(4, 12)
        raw.minimoe_moe_layer_gradient_get(bound._handle, "router.weight", own.numpy())
        self.assertEqual(float(own.abs().max()), 0)
        self.assertGreater(float(self.layer.router.weight.grad.abs().max()), 0)

    def test_load_state_dict_copies_or_assigns(self):
        for assign in (False, True):
            with self.subTest(assign=assign):
                self.layer(X)
                other = make({}, seed=11)
                self.layer.load_state_dict(copy.deepcopy(other.state_dict()), assign=assign)
                self.assertTrue(same(self.layer, other))
                self.follows()
        with self.assertRaisesRegex(RuntimeError, "size mismatch for router.weight"):
            self.layer.load_state_dict(make({"num_experts": 5}).state_dict())

    def test_saved_and_loaded_by_torch(self):
        buffer = io.BytesIO()
        torch.save(self.layer.state_dict(), buffer)
        buffer.seek(0)
        other = make({}, seed=12)
        other.load_state_dict(torch.load(buffer, weights_only=True))
        self.assertTrue(same(other, self.layer))
        self.follows(other)

    def test_copies_are_whole_and_independent(self):
        self.layer(X).sum().backward()
        buffer = io.BytesIO()
        torch.save(self.layer, buffer)
        buffer.seek(0)
        copies = {"deepcopy": copy.deepcopy(self.layer), "pickle": pickle.loads(pickle.dumps(self.layer)),
                  "torch.save": torch.load(buffer, weights_only=False)}
        for name, other in copies.items():
            with self.subTest(name):
                self.assertTrue(same(other, self.layer))
                self.assertEqual(other.config, self.layer.config)
                with torch.no_grad():
                    other.router.weight.add_(1)
                    other.update_bias(torch.tensor([9, 1, 1, 1]))
                self.assertFalse(torch.equal(other.router.weight, self.layer.router.weight))
                self.assertEqual(float(self.layer.expert_bias.abs().max()), 0)
                self.follows(other)
        self.follows()

    def test_parameters_that_users_replace_or_move_are_noticed(self):
        def replaced():
            self.layer.experts.w_up_proj = torch.nn.Parameter(self.layer.experts.w_up_proj.detach() * 2)

        def data_swapped():
            self.layer.router.weight.data = self.layer.router.weight.data * -1

        def shared():
            self.layer.share_memory()

        def bias_replaced():
            self.layer.expert_bias = torch.tensor([0.5, 0.0, -0.5, 0.0])

        def stepped():
            torch.nn.utils.vector_to_parameters(torch.nn.utils.parameters_to_vector(self.layer.parameters()) * 1.5,
                                                self.layer.parameters())

        def in_place():
            torch.nn.init.normal_(self.layer.router.weight)

        for change in (replaced, data_swapped, shared, bias_replaced, stepped, in_place):
            with self.subTest(change.__name__):
                self.layer(X)
                change()
                self.follows()
                self.layer.zero_grad()
                self.layer(X).sum().backward()
                _, _, expected, _ = Oracle(self.layer).gradients(X, torch.ones(20, 12))
                for name, p in self.layer.named_parameters():
                    self.assertLess(relative_error(p.grad, expected[name]), 1e-5, name)

    def test_memory_that_was_replaced_stays_alive_until_it_is_not_read(self):
        x = torch.randn(20, 12)
        y = self.layer(x)
        for p in self.layer.parameters():
            p.data = torch.full_like(p, 0.1)
        y.sum().backward()
        self.follows()

    def test_writes_that_torch_does_not_count_are_announced(self):
        bound = self.layer._bound_layer("training")
        self.layer(X)
        calls = []
        changed = bound.parameters_changed
        bound.parameters_changed = lambda: calls.append(1) or changed()
        self.layer(X)
        self.assertEqual(len(calls), 0, "nothing was written")
        with torch.no_grad():
            self.layer.router.weight.mul_(1.1)
        self.layer(X)
        self.assertEqual(len(calls), 1, "a version grew")
        self.layer.router.weight.data.mul_(1.1)
        self.layer.parameters_changed()
        self.assertEqual(len(calls), 2)

    def test_other_types_and_devices_are_refused_and_leave_it_whole(self):
        model = torch.nn.Sequential(self.layer)
        for change in (model.double, model.half, model.bfloat16, lambda: model.to(torch.float64)):
            with self.assertRaisesRegex(TypeError, "MoELayer: dtype .* is refused, its weights are float32"):
                change()
        for change in (lambda: model.to("meta"), lambda: MoELayer(8, device="meta"), lambda: model.to_empty(device="meta")):
            with self.assertRaisesRegex(ValueError, "device 'meta' is refused"):
                change()
        with self.assertRaisesRegex(TypeError, "dtype torch.float16 is refused"):
            MoELayer(8, dtype=torch.float16)
        model.float().to("cpu", torch.float32).cpu()
        self.follows()

    def test_zero_grad_both_ways(self):
        self.layer(X).sum().backward()
        first = self.layer.router.weight.grad.clone()
        self.layer.zero_grad(set_to_none=False)
        self.assertEqual(float(self.layer.router.weight.grad.abs().max()), 0)
        self.layer(X).sum().backward()
        self.assertTrue(torch.equal(self.layer.router.weight.grad, first))
        self.layer.zero_grad(set_to_none=True)
        self.assertIsNone(self.layer.router.weight.grad)
        self.layer(X).sum().backward()
        self.assertTrue(torch.equal(self.layer.router.weight.grad, first))

    def test_start_values_follow_torchs_seed_or_ones_own(self):
        torch.manual_seed(1)
        a, b = MoELayer(8), MoELayer(8)
        torch.manual_seed(1)
        c = MoELayer(8)
        self.assertTrue(same(a, c))
        self.assertFalse(same(a, b))
        with minimoe.MoELayer(d_model=8, seed=7) as bare:
            self.assertEqual(MoELayer(8, seed=7).router.weight.tolist(), bare.parameter("router.weight").tolist())
        a.reset_parameters(seed=7)
        self.assertTrue(same(a, MoELayer(8, seed=7)))

    def test_repr_names_what_it_is(self):
        self.assertIn("d_model=12, num_experts=4, top_k=2, d_expert=20, ffn='gelu'", repr(self.layer))


class Threads(unittest.TestCase):
    def setUp(self):
        self.before = torch.get_num_threads()
        self.addCleanup(torch.set_num_threads, self.before)
        self.layer = make({})

    def test_the_number_of_threads_follows_torch_unless_given(self):
        torch.set_num_threads(1)
        one = self.layer(X)
        bound = self.layer._bound_layer("training")
        torch.set_num_threads(2)
        two = self.layer(X)
        self.assertIsNot(self.layer._bound_layer("training"), bound)
        self.assertEqual(self.layer._bound["threads"], 2)
        self.assertTrue(torch.equal(one, two))
        (one.sum() + two.sum()).backward()  # a pending backward keeps what it needs
        fixed = make({"num_threads": 1})
        fixed(X)
        self.assertEqual(fixed._bound["threads"], 1)
        with self.assertRaisesRegex(ValueError, "num_threads"):
            make({"num_threads": 300})

    def test_inference_in_several_threads_at_a_time(self):
        self.layer.eval()
        with torch.no_grad():
            expected = self.layer(X)
        wrong = []

        def work():
            with torch.no_grad():
                for _ in range(50):
                    if not torch.equal(self.layer(X), expected):
                        wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_training_passes_of_several_threads_take_turns(self):
        expected = torch.autograd.grad(self.layer(X).sum(), self.layer.router.weight)[0]
        results = []

        def work():
            for _ in range(20):
                results.append(torch.autograd.grad(self.layer(X).sum(), self.layer.router.weight)[0])

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 80)
        self.assertTrue(all(torch.equal(r, expected) for r in results))

    def test_a_forked_and_a_spawned_child_infer(self):
        with torch.no_grad():
            expected = self.layer.eval()(X).tolist()
        for method in ("fork", "spawn"):
            with self.subTest(method):
                torch.set_num_threads(1)  # torch's own pool does not survive a fork
                context = multiprocessing.get_context(method)
                answers = context.SimpleQueue()
                child = context.Process(target=infer_in_child, args=(self.layer, X, answers))
                child.start()
                self.assertEqual(answers.get(), expected)
                child.join()


class Import(unittest.TestCase):
    def test_the_compiler_is_not_loaded_before_it_is_wanted(self):
        code = ("import sys, minimoe.torch as m, torch; l = m.MoELayer(8); l(torch.randn(3, 8)).sum().backward();"
                "print('torch._dynamo' in sys.modules)")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "False")

    def test_the_package_alone_does_not_import_torch(self):
        done = subprocess.run([sys.executable, "-c", "import sys, minimoe; print('torch' in sys.modules)"],
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "False")


if __name__ == "__main__":
    unittest.main()
