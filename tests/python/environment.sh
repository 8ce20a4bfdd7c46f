#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes BUILD/venv, a Python environment with what requirements.txt lists, unless it is there; then prints the CMake options
# that use it. Usage: environment.sh BUILD. Prints nothing, and says why, where there is no Python 3.11 or newer.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(mkdir -p "$1" && cd "$1" && pwd)
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "the Python package is not built: it needs Python 3.11 or newer" >&2
  exit 0
fi
if ! cmp -s "$here/requirements.txt" "$build/venv/requirements.txt"; then
  rm -rf "$build/venv"
  "$python" -m venv "$build/venv"
  "$build/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$build/venv/requirements.txt"
fi
echo "-DMINIMOE_BUILD_PYTHON=ON -DMINIMOE_PYTHON_TESTS=$build/venv/bin/python -DPython_EXECUTABLE=$build/venv/bin/python" \
  "-DMINIMOE_SWIG=$build/venv/bin/swig"
