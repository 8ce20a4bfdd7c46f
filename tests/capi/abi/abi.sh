#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Holds the binary interface against tests/capi/abi/libminimoe.abi: additions are fine, anything else fails.
# Usage: abi.sh check|update BUILD   (BUILD has the target minimoe_abi built)
set -eu
here=$(dirname "$0")
baseline=$here/libminimoe.abi
now=$2/tests/capi/abi/libminimoe.abi

# Only what minimoe.h declares; no path, line or file name of this build.
abidw --exported-interfaces-only --headers-dir "$2/include" --drop-private-types --no-corpus-path --no-comp-dir-path \
  --no-show-locs --no-elf-needed --type-id-style hash --out-file "$now" "$2/tests/capi/abi/libminimoe.so"

case $1 in
  check)
    [ "$(uname -m)" = x86_64 ] || { echo "the baseline is of x86-64"; exit 0; }
    abidiff --no-added-syms --harmless "$baseline" "$now"
    echo "the binary interface is that of $baseline, or adds to it"
    ;;
  update) cp "$now" "$baseline" ;;
  *) echo "abi.sh: $1 is neither check nor update" >&2; exit 2 ;;
esac
