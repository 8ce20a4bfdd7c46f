# SPDX-License-Identifier: Apache-2.0
"""What the tests of an installation share: running tools, and a directory that is gone afterwards."""
import os
import pathlib
import subprocess
import tempfile
import unittest

CMAKE, CC, CXX = (os.environ[name] for name in ("CMAKE", "CC", "CXX"))


def run(*command, cwd=None, env=None):
    """Output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def needed(binary):
    """Libraries that a program loads, without their versions."""
    lines = [line for line in run("readelf", "-d", binary).splitlines() if "(NEEDED)" in line]
    return {line.partition("[")[2].partition(".so")[0] for line in lines}


class Consumer(unittest.TestCase):
    """A test in an empty directory, self.directory."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = pathlib.Path(holder.name)

    def project(self, name, lists, **sources):
        """A directory with a CMakeLists.txt and sources, given as main_c="..." for main.c."""
        directory = self.directory / name
        directory.mkdir()
        (directory / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.22)\n" + lists)
        for source, text in sources.items():
            (directory / source.replace("_", ".")).write_text(text)
        return directory

    def configure(self, source, *options):
        build = self.directory / f"build-{len(list(self.directory.iterdir()))}"
        run(CMAKE, "-G", "Ninja", "-Wno-dev", "-S", source, "-B", build, *options)
        return build
