# SPDX-License-Identifier: Apache-2.0
"""Every bad input of minimoe.torch is a Python error that names the argument, and leaves the layer as it was."""
import unittest

from torch_gradient_test import make
from torch_peers import LoopMoE, torch
from torch import nn

from minimoe.torch import MoELayer, from_experts, from_mixtral

X = torch.zeros(4, 12)
LOOP = LoopMoE(12, 20, 4, 2)


class Elsewhere(nn.Module):
    up = "not a layer"


def assigned(name, value):
    """A forward after a weight was replaced by something that does not fit."""
    layer = make({})
    owner, _, leaf = name.rpartition(".")
    holder = layer.get_submodule(owner)
    (holder._parameters if leaf in holder._parameters else holder._buffers)[leaf] = value
    layer(X)


def scaled(value):
    layer = make({})
    layer.balance_scale = value
    layer(X)


# what is said of it, the exception, the call
CASES = [
    ("x: expected a torch.Tensor, got list", TypeError, lambda m: m([[0.0] * 12])),
    ("x: expected a torch.Tensor, got ndarray", TypeError, lambda m: m(X.numpy())),
    ("x: expected a torch.Tensor, got NoneType", TypeError, lambda m: m(None)),
    ("x: expected torch.float32, got torch.float64", TypeError, lambda m: m(X.double())),
    ("x: expected torch.float32, got torch.bfloat16", TypeError, lambda m: m(X.bfloat16())),
    ("x: expected torch.float32, got torch.int64", TypeError, lambda m: m(X.long())),
    ("x: expected torch.float32, got torch.complex64", TypeError, lambda m: m(X.to(torch.complex64))),
    ("x: expected a dense tensor, got layout torch.sparse_coo", TypeError, lambda m: m(X.to_sparse())),
    ("x: is on device 'meta'", ValueError, lambda m: m(X.to("meta"))),
    (r"x: is \[4, 11\], expected \[.., 12\]", ValueError, lambda m: m(X[:, :11].contiguous())),
    (r"x: is \[\], expected", ValueError, lambda m: m(torch.tensor(1.0))),
    (r"x: is \[0\], expected", ValueError, lambda m: m(torch.empty(0))),
    (r"x: is \[12, 4\], expected \[.., 12\]", ValueError, lambda m: m(X.t())),
    ("x: expected torch.float32, got torch.float64", TypeError, lambda m: m(torch.zeros(12, 4, dtype=torch.float64).t())),
    ("x: expected torch.float32, got torch.float16", TypeError, lambda m: m(torch.zeros(1, 12).half().expand(4, 12))),
    ("valid: expected a torch.Tensor, got list", TypeError, lambda m: m(X, [True] * 4)),
    ("valid: expected torch.bool, got torch.int64", TypeError, lambda m: m(X, torch.ones(4, dtype=torch.int64))),
    (r"valid: is \[3\], expected \[4\]", ValueError, lambda m: m(X, torch.ones(3, dtype=torch.bool))),
    (r"valid: is \[4, 12\], expected \[4\]", ValueError, lambda m: m(X, torch.ones(4, 12, dtype=torch.bool))),
    (r"valid: is \[8\], expected \[4\]", ValueError, lambda m: m(X, torch.ones(16, dtype=torch.bool)[::2])),
    ("valid: is on device 'meta'", ValueError, lambda m: m(X, torch.ones(4, dtype=torch.bool, device="meta"))),
    ("token 0|not finite|NaN|finite", ArithmeticError, lambda m: m(torch.full((4, 12), float("nan")))),
    ("d_model", ValueError, lambda m: MoELayer(0)),
    ("top_k", ValueError, lambda m: MoELayer(8, num_experts=2, top_k=3)),
    ("num_experts", ValueError, lambda m: MoELayer(8, num_experts=0)),
    ("aux_loss_cef", ValueError, lambda m: MoELayer(8, aux_loss_cef=0.1)),
    ("aux_loss_coef", ValueError, lambda m: MoELayer(8, aux_loss_coef=-1)),
    ("ffn", ValueError, lambda m: MoELayer(8, ffn="relu")),
    ("gate_order", ValueError, lambda m: MoELayer(8, gate_order="softmax")),
    ("softmax_topk", ValueError, lambda m: MoELayer(8, top_k=1, gate_order="softmax_topk_renorm")),
    ("parameters, allowed at most", ValueError, lambda m: MoELayer(65536, num_experts=4096, d_expert=1048576)),
    ("seed", ValueError, lambda m: MoELayer(8, seed=-1)),
    ("num_threads", ValueError, lambda m: MoELayer(8, num_threads=-2)),
    ("num_threads", TypeError, lambda m: MoELayer(8, num_threads="all")),
    ("balance_scale: expected a number", TypeError, lambda m: MoELayer(8, balance_scale="1")),
    ("balance_scale: is -1", ValueError, lambda m: MoELayer(8, balance_scale=-1)),
    ("balance_scale: is nan", ValueError, lambda m: scaled(float("nan"))),
    ("history: expected", TypeError, lambda m: MoELayer(8, history=1.5)),
    ("history: is 0", ValueError, lambda m: MoELayer(8, history=0)),
    ("router.weight: expected torch.float32, got torch.float64", TypeError,
     lambda m: assigned("router.weight", nn.Parameter(torch.zeros(4, 12, dtype=torch.float64)))),
    (r"experts.w_up_proj: is \[4, 12, 20\], expected \[4, 20, 12\]", ValueError,
     lambda m: assigned("experts.w_up_proj", nn.Parameter(torch.zeros(4, 12, 20)))),
    ("experts.w_down_proj: is not contiguous", ValueError,
     lambda m: assigned("experts.w_down_proj", nn.Parameter(torch.zeros(4, 20, 12).transpose(1, 2)))),
    ("router.weight: expected a torch.Tensor, got NoneType", TypeError, lambda m: assigned("router.weight", None)),
    (r"expert_bias: is \[5\], expected \[4\]", ValueError, lambda m: assigned("expert_bias", torch.zeros(5))),
    ("load: expected an int64 tensor", TypeError, lambda m: m.update_bias([1, 2, 3, 4])),
    ("load: expected an int64 tensor", TypeError, lambda m: m.update_bias(torch.zeros(4))),
    ("num_load is 3, expected 4", ValueError, lambda m: m.update_bias(torch.zeros(3, dtype=torch.int64))),
    ("load holds -1", ValueError, lambda m: m.update_bias(torch.tensor([-1, 0, 0, 1]))),
    ("no forward yet", RuntimeError, lambda m: m.aux_loss),
    ("no forward yet", RuntimeError, lambda m: m.routing),
    ("no training step yet", RuntimeError, lambda m: m.health()),
    ("these are weights of a MoELayer", NotImplementedError, lambda m: m.experts(X)),
    ("router: expected an nn.Linear", TypeError, lambda m: from_experts(None, LOOP.experts)),
    ("experts: 3 of them, the router chooses among 4", ValueError, lambda m: from_experts(LOOP.router, LOOP.experts[:3])),
    ("experts: expected at least one", ValueError, lambda m: from_experts(LOOP.router, [])),
    (r"experts\[0\].w1: expected an nn.Linear", TypeError, lambda m: from_experts(LOOP.router, LOOP.experts, up="w1")),
    (r"experts\[1\].up: expected an nn.Linear, got str", TypeError,
     lambda m: from_experts(LOOP.router, [LOOP.experts[0], Elsewhere()] + list(LOOP.experts)[2:])),
    ("experts: SwiGLU experts have no biases", ValueError,
     lambda m: from_experts(LOOP.router, LOOP.experts, gate="up", up="up")),
    ("options: they add shared", ValueError, lambda m: from_experts(LOOP.router, LOOP.experts, num_shared_experts=1)),
    ("block: Linear is not laid out as MixtralSparseMoeBlock", TypeError, lambda m: from_mixtral(nn.Linear(2, 2))),
]


class BadInput(unittest.TestCase):
    def test_each_is_an_error_that_names_it(self):
        for message, kind, call in CASES:
            with self.subTest(message):
                layer = make({})
                with self.assertRaisesRegex(kind, message):
                    call(layer)
                self.assertTrue(torch.equal(layer(X + 1), make({})(X + 1)))
        self.assertGreaterEqual(len(CASES), 60)


if __name__ == "__main__":
    unittest.main()
