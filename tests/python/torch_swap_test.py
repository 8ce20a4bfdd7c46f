# SPDX-License-Identifier: Apache-2.0
"""A PyTorch model goes on as it was after its MoE block was swapped for minimoe.torch's in one line."""
import copy
import unittest

from torch_peers import Expert, LoopMoE, relative_error, torch
from torch import nn

from minimoe.torch import from_experts, from_mixtral


def tokens(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Loop(unittest.TestCase):
    def check(self, block, layer, x):
        """The same outputs and input gradients; x [.., D]."""
        theirs, ours = x.clone().requires_grad_(), x.clone().requires_grad_()
        expected, got = block(theirs), layer(ours)
        self.assertLess(relative_error(got, expected), 1e-6)
        d_y = tokens(*x.shape, seed=9)
        expected.backward(d_y)
        got.backward(d_y)
        self.assertLess(relative_error(ours.grad, theirs.grad), 1e-5)

    def test_the_loop_over_experts(self):
        for swiglu in (False, True):
            for num_experts, top_k in ((4, 2), (8, 3), (3, 3)):
                with self.subTest(swiglu=swiglu, num_experts=num_experts, top_k=top_k):
                    torch.manual_seed(0)
                    block = LoopMoE(12, 20, num_experts, top_k, swiglu)
                    layer = from_experts(block.router, block.experts, gate="gate" if swiglu else None, top_k=top_k,
                                         aux_loss_coef=0.0)
                    self.check(block, layer, tokens(3, 10, 12))
                    for e, expert in enumerate(block.experts):
                        self.assertLess(relative_error(layer.experts.w_up_proj.grad[e], expert.up.weight.grad), 1e-5)
                    self.assertLess(relative_error(layer.router.weight.grad, block.router.weight.grad), 1e-5)

    def test_other_names_no_biases_a_router_bias_and_a_bare_weight(self):
        torch.manual_seed(0)
        experts = [nn.Sequential(nn.Linear(12, 20, bias=False), nn.GELU("tanh"), nn.Linear(20, 12, bias=False))
                   for _ in range(4)]
        router = nn.Linear(12, 4)
        layer = from_experts(router, experts, up="0", down="2", top_k=4, aux_loss_coef=0.0)

        def block(x):
            return sum(p.unsqueeze(-1) * e(x) for p, e in zip(router(x).softmax(-1).unbind(-1), experts))

        self.check(block, layer, tokens(10, 12))
        self.assertTrue(torch.equal(layer.router.bias, router.bias))
        plain = from_experts(router.weight, experts, up="0", down="2", top_k=2)
        self.assertFalse(plain.config["moe"]["router_bias"])

    def test_weights_are_copies_and_the_mode_is_kept(self):
        block = LoopMoE(12, 20, 4, 2).eval()
        layer = from_experts(block.router, block.experts, top_k=2)
        self.assertFalse(layer.training)
        with torch.no_grad():
            layer.router.weight.zero_()
        self.assertGreater(float(block.router.weight.detach().abs().max()), 0)

    def test_an_expert_equals_its_module(self):
        expert = Expert(12, 20)
        layer = from_experts(torch.zeros(1, 12), [expert], top_k=1, gate_order="softmax_topk")
        x = tokens(10, 12)
        self.assertLess(relative_error(layer(x), expert(x)), 1e-6)


class Mixtral(unittest.TestCase):
    def setUp(self):
        try:
            from transformers import MixtralConfig, MixtralForCausalLM
        except ImportError as missing:
            self.skipTest(f"Hugging Face Transformers 5 is not installed: {missing}")
        torch.manual_seed(0)
        self.model = MixtralForCausalLM(MixtralConfig(
            vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=32,
            use_cache=False)).float()
        self.tokens = torch.randint(0, 50, (2, 16), generator=torch.Generator().manual_seed(1))

    def test_a_whole_model_keeps_its_loss_and_gradients(self):
        theirs, ours = self.model.train(), copy.deepcopy(self.model).train()
        for layer in ours.model.layers:
            layer.mlp = from_mixtral(layer.mlp, aux_loss_coef=0.0)
        expected, got = (m(input_ids=self.tokens, labels=self.tokens).loss for m in (theirs, ours))
        self.assertLess(abs(float(got.detach()) - float(expected.detach())), 1e-5)
        expected.backward()
        got.backward()
        for layer, mine in zip(theirs.model.layers, ours.model.layers):
            self.assertLess(relative_error(mine.self_attn.q_proj.weight.grad, layer.self_attn.q_proj.weight.grad), 1e-4)
            stacked = layer.mlp.experts.gate_up_proj.grad
            self.assertLess(relative_error(torch.cat([mine.mlp.experts.w_gate_proj.grad,
                                                      mine.mlp.experts.w_up_proj.grad], 1), stacked), 1e-4)
            self.assertLess(relative_error(mine.mlp.router.weight.grad, layer.mlp.gate.weight.grad), 1e-4)

    def test_what_it_cannot_be_is_refused(self):
        block = self.model.model.layers[0].mlp
        block.jitter_noise = 0.1
        with self.assertRaisesRegex(ValueError, "jitter_noise is 0.1"):
            from_mixtral(block)
        block.jitter_noise = 0
        block.experts.act_fn = nn.GELU()
        with self.assertRaisesRegex(ValueError, "expected SiLU"):
            from_mixtral(block)

    def test_a_block_of_olmoe_keeps_its_weights_as_they_are(self):
        from transformers import OlmoeConfig
        from transformers.models.olmoe.modeling_olmoe import OlmoeSparseMoeBlock
        for renormalised in (False, True):
            block = OlmoeSparseMoeBlock(OlmoeConfig(hidden_size=16, intermediate_size=12, num_experts=4,
                                                    num_experts_per_tok=2, norm_topk_prob=renormalised))
            with torch.no_grad():
                for parameter in block.parameters():
                    parameter.normal_(0, 0.3)
            x = torch.randn(2, 5, 16)
            theirs = block(x)
            self.assertLess(relative_error(from_mixtral(block)(x), theirs[0] if isinstance(theirs, tuple) else theirs), 1e-5)

    def test_shared_experts_are_not_dropped(self):
        from transformers import Qwen2MoeConfig
        from transformers.models.qwen2_moe.modeling_qwen2_moe import Qwen2MoeSparseMoeBlock
        block = Qwen2MoeSparseMoeBlock(Qwen2MoeConfig(hidden_size=16, moe_intermediate_size=12, num_experts=4,
                                                      shared_expert_intermediate_size=12, num_experts_per_tok=2))
        with self.assertRaisesRegex(ValueError, "has shared_expert, which"):
            from_mixtral(block)


if __name__ == "__main__":
    unittest.main()
