# SPDX-License-Identifier: Apache-2.0
"""mypy --strict accepts the package, and stubtest the stubs of the generated part."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

import minimoe

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = [pytest.mark.heavy,
              pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")]


def test_the_package_is_typed(python_environment, tmp_path):
    place = pathlib.Path(minimoe.__file__).parent
    subprocess.run([sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path, "-p", "minimoe"],
                   check=True, cwd=tmp_path, env=python_environment)
    assert (place / "py.typed").exists()


def test_the_stubs_are_those_of_the_extension(python_environment, tmp_path):
    allowed = ROOT / "tests/python/stubtest_allowed.txt"
    subprocess.run([sys.executable, "-m", "mypy.stubtest", "minimoe", "--concise", "--allowlist", allowed,
                    "--ignore-unused-allowlist", "--mypy-config-file", ROOT / "pyproject.toml"], check=True, cwd=tmp_path,
                   env=python_environment)
