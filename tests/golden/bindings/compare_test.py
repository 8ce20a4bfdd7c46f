#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The comparer finds what it must: every kind of value, flipped in one language or in all, and everything missing."""
import contextlib
import copy
import io
import json
import pathlib
import struct
import sys
import tempfile
import unittest
from unittest import mock

import compare


def f32(*values):
    return {"f32": [struct.unpack("<I", struct.pack("<f", value))[0] for value in values]}


def f64(*values):
    return {"f64": [struct.pack(">d", value).hex() for value in values]}


def report(drop_rate, seconds):
    return json.dumps({"train": {"drop_rate": drop_rate}, "stragglers": [{"seconds": [seconds]}], "text": str(seconds)})


GOOD = {
    "numbers": {"floats": f32(0.25, -3.0, 1e-3), "doubles": f64(0.1, 2.5), "zeros": f32(0.0, 0.0), "integer": 7,
                "integers": [1, -1, 2 ** 53 + 1], "empty": []},
    "texts": {"text": "caf\u00e9\n\u2192", "texts": ["a", "b"], "none": None,
              "file": {"fnv1a64": "00ff00ff00ff00ff", "size": 12},
              "failed": {"error": "MINIMOE_E_SHAPE", "message": "x is 3, expected 4"},
              "table": json.dumps([{"key": "a", "n": 1}, {"key": "b", "n": [2]}]),
              "tables": ['{"name": "w", "shape": [2, 3]}'],
              "document": json.dumps({"a": [{"share": [0.25, 0.75]}], "n": 3, "x": 0.5, "name": "val"}),
              "capacity_report": report(0.125, 0.25)},
    "whole": {"checkpoint": {"fnv1a64": "1111111111111111", "size": 5}},
    "resumed": {"checkpoint": {"fnv1a64": "1111111111111111", "size": 5}},
}
REFERENCE = {
    "manifests": {"manifest.json": "1", "resume.json": "2"},
    "cases": {
        "numbers": {"floats": {"near": [0.25, -3.0, 1e-3]}, "doubles": {"near": [0.1, 2.5]}, "zeros": {"near": [0, 0]},
                    "integer": 7, "integers": [1, -1, 2 ** 53 + 1], "empty": {"count": 0}},
        "texts": {"text": {"contains": ["caf\u00e9"]}, "texts": ["a", "b"], "none": None,
                  "failed": {"error": "MINIMOE_E_SHAPE"}, "file": {"fnv1a64": "00ff00ff00ff00ff", "size": 12},
                  "table": {"table": ["key", {"b": {"n": [2]}, "a": {}}]},
                  "tables": {"table": ["name", {"w": {"shape": [2, 3]}}]},
                  "document": {"json": {"a/0/share": [0.25, 0.75], "a": {"count": 1}, "n": 3, "x": 0.5, "name": "val"}},
                  "capacity_report": {"json": {"train/drop_rate": 0.125}}},
    },
    "same": [["resumed", "checkpoint", "whole", "checkpoint"]],
}
MANIFESTS = {
    "manifest.json": {"fnv1a64": "1", "exempt": {"forked": {"go": "no fork"}},
                      "cases": [{"name": "numbers"}, {"name": "texts"}, {"name": "whole"}, {"name": "forked"}]},
    "resume.json": {"fnv1a64": "2", "exempt": {},
                    "cases": [{"name": "resumed"}, {"name": "from cpp", "written_by": "cpp"},
                              {"name": "from rust", "written_by": "rust"}]},
}
NO_FILE = {"resume": {"error": "MINIMOE_E_IO", "message": "../rust/half: cannot open"}}


class CompareTest(unittest.TestCase):
    def results(self, language):
        cases = copy.deepcopy(GOOD) | {"from cpp": copy.deepcopy(GOOD["resumed"]), "from rust": NO_FILE}
        return cases if language == "go" else cases | {"forked": {"result": "torn"}}

    def compare(self, change=None, languages=("c", "cpp", "go"), **changed):
        """The problems, after change(results of a language) for each of `changed`, a set of languages."""
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for language in languages:
                cases = self.results(language)
                if change and language in changed.get("of", ["cpp"]):
                    change(cases)
                second = {case["name"] for case in MANIFESTS["resume.json"]["cases"]}
                (root / language).mkdir()
                for file, wanted in (("results.json", False), ("resumed.json", True)):
                    document = {"format": 1, "language": changed.get("named", language),
                                "results": {n: v for n, v in cases.items() if (n in second) == wanted}}
                    (root / language / file).write_text(json.dumps(document), encoding="utf-8")
            if "files" in changed:
                changed["files"](root)
            comparison, self.present = compare.compare(root, changed.get("manifests", MANIFESTS), REFERENCE)
            self.comparison = comparison
            return comparison.problems

    def assert_found(self, change, *parts, **options):
        problems = self.compare(change, **options)
        self.assertTrue(problems, "nothing was found")
        for part in parts:
            self.assertIn(part, "\n".join(problems))
        return problems

    def test_what_is_equal_has_no_difference(self):
        self.assertEqual(self.compare(), [])
        self.assertEqual(self.present, ["c", "cpp", "go"])
        self.assertEqual(self.comparison.held, 3 * 15)
        self.assertEqual(self.comparison.without_reference, 4)

    def test_the_lowest_bit_of_each_kind_is_found_between_languages(self):
        def set_(case, key, value):
            return lambda cases: cases[case].update({key: value})

        def flip(case, key, kind, position):
            def change(cases):
                bits = cases[case][key][kind]
                bits[position] = bits[position] ^ 1 if kind == "f32" else f"{int(bits[position], 16) ^ 1:016x}"
            return change
        changes = {
            ("numbers", "floats"): flip("numbers", "floats", "f32", 2),
            ("numbers", "doubles"): flip("numbers", "doubles", "f64", 1),
            ("numbers", "integer"): set_("numbers", "integer", 6),
            ("numbers", "integers"): set_("numbers", "integers", [1, -1, 2 ** 53]),
            ("numbers", "empty"): set_("numbers", "empty", [0]),
            ("texts", "text"): set_("texts", "text", "cafe\u0301\n\u2192"),
            ("texts", "texts"): set_("texts", "texts", ["a", "c"]),
            ("texts", "none"): set_("texts", "none", 0),
            ("texts", "file"): set_("texts", "file", {"fnv1a64": "00ff00ff00ff00fe", "size": 12}),
            ("texts", "failed"): set_("texts", "failed", {"error": "MINIMOE_E_SHAPE", "message": "x is 4, expected 4"}),
            ("texts", "table"): set_("texts", "table", GOOD["texts"]["table"].replace("1", "0")),
            ("texts", "tables"): set_("texts", "tables", ['{"name": "w",  "shape": [2, 3]}']),
            ("texts", "document"): set_("texts", "document", GOOD["texts"]["document"] + " "),
            ("texts", "capacity_report"): set_("texts", "capacity_report", report(0.12500000000000003, 0.25)),
            ("whole", "checkpoint"): set_("whole", "checkpoint", {"fnv1a64": "1111111111111111", "size": 6}),
            ("from cpp", "checkpoint"): set_("from cpp", "checkpoint", {"fnv1a64": "0111111111111111", "size": 5}),
            ("forked", "result"): set_("forked", "result", "Torn"),
        }
        kinds = {(case, key) for case, keys in GOOD.items() for key in keys}
        self.assertEqual(kinds - changes.keys(), {("numbers", "zeros"), ("resumed", "checkpoint")})
        for (case, key), change in changes.items():
            with self.subTest(case=case, key=key):
                self.assert_found(change, f"cpp: {case}: {key}: is ", "in c ")

    def test_what_all_languages_have_wrong_is_found_by_the_reference(self):
        wrong = {"floats": f32(0.25, -3.0001, 1e-3), "doubles": f64(0.1, float("nan")), "zeros": f32(0.0, 1e-30),
                 "integer": 7.0, "integers": [1, -1], "empty": [1]}
        texts = {"text": "cafe", "texts": ["b", "a"], "none": "", "file": {"fnv1a64": "00ff00ff00ff00ff", "size": 13},
                 "failed": {"error": "MINIMOE_E_IO", "message": "x"}, "capacity_report": report(0.13, 1)}
        a, b = {"key": "a"}, {"key": "b", "n": [2]}
        right = json.loads(GOOD["texts"]["document"])
        documents = [right | change for change in (
            {"a": [{"share": [0.25, 0.74]}]}, {"a": [{"share": [0.25]}]}, {"a": []}, {"n": 4}, {"n": True}, {"x": 0.51},
            {"x": "0.5"}, {"x": None}, {"name": "train"})]
        wrongs = [("numbers", key, value) for key, value in wrong.items()] + \
                 [("texts", key, value) for key, value in texts.items()] + \
                 [("texts", "document", json.dumps(document)) for document in documents] + \
                 [("texts", "table", json.dumps(rows)) for rows in ([a], [a, {"key": "b", "n": 2}], [a, b, {"key": "c"}],
                                                                    [a, a, b], a, [1])] + \
                 [("texts", "tables", ['{"name": "w", "shape": [3, 2]}']), ("texts", "tables", ["{"])] + \
                 [("numbers", "floats", {"f32": [0.25]}), ("numbers", "floats", {"f32": [-1, 2 ** 32]}),
                  ("numbers", "doubles", {"f64": ["0.1", "2.5"]}), ("numbers", "doubles", f32(0.1, 2.5)["f32"]),
                  ("texts", "capacity_report", GOOD["texts"]["capacity_report"][:-1]),
                  ("texts", "document", "{"), ("numbers", "floats", [0.25, -3.0, 1e-3]), ("numbers", "integer", "7")]
        for case, key, value in wrongs:
            with self.subTest(key=key, value=value):
                self.assert_found(lambda cases: cases[case].update({key: value}), f"c: {case}: {key}",
                                  of=["c", "cpp", "go"])

    def test_the_same_wrong_end_of_an_interrupted_run_is_found(self):
        self.assert_found(lambda cases: cases["resumed"].update(checkpoint={"fnv1a64": "2", "size": 5}),
                          'c: resumed: checkpoint: is ', 'in "whole"', of=["c", "cpp", "go"])

    def test_missing_and_superfluous_cases_and_keys_are_found(self):
        self.assert_found(lambda cases: cases.pop("whole"), "cpp: cases: whole is missing")
        self.assert_found(lambda cases: cases.update(extra={}), "cpp: cases: extra is too much")
        self.assert_found(lambda cases: cases["numbers"].pop("floats"), "cpp: numbers: floats is missing")
        self.assert_found(lambda cases: cases["whole"].pop("checkpoint"), "c: whole: checkpoint", of=["c"])
        self.assert_found(lambda cases: cases["whole"].update(more=1), "cpp: whole: more is too much")
        self.assert_found(lambda cases: cases.update(forked={"result": "torn"}), "go: cases: forked is too much",
                          of=["go"])
        self.assert_found(lambda cases: cases.pop("forked"), "c: cases: forked is missing", of=["c"])

    def test_files_that_are_missing_broken_or_of_another_language_are_found(self):
        self.assert_found(None, "cpp: resumed.json is missing", files=lambda root: (root / "cpp/resumed.json").unlink())
        self.assert_found(None, "cpp: results.json is no JSON",
                          files=lambda root: (root / "cpp/results.json").write_text("{"))
        self.assert_found(None, 'says format 1, language "rust"', named="rust")

    def test_a_language_that_is_not_here_leaves_its_file_missing(self):
        self.assert_found(lambda cases: cases.update({"from rust": copy.deepcopy(GOOD["whole"])}),
                          "cpp: from rust: resumed from a file that is not there")
        self.assert_found(lambda cases: cases.update({"from cpp": NO_FILE}), "go: from cpp: ", of=["go"])

    def test_timings_alone_may_differ(self):
        self.assertEqual(self.compare(lambda cases: cases["texts"].update(capacity_report=report(0.125, 9.5))), [])

    def test_a_reference_of_another_manifest_is_no_reference(self):
        manifests = copy.deepcopy(MANIFESTS)
        manifests["manifest.json"]["fnv1a64"] = "3"
        self.assert_found(None, "was made of another manifest.json", manifests=manifests)

    def test_languages_that_are_missing_are_counted_and_required_ones_are_a_failure(self):
        def run(*arguments):
            out = io.StringIO()
            with mock.patch.object(sys, "argv", ["compare.py", *arguments]), contextlib.redirect_stdout(out):
                return compare.main(), out.getvalue()
        with tempfile.TemporaryDirectory() as root:
            status, said = run(root)
            self.assertEqual(status, 77)
            self.assertIn("compared: none; missing 5 of 5: c, cpp, python, go, rust", said)
            status, said = run(root, "--require", "go")
            self.assertEqual(status, 1)
            self.assertIn("go: has no results, and is required", said)


if __name__ == "__main__":
    unittest.main()
