# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of this directory share: programs that print one JSON document, run on the first cores in turn."""
import json
import os
import subprocess
import sys


def run(command, threads, environment=None):
    """The last line that `command` prints, read as JSON; pinned to the first `threads` cores."""
    cores = set(sorted(os.sched_getaffinity(0))[:threads])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})},
                          preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def can_import(python, modules):
    return bool(python) and subprocess.run([python, "-c", f"import {modules}"], capture_output=True).returncode == 0


def in_turn(contenders, rounds, threads):
    """Runs all `contenders` (name -> command) `rounds` times, one after the other. Gives name -> list of documents."""
    found = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, command in contenders.items():
            found[name].append(run(command, threads))
    return found


def least(documents):
    """Of these runs the one with the fastest step."""
    return min(documents, key=lambda document: document["ms_per_step"]["min"])
