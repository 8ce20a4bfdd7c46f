#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes a file of ours with the reference library: read_safetensors.py TEST_PROGRAM.

Under $HF_PYTHON when it is set, else under this Python; exits with 77 (skipped) where the library is not installed."""
import json
import os
import subprocess
import sys
import tempfile

other = os.environ.pop("HF_PYTHON", "")
if other:
    os.execv(other, [other, *sys.argv])
try:
    import numpy as np
    import safetensors.numpy
    from safetensors import safe_open
except ImportError as error:
    print(f"skipped: {error}; pip install safetensors, or set HF_PYTHON to a Python that has it")
    sys.exit(77)

with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "sample.safetensors")
    subprocess.run([sys.argv[1], "[.safetensors_sample]"], env={**os.environ, "MINIMOE_SAMPLE_FILE": path}, check=True)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        ours = {name: file.get_tensor(name) for name in file.keys()}
    bytes_of_ours = open(path, "rb").read()

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


def parts(data):
    """Header and buffer: the library writes the keys of the metadata in no fixed order."""
    size = int.from_bytes(data[:8], "little")
    return size, json.loads(data[8:8 + size]), data[8 + size:]


assert parts(safetensors.numpy.save(ours, metadata)) == parts(bytes_of_ours)
print(f"{len(ours)} tensors as expected")
