# SPDX-License-Identifier: Apache-2.0
"""At mid size the process grows by what the estimate says, within 10 %. Usage: memory_test.py PROGRAM"""
import json
import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1)


class Memory(unittest.TestCase):
    def test_growth_at_mid_size(self):
        for kind in ("--moe", "--dense"):
            command = [PROGRAM, "bench", "--size=mid", kind, "--threads=2", "--steps=2", "--warmup=1", "--json"]
            figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            growth = figures["peak_rss_mb"] - figures["rss_before_model_mb"]
            print(f"{kind}: estimate {figures['memory_estimate_mb']:.1f} MB, growth {growth:.1f} MB")
            self.assertAlmostEqual(growth / figures["memory_estimate_mb"], 1, delta=0.1)


unittest.main()
