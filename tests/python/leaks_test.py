# SPDX-License-Identifier: Apache-2.0
"""Nothing is left behind by a walk through all of the package, nor by calls that fail."""

import gc
import sys
import tracemalloc

import numpy as np
import pytest

import minimoe
from conftest import QUIET, TINY
from every_call import findings_manifest, walk


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def failures():
    layer = minimoe.MoELayer(d_model=6, num_experts=4, options=QUIET)
    for bad in (lambda: layer.infer(np.zeros((5, 7), np.float32)), lambda: layer.infer(np.zeros((5, 6))),
                lambda: layer.infer(None), lambda: minimoe.Model.load("/does/not/exist"),
                lambda: minimoe.resolve({"model.d_modl": 1}), lambda: minimoe.raw.minimoe_model_info(None),
                lambda: minimoe.Dataset.borrow(np.zeros(4, np.int32), 0), lambda: layer.parameter("x\0"),
                lambda: layer.forward(minimoe.MoECache(layer, 1), np.full((1, 6), np.nan, np.float32))):
        with pytest.raises((minimoe.Error, TypeError, ValueError)):
            bad()


def handles_alive():
    gc.collect()
    kinds = tuple(getattr(minimoe.raw, name) for name in dir(minimoe.raw)
                  if isinstance(getattr(minimoe.raw, name), type) and name.startswith("minimoe_"))
    return sum(isinstance(thing, (minimoe._handle.Handle, *kinds)) for thing in gc.get_objects())


def test_references_to_arguments_are_given_back(layer, x, model):
    y, names = np.empty_like(x), "router.weight"
    things = {"x": x, "y": y, "name": names, "none": None}
    for _ in range(3):
        layer.infer(x, out=y)
    before = {key: sys.getrefcount(thing) for key, thing in things.items()}
    for _ in range(200):
        layer.infer(x, out=y)
        layer.parameter_view(names)
        layer.bind_gradient(names, None)
        for wrong in (lambda: layer.infer(x[:, ::2]), lambda: layer.infer(x, out=x), lambda: layer.parameter("nope")):
            with pytest.raises((ValueError, TypeError)):
                wrong()
    gc.collect()
    after = {key: sys.getrefcount(thing) for key, thing in things.items()}
    assert {key: abs(after[key] - before[key]) for key in things if key != "none"} == {"x": 0, "y": 0, "name": 0}
    assert abs(after["none"] - before["none"]) < 200 or sys.version_info >= (3, 12)


@pytest.mark.heavy
def test_memory_is_flat_over_walks_and_failures(tmp_path):
    findings = findings_manifest()

    def rounds(count):
        for _ in range(count):
            walk(tmp_path, findings)
            failures()
        gc.collect()

    def least_resident():  # what threads freed may be in malloc's pools for a while
        readings = []
        for _ in range(5):
            rounds(1)
            readings.append(resident_bytes())
        return min(readings)

    rounds(6)
    alive, native = handles_alive(), minimoe.allocated_bytes()
    tracemalloc.start()
    rounds(2)
    traced = tracemalloc.get_traced_memory()[0]
    rounds(6)
    grown = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()  # its own tables stay in malloc's pools: resident memory is compared after it
    resident = least_resident()
    rounds(10)
    later = least_resident()
    assert handles_alive() == alive
    assert minimoe.allocated_bytes() == native
    assert grown < 6 * 1024, grown  # below 1 KiB a walk: of no object that the package makes
    assert later - resident < 4 << 20, (resident, later)


@pytest.mark.heavy
def test_raw_calls_leak_nothing(model):
    handle = model._handle

    def calls():
        for _ in range(3000):
            minimoe.raw.minimoe_model_config(handle)  # longer than the first buffer
            minimoe.raw.minimoe_model_parameter_view(handle, "head.weight")
            minimoe.raw.minimoe_trainer_steps.__name__  # noqa: B018
            with pytest.raises(minimoe.ShapeError):
                minimoe.raw.minimoe_model_parameter_set(handle, "head.weight", np.zeros(3, np.float32))

    calls()
    before = resident_bytes()
    for _ in range(3):
        calls()
    assert resident_bytes() - before < 1 << 20
    assert TINY
