# SPDX-License-Identifier: Apache-2.0
"""Runs torch_*_test.py under a Python that has PyTorch: the one that $TORCH_PYTHON names, else this one.

    python3 tests/python/run_torch_tests.py DIRECTORY_OF_THE_PACKAGE [TEST...]

Exit code 77, with a line that says what is missing, when there is none (CTest counts that as skipped).
"""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NEEDED = "import sys; assert sys.version_info >= (3, 11); import numpy, torch; print(torch.__version__)"


def main():
    package = pathlib.Path(sys.argv[1]).resolve()
    python = os.environ.get("TORCH_PYTHON") or sys.executable
    try:
        found = subprocess.run([python, "-c", NEEDED], capture_output=True, text=True)
    except OSError as error:
        found = subprocess.CompletedProcess(python, 1, "", str(error))
    if found.returncode != 0:
        print(f"[skipped] {python} is no Python >= 3.11 with NumPy and PyTorch >= 2.4: python3 -m pip "
              "install numpy torch, and name that Python in TORCH_PYTHON")
        return 77
    print(f"PyTorch {found.stdout.strip()} of {python}", flush=True)
    tests = sys.argv[2:] or sorted(path.stem for path in HERE.glob("torch_*_test.py"))
    path = os.pathsep.join([str(package), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run([python, "-W", "error", "-m", "unittest", *tests], cwd=HERE,
                          env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
