# SPDX-License-Identifier: Apache-2.0
"""TensorBoard reads the event files of a run: every record, and of a resumed one no step twice.

Usage: tensorboard_test.py PROGRAM. Needs the package tensorboard (in this Python, or in the one that $TENSORBOARD_PYTHON
names); without it exit code 77.
"""
import os
import subprocess
import sys

try:
    import tensorboard
except ImportError:
    other = os.environ.get("TENSORBOARD_PYTHON", "")
    if other and other != sys.executable:
        os.execv(other, [other, *sys.argv])
    print("skipped: no tensorboard; pip install tensorboard, or set TENSORBOARD_PYTHON to a Python that has it")
    sys.exit(77)

import time

from tensorboard.backend.event_processing import event_file_loader
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import event_records
import program
from program import ProgramTest, main, tiny


class TensorBoard(ProgramTest):
    def scalars(self, run):
        accumulator = EventAccumulator(str(self.dir / run), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
        accumulator.Reload()
        return accumulator

    def values(self, accumulator, tag):
        """[(step, value)] of a scalar: the loaders turn it into a tensor."""
        if tag in accumulator.Tags()["scalars"]:
            return [(event.step, event.value) for event in accumulator.Scalars(tag)]
        return [(event.step, event.tensor_proto.float_val[0]) for event in accumulator.Tensors(tag)]

    def test_every_record_is_read(self):
        self.succeed("train", *tiny(40), "--metrics=tensorboard", "--log-interval=10", "--out=run")
        file = next((self.dir / "run").glob("*tfevents*"))
        read = list(event_file_loader.RawEventFileLoader(str(file)).Load())
        self.assertEqual(len(read), 42)  # the version, 40 steps, the last validation
        self.assertEqual([bytes(record) for record in read], event_records.records(file.read_bytes())[0])
        accumulator, lines = self.scalars("run"), self.metrics("run")
        losses = self.values(accumulator, "train/loss")
        self.assertEqual([step for step, _ in losses], list(range(1, 41)))
        for (_, loss), line in zip(losses, lines):
            self.assertAlmostEqual(loss, line["loss"], delta=1e-6 * line["loss"])
        self.assertEqual(len(self.values(accumulator, "val/loss")), 1)
        tags = accumulator.Tags()
        if "moe/layer1/load" in tags["histograms"]:
            histograms = [(h.step, list(h.histogram_value.bucket)) for h in accumulator.Histograms("moe/layer1/load")]
        else:
            histograms = []
            for event in accumulator.Tensors("moe/layer1/load"):
                cells = tensorboard.util.tensor_util.make_ndarray(event.tensor_proto)  # [bucket, (left, right, count)]
                self.assertEqual(cells[:, :2].tolist(), [[0, 1], [1, 2], [2, 3], [3, 4]])
                histograms.append((event.step, cells[:, 2].tolist()))
        self.assertEqual(histograms, [(s, lines[s - 1]["layers"][0]["load"]) for s in (1, 10, 20, 30, 40)])

    def test_a_killed_and_resumed_run_has_each_step_once(self):
        child = subprocess.Popen([program.PROGRAM, "train", *tiny(3000), "--metrics=tensorboard", "--save-interval=100",
                                  "--out=run", "--quiet"], cwd=self.dir, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (self.dir / "run/checkpoint.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        child.kill()
        child.wait()
        self.succeed("train", "--resume", "--out=run", "--quiet", "--stop-at=2000")
        self.assertEqual(len(list((self.dir / "run").glob("*tfevents*"))), 2)
        self.assertEqual([step for step, _ in self.values(self.scalars("run"), "train/loss")], list(range(1, 2001)))


if __name__ == "__main__":
    main()
