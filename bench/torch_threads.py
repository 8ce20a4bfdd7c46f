# SPDX-License-Identifier: Apache-2.0
"""Two pools of threads in one process: torch's and minimoe's, used in turn by a model's layers, beside torch alone.

    PYTHONPATH=build/python python3 bench/torch_threads.py [--threads 2] [--rounds 3] [--repetitions 20] [--size lab|large]

The model is 4 blocks of LayerNorm, Linear and MoE layer, forward and backward. Every setting runs in a process of its own, as
often as there are rounds, one setting after the other. Milliseconds: the least and the median of all repetitions; the
processor time of all threads beside the median shows who waits by spinning.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

SIZES = {
    "lab": dict(d_model=64, d_expert=256, num_experts=4, top_k=2, num_tokens=1024),
    "large": dict(d_model=512, d_expert=1024, num_experts=8, top_k=2, num_tokens=2048),
}
NUM_BLOCKS = 4

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--repetitions", type=int, default=20)
parser.add_argument("--size", choices=SIZES, action="append", help="both when left out")
parser.add_argument("--setting", help=argparse.SUPPRESS)  # of the process of its own: JSON
options = parser.parse_args()


def run(layer, torch_threads, threads, size):
    """[[seconds, processor seconds]] of each repetition."""
    import torch
    from peer_torch import MoE
    torch.set_num_threads(torch_threads)
    torch.manual_seed(0)
    d_model = size["d_model"]

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.linear = torch.nn.LayerNorm(d_model), torch.nn.Linear(d_model, d_model)
            self.moe = MoE(d_model, size["d_expert"], size["num_experts"], size["top_k"])
            if layer == "minimoe":
                from minimoe.torch import from_experts
                self.moe = from_experts(self.moe.router, self.moe.experts, top_k=size["top_k"], num_threads=threads)

        def forward(self, x):
            y = self.moe(self.linear(self.norm(x)))
            return x + (y if layer == "minimoe" else y[0])

    model = torch.nn.Sequential(*(Block() for _ in range(NUM_BLOCKS)))
    x = torch.randn(size["num_tokens"], d_model)
    times = []
    for _ in range(2 + options.repetitions):
        model.zero_grad()
        wall, processor = time.perf_counter(), time.process_time()
        model(x).square().mean().backward()
        times.append([time.perf_counter() - wall, time.process_time() - processor])
    return times[2:]


def main():
    n = options.threads
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:n]))  # before the pools start
    settings = [("torch", 1, 0), ("torch", n, 0), ("minimoe", 1, 1), ("minimoe", n, 1), ("minimoe", 1, n), ("minimoe", n, n)]
    for name in options.size or SIZES:
        times = {setting: [] for setting in settings}
        for _ in range(options.rounds):
            for setting in settings:
                command = [sys.executable, __file__, "--repetitions", str(options.repetitions), "--setting",
                           json.dumps([*setting, SIZES[name]])]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                times[setting] += json.loads(done.stdout)
        print(f"{name:<8}{'MoE layer':<10}{'torch threads':>14}{'its threads':>13}{'least':>9}{'median':>9}{'processor':>11}")
        for (layer, torch_threads, threads), pairs in times.items():
            wall, processor = (sorted(1e3 * pair[i] for pair in pairs) for i in (0, 1))
            print(f"{name:<8}{layer:<10}{torch_threads:>14}{threads or torch_threads:>13}{wall[0]:>9.2f}"
                  f"{statistics.median(wall):>9.2f}{statistics.median(processor):>11.2f}", flush=True)


if __name__ == "__main__":
    if options.setting:
        print(json.dumps(run(*json.loads(options.setting))))
    else:
        main()
