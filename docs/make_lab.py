# SPDX-License-Identifier: Apache-2.0
"""Refreshes docs/lab-00/ from a finished run of the lab protocol. Usage: make_lab.py DIRECTORY  (make lab does both)

expected.json is what `minimoe compare --lab --check` reads: for each figure the mean over seeds -+ 2 sample standard
deviations. Times are left out: they are the machine's.
"""
import json
import pathlib
import shutil
import sys

LAB = pathlib.Path(__file__).resolve().parent / "lab-00"
VARIANTS = {"dense_baseline": "dense", "moe_variant": "moe", "dense_active_matched": "dense-active",
            "dense_total_matched": "dense-total"}
FIGURES = {"train_loss": "train loss", "final_val_loss": "val loss", "final_val_ppl": "val perplexity",
           "held_out_verbs_loss": "loss, held-out verbs", "held_out_combinations_loss": "loss, held-out combinations",
           "probe_accuracy_val": "probes, val", "probe_accuracy_held_out_verbs": "probes, held-out verbs",
           "probe_accuracy_held_out_combinations": "probes, held-out combinations",
           "load_balance_stddev": "load deviation", "experts_dead_count": "dead experts",
           "experts_cold_count": "cold experts"}
PICTURES = [f"{name}.{end}" for name in ("routing-analysis", "expert-by-class") for end in ("png", "svg")]


def ranges(manifest):
    found = []

    def add(name, pointer, spread):
        low, high = spread["mean"] - 2 * spread["std"], spread["mean"] + 2 * spread["std"]
        found.append({"name": name, "path": pointer + "/mean", "mean": spread["mean"], "std": spread["std"], "low": low,
                      "high": high})

    for key, title in VARIANTS.items():
        for figure, name in FIGURES.items():
            if manifest[key]["spread"].get(figure):
                add(f"{title}: {name}", f"/{key}/spread/{figure}", manifest[key]["spread"][figure])
    for key, spread in manifest["paired_val_loss_difference"].items():
        add(f"val loss: moe - {VARIANTS[key.removeprefix('moe_variant_minus_')]}", f"/paired_val_loss_difference/{key}", spread)
    return found


def main(directory):
    manifest = json.loads((directory / "manifest.json").read_text())
    protocol = {key: manifest[key] for key in ("lab", "steps", "seeds", "corpus", "evaluation", "config")}
    LAB.mkdir(exist_ok=True)
    for name in ["manifest.json", "findings.md", *PICTURES]:
        shutil.copyfile(directory / name, LAB / name)
    expected = {"source": {"version": manifest["build"]["version"], **manifest["exec"]}, "protocol": protocol,
                "ranges": ranges(manifest)}
    (LAB / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


main(pathlib.Path(sys.argv[1]))
