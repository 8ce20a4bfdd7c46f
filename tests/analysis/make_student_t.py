# SPDX-License-Identifier: Apache-2.0
"""Makes student_t.csv: what scipy says of Student's t, and of the spread of some samples. Nothing in the build needs scipy.

    python3 tests/analysis/make_student_t.py
"""
import pathlib

import scipy
from scipy import stats

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = [[0.0123, -0.0045, 0.0019], [-0.031, -0.0305, -0.0298, -0.0311, -0.0302], [2.5, 3], [1e-9, 3e-9], [4, 8, 15, 16, 23, 42]]

lines = [f"# Made by make_student_t.py with scipy {scipy.__version__}.",
         "# t,confidence,degrees of freedom,limit   |   sample,low,high,values.."]
for confidence in (0.5, 0.9, 0.95, 0.99, 0.9999):
    for dof in [*range(1, 12), 29, 30, 100, 101, 999, 1000]:
        lines.append(f"t,{confidence!r},{dof},{float(stats.t.ppf((1 + confidence) / 2, dof))!r}")
for sample in SAMPLES:
    interval = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    lines.append(",".join(["sample", repr(float(interval.low)), repr(float(interval.high)), *map(repr, sample)]))
(HERE / "student_t.csv").write_text("\n".join(lines) + "\n")
