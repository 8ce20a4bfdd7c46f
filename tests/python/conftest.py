# SPDX-License-Identifier: Apache-2.0
"""A model and a dataset that train in milliseconds."""

import os
import pathlib
import signal

import numpy as np
import pytest

import minimoe

# A background job of a shell begins with SIGINT ignored, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

QUIET = minimoe.Options(num_threads=1, log=False)
TINY = {"model": {"vocab_size": 13, "max_seq_len": 8, "d_model": 8, "num_heads": 2, "d_ff": 8,
                  "moe": {"layers": [1], "num_experts": 4, "top_k": 2, "d_expert": 8}},
        "train": {"steps": 1000, "batch_size": 2, "seq_len": 8, "warmup_steps": 2, "seed": 7}}


def make_tokens(count=600, vocab_size=13):
    return (np.arange(count) ** 2 % vocab_size).astype(np.int32)


@pytest.fixture
def tokens():
    return make_tokens()


@pytest.fixture
def dataset(tokens):
    return minimoe.Dataset.from_array(tokens, 13, options=QUIET)


@pytest.fixture
def model():
    return minimoe.Model(TINY, options=QUIET)


@pytest.fixture
def trainer(model, dataset):
    with minimoe.Trainer(model, dataset, TINY) as trainer:
        yield trainer


@pytest.fixture
def layer():
    return minimoe.MoELayer(d_model=6, num_experts=4, top_k=2, d_expert=5, options=QUIET)


@pytest.fixture
def x():
    return np.random.default_rng(3).normal(size=(5, 6)).astype(np.float32)


@pytest.fixture
def python_environment():
    """Of a process of its own that finds the same package."""
    places = [str(pathlib.Path(minimoe.__file__).parents[1]), str(pathlib.Path(__file__).parent)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1"}
