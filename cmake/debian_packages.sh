#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: debian_packages.sh PACKAGE...   Installs those that are missing when it may, else prints the line that would.
set -eu
command -v dpkg-query >/dev/null 2>&1 || exit 0  # not Debian: CMake names what it cannot find

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' || true)
missing=
for package in "$@"; do
  case "
$installed
$missing
" in
    *"
$package
"*) ;;
    *) missing="$missing
$package" ;;
  esac
done
[ -n "$missing" ] || exit 0
missing=$(echo $missing)

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root="sudo -n"
else
  echo "Debian packages are missing. Install them, then run make again:" >&2
  echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $missing" >&2
  exit 1
fi

echo "installing: $missing" >&2
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}
# The package lists are fetched only when they are absent or, shown by a failed installation, out of date.
ls /var/lib/apt/lists 2>/dev/null | grep -q _Packages || apt update
apt install -y --no-install-recommends $missing || {
  apt update
  apt install -y --no-install-recommends $missing
}
