# SPDX-License-Identifier: Apache-2.0
"""One training step of libminimoe beside its peers': the same models, the same cores, in turn, minimum of all steps.

    python3 bench/step_bench.py build/bin/minimoe [--threads 1] [--rounds 3] [--steps 30] [--mid] [--json FILE]

Each process is pinned to the first --threads cores. $TORCH_PYTHON names a Python with PyTorch (default: this one), $HF_PYTHON one with
transformers as well; what is not installed has no column. "of peak" is the model's FLOPs a second over what multiply-adds alone
reached in the same process. The last rows are one layer, forward and backward: minimoe.torch's (below build/python, beside the
program) against PyTorch's. Ratios are ours over theirs, below 1 in our favour; quote them, not the milliseconds.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from contenders import can_import, in_turn, least

HERE = pathlib.Path(__file__).resolve().parent
SWIGLU = ["--set", "model.preset=llama", "--set", "model.moe.d_expert=672"]  # what the peer's Mixtral has
COLUMNS = ["torch", "compile", "mixtral"]


def has_bf16_instructions():
    """Without them both sides emulate, a step takes PyTorch a minute, and the ratio says nothing."""
    cpu = pathlib.Path("/proc/cpuinfo")
    return cpu.exists() and " avx512_bf16" in cpu.read_text()


def cases(options, torch, mixtral):
    """(name, column -> command) of each row of models."""
    for size, kind in [("lab", "moe"), ("lab", "dense")] + ([("mid", "moe"), ("mid", "dense")] if options.mid else []):
        steps = str(options.steps if size == "lab" else max(2, options.steps // 10))
        arguments = ["--size", size, f"--{kind}", "--threads", str(options.threads), "--steps", steps]
        row = {"ours": [options.program, "bench", *arguments, "--profile", "--json"]}
        if torch:
            peer = [torch, str(HERE / "peer_torch.py"), *arguments]
            row["torch"] = peer
            if not options.no_compile:
                row["compile"] = [*peer, "--compile"]
        yield f"{size} {kind}", row
        if (size, kind) != ("mid", "moe"):
            continue
        bf16 = {"ours": [*row["ours"], "--set", "train.precision=bf16"]}
        if has_bf16_instructions():
            yield "mid moe, bf16", {**bf16, "torch": [*row["torch"], "--bf16"]} if torch else bf16
        if mixtral:
            yield "mid moe, SwiGLU", {"ours": [*row["ours"], *SWIGLU],
                                      "mixtral": [mixtral, str(HERE / "peer_torch.py"), *arguments, "--hf", "grouped_mm"]}


def line_of(name, found):
    ours = least(found["ours"])
    cells = [f"{name:<18}", f"{ours['ms_per_step']['min']:>9.2f}", f"{ours['fma_peak_fraction']:>8.2f}",
             f"{max(r['peak_rss_mb'] for r in found['ours']):>7.0f}"]
    for column in COLUMNS:
        if column in found:
            peer = least(found[column])["ms_per_step"]["min"]
            cells.append(f"{peer:>10.2f}{ours['ms_per_step']['min'] / peer:>6.2f}"
                         f"{max(r['peak_rss_mb'] for r in found[column]):>7.0f}")
        else:
            cells.append(f"{'-':>10}{'':>13}")
    return "".join(cells)


def layers(options, torch):
    """The rows of bench/torch_layer.py; [] where it cannot run."""
    package = pathlib.Path(options.program).resolve().parent.parent / "python"
    environment = {**os.environ, "PYTHONPATH": f"{package}:{os.environ.get('PYTHONPATH', '')}"}
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "layers.json"
        command = [torch, str(HERE / "torch_layer.py"), "--threads", str(options.threads), "--json", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode == 0:
            return json.loads(file.read_text())
    print(f"minimoe.torch's layer was not measured: {done.stderr.strip().splitlines()[-1]}")
    return []


def print_layers(rows):
    for size in dict.fromkeys(row["size"] for row in rows):
        of_size = {row["layer"]: row for row in rows if row["size"] == size}
        ours = of_size.pop("minimoe.torch")["ms"]
        peers = ", ".join(f"{name} {row['ms']:.2f} ({ours / row['ms']:.2f})" for name, row in of_size.items())
        print(f"{'layer, ' + size:<18}{ours:>9.2f}   {peers}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--mid", action="store_true", help="the mid-size models too (seconds a step)")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes a minute to start")
    parser.add_argument("--json", help="write every run's figures to this file")
    options = parser.parse_args()

    torch = os.environ.get("TORCH_PYTHON", sys.executable)
    torch = torch if can_import(torch, "torch") else None
    mixtral = os.environ.get("HF_PYTHON", torch)
    mixtral = mixtral if can_import(mixtral, "torch, transformers") else None
    peers = "".join(f"{name:>10}{'ratio':>6}{'MB':>7}" for name in COLUMNS)
    print(f"{f'ms, {options.threads} thread(s)':<18}{'ours':>9}{'of peak':>8}{'MB':>7}{peers}")
    steps = []
    for name, commands in cases(options, torch, mixtral):
        found = in_turn(commands, options.rounds, options.threads)
        steps.append({"row": name, "threads": options.threads, "runs": found})
        print(line_of(name, found), flush=True)
    layer_rows = layers(options, torch) if torch else []
    print_layers(layer_rows)
    if not torch:
        print("PyTorch is not installed here: pip install torch, or set TORCH_PYTHON to a Python that has it.")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"steps": steps, "layers": layer_rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
