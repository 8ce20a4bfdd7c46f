# SPDX-License-Identifier: Apache-2.0
"""A project of another standard and other flags adds the library with add_subdirectory. Usage: ... SOURCE"""
import json
import pathlib
import re
import sys
import unittest

from consumer import CMAKE, Consumer, run

SOURCE = pathlib.Path(sys.argv.pop(1))
PARENT = """
project(parent VERSION 7.1 LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 11)
set(CMAKE_CXX_FLAGS "-std=c++11 -ffast-math")
set(CMAKE_C_FLAGS "-Wall -DPARENT")
set(BUILD_SHARED_LIBS ON)
add_compile_definitions(FROM_PARENT)
macro(write_state file)
  get_cmake_property(names VARIABLES)
  set(text "")
  foreach(name IN LISTS names)
    if(NOT name MATCHES "^(names|name|text|value|property|ARG.*|CMAKE_MATCH_.*|file)$")
      string(APPEND text "${name}=[${${name}}]\\n")
    endif()
  endforeach()
  foreach(property COMPILE_OPTIONS COMPILE_DEFINITIONS INCLUDE_DIRECTORIES LINK_OPTIONS LINK_LIBRARIES BUILDSYSTEM_TARGETS)
    get_directory_property(value ${property})
    string(APPEND text "property ${property}=[${value}]\\n")
  endforeach()
  file(WRITE ${CMAKE_BINARY_DIR}/${file} "${text}")
endmacro()
write_state(before)
if(WITH_MINIMOE)
  add_subdirectory(${MINIMOE_DIRECTORY} minimoe)
endif()
write_state(after)
add_executable(host host.c)
install(TARGETS host)
"""
# The find modules' own findings; everything else new in the cache begins with MINIMOE_ or minimoe_.
FOUND = re.compile(r"(MINIMOE_|minimoe_|.*_DIR$|CMAKE_HAVE_LIBC_PTHREAD|FIND_PACKAGE_MESSAGE_DETAILS_|arch_native_supported)")


class Subproject(Consumer):
    def parent(self, name, *options):
        source = self.project(name, PARENT, host_c="int main(void) { return 0; }\n")
        return self.configure(source, f"-DMINIMOE_DIRECTORY={SOURCE}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *options)

    def commands(self, build):
        entries = json.loads((build / "compile_commands.json").read_text())
        return {pathlib.Path(entry["file"]).name: entry["command"] for entry in entries}

    def test_leaves_its_parent_alone(self):
        alone = self.parent("parent", "-DWITH_MINIMOE=OFF")
        build = self.configure(self.directory / "parent", f"-DMINIMOE_DIRECTORY={SOURCE}", "-DWITH_MINIMOE=ON",
                               "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        state = {file: (build / file).read_text().splitlines() for file in ("before", "after")}
        self.assertGreater(len(state["before"]), 100)
        changed = set(state["before"]) ^ set(state["after"])
        self.assertEqual({line for line in changed if not FOUND.match(line.partition("=")[0])}, set())

        def cache(directory):
            return {line.partition(":")[0] for line in (directory / "CMakeCache.txt").read_text().splitlines()
                    if re.match(r"[A-Za-z_]\w*:", line)} - {"WITH_MINIMOE", "MINIMOE_DIRECTORY"}

        self.assertEqual({name for name in cache(build) - cache(alone) if not FOUND.match(name)}, set())
        with_it, without = self.commands(build), self.commands(alone)
        self.assertEqual(with_it["host.c"].replace(str(build), ""), without["host.c"].replace(str(alone), ""))

        # No program, test, benchmark or install rule of ours; and our flags stand after the parent's.
        self.assertNotIn("main.cpp", with_it)
        self.assertFalse([name for name in with_it if name.endswith("_test.cpp")])
        run(CMAKE, "--build", build, "--target", "host")
        run(CMAKE, "--install", build, "--prefix", self.directory / "prefix")
        self.assertEqual([path.name for path in (self.directory / "prefix").rglob("*") if path.is_file()], ["host"])
        ours = with_it["error.cpp"]
        self.assertGreater(ours.rindex("-std=c++20"), ours.rindex("-std=c++11"))
        self.assertGreater(ours.rindex("-fno-fast-math"), ours.rindex("-ffast-math"))
        target = re.search(r" -o (\S+)", with_it["cancel.cpp"])[1]
        run(CMAKE, "--build", build, "--target", target)

    def test_shows_its_public_headers_only(self):
        build = self.parent("parent", "-DWITH_MINIMOE=ON")
        shown = {path.name for path in (build / "minimoe" / "include").iterdir()}
        self.assertEqual(shown, {path.name for path in (SOURCE / "capi").glob("minimoe*.h*")})


unittest.main()
