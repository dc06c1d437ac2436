#!/usr/bin/env bash
# The static program: built, and run in a tree that holds nothing but it and what it is asked about. A release build of its own, so not
# a part of tests/run.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
fail() { echo "$*" >&2; exit 1; }

archive=$(packaging/build static --output "$out")
mkdir "$out/empty"
tar -xzf "$archive" -C "$out/empty" --strip-components=1
openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=a.example -out "$out/empty/a.pem" 2>/dev/null
if [ "$(id -u)" -eq 0 ]; then
  chroot "$out/empty" /reseal --version | grep -q 'static$' || fail 'the static program does not say that it is static'
  told=$(chroot "$out/empty" /reseal check /a.pem --format json || true)
  echo "$told" | grep -q self-signed || fail "the static program, in an empty tree: $told"
fi
! ldd "$out/empty/reseal" 2>/dev/null | grep -q '=>' || fail 'the static program is not static'
! strings -a "$out/empty/reseal" 2>/dev/null | grep -qF -e "$PWD/" -e "${CARGO_HOME:-$HOME/.cargo}/" || fail 'a path of this machine is in the static program'
echo "static: $(du -h "$out/empty/reseal" | cut -f1)"
