#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules of the source tree that no compiler knows. Usage: check.py [ROOT]; one line a breach, exit code 1."""
import pathlib
import subprocess
import sys

import includes
import readme
import traces


def files_of(root):
    """The tree's files: what git knows and would add; without git, everything outside build directories."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True)
    if listed.returncode == 0:
        paths = [pathlib.PurePosixPath(p) for p in listed.stdout.decode().split("\0") if p]
    else:
        paths = [pathlib.PurePosixPath(p.relative_to(root).as_posix()) for p in root.rglob("*")]
        paths = [p for p in paths if not p.parts[0].startswith(("build", ".git/", ".cache"))]
    return sorted(p for p in paths if (root / p).is_file())


def check(root):
    """All breaches under `root`, each `file:line: what is there, what is allowed`."""
    texts = {}
    for path in files_of(root):
        data = (root / path).read_bytes()
        if b"\0" not in data:
            texts[path] = data.decode("utf-8", errors="replace")
    return [breach for rule in (includes, traces, readme) for breach in rule.breaches(texts)]


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    found = check(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent.parent)
    print("\n".join(found) if found else "no breach")
    sys.exit(1 if found else 0)
