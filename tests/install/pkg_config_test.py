# SPDX-License-Identifier: Apache-2.0
"""The examples, built by one compiler call each with what pkg-config says. Usage: ... PREFIX SOURCE"""
import pathlib
import shlex
import shutil
import sys
import unittest

from consumer import CC, CXX, Consumer, needed, run

PREFIX, SOURCE = (pathlib.Path(argument) for argument in sys.argv[1:])
del sys.argv[1:]
PKG_CONFIG = shutil.which("pkg-config")


@unittest.skipUnless(PKG_CONFIG, "no pkg-config")
class PkgConfig(Consumer):
    def flags(self, *options):
        path = next(PREFIX.rglob("minimoe.pc")).parent
        return shlex.split(run(PKG_CONFIG, *options, "--cflags", "--libs", "minimoe", env={"PKG_CONFIG_PATH": str(path)}))

    def build(self, source, flags):
        program = self.directory / "program"
        compiler = [CXX, "-std=c++17"] if source.endswith("pp") else [CC, "-std=c99"]
        run(*compiler, "-Wall", "-Wextra", "-Werror", SOURCE / "examples" / source, "-o", program, *flags, "-pthread")
        return program

    def test_shared(self):
        flags = self.flags()
        self.assertNotIn("-lz", flags)
        library = next(PREFIX.rglob("libminimoe.so")).parent
        for source in ("embed.c", "layer.c", "embed.cpp"):
            program = self.build(source, flags)
            self.assertIn("libminimoe", needed(program))
            run(program, cwd=self.directory, env={"LD_LIBRARY_PATH": str(library)})

    def test_the_archive_in_a_program_that_is_dynamic_otherwise(self):
        flags = [flag.replace("-lminimoe", "-l:libminimoe.a") for flag in self.flags("--static")]
        program = self.build("embed.c", flags)
        self.assertNotIn("libminimoe", needed(program))
        run(program, cwd=self.directory)

    def test_a_program_without_any_shared_library(self):
        program = self.build("layer.c", ["-static", *self.flags("--static")])
        self.assertEqual(needed(program), set())
        run(program, cwd=self.directory)


unittest.main()
