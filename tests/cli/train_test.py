# SPDX-License-Identifier: Apache-2.0
"""program: `train` and what it writes. Usage: train_test.py PROGRAM"""
import json
import os
import pty
import re
import select
import subprocess
import time
import unittest

import program
from program import ProgramTest, main, tiny

LOG_LINE = re.compile(r"^step= *(\d+)  main=\d+\.\d{3}  aux=\d+\.\d{3}  expert_counts=\[( \d+){4} \]$")


class Train(ProgramTest):
    def test_log_lines_are_the_labs(self):
        out = self.succeed("train", *tiny(6), "--log-interval=2", "--out=run").stdout.splitlines()
        lines = [line for line in out if line.startswith("step=")]
        self.assertEqual([int(LOG_LINE.match(line)[1]) for line in lines], [2, 4, 6])
        self.assertEqual(lines[0][:9], "step=   2")
        for line in lines:  # 4 sequences of 16 tokens to 2 experts each
            self.assertEqual(sum(map(int, re.findall(r" (\d+)(?= )", line[line.index("["):]))), 4 * 16 * 2)
        self.assertIn("output: run", out)
        header = [line for line in out if line.startswith("#")]
        self.assertEqual(len(header), 1)
        self.assertIn("expert_counts: assignments in block 1", header[0])
        self.assertIn("E * sum(f * P)", header[0])
        self.assertRegex(out[-2], r"^val_loss=\d+\.\d{3}$")
        self.assertRegex(out[-1], r"^health: untested \(block 1, too-early\): step 6; ")

    def test_log_lines_show_what_metrics_hold(self):
        out = self.succeed("train", *tiny(3), "--log-interval=3", "--out=run").stdout
        last = self.metrics("run")[-1]
        counts = " ".join(map(str, last["layers"][0]["load"]))
        self.assertIn(f"step=   3  main={last['loss']:.3f}  aux={last['aux_loss']:.3f}  expert_counts=[ {counts} ]\n", out)

    def test_dense_log_lines_name_no_experts(self):
        out = self.succeed("train", *tiny(2), "--moe-layer=none", "--log-interval=1", "--out=run").stdout
        self.assertRegex(out, r"(?m)^step=   1  main=\d+\.\d{3}$")
        self.assertNotIn("expert_counts", out)

    def test_dense_baseline_is_printed_beside_ours(self):
        self.succeed("train", *tiny(2), "--moe-layer=none", "--out=dense")
        loss = json.loads((self.dir / "dense/result.json").read_text())["val_loss"]
        out = self.succeed("train", *tiny(2), "--dense-baseline=dense", "--out=moe").stdout
        self.assertRegex(out.splitlines()[-2], rf"^val_loss=\d+\.\d{{3}}  \(dense_baseline={loss:.3f}\)$")
        out = self.succeed("train", *tiny(2), "--dense-baseline=1.89", "--out=moe2").stdout
        self.assertTrue(out.splitlines()[-2].endswith("  (dense_baseline=1.890)"))

    def test_metrics_have_one_line_a_step(self):
        self.succeed("train", *tiny(7), "--moe-layer=0,1", "--out=run")
        lines = self.metrics("run")
        self.assertEqual([line["step"] for line in lines], list(range(1, 8)))
        for line in lines:
            self.assertEqual([layer["block"] for layer in line["layers"]], [0, 1])
            self.assertEqual(line["tokens"], 64)
            for layer in line["layers"]:
                self.assertEqual(sum(layer["load"]), 64 * 2)
                self.assertAlmostEqual(sum(layer["mean_probs"]), 1, places=5)
                self.assertAlmostEqual(sum(layer["gate_weight_share"]), 1, places=5)
                self.assertEqual(layer["dropped"], [0] * 4)
            for key in ("loss", "aux_loss", "z_loss", "learning_rate", "grad_norm", "seconds"):
                self.assertIsInstance(line[key], float, key)
        self.assertAlmostEqual(lines[0]["learning_rate"], 1e-3 / 2)  # the first of two warm-up steps

    def test_files_of_a_run(self):
        self.succeed("train", *tiny(2), "--out=deep/er/run")
        self.assertEqual(sorted(p.name for p in (self.dir / "deep/er/run").iterdir()),
                         ["checkpoint.safetensors", "config.json", "corpus.json", "health.json", "metrics.jsonl",
                          "result.json"])
        config = json.loads((self.dir / "deep/er/run/config.json").read_text())
        self.assertEqual(config["model"]["vocab_size"], 256)
        self.assertEqual(config["train"]["steps"], 2)
        result = json.loads((self.dir / "deep/er/run/result.json").read_text())
        for key in ("val_loss", "train_loss", "val_perplexity", "wall_time_s", "cpu_time_s", "splits", "corpus", "costs"):
            self.assertIn(key, result)

    def test_results_on_stdout_progress_on_stderr(self):
        done = self.succeed("train", *tiny(3), "--out=run")
        self.assertNotIn("tokens/s", done.stdout)
        self.assertRegex(done.stderr, r"^minimoe: warning: the model cannot be exported, to gguf or to hf: [^\n]*\n"
                         r"train  step 3/3  loss \d+\.\d{3}  [\d,]+ tokens/s  in \d+:\d\d\n$")
        self.assertNotIn("\r", done.stderr)
        for said in ("parameters:", "total", "active", "MFLOP", "memory:", "estimated"):
            self.assertIn(said, done.stdout)
        quiet = self.succeed("train", *tiny(3), "--out=run2", "--quiet")
        self.assertRegex(quiet.stderr, r"^minimoe: warning: [^\n]*\n$")  # --quiet is without the bar

    def test_a_terminal_gets_a_bar_with_eta(self):
        master, slave = pty.openpty()
        child = subprocess.Popen([program.PROGRAM, "train", *tiny(100000), "--out=run"], cwd=self.dir,
                                 stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        seen, deadline = b"", time.monotonic() + 60
        while b"ETA" not in seen and time.monotonic() < deadline:
            if select.select([master], [], [], 1)[0]:
                seen += os.read(master, 4096)
        child.kill()
        child.wait()
        os.close(master)
        self.assertRegex(seen.decode(), r"\r\x1b\[Ktrain  \[#*\.*\]  step \d+/100000  loss \S+  [\d,]+ tokens/s  ETA \d")

    def test_json_is_one_document(self):
        result = self.json_of("train", *tiny(3), "--out=run", "--json")
        self.assertEqual(result["state"], "finished")
        self.assertEqual(result["steps"], 3)
        self.assertEqual(result["val_loss"], json.loads((self.dir / "run/result.json").read_text())["val_loss"])

    def test_an_existing_run_is_refused_and_kept(self):
        self.succeed("train", *tiny(2), "--out=run")
        before = program.tree(self.dir)
        done = self.call("train", *tiny(2), "--out=run")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--force", done.stderr)
        self.assertIn("--resume", done.stderr)
        self.assertEqual(program.tree(self.dir), before)
        self.succeed("train", *tiny(3), "--out=run", "--force")
        self.assertEqual(len(self.metrics("run")), 3)

    def test_default_directories_tell_kind_and_seed(self):
        self.succeed("train", *tiny(1))
        self.succeed("train", *tiny(1), "--moe-layer=none", "--seed=7")
        self.assertEqual(sorted(p.name for p in (self.dir / "runs").iterdir()), ["dense-seed7", "moe-seed36000"])

    def test_threads_change_no_byte(self):
        for threads in (1, 2):
            self.succeed("train", *tiny(5), "--threads", threads, f"--out=t{threads}")
        one, two = ((self.dir / f"t{t}/checkpoint.safetensors").read_bytes() for t in (1, 2))
        self.assertEqual(one, two)

    def test_seeds_change_the_model(self):
        for seed in (1, 2):
            self.succeed("train", *tiny(1), f"--seed={seed}", f"--out=s{seed}")
        one, two = (self.metrics(f"s{seed}")[0]["loss"] for seed in (1, 2))
        self.assertNotEqual(one, two)

    def test_validation_along_the_way(self):
        self.succeed("train", *tiny(6), "--eval-interval=2", "--out=run")
        self.assertEqual([line["step"] for line in self.metrics("run") if "val_loss" in line], [2, 4])

    def test_a_loss_that_explodes_fails_the_run(self):
        done = self.call("train", *tiny(50, "text.txt", "--warmup-steps=0"), "--lr=1000", "--clip-norm=0", "--set",
                         "model.init_std=100", "--set", "model.norm_eps=1e-30", "--set", "train.adam_eps=1e-300",
                         "--weight-decay=1000", "--out=run")
        self.assertEqual(done.returncode, 1, done.stderr)
        error = done.stderr.splitlines()[-1]
        steps = len(self.metrics("run"))
        self.assertRegex(error, rf"^minimoe: error: .*step {steps + 1}: .*; step {steps} is saved in run/checkpoint")
        self.assertFalse((self.dir / "run/result.json").exists())
        checkpoint = (self.dir / "run/checkpoint.safetensors").read_bytes()
        again = self.call("train", "--resume", "--out=run")
        self.assertEqual((again.returncode, again.stderr.splitlines()[-1]), (1, error))
        self.assertEqual((self.dir / "run/checkpoint.safetensors").read_bytes(), checkpoint)

    def test_a_full_disk_ends_the_bar_and_the_run(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        (self.dir / "run").mkdir()
        os.symlink("/dev/full", self.dir / "run/metrics.jsonl")
        master, slave = pty.openpty()
        child = subprocess.Popen([program.PROGRAM, "train", *tiny(1000000), "--out=run", "--force"], cwd=self.dir,
                                 stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        seen, deadline = b"", time.monotonic() + 60
        while b"error" not in seen and time.monotonic() < deadline:
            if select.select([master], [], [], 1)[0]:
                seen += os.read(master, 4096)
        child.wait(timeout=60)
        os.close(master)
        self.assertEqual(child.returncode, 1)
        self.assertRegex(seen.decode(), r"(^|\n|\x1b\[K)minimoe: error: cannot write run/metrics.jsonl: No space")

    def test_a_full_disk_is_told(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            done = subprocess.run([program.PROGRAM, "config", "--keys"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "minimoe: error: cannot write to standard output\n")


if __name__ == "__main__":
    main()
