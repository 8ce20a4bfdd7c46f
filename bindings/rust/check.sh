#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everything that CI holds the Rust packages to. Usage: check.sh [BUILD]
# BUILD (default: build/ of the repository) is a build tree of the library; cargo works in BUILD/rust. A missing tool is a
# failure. Environment: BINDGEN, a bindgen 0.72.1 (otherwise it is installed below BUILD/rust).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
build=$(cd "${1:-$here/../../build}" && pwd)
work=$build/rust
features=(--features "log,serde,ndarray")
export CARGO_TARGET_DIR=$work/target CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
export MINIMOE_LIB_DIR=$build/lib MINIMOE_INCLUDE_DIR=$build/include
export LD_LIBRARY_PATH=$build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
without_library=(env -u MINIMOE_LIB_DIR -u MINIMOE_INCLUDE_DIR -u PKG_CONFIG_PATH PKG_CONFIG_LIBDIR=/nonexistent)
host=$(rustc -vV | sed -n 's/^host: //p')
runner=CARGO_TARGET_$(printf %s "$host" | tr a-z- A-Z_)_RUNNER
mkdir -p "$work"

name=
step() {  # ends the step before with its seconds
  [ -z "$name" ] || echo "   $((SECONDS - began)) s: $name"
  name=$* began=$SECONDS
  [ -z "$name" ] || echo "== rust: $name"
}
fail() {
  echo "check.sh: $*" >&2
  exit 1
}

./with_cargo.sh true || fail "cargo >= 1.75 is needed"
[ -e "$MINIMOE_LIB_DIR/libminimoe.so" ] || fail "there is no library in $MINIMOE_LIB_DIR"

step "format"
cargo fmt --all --check

step "bindings.rs is what bindgen gives"
if [ -z "${BINDGEN:-}" ]; then
  BINDGEN=$work/tools/bin/bindgen
  # It runs for a second: compiling it without optimisation, and without the formatter and log that are not used, is quicker.
  [ -x "$BINDGEN" ] || CARGO_TARGET_DIR=$work/tools/target CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug \
    bindgen-cli --version 0.72.1 --no-default-features --features runtime --root "$work/tools"
fi
BINDGEN=$BINDGEN ./regenerate.sh --check
sed 's/MINIMOE_API void minimoe_model_free/MINIMOE_API int32_t minimoe_model_free/' ../../capi/minimoe.h >"$work/minimoe.h"
if BINDGEN=$BINDGEN MINIMOE_HEADER=$work/minimoe.h ./regenerate.sh --check 2>/dev/null; then
  fail "regenerate.sh --check does not see another header"
fi

step "clippy, with the default features and with all"
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
DOCS_RS=1 cargo clippy --quiet --locked --workspace --all-targets --all-features -- -D warnings

step "documentation without the library, warnings are errors"
DOCS_RS=1 RUSTDOCFLAGS="-D warnings" "${without_library[@]}" cargo doc --quiet --locked --workspace --no-deps --all-features
DOCS_RS=1 "${without_library[@]}" cargo check --quiet --locked --workspace
if "${without_library[@]}" cargo check --quiet --locked -p minimoe-sys 2>"$work/missing.txt"; then
  fail "a build without the library succeeds"
fi
grep -q 'use the feature "vendored"' "$work/missing.txt" || fail "a build without the library does not say what to do"

step "Rust 1.75"
if command -v rustup >/dev/null && { rustup run 1.75 rustc --version || rustup toolchain install 1.75 --profile minimal; } \
  >/dev/null 2>&1; then
  CARGO_TARGET_DIR=$work/target-1.75 RUSTFLAGS="-D warnings" rustup run 1.75 cargo check --quiet --locked --workspace \
    --all-targets "${features[@]}"
else
  echo "no toolchain 1.75 to be had: clippy's incompatible_msrv, above, is all that was looked at"
fi

step "tests, and that they call every function of the manifest"
python3 reach.py "$work/reach" "${features[@]}"
cargo test --quiet --locked --lib --tests

step "documentation tests; those that must not compile fail with the error that they name"
RUSTC_BOOTSTRAP=1 cargo test --quiet --locked --doc "${features[@]}"

step "leaks"
lsan=$(cc -print-file-name=liblsan.so)
[ -e "$lsan" ] || fail "liblsan is needed (Debian: gcc)"
if env "$runner=env LD_PRELOAD=$lsan" cargo test --quiet --locked --test leak -- --ignored >"$work/leak.txt" 2>&1; then
  fail "a planted leak is not seen"
fi
grep -q "SUMMARY: LeakSanitizer" "$work/leak.txt" || fail "a planted leak is not seen"
# The unit tests are left out: nothing in them calls the library, and without libstdc++ liblsan fails at the start.
env "$runner=env LD_PRELOAD=$lsan" cargo test --quiet --locked -p minimoe --test '*' "${features[@]}" -- --skip is_leaked

step "examples, the quickstart in a project of its own, what a call costs"
./run_examples.sh "${features[@]}"
python3 quickstart_test.py "$work/quickstart"
cargo bench --quiet --locked -p minimoe

step "the package: all sources, built from them"
# cargo checks minimoe against the packaged minimoe-sys, unpacks that one below CARGO_HOME, and keeps it there: a later run of
# the same version would be checked against the sources of an earlier one.
rm -rf "${CARGO_HOME:-$HOME/.cargo}"/registry/src/-*/minimoe-sys-*
cargo package --quiet --locked --allow-dirty --workspace
python3 package_test.py "$CARGO_TARGET_DIR/package/minimoe-sys-0.1.0.crate" "$work/package"
(
  cd "$work/package/minimoe-sys-0.1.0"
  CARGO_TARGET_DIR=$work/target-vendored "${without_library[@]}" LD_LIBRARY_PATH= cargo test --quiet --locked --features vendored
)
step
echo "check.sh: passed in $SECONDS s"
