# SPDX-License-Identifier: Apache-2.0
"""Makes docs/reference.md from capi/minimoe.h and capi/functions.json. Usage: make_reference.py [--check]"""
import difflib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "capi"))
import declarations  # noqa: E402

HEAD = """\
# The C interface, function by function

Made by `python3 docs/make_reference.py` from capi/minimoe.h, which has the whole contract (`make docs` shows it as HTML), and from
capi/functions.json. What a call may do at the same time as others:

| threads | meaning |
|---|---|
| `none` | touches no handle; from any thread at any time |
| `create` | gives a new handle; other handles among its arguments are read |
| `any` | legal from any thread at any time, also during another call on the handle |
| `read` | runs beside other readers of the handle; `MINIMOE_E_BUSY` while a writer runs |
| `write` | runs alone on its handle; `MINIMOE_E_BUSY` while anything else runs |
"""
TITLES = {"version": "Version and build", "options": "Options", "config": "Configuration", "cancel": "Cancel token",
          "dataset": "Dataset", "model": "Model", "trainer": "Trainer", "moe_layer": "The bare MoE layer", "balance": "Balance",
          "laboratory": "Routing laboratory", "exchange": "Exchange with other programs"}


def summary(doc):
    """The first sentence, up to any JSON that it ends in and without its commands, fit for a cell of a table."""
    text = re.split(r"\s@\w+", doc)[0]
    text = re.match(r".*?\.(?=\s|$)|.*", text)[0].rstrip(".")
    text = re.sub(r"^([^{\[]*): [{\[].*", r"\1", text)
    return text.replace("|", "\\|").replace("*", "\\*")


def reference(header, manifest):
    families = {}
    for entry in manifest:
        families.setdefault(entry["family"], []).append(entry)
    lines = [HEAD]
    for family, entries in families.items():
        lines += [f"## {TITLES[family]}\n", "| function | since | threads | what it does |", "|---|---|---|---|"]
        for entry in entries:
            doc = header.function(entry["name"]).doc
            alike = re.fullmatch(r"As (minimoe_\w+)\.", doc)
            text = summary(header.function(alike[1]).doc) if alike else summary(doc)
            lines.append(f"| `{entry['name']}` | {entry['since']} | {entry['threads']} | {text} |")
        lines.append("")
    return "\n".join(lines)


def main():
    with open(ROOT / "capi" / "functions.json", encoding="utf-8") as file:
        manifest = json.load(file)
    text = reference(declarations.parse(ROOT / "capi" / "minimoe.h"), manifest)
    path = ROOT / "docs" / "reference.md"
    if sys.argv[1:] == ["--check"]:
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        difference = list(difflib.unified_diff(there.splitlines(), text.splitlines(), "docs/reference.md", "made now", lineterm=""))
        print("\n".join(difference) if difference else "docs/reference.md is current")
        return 1 if difference else 0
    path.write_text(text, encoding="utf-8")
    return 0


sys.exit(main())
