# SPDX-License-Identifier: Apache-2.0
"""The extension. Its functions are those of raw.py; the names that SWIG adds for its proxies are not listed."""

from typing import Any

def __getattr__(name: str) -> Any: ...
