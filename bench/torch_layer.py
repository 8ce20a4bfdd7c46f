# SPDX-License-Identifier: Apache-2.0
"""Forward and backward of minimoe.torch's MoE layer beside the same layer in PyTorch, on the same cores, in turn.

    PYTHONPATH=build/python python3 bench/torch_layer.py [--threads 1] [--repetitions 40] [--size lab|large] [--json FILE]

All have the same weights, tokens, gradient of the output, and balance loss (coefficient 0.01). Each repetition begins
without gradients, as after zero_grad(). The minimum of the repetitions counts; the ratio is PyTorch's over ours, above 1
being in our favour. Quote ratios: another CPU has other figures.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import time

SIZES = {
    "lab": dict(d_model=64, d_expert=256, num_experts=4, top_k=2, num_tokens=1024),
    "large": dict(d_model=512, d_expert=1024, num_experts=8, top_k=2, num_tokens=2048),
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--repetitions", type=int, default=40)
parser.add_argument("--size", choices=SIZES, action="append", help="both when left out")
parser.add_argument("--json", help="write every figure to this file")
options = parser.parse_args()
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:options.threads]))  # before the pools start

try:
    import torch
except ImportError:
    sys.exit("PyTorch is not installed in this Python: pip install torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import peer_torch  # noqa: E402
from minimoe.torch import from_experts  # noqa: E402


class Grouped(nn.Module):
    """The rows of all experts sorted together, and one grouped product a matrix."""

    def __init__(self, loop):
        super().__init__()
        self.E, self.k, self.router = loop.E, loop.k, loop.router
        stack = {name: torch.stack([getattr(getattr(e, layer), kind).detach() for e in loop.experts])
                 for name, layer, kind in (("w1", "up", "weight"), ("b1", "up", "bias"), ("w2", "down", "weight"),
                                           ("b2", "down", "bias"))}
        for name, value in stack.items():
            self.register_parameter(name, nn.Parameter(value))

    def forward(self, x):
        p = self.router(x).softmax(-1)
        w, chosen = p.topk(self.k, -1)
        w = w / w.sum(-1, keepdim=True)
        order = chosen.flatten().argsort(stable=True)
        expert, token = chosen.flatten()[order], order // self.k
        ends = torch.bincount(chosen.flatten(), minlength=self.E).cumsum(0).to(torch.int32)
        h = F.gelu(grouped_mm(x[token], self.w1.transpose(1, 2), ends) + self.b1[expert], approximate="tanh")
        rows = (grouped_mm(h, self.w2.transpose(1, 2), ends) + self.b2[expert]) * w.flatten()[order, None]
        f = F.one_hot(chosen, self.E).float().mean((0, 1))
        return torch.zeros_like(x).index_add(0, token, rows), self.E * (f * p.mean(0)).sum()


def grouped_mm(a, b, ends):
    return (F.grouped_mm if hasattr(F, "grouped_mm") else torch._grouped_mm)(a, b, offs=ends)


class Ours(nn.Module):
    def __init__(self, loop):
        super().__init__()
        self.layer = from_experts(loop.router, loop.experts, top_k=loop.k, aux_loss_coef=0.01)

    def forward(self, x):
        return self.layer(x), None  # the balance loss is in its gradient


def run(module, x, d_y):
    """Seconds of forward and of backward."""
    module.zero_grad()
    x.grad = None
    start = time.perf_counter()
    y, aux = module(x)
    middle = time.perf_counter()
    if aux is None:
        y.backward(d_y)
    else:
        torch.autograd.backward([y, 0.01 * aux], [d_y, None])
    return middle - start, time.perf_counter() - middle


def measure(name, size):
    torch.manual_seed(0)
    loop = peer_torch.MoE(size["d_model"], size["d_expert"], size["num_experts"], size["top_k"])
    x = torch.randn(size["num_tokens"], size["d_model"], requires_grad=True)
    d_y = torch.randn_like(x)
    modules = {"minimoe.torch": Ours(loop), "loop over experts": loop, "grouped_mm": Grouped(loop)}
    expected = loop(x)[0].detach()
    for label in list(modules):
        try:
            run(modules[label], x, d_y)
        except (RuntimeError, AttributeError) as error:
            print(f"{label} does not run here: {str(error).splitlines()[0]}")
            del modules[label]
            continue
        error = float((modules[label](x)[0].detach() - expected).norm() / expected.norm())
        if error > 1e-5:
            sys.exit(f"{label}: its output differs by {error:.1e}")
    times = {label: [] for label in modules}
    for _ in range(options.repetitions):
        for label, module in modules.items():
            times[label].append(run(module, x, d_y))
    ours = min(map(sum, times["minimoe.torch"]))
    results = []
    for label, pairs in times.items():
        totals = [sum(pair) for pair in pairs]
        result = {"size": name, "threads": options.threads, "layer": label, "ms": 1e3 * min(totals),
                  "median_ms": 1e3 * statistics.median(totals), "forward_ms": 1e3 * min(f for f, _ in pairs),
                  "backward_ms": 1e3 * min(b for _, b in pairs), "ratio": min(totals) / ours}
        results.append(result)
        print(f"{name:<7}{label:<20}{result['forward_ms']:>9.2f}{result['backward_ms']:>10.2f}{result['ms']:>9.2f}"
              f"{result['median_ms']:>9.2f}{result['ratio']:>8.2f}", flush=True)
    return results


def main():
    torch.set_num_threads(options.threads)
    print(f"PyTorch {torch.__version__}, {options.threads} thread(s), least of {options.repetitions} repetitions, ms")
    print(f"{'size':<7}{'layer':<20}{'forward':>9}{'backward':>10}{'both':>9}{'median':>9}{'ratio':>8}")
    results = [result for name in options.size or SIZES for result in measure(name, SIZES[name])]
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
