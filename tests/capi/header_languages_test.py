# SPDX-License-Identifier: Apache-2.0
"""minimoe.h compiles without a warning in every C and C++ that it promises. Usage: header_languages_test.py HEADER CC CXX"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

HEADER, CC, CXX = (sys.argv.pop(1) for _ in range(3))
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
C_WARNINGS = [*WARNINGS, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wc++-compat"]
CXX_WARNINGS = [*WARNINGS, "-Wold-style-cast", "-Wzero-as-null-pointer-constant"]
STANDARDS = [(CC, "c", ("c99",), True), (CC, "c", ("c11",), True), (CC, "c", ("c17",), True), (CC, "c", ("c23", "c2x"), False),
             (CXX, "c++", ("c++11",), True), (CXX, "c++", ("c++14",), True), (CXX, "c++", ("c++17",), True),
             (CXX, "c++", ("c++20",), True), (CXX, "c++", ("c++23", "c++2b"), False)]


def compile_as(compiler, language, standard, warnings, source):
    return subprocess.run([compiler, "-x", language, f"-std={standard}", *warnings, f"-I{pathlib.Path(HEADER).parent}", source],
                          capture_output=True, text=True)


class Languages(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.source = pathlib.Path(directory.name) / "consumer"
        self.empty = pathlib.Path(directory.name) / "empty"
        self.empty.write_text("typedef int not_empty;\n")
        # First, so that the header must bring what it uses; twice, so that its guard is tried.
        self.source.write_text('#include "minimoe.h"\n#include "minimoe.h"\n'
                               "int use(void);\nint use(void) { return (int)minimoe_version_number(); }\n")

    def test_no_warning_in_any_standard(self):
        for compiler, language, names, required in STANDARDS:
            with self.subTest(standard=names[0]):
                warnings = C_WARNINGS if language == "c" else CXX_WARNINGS
                known = [n for n in names if compile_as(compiler, language, n, WARNINGS, self.empty).returncode == 0]
                if not known and not required:
                    continue
                self.assertTrue(known, f"{compiler} does not know {names}")
                source = self.source
                if language == "c++":  # the C cast of the consumer is not the header's
                    source = source.with_suffix(".cpp")
                    source.write_text(self.source.read_text().replace("(int)minimoe_version_number()",
                                                                      "static_cast<int>(minimoe_version_number())"))
                result = compile_as(compiler, language, known[0], warnings, source)
                self.assertEqual((result.returncode, result.stderr), (0, ""))


unittest.main()
