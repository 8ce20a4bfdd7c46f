# SPDX-License-Identifier: Apache-2.0
"""What one call from Python costs, in microseconds: the best of 100 rounds of 200, with the library's own work in it
(which bench/capi_overhead measures from C). Exits with 1 when a call costs more than --limit. Needs the package installed."""

import argparse
import timeit

import numpy as np

import minimoe
from minimoe import _calls as raw


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=5.0, help="microseconds a call may cost")
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    quiet = minimoe.Options(num_threads=1, log=False)
    layer = minimoe.MoELayer(d_model=1, num_experts=1, top_k=1, d_expert=1, gate_order="softmax_topk", options=quiet)
    model = minimoe.Model(vocab_size=16, d_model=8, num_heads=1, d_ff=8, options=quiet)
    token = minimoe.CancelToken()
    bias, name = np.zeros(1, np.float32), "expert_bias"
    calls = {
        "raw: a number out (model_generation)": lambda: raw.minimoe_model_generation(model._handle),
        "raw: an array out (moe_layer_parameter_get)":
            lambda: raw.minimoe_moe_layer_parameter_get(layer._handle, name, bias),
        "raw: an array in (moe_layer_parameter_set)":
            lambda: raw.minimoe_moe_layer_parameter_set(layer._handle, name, bias),
        "CancelToken.fired": lambda: token.fired,
        "Model.generation": lambda: model.generation,
        "MoELayer.parameter(out=)": lambda: layer.parameter(name, bias),
        "MoELayer.set_parameter": lambda: layer.set_parameter(name, bias),
        "MoELayer.bind_parameter": lambda: layer.bind_parameter(name, bias),
        "MoELayer.zero_gradients": layer.zero_gradients,
    }
    slow = []
    for what, call in calls.items():
        seconds = min(timeit.repeat(call, number=200, repeat=options.rounds)) / 200
        print(f"{what:48} {seconds * 1e6:6.2f} us")
        if seconds * 1e6 > options.limit:
            slow.append(what)
    if slow:
        print(f"above {options.limit} us: {', '.join(slow)}")
    return bool(slow)


if __name__ == "__main__":
    raise SystemExit(main())
