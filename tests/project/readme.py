# SPDX-License-Identifier: Apache-2.0
"""Every `make` and `minimoe` command that the documents show exists, with each of its flags."""
import pathlib
import re

DOCUMENTS = {"README.md", "CONTRIBUTING.md"}
MAKE = re.compile(r"(?:^\s*|`|\$ |&& )make((?: +[a-z][a-z-]*)+)")
PROGRAM = re.compile(r"(?:^\s*|`|\$ |&& |/)minimoe +([a-z]+)\b([^`|>#]*)")
FLAG = re.compile(r"(?<!\S)--[a-z][a-z0-9-]*")


def commands(text):
    """(line number, line) of everything in code: fenced blocks, continuation lines joined, and `code` spans."""
    fenced, pending, start = False, "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            start = start or number
            pending += line.rstrip("\\")
            if not line.endswith("\\"):
                yield start, pending
                pending, start = "", 0
        else:
            for span in re.findall(r"`[^`]+`", line):
                yield number, span


def breaches(texts):
    makefile = texts.get(pathlib.PurePosixPath("Makefile"), "")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    program = "\n".join(text for path, text in texts.items() if path.parts[:2] == ("examples", "cli"))
    subcommands = set(re.findall(r'add_subcommand\(\s*"([a-z]+)"', program))
    flags = set(re.findall(r"--[a-z][a-z0-9-]*", program)) | {"--help"}
    for path, text in texts.items():
        if str(path) not in DOCUMENTS and path.parts[0] != "docs":
            continue
        for number, command in commands(text):
            for names in MAKE.findall(command):
                for name in names.split():
                    if name not in targets:
                        yield f"{path}:{number}: make {name} is no target; the Makefile has {', '.join(sorted(targets))}"
            if not subcommands:  # the program is not here yet
                continue
            for name, rest in PROGRAM.findall(command):
                if name not in subcommands:
                    yield f"{path}:{number}: minimoe {name} is no subcommand; there are {', '.join(sorted(subcommands))}"
                for flag in FLAG.findall(rest):
                    if flag not in flags:
                        yield f"{path}:{number}: minimoe {name} {flag}: examples/cli has no such flag"
