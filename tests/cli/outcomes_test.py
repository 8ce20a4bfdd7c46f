# SPDX-License-Identifier: Apache-2.0
"""program: what becomes of routers on the embedded corpus, three seeds each. Usage: outcomes_test.py PROGRAM

One instruction set is forced, so that the outcomes are those of docs/collapse.md on every machine that has it.
"""
import json
import pathlib
import shutil
import tempfile
import unittest

import program
from program import ProgramTest, main

SETTLED = 150  # the first verdict comes 50 steps after the warm-up, over a window of 50


class Outcomes(ProgramTest):
    @classmethod
    def setUpClass(cls):
        test = ProgramTest()
        test.dir = pathlib.Path(tempfile.mkdtemp(prefix="minimoe-outcomes-"))
        cls.addClassCleanup(shutil.rmtree, test.dir)
        program.TIMEOUT = 3600
        done = test.call("break", "all", "--seeds=3", "--isa=avx2", "--threads=1", "--quiet", "--json", "--out=out")
        if "instruction" in done.stderr:
            raise unittest.SkipTest(done.stderr)
        test.assertEqual(done.returncode, 0, done.stderr)
        cls.breaks = {b["name"]: b for b in json.loads(done.stdout)["breaks"]}

    def runs(self, name, which):
        """One a seed."""
        runs = [seed["runs"][which] for seed in self.breaks[name]["seeds"]]
        self.assertEqual(len(runs), 3)
        return runs

    def verdicts_at(self, name, which, step):
        return [[w["verdict"] for w in run["verdict_windows"] if w["last_step"] == step] for run in self.runs(name, which)]

    def test_a_head_start_is_collapsed_by_step_150_without_the_loss_and_healthy_with_it(self):
        self.assertEqual(self.verdicts_at("headstart", "broken", SETTLED), [["collapsed"]] * 3)
        self.assertEqual(self.verdicts_at("headstart", "healthy", SETTLED), [["healthy"]] * 3)

    def test_even_counts_with_the_gate_mass_on_one_expert_are_called_sham(self):
        self.assertEqual([run["verdict"] for run in self.runs("sham", "broken")], ["sham"] * 3)
        for run in self.runs("sham", "broken"):
            self.assertGreater(run["windows"][-1]["effective_share"], 0.8)
            self.assertLess(run["windows"][-1]["gate_mass_share"], 0.6)

    def test_sixteen_experts_without_the_loss_do_not_stay_well(self):
        for run in self.runs("many-experts", "broken"):
            self.assertIn(run["verdict"], ("collapsed", "skewed"))
            self.assertLess(run["windows"][-1]["effective_share"], 0.85)
        # Seed 36002 ends without a cold expert (docs/collapse.md), the others with some; dead, without one assignment, is none.
        self.assertGreater(sum(run["windows"][-1]["num_cold"] > 0 for run in self.runs("many-experts", "broken")), 0)

    def test_normal_runs_with_four_experts_and_the_loss_never_leave_healthy(self):
        for name in ("aux-off", "capacity-tight"):
            for run in self.runs(name, "healthy"):
                judged = [w["verdict"] for w in run["verdict_windows"] if w["verdict"] != "untested"]
                self.assertGreaterEqual(len(judged), 7)
                self.assertEqual(set(judged), {"healthy"})
                self.assertEqual(run["verdict"], "healthy")

    def test_the_labs_own_break_is_no_collapse(self):
        for run in self.runs("aux-off", "broken"):
            self.assertNotEqual(run["verdict"], "collapsed")
            self.assertLessEqual(max(w["largest_share"] for w in run["windows"]), 0.5)


if __name__ == "__main__":
    main()
