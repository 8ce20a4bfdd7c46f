# SPDX-License-Identifier: Apache-2.0
"""Peak memory of `minimoe analyze --hf` on a checkpoint far larger than one of its layers.

Usage: microscope.py PROGRAM [--layers 16] [--d-model 1024] [--d-expert 1280] [--experts 8] [--windows 16] [--seq-len 256]

Writes a Mixtral of random bfloat16 weights (1.1 GB as it stands) and a file of random token ids into a temporary
directory, analyzes it, and prints the peak resident memory beside what the layers take."""
import argparse
import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time

VOCAB = 4096


def tensors(o):
    d, kv = o.d_model, o.d_model // 4
    yield "model.embed_tokens.weight", [VOCAB, d]
    for n in range(o.layers):
        layer = f"model.layers.{n}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{layer}{norm}.weight", [d]
        for name, rows, columns in (("q", d, d), ("k", kv, d), ("v", kv, d), ("o", d, d)):
            yield f"{layer}self_attn.{name}_proj.weight", [rows, columns]
        yield layer + "block_sparse_moe.gate.weight", [o.experts, d]
        for e in range(o.experts):
            for name, shape in (("w1", [o.d_expert, d]), ("w3", [o.d_expert, d]), ("w2", [d, o.d_expert])):
                yield f"{layer}block_sparse_moe.experts.{e}.{name}.weight", shape
    yield "model.norm.weight", [d]
    yield "lm_head.weight", [VOCAB, d]


def bfloat16(values):
    return b"".join(struct.pack("<f", v)[2:] for v in values)


def write_checkpoint(directory, o):
    draw = random.Random(1)
    some = bfloat16(draw.gauss(0, 0.02) for _ in range(1 << 18))
    header, size = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors(o):
        count = 2
        for extent in shape:
            count *= extent
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [size, size + count]}
        size += count
    text = json.dumps(header).encode()
    with open(directory / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            left = entry["data_offsets"][1] - entry["data_offsets"][0]
            if name.endswith("norm.weight"):
                file.write(bfloat16([1.0]) * (left // 2))
                continue
            while left > 0:
                begin = 2 * draw.randrange(1 << 17)
                left -= file.write(some[begin:begin + left])
    config = {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "vocab_size": VOCAB, "hidden_size": o.d_model,
              "intermediate_size": o.d_expert, "num_hidden_layers": o.layers, "num_attention_heads": o.d_model // 64,
              "num_key_value_heads": o.d_model // 256, "num_local_experts": o.experts, "num_experts_per_tok": 2,
              "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "rope_theta": 1e6, "tie_word_embeddings": False,
              "hidden_act": "silu", "sliding_window": None, "torch_dtype": "bfloat16"}
    (directory / "config.json").write_text(json.dumps(config))
    tokens = (o.seq_len + 1) * o.windows
    ids = [min(int(draw.paretovariate(0.7)), VOCAB - 1) for _ in range(tokens)]
    (directory / "ids.bin").write_bytes(struct.pack(f"<{tokens}H", *ids))
    return size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    for name, value in (("layers", 16), ("d-model", 1024), ("d-expert", 1280), ("experts", 8), ("windows", 16), ("seq-len", 256)):
        parser.add_argument(f"--{name}", type=int, default=value)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="minimoe-microscope-") as scratch:
        directory = pathlib.Path(scratch)
        size = write_checkpoint(directory, o)
        began = time.monotonic()
        subprocess.run([os.path.abspath(o.program), "analyze", "--hf", directory, "--text", directory / "ids.bin",
                        f"--seq-len={o.seq_len}", f"--max-windows={o.windows}", "--out", directory / "out", "--threads=1"],
                       check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        health = json.loads((directory / "out/health.json").read_text())
        assert len(health["layers"]) == o.layers
    layer = 4 * (2.5 * o.d_model**2 + 3 * o.d_model * o.d_expert * o.experts)
    stream = 4 * o.d_model * o.seq_len * o.windows
    mb = 1e6
    print(f"checkpoint {size / mb:.0f} MB (bfloat16), {o.layers} layers of {layer / mb:.0f} MB in float32; "
          f"{o.windows * o.seq_len} tokens: residual stream {stream / mb:.0f} MB\n"
          f"peak {peak / mb:.0f} MB = {peak / layer:.2f} layers; {seconds:.0f} s", file=sys.stdout)


if __name__ == "__main__":
    main()
