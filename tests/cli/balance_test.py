# SPDX-License-Identifier: Apache-2.0
"""program: `compare --balance`, its table and balance.json. Usage: balance_test.py PROGRAM"""
import json
import statistics

from program import ProgramTest, main, tiny, tree

EVERY = "none,aux,seq-aux,bias,bias+aux"


class Balance(ProgramTest):
    def compare(self, *args, kinds=EVERY):
        return self.succeed("compare", *tiny(12), f"--balance={kinds}", "--out=out", "--quiet", *args)

    def report(self):
        return json.loads((self.dir / "out/balance.json").read_text())

    def test_all_start_alike_and_differ_in_how_they_balance_alone(self):
        self.compare("--interference-interval=4", "--seeds=2")
        configs = {}
        for name in EVERY.split(","):
            run = self.dir / "out/runs" / f"balance-{name.replace('+', '-')}-seed36001"
            configs[name] = json.loads((run / "config.json").read_text())
        moe = {name: config["model"].pop("moe") for name, config in configs.items()}
        ways = {name: (m.pop("aux_loss_coef"), m.pop("aux_loss_scope"), m.pop("bias_balancing")) for name, m in moe.items()}
        self.assertEqual(ways, {"none": (0, "micro_batch", False), "aux": (0.01, "micro_batch", False),
                                "seq-aux": (0.01, "sequence", False), "bias": (0, "micro_batch", True),
                                "bias+aux": (0.01, "micro_batch", True)})
        for name in configs:
            self.assertEqual((configs[name], moe[name]), (configs["none"], moe["none"]))
        report = self.report()
        self.assertEqual([b["name"] for b in report["balancers"]], EVERY.split(","))
        first = [b["runs"][0] for b in report["balancers"]]
        starts = {self.metrics(f"out/runs/balance-{name.replace('+', '-')}-seed36001")[0]["loss"] for name in configs}
        self.assertEqual(len(starts), 1)
        samples = {b["name"]: b["runs"][0]["interference"] for b in report["balancers"]}
        for name in EVERY.split(","):
            self.assertEqual([s["step"] for s in samples[name]], [1, 4, 8])
        self.assertEqual(samples["none"][0]["layers"][0]["scaled_ratio"], 0)
        for sample in samples["aux"]:
            layer = sample["layers"][0]
            self.assertAlmostEqual(layer["scaled_ratio"], 0.01 * layer["aux_norm"] / layer["main_norm"])
        for balancer in report["balancers"]:
            losses = [run["val_loss"] for run in balancer["runs"]]
            self.assertAlmostEqual(balancer["val_loss"]["mean"], statistics.mean(losses))
        self.assertEqual(first[0]["val_loss_minus_first"], 0)
        self.assertAlmostEqual(first[1]["val_loss_minus_first"], first[1]["val_loss"] - first[0]["val_loss"])

    def test_max_violation_is_that_of_the_windows_counts(self):
        out = self.compare("--seeds=1", kinds="bias,none").stdout
        run = self.report()["balancers"][1]["runs"][0]
        lines = self.metrics("out/runs/balance-none-seed36000")
        loads = [sum(line["layers"][0]["load"][e] for line in lines) for e in range(4)]
        expected = max(loads) / (sum(loads) / 4) - 1
        self.assertAlmostEqual(run["windows"][0]["max_violation"], expected)
        self.assertRegex(out, rf"(?m)^MaxVio, steps 1 to 12 .* {expected:.3f}$")
        self.assertIn("one seed", out)

    def test_the_grammar_has_probes_for_each_balancer(self):
        flags = [f for f in tiny(2, "grammar") if not f.startswith("--seq-len")]
        out = self.succeed("compare", *flags, "--balance=none,aux", "--out=out", "--quiet", "--seeds=1", "--max-probes=20",
                           "--eval-windows=8").stdout
        accuracies = []
        for balancer in self.report()["balancers"]:
            result = json.loads((self.dir / "out/runs" / f"balance-{balancer['name']}-seed36000/result.json").read_text())
            accuracies.append(result["splits"]["val"]["probes"]["accuracy"])
            self.assertEqual(balancer["runs"][0]["probe_accuracy"], accuracies[-1])
        row = r" +".join(f"{100 * accuracy:.1f}" for accuracy in accuracies)
        self.assertRegex(out, rf"(?m)^probes right, val, % +{row}$")

    def test_watching_the_gradients_changes_no_bit(self):
        self.compare(kinds="aux")
        watched = self.metrics("out/runs/balance-aux-seed36000")
        self.compare("--force", "--interference-interval=0", kinds="aux")
        alone = self.metrics("out/runs/balance-aux-seed36000")
        self.assertEqual([line["loss"] for line in watched], [line["loss"] for line in alone])
        self.assertIn("interference", watched[0])
        self.assertNotIn("interference", alone[0])

    def test_no_report_outlives_its_runs(self):
        self.compare(kinds="none")
        done = self.call("compare", *tiny(50, "text.txt", "--warmup-steps=0"), "--balance=none", "--out=out", "--force", "--quiet",
                         "--lr=1000", "--clip-norm=0", "--set", "model.init_std=100", "--set", "model.norm_eps=1e-30",
                         "--set", "train.adam_eps=1e-300", "--weight-decay=1000")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertFalse((self.dir / "out/balance.json").exists())

    def test_refusals_write_nothing(self):
        before = tree(self.dir)
        for args, words in (
                (["--balance=auks"], ["'auks'", "did you mean", "bias+aux"]), (["--balance=aux,"], ["''"]),
                (["--balance=aux,aux"], ["twice"]), (["--balance=aux", "--lab"], ["--lab"]),
                (["--balance=aux", "--resume"], ["--resume"]), (["--balance=aux", "--moe-layer=none"], ["--moe-layer"])):
            done = self.call("compare", *tiny(), *args, "--out=out")
            self.assertEqual(done.returncode, 2, (args, done.stderr))
            self.assertEqual(len(done.stderr.splitlines()), 1)
            for word in words:
                self.assertIn(word, done.stderr)
            self.assertEqual(tree(self.dir), before)
        self.compare(kinds="none")
        before = tree(self.dir)
        self.assertEqual(self.call("compare", *tiny(), "--balance=bias", "--out=out").returncode, 2)
        self.assertEqual(tree(self.dir), before)


if __name__ == "__main__":
    main()
