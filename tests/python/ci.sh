#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All that holds the Python package: ci.sh BUILD_DIR. Builds the wheel from the sources, installs it into clean
# environments, audits it, runs all tests (the long ones too) under each Python that there is, and under
# AddressSanitizer. PYTHON is the interpreter to build with, PYTHONS those to test with, PREFIX an installed libminimoe
# for the build of the extension alone (left out when empty).
set -eu
cd "$(dirname "$0")/../.."
build=$(mkdir -p "$1" && cd "$1" && pwd)
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "python: needs Python 3.11 or newer (Debian 12: apt install python3 python3-venv)" >&2
  exit 1
}
say() { echo "== python: $*"; }

fresh() {  # fresh NAME INTERPRETER REQUIREMENT...
  rm -rf "$build/$1"
  "$2" -m venv "$build/$1"
  venv=$build/$1
  shift 2
  "$venv/bin/python" -m pip install --quiet "$@"
}

say "sdist, and the wheel of it"
fresh tools "$python" -r tests/python/requirements.txt
tools=$build/tools/bin
rm -rf "$build/dist"
"$tools/python" -m build --outdir "$build/dist" . >"$build/wheel.log" 2>&1 || { tail -40 "$build/wheel.log"; exit 1; }
set -- "$build"/dist/*.whl
wheel=$1
case $wheel in *-cp311-abi3-*) ;; *) echo "not an abi3 wheel: $wheel" >&2; exit 1 ;; esac
"$tools/abi3audit" --strict --report "$wheel" >"$build/abi3audit.json"

for each in ${PYTHONS:-"$python"}; do
  say "the wheel in a clean environment of $("$each" --version)"
  fresh wheel "$each" "$wheel"
  (cd "$build" && "$venv/bin/minimoe" --version && "$venv/bin/python" -c 'import minimoe; print(minimoe.build_info())')
  # scikit-learn, 200 MB with SciPy, for the test of the order of imports alone: it brings an OpenMP of its own.
  "$venv/bin/python" -m pip install --quiet -r tests/python/requirements.txt "scikit-learn>=1.5"
  PATH="$venv/bin:$PATH" "$venv/bin/python" -X dev -W error -m pytest tests/python
  "$venv/bin/python" bench/python_call_overhead.py
done

[ -n "${PREFIX:-}" ] || { say "passed (PREFIX is empty: not built against an installed library)"; exit 0; }

say "the extension alone, against $PREFIX"
fresh system "$python" -r tests/python/requirements.txt
"$venv/bin/python" -m pip install --quiet --no-deps . -C cmake.define.MINIMOE_SYSTEM=ON \
  -C "cmake.define.CMAKE_PREFIX_PATH=$PREFIX" -C cmake.define.MINIMOE_PYTHON_WERROR=ON
"$venv/bin/python" -X dev -W error -m pytest -m "not heavy" tests/python

say "AddressSanitizer"
"$venv/bin/python" -m pip install --quiet --no-deps --force-reinstall . -C cmake.define.MINIMOE_SYSTEM=ON \
  -C "cmake.define.CMAKE_PREFIX_PATH=$PREFIX" -C "cmake.define.CMAKE_C_FLAGS=-fsanitize=address -g -O1"
# libstdc++ has to be there when the sanitizer starts, or it cannot throw. Python itself keeps what it interns, so leaks
# are looked for by leaks_test.py.
asan() {
  env PYTHONPATH=tests/python PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
    LD_PRELOAD="$(cc -print-file-name=libasan.so) $(c++ -print-file-name=libstdc++.so)" "$venv/bin/python" "$@"
}
asan -m pytest -p no:faulthandler tests/python/bad_inputs_test.py tests/python/arrays_test.py
rm -rf "$build/walk" && mkdir "$build/walk"
asan tests/python/every_call.py "$build/walk" 2
say passed
