# SPDX-License-Identifier: Apache-2.0
"""A step of two threads on a machine that is busy: with one other process that computes on each core, over idle.

    python3 bench/load.py build/bin/minimoe [--rounds 3] [--steps 60] [--json FILE]

Idle and busy in turn; medians, since the fastest step of a busy machine is one that nobody disturbed. Threads that wait by
spinning lose whole time slices here; half of the cores would give 2.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from contenders import run


class Busy:
    """One process that computes on each of the first cores."""

    def __init__(self, threads):
        self.cores = sorted(os.sched_getaffinity(0))[:threads]

    def __enter__(self):
        self.processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"],
                                           preexec_fn=lambda core=core: os.sched_setaffinity(0, {core}))
                          for core in self.cores]

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    results = []
    print(f"{f'ms, {options.threads} threads':<18}{'idle':>9}{'busy':>9}{'ratio':>7}")
    for size in ("lab", "mid"):
        steps = options.steps if size == "lab" else max(3, options.steps // 20)
        command = [options.program, "bench", "--size", size, "--moe", "--threads", str(options.threads), "--steps",
                   str(steps), "--json"]
        idle, busy = [], []
        for _ in range(options.rounds):
            idle.append(run(command, options.threads)["ms_per_step"]["median"])
            with Busy(options.threads):
                busy.append(run(command, options.threads)["ms_per_step"]["median"])
        result = {"row": f"{size} moe", "threads": options.threads, "idle_ms": statistics.median(idle),
                  "busy_ms": statistics.median(busy), "ratio": statistics.median(busy) / statistics.median(idle)}
        results.append(result)
        print(f"{result['row']:<18}{result['idle_ms']:>9.2f}{result['busy_ms']:>9.2f}{result['ratio']:>7.2f}", flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
