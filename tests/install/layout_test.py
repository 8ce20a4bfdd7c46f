# SPDX-License-Identifier: Apache-2.0
"""Installs the build, component by component, and leaves the whole in PREFIX. Usage: ... BUILD SOURCE PREFIX
WITH_PROGRAM (1 or 0)"""
import os
import pathlib
import re
import shutil
import sys
import unittest

from consumer import CMAKE, Consumer, run

BUILD, SOURCE, PREFIX = (pathlib.Path(argument) for argument in sys.argv[1:4])
WITH_PROGRAM = sys.argv[4] == "1"
del sys.argv[1:]
VERSION = re.search(r"project\(minimoe VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text())[1]


def files_under(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_symlink() or path.is_file()}


class Layout(Consumer):
    def install(self, component=None):
        root = self.directory / (component or "all")
        run(CMAKE, "--install", BUILD, "--prefix", "/opt/minimoe", *(["--component", component] if component else []),
            env={"DESTDIR": str(root)})
        self.assertEqual([path.name for path in root.iterdir()], ["opt"])
        return root / "opt" / "minimoe"

    def test_components(self):
        whole = files_under(self.install())
        parts = {name: files_under(self.install(name)) for name in ("runtime", "development", "core")}
        parts["program"] = files_under(self.install("program")) if WITH_PROGRAM else set()
        self.assertEqual(set().union(*parts.values()), whole)
        self.assertEqual(sum(map(len, parts.values())), len(whole), "a file belongs to one component")

        lib = next(path for path in parts["runtime"] if path.endswith(f"libminimoe.so.{VERSION}")).rpartition("/")[0]
        self.assertEqual(parts["runtime"], {f"{lib}/libminimoe.so.{VERSION}", f"{lib}/libminimoe.so.0",
                                            "share/doc/minimoe/LICENSE", "share/doc/minimoe/NOTICE"})
        for file in (f"{lib}/libminimoe.so", f"{lib}/libminimoe.a", f"{lib}/pkgconfig/minimoe.pc",
                     "include/minimoe.h", "include/minimoe.hpp", f"{lib}/cmake/minimoe/minimoeConfig.cmake"):
            self.assertIn(file, parts["development"])
        headers = {f"include/{path.relative_to(SOURCE / 'include')}" for path in (SOURCE / "include").rglob("*.hpp")}
        self.assertEqual({path for path in parts["core"] if path.endswith("pp")}, headers)
        # Every header of the C interface is public by its name; those for the library itself stay at home.
        self.assertEqual({path for path in whole if re.fullmatch(r"include/[^/]+", path)},
                         {f"include/{path.name}" for path in (SOURCE / "capi").glob("minimoe*.h*")})
        if WITH_PROGRAM:
            for file in ("bin/minimoe", "share/bash-completion/completions/minimoe", "share/zsh/site-functions/_minimoe",
                         "share/fish/vendor_completions.d/minimoe.fish"):
                self.assertIn(file, parts["program"])
            manual = SOURCE / "examples/cli/minimoe.1"
            self.assertEqual("share/man/man1/minimoe.1" in parts["program"], manual.exists())

    def test_names_no_path_of_the_build(self):
        root = self.install()
        for name in files_under(root):
            if name.endswith((".cmake", ".pc", ".h", ".hpp", ".1")):
                text = (root / name).read_text()
                for path in (BUILD, SOURCE, self.directory, "/usr/lib"):
                    self.assertNotIn(str(path), text, name)
        dynamic = run("readelf", "-d", next(root.rglob("libminimoe.so.0")))
        self.assertNotRegex(dynamic, "RPATH|RUNPATH")

    @classmethod
    def tearDownClass(cls):
        """The prefix of the tests that come after this one, not where it was installed."""
        made = PREFIX.with_name("made")
        for path in (made, PREFIX):
            shutil.rmtree(path, ignore_errors=True)
        run(CMAKE, "--install", BUILD, "--prefix", made, env={"DESTDIR": ""})
        os.rename(made, PREFIX)
        if WITH_PROGRAM:
            run(PREFIX / "bin/minimoe", "--version")


unittest.main()
