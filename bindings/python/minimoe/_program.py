# SPDX-License-Identifier: Apache-2.0
"""`minimoe` in the bin/ of an environment: becomes the program that the package bundles."""

import os
import shutil
import sys


def main() -> None:
    """Ends with the exit code of the program."""
    bundled = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "minimoe")
    found = bundled if os.path.exists(bundled) else _installed()
    if found is None:
        sys.exit("minimoe: this package was built without the program, and PATH has no other")
    os.execv(found, ["minimoe", *sys.argv[1:]])


def _installed() -> str | None:
    """The first of this name on PATH that is not this script."""
    for directory in os.get_exec_path():
        found = shutil.which("minimoe", path=directory)
        if found and not os.path.samefile(found, sys.argv[0]):
            return found
    return None
