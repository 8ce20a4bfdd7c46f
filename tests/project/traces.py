# SPDX-License-Identifier: Apache-2.0
"""No file tells whose machine it was written on, and every file that can hold a comment has its licence line."""
import re

TRACES = {
    "a path of one machine": re.compile(r"(?<![\w.~/\-])/(?:work|home|root|farm|tmp|Users)/[\w.$-]"),
    "a package registry's host": re.compile(
        r"\b(?:pypi|pythonhosted|anaconda)\.org|\bcrates\.io|\bnpmjs\.(?:org|com)|\b(?:proxy|sum)\.golang\.org"
        r"|\brepo1?\.maven\.|\b(?:deb|security|ftp)\.debian\.org|\bmirrors?\.[\w-]+\.\w+", re.I),
    "an address in a private network": re.compile(
        r"\b(?:10(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2})\b"),
    "a machine's name": re.compile(r"\b[\w-]+\.(?:lan|corp|intranet)\b"),
}
# (path, what) -> why it may stand there.
ALLOWED = {}

# Prose, formats without comments, and pictures that a program drew; LICENSE covers them without a line of their own.
NO_LICENCE_LINE = {".md", ".json", ".jsonl", ".abi", ".csv", ".svg"}
LICENCE_TEXTS = {"LICENSE", "NOTICE"}
GENERATED = {"bindings/go/internal/raw/raw.go", "bindings/go/internal/raw/raw_wrap.c"}  # SWIG's words alone
LICENCE = "SPDX-License-Identifier: Apache-2.0"


def breaches(texts):
    for path, text in texts.items():
        lines = text.split("\n")
        needs_line = path.suffix not in NO_LICENCE_LINE and path.name not in LICENCE_TEXTS and \
            str(path) not in GENERATED
        if needs_line and text.strip() and not any(LICENCE in line for line in lines[:5]):
            yield f"{path}:1: no licence line; one of the first five lines has {LICENCE}"
        for number, line in enumerate(lines, 1):
            for what, pattern in TRACES.items():
                match = pattern.search(line)
                if match and (str(path), what) not in ALLOWED:
                    yield f"{path}:{number}: {match[0]} is {what}; none stands in the project"
