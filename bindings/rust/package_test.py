# SPDX-License-Identifier: Apache-2.0
"""`cargo package` puts every source that the library is built from into minimoe-sys, and its content.

Usage: package_test.py CRATE DIRECTORY: unpacks the .crate file there, for a build of it.
"""
import pathlib
import shutil
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ["CMakeLists.txt", "LICENSE", "NOTICE", "src", "capi", "include", "cmake"]


def files(root):
    """Path and content of every file below the parts."""
    found = {}
    for part in PARTS:
        for path in [root / part] if (root / part).is_file() else (root / part).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def main(crate, directory):
    shutil.rmtree(directory, ignore_errors=True)
    with tarfile.open(crate) as archive:
        archive.extractall(directory)
    packed, sources = files(next(directory.iterdir()) / "vendor"), files(ROOT)
    wrong = sorted(name for name in packed.keys() | sources.keys() if packed.get(name) != sources.get(name))
    if wrong or len(sources) < 100:
        return f"of {len(sources)} sources these are missing or other in the package: {', '.join(wrong)}"
    print(f"the package has all {len(sources)} sources")
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()))
