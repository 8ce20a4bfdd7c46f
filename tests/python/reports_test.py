# SPDX-License-Identifier: Apache-2.0
import json
import logging
import pathlib

import numpy as np
import pytest

import minimoe
from conftest import TINY
from every_call import FIGURES, LOG, RUN, break_runs


def test_health_reads_mappings_text_and_files_alike(tmp_path):
    text = "".join(json.dumps(entry) + "\n" for entry in LOG)
    (tmp_path / "log.jsonl").write_text(text)
    arrays = ({**entry, "load": np.array(entry["load"])} for entry in LOG)
    reports = [minimoe.health(log) for log in (LOG, arrays, text, text.encode(), tmp_path / "log.jsonl",
                                               str(tmp_path / "log.jsonl"))]
    assert all(report == reports[0] for report in reports) and reports[0].verdict == "healthy"


def test_health_options_reach_the_rule():
    assert minimoe.health(LOG, window=20, warmup=10)["window"] == 20
    assert minimoe.health([{**entry, "load": [24, 24, 0, 0]} for entry in LOG]).verdict == "collapsed"


def test_what_a_break_showed_is_told_by_its_runs():
    runs = break_runs("lr-spike")
    report = minimoe.break_findings(runs)
    assert [(c["claim"], c["holds"], c["decided"]) for c in report["claims"]] == [
        ("not-healthy", False, False), ("main-loss-fine", True, False)]
    assert all(s["first_step"] is None for s in report["seeds"][0]["signals"])
    broken = json.loads(json.dumps(RUN))
    broken["lines"][1] = {**broken["lines"][1], "loss": None}
    broken["lines"][1]["layers"][0]["load"] = np.array([98, 2])
    report = minimoe.break_findings({**runs, "seeds": [{"seed": 7, "runs": {**runs["seeds"][0]["runs"], "broken": broken}}]})
    said = {s["signal"]: s["first_step"] for s in report["seeds"][0]["signals"]}
    assert said["main loss"] == said["expert counts"] == 2 and said["gate mass"] is None
    window = report["seeds"][0]["runs"]["broken"]["windows"][0]
    assert window == minimoe.run_findings({**broken, "window": 2})["windows"][0]
    assert window["load"] == [100, 4] and window["loss"] is None


def test_configurations_to_compare_are_configurations():
    config = minimoe.Config("lab", vocab_size=100, aux_loss_coef=0)
    variants = minimoe.config_variants(config)
    assert [v["key"] for v in variants] == ["dense_baseline", "moe_variant", "dense_active_matched", "dense_total_matched"]
    assert variants[1]["config"] == config.resolve() and isinstance(variants[1]["config"], minimoe.Config)
    sizes = [v["config"].cost()["total_parameters"] for v in variants]
    assert sizes[0] < sizes[2] < sizes[1] and abs(sizes[3] - sizes[1]) < 129 * 2
    assert minimoe.config_variants("lab", vocab_size=100, aux_loss_coef=0) == variants
    balancers = minimoe.config_balancers("lab", "seq-aux,bias", aux_loss_coef=0)
    assert balancers == minimoe.config_balancers(minimoe.Config("lab", aux_loss_coef=0), ["seq-aux", "bias"])
    moe = [b["config"]["model"]["moe"] for b in balancers]
    assert [(m["aux_loss_coef"], m["aux_loss_scope"], m["bias_balancing"]) for m in moe] == [
        (0.01, "sequence", False), (0, "micro_batch", True)]


def test_reports_print_as_text():
    assert str(minimoe.health(LOG)) == minimoe.health(LOG)["text"]
    assert str(minimoe.compare_verdict(FIGURES)).startswith("defer: ")


def test_the_trainers_health_is_that_of_its_log(trainer):
    log = []
    for step in trainer.steps(120):
        entry = trainer.routing()[0]
        log.append({"step": step.step, "layer": 0, "top_k": 2, "load": entry["load"], "mean_probs": entry["mean_probs"]})
    ours, theirs = trainer.health(window=20, warmup=10), minimoe.health(log, window=20, warmup=10)
    assert ours.verdict == theirs.verdict and ours.verdict != "untested"
    assert [window["verdict"] for window in ours.layers[0]["windows"]] == [
        window["verdict"] for window in theirs.layers[0]["windows"]]


def test_configurations_merge_in_order_and_only_what_is_given():
    assert minimoe.Config(None) == {} and minimoe.Config(top_k=2) == {"model": {"moe": {"top_k": 2}}}
    config = minimoe.Config("lab", steps=3).updated({"train.steps": 5, "model": {"moe.top_k": 1}}, num_experts=8)
    assert config["train"]["steps"] == 5 and config["model"]["moe"]["top_k"] == 1
    assert config["model"]["moe"]["num_experts"] == 8
    assert minimoe.Config("lab") == minimoe.preset("lab") != minimoe.Config("lab", seed=1)
    assert minimoe.Config(layers=np.array([1])).resolve()["model"]["moe"]["layers"] == [1]
    assert minimoe.resolve("lab")["data"]["corpus"] == "grammar"


def test_updating_a_configuration_leaves_the_first_alone():
    base = {"train": {"steps": 3}}
    config = minimoe.Config(base)
    config.updated(steps=9)["train"]["steps"] = 10
    assert base == config == {"train": {"steps": 3}}


def test_every_key_without_its_path_is_a_keyword():
    paths = [entry["key"] for entry in minimoe.keys()]
    names = [path.rsplit(".", 1)[-1] for path in paths]
    resolved = minimoe.resolve()
    for path, name in zip(paths, names, strict=True):
        value = resolved
        for part in path.split("."):
            value = value[part] if path != "model.preset" else "llama"
        if names.count(name) == 1:
            given = minimoe.Config(**{name: value})
            for part in path.split("."):
                given = given[part]
            assert given == value


def test_lines_of_the_library_are_log_records(caplog, dataset):
    with caplog.at_level(logging.INFO, "minimoe"):
        minimoe.Model(TINY)
    assert any("parameters" in record.message and record.levelno == logging.INFO for record in caplog.records)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "minimoe"):
        minimoe.Trainer(minimoe.Model(TINY), dataset, TINY).run(2)
    assert sum(record.levelno == logging.DEBUG for record in caplog.records) >= 2
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "minimoe"):
        minimoe.Model(TINY, options=minimoe.Options(log=False))
    assert not caplog.records


def test_what_a_log_handler_raises_is_reported_and_goes_no_further(monkeypatch):
    class Broken(logging.Handler):
        def emit(self, record):
            raise RuntimeError("no disk")

    seen = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: seen.append(str(what.exc_value)))
    handler = Broken()
    logger = logging.getLogger("minimoe")
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.addHandler(handler)
    try:
        assert minimoe.Model(TINY).forward([1]).shape == (1, 13)
    finally:
        logger.removeHandler(handler)
    assert seen and set(seen) == {"no disk"}


def test_every_public_name_has_a_docstring():
    for name in minimoe.__all__:
        thing = getattr(minimoe, name)
        assert thing.__doc__, name
        for member, value in vars(thing).items() if isinstance(thing, type) else ():
            if not member.startswith("_") and callable(value):
                assert getattr(thing, member).__doc__, f"{name}.{member}"


@pytest.mark.parametrize("name", sorted(minimoe.__all__))
def test_all_names_exist(name):
    assert hasattr(minimoe, name)


def test_errors_are_the_builtin_exceptions_of_the_guide():
    guide = (pathlib.Path(__file__).parents[2] / "docs/python.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in guide.splitlines() if line.startswith("| `")]
    builtins = {"ValueError": ValueError, "MemoryError": MemoryError, "OSError": OSError, "ImportError": ImportError,
                "ArithmeticError": ArithmeticError, "NotImplementedError": NotImplementedError, "RuntimeError": RuntimeError}
    checked = 0
    for names, kinds in rows:
        for name in names.replace("`", "").split(","):
            kind = getattr(minimoe, name.strip(), None)
            if isinstance(kind, type) and issubclass(kind, minimoe.Error) and kinds.strip() in builtins:
                assert issubclass(kind, builtins[kinds.strip()])
                checked += 1
    assert checked >= 12
