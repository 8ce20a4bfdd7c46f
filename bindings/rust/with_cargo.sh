#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a command in the workspace, or exits with 77 (skipped) where there is no cargo >= 1.75. Usage: with_cargo.sh COMMAND...
set -eu
cd "$(dirname "$0")"
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
minor=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
if [ "${minor:-0}" -lt 75 ]; then
  echo "skipped: cargo >= 1.75 is not here (Debian 12: apt-get install cargo-web rustc-web; or rustup)"
  exit 77
fi
# What the crates are built with is resolved once in a checkout, for the oldest compiler that they promise.
[ -e Cargo.lock ] || CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback cargo generate-lockfile --quiet
exec "$@"
