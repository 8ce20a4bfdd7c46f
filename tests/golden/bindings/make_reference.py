#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes reference.json: what the cases of manifest.json and resume.json must give. Needs PyTorch.

{"torch", "manifests": {file: its FNV-1a}, "cases": {CASE: {KEY: EXPECTED} or the name of an equal case},
"same": [[CASE, KEY, CASE, KEY]]}. EXPECTED is

    a number, text, list or null      exactly this
    {"near": [..]}                    floats or doubles, within 1e-5 of the norm
    {"json": {"a/0/b": value}}        the text is JSON, and at these paths stand these values (floats as near)
    {"table": [FIELD, {name: {..}}]}  JSON objects, named by one FIELD: all of them, no other, with what they hold
    {"count": n}                      a list or text of n elements
    {"contains": [texts]}             the text holds these
    {"error": NAME}                   an error with this status; its message must be the same in all languages
    {"fnv1a64", "size"}               this file

Keys that are not here have no reference, and are held between languages only; compare.py counts them.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import torch  # noqa: E402

import philox  # noqa: E402
import reference_data as data  # noqa: E402
import reference_models as models  # noqa: E402
import reference_reports as reports  # noqa: E402

torch.set_num_threads(1)
RESUMED = "train: the other 11 steps, resumed"


def expectations():
    cases, same, files, steps_in = {}, [], {}, {}
    simple = dict(library=reports.library, preset=reports.preset, config=reports.config, layer=models.layer,
                  model=models.model, analyse=models.analyse, health_check=reports.health_check,
                  load_statistics=reports.load_statistics, compare_verdict=reports.compare_verdict,
                  compare_findings=reports.compare_findings, run_findings=reports.run_findings,
                  break_findings=reports.break_findings, status=reports.status, file=data.file)
    for name in ("manifest.json", "resume.json"):
        for case in json.loads((HERE / name).read_text(encoding="utf-8"))["cases"]:
            if case["op"] == "file":
                files[case["path"]] = case["text"]
            if case["op"] == "dataset":
                cases[case["name"]] = data.dataset(case, files)
            elif case["op"] == "train":
                before = steps_in[pathlib.PurePath(case["resume"]).name] if case["resume"] else 0
                steps_in[case["path"]] = before + case["steps"]
                cases[case["name"]] = RESUMED if "written_by" in case else models.train(case, before)
            else:
                cases[case["name"]] = simple[case["op"]](case)
            print(case["name"])
            whole = "train: 20 steps of a lab model"
            same_end = ("the same", "the other 11")  # an interrupted run ends where the whole one does
            if case["op"] == "train" and case["name"].removeprefix("train: ").startswith(same_end):
                same += [[case["name"], key, whole, key] for key in ("checkpoint", "evaluation.loss", "routing.step",
                                                                      *(f"parameter/{p}" for p in case["read"]))]
    return cases, same


if __name__ == "__main__":
    expected, same = expectations()
    made_of = {name: f"{philox.fnv1a64((HERE / name).read_bytes()):016x}" for name in ("manifest.json", "resume.json")}
    head = json.dumps({"torch": torch.__version__.split("+")[0], "manifests": made_of})[:-1]
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}"
                       for name, value in expected.items())
    pairs = ",\n".join(json.dumps(pair) for pair in same)
    document = f'{head}, "cases": {{\n{lines}\n}}, "same": [\n{pairs}\n]}}\n'
    (HERE / "reference.json").write_text(document, encoding="utf-8")
