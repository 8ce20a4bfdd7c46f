# SPDX-License-Identifier: Apache-2.0
"""The shared library needs the C++ runtime only, exports nothing but minimoe_*, and loads. Usage: ... LIBRARY VERSION"""
import ctypes
import re
import subprocess
import sys
import unittest

LIBRARY, VERSION = sys.argv.pop(1), sys.argv.pop(1)
RUNTIME = {"libc.so", "libm.so", "libstdc++.so", "libgcc_s.so", "ld-linux-x86-64.so", "ld-linux-aarch64.so"}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class SharedLibrary(unittest.TestCase):
    def test_needs_the_cxx_runtime_only(self):
        needed = re.findall(r"\(NEEDED\).*\[(.*?)\]", output("readelf", "-d", LIBRARY))
        self.assertTrue(needed)
        self.assertEqual({re.sub(r"\.so.*", ".so", name) for name in needed} - RUNTIME, set())

    def test_has_the_soname(self):
        self.assertIn("[libminimoe.so.0]", output("readelf", "-d", LIBRARY))

    def test_exports_only_minimoe_functions(self):
        lines = [line.split() for line in output("nm", "-D", "--defined-only", LIBRARY).splitlines()]
        exported = {name.partition("@")[0] for _, kind, name in lines if kind != "A"}  # A: the version's own name
        self.assertIn("minimoe_version_string", exported)
        self.assertEqual({name for name in exported if not name.startswith("minimoe_")}, set())

    def test_loads_and_tells_its_version(self):
        library = ctypes.CDLL(LIBRARY)
        library.minimoe_version_string.restype = ctypes.c_char_p
        self.assertEqual(library.minimoe_version_string().decode(), VERSION)
        major, minor, patch = map(int, VERSION.split("."))
        self.assertEqual(library.minimoe_version_number(), major * 1000000 + minor * 1000 + patch)


unittest.main()
