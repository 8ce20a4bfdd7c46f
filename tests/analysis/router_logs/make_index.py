#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Joins the labels of synthetic/ and real/ into index.json. Usage: make_index.py DIRECTORY

Held out, that is not looked at while the rule and its limits were chosen: of the synthetic logs those whose name's hash
divides by three and the second series, drawn when the rule was fixed, of the real ones the last third of the runs, which were trained afterwards.
"""
import hashlib
import json
import pathlib
import sys

NUM_REAL_USED = 35

root = pathlib.Path(sys.argv[1])
entries = []
for entry in json.loads((root / "synthetic" / "truths.json").read_text()):
    held_out = "-again" in entry["file"] or int(hashlib.sha256(entry["file"].encode()).hexdigest(), 16) % 3 == 0
    entries.append({"file": f"synthetic/{entry['file']}", "kind": entry["kind"], "label": entry["truth"],
                    "held_out": held_out})
for number, entry in enumerate(json.loads((root / "real" / "outcomes.json").read_text())):
    entries.append({"file": f"real/{entry['file']}", "kind": "real", "label": entry["outcome"],
                    "held_out": number >= NUM_REAL_USED})
(root / "index.json").write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")
print(len(entries), "logs,", sum(entry["held_out"] for entry in entries), "held out")
