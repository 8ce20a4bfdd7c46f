# SPDX-License-Identifier: Apache-2.0
"""program: stopping, Ctrl-C and going on. Usage: resume_test.py PROGRAM"""
import fcntl
import json
import os
import pathlib
import signal
import struct
import subprocess
import termios
import time

import program
from program import ProgramTest, main, tiny


def without_times(lines):
    return [{k: v for k, v in line.items() if "seconds" not in k} for line in lines]


class Resume(ProgramTest):
    def checkpoint(self, run):
        return (self.dir / run / "checkpoint.safetensors").read_bytes()

    def wait_for_steps(self, child, run, count):
        deadline = time.monotonic() + 60
        path = self.dir / run / "metrics.jsonl"
        while time.monotonic() < deadline and child.poll() is None:
            if path.exists() and path.read_text().count("\n") >= count:
                return
            time.sleep(0.01)
        self.fail(f"no {count} steps within a minute, exit code {child.poll()}")

    def start(self, *args):
        return subprocess.Popen([program.PROGRAM, *map(str, args)], cwd=self.dir, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def test_stop_and_resume_is_bit_for_bit(self):
        flags = [*tiny(9), "--bias-update-rate=0.01"]
        self.succeed("train", *flags, "--out=whole")
        self.succeed("train", *flags, "--stop-at=4", "--out=parts")
        self.assertEqual(len(self.metrics("parts")), 4)
        self.assertNotEqual(self.checkpoint("parts"), self.checkpoint("whole"))
        self.assertFalse((self.dir / "parts/result.json").exists())
        self.succeed("train", "--resume", "--out=parts")
        self.assertEqual(self.checkpoint("parts"), self.checkpoint("whole"))
        self.assertEqual(without_times(self.metrics("parts")), without_times(self.metrics("whole")))
        whole, parts = (json.loads((self.dir / run / "result.json").read_text()) for run in ("whole", "parts"))
        for key in ("train_loss", "val_loss", "splits"):
            self.assertEqual(parts[key], whole[key])

    def test_metrics_past_the_checkpoint_are_cut(self):
        self.succeed("train", *tiny(6), "--stop-at=3", "--out=run")
        with open(self.dir / "run/metrics.jsonl", "a") as file:
            file.write('{"step":4,"loss":9}\n{"step":5,"lo')
        self.succeed("train", "--resume", "--out=run")
        lines = self.metrics("run")
        self.assertEqual([line["step"] for line in lines], [1, 2, 3, 4, 5, 6])
        self.assertLess(lines[3]["loss"], 9)

    def test_periodic_checkpoints_survive_a_kill(self):
        self.succeed("train", *tiny(400), "--out=whole", "--quiet")
        child = self.start("train", *tiny(400), "--save-interval=50", "--out=run", "--quiet")
        deadline = time.monotonic() + 60
        while not (self.dir / "run/checkpoint.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        child.kill()
        child.communicate()
        self.succeed("train", "--resume", "--out=run", "--quiet")
        self.assertEqual(self.checkpoint("run"), self.checkpoint("whole"))

    def test_ctrl_c_saves_and_resumes(self):
        child = self.start("train", *tiny(1000000), "--out=run")
        self.wait_for_steps(child, "run", 1)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 3, stderr)
        done = len(self.metrics("run"))
        self.assertIn(f"interrupted at step {done}, saved; go on with: minimoe train --resume --out run\n", stderr)
        self.succeed("train", "--resume", "--out=run", f"--stop-at={done + 3}")
        self.assertEqual(len(self.metrics("run")), done + 3)
        self.succeed("train", *tiny(1000000), f"--stop-at={done + 3}", "--out=whole")
        self.assertEqual(self.checkpoint("run"), self.checkpoint("whole"))

    def status(self, child, field):
        text = pathlib.Path(f"/proc/{child.pid}/status").read_text()
        return next(line.split()[1] for line in text.splitlines() if line.startswith(field + ":"))

    def wait_until(self, what, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)

    def test_a_second_ctrl_c_kills_and_keeps_the_checkpoint(self):
        # Nobody reads its log, so it soon hangs in a write, where the first Ctrl-C cannot end it.
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        size = fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        child = subprocess.Popen([program.PROGRAM, "train", *tiny(1000000), "--threads=1", "--log-interval=1",
                                  "--save-interval=5", "--out=run", "--quiet"], cwd=self.dir, stdout=write_end,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)
        os.close(write_end)

        def waiting():
            unread = struct.unpack("i", fcntl.ioctl(read_end, termios.FIONREAD, bytes(4)))[0]
            return unread > size - 100 and self.status(child, "State") == "S"

        self.wait_until("a full pipe", waiting)
        child.send_signal(signal.SIGINT)
        self.wait_until("the first Ctrl-C", lambda: not int(self.status(child, "SigCgt"), 16) >> signal.SIGINT - 1 & 1)
        self.assertIsNone(child.poll())
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=60)
        self.assertEqual(child.returncode, -signal.SIGINT)
        self.assertRegex(stderr, r"^minimoe: warning: the model cannot be exported, to gguf or to hf: [^\n]*\n$")
        self.assertEqual(sorted(p.name for p in (self.dir / "run").iterdir()),
                         ["checkpoint.safetensors", "config.json", "corpus.json", "metrics.jsonl"])
        self.succeed("train", "--resume", "--out=run", "--stop-at=200")
        self.succeed("train", *tiny(1000000), "--stop-at=200", "--out=whole")
        self.assertEqual(self.checkpoint("run"), self.checkpoint("whole"))

    def test_resuming_a_finished_run_changes_nothing(self):
        self.succeed("train", *tiny(3), "--out=run")
        before = self.checkpoint("run")
        self.succeed("train", "--resume", "--out=run")
        self.assertEqual(self.checkpoint("run"), before)
        self.assertEqual(len(self.metrics("run")), 3)

    def refuse_resume(self, *args, said):
        before = program.tree(self.dir / "run")
        done = self.call("train", "--resume", *args)
        self.assertEqual(done.returncode, 2, done.stderr)
        for part in said:
            self.assertIn(part, done.stderr)
        self.assertEqual(program.tree(self.dir / "run"), before)

    def test_resume_keeps_its_configuration(self):
        self.succeed("train", *tiny(6), "--stop-at=3", "--out=run")
        self.refuse_resume("--out=run", "--lr=0.5", said=["train.learning_rate", "0.5", "0.001"])
        self.refuse_resume("--out=run", "--num-experts=8", said=["model.moe.num_experts", "4", "8"])
        self.succeed("train", "--resume", "--out=run", *tiny(6))  # the same again is no change

    def test_resume_finds_data_that_was_moved(self):
        self.succeed("train", *tiny(6), "--out=whole")
        self.succeed("train", *tiny(6), "--stop-at=3", "--out=run")
        (self.dir / "elsewhere").mkdir()
        (self.dir / "text.txt").rename(self.dir / "elsewhere/book.txt")
        self.refuse_resume("--out=run", said=["text.txt", "--corpus FILE tells where it is"])
        (self.dir / "other.txt").write_text(program.some_text(5000))
        self.refuse_resume("--out=run", "--corpus=other.txt", said=["corpus.json", "sha256"])
        self.refuse_resume("--out=run", "--corpus=elsewhere/book.txt", "--seed=1", said=["train.seed"])
        self.succeed("train", "--resume", "--out=run", "--corpus=elsewhere/book.txt", "--stop-at=5")
        self.succeed("train", "--resume", "--out=run")  # from now on it is there
        self.assertEqual(without_times(self.metrics("run")), without_times(self.metrics("whole")))
        config = json.loads((self.dir / "run/config.json").read_text())
        self.assertEqual(config["data"]["corpus"], "elsewhere/book.txt")
        self.assertIn("val", self.json_of("eval", "run", "--json")["splits"])

    def test_resume_refuses_what_is_no_stopped_run(self):
        self.succeed("train", *tiny(6), "--stop-at=3", "--out=run")
        self.refuse_resume(said=["--out"])
        self.refuse_resume("--out=run", "--force", said=["--force", "--resume"])
        self.refuse_resume("--out=elsewhere", said=["elsewhere"])
        (self.dir / "text.txt").write_text(program.some_text(5000))
        self.refuse_resume("--out=run", said=["corpus.json", "sha256"])
        (self.dir / "text.txt").write_text(program.some_text())
        lines = (self.dir / "run/metrics.jsonl").read_text().splitlines(keepends=True)
        (self.dir / "run/metrics.jsonl").write_text(lines[0] + lines[2])
        self.refuse_resume("--out=run", said=["metrics.jsonl:2", "step 2"])

    def test_damaged_checkpoints_are_refused(self):
        self.succeed("train", *tiny(4), "--stop-at=2", "--out=run")
        path, whole = self.dir / "run/checkpoint.safetensors", self.checkpoint("run")
        for damaged in (b"", whole[:7], whole[:200], whole[:-1], whole + b"x", b"\xff" * 64, bytes(len(whole))):
            path.write_bytes(damaged)
            self.refuse_resume("--out=run", said=["minimoe: error: ", "checkpoint.safetensors"])
        path.write_bytes(whole)
        self.succeed("train", "--resume", "--out=run")


if __name__ == "__main__":
    main()
