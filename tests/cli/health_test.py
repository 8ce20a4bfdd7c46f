# SPDX-License-Identifier: Apache-2.0
"""program: health judges logs and runs, and says so with its exit code. Usage: health_test.py PROGRAM"""
import json

from program import ProgramTest, main, tiny


def log(load, last=250, **more):
    """Ten-step lines of one layer up to step `last`."""
    return "".join(json.dumps({"step": step, "layer": 0, "top_k": 1, "load": load, "num_steps": 10, **more}) + "\n"
                   for step in range(10, last + 1, 10))


class Health(ProgramTest):
    def judge(self, text, *flags):
        (self.dir / "log.jsonl").write_text(text)
        return self.call("health", "log.jsonl", *flags)

    def test_the_exit_code_is_the_verdict(self):
        even = {"mean_probs": [.25] * 4, "num_dropped": 0}
        for code, verdict, text in [
                (0, "healthy", log([1000] * 4, **even)),
                (1, "collapsed", log([3970, 10, 10, 10], **even)),
                (1, "skewed", log([1300, 1300, 1390, 10], **even)),
                (1, "sham", log([1000] * 4, mean_probs=[.85, .05, .05, .05])),
                (1, "at-risk", log([3970, 10, 10, 10], last=60, mean_probs=[.97, .01, .01, .01])),
                (3, "untested", log([1000] * 4, last=60, **even))]:
            with self.subTest(verdict):
                done = self.judge(text)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(f"health: {verdict} ", done.stdout)
                again = self.judge(text, "--json")
                self.assertEqual(again.returncode, code)
                report = json.loads(again.stdout)
                self.assertEqual(report["verdict"], verdict)
                self.assertEqual(report["layers"][0]["verdict"], verdict)
                self.assertEqual(report["text"], done.stdout)

    def test_window_and_warmup_and_limits_are_the_users(self):
        text = log([3970, 10, 10, 10], last=100)
        self.assertEqual(self.judge(text).returncode, 1)
        self.assertEqual(self.judge(text, "--warmup=51").returncode, 3)
        self.assertEqual(self.judge(text, "--warmup=51", "--settle-steps=49").returncode, 1)
        windows = json.loads(self.judge(text, "--window=20", "--warmup=0", "--json").stdout)["layers"][0]["windows"]
        self.assertEqual([w["last_step"] for w in windows], [20, 40, 60, 80, 100])
        uneven = log([1600, 800, 800, 800])
        self.assertEqual(self.judge(uneven).returncode, 0)
        self.assertEqual(self.judge(uneven, "--skewed-below=0.99").returncode, 1)

    def test_bad_input_names_file_and_line(self):
        good = log([1000] * 4)
        for text, parts in [(good + '{"step":260,"layer":0,"top_k":1,"load":[1,2.5,0,0]}\n', ["line 26", "load[1] is 2.5"]),
                            (good + '{"step":260,"layer":0,"top_k":1,"load":[1,0]}\n', ["line 26", "2 experts"]),
                            ("", ["no line"]), ("not json\n", ["line 1"])]:
            done = self.judge(text)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stdout, "")
            self.assertEqual(len(done.stderr.splitlines()), 1)
            for part in ["log.jsonl", *parts]:
                self.assertIn(part, done.stderr)
        for flags, part in [(["health", "absent.jsonl"], "absent.jsonl"), (["health", "log.jsonl", "--window=0"], "--window"),
                            (["health", "log.jsonl", "--skewed-below=2"], "--skewed-below")]:
            done = self.call(*flags)
            self.assertEqual(done.returncode, 2)
            self.assertIn(part, done.stderr)

    def test_a_run_carries_its_verdict(self):
        done = self.succeed("train", *tiny(130), "--out=run", "--aux-loss-scope=sequence")
        health = json.loads((self.dir / "run/health.json").read_text())
        self.assertEqual(health, json.loads((self.dir / "run/result.json").read_text())["health"])
        self.assertEqual(health["warmup"], 2)
        layer = health["layers"][0]
        self.assertEqual(layer["block"], 1)
        self.assertEqual(layer["figures"]["last_step"], 130)
        lines = self.metrics("run")[-50:]
        self.assertEqual(layer["figures"]["load"],
                         [sum(line["layers"][0]["load"][e] for line in lines) for e in range(4)])
        self.assertEqual(layer["figures"]["aux_loss"], lines[-1]["layers"][0]["aux_loss"])
        self.assertAlmostEqual(layer["figures"]["aux_loss"], lines[-1]["aux_loss"])  # one layer: the mean over layers
        self.assertAlmostEqual(layer["figures"]["aux_loss_weighted"], 0.01 * lines[-1]["aux_loss"])
        self.assertAlmostEqual(layer["figures"]["z_loss"], lines[-1]["z_loss"])
        self.assertEqual(done.stdout.splitlines()[-1].split(" (")[0], f"health: {health['verdict']}")
        judged = self.call("health", "run", "--json")
        self.assertEqual(json.loads(judged.stdout), health)
        self.assertEqual(judged.returncode, {"healthy": 0, "untested": 3}.get(health["verdict"], 1))

    def test_a_run_without_the_losses_of_its_layers_is_judged(self):
        self.succeed("train", *tiny(130), "--out=run")
        lines = self.metrics("run")
        for line in lines:
            for layer in line["layers"]:
                del layer["aux_loss"], layer["z_loss"]
        (self.dir / "run/metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        report = json.loads(self.call("health", "run", "--json").stdout)
        self.assertEqual(report["verdict"], json.loads((self.dir / "run/health.json").read_text())["verdict"])
        self.assertIsNone(report["layers"][0]["figures"]["aux_loss"])

    def test_a_directory_of_several_runs_names_them(self):
        (self.dir / "several/runs").mkdir(parents=True)
        for write in (lambda: None, lambda: (self.dir / "several/config.json").write_text('{"seeds": [1]}')):
            write()
            done = self.call("health", "several")
            self.assertEqual(done.returncode, 2)
            self.assertIn("its runs are in several/runs", done.stderr)

    def test_a_resumed_run_says_what_the_whole_one_says(self):
        self.succeed("train", *tiny(80), "--out=whole")
        self.succeed("train", *tiny(80), "--out=parts", "--stop-at=70")
        self.assertFalse((self.dir / "parts/health.json").exists())
        self.succeed("train", "--out=parts", "--resume")
        self.assertEqual((self.dir / "whole/health.json").read_text(), (self.dir / "parts/health.json").read_text())

    def test_a_dense_run_has_no_verdict(self):
        done = self.succeed("train", *tiny(6), "--moe-layer=none", "--out=dense")
        self.assertNotIn("health", done.stdout)
        self.assertFalse((self.dir / "dense/health.json").exists())
        self.assertNotIn("health", json.loads((self.dir / "dense/result.json").read_text()))
        refused = self.call("health", "dense")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("no routers", refused.stderr)


if __name__ == "__main__":
    main()
