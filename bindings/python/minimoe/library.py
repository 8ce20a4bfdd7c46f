# SPDX-License-Identifier: Apache-2.0
"""The library that is running."""

from __future__ import annotations

from typing import Any

from . import _calls as raw
from .config import _parse


def build_info() -> dict[str, Any]:
    """How the library was built and what this CPU offers: {"version", "compiler", "build_type", "matmul_backends",
    "cpu", "num_cores", "instruction_sets": [best first]}."""
    result: dict[str, Any] = _parse(raw.minimoe_build_info())
    return result


def version_number() -> int:
    """Version of the library: major * 1000000 + minor * 1000 + patch."""
    return raw.minimoe_version_number()
