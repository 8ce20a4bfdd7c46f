#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: dist.sh DIRECTORY [COMMIT]   Writes DIRECTORY/libminimoe-VERSION.tar.gz from a commit (HEAD) and names it. The
# same commit gives the same bytes: git sorts and dates the files, and gzip is told to leave out name and time.
set -eu
directory=$1
commit=${2:-HEAD}
git() { command git -c safe.directory='*' -c tar.umask=0022 "$@"; }
version=$(git show "$commit:CMakeLists.txt" | sed -n 's/^project(minimoe VERSION \([0-9.]*\).*/\1/p')
name=libminimoe-${version:?CMakeLists.txt names no version}
[ -z "$(git status --porcelain 2>/dev/null)" ] || echo "dist: changes that are not committed are left out" >&2
mkdir -p "$directory"
git archive --format=tar --prefix="$name/" "$commit" | gzip -9n > "$directory/$name.tar.gz.part"
mv "$directory/$name.tar.gz.part" "$directory/$name.tar.gz"
echo "$directory/$name.tar.gz"
