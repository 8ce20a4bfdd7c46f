# SPDX-License-Identifier: Apache-2.0
"""Every function of the C interface is reached: a library in front of libminimoe counts the calls that come in."""

import json
import pathlib
import platform
import shutil
import subprocess
import sys

import pytest

import minimoe

HERE = pathlib.Path(__file__).parent
COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
__attribute__((visibility("hidden"))) unsigned long reach_counts[COUNT];
__attribute__((visibility("hidden"))) void *reach_targets[COUNT];
static const char *const names[] = {NAMES};
__attribute__((constructor)) static void begin(void) {
  for (int i = 0; i < COUNT; ++i) reach_targets[i] = dlsym(RTLD_NEXT, names[i]);
}
__attribute__((destructor)) static void end(void) {
  FILE *out = fopen(getenv("REACH_FILE"), "w");
  for (int i = 0; i < COUNT; ++i) fprintf(out, "%s %lu\n", names[i], reach_counts[i]);
  fclose(out);
}
"""
ENTRY = r"""__asm__(".pushsection .text\n.globl {0}\n.type {0},@function\n{0}:\n  lock incq reach_counts+{1}(%rip)\n"
        "  jmp *reach_targets+{1}(%rip)\n.popsection\n");
"""


def loaded_library():
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    return next(line.split(maxsplit=5)[5] for line in lines if "libminimoe.so" in line)


def test_every_function_of_the_manifest_is_reached(tmp_path, python_environment):
    functions = json.loads((HERE.parents[1] / "capi/functions.json").read_text(encoding="utf-8"))
    names = [entry["name"] for entry in functions]
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or platform.machine() != "x86_64":
        pytest.skip("needs a C compiler on x86-64")
    source = COUNTER.replace("COUNT]", f"{len(names)}]").replace("< COUNT", f"< {len(names)}").replace(
        "NAMES", ", ".join(f'"{name}"' for name in names))
    source += "".join(ENTRY.format(name, 8 * index) for index, name in enumerate(names))
    (tmp_path / "reach.c").write_text(source)
    library = pathlib.Path(loaded_library())
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "libreach.so", "reach.c", f"-Wl,-rpath,{library.parent}",
                    "-Wl,--no-as-needed", str(library), "-ldl"], cwd=tmp_path, check=True)
    environment = {**python_environment, "LD_PRELOAD": str(tmp_path / "libreach.so"),
                   "REACH_FILE": str(tmp_path / "reached")}
    subprocess.run([sys.executable, HERE / "every_call.py", tmp_path], env=environment, check=True)
    counts = dict(line.split() for line in (tmp_path / "reached").read_text().splitlines())
    assert len(counts) == len(names)
    missed = [name for name, count in counts.items() if count == "0"]
    assert missed == []
    assert hasattr(minimoe, "raw")
