# SPDX-License-Identifier: Apache-2.0
"""program: metrics.csv and TensorBoard's event files. Usage: metrics_test.py PROGRAM"""
import csv
import json
import math
import struct
import subprocess
import time

import event_records
import program
from program import ProgramTest, main, tiny

ALL = "--metrics=jsonl,csv,tensorboard"


def doubles(data):
    return list(struct.unpack(f"<{len(data) // 8}d", data))


class Metrics(ProgramTest):
    def event_files(self, run):
        return sorted((self.dir / run).glob("events.out.tfevents.*"))

    def rows(self, run):
        with open(self.dir / run / "metrics.csv", newline="") as file:
            return list(csv.DictReader(file))

    def assert_is_line(self, line, values):
        """The scalars `values` of a step are those of its line of metrics.jsonl, to the precision of `values`."""
        wanted = {"train/loss": line["loss"], "lr": line["learning_rate"], "grad_norm": line["grad_norm"],
                  "tokens_per_sec": line["tokens"] / line["seconds"], "moe/aux_loss": line["aux_loss"],
                  "moe/z_loss": line["z_loss"]}
        if "val_loss" in line:
            wanted["val/loss"] = line["val_loss"]
        for layer in line["layers"]:
            tag = f"moe/layer{layer['block']}/"
            wanted |= {tag + name: layer[name] for name in ("aux_loss", "z_loss", "router_logit_norm", "bias_min", "bias_max")}
            wanted[tag + "dropped"] = sum(layer["dropped"])
            wanted[tag + "max_violation"] = max(layer["load"]) * len(layer["load"]) / sum(layer["load"]) - 1
        self.assertEqual(set(values), set(wanted))
        for tag, value in wanted.items():
            self.assertTrue(math.isclose(values[tag], value, rel_tol=1e-6, abs_tol=1e-12), (tag, values[tag], value))

    def test_the_checksum_is_that_of_the_catalogues(self):
        self.assertEqual(event_records.crc32c(b"123456789"), 0xE3069283)

    def test_only_what_is_asked_for_is_written(self):
        self.succeed("train", *tiny(3), "--out=run")
        self.assertFalse((self.dir / "run/metrics.csv").exists() or self.event_files("run"))
        self.succeed("train", *tiny(3), "--out=run", "--force", ALL)
        self.assertTrue((self.dir / "run/metrics.csv").exists() and len(self.event_files("run")) == 1)
        self.succeed("train", *tiny(3), "--out=run", "--force", "--metrics=csv")
        self.assertTrue((self.dir / "run/metrics.csv").exists() and not self.event_files("run"))
        self.assertEqual(len(self.metrics("run")), 3)
        self.succeed("train", *tiny(3), "--out=run", "--force")
        self.assertFalse((self.dir / "run/metrics.csv").exists())

    def test_an_unknown_format_is_refused_before_anything_is_written(self):
        for command in ("train", "compare"):
            for bad in ("tensorbord", "csv,", ",csv", "csv tensorboard"):
                done = self.call(command, *tiny(3), "--out=run", f"--metrics={bad}")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("--metrics: ", done.stderr)
                self.assertIn("jsonl,csv,tensorboard", done.stderr)
                self.assertFalse((self.dir / "run").exists())

    def test_rows_and_records_are_the_lines(self):
        self.succeed("train", *tiny(7), ALL, "--eval-interval=2", "--log-interval=3", "--set", "model.moe.capacity_factor=0.5",
                     "--bias-update-rate=0.01", "--out=run")
        lines, rows = self.metrics("run"), self.rows("run")
        self.assertEqual([int(row["step"]) for row in rows], [1, 2, 3, 4, 5, 6, 7])
        for line, row in zip(lines, rows):
            loads = [int(row.pop(f"moe/layer1/load/{e}")) for e in range(4)]
            self.assertEqual(loads, line["layers"][0]["load"])
            row.pop("step")
            self.assert_is_line(line, {tag: float(cell) for tag, cell in row.items() if cell})
        data = self.event_files("run")[0].read_bytes()
        self.assertEqual(event_records.records(data)[1], 0)
        first, *steps, final = event_records.events(data)
        self.assertEqual((first[1], first[2][3]), ({}, b"brain.Event:2"))
        self.assertLess(abs(first[2][1] - time.time()), 600)
        self.assertEqual([step for step, _, _ in steps], [1, 2, 3, 4, 5, 6, 7])
        for line, (step, values, _) in zip(lines, steps):
            histogram = values.pop("moe/layer1/load", None)
            self.assertEqual(histogram is not None, step in (1, 3, 6))
            if histogram:
                load = line["layers"][0]["load"]
                self.assertEqual(doubles(histogram[7]), load)
                self.assertEqual(doubles(histogram[6]), [1, 2, 3, 4])
                self.assertEqual([histogram[1], histogram[2], histogram[3]], [0, 4, sum(load)])
                self.assertEqual(histogram[4], sum(n * (e + 0.5) for e, n in enumerate(load)))
                self.assertEqual(histogram[5], sum(n * (e + 0.5)**2 for e, n in enumerate(load)))
            self.assert_is_line(line, values)
        self.assertEqual((final[0], set(final[1])), (7, {"val/loss"}))

    def test_a_dense_model_has_no_moe_columns(self):
        self.succeed("train", *tiny(2), ALL, "--set", "model.moe.layers=[]", "--out=run")
        self.assertEqual(list(self.rows("run")[0]), ["step", "train/loss", "val/loss", "lr", "grad_norm", "tokens_per_sec"])

    def test_a_resumed_run_goes_on_in_both(self):
        self.succeed("train", *tiny(9), ALL, "--out=whole")
        self.succeed("train", *tiny(9), ALL, "--stop-at=4", "--out=parts")
        with open(self.dir / "parts/metrics.csv", "a") as file:  # past the checkpoint, as a killed run leaves it
            file.write("5,9,9\n6,")
        before = self.event_files("parts")[0].read_bytes()
        self.succeed("train", "--resume", "--out=parts", "--stop-at=6")
        self.succeed("train", "--resume", "--out=parts")

        def without_times(run):
            return [{k: v for k, v in row.items() if k != "tokens_per_sec"} for row in self.rows(run)]

        self.assertEqual(without_times("parts"), without_times("whole"))
        files = self.event_files("parts")
        self.assertEqual(files[0].read_bytes(), before)
        steps = []
        for number, file in enumerate(files):
            first, *events = event_records.events(file.read_bytes())
            self.assertEqual(first[2][3], b"brain.Event:2")
            if number > 0:  # SessionLog.START of the first step to come: readers forget later steps of earlier files
                self.assertEqual((events[0][0], events[0][2][7]), ([1, 5, 7][number], b"\x08\x01"))
            steps.append([step for step, values, _ in events if "train/loss" in values])
        self.assertEqual(steps, [[1, 2, 3, 4], [5, 6], [7, 8, 9]])
        self.succeed("train", "--resume", "--out=whole")  # is finished
        self.assertEqual([step for step, values, _ in event_records.events(self.event_files("whole")[1].read_bytes()) if values], [])

    def test_event_files_of_others_are_left_alone(self):
        (self.dir / "run").mkdir()
        others = self.dir / "run/events.out.tfevents.1700000000.host.1.0"
        others.write_text("theirs")
        self.succeed("train", *tiny(4), "--stop-at=2", "--out=run")
        self.succeed("train", "--resume", "--out=run", "--stop-at=3")
        self.assertEqual(self.event_files("run"), [others])
        self.succeed("train", *tiny(4), ALL, "--out=run", "--force")
        self.assertEqual(len(self.event_files("run")), 2)
        self.succeed("train", *tiny(4), "--out=run", "--force")
        self.assertEqual(self.event_files("run"), [others])
        self.assertEqual(others.read_text(), "theirs")

    def test_a_clock_that_was_set_back_names_no_file_before_the_last(self):
        self.succeed("train", *tiny(4), ALL, "--stop-at=2", "--out=run")
        late = self.dir / "run/events.out.tfevents.4000000000.minimoe"
        self.event_files("run")[0].rename(late)
        self.succeed("train", "--resume", "--out=run")
        self.assertEqual([file.name for file in self.event_files("run")],
                         [late.name, "events.out.tfevents.4000000001.minimoe"])

    def test_the_last_validation_is_told_by_a_resume_when_it_was_not(self):
        self.succeed("train", *tiny(4), ALL, "--out=run")
        (self.dir / "run/result.json").unlink()  # as when it is killed while it validates
        for told in ([4], []):
            self.succeed("train", "--resume", "--out=run")
            events = event_records.events(self.event_files("run")[-1].read_bytes())
            self.assertEqual([step for step, values, _ in events if "val/loss" in values], told)

    def test_a_damaged_line_is_refused_before_the_csv_is_touched(self):
        self.succeed("train", *tiny(6), ALL, "--stop-at=4", "--out=run")
        lines = (self.dir / "run/metrics.jsonl").read_text().splitlines()
        csv_before = (self.dir / "run/metrics.csv").read_bytes()

        def without(key):
            line = json.loads(lines[2])
            del line[key]
            return line

        damaged = [without("loss"), without("grad_norm"), without("layers"), {**json.loads(lines[2]), "loss": "x"},
                   {**json.loads(lines[2]), "layers": 7}, {**json.loads(lines[2]), "layers": [{}]},
                   {**json.loads(lines[2]), "seconds": "x"}, {**json.loads(lines[2]), "layers": []}]
        for line in damaged:
            (self.dir / "run/metrics.jsonl").write_text("\n".join([*lines[:2], json.dumps(line), lines[3]]) + "\n")
            done = self.call("train", "--resume", "--out=run")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("run/metrics.jsonl:3: no line of a step's metrics: ", done.stderr)
            self.assertEqual((self.dir / "run/metrics.csv").read_bytes(), csv_before)
        (self.dir / "run/metrics.jsonl").write_text("\n".join(lines) + "\n")
        self.succeed("train", "--resume", "--out=run")
        self.assertEqual(len(self.rows("run")), 6)

    def test_a_killed_run_leaves_a_readable_prefix(self):
        child = subprocess.Popen([program.PROGRAM, "train", *tiny(10000000), ALL, "--out=run", "--quiet"], cwd=self.dir,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            files = self.event_files("run")
            if files and files[0].stat().st_size > 100000:
                break
            time.sleep(0.01)
        child.kill()
        child.wait()
        data = self.event_files("run")[0].read_bytes()
        steps = [step for step, values, _ in event_records.events(data) if values]
        self.assertGreater(len(steps), 50)
        self.assertEqual(steps, list(range(1, len(steps) + 1)))

    def test_compare_writes_them_for_every_run(self):
        self.succeed("compare", *tiny(2), "--seeds=1", "--metrics=csv,tensorboard", "--out=cmp", "--quiet")
        runs = sorted(p.name for p in (self.dir / "cmp/runs").iterdir())
        self.assertEqual(len(runs), 4)
        for run in runs:
            self.assertEqual(len(self.rows(f"cmp/runs/{run}")), 2)
            self.assertEqual(len(self.event_files(f"cmp/runs/{run}")), 1)
        self.succeed("compare", *tiny(2), "--seeds=1", "--balance=none,aux", "--metrics=csv", "--out=bal", "--quiet")
        self.assertEqual(len(list((self.dir / "bal").rglob("metrics.csv"))), 2)


if __name__ == "__main__":
    main()
