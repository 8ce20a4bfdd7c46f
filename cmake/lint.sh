#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: lint.sh BUILD_DIR JOBS [ALL]   clang-format on every C and C++ file; clang-tidy on the sources changed since main,
# or on every source when ALL is given or there is no main to compare with.
set -eu
build=$1
jobs=$2
all=${3:-}
failed=0

git ls-files -co --exclude-standard '*.c' '*.h' '*.cpp' '*.hpp' | xargs -r clang-format-14 --dry-run -Werror || failed=1

base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || true)
if [ -n "$all" ] || [ -z "$base" ]; then
  sources=$(git ls-files -co --exclude-standard '*.cpp')
else
  sources=$( (git diff --name-only --diff-filter=d "$base" -- '*.cpp'; git ls-files -o --exclude-standard '*.cpp') | sort -u)
fi
# Only what this configuration compiles has a compile command.
compiled=$(for source in $sources; do grep -qF "/$source\"" "$build/compile_commands.json" && echo "$source"; done || true)
[ -z "$compiled" ] || echo "$compiled" | xargs -P "$jobs" -n 1 clang-tidy-14 --quiet -p "$build" || failed=1
echo "lint: clang-format on all files, clang-tidy on $(echo "$compiled" | grep -c . || true) sources"
exit $failed
