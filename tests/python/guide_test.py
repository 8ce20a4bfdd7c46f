# SPDX-License-Identifier: Apache-2.0
"""The code of docs/python.md, run as it stands there; the quickstart alone, then all of it in order."""

import pathlib
import re
import subprocess
import sys

GUIDE = (pathlib.Path(__file__).parents[2] / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, re.S | re.M)


def run(code, directory, environment):
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", code], cwd=directory, env=environment,
                          check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_the_quickstart_runs_and_prints_what_it_says(tmp_path, python_environment):
    assert len(BLOCKS[0].splitlines()) <= 16
    out = run(BLOCKS[0], tmp_path, python_environment)
    assert re.search(r"step 60: loss \d", out) and "validation loss" in out and "health: " in out
    assert (tmp_path / "grammar.safetensors").exists()


def test_the_other_blocks_run(tmp_path, python_environment):
    out = run("\n".join(BLOCKS[1:]), tmp_path, python_environment)
    assert "did you mean num_experts?" in out and "(2, 32, 50)" in out
