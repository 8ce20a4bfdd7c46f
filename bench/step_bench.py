# SPDX-License-Identifier: Apache-2.0
"""One training step of libminimoe beside PyTorch's: the same models, the same cores, runs in turn, minimum of all steps.

    python3 bench/step_bench.py build/bin/minimoe [--threads 1] [--rounds 3] [--steps 30] [--mid] [--json FILE]

Each process is pinned to the first --threads cores. Without PyTorch (in this Python, or in the one that $TORCH_PYTHON names) only
our figures are printed. Quote the ratio, not the milliseconds: another CPU has other figures.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

PEER = pathlib.Path(__file__).with_name("peer_torch.py")


def run(command, threads):
    cores = set(sorted(os.sched_getaffinity(0))[:threads])
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--mid", action="store_true", help="the mid-size models too (seconds a step)")
    parser.add_argument("--json", help="write every run's figures to this file")
    options = parser.parse_args()

    torch_python = os.environ.get("TORCH_PYTHON", sys.executable)
    has_torch = subprocess.run([torch_python, "-c", "import torch"], capture_output=True).returncode == 0
    cases = [("lab", "--moe"), ("lab", "--dense")] + ([("mid", "--moe"), ("mid", "--dense")] if options.mid else [])
    runs = []
    print(f"{'ms a step, ' + str(options.threads) + ' thread(s)':<26}{'ours':>10}{'torch':>10}{'ratio':>8}{'MB ours':>9}{'MB torch':>9}")
    for size, kind in cases:
        steps = str(options.steps if size == "lab" else max(2, options.steps // 10))
        arguments = ["--size", size, kind, "--threads", str(options.threads), "--steps", steps]
        ours, torch = [], []
        for _ in range(options.rounds):
            ours.append(run([options.program, "bench", *arguments, "--json"], options.threads))
            if has_torch:
                torch.append(run([torch_python, str(PEER), *arguments], options.threads))
        runs += [{"library": "libminimoe", **r} for r in ours] + [{"library": "torch", **r} for r in torch]
        best = min(r["ms_per_step"]["min"] for r in ours)
        line = f"{size + ' ' + kind[2:]:<26}{best:>10.2f}"
        if torch:
            peer = min(r["ms_per_step"]["min"] for r in torch)
            line += f"{peer:>10.2f}{best / peer:>8.2f}{max(r['peak_rss_mb'] for r in ours):>9.0f}{max(r['peak_rss_mb'] for r in torch):>9.0f}"
        else:
            line += f"{'-':>10}{'-':>8}{max(r['peak_rss_mb'] for r in ours):>9.0f}{'-':>9}"
        print(line, flush=True)
    if not has_torch:
        print("PyTorch is not installed here: pip install torch, or set TORCH_PYTHON to a Python that has it.")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
