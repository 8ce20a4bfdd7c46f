#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A pass of a runner leaves results of this run, or none."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

RUN = pathlib.Path(__file__).with_name("run.py")
WRITES = "import sys; open(sys.argv[2], 'w').write(open(sys.argv[1]).readline())"


class RunTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.results = self.root / "go/results.json"

    def run_pass(self, which, program, *options):
        command = [sys.executable, "-B", RUN, self.root, "go", which, *options, "--", sys.executable, "-c", program]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def test_both_passes_run_in_the_directory_of_the_language(self):
        self.assertEqual(self.run_pass("first", WRITES), 0)
        self.assertIn('"format": 1', self.results.read_text())
        self.assertEqual(self.run_pass("second", WRITES), 0)
        self.assertTrue((self.root / "go/resumed.json").exists())

    def test_the_flat_manifest_has_lines_and_no_json(self):
        self.assertEqual(self.run_pass("first", WRITES, "--flat"), 0)
        self.assertEqual(self.results.read_text(), "instruction_set 1\n")

    def test_nothing_of_an_earlier_run_is_left(self):
        self.run_pass("first", WRITES)
        (self.root / "go/half.safetensors").touch()
        self.assertEqual(self.run_pass("first", "raise SystemExit(77)"), 77)
        self.assertEqual(list((self.root / "go").iterdir()), [])
        self.assertEqual(self.run_pass("second", WRITES), 77)

    def test_a_runner_that_fails_or_writes_nothing_is_a_failure(self):
        self.assertEqual(self.run_pass("first", WRITES + "; raise SystemExit(3)"), 3)
        self.assertFalse(self.results.exists())
        self.assertEqual(self.run_pass("first", "pass"), 1)


if __name__ == "__main__":
    unittest.main()
