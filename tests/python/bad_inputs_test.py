# SPDX-License-Identifier: Apache-2.0
"""What a caller can get wrong: each is an exception of the right kind that names the argument, never a crash, and
leaves the object usable."""

import copy
import types

import numpy as np
import pytest

import minimoe
from conftest import QUIET, TINY, make_tokens


def unaligned(shape):
    count = int(np.prod(shape))
    return np.zeros(4 * count + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def read_only(shape):
    array = np.zeros(shape, np.float32)
    array.flags.writeable = False
    return array


def shut(thing):
    other = copy.copy(thing)
    other.close()
    return other


def closed_trainer(w):
    trainer = minimoe.Trainer(minimoe.Model(TINY, options=QUIET), w.dataset, TINY)
    trainer.close()
    return trainer


def classed(class_names=("a", "b")):
    return minimoe.Dataset(13, class_names=class_names, options=QUIET)


T, V = TypeError, ValueError
F32 = np.float32
# name: (call, kind of exception, what the message must hold)
CASES = {
    "x is float64": (lambda w: w.layer.infer(w.x.astype("f8")), T, "x: expected an array of float32"),
    "x is float16": (lambda w: w.layer.infer(w.x.astype("f2")), T, "x: expected an array of float32"),
    "x is int32": (lambda w: w.layer.infer(w.x.astype("i4")), T, "x: expected an array of float32"),
    "x is complex": (lambda w: w.layer.infer(w.x.astype("c8")), T, "x: expected an array of float32"),
    "x holds objects": (lambda w: w.layer.infer(w.x.astype(object)), T, "x: expected an array of float32"),
    "x is dates": (lambda w: w.layer.infer(np.zeros((5, 6), "M8[s]")), T, "x: expected an array of float32"),
    "x is a record": (lambda w: w.layer.infer(np.zeros((5, 6), [("a", "f4")])), T, "x: expected an array of float32"),
    "x is a list": (lambda w: w.layer.infer(w.x.tolist()), T, "x: expected an array of float32"),
    "x is None": (lambda w: w.layer.infer(None), T, "x: expected an array of float32"),
    "x is text": (lambda w: w.layer.infer("abc"), T, "x: expected an array of float32"),
    "x is bytes": (lambda w: w.layer.infer(b"abcd" * 6), T, "x: expected an array of float32"),
    "x has strides": (lambda w: w.layer.infer(np.zeros((5, 12), F32)[:, ::2]), V, "x: the array is not C-contiguous"),
    "x is in Fortran order": (lambda w: w.layer.infer(np.asfortranarray(w.x)), V, "x: the array is not C-contiguous"),
    "x is reversed": (lambda w: w.layer.infer(w.x[::-1]), V, "x: the array is not C-contiguous"),
    "x is broadcast": (lambda w: w.layer.infer(np.broadcast_to(w.x[0], (5, 6))), V, "x: the array is not C-contiguous"),
    "x is big-endian": (lambda w: w.layer.infer(w.x.astype(">f4")), V, "x: its byte order"),
    "x is not aligned": (lambda w: w.layer.infer(unaligned((5, 6))), V, "x: the array is not aligned"),
    "x has another width": (lambda w: w.layer.infer(np.zeros((5, 7), F32)), minimoe.ShapeError, "x is"),
    "x holds NaN": (lambda w: w.layer.forward(w.cache, np.full((5, 6), np.nan, F32)), minimoe.NonFinite, "logit"),
    "x is more than the cache": (lambda w: w.layer.forward(w.cache, np.zeros((6, 6), F32)), minimoe.ShapeError, "5"),
    "out is read-only": (lambda w: w.layer.infer(w.x, out=read_only((5, 6))), V, "values: the array is read-only"),
    "out is float64": (lambda w: w.layer.infer(w.x, out=np.zeros((5, 6))), T, "values: expected an array of float32"),
    "out has strides":
        (lambda w: w.layer.infer(w.x, out=np.zeros((5, 12), F32)[:, ::2]), V, "values: the array is not C"),
    "out has another shape":
        (lambda w: w.layer.infer(w.x, out=np.zeros((6, 5), F32)), minimoe.ShapeError, "out: expected"),
    "out is x": (lambda w: w.layer.infer(w.x, out=w.x), V, "overlap"),
    "out of logits is too small":
        (lambda w: w.model.forward([1, 2], out=np.zeros((2, 12), F32)), minimoe.ShapeError, "out:"),
    "valid has another count": (lambda w: w.layer.infer(w.x, valid=[1, 0]), minimoe.ShapeError, "valid"),
    "valid is float":
        (lambda w: w.layer.infer(w.x, valid=np.ones(5, F32)), T, "valid: expected an array of uint8 or bool"),
    "valid holds text": (lambda w: w.layer.infer(w.x, valid=["a"] * 5), V, "valid"),
    "valid pads on the left": (lambda w: w.model.forward([1, 2, 3], valid=[0, 1, 1]), V, "valid"),
    "d_y has another shape":
        (lambda w: w.layer.backward(w.full_cache, w.x, np.zeros((4, 6), F32)), minimoe.ShapeError, "d_y"),
    "backward without forward": (lambda w: w.layer.backward(w.cache, w.x, w.x), V, "forward"),
    "backward with another layer's cache": (lambda w: w.other.backward(w.full_cache, w.x, w.x.copy()), V, "cache"),
    "balance_scale is text":
        (lambda w: w.layer.backward(w.full_cache, w.x, w.x.copy(), balance_scale="1"), T, "balance_scale: expected a number"),
    "balance_scale is NaN":
        (lambda w: w.layer.backward(w.full_cache, w.x, w.x.copy(), balance_scale=float("nan")), V, "balance_scale"),
    "seq_len does not divide": (lambda w: w.layer.forward(w.cache, w.x, seq_len=2), minimoe.ShapeError, "seq_len"),
    "seq_len is negative": (lambda w: w.layer.forward(w.cache, w.x, seq_len=-1), V, "seq_len: -1 is not in 0.."),
    "seq_len is 2**64": (lambda w: w.layer.forward(w.cache, w.x, seq_len=2**64), V, "seq_len"),
    "seq_len is a float":
        (lambda w: w.layer.forward(w.cache, w.x, seq_len=1.0), T, "seq_len: expected an integer, got float"),
    "cache is a layer": (lambda w: w.layer.forward(w.layer, w.x), T, "cache: expected a MoECache"),
    "layer of a cache is a model": (lambda w: minimoe.MoECache(w.model, 5), T, "layer: expected a MoELayer"),
    "max_tokens is 0": (lambda w: minimoe.MoECache(w.layer, 0), V, "max_tokens"),
    "max_tokens is huge": (lambda w: minimoe.MoECache(w.layer, 2**40), V, "max_tokens"),
    "load has another count": (lambda w: w.layer.update_bias([1, 2]), minimoe.ShapeError, "load"),
    "load is int32": (lambda w: w.layer.update_bias(np.ones(4, np.int32)), T, "load: expected an array of int64"),
    "bound array is float64":
        (lambda w: w.layer.bind_parameter("router.weight", np.zeros((4, 6))), T, "data: expected an array of float32"),
    "bound array is read-only":
        (lambda w: w.layer.bind_parameter("router.weight", read_only((4, 6))), V, "data: the array is read-only"),
    "bound array has another shape":
        (lambda w: w.layer.bind_parameter("router.weight", np.zeros((6, 4), F32)), minimoe.ShapeError, "array of router.weight"),
    "gradient of a buffer": (lambda w: w.layer.bind_gradient("expert_bias", np.zeros(4, F32)), V, "expert_bias"),
    "parameter without a name": (lambda w: w.model.parameter("nope"), V, "nope"),
    "parameter name with NUL": (lambda w: w.model.parameter("tok\0en"), V, "name: holds a NUL"),
    "parameter name is a number": (lambda w: w.model.parameter(3), T, "name: expected a str"),
    "parameter name is a surrogate": (lambda w: w.model.parameter("\ud800"), UnicodeEncodeError, "surrogates"),
    "parameter values of another count":
        (lambda w: w.model.set_parameter("head.weight", np.zeros(3, F32)), minimoe.ShapeError, "head.weight"),
    "parameter values are infinite":
        (lambda w: w.model.set_parameter("head.weight", np.full((13, 8), np.inf, F32)), V, "data[0] is inf"),
    "parameter index": (lambda w: w.model.parameter_info(10**6), V, "index"),
    "state_dict with a missing name": (lambda w: w.model.load_state_dict({}), V, "state: missing"),
    "state_dict is a list": (lambda w: w.model.load_state_dict([]), T, "state: expected a mapping"),
    "state_dict of another shape":
        (lambda w: w.layer.load_state_dict({"expert_bias": np.zeros(5, F32)}, strict=False), minimoe.ShapeError, "state['expert_bias']"),
    "tokens are int64": (lambda w: w.model.forward(np.zeros(4, np.int64)), T, "tokens: expected an array of int32"),
    "tokens are uint16 to a model":
        (lambda w: w.model.forward(np.zeros(4, np.uint16)), T, "tokens: expected an array of int32"),
    "tokens are floats": (lambda w: w.model.forward([1.5]), T, "tokens: expected integers"),
    "tokens are ragged": (lambda w: w.model.forward([[1, 2], [3]]), V, "tokens"),
    "tokens are too large": (lambda w: w.model.forward([13]), V, "13"),
    "tokens are negative": (lambda w: w.model.forward([-1]), V, "-1"),
    "tokens leave int32": (lambda w: w.model.forward([2**31]), V, "tokens: a number is outside of int32"),
    "tokens are three-dimensional":
        (lambda w: w.model.forward(np.zeros((1, 1, 4), np.int32)), minimoe.ShapeError, "tokens"),
    "tokens are longer than the context": (lambda w: w.model.forward([1] * 9), V, "seq_len"),
    "tokens are a generator": (lambda w: w.model.forward(iter([1])), T, "tokens: expected an array of int32"),
    "prompt is empty": (lambda w: w.model.generate([]), V, "prompt"),
    "temperature is negative": (lambda w: w.model.generate([1], temperature=-1), V, "temperature"),
    "temperature is NaN": (lambda w: w.model.generate([1], temperature=float("nan")), V, "generate"),
    "cancel is a bool": (lambda w: w.model.generate([1], cancel=True), T, "cancel: expected a CancelToken"),
    "dataset is a list": (lambda w: w.model.specialisation([1, 2]), T, "dataset: expected a Dataset"),
    "an option does not exist": (lambda w: w.model.specialisation(w.dataset, max_window=3), V, "max_window"),
    "split does not exist": (lambda w: w.trainer.evaluate("valid"), V, "valid"),
    "max_steps is negative": (lambda w: w.trainer.steps(-1), V, "max_steps: -1"),
    "max_steps is a float": (lambda w: w.trainer.run(1.5), T, "max_steps: expected an integer"),
    "source does not exist": (lambda w: w.trainer.routing("now"), V, "source: 'now'"),
    "layer does not exist": (lambda w: w.trainer.expert_loads(7), V, "layer"),
    "a second trainer": (lambda w: minimoe.Trainer(w.model, w.dataset, TINY), minimoe.Busy, "trainer"),
    "trainer of a dataset": (lambda w: minimoe.Trainer(w.dataset, w.model), T, "model: expected a Model"),
    "trainer with another model part": (lambda w: minimoe.Trainer(minimoe.Model(TINY), w.dataset, d_ff=9), V, "model"),
    "health before a step": (lambda w: w.trainer.health(), V, "step"),
    "vocab_size is 0": (lambda w: minimoe.Dataset(0), V, "vocab_size"),
    "vocab_size is text": (lambda w: minimoe.Dataset("13"), V, "vocab_size"),
    "class_names is text": (lambda w: minimoe.Dataset(13, class_names="ab"), T, "class_names"),
    "dataset tokens are too large": (lambda w: w.dataset.append([13]), V, "13"),
    "dataset tokens are int64":
        (lambda w: w.dataset.append(np.zeros(3, np.int64)), T, "tokens: expected an array of int32"),
    "dataset tokens are big-endian": (lambda w: w.dataset.append(np.zeros(3, ">u2")), V, "tokens: its byte order"),
    "classes are missing": (lambda w: classed().append([1, 2]), V, "classes"),
    "classes have another count": (lambda w: classed().append([1, 2], [0]), minimoe.ShapeError, "classes"),
    "classes are out of range": (lambda w: classed().append([1, 2], [0, 2]), V, "class"),
    "classes leave uint8": (lambda w: classed().append([1, 2], [0, 300]), V, "classes"),
    "borrowed tokens have strides":
        (lambda w: minimoe.Dataset.borrow(make_tokens()[::2], 13), V, "tokens: the array is not C"),
    "borrowed tokens are a list":
        (lambda w: minimoe.Dataset.borrow([1, 2], 13), T, "tokens: expected an array of int32"),
    "borrowed tokens are too large": (lambda w: minimoe.Dataset.borrow(make_tokens(), 5), V, "expected 0 to 4"),
    "appending to a file's dataset": (lambda w: w.plain.append([1]), NotImplementedError, "append"),
    "window beyond the split": (lambda w: w.dataset.window("val", 10**9, 8), V, "window"),
    "corpus does not exist": (lambda w: minimoe.Corpus("/does/not/exist.txt"), OSError, "exist.txt"),
    "sentences of a text": (lambda w: w.plain.sentences(), NotImplementedError, "sentences"),
    "config key does not exist": (lambda w: minimoe.Config(num_expert=3), V, "did you mean num_experts"),
    "config path does not exist": (lambda w: minimoe.resolve({"model.d_modl": 3}), V, "model.d_modl"),
    "config value of another type": (lambda w: minimoe.resolve(steps="ten"), V, "train.steps"),
    "config value out of range": (lambda w: minimoe.resolve(top_k=0), V, "top_k"),
    "config holds NaN": (lambda w: minimoe.resolve(learning_rate=float("nan")), V, "config"),
    "config holds a function": (lambda w: minimoe.resolve(steps=print), T, "config"),
    "config is a number": (lambda w: minimoe.Model(3), T, "config: expected"),
    "config preset does not exist": (lambda w: minimoe.preset("labb"), V, "labb"),
    "raw JSON is cut off": (lambda w: minimoe.raw.minimoe_config_resolve('{"model": {'), V, "config"),
    "raw JSON has a key twice":
        (lambda w: minimoe.raw.minimoe_config_resolve('{"train":{"steps":1,"steps":2}}'), V, "steps"),
    "raw JSON is too deep": (lambda w: minimoe.raw.minimoe_config_resolve("[" * 40), V, ""),
    "cost without vocab_size": (lambda w: minimoe.cost("lab"), V, "vocab_size"),
    "options is a dict":
        (lambda w: minimoe.Model(TINY, options={"num_threads": 1}), T, "options: expected minimoe.Options"),
    "num_threads is negative":
        (lambda w: minimoe.Model(TINY, options=minimoe.Options(num_threads=-1)), V, "num_threads"),
    "num_threads is a float":
        (lambda w: minimoe.Model(TINY, options=minimoe.Options(num_threads=1.5)), T, "num_threads: expected an integer"),
    "instruction_set does not exist":
        (lambda w: minimoe.Model(TINY, options=minimoe.Options(instruction_set="mmx")), V, "instruction_set: 'mmx'"),
    "health log is a number": (lambda w: minimoe.health(3), T, "log: expected"),
    "health log holds a number": (lambda w: minimoe.health([3]), T, "log[0]: expected a mapping"),
    "health log is no JSON": (lambda w: minimoe.health("{oops\n"), V, "line 1"),
    "health log is impossible":
        (lambda w: minimoe.health([{"step": 1, "layer": 0, "top_k": 2, "load": [3, -1]}]), V, "line 1"),
    "load statistics of nothing": (lambda w: minimoe.load_statistics([], 1), V, "load"),
    "findings of no break": (lambda w: minimoe.break_findings({}), V, "schema is missing"),
    "findings of a run without its lines": (lambda w: minimoe.run_findings({"window": 5}), V, "config is missing"),
    "a balancer that does not exist":
        (lambda w: minimoe.config_balancers("lab", ["none", "auks"]), V, "kinds: 'auks' is no way to balance; did you mean 'aux'?"),
    "a balancer twice": (lambda w: minimoe.config_balancers("lab", "aux,aux"), V, "twice"),
    "balancers as a number": (lambda w: minimoe.config_balancers("lab", 3), T, "kinds: expected"),
    "balancers of a dense model": (lambda w: minimoe.config_balancers("lab-dense", "aux"), V, "model.moe.layers is empty"),
    "variants without a vocabulary": (lambda w: minimoe.config_variants("lab"), V, "model.vocab_size is 0"),
    "verdict with a missing part": (lambda w: minimoe.compare_verdict({}), V, "moe_variant"),
    "findings of a number": (lambda w: minimoe.compare_findings(3), T, "manifest: expected"),
    "path does not exist": (lambda w: minimoe.Model.load("/does/not/exist"), OSError, "/does/not/exist"),
    "path with NUL": (lambda w: minimoe.Model.load("a\0b"), V, "path: holds a NUL"),
    "path is a number": (lambda w: minimoe.Model.load(3), T, "path: expected"),
    "file is no model": (lambda w: minimoe.Model.load(__file__), minimoe.CorruptFile, "bad_inputs_test.py"),
    "checkpoint_info of no model": (lambda w: minimoe.checkpoint_info(__file__), OSError, "bad_inputs_test.py"),
    "closed model": (lambda w: shut(w.model).forward([1]), minimoe.ClosedError, "Model: it is closed"),
    "closed dataset": (lambda w: shut(w.dataset).info(), minimoe.ClosedError, "Dataset: it is closed"),
    "closed layer": (lambda w: shut(w.layer).infer(w.x), minimoe.ClosedError, "MoELayer: it is closed"),
    "closed token": (lambda w: shut(minimoe.CancelToken()).fire(), minimoe.ClosedError, "CancelToken: it is closed"),
    "closed trainer": (lambda w: closed_trainer(w).steps(), minimoe.ClosedError, "Trainer: it is closed"),
    "closed model to a trainer":
        (lambda w: minimoe.Trainer(shut(w.model), w.dataset, TINY), minimoe.ClosedError, "Model"),
    "closed token to a call":
        (lambda w: w.model.generate([1], cancel=shut(minimoe.CancelToken())), minimoe.ClosedError, "CancelToken"),
    "entering a closed model": (lambda w: shut(w.model).__enter__(), minimoe.ClosedError, "closed"),
    "raw: another kind of handle":
        (lambda w: minimoe.raw.minimoe_model_info(w.dataset._handle), T, "model: expected a minimoe_model"),
    "raw: None for a handle": (lambda w: minimoe.raw.minimoe_model_info(None), T, "model: expected a minimoe_model"),
    "raw: too few arguments": (lambda w: minimoe.raw.minimoe_model_info(), T, "missing"),
    "raw: buffer too small":
        (lambda w: minimoe.raw.minimoe_moe_layer_infer(w.layer._handle, w.x, None, np.empty(29, F32)), minimoe.BufferTooSmall, "30"),
    "raw: too many steps for one array":
        (lambda w: minimoe.raw.minimoe_trainer_steps(w.trainer._handle, 10**9, None, []), V, "max_steps"),
    "raw: metrics are no list":
        (lambda w: minimoe.raw.minimoe_trainer_steps(w.trainer._handle, 1, None, ()), T, "metrics: expected a list"),
    "pickle of a trainer": (lambda w: w.trainer.__reduce__(), T, "a Trainer cannot be pickled"),
}


@pytest.fixture
def world(layer, x, dataset, trainer, tmp_path):
    text = tmp_path / "plain.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 40)
    w = types.SimpleNamespace(layer=layer, x=x, dataset=dataset, trainer=trainer, model=trainer.model,
                              cache=minimoe.MoECache(layer, 5), full_cache=minimoe.MoECache(layer, 5),
                              other=minimoe.MoELayer(d_model=6, num_experts=4, top_k=2, d_expert=5, options=QUIET),
                              plain=minimoe.Corpus(text, options=QUIET))
    layer.forward(w.full_cache, x)
    return w


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_an_exception_that_names_it(world, name):
    call, kind, words = CASES[name]
    with pytest.raises(kind) as caught:
        call(world)
    assert words in str(caught.value), str(caught.value)
    # Nothing is broken: the same objects still work.
    assert world.layer.infer(world.x).shape == (5, 6)
    assert world.model.forward([1, 2]).shape == (2, 13)
    assert world.trainer.run(1)[0].step == 1


def test_there_are_at_least_sixty_cases():
    assert len(CASES) >= 60
