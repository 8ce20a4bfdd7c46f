#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes bindings/go/internal/raw/raw.go and raw_wrap.c, which are checked in, from minimoe.i and minimoe.h. With --check
# it writes nothing, and fails when what is checked in is not what comes out. SWIG names the program (default: swig).
# Other versions than the pinned one write other text, so they are refused.
set -eu

pinned=4.5.1
here=$(cd "$(dirname "$0")" && pwd)
raw=$here/../go/internal/raw
: "${SWIG:=swig}"

version=$("$SWIG" -version 2>/dev/null | sed -n 's/^SWIG Version //p') || true
if [ "$version" != "$pinned" ]; then
  echo "regenerate.sh: needs SWIG $pinned (pip install swig==$pinned), '$SWIG' is ${version:-not there}" >&2
  exit 77
fi

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
# From here, so that no path of this machine is written into the files. SWIGWORDSIZE64: int64_t is a long.
cd "$here"
"$SWIG" -Wall -Werror -go -intgosize 64 -DSWIGWORDSIZE64 -I../../capi -outdir "$new" -o "$new/raw_wrap.c" minimoe.i

if [ "${1:-}" = --check ]; then
  for file in raw.go raw_wrap.c; do
    if ! cmp -s "$new/$file" "$raw/$file"; then
      echo "regenerate.sh: internal/raw/$file is not what minimoe.i and minimoe.h give; run bindings/swig/regenerate.sh" >&2
      diff -u "$raw/$file" "$new/$file" | head -40 >&2 || true
      exit 1
    fi
  done
  echo "internal/raw is what SWIG $pinned gives"
else
  cp "$new/raw.go" "$new/raw_wrap.c" "$raw/"
fi
