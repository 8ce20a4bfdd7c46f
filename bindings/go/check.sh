#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything that holds the Go binding: `check.sh quick` is what a build tree tests, `check.sh` what CI does. libminimoe is
# found by pkg-config, and by LD_LIBRARY_PATH when it runs. GO names the program (default: go).
set -eu
cd "$(dirname "$0")"
: "${GO:=go}"
export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false GOWORK=off

version=$("$GO" env GOVERSION 2>/dev/null || true)
case $version in
  go1.2[4-9]* | go1.[3-9][0-9]* | go[2-9]*) ;;
  *)
    echo "the Go binding needs Go 1.24 or newer (https://go.dev/dl/), '$GO' is ${version:-not there}" >&2
    if [ "${1:-}" = quick ]; then exit 77; fi
    exit 1
    ;;
esac

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
reach() { # the arguments are those of go test
  "$GO" test -count=1 -timeout 300s -coverpkg=./internal/raw -coverprofile="$out/cover" "$@" .
  if [ -f ../../capi/functions.json ]; then "$GO" run ./internal/reach "$out/cover" ../../capi/functions.json; fi
}

if [ "${1:-}" = quick ]; then
  reach -short
  exit 0
fi

step() { echo "== $*"; }
step "the generated files are those of the header"
status=0
../swig/regenerate.sh --check || status=$?
if [ $status -ne 0 ]; then exit 1; fi

step "formatted, and vetted (generated code converts numbers to pointers by design)"
unformatted=$("$("$GO" env GOROOT)/bin/gofmt" -l -- *.go internal/counting internal/golden internal/reach \
  internal/raw/callbacks.go internal/raw/doc.go internal/raw/layout.go internal/raw/structs.go)
if [ -n "$unformatted" ]; then
  echo "gofmt: $unformatted"
  exit 1
fi
"$GO" vet . ./internal/counting ./internal/golden ./internal/reach
"$GO" vet -unsafeptr=false ./internal/raw

step "every function is called; documents, examples, a vendored copy"
reach
step "the race detector"
"$GO" test -count=1 -short -timeout 600s -race .
step "GOEXPERIMENT=cgocheck2"
GOEXPERIMENT=cgocheck2 "$GO" test -count=1 -short -timeout 600s .
step "-buildmode=pie"
"$GO" test -count=1 -short -timeout 600s -buildmode=pie .
step "the overhead of a call"
"$GO" test -run='^$' -bench=Call -benchtime=0.2s .
