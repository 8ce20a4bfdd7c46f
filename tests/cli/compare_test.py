# SPDX-License-Identifier: Apache-2.0
"""program: `compare`, its table and its manifest. Usage: compare_test.py PROGRAM"""
import json
import math
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import time

import program
from program import ProgramTest, main, steps, tiny

VARIANTS = {"dense_baseline": "dense", "moe_variant": "moe", "dense_active_matched": "dense-active",
            "dense_total_matched": "dense-total"}


class Compare(ProgramTest):
    def test_manifest_and_table(self):
        (self.dir / "held").mkdir()
        os.rename(self.dir / "text.txt", self.dir / "held/text.txt")
        done = self.succeed("compare", *tiny(5, "held/text.txt"), "--seeds=2", "--out=cmp", "--log-interval=5")
        text = (self.dir / "cmp/manifest.json").read_text()
        manifest = json.loads(text)
        expected = {"seed": 36000, "seeds": [36000, 36001], "lab": "00-moe-on-grammar-tutor", "num_experts": 4, "top_k": 2,
                    "moe_layer_index": 1, "alpha_aux_loss": 0.01, "steps": 5}
        self.assertEqual({key: manifest[key] for key in expected}, expected)
        self.assertRegex(manifest["corpus"]["sha256"], r"^[0-9a-f]{64}$")
        for key in ("version", "compiler", "build_type"):
            self.assertTrue(manifest["build"][key])
        self.assertTrue(manifest["cpu"]["model"])
        self.assertIn(manifest["exec"]["instruction_set"], ("avx512", "avx2", "sse4", "scalar"))
        self.assertIn("--corpus=held/text.txt", manifest["command"])
        self.assertNotIn("held/", text.replace(manifest["command"], ""))  # no path elsewhere
        self.assertNotIn(socket.gethostname(), text)

        for key, title in VARIANTS.items():
            variant, results = manifest[key], []
            for seed in (36000, 36001):
                run = self.dir / f"cmp/runs/{title}-seed{seed}"
                self.assertEqual(len((run / "metrics.jsonl").read_text().splitlines()), 5)
                self.assertEqual(json.loads((run / "config.json").read_text())["train"]["seed"], seed)
                results.append(json.loads((run / "result.json").read_text()))
            losses = [r["val_loss"] for r in results]
            spread = variant["spread"]["final_val_loss"]
            self.assertEqual(spread["values"], losses)
            self.assertAlmostEqual(spread["mean"], statistics.mean(losses))
            self.assertAlmostEqual(spread["std"], statistics.stdev(losses))
            self.assertAlmostEqual(variant["final_val_ppl"], statistics.mean(map(math.exp, losses)))
            self.assertGreater(variant["wall_time_s"], 0)
        moe = manifest["moe_variant"]
        layers = [json.loads((self.dir / f"cmp/runs/moe-seed{s}/result.json").read_text())["splits"]["val"]["layers"][0]
                  for s in (36000, 36001)]
        self.assertAlmostEqual(moe["load_balance_stddev"],
                               statistics.mean(statistics.pstdev(layer["load_share"]) for layer in layers))
        self.assertEqual(moe["load_balance_mean"], statistics.mean(layers[0]["load"]))
        deviation = statistics.mean(statistics.pstdev(layer["load"]) for layer in layers)
        self.assertRegex(done.stdout, rf"(?m)^load per expert, mean ± std +- +{moe['load_balance_mean']:.1f} ± "
                                      rf"{deviation:.1f} +- +-$")
        self.assertEqual(moe["experts_dead_count"], max(layer["load"].count(0) for layer in layers))
        self.assertIsInstance(moe["experts_cold_count"], int)
        difference = manifest["paired_val_loss_difference"]["moe_variant_minus_dense_baseline"]["values"]
        self.assertAlmostEqual(difference[0], moe["spread"]["final_val_loss"]["values"][0] -
                               manifest["dense_baseline"]["spread"]["final_val_loss"]["values"][0])

        low, high = (manifest["paired_val_loss_difference"]["moe_variant_minus_dense_baseline"][key] for key in ("low", "high"))
        half = 12.706204736174698 * statistics.stdev(difference) / math.sqrt(2)  # t of 1 degree of freedom
        self.assertAlmostEqual(low, statistics.mean(difference) - half)
        self.assertAlmostEqual(high, statistics.mean(difference) + half)
        self.assertAlmostEqual(manifest["verdict"]["gain"], 1 - math.exp(statistics.mean(difference)))
        self.assertRegex(manifest["verdict_for_grammar_tutor"], rf"^{manifest['verdict']['verdict']}: MoE minus dense over 2 seeds")
        self.assertIn("Router by seed: ", manifest["lesson_notes"])
        self.assertEqual([report["seed"] for report in manifest["health"]], [36000, 36001])
        self.assertEqual([report["by"] for report in manifest["specialisation"]], ["frequency", "frequency"])

        table = done.stdout
        self.assertRegex(table, r"(?m)^ +dense +moe +dense-active +dense-total$")
        row = re.search(r"(?m)^parameters, total +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$", table)
        self.assertEqual([int(n.replace(",", "")) for n in row.groups()], [manifest[key]["params"] for key in VARIANTS])
        number = r"-?\d+\.\d+ ± \d+\.\d+"
        self.assertRegex(table, rf"(?m)^val loss: moe - this, paired +[-+]{number} +- +[-+]{number} +[-+]{number}$")
        self.assertRegex(table, r"(?m)^  95 % interval( +[-+]\d+\.\d{4} \.\. [-+]\d+\.\d{4}| +-){4}$")
        self.assertRegex(table, rf"(?m)^verdict: {manifest['verdict']['verdict']} \({manifest['verdict']['rule']}\)$")
        for name in ("train loss", "val loss", "val perplexity", "wall time, s", "CPU time, s"):
            self.assertRegex(table, rf"(?m)^{name} +{number} +{number} +{number} +{number}$")
        for name in ("entropy floor (train)", "entropy floor (val)", "probes right", "load per expert", "dead experts", "cold experts"):
            self.assertIn(f"\n{name}", table)
        self.assertRegex(table, r"(?m)^step=   5  main=\d+\.\d{3}  aux=\d+\.\d{3}  expert_counts=\[( \d+){4} \]$")
        self.assertRegex(table.splitlines()[-1], r"^val_loss=\d+\.\d{3}  \(dense_baseline=\d+\.\d{3}\)$")
        self.assertIn("moe-seed36000 (run 2 of 8)  step 5/5", done.stderr)

    def test_one_seed_has_no_deviation(self):
        done = self.succeed("compare", *tiny(2), "--seeds=1", "--out=cmp", "--quiet")
        manifest = json.loads((self.dir / "cmp/manifest.json").read_text())
        loss = rf"{manifest['moe_variant']['final_val_loss']:.4f}"
        self.assertRegex(done.stdout, rf"(?m)^val loss +\d+\.\d{{4}} +{loss} +\d+\.\d{{4}} +\d+\.\d{{4}}$")
        self.assertRegex(done.stdout, r"(?m)^val loss: moe - this, paired +[-+]\d\.\d{4} +- ")
        self.assertRegex(done.stdout, r"(?m)^one seed, 2 steps each")
        self.assertEqual([line for line in done.stdout.splitlines() if "±" in line and not line.startswith("load per")], [])
        self.assertNotIn("± 0", (self.dir / "cmp/report.html").read_text())

    def test_files_beside_the_runs(self):
        self.succeed("compare", *tiny(60), "--seeds=2", "--out=cmp", "--quiet")
        out = self.dir / "cmp"
        lines = self.metrics("cmp")
        self.assertEqual([line["step"] for line in lines], list(range(1, 61)))
        for title in VARIANTS.values():
            for seed in (36000, 36001):
                name = f"{title}-seed{seed}"
                self.assertEqual([line["losses"][name] for line in lines], [line["loss"] for line in self.metrics(f"cmp/runs/{name}")])
        second = self.metrics("cmp/runs/moe-seed36001")
        self.assertEqual([line["routers"] for line in lines],
                         [{"moe-seed36001": {key: line[key] for key in ("aux_loss", "layers")}} for line in second])
        first = self.metrics("cmp/runs/moe-seed36000")
        self.assertEqual([line["layers"] for line in lines], [line["layers"] for line in first])
        self.assertIn("<html", (out / "report.html").read_text())
        self.assert_all_files(out)

    def assert_all_files(self, out):
        """The six files of a comparison, each with what makes it one."""
        manifest = json.loads((out / "manifest.json").read_text())
        words = (out / "findings.md").read_text().split()
        self.assertTrue(300 <= len(words) <= 600, len(words))
        self.assertIn("<html", (out / "report.html").read_text())
        self.assertEqual(len((out / "metrics.jsonl").read_text().splitlines()), manifest["steps"])
        for name in ("routing-analysis", "expert-by-class"):
            self.assertTrue((out / f"{name}.gp").exists())
            picture = out / f"{name}.png"
            self.assertEqual(picture.exists(), shutil.which("gnuplot") is not None)
            if picture.exists():
                self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

    def test_force_leaves_no_file_of_the_earlier_comparison(self):
        self.succeed("compare", *tiny(1), "--seeds=1", "--out=cmp", "--quiet")
        files = {name for name in os.listdir(self.dir / "cmp") if name not in ("runs", "config.json")}
        self.assertTrue({"manifest.json", "findings.md", "metrics.jsonl", "report.html"} <= files, files)
        child = subprocess.Popen([program.PROGRAM, "compare", *tiny(100000), "--seeds=1", "--out=cmp", "--force", "--quiet"],
                                 cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while not (self.dir / "cmp/runs/dense-seed36000/metrics.jsonl").exists() or (self.dir / "cmp/manifest.json").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(timeout=60), 3)
        child.communicate()
        self.assertEqual(files & set(os.listdir(self.dir / "cmp")), set())
        self.assertFalse((self.dir / "cmp/runs/moe-seed36000").exists())

    def test_a_loss_that_is_no_number_is_an_error_and_no_verdict(self):
        flags = [*tiny(2), "--seeds=2", "--max-probes=0", "--out=cmp", "--quiet"]
        self.succeed("compare", *flags)
        path = self.dir / "cmp/runs/moe-seed36001/result.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "val_loss": None}))
        before = program.tree(self.dir / "cmp")
        done = self.call("compare", *flags, "--resume")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("moe_variant.val_loss[1] is null, expected a finite number", done.stderr)
        self.assertEqual(program.tree(self.dir / "cmp"), before)

    def test_one_seed_has_no_interval_and_is_deferred(self):
        manifest = self.json_of("compare", *tiny(2), "--seeds=1", "--out=cmp", "--json")
        self.assertEqual((manifest["verdict"]["verdict"], manifest["verdict"]["rule"]), ("defer", "one-seed"))
        for difference in manifest["paired_val_loss_difference"].values():
            self.assertIsNone(difference["low"])
        self.assertIn("One seed cannot say", (self.dir / "cmp/findings.md").read_text())

    def test_conllu_brings_classes(self):
        lines = []
        for i in range(400):
            for number, (word, tag) in enumerate((("the", "DET"), (f"noun{i % 7}", "NOUN"), (f"verb{i % 5}", "VERB"), (".", "PUNCT")), 1):
                lines.append(f"{number}\t{word}\t_\t{tag}\t_\t_\t0\t_\t_\t_")
            lines.append("")
        (self.dir / "small.conllu").write_text("\n".join(lines) + "\n")
        manifest = self.json_of("compare", *tiny(3, "small.conllu"), "--seeds=1", "--out=cmp", "--json")
        self.assertEqual(manifest["specialisation"][0]["by"], "class")
        self.assertIn("conclusion", manifest["specialisation"][0]["layers"][0])
        classes = json.loads((self.dir / "cmp/specialisation.json").read_text())["layers"][0]["classes"]
        self.assertEqual({c["name"] for c in classes if c["count"]}, {"det", "noun", "verb", "punct", "sentence-end"})
        self.assert_all_files(self.dir / "cmp")

    def test_dense_twins_match_in_parameters(self):
        manifest = self.json_of("compare", *tiny(1), "--num-experts=8", "--top-k=3", "--seeds=1", "--out=cmp", "--json")
        moe = manifest["moe_variant"]
        unit = 2 * (2 * 8 + 1)  # what one more hidden unit costs in two blocks of width 8
        for key, target in (("dense_active_matched", moe["active_params"]), ("dense_total_matched", moe["params"])):
            self.assertLessEqual(abs(manifest[key]["params"] - target), unit / 2, key)
        self.assertEqual(manifest["dense_baseline"]["d_ff"], 16)

    def test_same_seed_means_same_start_and_batches(self):
        # With a learning rate of 0 and zero-output FFNs nothing tells dense and MoE apart in the first step's data.
        self.succeed("compare", *tiny(1), "--seeds=7,9", "--out=cmp", "--quiet")
        self.assertEqual(sorted(p.name for p in (self.dir / "cmp/runs").iterdir()),
                         sorted(f"{title}-seed{seed}" for title in VARIANTS.values() for seed in (7, 9)))
        self.succeed("train", *tiny(1), "--seed=9", "--out=alone", "--quiet")
        self.assertEqual((self.dir / "alone/checkpoint.safetensors").read_bytes(),
                         (self.dir / "cmp/runs/moe-seed9/checkpoint.safetensors").read_bytes())

    def test_an_existing_comparison_is_refused_and_kept(self):
        self.succeed("compare", *tiny(1), "--seeds=1", "--out=cmp", "--quiet")
        before = program.tree(self.dir / "cmp")
        done = self.call("compare", *tiny(1), "--seeds=1", "--out=cmp")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--force", done.stderr)
        done = self.call("compare", *tiny(1), "--seeds=1", "--out=cmp", "--force", "--top-k=5")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(program.tree(self.dir / "cmp"), before)
        self.succeed("compare", *tiny(2), "--seeds=1", "--out=cmp", "--force", "--quiet")
        self.assertEqual(json.loads((self.dir / "cmp/manifest.json").read_text())["steps"], 2)

    def test_ctrl_c_keeps_what_is_done_and_resume_completes_it(self):
        num_steps = steps(3000)
        flags = [*tiny(num_steps), "--seeds=1", "--max-probes=0"]
        child = subprocess.Popen([program.PROGRAM, "compare", *flags, "--out=cmp", "--quiet"], cwd=self.dir,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while not (self.dir / "cmp/runs/dense-seed36000/result.json").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 3, stderr)
        self.assertIn("--resume", stderr)
        self.assertFalse((self.dir / "cmp/manifest.json").exists())
        done = self.call("compare", *tiny(num_steps - 1), "--seeds=1", "--max-probes=0", "--out=cmp", "--resume")
        self.assertEqual(done.returncode, 2)  # another comparison
        first = (self.dir / "cmp/runs/dense-seed36000/result.json").stat().st_mtime_ns
        self.succeed("compare", *flags, "--out=cmp", "--resume", "--quiet")
        self.assertEqual((self.dir / "cmp/runs/dense-seed36000/result.json").stat().st_mtime_ns, first)
        resumed = json.loads((self.dir / "cmp/manifest.json").read_text())
        self.succeed("compare", *flags, "--out=whole", "--quiet")
        whole = json.loads((self.dir / "whole/manifest.json").read_text())
        for key in VARIANTS:
            self.assertEqual(resumed[key]["spread"]["final_val_loss"], whole[key]["spread"]["final_val_loss"])

    def windows(self, out):
        """How many validation windows each result of a comparison is over."""
        return {p.parent.name: json.loads(p.read_text())["splits"]["val"]["windows"]
                for p in (self.dir / out / "runs").glob("*/result.json")}

    def test_no_result_of_a_replaced_comparison_survives(self):
        flags = [*tiny(steps(1000)), "--max-probes=0", "--quiet", "--out=cmp"]
        self.succeed("compare", *flags, "--seeds=36000,5", "--eval-windows=1")
        notes = [self.dir / "cmp/runs/notes.txt", self.dir / "cmp/runs/moe-seed5/notes.txt"]
        for note in notes:
            note.write_text("mine")
        again = [*flags, "--seeds=1", "--eval-windows=2"]
        child = subprocess.Popen([program.PROGRAM, "compare", *again, "--force"], cwd=self.dir,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while (json.loads((self.dir / "cmp/config.json").read_text())["evaluation"]["max_windows"] == 1 and
               time.monotonic() < deadline):
            time.sleep(0.002)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 3, stderr)
        self.assertNotIn(1, self.windows("cmp").values())
        self.assertEqual([note.read_text() for note in notes], ["mine", "mine"])
        self.assertEqual([p.name for p in (self.dir / "cmp/runs/moe-seed5").iterdir()], ["notes.txt"])
        self.succeed("compare", *again, "--resume")
        self.assertEqual(self.windows("cmp"), {f"{title}-seed36000": 2 for title in VARIANTS.values()})

    def test_resume_takes_no_result_made_in_another_way(self):
        self.succeed("compare", *tiny(2), "--seeds=1", "--max-probes=0", "--eval-windows=1", "--out=cmp", "--quiet")
        config = self.dir / "cmp/config.json"
        protocol = json.loads(config.read_text())
        protocol["evaluation"]["max_windows"] = 2
        config.write_text(json.dumps(protocol))
        again = ["compare", *tiny(2), "--seeds=1", "--max-probes=0", "--eval-windows=2", "--out=cmp", "--quiet", "--resume"]
        self.succeed(*again)
        self.assertEqual(self.windows("cmp"), {f"{title}-seed36000": 2 for title in VARIANTS.values()})
        path = self.dir / "cmp/runs/moe-seed36000/result.json"
        result = json.loads(path.read_text())
        path.write_text(json.dumps({**result, "version": "0.0.0", "val_loss": 99}))
        self.succeed(*again)
        self.assertEqual(json.loads(path.read_text())["val_loss"], result["val_loss"])
        for lost in ("checkpoint.safetensors", "metrics.jsonl"):  # what is measured after training needs both
            (path.parent / lost).unlink()
            self.succeed(*again)
            self.assertTrue((path.parent / lost).exists())
            self.assertEqual(json.loads(path.read_text())["val_loss"], result["val_loss"])

    def test_runs_of_train_are_not_replaced_unasked(self):
        self.succeed("train", *tiny(1), "--quiet")
        before = program.tree(self.dir / "runs")
        done = self.call("compare", *tiny(1), "--seeds=1", "--out=.")
        self.assertEqual(done.returncode, 2)
        self.assertIn("moe-seed36000", done.stderr)
        self.assertEqual(program.tree(self.dir / "runs"), before)

    def test_grammar_brings_floor_and_probes(self):
        flags = [f for f in tiny(2, "grammar") if not f.startswith("--seq-len")]
        flags += ["--seeds=1", "--max-probes=20", "--eval-windows=8"]
        table = self.succeed("compare", *flags, "--out=cmp").stdout
        manifest = json.loads((self.dir / "cmp/manifest.json").read_text())
        for split in ("train", "val"):
            floor = f"{manifest['entropy_floor'][split]:.4f}"
            self.assertRegex(table, rf"(?m)^entropy floor \({split}\)( +{floor}){{4}}$")
        self.assertGreater(manifest["entropy_floor"]["val"], 0)
        self.assertLess(manifest["entropy_floor"]["val"], manifest["moe_variant"]["final_val_loss"])
        for split in ("val", "held_out_verbs", "held_out_combinations"):
            self.assertIsNotNone(manifest["moe_variant"][f"probe_accuracy_{split}"], split)
        self.assert_all_files(self.dir / "cmp")


if __name__ == "__main__":
    main()
