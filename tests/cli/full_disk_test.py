# SPDX-License-Identifier: Apache-2.0
"""program: a disk that fills up ends a run with one line and keeps its last checkpoint. Usage: full_disk_test.py PROGRAM"""
import os
import resource
import subprocess

import program
from program import ProgramTest, main, tiny

STEPS = 100000
FLAGS = [*tiny(STEPS), "--save-interval=10", "--out=run", "--quiet"]
# Room for checkpoints of 90 kB, but not for metrics of this many steps beside them.
ROOM = 400 << 10


class FullDisk(ProgramTest):
    def run_until_full(self, command, **options):
        done = subprocess.run([*command, program.PROGRAM, "train", *FLAGS], cwd=self.dir, capture_output=True, text=True,
                              timeout=120, **options)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def assert_goes_on(self, error, reason):
        self.assertRegex(error, r"^(minimoe: warning: [^\n]*\n)?" rf"minimoe: error: [^\n]*run/(checkpoint.safetensors|metrics.jsonl): [^\n]*{reason}[^\n]*\n$")
        self.assertEqual(sorted(p.name for p in (self.dir / "run").iterdir()),
                         ["checkpoint.safetensors", "config.json", "corpus.json", "metrics.jsonl"])
        done = self.succeed("train", "--resume", "--out=run", "--stop-at=2000")
        self.assertIn("stopped at step 2000", done.stderr)
        self.succeed("train", *FLAGS[:-2], "--stop-at=2000", "--out=whole")
        one, other = ((self.dir / run / "checkpoint.safetensors").read_bytes() for run in ("run", "whole"))
        self.assertEqual(one, other)

    def test_a_file_past_the_size_limit(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
        self.assert_goes_on(self.run_until_full([], preexec_fn=limit), "File too large")

    def test_a_file_system_without_room(self):
        # The mount lives and dies with the namespace of the shell; the run is copied out of it.
        (self.dir / "small").mkdir()
        mount = f"mount -t tmpfs -o size={ROOM} none small"
        namespace = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c"]
        try:
            subprocess.run([*namespace, mount], cwd=self.dir, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"no file system of our own: {error}")
        script = f'{mount} && cp text.txt small && cd small || exit; "$@"; code=$?; cp -r run ..; exit $code'
        self.assert_goes_on(self.run_until_full([*namespace, script, "sh"]), "No space left")


if __name__ == "__main__":
    main()
