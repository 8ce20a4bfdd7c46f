# SPDX-License-Identifier: Apache-2.0
"""How the cost of a step grows: with tokens, experts, width, threads and sequence length, everything else held.

    python3 bench/scaling.py build/bin/minimoe [--rounds 3] [--steps 3] [--only AXIS] [--out DIR]

One mid-size block (d_model 512, 8 heads, MoE of 8 experts of 1,024, K = 2, 2,048 tokens, vocabulary of 256) unless the axis
says otherwise, one thread; the points of an axis in turn. Of each operation its least time over the rounds counts, and a step
is their sum, so that a disturbance has to strike the same operation in every round to show. Writes scaling.json and, with gnuplot,
scaling.svg and scaling.png into DIR (build/bench). The cost of the MoE layer is that of its operations in the
profile, forward and backward; "attention aside" is the step less the attention kernels.
"""
import argparse
import json
import pathlib
import subprocess

from contenders import in_turn, least

LAYER = ("router", "dispatch", "experts")
BLOCK = {"model.num_layers": 1, "model.moe.layers": [0], "model.vocab_size": 256}


def sets(values):
    return [word for key, value in values.items() for word in ("--set", f"{key}={json.dumps(value)}")]


def block(**changes):
    """Flags of the one block; `changes` with the dots of their keys written as two underscores."""
    return ["--size", "mid", "--moe", *sets({**BLOCK, **{key.replace("__", "."): v for key, v in changes.items()}})]


def axes():
    """axis -> [(value, flags, threads)]"""
    sequences = [(256, 16), (512, 8), (1024, 4), (2048, 2), (4096, 1)]
    return {
        "tokens": [(256 * batch, block(train__batch_size=batch), 1) for batch in (1, 2, 4, 8, 16)],
        "experts": [(count, block(model__moe__num_experts=count, model__moe__d_expert=128), 1) for count in (4, 8, 16, 32, 64)],
        "width": [(width, block(model__d_model=width, model__num_heads=width // 64, model__moe__d_expert=2 * width), 1)
                  for width in (64, 128, 256, 512, 1024)],
        "threads, lab": [(threads, ["--size", "lab", "--moe"], threads) for threads in (1, 2)],
        "threads, mid": [(threads, ["--size", "mid", "--moe"], threads) for threads in (1, 2)],
        "sequence": [(length, block(train__seq_len=length, train__batch_size=batch, model__max_seq_len=length), 1)
                     for length, batch in sequences],
    }


def least_times(documents):
    """operation -> ms, forward, backward and step together."""
    times = {}
    for document in documents:
        for entry in document["profile"]["operations"]:
            key = entry["operation"], entry["pass"]
            times[key] = min(entry["ms"], times.get(key, entry["ms"]))
    sums = {}
    for (operation, _), ms in times.items():
        sums[operation] = sums.get(operation, 0) + ms
    return sums


def measure(program, points, rounds, steps):
    commands = {value: [program, "bench", *flags, "--threads", str(threads), "--steps", str(steps), "--warmup", "1",
                        "--profile", "--json"] for value, flags, threads in points}
    most = max(threads for _, _, threads in points)
    result = []
    for value, documents in in_turn(commands, rounds, most).items():
        times, last = least_times(documents), documents[-1]
        ms = sum(times.values())
        peak = max(document["fma_peak_gflops"] for document in documents)
        flops = last["train_flops_per_token"] * last["tokens_per_step"]
        result.append({"value": value, "ms": ms, "fastest_step_ms": least(documents)["ms_per_step"]["min"],
                       "tokens": last["tokens_per_step"], "layer_ms": sum(times.get(operation, 0) for operation in LAYER),
                       "attention_ms": times["attention"], "fma_peak_fraction": flops / ms * 1e-6 / peak,
                       "peak_rss_mb": max(document["peak_rss_mb"] for document in documents), "operations_ms": times})
    return result


PANELS = [  # axis, title, x label, y label, y of a point given the axis' first one, goal line or None
    ("tokens", "Tokens", "tokens a step", "us a token", lambda p, first: 1e3 * p["ms"] / p["tokens"], None),
    ("experts", "Experts (K = 2, d_expert 128)", "experts", "MoE layer, time over that of E = 4",
     lambda p, first: p["layer_ms"] / first["layer_ms"], 1.2),
    ("width", "Width", "d_model", "share of the FMA peak", lambda p, first: p["fma_peak_fraction"], None),
    ("sequence", "Sequence length, 4,096 tokens", "seq_len", "step less attention, over S = 256",
     lambda p, first: (p["ms"] - p["attention_ms"]) / (first["ms"] - first["attention_ms"]), 1.02),
]


def draw(results, directory):
    script = ["set encoding utf8", "unset key", "set grid ytics lc rgb '#dddddd'", "set border 3", "set tics nomirror",
              "set logscale x 2"]
    for kind, terminal in (("svg", "svg size 960,700 noenhanced font 'DejaVu Sans,Verdana,sans-serif,15' background rgb 'white'"),
                           ("png", "pngcairo size 1920,1400 noenhanced font 'DejaVu Sans,12' fontscale 2 linewidth 2 pointscale 2")):
        script += [f"set terminal {terminal}", f"set output '{directory / ('scaling.' + kind)}'",
                   "set multiplot layout 2,2 margins 0.08,0.97,0.09,0.93 spacing 0.12,0.17"]
        for axis, title, x, y, of, goal in PANELS:
            points = [(p["value"], of(p, results[axis][0])) for p in results[axis]]
            top = 1.15 * max([value for _, value in points] + [goal or 0])
            script += [f"$data << END\n{chr(10).join(f'{a} {b:.6g}' for a, b in points)}\nEND",
                       f"set title '{title}'", f"set xlabel '{x}'", f"set ylabel '{y}'", f"set yrange [0:{top:.4g}]",
                       f"set xrange [{points[0][0] / 1.1:.4g}:{points[-1][0] * 1.1:.4g}]",
                       f"set xtics ({', '.join(str(a) for a, _ in points)})"]
            line = f", {goal} with lines lc rgb '#888888' dt 2" if goal else ""
            script.append(f"plot $data with linespoints pt 7 lc rgb '#1f5fa8'{line}")
        script += ["unset multiplot", "unset output"]
    subprocess.run(["gnuplot", "-"], input="\n".join(script) + "\n", text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--only", choices=axes(), action="append", help="this axis; the others stay as DIR has them")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/bench"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "scaling.json"
    results = json.loads(file.read_text()) if options.only and file.exists() else {}
    for axis, points in axes().items():
        if options.only and axis not in options.only:
            continue
        results[axis] = measure(options.program, points, options.rounds, options.steps)
        print(axis)
        for p in results[axis]:
            print(f"  {p['value']:>6}{p['ms']:>10.2f} ms, layer {p['layer_ms']:.2f}, attention {p['attention_ms']:.2f}, "
                  f"{p['fma_peak_fraction']:.2f} of the FMA peak, {p['peak_rss_mb']:.0f} MB", flush=True)
        file.write_text(json.dumps(results, indent=1) + "\n")
    if all(axis in results for axis, *_ in PANELS):
        draw(results, options.out)


if __name__ == "__main__":
    main()
