#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a file of ours with the reference library: read_safetensors.py TEST_PROGRAM. Exits with 77 (skipped) without it."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from safetensors import safe_open
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "sample.safetensors")
    subprocess.run([sys.argv[1], "[.safetensors_sample]"], env={**os.environ, "MINIMOE_SAMPLE_FILE": path}, check=True)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        ours = {name: file.get_tensor(name) for name in file.keys()}

reference = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 4 - 1,
    "a.weight": np.array([[1e-45, -0.0], [np.inf, 3.4028235e38]], dtype=np.float32),
    "z.moment": np.array([1 / 3, -2e-308, 5e-324], dtype=np.float64),
    "scalar": np.array(2.5, dtype=np.float32),
    "empty": np.zeros((3, 0), dtype=np.float64),
    'odd "name"\n\u00f1': np.array([7], dtype=np.float32),
}
assert metadata == {"format": "pt", "minimoe.config": '{"a": "\u00f1 \\"q\\""}', "b": ""}, metadata
assert ours.keys() == reference.keys(), ours.keys()
for name, expected in reference.items():
    assert ours[name].dtype == expected.dtype and ours[name].shape == expected.shape, name
    assert ours[name].tobytes() == expected.tobytes(), name
print(f"{len(ours)} tensors as expected")
