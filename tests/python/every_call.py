# SPDX-License-Identifier: Apache-2.0
"""A walk through all of the package, on a model of 1,700 parameters: what the tests of reach, leaks, sanitizers and
other interpreters run. `every_call.py DIRECTORY [ROUNDS]`"""

import copy
import json
import pathlib
import pickle
import sys

import numpy as np

import minimoe
from conftest import TINY, make_tokens

OPTIONS = minimoe.Options(num_threads=1, log=False, count_memory=True)
FEW = {"num_permutations": 3, "num_bootstrap": 2, "num_tables": 2, "num_routers": 2, "num_word_shuffles": 2}
FIGURES = {name: {"val_loss": [2.0, 2.1], "cpu_time_s": [1.0, 1.0]}
           for name in ("moe_variant", "dense_baseline", "dense_active_matched", "dense_total_matched")}
LOG = [{"step": step, "layer": 0, "top_k": 2, "load": [12, 12, 12, 12]} for step in range(1, 121)]

RUN = {"config": {"model": {"moe": {"top_k": 1}}, "train": {"steps": 2}}, "val_loss": 2.0, "lines": [
    {"step": step, "loss": 2.0, "aux_loss": 1.0, "layers": [{"block": 1, "load": [2, 2], "mean_probs": [0.5, 0.5]}]}
    for step in (1, 2)], "health": {"verdict": "healthy", "layers": [{"verdict": "healthy", "windows": [
        {"last_step": 2, "verdict": "healthy"}]}]}}


def break_runs(name="headstart"):
    """Runs of two steps in which nothing is broken."""
    dense = {**RUN, "lines": [{**line, "layers": []} for line in RUN["lines"]], "health": None}
    return {"schema": "minimoe-break-runs/1", "break": name, "window": 2, "seeds": [
        {"seed": 7, "runs": {"healthy": RUN, "broken": RUN, "dense": dense, "fixed": RUN}}]}


def configurations():
    config = minimoe.preset("lab", vocab_size=32)
    assert config.resolve() == minimoe.resolve(config)
    assert minimoe.cost(config)["total_parameters"] > 0 and minimoe.estimate_memory(config, options=OPTIONS)["total"] > 0
    assert minimoe.keys() and minimoe.breaks() and minimoe.build_info()["version"] == minimoe.__version__
    assert minimoe.version_number() == minimoe.raw.MINIMOE_VERSION_NUMBER
    minimoe.raw.minimoe_check_version(minimoe.version_number())
    assert minimoe.Busy("x").status == "MINIMOE_E_BUSY"


def datasets():
    tokens = make_tokens()
    lent = minimoe.Dataset.borrow(tokens, 13)
    small = minimoe.Dataset.borrow(tokens.astype(np.uint16), 13, classes=np.zeros(600, np.uint8), class_names=["a"])
    data = minimoe.Dataset.from_array(tokens.astype(np.uint16), 13, options=OPTIONS)
    data.append(tokens)
    data.append([1, 2, 3])
    assert list(data.encode(data.decode([1, 2]))) == [1, 2]
    for each in (lent, small, copy.copy(data)):
        assert each.num_windows("val", 8) == len(list(each.windows("val", 8)))
    assert lent.entropy_floor("val", 8) is None and lent.sentence("val", 0) is None
    corpus = minimoe.Corpus(num_eval_sentences=5, options=OPTIONS)
    assert [s.text for s in corpus.sentences("val", 2)] and corpus.entropy_floor("val", 8, 1) > 0
    return data


def models(data, directory):
    model = minimoe.Model(data.fit_config(TINY), options=OPTIONS)
    logits = model.forward([[1, 2, 3], [4, 5, 6]], valid=[1, 1, 0, 1, 1, 1])
    twin = pickle.loads(pickle.dumps(model))
    assert np.array_equal(twin.forward([[1, 2, 3], [4, 5, 6]], valid=[1, 1, 0, 1, 1, 1]), logits)
    model.save(directory / "model.safetensors")
    copy.copy(model).load_weights(directory / "model.safetensors")
    assert model.info()["moe_blocks"] == [1] and model.config["model"]["vocab_size"] == 13
    model.load_state_dict(model.state_dict())
    assert model.parameter("head.weight").shape == model.parameter_view("head.weight").shape
    tall = minimoe.Model("lab-dense", vocab_size=13, options=OPTIONS)
    tall.export(directory / "hf")
    back = minimoe.Model.import_from(directory / "hf", options=OPTIONS)
    assert np.array_equal(back.forward([1, 2, 3]), tall.forward([1, 2, 3]))
    back.write_logits([1, 2, 3], directory / "logits.safetensors", router=True, gradients=True)
    assert (directory / "logits.safetensors").stat().st_size > 1000
    moe = tall.upcycle(num_experts=4, seed=3, options=OPTIONS)
    assert moe.info()["moe_blocks"] == [0, 1]
    assert np.allclose(moe.forward([1, 2, 3]), tall.forward([1, 2, 3]), rtol=0, atol=1e-5)
    llama = minimoe.Model({"model": {"preset": "llama", "vocab_size": 13}}, options=OPTIONS)
    llama.upcycle().export(directory / "mixtral")
    report = minimoe.analyze_hf(directory / "mixtral", data, max_windows=4, seq_len=8, min_class_tokens=1, options=OPTIONS, **FEW)
    assert len(report["specialisation"]["layers"]) == len(report["health"]["layers"]) == 2
    assert '"WordLevel"' in minimoe.Corpus(num_eval_sentences=5).tokenizer()
    with model.stream([1, 2], 3, top_p=0.9, seed=4) as stream:
        assert stream.tokens.shape == (0,)
        assert list(stream) == list(model.generate([1, 2], 3, top_p=0.9, seed=4)) and stream.logits().shape == (13,)
        assert list(stream.tokens) == list(model.generate([1, 2], 3, top_p=0.9, seed=4)) and next(stream, None) is None
        assert stream.info()["end"] == "max_new_tokens" and "5 tokens" in repr(stream)
    assert model.generation > 0 and model.generate([1, 2], 3).shape == (3,)
    assert model.routing_trace([1, 2, 3]).experts.shape == (1, 3, 2)
    minimoe.analyze(model, data, max_windows=4, min_class_tokens=1, **FEW)
    assert model.answer_probes(data, "val", 2) == []
    return model


def training(model, data, directory):
    token = minimoe.CancelToken()
    with minimoe.Trainer(model, data, TINY) as trainer:
        trainer.set_profile(True)
        assert [step.step for step in trainer.steps(2, cancel=token)] == [1, 2]
        assert len(trainer.run(60)) == 60 and trainer.step == 62
        assert trainer.evaluate("val", 2, cancel=token).num_windows == 2
        assert trainer.expert_loads(source="evaluation").sum() == 2 * 8 * 2
        profile = trainer.profile()
        assert profile["num_steps"] == 62 and profile["ms"] > max(part["ms"] for part in profile["operations"])
        assert trainer.routing()[0]["block"] == 1 and trainer.interference()[0]["block"] == 1
        assert trainer.health(window=20).verdict and trainer.config["train"]["batch_size"] == 2
        trainer.save(directory / "checkpoint.safetensors")
        trainer.resume(directory / "checkpoint.safetensors")
        copy.copy(token).fire()
        try:
            trainer.run(3, cancel=token)
        except minimoe.Cancelled:
            assert token.fired
    assert minimoe.checkpoint_info(directory / "checkpoint.safetensors")["step"] == 62
    minimoe.Model.load(directory / "checkpoint.safetensors", options=OPTIONS)


def bare_layer():
    layer = minimoe.MoELayer(d_model=6, num_experts=4, top_k=2, d_expert=5, options=OPTIONS)
    cache = minimoe.MoECache(copy.copy(layer), 5)
    weight, gradient = layer.parameter("router.weight"), np.zeros((4, 6), np.float32)
    layer.bind_parameter("router.weight", weight)
    layer.bind_gradient("router.weight", gradient)
    x = np.random.default_rng(3).normal(size=(5, 6)).astype(np.float32)
    y = layer.forward(cache, x)
    assert np.array_equal(layer.infer(x), y)
    layer.backward(cache, x, y)
    assert np.array_equal(layer.gradient("router.weight"), gradient) and gradient.any()
    weight -= gradient
    layer.parameters_changed()
    layer.zero_gradients()
    layer.update_bias(cache.load())
    layer.set_parameter("expert_bias", np.zeros(4, np.float32))
    assert len(list(layer.parameters())) == len(layer.state_dict()) and layer.config["model"]["d_model"] == 6
    assert cache.topk_idx().shape == cache.gate_weights().shape == cache.kept().shape == (5, 2)
    assert cache.router_logits().shape == cache.router_probs().shape == (5, 4)
    assert cache.metrics().num_tokens == 5
    layer.bind_parameter("router.weight", None)
    layer.bind_gradient("router.weight", None)


def laboratory():
    config = minimoe.Config(TINY)
    variants = minimoe.config_variants(config)
    assert [v["title"] for v in variants] == ["dense", "moe", "dense-active", "dense-total"]
    assert [b["title"] for b in minimoe.config_balancers(config, ["none", "bias+aux"])] == ["balance-none", "balance-bias-aux"]
    assert minimoe.run_findings({**RUN, "window": 2})["verdict"] == "healthy"
    assert minimoe.break_findings(break_runs())["seeds"][0]["fixed_even_from"] == 2


def reports(findings):
    assert minimoe.health(LOG).healthy and minimoe.load_statistics([1, 1, 1, 1], 2)["num_dead"] == 0
    assert minimoe.compare_verdict(FIGURES).verdict == "defer"
    assert minimoe.compare_findings(findings).startswith("#")


def walk(directory, findings):
    directory = pathlib.Path(directory)
    configurations()
    data = datasets()
    training(models(data, directory), data, directory)
    bare_layer()
    laboratory()
    reports(findings)


def findings_manifest():
    """That of the golden set."""
    path = pathlib.Path(__file__).parents[1] / "golden/bindings/manifest.json"
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return next(case["json"] for case in cases if case["op"] == "compare_findings")


if __name__ == "__main__":
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        walk(sys.argv[1], findings_manifest())
