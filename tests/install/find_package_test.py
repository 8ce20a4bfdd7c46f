# SPDX-License-Identifier: Apache-2.0
"""Projects that use the installed library by find_package. Usage: ... PREFIX SOURCE CLASS..."""
import pathlib
import re
import subprocess
import sys
import unittest

from consumer import CMAKE, Consumer, needed, run

PREFIX, SOURCE = (pathlib.Path(argument) for argument in sys.argv[1:3])
del sys.argv[1:3]
HERE = f"-DCMAKE_PREFIX_PATH={PREFIX}"
C_MAIN = """#include <minimoe.h>
#include <stdio.h>
int main(void) { return puts(minimoe_version_string()) < 0 || minimoe_check_version(MINIMOE_VERSION_NUMBER, NULL); }
"""


class Examples(Consumer):
    def build_and_run(self, component):
        build = self.configure(SOURCE / "examples", HERE, f"-DMINIMOE_EXAMPLES_COMPONENT={component}")
        run(CMAKE, "--build", build)
        for source in ("embed.c", "layer.c", "embed.cpp"):
            program = build / source.replace(".", "_")
            self.assertEqual("libminimoe" in needed(program), component == "shared")
            self.assertIn("yes", run(program, cwd=self.directory))

    def test_shared(self):
        self.build_and_run("shared")

    def test_static(self):
        self.build_and_run("static")


class PureC(Consumer):
    def test_c_project_links_the_archive(self):
        source = self.project("c", "project(c C)\nfind_package(minimoe REQUIRED COMPONENTS static)\n"
                              "add_executable(main main.c)\ntarget_link_libraries(main minimoe::static)\n", main_c=C_MAIN)
        build = self.configure(source, HERE)
        run(CMAKE, "--build", build)
        self.assertRegex(run(build / "main"), r"^\d+\.\d+\.\d+\n$")


class Core(Consumer):
    def test_the_program_of_the_documents_and_the_c_interface_come_from_one_archive(self):
        program = re.search(r"```cpp\n(.*?)```", (SOURCE / "docs/embedding.md").read_text(), re.S)[1]
        self.assertIn("steps = 100;", program)
        program = program.replace("steps = 100;", "steps = 2;").replace("int main() {", """
int main() {
  if (minimoe_check_version(MINIMOE_VERSION_NUMBER, nullptr) != MINIMOE_OK) return 2;""")
        source = self.project("core", "project(core CXX)\nfind_package(minimoe 0.1 REQUIRED COMPONENTS core)\n"
                              "add_executable(main main.cpp)\ntarget_link_libraries(main minimoe::core)\n",
                              main_cpp="#include <minimoe.h>\n" + program)
        build = self.configure(source, HERE)
        run(CMAKE, "--build", build)
        self.assertNotIn("libminimoe", needed(build / "main"))
        run(build / "main")


class Refusals(Consumer):
    def find(self, arguments, *options):
        """What CMake says to a find_package that is not REQUIRED."""
        count = len(list(self.directory.iterdir()))
        source = self.project(f"p{count}", f"project(p C)\nfind_package(minimoe {arguments})\n"
                              'message("found=${minimoe_FOUND}")\n')
        done = subprocess.run([CMAKE, "-S", source, "-B", source / "b", HERE, *options], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_versions(self):
        version = re.search(r"VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text().partition("project(")[2])[1]
        major, minor, patch = map(int, version.split("."))
        for wanted, found in ((version, "found=1"), (f"{major}.{minor}", "found=1"), (f"{major}.{minor + 1}", "found=0"),
                              (f"{major}.{minor}.{patch + 1}", "found=0"), (f"{major + 1}.0", "found=0")):
            self.assertIn(found, self.find(wanted), wanted)

    def test_an_unknown_component(self):
        self.assertIn("found=0", self.find("COMPONENTS shared nothing"))
        self.assertIn("found=1", self.find("COMPONENTS shared OPTIONAL_COMPONENTS nothing"))

    def test_a_missing_dependency_is_named_and_spares_the_others(self):
        without = ("-DCMAKE_DISABLE_FIND_PACKAGE_xtensor=ON",)
        said = self.find("COMPONENTS core", *without)
        self.assertIn("found=0", said)
        self.assertIn("component core lacks xtensor", said)
        self.assertIn("found=1", self.find("COMPONENTS shared static", *without))


unittest.main()
