# SPDX-License-Identifier: Apache-2.0
"""compare --lab --check: what it reads, and what it says. Usage: lab_check_test.py PROGRAM"""
import copy
import json
import pathlib
import shutil
import unittest

from program import ProgramTest, main

LAB = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/lab-00"


@unittest.skipUnless((LAB / "expected.json").exists(), "docs/lab-00 is not measured yet")
class LabCheck(ProgramTest):
    def setUp(self):
        super().setUp()
        self.manifest = json.loads((LAB / "manifest.json").read_text())

    def check(self, manifest, *flags):
        shutil.rmtree(self.dir / "lab", ignore_errors=True)
        (self.dir / "lab").mkdir()
        (self.dir / "lab/manifest.json").write_text(json.dumps(manifest))
        return self.call("compare", "--lab", "--check", "lab", *flags)

    def test_the_projects_own_run_lies_within_its_ranges(self):
        done = self.check(self.manifest)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("OUTSIDE", done.stdout)
        self.assertIn("moe: val loss", done.stdout)

    def test_a_figure_outside_is_named_and_ends_with_1(self):
        manifest = copy.deepcopy(self.manifest)
        loss = manifest["moe_variant"]["spread"]["final_val_loss"]
        loss["mean"] += 3 * loss["std"] + 1e-6
        done = self.check(manifest)
        self.assertEqual(done.returncode, 1)
        self.assertEqual([line for line in done.stdout.splitlines() if line.endswith("OUTSIDE")],
                         [line for line in done.stdout.splitlines() if line.startswith("moe: val loss ")])
        answer = json.loads(self.check(manifest, "--json").stdout)
        self.assertFalse(answer["within"])
        self.assertEqual([f["name"] for f in answer["figures"] if not f["within"]], ["moe: val loss"])

    def test_another_protocol_is_refused(self):
        manifest = copy.deepcopy(self.manifest)
        manifest["steps"] = 600
        done = self.check(manifest)
        self.assertEqual(done.returncode, 2)
        self.assertIn("steps is 600, expected 5000", done.stderr)

    def test_check_needs_lab(self):
        done = self.call("compare", "--check", "lab")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--lab", done.stderr)

    def test_a_broken_manifest_is_refused(self):
        manifest = copy.deepcopy(self.manifest)
        manifest["moe_variant"]["spread"]["final_val_loss"]["mean"] = None
        done = self.check(manifest)
        self.assertEqual(done.returncode, 2)
        self.assertIn("/moe_variant/spread/final_val_loss/mean is no number", done.stderr)


if __name__ == "__main__":
    main()
