# SPDX-License-Identifier: Apache-2.0
"""program: `break`, its list, its runs and its breaks.md. Usage: break_test.py PROGRAM"""
import json
import re
import struct

from program import ProgramTest, main, tree

# Small enough for 30 steps to take no time; every twin gets the same.
SMALL = ["--corpus=text.txt", "--quiet", "--eval-windows=4"] + [f"--set={key}={value}" for key, value in {
    "model.d_model": 8, "model.num_heads": 2, "model.d_ff": 16, "model.moe.d_expert": 16, "model.max_seq_len": 16,
    "train.seq_len": 16, "train.batch_size": 4, "train.steps": 30, "train.warmup_steps": 3}.items()]
KEYS = ["bug-id", "concept", "symptom", "hidden_cause", "hint_1", "hint_2", "hint_3", "fix_diff"]
NAMES = ["aux-off", "headstart", "many-experts", "sham", "gate-zero-init", "renorm-top1", "capacity-tight", "lr-spike"]


def entries(markdown):
    """The breaks of breaks.md: their YAML as a dictionary of texts."""
    found = []
    for block in re.findall(r"```yaml\n(.*?)```", markdown, re.S):
        entry, key = {}, None
        for line in block.splitlines():
            if line.startswith("  "):
                entry[key] += line[2:] + "\n"
            else:
                key, value = line.split(": ", 1)
                entry[key] = "" if value == "|" else json.loads(value)
        found.append(entry)
    return found


def tensor(path, name):
    """The float32 values of a tensor of a safetensors file."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    begin, end = json.loads(data[8:8 + size])[name]["data_offsets"]
    values = data[8 + size + begin:8 + size + end]
    return list(struct.unpack(f"<{len(values) // 4}f", values))


class Break(ProgramTest):
    def run_of(self, title, out="out"):
        return json.loads((self.dir / out / "runs" / title / "config.json").read_text())

    def test_without_a_name_the_breaks_are_listed(self):
        listed = self.succeed("break").stdout
        for name in NAMES:
            self.assertRegex(listed, rf"(?m)^{name} ")
        self.assertIn("model.moe.aux_loss_coef: 0.01 (healthy) -> 0.0 (broken)", listed)
        self.assertEqual([b["name"] for b in self.json_of("break", "--json")], NAMES)
        self.assertEqual(tree(self.dir).keys(), {"text.txt"})

    def test_a_break_runs_beside_its_twins_and_writes_the_labs_keys(self):
        done = self.succeed("break", "headstart", *SMALL, "--seeds=2", "--out=out", "--log-interval=10")
        # The lab's log, for both runs.
        lines = re.findall(r"(?m)^step= +\d+  main=\d+\.\d{3}  aux=\d+\.\d{3}  expert_counts=\[ \d+ \d+ \d+ \d+ \]$", done.stdout)
        self.assertEqual(len(lines), 6)
        self.assertIn("# headstart-healthy-seed36000", done.stdout)
        self.assertIn("# headstart-broken-seed36000", done.stdout)
        healthy, broken = self.run_of("headstart-healthy-seed36001"), self.run_of("headstart-broken-seed36001")
        self.assertEqual((healthy["model"]["moe"].pop("aux_loss_coef"), broken["model"]["moe"].pop("aux_loss_coef")), (0.01, 0))
        self.assertEqual(healthy, broken)
        self.assertEqual(self.run_of("headstart-dense-seed36001")["model"]["moe"]["layers"], [])
        # The start has expert 0 ahead, in both.
        for which in ("healthy", "broken"):
            load = self.metrics(f"out/runs/headstart-{which}-seed36000")[0]["layers"][0]["load"]
            self.assertEqual(load, [64, 0, 0, 0])
        # The fix goes on from the broken weights: the first loss continues, it does not start anew.
        last = self.metrics("out/runs/headstart-broken-seed36000")[-1]["loss"]
        fixed = self.metrics("out/runs/headstart-fixed-seed36000")[0]["loss"]
        first = self.metrics("out/runs/headstart-broken-seed36000")[0]["loss"]
        self.assertLess(fixed - last, first - fixed)

        markdown = (self.dir / "out/breaks.md").read_text()
        (entry,) = entries(markdown)
        self.assertEqual(list(entry), KEYS)
        self.assertEqual(entry["bug-id"], "headstart")
        self.assertEqual(entry["fix_diff"], "-model.moe.aux_loss_coef = 0.0\n+model.moe.aux_loss_coef = 0.01\n")
        self.assertNotIn(str(self.dir), markdown)
        report = json.loads((self.dir / "out/breaks.json").read_text())["breaks"][0]
        self.assertEqual(entry["symptom"], report["symptom"])
        self.assertEqual([s["seed"] for s in report["seeds"]], [36000, 36001])

        # The symptom is what the logs hold.
        last_window = self.metrics("out/runs/headstart-broken-seed36000")
        loads = [sum(line["layers"][0]["load"][e] for line in last_window) for e in range(4)]
        window = report["seeds"][0]["runs"]["broken"]["windows"][-1]
        self.assertEqual(window["load"], loads)
        self.assertAlmostEqual(window["largest_share"], max(loads) / sum(loads))
        shares = [s["runs"]["broken"]["windows"][-1]["largest_share"] for s in report["seeds"]]
        self.assertIn(f"had {shares[0]:.2f} / {shares[1]:.2f} of the assignments", entry["symptom"])

    def test_shared_twins_are_trained_once(self):
        self.succeed("break", "all", *SMALL, "--out=out", "--json")
        titles = {path.name for path in (self.dir / "out/runs").iterdir()}
        self.assertEqual({t for t in titles if "-dense-" in t}, {"aux-off-dense-seed36000", "headstart-dense-seed36000"})
        self.assertEqual({t for t in titles if "-broken-" in t}, {f"{name}-broken-seed36000" for name in NAMES})
        self.assertNotIn("lr-spike-healthy-seed36000", titles)
        found = entries((self.dir / "out/breaks.md").read_text())
        self.assertEqual([entry["bug-id"] for entry in found], NAMES)
        for entry in found:
            self.assertEqual(list(entry), KEYS)

    def test_what_the_claims_say_is_held_against_the_figures(self):
        report = self.json_of("break", "aux-off", *SMALL, "--out=out", "--json")["breaks"][0]
        claims = {c["claim"]: c for c in report["claims"]}
        self.assertEqual(set(claims), {"collapsed", "share-above-80-percent", "main-loss-fine", "worse-than-dense"})
        self.assertFalse(claims["share-above-80-percent"]["holds"])
        self.assertIn("no expert can have more than 50 %", claims["share-above-80-percent"]["text"])
        runs = report["seeds"][0]["runs"]
        worse = runs["broken"]["val_loss"] - runs["dense"]["val_loss"]
        self.assertEqual(claims["worse-than-dense"]["holds"], worse > 0.01)
        self.assertIn(f"{worse:+.4f}", claims["worse-than-dense"]["text"])
        # What can be known of a short run is said, the rest is not.
        self.assertEqual([name for name, c in claims.items() if c["decided"]], ["share-above-80-percent"])
        self.assertIn("the break's own are 500", claims["collapsed"]["text"])

    def test_a_short_run_neither_agrees_nor_disagrees(self):
        said = self.succeed("break", "headstart", *SMALL, "--out=out").stdout
        self.assertEqual(said.count("\n  cannot tell: "), 2)
        self.assertNotIn("agrees:", said)
        self.assertNotIn("DISAGREES", said)
        self.assertIn("- cannot tell: ", (self.dir / "out/breaks.md").read_text())

    def test_a_saturated_start_is_said_on_stderr(self):
        done = self.succeed("break", "sham", *SMALL, "--out=out")
        warnings = [line for line in done.stderr.splitlines() if line.startswith("minimoe: warning: ")]
        self.assertEqual(len(warnings), 1)
        self.assertIn("bias balancing began on a saturated router", warnings[0])

    def test_a_fix_without_bias_balancing_starts_with_no_bias(self):
        # Left in place it would go on choosing, and even counts give the balance loss no gradient.
        self.succeed("break", "sham", *SMALL, "--out=out")
        broken, fixed = (tensor(self.dir / f"out/runs/sham-{which}-seed36000/checkpoint.safetensors", "blocks.1.moe.expert_bias")
                         for which in ("broken", "fixed"))
        self.assertLess(broken[0], -0.1)
        self.assertEqual(fixed, [0, 0, 0, 0])

    def test_refusals_say_what_is_allowed_and_write_nothing(self):
        before = tree(self.dir)
        for args, words in ((["headstrat"], ["headstart"]), (["headstart", "--seeds=0"], ["--seeds"]),
                            (["headstart", "--set=model.moe.aux_loss_coef=0.5"], ["model.moe.aux_loss_coef", "headstart"]),
                            (["headstart", "--corpus=missing.txt"], ["missing.txt"])):
            done = self.call("break", *args, "--out=out")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            for word in words:
                self.assertIn(word, done.stderr)
            self.assertEqual(tree(self.dir), before)
        self.succeed("break", "renorm-top1", *SMALL, "--out=out")
        before = tree(self.dir)
        for name in ("renorm-top1", "lr-spike"):
            self.assertEqual(self.call("break", name, *SMALL, "--out=out").returncode, 2)
            self.assertEqual(tree(self.dir), before)
        self.succeed("break", "renorm-top1", *SMALL, "--out=out", "--force")

    def test_no_report_outlives_its_runs(self):
        self.succeed("break", "renorm-top1", *SMALL, "--out=out")
        explodes = ["train.learning_rate=1000", "train.clip_norm=0", "model.init_std=100", "model.norm_eps=1e-30",
                    "train.adam_eps=1e-300", "train.weight_decay=1000"]
        done = self.call("break", "renorm-top1", *SMALL, "--out=out", "--force", *[f"--set={e}" for e in explodes])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual([f.name for f in (self.dir / "out").iterdir()], ["runs"])


if __name__ == "__main__":
    main()
