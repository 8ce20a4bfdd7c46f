#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs every example that needs no arguments. Usage: run_examples.sh [CARGO_ARGUMENT...]
set -eu
cd "$(dirname "$0")"
for example in train moe_layer; do
  cargo run --quiet --locked -p minimoe --example "$example" "$@"
done
