# SPDX-License-Identifier: Apache-2.0
import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import minimoe
from conftest import QUIET, TINY


def weights_of(model):
    return np.concatenate([array.ravel() for array in model.state_dict().values()])


def test_a_break_leaves_the_trainer_at_the_step_seen(trainer):
    for step in trainer.steps():
        if step.step == 5:
            break
    assert trainer.step == step.step == 5


def test_an_exception_in_the_loop_leaves_the_trainer_at_the_step_seen(trainer):
    with pytest.raises(KeyError):
        for step in trainer.steps():
            if step.step == 3:
                raise KeyError
    assert trainer.step == 3
    assert next(trainer.steps()).step == 4


def test_steps_one_by_one_are_the_steps_all_at_once(dataset):
    singly, together = (minimoe.Trainer(minimoe.Model(TINY, options=QUIET), dataset, TINY) for _ in range(2))
    assert list(singly.steps(7)) == together.run(7)
    assert np.array_equal(weights_of(singly.model), weights_of(together.model))


def test_training_ends_with_the_schedule(dataset):
    config = minimoe.Config(TINY, steps=4)
    trainer = minimoe.Trainer(minimoe.Model(config, options=QUIET), dataset, config)
    assert [step.step for step in trainer.steps()] == [1, 2, 3, 4]
    assert trainer.run(10) == [] and list(trainer.steps(3)) == []


def test_run_goes_on_past_one_chunk_of_metrics(trainer):
    assert [step.step for step in trainer.run(300)] == list(range(1, 301))


def test_a_resumed_run_goes_on_bit_for_bit(trainer, dataset, tmp_path):
    trainer.run(3)
    trainer.save(tmp_path / "checkpoint")
    expected = trainer.run(4)
    other = minimoe.Trainer(minimoe.Model.load(tmp_path / "checkpoint", options=QUIET), dataset, TINY)
    other.resume(tmp_path / "checkpoint")
    assert other.run(4) == expected
    assert np.array_equal(weights_of(other.model), weights_of(trainer.model))


def test_a_closed_trainer_leaves_its_model_to_the_next_even_after_an_error(model, dataset):
    trainer = minimoe.Trainer(model, dataset, TINY)
    token = minimoe.CancelToken()
    token.fire()
    with pytest.raises(minimoe.Cancelled) as caught:
        trainer.run(2, cancel=token)
    trainer.close()
    assert minimoe.Trainer(model, dataset, TINY).run(1)[0].step == 1
    assert caught.value.completed == []


def test_a_thread_cancels_while_another_trains(trainer):
    token = minimoe.CancelToken()
    threading.Timer(0.05, token.fire).start()
    with pytest.raises(minimoe.Cancelled) as caught:
        while True:
            trainer.run(1000, cancel=token) or trainer.run(0, cancel=token)
            pytest.skip("this machine trains 1,000 steps in 50 ms")
    assert trainer.step == len(caught.value.completed)
    before = trainer.step
    with pytest.raises(minimoe.Cancelled):  # it stays fired
        next(trainer.steps(cancel=token))
    assert trainer.step == before
    assert trainer.run(1)[0].step == before + 1


def big_trainer(dataset):
    config = minimoe.Config(TINY, steps=10**9)
    return minimoe.Trainer(minimoe.Model(config, options=QUIET), dataset, config)


def test_what_is_being_trained_is_busy_elsewhere_and_the_gil_is_free(dataset):
    trainer, token, outcome = big_trainer(dataset), minimoe.CancelToken(), []

    def train():
        try:
            trainer.run(cancel=token)
        except minimoe.Cancelled as error:
            outcome.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    busy = 0
    deadline = time.monotonic() + 20
    while busy < 20 and time.monotonic() < deadline:
        try:
            trainer.model.parameter("head.weight")
        except minimoe.Busy:
            busy += 1
    token.fire()
    thread.join()
    assert busy == 20 and len(outcome) == 1 and trainer.step > 0


def test_close_during_a_call_of_another_thread_ends_it_after_the_call(dataset):
    trainer, token, errors = big_trainer(dataset), minimoe.CancelToken(), []

    def train():
        try:
            trainer.run(50_000, cancel=token)
        except minimoe.Error as error:
            errors.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    time.sleep(0.05)
    trainer.close()
    token.fire()
    thread.join()
    assert [type(error) for error in errors] in ([minimoe.Cancelled], [minimoe.ClosedError])
    with pytest.raises(minimoe.ClosedError):
        trainer.run(1)


def test_a_finaliser_on_another_thread_is_fine(dataset):
    for _ in range(20):
        holder = [minimoe.Trainer(minimoe.Model(TINY, options=QUIET), dataset, TINY)]
        holder[0].run(1)
        thread = threading.Thread(target=holder.clear)
        thread.start()
        thread.join()


INTERRUPTED = """
    import os, signal, sys, threading
    import minimoe
    from conftest import QUIET, TINY, make_tokens
    data = minimoe.Dataset.from_array(make_tokens(), 13, options=QUIET)
    config = minimoe.Config(TINY, steps=10**9, accumulation_steps={accumulation})
    trainer = minimoe.Trainer(minimoe.Model(config, options=QUIET), data, config)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    seen = 0
    try:
        {call}
    except KeyboardInterrupt as interrupt:
        seen = len(getattr(interrupt, "completed", [])) or seen
    else:
        sys.exit("it was not interrupted")
    assert seen <= trainer.step <= seen + 1 and trainer.step > 0 or {accumulation} > 1, (seen, trainer.step)
    trainer.save("checkpoint")
    other = minimoe.Trainer(minimoe.Model.load("checkpoint", options=QUIET), data, config)
    other.resume("checkpoint")
    if {accumulation} == 1:
        assert other.run(2) == trainer.run(2)
"""


@pytest.mark.parametrize(("call", "accumulation"), [
    ("trainer.run()", 1),
    ("for step in trainer.steps(): seen = step.step", 1),
    ("trainer.run(1)", 60000),
    ("seen = len(trainer.run(3))\n    while True: trainer.evaluate('val')", 1),
    ("seen = len(trainer.run(3))\n    while True: trainer.interference()", 1),
])
def test_ctrl_c_raises_keyboard_interrupt_with_everything_kept(call, accumulation, tmp_path, python_environment):
    program = textwrap.dedent(INTERRUPTED).replace("{call}", call).replace("{accumulation}", str(accumulation))
    started = time.monotonic()
    subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", program], cwd=tmp_path, env=python_environment,
                   check=True, timeout=60)
    assert time.monotonic() - started < 30


def test_a_handler_of_the_hosts_sees_the_signal_and_the_call_goes_on(trainer):
    seen = []
    earlier = signal.signal(signal.SIGINT, lambda number, frame: seen.append(trainer.step))
    try:
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        steps = trainer.run(400)
        timer.join()
        time.sleep(0)
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert len(steps) == 400 and len(seen) == 1


def test_python_has_its_own_handler_back_after_a_call(trainer):
    trainer.run(1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_copies_share_a_model_and_deep_copies_do_not(model):
    shared, apart = copy.copy(model), copy.deepcopy(model)
    bias = model.parameter("head.weight") + 1
    model.set_parameter("head.weight", bias)
    model.close()
    assert np.array_equal(shared.parameter("head.weight"), bias)
    assert not np.array_equal(apart.parameter("head.weight"), bias)


def test_models_configurations_and_errors_pickle(model):
    twin = pickle.loads(pickle.dumps(model))
    assert np.array_equal(weights_of(twin), weights_of(model)) and twin.config == model.config
    config = pickle.loads(pickle.dumps(minimoe.Config("lab", steps=3)))
    assert type(config) is minimoe.Config and config["train"]["steps"] == 3
    error = pickle.loads(pickle.dumps(minimoe.errors.from_status(minimoe.raw.MINIMOE_E_SHAPE, "x is [3]")))
    assert type(error) is minimoe.ShapeError and str(error) == "x is [3]" and error.status == "MINIMOE_E_SHAPE"


def test_a_status_newer_than_the_package_is_an_internal_error():
    error = minimoe.errors.from_status(99, "new")
    assert type(error) is minimoe.InternalError and error.code == 99
