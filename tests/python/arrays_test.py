# SPDX-License-Identifier: Apache-2.0
import array
import copy
import gc
import weakref

import numpy as np
import pytest

import minimoe
from conftest import QUIET, TINY, make_tokens


def test_views_are_the_models_own_memory_and_read_only(model):
    view = model.state_dict()["head.weight"]
    changed = view + 1
    assert not view.flags.writeable and not view.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1
    model.set_parameter("head.weight", changed)
    assert np.array_equal(view, changed)


def test_a_view_keeps_the_memory_alive_past_its_model():
    options = minimoe.Options(num_threads=1, log=False, count_memory=True)
    before = minimoe.allocated_bytes()
    model = minimoe.Model(TINY, options=options)
    view = np.asarray(model.parameter_view("head.weight"))
    values = view.copy()
    model.close()
    del model
    gc.collect()
    assert minimoe.allocated_bytes() > before and np.array_equal(view, values)
    del view
    gc.collect()
    assert minimoe.allocated_bytes() == before


def test_a_view_tells_its_generation(model):
    view = model.parameter_view("head.weight")
    assert view.generation == model.generation
    model.set_parameter("head.weight", np.zeros((13, 8), np.float32))
    assert view.generation < model.generation


def test_dlpack_hands_on_read_only_views_only_to_who_knows_them(model):
    view = model.parameter_view("head.weight")
    taken = np.from_dlpack(view)
    assert np.array_equal(taken, model.parameter("head.weight")) and not taken.flags.writeable
    assert view.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        view.__dlpack__()


def test_out_receives_the_result_without_another_array(layer, model, x):
    y = np.empty_like(x)
    assert layer.infer(x, out=y) is y and np.array_equal(y, layer.infer(x))
    logits = np.empty((2, 13), np.float32)
    assert model.forward([1, 2], out=logits) is logits


@pytest.mark.parametrize("make", [lambda x: x, memoryview, lambda x: array.array("f", x.ravel().tolist())])
def test_any_buffer_of_float32_goes_in(layer, x, make):
    assert np.array_equal(np.ravel(layer.infer(make(x))), layer.infer(x).ravel())


def test_bound_arrays_are_what_the_layer_works_on_and_stay_alive(layer, x):
    cache = minimoe.MoECache(layer, 5)
    y = layer.forward(cache, x)
    layer.backward(cache, x, y)
    own = layer.gradient("router.weight")
    weight, gradient = layer.parameter("router.weight"), np.zeros((4, 6), np.float32)
    layer.bind_parameter("router.weight", weight)
    layer.bind_gradient("router.weight", gradient)
    gone = weakref.ref(weight)
    layer.forward(cache, x)
    layer.backward(cache, x, y)
    assert np.array_equal(gradient, own)
    weight += 1
    layer.parameters_changed()
    assert np.array_equal(layer.parameter("router.weight"), weight)
    expected = layer.infer(x)
    shared = copy.copy(layer)
    view = layer.state_dict()["router.weight"]
    del weight
    layer.close()
    gc.collect()
    assert gone() is not None and np.array_equal(shared.infer(x), expected)
    shared.bind_parameter("router.weight", None)
    gc.collect()
    assert gone() is not None  # the view of it
    del view
    gc.collect()
    assert gone() is None


def test_a_refused_binding_keeps_the_earlier_one(layer, x):
    weight = layer.parameter("router.weight")
    layer.bind_parameter("router.weight", weight)
    with pytest.raises(ValueError, match="read-only"):
        layer.bind_parameter("router.weight", np.broadcast_to(np.float32(0), (4, 6)))
    assert layer._bound["parameter", "router.weight"].obj is weight


def test_borrowed_arrays_are_not_copied_and_are_let_go_with_the_last_user(tmp_path):
    make_tokens().tofile(tmp_path / "tokens.bin")
    mapped = np.memmap(tmp_path / "tokens.bin", dtype=np.int32, mode="r")
    gone = weakref.ref(mapped)
    dataset = minimoe.Dataset.borrow(mapped, 13)
    assert dataset.info()["memory_bytes"] < 600
    trainer = minimoe.Trainer(minimoe.Model(TINY, options=QUIET), dataset, TINY)
    expected = minimoe.Trainer(minimoe.Model(TINY, options=QUIET), minimoe.Dataset.from_array(make_tokens(), 13), TINY)
    assert trainer.run(3) == expected.run(3)
    del mapped
    dataset.close()
    gc.collect()
    assert gone() is not None and trainer.run(1)
    trainer.close()
    del trainer
    gc.collect()
    assert gone() is None


def test_a_refused_loan_is_given_back_at_once():
    tokens = make_tokens()
    gone = weakref.ref(tokens)
    with pytest.raises(minimoe.InvalidArgument):
        minimoe.Dataset.borrow(tokens, 2)
    del tokens
    gc.collect()
    assert gone() is None


def test_uint16_and_int32_tokens_train_alike(tokens):
    runs = []
    for each in (tokens, tokens.astype(np.uint16), tokens.tolist()):
        trainer = minimoe.Trainer(minimoe.Model(TINY, options=QUIET), minimoe.Dataset.from_array(each, 13), TINY)
        runs.append(trainer.run(3))
    assert runs[0] == runs[1] == runs[2]


def test_forward_takes_the_shape_of_its_tokens(model):
    flat = model.forward(np.array([1, 2, 3, 4], np.int32), seq_len=2)
    assert np.array_equal(flat.reshape(2, 2, 13), model.forward([[1, 2], [3, 4]]))
    assert not np.array_equal(flat, model.forward([1, 2, 3, 4]))


def test_routing_trace_agrees_with_the_layers_shape(model):
    trace = model.routing_trace([[1, 2, 3], [4, 5, 6]], valid=[[1, 1, 1], [1, 1, 0]])
    assert trace.experts.shape == trace.weights.shape == trace.kept.shape == (1, 6, 2)
    assert trace.experts[0, 5].tolist() == [-1, -1] and np.allclose(trace.weights[0, :5].sum(1), 1)
    dense = minimoe.Model(vocab_size=13, d_model=8, num_heads=2, options=QUIET)
    assert dense.routing_trace([1, 2]).experts.shape == (0, 2, 0)


def test_generate_is_the_same_for_the_same_seed(model):
    assert model.generate([1], 6, seed=3).tolist() == model.generate([1], 6, seed=3).tolist()
    greedy = model.generate([1], 1, temperature=0)
    assert greedy[0] == model.forward([1])[-1].argmax()


def test_entropy_floor_and_sentences_only_where_they_are_known(dataset):
    corpus = minimoe.Corpus(num_eval_sentences=20, languages=["en"], options=QUIET)
    sentence = next(corpus.sentences("val"))
    assert corpus.encode(sentence.text).tolist() == sentence.tokens[:len(corpus.encode(sentence.text))]
    assert len(sentence.classes) == len(sentence.tokens) and set(sentence.classes) <= set(corpus.class_names)
    assert 0 < corpus.entropy_floor("val", 16) < np.log(corpus.vocab_size)
    assert len(corpus.words()) == corpus.vocab_size and dataset.entropy_floor("val", 8) is None


def test_windows_are_inputs_and_targets(dataset, tokens):
    windows = list(dataset.windows("val", 8))
    assert len(windows) == dataset.num_windows("val", 8) > 0
    assert np.array_equal(windows[0].tokens, tokens[540:549]) and np.array_equal(windows[0].targets, tokens[541:549])
