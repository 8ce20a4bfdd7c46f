# SPDX-License-Identifier: Apache-2.0
"""golden_results.py MANIFEST RESULTS: what the golden cases give through the Python package, in the format of
tests/golden/bindings/README.md. Texts go in and come out by the raw layer, which does not parse them; arrays, training
and errors by the package."""

import functools
import json
import os
import sys
import threading
import time

import numpy as np

import minimoe
from minimoe import raw

M64 = (1 << 64) - 1


def hashed(tag, i):
    m = (tag * 7919 + i * 104729 + 1) % 1000003
    return m * m % 1000003


def fill(tag, count, scale, period=None):
    values = [(hashed(tag, j % (period or count)) % 1009 - 504) * scale for j in range(count)]
    return np.array(values, np.float64).astype(np.float32)


def tokens(tag, count, vocab_size, dtype=np.int32):
    return np.array([(i * i + hashed(tag, i) % 3) % vocab_size for i in range(count)], dtype)


def f32(values):
    return {"f32": np.ascontiguousarray(values).reshape(-1).view(np.uint32).tolist()}


def f64(*values):
    return {"f64": [format(int(bits), "016x") for bits in np.array(values, np.float64).view(np.uint64)]}


def integers(values):
    return np.asarray(values).reshape(-1).tolist()


def file_hash(path):
    with open(path, "rb") as file:
        content = file.read()
    value = 0xCBF29CE484222325
    for byte in content:
        value = (value ^ byte) * 0x100000001B3 & M64
    return {"fnv1a64": format(value, "016x"), "size": len(content)}


def error_of(error):
    return {"error": error.status, "message": str(error)}


class Failed(Exception):
    """A handle could not be made: the whole result."""


def value(call):
    try:
        return call()
    except minimoe.Error as error:
        return error_of(error)


def made(call, key="create"):
    try:
        return call()
    except minimoe.Error as error:
        raise Failed({key: error_of(error)}) from None


def options(manifest, case):
    result = raw.minimoe_options()
    result.instruction_set, result.num_threads = manifest["instruction_set"], case["num_threads"]
    return result


def dataset_of(case, opts):
    if case["kind"] == "open":
        return made(lambda: minimoe.Dataset._of(raw.minimoe_dataset_open(case["json"], opts)))
    dataset = made(lambda: minimoe.Dataset._of(raw.minimoe_dataset_create(case["json"], opts)))
    ids = tokens(case["data_tag"], case["num_data"], case["vocab_size"], {"i32": np.int32, "u16": np.uint16}[case["kind"]])
    dataset.append(ids, (ids % case["num_classes"]).astype(np.uint8) if case["num_classes"] else None)
    return dataset


def set_parameters(target, case):
    for p, (name, count, period, scale) in enumerate(case["parameters"]):
        target.set_parameter(name, fill(case["tag"] + p, count, scale, period))


def model_of(text, opts, case=None):
    model = made(lambda: minimoe.Model._of(raw.minimoe_model_create(text, opts), None))
    if case:
        set_parameters(model, case)
    return model


def layer_of(text, opts):
    layer = minimoe.MoELayer.__new__(minimoe.MoELayer)
    layer._raw = made(lambda: raw.minimoe_moe_layer_create(text, opts))
    layer._bound = {}
    layer._config = json.loads(raw.minimoe_moe_layer_config(layer._handle))
    return layer


def trainer_of(model, dataset, text):
    trainer = minimoe.Trainer.__new__(minimoe.Trainer)
    trainer._raw = made(lambda: raw.minimoe_trainer_create(model._handle, dataset._handle, text))
    trainer.model, trainer.dataset = model, dataset
    return trainer


def library(case, opts):
    return {"version_number": minimoe.version_number(), "version_string": minimoe.__version__,
            "build_info": raw.minimoe_build_info(), "config_keys": raw.minimoe_config_keys(),
            "config_breaks": raw.minimoe_config_breaks(),
            "status_names": [raw.minimoe_status_name(code) for code in case["codes"]]}


def preset(case, opts):
    return {"preset": value(lambda: raw.minimoe_config_preset(case["preset"]))}


def config(case, opts):
    return {"resolved": value(lambda: raw.minimoe_config_resolve(case["config"])),
            "cost": value(lambda: raw.minimoe_config_cost(case["config"])),
            "memory": value(lambda: raw.minimoe_config_estimate_memory(case["config"], opts)),
            "variants": value(lambda: raw.minimoe_config_variants(case["config"])),
            "balancers": value(lambda: raw.minimoe_config_balancers(case["config"], case["kinds"]))}


def file(case, opts):
    with open(case["path"], "wb") as out:
        out.write(case["text"].encode())
    return {"file": file_hash(case["path"])}


def dataset(case, opts):
    data = dataset_of(case, opts)
    split, seed, index, seq_len = (case[key] for key in ("split", "seed", "index", "seq_len"))
    window = value(lambda: data.window(split, index, seq_len, seed=seed))
    failed = isinstance(window, dict)
    result = {"info": value(lambda: raw.minimoe_dataset_info(data._handle)),
              "num_windows": value(lambda: data.num_windows(split, seq_len)),
              "window.tokens": window if failed else integers(window.tokens),
              "window.classes": window if failed else integers(window.classes),
              "encoded": value(lambda: integers(data.encode(case["text"]))),
              "fitted": value(lambda: raw.minimoe_dataset_fit_config(data._handle, case["config"]))}
    if not failed:
        result["decoded"] = value(lambda: data.decode(window.tokens))
    for key, call in (("sentence", lambda: raw.minimoe_dataset_sentence(data._handle, split, seed, index)),
                      ("entropy_floor", lambda: f64(raw.minimoe_dataset_entropy_floor(
                          data._handle, split, seq_len, case["num_windows"])))):
        found = value(call)
        unsupported = isinstance(found, dict) and found.get("error") == "MINIMOE_E_UNSUPPORTED"
        result[key] = None if unsupported else found
    return result


def layer(case, opts):
    moe = layer_of(case["config"], opts)
    set_parameters(moe, case)
    count, width, tag = case["num_tokens"], case["d_model"], case["tag"]
    x = fill(tag + 100, count * width, case["x_scale"]).reshape(count, width)
    d_y = fill(tag + 101, count * width, case["d_y_scale"]).reshape(count, width)
    valid = case["valid"] or None
    result = {"config": raw.minimoe_moe_layer_config(moe._handle), "num_parameters": moe.num_parameters(),
              "parameter_info": [raw.minimoe_moe_layer_parameter_info(moe._handle, i)
                                 for i in range(moe.num_parameters())],
              "infer": value(lambda: f32(moe.infer(x, valid=valid)))}
    cache = made(lambda: minimoe.MoECache(moe, count))
    result["y"] = value(lambda: f32(moe.forward(cache, x, valid=valid, seq_len=case["seq_len"])))
    for key in ("topk_idx", "kept", "load"):
        result[key] = value(lambda key=key: integers(getattr(cache, key)()))
    for key in ("gate_weights", "router_logits", "router_probs"):
        result[key] = value(lambda key=key: f32(getattr(cache, key)()))
    metrics = value(cache.metrics)
    for name in minimoe.RoutingMetrics._fields:
        found = metrics if isinstance(metrics, dict) else getattr(metrics, name)
        result[f"metrics.{name}"] = f64(found) if isinstance(found, float) else found
    moe.zero_gradients()
    result["d_x"] = value(lambda: f32(moe.backward(cache, x, d_y, balance_scale=case["balance_scale"])))
    for name in case["gradients"]:
        result[f"gradient/{name}"] = value(lambda name=name: f32(moe.gradient(name)))
    for _ in range(case["bias_updates"]):
        moe.update_bias(cache.load())
    result["expert_bias"] = value(lambda: f32(moe.parameter("expert_bias")))
    return result


def model(case, opts):
    made_model = model_of(case["config"], opts, case)
    ids, seq_len, valid = tokens(case["tag"] + 100, case["num_tokens"], case["vocab_size"]), case["seq_len"], case["valid"] or None
    trace = value(lambda: made_model.routing_trace(ids, valid=valid, seq_len=seq_len))
    failed = isinstance(trace, dict)
    result = {"config": raw.minimoe_model_config(made_model._handle), "info": raw.minimoe_model_info(made_model._handle),
              "num_parameters": made_model.num_parameters(),
              "parameter_info": [raw.minimoe_model_parameter_info(made_model._handle, i)
                                 for i in range(made_model.num_parameters())],
              "logits": value(lambda: f32(made_model.forward(ids, valid=valid, seq_len=seq_len))),
              "trace.experts": trace if failed else integers(trace.experts),
              "trace.weights": trace if failed else f32(trace.weights),
              "trace.kept": trace if failed else integers(trace.kept),
              "generated": value(lambda: integers(minimoe._arrays.filled(np.int32, functools.partial(
                  raw.minimoe_model_generate, made_model._handle, ids[:case["prompt"]], case["generate"], None))))}
    for name in case["read"]:
        result[f"parameter/{name}"] = value(lambda name=name: f32(made_model.parameter(name)))
    path = case["path"]
    result["file"] = value(lambda: made_model.save(path) or file_hash(path))
    result["checkpoint_info"] = value(lambda: raw.minimoe_checkpoint_info(path))
    result["loaded.logits"] = value(lambda: f32(minimoe.Model._of(raw.minimoe_model_load(path, opts), None).forward(
        ids, valid=valid, seq_len=seq_len)))
    return result


def train(case, opts):
    data = dataset_of(case, opts)
    fitted = made(lambda: raw.minimoe_dataset_fit_config(data._handle, case["config"]))
    trained = model_of(fitted, opts, case)
    trainer = trainer_of(trained, data, fitted)
    result = {"config": raw.minimoe_trainer_config(trainer._handle)}
    if case["resume"]:
        made(lambda: trainer.resume(case["resume"]), "resume")
    result["step_before"] = trainer.step
    result["interference"] = value(lambda: raw.minimoe_trainer_interference(trainer._handle, None))
    steps, after = [], case["cancel_after"]
    if after != -1:
        steps += trainer.run(after)
        token = minimoe.CancelToken()
        token.fire()
        try:
            more = trainer.run(3, cancel=token)
        except minimoe.Cancelled as error:
            result["cancelled"], more = error_of(error), error.completed
        result["cancelled_steps"] = len(more)
        steps += more
    steps += trainer.steps(case["steps"] - len(steps))
    for name in minimoe.Step._fields:
        column = [getattr(step, name) for step in steps]
        whole = name in ("step", "num_tokens", "num_extra_passes")
        result[f"metrics.{name}"] = column if whole else f64(*column)
    result["step_after"] = trainer.step
    evaluation = value(lambda: trainer.evaluate(case["split"], case["max_windows"]))
    for name in minimoe.Evaluation._fields:
        found = evaluation if isinstance(evaluation, dict) else getattr(evaluation, name)
        result[f"evaluation.{name}"] = f64(found) if isinstance(found, float) else found
    for key, source in (("step", raw.MINIMOE_ROUTING_STEP), ("evaluation", raw.MINIMOE_ROUTING_EVALUATION)):
        result[f"routing.{key}"] = value(lambda source=source: raw.minimoe_trainer_routing(trainer._handle, source))
        result[f"loads.{key}"] = value(lambda key=key: integers(trainer.expert_loads(0, key)))
    result["health"] = value(lambda: raw.minimoe_trainer_health(trainer._handle, case["health"]))
    for name in case["read"]:
        result[f"parameter/{name}"] = value(lambda name=name: f32(trained.parameter(name)))
    path = case["path"]
    result["checkpoint"] = value(lambda: trainer.save(path) or file_hash(path))
    result["checkpoint_info"] = value(lambda: raw.minimoe_checkpoint_info(path))
    return result


def analyse(case, opts):
    data = dataset_of(case, opts)
    fitted = made(lambda: raw.minimoe_dataset_fit_config(data._handle, case["config"]))
    trained, split = model_of(fitted, opts, case), case["split"]
    return {"specialisation": value(lambda: raw.minimoe_model_specialisation(
                trained._handle, data._handle, split, case["specialisation"], None)),
            "capacity_report": value(lambda: raw.minimoe_model_capacity_report(
                trained._handle, data._handle, split, case["capacity"], None)),
            "probes": value(lambda: raw.minimoe_model_answer_probes(
                trained._handle, data._handle, split, case["max_count"], None))}


def health_check(case, opts):
    return {"health": value(lambda: raw.minimoe_health_check(case["log"], case["json"]))}


def load_statistics(case, opts):
    return {"statistics": value(lambda: raw.minimoe_load_statistics(np.array(case["load"], np.int64), case["top_k"]))}


def compare_verdict(case, opts):
    return {"verdict": value(lambda: raw.minimoe_compare_verdict(case["json"]))}


def compare_findings(case, opts):
    return {"findings": value(lambda: raw.minimoe_compare_findings(case["json"]))}


def run_findings(case, opts):
    return {"findings": value(lambda: raw.minimoe_run_findings(case["json"]))}


def break_findings(case, opts):
    return {"findings": value(lambda: raw.minimoe_break_findings(case["json"]))}


def fork_error(case, opts):
    """A child that was forked while another thread was inside a call: what it says of the trained model."""
    data = dataset_of(case, opts)
    torn, token = model_of(case["config"], opts), minimoe.CancelToken()
    trainer = trainer_of(torn, data, case["config"])

    def run():
        try:
            trainer.run(case["steps"], cancel=token)
        except minimoe.Cancelled:
            pass

    thread = threading.Thread(target=run)
    thread.start()
    answer = {}
    try:
        while "error" not in answer:
            time.sleep(0.005)
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(writer, json.dumps(value(lambda: torn.generation)).encode())
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader, "rb") as pipe:
                answer = json.loads(pipe.read())
            os.waitpid(child, 0)
            answer = answer if isinstance(answer, dict) else {}
    finally:
        token.fire()
        thread.join()
    return answer


def status(case, opts):
    kind = case["status"].removeprefix("MINIMOE_E_")
    needed = {}

    def call():
        if kind == "INVALID_ARGUMENT":
            return raw.minimoe_config_resolve(case["config"])
        if kind == "OUT_OF_MEMORY":
            return minimoe.MoECache(layer_of(case["config"], opts), case["max_tokens"])
        if kind in ("IO", "CORRUPT_FILE"):
            return raw.minimoe_model_load(case["path"], opts)
        if kind == "NON_FINITE":
            moe = layer_of(case["config"], opts)
            return moe.forward(minimoe.MoECache(moe, 1), np.full(case["count"], np.nan, np.float32))
        if kind == "UNSUPPORTED":
            return minimoe.Dataset._of(raw.minimoe_dataset_open(case["config"], opts)).append([1])
        if kind == "SHAPE":
            return layer_of(case["config"], opts).infer(np.zeros(case["count"], np.float32))
        if kind == "BUFFER_TOO_SMALL":
            moe, x = layer_of(case["config"], opts), np.zeros(case["count"], np.float32)
            needed["needed"] = raw.minimoe_moe_layer_infer(moe._handle, x, None, None)
            return raw.minimoe_moe_layer_infer(moe._handle, x, None, np.empty(case["count"] - 1, np.float32))
        if kind == "BUSY":
            data, busy = dataset_of(case, opts), model_of(case["config"], opts)
            first = trainer_of(busy, data, case["config"])
            return raw.minimoe_trainer_create(first.model._handle, data._handle, case["config"])
        if kind == "CANCELLED":
            token = minimoe.CancelToken()
            token.fire()
            return model_of(case["config"], opts).generate([1], cancel=token)
        if kind == "VERSION":
            return raw.minimoe_check_version(case["header_version"])
        raise AssertionError(kind)

    result = fork_error(case, opts) if kind == "FORKED" else value(lambda: call() and None)
    return {"result": result, **needed}


def main():
    with open(sys.argv[1], encoding="utf-8") as manifest_file:
        manifest = json.load(manifest_file)
    results = {}
    for case in manifest["cases"]:
        if "python" in manifest["exempt"].get(case["name"], {}):
            continue
        opts = options(manifest, case) if "num_threads" in case else None
        try:
            results[case["name"]] = globals()[case["op"]](case, opts)
        except Failed as failed:
            results[case["name"]] = failed.args[0]
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        json.dump({"format": 1, "language": "python", "results": results}, out)


if __name__ == "__main__":
    main()
