# SPDX-License-Identifier: Apache-2.0
"""Paths of files."""

from __future__ import annotations

import os


def path_of(path: str | os.PathLike[str]) -> str:
    """The text of a path, or a TypeError that says which argument it was."""
    try:
        return os.fspath(path)
    except TypeError:
        raise TypeError(f"path: expected a str or os.PathLike, got {type(path).__name__}") from None
