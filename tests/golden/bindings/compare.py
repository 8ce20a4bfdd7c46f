#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the results of all languages against the reference and against each other. Standard library only.

compare.py DIRECTORY [--require LANGUAGE...]: DIRECTORY has a folder for each language with results.json and
resumed.json (see README.md). Prints every difference with its case and key. Exits with 1 when there is one (a case
that is missing or too much is one), or when a required language has no results; with 77 when fewer than two languages have results.
"""
import argparse
import json
import math
import pathlib
import struct
import sys

import philox

HERE = pathlib.Path(__file__).resolve().parent
LANGUAGES = ["c", "cpp", "python", "go", "rust"]
TOLERANCE = 1e-5
ABSENT = object()


def floats_of(value):
    """What {"f32"} or {"f64"} hold; None for what is not written as README.md says."""
    try:
        if isinstance(value, dict) and value.keys() == {"f32"}:
            return [struct.unpack("<f", struct.pack("<I", bits))[0] for bits in value["f32"]]
        if isinstance(value, dict) and value.keys() == {"f64"}:
            return [struct.unpack("<d", struct.pack("<Q", int(bits, 16)))[0] for bits in value["f64"]]
    except (struct.error, TypeError, ValueError):
        pass
    return None


def distance(got, expected):
    """Of two lists of numbers, relative to the norm of the expected; infinite where they cannot be compared."""
    if len(got) != len(expected) or not all(map(math.isfinite, got)):
        return math.inf
    difference, norm = (math.sqrt(sum(x * x for x in xs)) for xs in ([a - b for a, b in zip(got, expected)], expected))
    return difference / norm if norm else math.inf if difference else 0.0


def as_list(value):
    return value if isinstance(value, list) else [value]


def are_floats(values):
    """Numbers, one of which at least is no integer."""
    return all(type(v) in (int, float) for v in values) and any(isinstance(v, float) for v in values)


def short(value):
    text = "nothing" if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:100]} .. {text[-50:]}"


def at_path(document, path):
    for key in filter(None, path.split("/")):
        try:
            document = document[int(key) if isinstance(document, list) else key]
        except (LookupError, ValueError, TypeError):
            return ABSENT
    return document


class Comparison:
    def __init__(self):
        self.problems, self.held, self.worst = [], 0, (0.0, "")

    def report(self, where, what):
        self.problems.append(f"{where}: {what}")

    def near(self, where, got, expected):
        far = distance(got, expected)
        if far > self.worst[0]:
            self.worst = far, where
        if far > TOLERANCE:
            self.report(where, f"is {far:.1e} from the reference, allowed {TOLERANCE:.0e}: {short(got)}, "
                               f"expected {short(expected)}")

    def expect(self, where, got, expected):
        """One value against the reference; the kinds are those of make_reference.py."""
        self.held += 1
        self.expect_kind(where, got, expected)

    def expect_kind(self, where, got, expected):
        kind = next(iter(expected)) if isinstance(expected, dict) and expected else None
        if kind == "near" and floats_of(got) is not None:
            self.near(where, floats_of(got), expected["near"])
        elif kind == "error" and isinstance(got, dict) and got.get("error") == expected["error"] and got.get("message"):
            return
        elif kind == "contains" and isinstance(got, str):
            for part in expected["contains"]:
                if part not in got:
                    self.report(where, f"does not hold {short(part)}: {short(got)}")
        elif kind == "count" and isinstance(got, (list, str)):
            if len(got) != expected["count"]:
                self.report(where, f"has {len(got)} elements, expected {expected['count']}")
        elif kind == "json" and isinstance(got, str):
            self.expect_json(where, got, expected["json"])
        elif kind == "table" and isinstance(got, (list, str)):
            self.expect_table(where, got, *expected["table"])
        elif kind not in (None, "fnv1a64") or not same(got, expected):
            self.report(where, f"is {short(got)}, expected {short(expected)}")

    def document(self, where, text):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            self.report(where, f"is no JSON: {error}")
            return None

    def expect_table(self, where, got, index, rows):
        """A JSON list of objects, or texts that are objects: those that `index` names, all of them and no other."""
        objects = self.document(where, got) if isinstance(got, str) else [self.document(where, text) for text in got]
        found = {row.get(index): row for row in objects or [] if isinstance(row, dict)}
        if len(found) != len(objects or []):
            self.report(where, f"names a {index} twice, or none: {short(got)}")
        check_keys(self, where, found, rows.keys())
        for name in sorted(found.keys() & rows.keys()):
            for field, value in rows[name].items():
                if not same(found[name].get(field, ABSENT), value):
                    self.report(f"{where}: {field} of {name}",
                                f"is {short(found[name].get(field, ABSENT))}, expected {short(value)}")

    def expect_json(self, where, text, paths):
        document = self.document(where, text)
        for path, value in paths.items():
            got, here = at_path(document, path), f"{where} at {path}"
            if isinstance(got, list) == isinstance(value, list) and are_floats(as_list(got) + as_list(value)):
                self.near(here, as_list(got), as_list(value))
            elif isinstance(value, dict) and value.keys() == {"count"}:
                self.expect_kind(here, got, value)
            elif not same(got, value):
                self.report(here, f"is {short(got)}, expected {short(value)}")


def same(a, b):
    """Equal in type too: true is not 1, and 1 is not 1.0."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


def without_timings(key, value):
    """Two runs of one program need not agree on the seconds of "stragglers", nor on the text that tells them."""
    if key != "capacity_report" or not isinstance(value, str):
        return value
    try:
        document = json.loads(value)
    except json.JSONDecodeError:
        return value
    return {name: part for name, part in document.items() if name not in ("stragglers", "text")}


def check_keys(comparison, where, got, expected):
    for key in sorted(expected - got.keys()):
        comparison.report(where, f"{key} is missing")
    for key in sorted(got.keys() - expected):
        comparison.report(where, f"{key} is too much")


def usual_keys(cases):
    """Those that at least half of the languages have: what nobody else has is too much, what others have is missing."""
    return {key for case in cases for key in case if 2 * sum(key in other for other in cases) >= len(cases)}


class Results:
    """What one language wrote: {case: {key: value}} of both passes."""

    def __init__(self, directory, language):
        self.language, self.cases, self.problems = language, {}, []
        for name in ("results.json", "resumed.json"):
            path = directory / language / name
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                self.problems.append(f"{language}: {name} is missing")
                continue
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                self.problems.append(f"{language}: {name} is no JSON: {error}")
                continue
            if document.get("format") != 1 or document.get("language") != language:
                self.problems.append(f"{language}: {name} says format {short(document.get('format'))}, language "
                                     f"{short(document.get('language'))}")
            self.cases |= document.get("results", {})


def expected_cases(manifests, language, present):
    """Names of the cases that a language must have, and of those that stand for a language that is not here."""
    wanted, without_file = set(), set()
    for manifest in manifests.values():
        for case in manifest["cases"]:
            if language in manifest["exempt"].get(case["name"], {}):
                continue
            wanted.add(case["name"])
            if case.get("written_by", language) not in present:
                without_file.add(case["name"])
    return wanted, without_file


def expected_of(reference, case):
    expected = reference["cases"].get(case, {})
    return reference["cases"][expected] if isinstance(expected, str) else expected


def compare(directory, manifests, reference, languages=LANGUAGES):
    """(Comparison, languages that have results)"""
    comparison = Comparison()
    for name, manifest in manifests.items():
        if manifest["fnv1a64"] != reference["manifests"][name]:
            comparison.report("reference.json", f"was made of another {name}: run make_reference.py")
    present = [name for name in languages if (directory / name / "results.json").exists()]
    wanted = {name: expected_cases(manifests, name, present) for name in present}
    results = {name: Results(directory, name) for name in present}
    first_of = {}  # case: {key: (language, value)}
    for language in present:
        cases, (names, without_file) = results[language].cases, wanted[language]
        comparison.problems += results[language].problems
        check_keys(comparison, f"{language}: cases", cases, names)
        for case in sorted(names & cases.keys()):
            got = cases[case]
            if case in without_file:
                if got.get("resume", {}).get("error") != "MINIMOE_E_IO":
                    comparison.report(f"{language}: {case}", "resumed from a file that is not there")
                continue
            expected = expected_of(reference, case)
            others = [r.cases[case] for r in results.values() if case in r.cases]
            check_keys(comparison, f"{language}: {case}", got, expected.keys() | usual_keys(others))
            for key, value in got.items():
                where = f"{language}: {case}: {key}"
                if key in expected:
                    comparison.expect(where, value, expected[key])
                first, other = first_of.setdefault(case, {}).setdefault(key, (language, value))
                if not same(without_timings(key, value), without_timings(key, other)):
                    comparison.report(where, f"is {short(value)}, in {first} {short(other)}")
        check_same(comparison, language, cases, reference["same"], without_file)
    comparison.without_reference = sum(key not in expected_of(reference, case)
                                       for case, keys in first_of.items() for key in keys)
    return comparison, present


def check_same(comparison, language, cases, pairs, without_file):
    for case, key, other_case, other_key in pairs:
        if case in without_file or case not in cases or other_case not in cases:
            continue
        one, other = cases[case].get(key, ABSENT), cases[other_case].get(other_key, ABSENT)
        if one is ABSENT or not same(one, other):
            comparison.report(f"{language}: {case}: {key}", f"is {short(one)}, in \"{other_case}\" {short(other)}")


def read_manifest(path):
    content = path.read_bytes()
    return json.loads(content) | {"fnv1a64": f"{philox.fnv1a64(content):016x}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--require", nargs="*", default=[], help="languages that must have results")
    options = parser.parse_args()
    manifests = {name: read_manifest(HERE / name) for name in ("manifest.json", "resume.json")}
    reference = json.loads((HERE / "reference.json").read_text(encoding="utf-8"))
    comparison, present = compare(options.directory, manifests, reference)
    for language in options.require:
        if language not in present:
            comparison.report(language, "has no results, and is required")
    for problem in comparison.problems:
        print(problem)
    missing = [name for name in LANGUAGES if name not in present]
    exemptions = [why for manifest in manifests.values() for why in manifest["exempt"].values()]
    exempt = sum(name in why for why in exemptions for name in present)
    print(f"compared: {', '.join(present) or 'none'}; missing {len(missing)} of {len(LANGUAGES)}"
          f"{': ' if missing else ''}{', '.join(missing)}; {exempt} exempt cases")
    print(f"{comparison.held} values held against the reference (worst {comparison.worst[0]:.1e} of {TOLERANCE:.0e}, "
          f"{comparison.worst[1] or 'nowhere'}); {comparison.without_reference} keys between languages only; "
          f"{len(comparison.problems)} differences")
    return 1 if comparison.problems else 0 if len(present) > 1 else 77


if __name__ == "__main__":
    sys.exit(main())
