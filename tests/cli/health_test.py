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
        self.assertAlmostEqual(layer["figures"]["aux_loss"], sum(line["layers"][0]["aux_loss"] for line in lines) / len(lines))
        self.assertEqual(lines[-1]["layers"][0]["aux_loss"], lines[-1]["aux_loss"])  # one layer: the mean over layers
        self.assertAlmostEqual(layer["figures"]["aux_loss_weighted"], 0.01 * layer["figures"]["aux_loss"])
        self.assertAlmostEqual(layer["figures"]["z_loss"], sum(line["z_loss"] for line in lines) / len(lines))
        self.assertEqual(done.stdout.splitlines()[-1].split(" (")[0], f"health: {health['verdict']}")
        judged = self.call("health", "run", "--json")
        self.assertEqual(json.loads(judged.stdout), health)
        self.assertEqual(judged.returncode, {"healthy": 0, "untested": 3}.get(health["verdict"], 1))

    def test_logit_norm_and_bias_range_reach_every_document(self):
        # A router of weight 0 whose bias does not learn: every token has the logits (3, 0, -4, 0).
        self.succeed("train", *tiny(130), "--out=run", "--bias-balancing", "--set", "model.moe.bias_update_rate=0.125",
                     "--set", "model.moe.router_bias=true", "--set", "model.moe.router_bias_init=[3,0,-4,0]",
                     "--set", "model.moe.router_init_std=0", "--set", "model.moe.router_learning_rate_factor=0")
        bias = self.tensor("run/checkpoint.safetensors", "blocks.1.moe.expert_bias")
        self.assertLess(min(bias), max(bias))
        last = self.metrics("run")[-1]["layers"][0]
        report = json.loads((self.dir / "run/health.json").read_text())
        layer = report["layers"][0]
        for figures in (last, layer["figures"], layer["windows"][-1],
                        json.loads(self.call("health", "run", "--json").stdout)["layers"][0]["figures"]):
            self.assertAlmostEqual(figures["router_logit_norm"], 5)
            self.assertEqual([figures["bias_min"], figures["bias_max"]], [min(bias), max(bias)])
        self.assertTrue(report["options"]["bias_balancing"])
        self.assertIn("router logit norm 5.000; selection bias -", self.call("health", "run").stdout)
        self.succeed("report", "run")
        page = (self.dir / "run/report.html").read_text()
        self.assertIn(f"{min(bias):.4f} to {max(bias):.4f}", page)
        self.assertIn("5.000", page)
        # Runs of earlier versions have neither.
        lines = self.metrics("run")
        for line in lines:
            for key in ("router_logit_norm", "bias_min", "bias_max"):
                del line["layers"][0][key]
        (self.dir / "run/metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        old = self.call("health", "run", "--json")
        self.assertIsNone(json.loads(old.stdout)["layers"][0]["figures"]["router_logit_norm"])
        self.assertIn("router logit norm not in the log; selection bias not in the log", self.call("health", "run").stdout)

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

    def test_the_metrics_of_a_run_are_told_from_a_router_log(self):
        self.succeed("train", *tiny(60), "--out=run")
        done = self.call("health", "run/metrics.jsonl")
        self.assertEqual(done.returncode, 2)
        self.assertIn("layer is missing", done.stderr)
        self.assertIn("judged by its directory: minimoe health run\n", done.stderr)
        self.assertNotIn("directory", self.judge('{"step":1}\n').stderr)

    def test_what_is_wrong_in_a_run_is_told_by_the_line_of_its_metrics(self):
        self.succeed("train", *tiny(30, "text.txt", "--moe-layer=0,1"), "--out=run", "--quiet")
        path = self.dir / "run/metrics.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual(len(lines[6]["layers"]), 2)
        lines[6]["layers"][1]["mean_probs"][0] = None  # as a NaN is written
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        done = self.call("health", "run")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"^minimoe: (error: )?run/metrics\.jsonl:7[:,].*mean_probs")

    def test_a_last_line_that_is_cut_off_is_left_out_and_said(self):
        self.succeed("train", *tiny(130), "--out=run")
        path = self.dir / "run/metrics.jsonl"
        whole = path.read_text()
        lines = whole.splitlines(keepends=True)
        for cut in (len(lines[-1]) // 2, 1):
            path.write_text("".join(lines[:-1]) + lines[-1][:cut])
            done = self.call("health", "run", "--json")
            self.assertEqual(json.loads(done.stdout)["layers"][0]["figures"]["last_step"], 129)
            self.assertIn("run/metrics.jsonl:130: this last line is cut off", done.stderr)
            self.assertIn("read up to line 129", done.stderr)
            report = self.succeed("report", "run")
            self.assertIn("run/metrics.jsonl:130: this last line is cut off", report.stderr)
            self.assertIn("this last line is cut off", (self.dir / "run/report.html").read_text())
        path.write_text(whole[:-1])  # all but its line feed: a whole line
        done = self.call("health", "run", "--json")
        self.assertEqual(json.loads(done.stdout)["layers"][0]["figures"]["last_step"], 130)
        self.assertEqual(done.stderr, "")
        for broken in ("".join(lines[:-1]) + lines[-1][:40] + "\n",  # with its line feed, it was written so
                       "".join(lines[:64]) + lines[64][:40] + "\n" + "".join(lines[65:])):
            path.write_text(broken)
            number = 130 if broken.startswith("".join(lines[:65])) else 65
            for command in ("health", "report"):
                done = self.call(command, "run")
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"run/metrics.jsonl:{number}: not JSON", done.stderr)

    def test_a_log_of_any_size_is_judged_in_bounded_memory(self):
        with open(self.dir / "long.jsonl", "w") as file:
            for _ in range(300):  # 300 MiB of blank lines
                file.write(" " * ((1 << 20) - 1) + "\n")
            file.write(log([1000] * 4, mean_probs=[.25] * 4, num_dropped=0))
        done = self.call("health", "long.jsonl", memory=100 << 20)
        self.assertEqual(done.returncode, 0, done.stderr)
        # 60,000 lines of 16 experts take 40 MB as values.
        with open(self.dir / "long.jsonl", "w") as file:
            for step in range(1, 60001):
                file.write('{"step":%d,"layer":0,"top_k":1,"load":[%s]}\n' % (step, ",".join(["100"] * 16)))
        done = self.call("health", "long.jsonl", "--json", "--window=5000")
        self.assertEqual(done.returncode, 0, done.stderr)
        layer = json.loads(done.stdout)["layers"][0]
        self.assertEqual([w["first_step"] for w in layer["windows"]], [40001, 45001, 50001, 55001])
        self.assertIn("the log is long: its last 20000 lines of the layer are judged, 40000 before them were only read",
                      layer["findings"])

    def test_a_long_run_is_judged_by_its_first_step_and_its_last(self):
        self.succeed("train", *tiny(6), "--out=run")
        metrics = self.dir / "run/metrics.jsonl"
        lines = [json.loads(line) for line in metrics.read_text().splitlines()]
        line = next(line for line in reversed(lines) if "step" in line)
        metrics.write_text("".join(json.dumps({**line, "step": step}) + "\n" for step in range(1, 20011)))
        done = self.call("health", "run", "--json")
        self.assertIn("the first step and the last 19999 are judged, 10 between them only read", done.stderr)
        self.assertEqual(json.loads(done.stdout)["layers"][0]["windows"][0]["first_step"], 12)

    def test_a_report_says_what_memory_it_lacks(self):
        self.succeed("train", *tiny(6), "--out=run")
        with open(self.dir / "run/metrics.jsonl", "r+b") as file:
            file.truncate(1 << 42)  # sparse
        done = self.call("report", "run")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"reading run/metrics.jsonl \(4\.0 TiB\) needs 16\.0 TiB of memory, this machine has ")

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
