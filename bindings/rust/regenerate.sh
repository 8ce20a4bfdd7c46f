#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes minimoe-sys/src/bindings.rs from capi/minimoe.h. Usage: regenerate.sh [--check]
# --check writes nothing and fails when the file is not what would be written.
# MINIMOE_HEADER names another header.
# Needs bindgen 0.72.1 (cargo install bindgen-cli --version 0.72.1 --locked; BINDGEN names another path) and libclang.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
header=${MINIMOE_HEADER:-$here/../../capi/minimoe.h}
bindings=$here/minimoe-sys/src/bindings.rs
bindgen=${BINDGEN:-bindgen}
wanted=0.72.1

version=$("$bindgen" --version 2>/dev/null | cut -d' ' -f2) || version=
if [ "$version" != "$wanted" ]; then
  echo "regenerate.sh: bindgen is ${version:-missing}, expected $wanted" >&2
  exit 2
fi
made=$(mktemp)
trap 'rm -f "$made"' EXIT
"$bindgen" "$header" --use-core --allowlist-file '.*minimoe\.h' --default-macro-constant-type signed \
  --must-use-type minimoe_status --rust-target 1.75 --rust-edition 2021 --formatter rustfmt --rustfmt-configuration-file "$here/rustfmt.toml" \
  --raw-line '// SPDX-License-Identifier: Apache-2.0' --output "$made" -- -std=c99

# An allow list that matches nothing gives an empty file and exit code 0.
declared=$(grep -c '^MINIMOE_API' "$header")
bound=$(grep -c 'pub fn minimoe_' "$made" || true)
if [ "$declared" -eq 0 ] || [ "$declared" -ne "$bound" ]; then
  echo "regenerate.sh: the header declares $declared functions, bindgen wrote $bound" >&2
  exit 1
fi
if [ "${1:-}" = --check ]; then
  diff -u "$bindings" "$made" >&2 || { echo "regenerate.sh: bindings.rs is not what the header gives" >&2; exit 1; }
  echo "bindings.rs is up to date: $bound functions"
else
  cp "$made" "$bindings"
  echo "wrote $bound functions"
fi
