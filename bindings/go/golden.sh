#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# golden.sh PROGRAM MANIFEST RESULTS: builds the runner of the golden set as PROGRAM, and runs it in the current directory.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${GO:=go}"
export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false GOWORK=off
program=$1
shift
case $("$GO" env GOVERSION 2>/dev/null || true) in
  go1.2[4-9]* | go1.[3-9][0-9]* | go[2-9]*) ;;
  *)
    echo "the Go binding needs Go 1.24 or newer (https://go.dev/dl/)" >&2
    exit 77
    ;;
esac
(cd "$here" && "$GO" build -o "$program" ./internal/golden)
exec "$program" "$@"
