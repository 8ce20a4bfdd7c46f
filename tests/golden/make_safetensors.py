#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes reference.safetensors with the reference library (pip install safetensors numpy; made with 0.8.0)."""
import pathlib

import numpy as np
from safetensors.numpy import save_file

tensors = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 4 - 1,
    "a.weight": np.array([[1e-45, -0.0], [np.inf, 3.4028235e38]], dtype=np.float32),
    "z.moment": np.array([1 / 3, -2e-308, 5e-324], dtype=np.float64),
    "scalar": np.array(2.5, dtype=np.float32),
    "empty": np.zeros((3, 0), dtype=np.float64),
    'odd "name"\n\u00f1': np.array([7], dtype=np.float32),
}
save_file(tensors, pathlib.Path(__file__).with_name("reference.safetensors"), metadata={"format": "pt"})
