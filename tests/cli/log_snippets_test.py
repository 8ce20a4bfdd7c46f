# SPDX-License-Identifier: Apache-2.0
"""The three snippets of docs/health.md write logs that minimoe health reads and judges rightly.

Usage: log_snippets_test.py PROGRAM. Needs torch (in this Python, or in the one that $TORCH_PYTHON names), and transformers for
the models of Hugging Face; without torch exit code 77. Megatron-LM is stood in for by a router with the members that its snippet uses.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    other = os.environ.get("TORCH_PYTHON", "")
    if other and other != sys.executable:
        os.execv(other, [other, *sys.argv])
    print("skipped: no torch; pip install torch, or set TORCH_PYTHON to a Python that has it")
    sys.exit(77)

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/health.md"
PYTORCH, HUGGING_FACE, MEGATRON = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)
PROGRAM = os.path.abspath(sys.argv.pop(1))


class TopKRouter(torch.nn.Module):
    layer_number = 3

    def __init__(self, ahead):
        super().__init__()
        self.linear = torch.nn.Linear(8, 4)
        torch.nn.init.zeros_(self.linear.bias)
        with torch.no_grad():
            self.linear.bias[0] += ahead

    def gating(self, x):
        return self.linear(x)

    def forward(self, x):
        return self.gating(x).softmax(-1), None


class LogSnippets(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.path = pathlib.Path(tempfile.mkdtemp()) / "log.jsonl"
        self.log = open(self.path, "w")

    def verdict(self):
        self.log.close()
        done = subprocess.run([PROGRAM, "health", str(self.path), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return json.loads(done.stdout)["verdict"]

    def pytorch(self, ahead):
        names = {"torch": torch, "json": json, "log": self.log, "layer": 0, "E": 4, "K": 1}
        valid = torch.ones(64, dtype=torch.bool)
        valid[:10] = False
        for step in range(1, 201):
            if step % 10 == 1:
                names["total"] = {"load": torch.zeros(4, dtype=torch.long), "probs": torch.zeros(4)}
            logits = torch.randn(64, 4)
            logits[:, 0] += ahead
            logits[:10, 1] += 100  # padding, which is not routed
            exec(PYTORCH, {**names, "step": step, "logits": logits, "valid": valid})
        return self.verdict()

    def test_pytorch(self):
        self.assertEqual(self.pytorch(ahead=0), "healthy")

    def test_pytorch_collapsed(self):
        self.assertEqual(self.pytorch(ahead=8), "collapsed")

    def megatron(self, ahead):
        model, step = torch.nn.Sequential(TopKRouter(ahead)), 0
        names = {"json": json, "log": self.log, "model": model, "TopKRouter": TopKRouter, "step": lambda: step,
                 "config": type("Config", (), {"moe_router_topk": 1})}
        exec(MEGATRON, names)
        for step in range(1, 201):
            model(torch.randn(16, 4, 8))
        return self.verdict()

    def test_megatron(self):
        self.assertEqual(self.megatron(ahead=0), "healthy")

    def test_megatron_collapsed(self):
        self.assertEqual(self.megatron(ahead=8), "collapsed")

    def test_hugging_face(self):
        try:
            from transformers import MixtralConfig, MixtralForCausalLM
        except ImportError:
            self.skipTest("no transformers")
        model = MixtralForCausalLM(MixtralConfig(vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
                                                 num_attention_heads=2, num_key_value_heads=1, num_local_experts=4,
                                                 num_experts_per_tok=1))
        names = {"json": json, "log": self.log, "model": model, "torch": torch}
        for step in range(1, 121):
            ids = torch.randint(0, 64, (4, 16))
            mask = torch.ones_like(ids)
            mask[0, 10:] = 0
            with torch.no_grad():
                exec(HUGGING_FACE, {**names, "step": step, "batch": {"input_ids": ids, "attention_mask": mask}})
        self.assertEqual(self.verdict(), "healthy")
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        self.assertEqual({sum(line["load"]) for line in lines}, {4 * 16 - 6})


if __name__ == "__main__":
    unittest.main()
