#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the confusion tables of docs/health.md: verdicts of PROGRAM on the labelled logs. Usage: confusion.py PROGRAM"""
import collections
import json
import pathlib
import subprocess
import sys

NAMES = ["healthy", "untested", "skewed", "at-risk", "sham", "collapsed"]
root = pathlib.Path(__file__).resolve().parent
tables = collections.defaultdict(collections.Counter)
misses = []
for entry in json.loads((root / "index.json").read_text()):
    done = subprocess.run([sys.argv[1], "health", root / entry["file"], "--json"], capture_output=True, text=True)
    verdict = json.loads(done.stdout)["verdict"]
    group = ("real" if entry["kind"] == "real" else "synthetic", "held out" if entry["held_out"] else "used")
    tables[group][entry["label"], verdict] += 1
    if verdict != entry["label"]:
        misses.append(f"{entry['file']} ({group[1]}): label {entry['label']}, verdict {verdict}")
for group, table in sorted(tables.items()):
    right = sum(count for (label, verdict), count in table.items() if label == verdict)
    print(f"\n{group[0]}, {group[1]}: {right} of {sum(table.values())} right\n")
    print("| label | " + " | ".join(NAMES) + " |\n|---|" + "---|" * len(NAMES))
    for label in NAMES:
        if any(table[label, verdict] for verdict in NAMES):
            print(f"| {label} | " + " | ".join(str(table[label, verdict] or "") for verdict in NAMES) + " |")
print("\n".join(["", *misses]))
