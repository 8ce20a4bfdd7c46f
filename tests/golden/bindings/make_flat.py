#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A manifest without JSON, for the runner in C: make_flat.py manifest.json cases.txt

    instruction_set 1
    case NAME
    KEY VALUE

Line feeds and backslashes of a value are written as \\n and \\\\. Elements of a list are separated by spaces, and so
are the four parts of an entry of `parameters`.
"""
import json
import sys


def flat(value):
    if isinstance(value, list):
        return " ".join(flat(element) for element in value)
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\n", "\\n")
    return repr(value)


def lines(manifest):
    yield f"instruction_set {manifest['instruction_set']}"
    for case in manifest["cases"]:
        yield f"case {case['name']}"
        for key, value in case.items():
            if key != "name":
                yield f"{key} {flat(value)}"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as manifest, open(sys.argv[2], "w", encoding="utf-8", newline="\n") as out:
        out.writelines(line + "\n" for line in lines(json.load(manifest)))
