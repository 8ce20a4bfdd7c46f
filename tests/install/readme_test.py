# SPDX-License-Identifier: Apache-2.0
"""The program of one language in README.md, built as it says and run. Usage: readme_test.py LANGUAGE PREFIX SOURCE BUILD [PYTHON]

PYTHON is an interpreter with what the package needs. Exit code 77 without the language's toolchain.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

LANGUAGE, PREFIX, SOURCE, BUILD = sys.argv[1], *(pathlib.Path(argument) for argument in sys.argv[2:5])
LIBRARY = next(PREFIX.rglob("libminimoe.so")).parent
ENVIRONMENT = {**os.environ, "PKG_CONFIG_PATH": str(LIBRARY / "pkgconfig"), "LD_LIBRARY_PATH": str(LIBRARY)}


def run(directory, *command, **environment):
    done = subprocess.run([str(part) for part in command], cwd=directory, env={**ENVIRONMENT, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def compiled(directory, name, *compiler):
    flags = shlex.split(run(directory, "pkg-config", "--cflags", "--libs", "minimoe"))
    run(directory, *compiler, "-Wall", "-Wextra", "-Werror", name, "-o", "host", *flags)
    return run(directory, directory / "host")


def c(directory):
    return compiled(directory, "host.c", os.environ["CC"], "-std=c99")


def cpp(directory):
    return compiled(directory, "host.cpp", os.environ["CXX"], "-std=c++17")


def python(directory):
    return run(directory, sys.argv[5], "host.python", PYTHONPATH=str(BUILD / "python"))


def go(directory):
    (directory / "host.go").rename(directory / "main.go")
    (directory / "go.mod").write_text("module host\n\ngo 1.24\n\nrequire minimoe v0.0.0\n\n"
                                      f"replace minimoe => {SOURCE / 'bindings/go'}\n")
    return run(directory, "go", "run", ".")


def rust(directory):
    (directory / "src").mkdir()
    (directory / "host.rust").rename(directory / "src/main.rs")
    crate = SOURCE / "bindings/rust/minimoe"
    (directory / "Cargo.toml").write_text('[package]\nname = "host"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n'
                                          f'minimoe = {{ path = "{crate}" }}\n\n[workspace]\n')
    return run(directory, "cargo", "run", "--quiet", CARGO_TARGET_DIR=str(BUILD / "rust"))


for tool in {"go": ["go"], "rust": ["cargo"]}.get(LANGUAGE, []):
    if not shutil.which(tool):
        print(f"skipped: no {tool}")
        sys.exit(77)
(program,) = re.findall(rf"```{LANGUAGE}\n(.*?)```", (SOURCE / "README.md").read_text(), re.S)
with tempfile.TemporaryDirectory() as name:
    work = pathlib.Path(name)
    (work / f"host.{LANGUAGE}").write_text(program)
    said = {"c": c, "cpp": cpp, "python": python, "go": go, "rust": rust}[LANGUAGE](work)
    losses = [float(number) for number in re.findall(r"\b(\d\.\d+)", said)]
    if not any(0 < loss < 6 for loss in losses) or not (work / "run.safetensors").exists():  # untrained: ln V = 7.6
        sys.exit(f"the program did not train and save:\n{said}")
    if LANGUAGE != "c" and "healthy" not in said:
        sys.exit(f"the program did not tell of the router:\n{said}")
