#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the tokens that sampling keeps, and their probabilities, against the logits warpers of transformers.

Usage: compare_sampling.py TEST_PROGRAM. Under $HF_PYTHON when it is set, else under this Python; exits with 77 (skipped)
without torch and transformers."""
import os
import subprocess
import sys
import tempfile

other = os.environ.pop("HF_PYTHON", "")
if other and other != sys.executable:
    os.execv(other, [other, *sys.argv])
try:
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
except ImportError as error:
    print(f"skipped: {error}; pip install torch transformers, or set HF_PYTHON to a Python that has them")
    sys.exit(77)

with tempfile.NamedTemporaryFile("r") as file:
    subprocess.run([sys.argv[1], "sampler: writes what it keeps"], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"MINIMOE_SAMPLE_FILE": file.name})
    first, *lines = file.read().splitlines()
logits = torch.tensor([[float(x) for x in first.split()]], dtype=torch.float64)
assert len(lines) == 90, len(lines)
for line in lines:
    temperature, top_k, top_p, *kept = line.split()
    scores = TemperatureLogitsWarper(float(temperature))(None, logits)
    if int(top_k):
        scores = TopKLogitsWarper(int(top_k))(None, scores)
    if float(top_p) < 1:
        scores = TopPLogitsWarper(float(top_p))(None, scores)
    expected = torch.softmax(scores, -1)[0]
    found = torch.zeros_like(expected)
    found[[int(i) for i in kept[::2]]] = torch.tensor([float(p) for p in kept[1::2]], dtype=torch.float64)
    where = f"temperature {temperature}, top_k {top_k}, top_p {top_p}"
    assert ((found > 0) == (expected > 0)).all(), f"{where}: keeps {(found > 0).sum()}, transformers {(expected > 0).sum()}"
    assert (found - expected).abs().max() < 1e-13, f"{where}: {(found - expected).abs().max()}"
print(f"{len(lines)} sets of options: the same tokens, the same probabilities")
