# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the safe crate under a recorder and proves that they call every function of the manifest.

Usage: reach.py BUILD_DIRECTORY [CARGO_TEST_ARGUMENT...]. The recorder is a shared library, made from the manifest, that is
loaded before libminimoe: each of its functions notes the call and jumps on to the library's function of that name.
"""
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MANIFEST = HERE.parent.parent / "capi" / "functions.json"
FRAME = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {%(names)s};
enum { kCount = sizeof names / sizeof names[0] };
__attribute__((visibility("hidden"))) void *reach_target[kCount];
__attribute__((visibility("hidden"))) unsigned char reach_called[kCount];

__attribute__((constructor)) static void find(void) {
  for (int i = 0; i < kCount; i++) reach_target[i] = dlsym(RTLD_NEXT, names[i]);
}

__attribute__((destructor)) static void tell(void) {
  const char *path = getenv("MINIMOE_REACH_FILE");
  const int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
  for (int i = 0; file >= 0 && i < kCount; i++) {
    if (!reach_called[i]) continue;
    if (write(file, names[i], strlen(names[i])) < 0 || write(file, "\n", 1) < 0) _exit(3);
  }
  if (file >= 0) close(file);
}
"""
TRAMPOLINE = r"""
__asm__(".text\n.globl %(name)s\n.type %(name)s,@function\n%(name)s:\n"
        "movb $1, reach_called+%(index)d(%%rip)\njmp *reach_target+8*%(index)d(%%rip)\n");
"""


def make_recorder(names, directory):
    source, library = directory / "reach.c", directory / "libreach.so"
    text = FRAME % {"names": ", ".join(f'"{name}"' for name in names)}
    text += "".join(TRAMPOLINE % {"name": name, "index": index} for index, name in enumerate(names))
    source.write_text(text)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def main(directory, arguments):
    if platform.machine() != "x86_64":
        print("skipped: the recorder is written for x86-64")
        return 77
    directory.mkdir(parents=True, exist_ok=True)
    names = [function["name"] for function in json.loads(MANIFEST.read_text())]
    recorder, called = make_recorder(names, directory), directory / "reached.txt"
    called.unlink(missing_ok=True)
    version = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    host = next(line.split()[1] for line in version.splitlines() if line.startswith("host:"))
    variable = f"CARGO_TARGET_{host.upper().replace('-', '_')}_RUNNER"
    runner = f"env LD_PRELOAD={recorder} MINIMOE_REACH_FILE={called}"
    tests = subprocess.run(["cargo", "test", "--locked", "--workspace", "--lib", "--tests", *arguments], cwd=HERE,
                           env={**os.environ, variable: runner})
    if tests.returncode:
        return tests.returncode
    missing = sorted(set(names) - set(called.read_text().split()))
    if missing:
        print(f"the tests of the Rust crate do not call: {', '.join(missing)}")
        return 1
    print(f"all {len(names)} functions of the manifest were called")
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]))
