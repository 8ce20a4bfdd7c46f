# SPDX-License-Identifier: Apache-2.0
import importlib.util
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import minimoe
from conftest import QUIET, TINY, make_tokens


def trained_loss(model=None):
    """Of a step of a model of its own, or of one that was pickled or inherited."""
    model = model or minimoe.Model(TINY, options=QUIET)
    with minimoe.Trainer(model, minimoe.Dataset.from_array(make_tokens(), 13, options=QUIET), TINY) as trainer:
        return trainer.run(2)[-1].loss


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_forked_workers_train(model, dataset):
    expected = trained_loss()
    threaded = minimoe.Model(TINY, options=minimoe.Options(num_threads=2))
    threaded.forward([1, 2])  # its threads do not survive the fork
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        assert pool.map(trained_loss, [None, model, threaded]) == [expected] * 3


def test_spawned_workers_train(tmp_path, python_environment):
    (tmp_path / "work.py").write_text(textwrap.dedent("""
        import multiprocessing
        from processes_test import trained_loss
        from conftest import QUIET, TINY
        import minimoe
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(trained_loss, [None, minimoe.Model(TINY, options=QUIET)]))
    """))
    done = subprocess.run([sys.executable, "-W", "error", tmp_path / "work.py"], env=python_environment, check=True, capture_output=True)
    assert json.loads(done.stdout) == [trained_loss()] * 2


@pytest.mark.parametrize("other", ["numpy", "torch", "sklearn"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_import_before_and_after(other, order, python_environment):
    if importlib.util.find_spec(other) is None:
        pytest.skip(f"{other} is not installed")
    imports = [f"import {other}", "import minimoe"]
    program = "\n".join([*(imports if order == "after" else reversed(imports)),
                         "from processes_test import trained_loss", "print(trained_loss())"])
    done = subprocess.run([sys.executable, "-c", program], env=python_environment, check=True, capture_output=True, text=True)
    assert float(done.stdout) == trained_loss()


def test_the_program_ends_well_while_a_daemon_thread_trains(python_environment):
    program = textwrap.dedent("""
        import logging, threading, time
        import numpy as np
        import minimoe
        from conftest import TINY, make_tokens
        logging.getLogger("minimoe").setLevel(logging.DEBUG)
        data = minimoe.Dataset.borrow(make_tokens(), 13)
        config = minimoe.Config(TINY, steps=10**9)
        trainer = minimoe.Trainer(minimoe.Model(config), data, config)
        threading.Thread(target=trainer.run, daemon=True).start()
        time.sleep(0.2)
    """)
    subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", program], env=python_environment, check=True, timeout=60)


def test_objects_left_at_exit_end_in_any_order(python_environment):
    program = textwrap.dedent("""
        import minimoe, numpy as np
        from conftest import TINY, make_tokens
        data = minimoe.Dataset.borrow(make_tokens(), 13)
        trainer = minimoe.Trainer(minimoe.Model(TINY), data, TINY)
        steps = trainer.steps()
        next(steps)
        views = trainer.model.state_dict()
        loop = [trainer, views, steps]
        loop.append(loop)
    """)
    subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", program], env=python_environment, check=True)


def test_a_pickle_made_here_loads_in_another_process(model, tmp_path, python_environment):
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    program = "import pickle, sys, json; m = pickle.load(open(sys.argv[1], 'rb')); print(json.dumps(m.forward([1, 2]).tolist()))"
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "model.pickle"], env=python_environment, check=True,
                          capture_output=True)
    assert np.array_equal(np.array(json.loads(done.stdout), np.float32), model.forward([1, 2]))


def test_the_extension_exports_its_entry_alone():
    library = os.path.join(os.path.dirname(minimoe.__file__), "_raw.abi3.so")
    shown = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in shown.splitlines() if " T " in line] == ["PyInit__raw"]
