# SPDX-License-Identifier: Apache-2.0
"""The shared library needs the C++ runtime only, exports exactly the functions of minimoe.h, and loads.
Usage: shared_library_test.py LIBRARY VERSION HEADER MANIFEST"""
import ctypes
import json
import re
import subprocess
import sys
import unittest

import declarations

LIBRARY, VERSION, HEADER, MANIFEST = (sys.argv.pop(1) for _ in range(4))
RUNTIME = {"libc.so", "libm.so", "libstdc++.so", "libgcc_s.so", "ld-linux-x86-64.so", "ld-linux-aarch64.so"}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(option):
    """(type, name without its version) of the dynamic symbols."""
    lines = (line.split() for line in output("nm", "-D", option, LIBRARY).splitlines())
    return [(words[-2], words[-1].partition("@")[0]) for words in lines]


class SharedLibrary(unittest.TestCase):
    def test_needs_the_cxx_runtime_only(self):
        needed = re.findall(r"\(NEEDED\).*\[(.*?)\]", output("readelf", "-d", LIBRARY))
        self.assertTrue(needed)
        self.assertEqual({re.sub(r"\.so.*", ".so", name) for name in needed} - RUNTIME, set())

    def test_has_the_soname(self):
        self.assertIn("[libminimoe.so.0]", output("readelf", "-d", LIBRARY))

    def test_exports_exactly_the_functions_of_the_header_and_of_the_manifest(self):
        exported = {name for kind, name in symbols("--defined-only") if kind != "A"}  # A: the version's own name
        with open(MANIFEST, encoding="utf-8") as file:
            listed = {entry["name"] for entry in json.load(file)}
        declared = {function.name for function in declarations.parse(HEADER).functions}
        self.assertEqual((sorted(declared - exported), sorted(exported - declared)), ([], []), "(missing, too many)")
        self.assertEqual(exported, listed)

    def test_every_export_carries_the_version_of_the_abi(self):
        names = [line.split()[-1] for line in output("nm", "-D", "--defined-only", LIBRARY).splitlines()]
        functions = [name for name in names if name.startswith("minimoe_")]
        self.assertEqual([name for name in functions if not re.search(r"@@MINIMOE_\d+$", name)], [])

    def test_cannot_end_or_print_for_its_host(self):
        # puts and printf stand in an object of Mbed TLS, in a self test that nobody calls; host_state_test.cpp holds
        # that nothing is printed.
        imported = {name for _, name in symbols("--undefined-only")}
        self.assertEqual(imported & {"exit", "_exit", "_Exit", "quick_exit", "signal", "sigaction", "setlocale", "chdir",
                                     "setenv", "putenv", "fprintf", "perror", "omp_get_num_threads",
                                     "GOMP_parallel"}, set())

    def test_loads_and_tells_its_version(self):
        library = ctypes.CDLL(LIBRARY)
        library.minimoe_version_string.restype = ctypes.c_char_p
        self.assertEqual(library.minimoe_version_string().decode(), VERSION)
        major, minor, patch = map(int, VERSION.split("."))
        self.assertEqual(library.minimoe_version_number(), major * 1000000 + minor * 1000 + patch)
        self.assertEqual(library.minimoe_version_number(), declarations.parse(HEADER).constants["MINIMOE_VERSION_NUMBER"])

    def test_names_every_status_code_of_the_header(self):
        library = ctypes.CDLL(LIBRARY)
        library.minimoe_status_name.restype = ctypes.c_char_p
        constants = declarations.parse(HEADER).constants
        codes = {name: code for name, code in constants.items() if name == "MINIMOE_OK" or name.startswith("MINIMOE_E_")}
        self.assertEqual({name: library.minimoe_status_name(code).decode() for name, code in codes.items()},
                         {name: name for name in codes})
        self.assertEqual(library.minimoe_status_name(len(codes)), b"MINIMOE_E_?")


unittest.main()
