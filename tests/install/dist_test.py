# SPDX-License-Identifier: Apache-2.0
"""The source tarball of the last commit. Usage: ... SOURCE; exit code 77 outside a git checkout"""
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import unittest

from consumer import CMAKE, Consumer, run

SOURCE = pathlib.Path(sys.argv.pop(1))
GIT = ["git", "-c", "safe.directory=*", "-C", str(SOURCE)]
try:
    subprocess.run([*GIT, "cat-file", "-e", "HEAD:cmake/dist.sh"], check=True, capture_output=True)
except (OSError, subprocess.CalledProcessError):
    sys.exit(77)


class Dist(Consumer):
    def make(self, name):
        run("sh", SOURCE / "cmake/dist.sh", self.directory / name, cwd=SOURCE)
        (tarball,) = (self.directory / name).iterdir()
        return tarball

    def test_the_same_commit_gives_the_same_bytes(self):
        first, second = self.make("first"), self.make("second")
        self.assertEqual(first.read_bytes(), second.read_bytes())

    def test_is_whole_and_can_be_configured(self):
        tarball = self.make("out")
        name = tarball.name[:-len(".tar.gz")]
        self.assertRegex(name, r"^libminimoe-\d+\.\d+\.\d+$")
        with tarfile.open(tarball) as archive:
            files = {re.sub("^[^/]*/", "", member.name) for member in archive.getmembers() if not member.isdir()}
            self.assertEqual({member.name.partition("/")[0] for member in archive.getmembers()}, {name})
            archive.extractall(self.directory)
        tracked = run(*GIT, "ls-tree", "-r", "--name-only", "-z", "HEAD").split("\0")
        self.assertEqual(files, {path for path in tracked if path})

        build = self.configure(self.directory / name, "-DMINIMOE_BUILD_TESTS=OFF", "-DMINIMOE_BUILD_PROGRAM=OFF",
                               "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        entries = json.loads((build / "compile_commands.json").read_text())
        target = next(re.search(r" -o (\S+)", entry["command"])[1] for entry in entries
                      if entry["file"].endswith("capi/cancel.cpp"))
        run(CMAKE, "--build", build, "--target", target)


unittest.main()
