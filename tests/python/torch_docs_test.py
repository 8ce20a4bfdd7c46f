# SPDX-License-Identifier: Apache-2.0
"""The code blocks of docs/pytorch.md run as they are written, one after another, and so does the example."""
import contextlib
import io
import os
import re
import subprocess
import sys
import unittest

from torch_peers import ROOT, torch

BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "pytorch.md").read_text(encoding="utf-8"), re.M | re.S)


class Docs(unittest.TestCase):
    def test_every_block_runs_and_the_quickstart_learns(self):
        self.assertGreaterEqual(len(BLOCKS), 5)
        names = {"__name__": "docs"}
        with contextlib.redirect_stdout(io.StringIO()):
            for number, block in enumerate(BLOCKS):
                exec(compile(block, f"docs/pytorch.md, block {number + 1}", "exec"), names)
                if number == 0:
                    self.assertLess(float(names["loss"].detach()), 0.3)
                    self.assertEqual(int(names["model"][1].load.sum()), 2 * 512)
        self.assertEqual(names["layer"].routing.load.sum(), 2 * 256)
        self.assertGreater(float(names["layer"].expert_bias.abs().max()), 0)

    def test_the_example_swaps_without_a_difference_and_stays_healthy(self):
        done = subprocess.run([sys.executable, "-W", "error", str(ROOT / "examples" / "python" / "torch_swap.py")],
                              capture_output=True, text=True, env=os.environ)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(float(re.search(r"before training: (\S+)", done.stdout)[1]), 1e-5)
        losses = [float(loss) for loss in re.findall(r"loss (\S+) after", done.stdout)]
        self.assertLess(abs(losses[0] - losses[1]), 0.1)
        self.assertEqual(done.stdout.count(": healthy:"), 2, done.stdout)

    def test_torch_is_as_the_documents_ask(self):
        self.assertGreaterEqual(tuple(int(n) for n in torch.__version__.split(".")[:2]), (2, 4))


if __name__ == "__main__":
    unittest.main()
