# SPDX-License-Identifier: Apache-2.0
"""Runs the built program in a scratch directory, with models small enough for a few steps to take no time."""
import hashlib
import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None
TIMEOUT = 300  # seconds a call may take

# The flags of a model whose step takes well below a millisecond.
TINY = ["--num-layers=2", "--d-model=8", "--num-heads=2", "--d-ff=16", "--d-expert=16", "--seq-len=16", "--batch-size=4",
        "--warmup-steps=2"]


def tiny(steps=6, corpus="text.txt", *flags):
    """The flags of a tiny run; `flags` replace those of the same name."""
    names = {flag.split("=")[0] for flag in flags}
    ours = [*TINY, f"--steps={steps}", f"--corpus={corpus}"]
    return [flag for flag in ours if flag.split("=")[0] not in names] + list(flags)


def some_text(size=4000):
    """Text that is not the same everywhere, so that a wrong window shows."""
    words, state, text = ["ada", "boils", "tea", "for", "every", "guest", "and", "sings", "low", "again"], 1, ""
    while len(text) < size:
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        text += words[state >> 16 & 7] + (".\n" if state >> 20 & 7 == 0 else " ")
    return text


def tree(directory):
    """Every file below `directory` with its content's hash."""
    root = pathlib.Path(directory)
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(root.rglob("*")) if p.is_file()}


def is_sanitized():
    """Whether the program has a sanitizer, whose own memory no limit on the process leaves room for."""
    return b"__asan_init" in pathlib.Path(PROGRAM).read_bytes()


def steps(count):
    """`count`, or as many steps as take a sanitizer about as long."""
    return count // 10 if is_sanitized() else count


class ProgramTest(unittest.TestCase):
    """Each test has its own directory with a text file text.txt in it."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="minimoe-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        (self.dir / "text.txt").write_text(some_text())

    def call(self, *args, env=None, memory=None):
        """Runs the program, with at most `memory` bytes of its own (not under a sanitizer); its exit code, stdout and
        stderr are in the answer."""
        limit = memory and not is_sanitized() and (lambda: resource.setrlimit(resource.RLIMIT_DATA, (memory, memory)))
        return subprocess.run([PROGRAM, *map(str, args)], cwd=self.dir, capture_output=True, text=True, errors="replace",
                              timeout=TIMEOUT, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, preexec_fn=limit or None)

    def succeed(self, *args):
        done = self.call(*args)
        self.assertEqual(done.returncode, 0, f"{args}: {done.stderr}")
        return done

    def json_of(self, *args):
        """stdout of a call, which must be one JSON document and nothing else."""
        return json.loads(self.succeed(*args).stdout)

    def tensor(self, path, name):
        """The float32 values of one tensor of a checkpoint."""
        data = (self.dir / path).read_bytes()
        size = int.from_bytes(data[:8], "little")
        begin, end = json.loads(data[8:8 + size])[name]["data_offsets"]
        return list(struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin:8 + size + end]))

    def metrics(self, run):
        return [json.loads(line) for line in (self.dir / run / "metrics.jsonl").read_text().splitlines()]


def main():
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
