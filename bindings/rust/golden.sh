#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The golden set through the safe crate, in the current directory. Usage: golden.sh MANIFEST RESULTS
# Exit code 77 without cargo >= 1.75. CARGO_TARGET_DIR and the library's variables are those of CMakeLists.txt here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(pwd)
"$here/with_cargo.sh" cargo build --quiet --locked -p minimoe --example golden
target=${CARGO_TARGET_DIR:-$here/target}
cd "$work"
exec "$target/debug/examples/golden" "$1" "$2"
