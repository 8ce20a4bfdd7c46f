#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times one-token decoding, float32, greedy, beside llama.cpp's.

Usage: decode.py [--threads N] [--tokens N] [--rounds N] [MODEL=FILE.gguf ...]. Needs the package minimoe; MODEL is one of those
below, and FILE.gguf a llama model of its sizes for llama.cpp, which runs when the package xllamacpp is there. The two take turns,
the least time of all rounds is printed; CPU time, which a busy machine disturbs less, beside that of the wall. llama.cpp's has
its server's part of a token in it, sampling included, as ours has that of Python."""
import argparse
import time

import minimoe

SIZES = {
    "lab": {"vocab_size": 512, "num_layers": 2, "d_model": 64, "num_heads": 4, "d_ff": 192},
    "mid": {"vocab_size": 8192, "num_layers": 4, "d_model": 512, "num_heads": 8, "d_ff": 1408},
}
CONTEXT, PROMPT = 256, [10, 11, 12]


def ours(sizes, threads):
    model = minimoe.Model({"model": {"preset": "llama", "max_seq_len": CONTEXT, **sizes}},
                          options=minimoe.Options(num_threads=threads))

    def run(count):
        stream = model.stream(PROMPT, count, temperature=0)
        next(stream)
        begin = time.perf_counter(), time.process_time()
        done = sum(1 for _ in stream)
        return (time.perf_counter() - begin[0]) / done, (time.process_time() - begin[1]) / done

    return run


def llama_cpp(path, threads):
    import xllamacpp
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = path, CONTEXT, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)

    def run(count):
        def ask(n):
            begin = time.perf_counter(), time.process_time()
            server.handle_completions({"prompt": PROMPT, "n_predict": n, "temperature": 0, "ignore_eos": True,
                                       "cache_prompt": False})
            return time.perf_counter() - begin[0], time.process_time() - begin[1]
        one, all_ = ask(1), ask(count)
        return tuple((b - a) / (count - 1) for a, b in zip(one, all_))

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("peers", nargs="*", metavar="MODEL=FILE.gguf")
    args = parser.parse_args()
    files = dict(peer.split("=", 1) for peer in args.peers)
    for name, sizes in SIZES.items():
        contenders = {"minimoe": ours(sizes, args.threads)}
        if name in files:
            contenders["llama.cpp"] = llama_cpp(files[name], args.threads)
        least = dict.fromkeys(contenders, (float("inf"),) * 2)
        for _ in range(args.rounds):
            for contender, run in contenders.items():
                least[contender] = tuple(map(min, least[contender], run(args.tokens)))
        for contender, (wall, cpu) in least.items():
            print(f"{name} {contender}, {args.threads} threads: {wall * 1e6:.0f} us a token, {cpu * 1e6:.0f} us of CPU", flush=True)


if __name__ == "__main__":
    main()
