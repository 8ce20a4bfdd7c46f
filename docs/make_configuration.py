# SPDX-License-Identifier: Apache-2.0
"""Makes docs/configuration.md from `minimoe config --keys`. Usage: make_configuration.py PROGRAM [--check]"""
import difflib
import json
import pathlib
import subprocess
import sys

HEAD = """\
# The keys of a configuration

Made by `python3 docs/make_configuration.py build/bin/minimoe` from what `minimoe config --keys` and `minimoe_config_keys` tell.
A key that is left out has its default. `model.moe.top_k = 2` is `{"model": {"moe": {"top_k": 2}}}` in JSON, for
`minimoe_config_resolve` and what takes a configuration, a line `top_k = 2` below `[model.moe]` in a TOML file for `--config`,
and `--set model.moe.top_k=2` on the command line. The program starts from the lab preset (`minimoe config`), not from these
defaults.
"""
SECTIONS = {"model.": "Model", "model.moe.": "Mixture of Experts", "train.": "Training", "data.": "Data"}


def cell(text):
    return text.replace("|", "\\|")


def section_of(key):
    return max((prefix for prefix in SECTIONS if key.startswith(prefix)), key=len)


def page(keys):
    lines = [HEAD]
    for prefix, title in SECTIONS.items():
        lines += [f"## {title}\n", "| key | type | default | meaning |", "|---|---|---|---|"]
        for k in keys:
            if section_of(k["key"]) == prefix:
                lines.append(f"| `{k['key']}` | {cell(k['type'])} | `{k['default']}` | {cell(k['meaning'])} |")
        lines.append("")
    return "\n".join(lines)


def main(program, check):
    told = subprocess.run([program, "config", "--keys", "--json"], check=True, capture_output=True, text=True).stdout
    text = page(json.loads(told))
    path = pathlib.Path(__file__).resolve().parent / "configuration.md"
    if not check:
        path.write_text(text, encoding="utf-8")
        return 0
    there = path.read_text(encoding="utf-8") if path.exists() else ""
    difference = list(difflib.unified_diff(there.splitlines(), text.splitlines(), path.name, "made now", lineterm=""))
    print("\n".join(difference) if difference else f"{path.name} is current")
    return 1 if difference else 0


sys.exit(main(sys.argv[1], sys.argv[2:] == ["--check"]))
