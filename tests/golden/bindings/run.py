#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One pass of one language's runner, in a directory of its own below ROOT.

    run.py ROOT LANGUAGE first|second [--flat] -- COMMAND...

runs COMMAND MANIFEST RESULTS there; with --flat the manifest is what make_flat.py makes of it. The first pass begins
with an empty directory, so nothing of an earlier run is ever compared. A runner that exits with 77 (its toolchain is
missing) is a skipped test, and so is the second pass without the first.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import make_flat

HERE = pathlib.Path(__file__).resolve().parent
PASSES = {"first": ("manifest.json", "results.json"), "second": ("resume.json", "resumed.json")}
SKIPPED = 77


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("language")
    parser.add_argument("which", choices=PASSES)
    parser.add_argument("--flat", action="store_true")
    cut = sys.argv.index("--")
    options, command = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1:]
    name, results = PASSES[options.which]
    directory = options.root.resolve() / options.language
    if options.which == "first":
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    elif not (directory / PASSES["first"][1]).exists():
        print(f"{options.language}: there is no first pass")
        return SKIPPED
    manifest = HERE / name
    if options.flat:
        flat = directory / manifest.with_suffix(".txt").name
        lines = make_flat.lines(json.loads(manifest.read_text(encoding="utf-8")))
        flat.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        manifest = flat
    status = subprocess.run([*command, str(manifest), results], cwd=directory, check=False).returncode
    if status != 0:
        (directory / results).unlink(missing_ok=True)
        return status
    if not (directory / results).exists():
        print(f"{options.language}: {results} was not written")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
