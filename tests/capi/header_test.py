# SPDX-License-Identifier: Apache-2.0
"""minimoe.h follows its own rules, and the manifest lists exactly its functions. Usage: header_test.py HEADER MANIFEST"""
import json
import pathlib
import re
import sys
import unittest

import declarations

HEADER, MANIFEST = sys.argv.pop(1), sys.argv.pop(1)
THREADS = {"none", "create", "any", "read", "write"}  # capi/functions.json; docs/reference.md says what each means
FROZEN = sorted(pathlib.Path(__file__).parent.glob("frozen/*/minimoe.h"))
PLAIN_RESULTS = {"minimoe_version_number": "int32_t", "minimoe_version_string": "const char*",
                 "minimoe_status_name": "const char*"}


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.header = declarations.parse(HEADER)  # refuses a parameter that breaks the rules of naming
        with open(MANIFEST, encoding="utf-8") as file:
            cls.manifest = json.load(file)

    def test_the_manifest_lists_the_functions_of_the_header_in_its_order(self):
        self.assertEqual([f.name for f in self.header.functions], [entry["name"] for entry in self.manifest])

    def test_the_manifest_has_the_same_keys_for_each_function(self):
        for entry in self.manifest:
            with self.subTest(function=entry["name"]):
                self.assertEqual(list(entry), ["name", "since", "family", "threads"])
                self.assertIn(entry["threads"], THREADS)
                since = [int(part) for part in entry["since"].split(".")]
                self.assertLessEqual(since[0] * 1000000 + since[1] * 1000 + since[2],
                                     self.header.constants["MINIMOE_VERSION_NUMBER"])

    def test_every_function_is_documented(self):
        for function in self.header.functions:
            with self.subTest(function.name):
                self.assertGreater(len(function.doc), 10)

    def test_a_documented_parameter_exists(self):
        for function in self.header.functions:
            with self.subTest(function.name):
                names = {p.name for p in function.parameters}
                for listed in re.findall(r"@param (\w+(?:, \w+)*)", function.doc):
                    self.assertEqual(set(listed.split(", ")) - names, set())

    def test_names_have_the_prefix_and_are_unique(self):
        names = [f.name for f in self.header.functions]
        self.assertEqual(len(names), len(set(names)))
        for name in names + self.header.handles + list(self.header.structs) + self.header.callbacks:
            self.assertRegex(name, r"^minimoe_[a-z0-9_]+$")
        for name in self.header.constants:
            self.assertRegex(name, r"^MINIMOE_[A-Z0-9_]+$")

    def test_what_can_fail_returns_a_status_and_ends_in_err(self):
        for function in self.header.functions:
            with self.subTest(function.name):
                roles = [p.role for p in function.parameters]
                if function.fallible:
                    self.assertEqual(roles[-1:], ["err"])
                    self.assertEqual(roles.count("err"), 1)
                else:
                    self.assertNotIn("err", roles)
                    expected = "void" if function.name.endswith("_free") else PLAIN_RESULTS.get(function.name)
                    self.assertEqual(function.returns, expected)

    def test_a_handle_comes_first_and_a_new_one_just_before_err(self):
        for function in self.header.functions:
            with self.subTest(function.name):
                roles = [p.role for p in function.parameters]
                for i, role in enumerate(roles):
                    if role == "handle":
                        self.assertEqual(set(roles[:i]) - {"handle"}, set())
                    if role in ("new_handle", "result"):
                        self.assertEqual(i, len(roles) - 2)
                    if role == "options":
                        self.assertEqual(set(roles[i + 1:]) & {"handle", "text", "input", "cstring"}, set())

    def test_a_name_means_one_type(self):
        types = {}
        for function in self.header.functions:
            with self.subTest(function.name):
                for parameter in function.parameters:
                    # `index` is a size_t among parameters, and a uint64_t among windows, which have no end.
                    if parameter.role not in ("input", "handle", "new_handle", "struct") and parameter.name != "index":
                        key = parameter.role, parameter.name
                        self.assertEqual(types.setdefault(key, parameter.type), parameter.type, parameter.name)

    def test_every_handle_can_be_freed_with_null_and_a_retained_one_is_freed_once_more(self):
        names = {f.name for f in self.header.functions}
        for handle in self.header.handles:
            with self.subTest(handle=handle):
                self.assertIn(f"{handle}_free", names)
                self.assertEqual([p.type for p in self.header.function(f"{handle}_free").parameters], [f"{handle}*"])

    def test_const_says_which_side_of_the_lock_a_call_takes(self):
        classes = {entry["name"]: entry["threads"] for entry in self.manifest}
        for function in self.header.functions:
            with self.subTest(function.name):
                first = next((p for p in function.parameters if p.role == "handle"), None)
                expected = {"read": True, "write": False}.get(classes[function.name])
                if expected is not None:
                    self.assertEqual(first.type.startswith("const "), expected)
                elif classes[function.name] == "create":
                    self.assertIn("new_handle", [p.role for p in function.parameters])
                elif classes[function.name] == "none":
                    self.assertIsNone(first)

    def test_a_struct_that_can_grow_begins_with_its_size(self):
        for name, fields in self.header.structs.items():
            with self.subTest(struct=name):
                first = ("int32_t", "code", "") if name == "minimoe_error" else ("uint32_t", "struct_size", "")
                self.assertEqual(fields[0], first)
                nested = set(self.header.structs) & {kind for kind, _, _ in fields}
                self.assertEqual(nested, set())

    def test_status_codes_are_distinct_and_without_gaps(self):
        codes = [value for name, value in self.header.constants.items()
                 if name == "MINIMOE_OK" or name.startswith("MINIMOE_E_")]
        self.assertEqual(codes, list(range(len(codes))))


class Frozen(unittest.TestCase):
    """Every declaration of a frozen header stands in that of now (docs/abi.md)."""

    @classmethod
    def setUpClass(cls):
        cls.now = declarations.parse(HEADER)
        cls.frozen = [declarations.parse(path) for path in FROZEN]

    def test_there_is_one(self):
        self.assertTrue(self.frozen)

    def test_functions_keep_their_results_and_parameters(self):
        for then in self.frozen:
            signatures = {f.name: (f.returns, [(p.type, p.name) for p in f.parameters]) for f in self.now.functions}
            for f in then.functions:
                self.assertEqual(signatures.get(f.name), (f.returns, [(p.type, p.name) for p in f.parameters]), f.name)

    def test_structs_grow_at_their_end_only(self):
        for then in self.frozen:
            for name, fields in then.structs.items():
                self.assertEqual(self.now.structs[name][:len(fields)], fields, name)
            self.assertEqual(self.now.structs["minimoe_error"], then.structs["minimoe_error"])

    def test_types_stay_and_constants_keep_their_values(self):
        for then in self.frozen:
            self.assertLessEqual({*then.handles, *then.callbacks}, {*self.now.handles, *self.now.callbacks})
            self.assertGreaterEqual(self.now.constants["MINIMOE_VERSION_NUMBER"], then.constants["MINIMOE_VERSION_NUMBER"])
            changed = {name for name, value in then.constants.items() if self.now.constants.get(name) != value}
            self.assertLessEqual(changed, {"MINIMOE_VERSION_NUMBER"})


unittest.main()
