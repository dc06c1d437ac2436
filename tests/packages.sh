#!/usr/bin/env bash
# Packages of a program that is built already: made, and looked at by those who know them.
#
#   tests/packages.sh PROGRAM
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath -e "$1")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export PATH=$PATH:$PWD/target/tools/bin
fail() { echo "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

if has cargo-deb; then
  for turn in one two; do packaging/build deb --binary "$program" --output "$out/$turn" >/dev/null; done
  cmp "$out"/one/*.deb "$out"/two/*.deb || fail 'two packages of one program differ'
  deb=$(echo "$out"/one/*.deb)
  if has lintian; then
    told=$(lintian --allow-root "$deb" 2>&1) || true
    [ -z "$told" ] || fail "lintian: $told"
  else
    echo 'not looked at by lintian: it is not installed'
  fi
  # A manual page and a description of each verb that help tells of.
  dpkg-deb -x "$deb" "$out/root"
  for verb in $("$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | grep -vx help); do
    [ -s "$out/root/usr/share/man/man1/reseal-$verb.1.gz" ] || fail "no manual page of $verb"
    grep -q "$verb" "$out/root/usr/share/bash-completion/completions/reseal" || fail "no completion of $verb"
  done
  if has man; then
    for page in "$out"/root/usr/share/man/man1/*.gz; do
      told=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)
      [ -z "$told" ] || fail "$page: $told"
    done
  fi
  bash -n "$out/root/usr/share/bash-completion/completions/reseal"
  [ "$(dpkg-deb -f "$deb" Depends | tr ',' '\n' | wc -l)" -le 3 ] || fail "it depends on much: $(dpkg-deb -f "$deb" Depends)"
  echo "deb: $(du -h "$deb" | cut -f1), $(dpkg-deb -f "$deb" Depends)"
fi
if has cargo-generate-rpm && has rpm; then
  packaging/build rpm --fast yes --binary "$program" --output "$out" >/dev/null
  rpm -qp --requires "$out"/*.rpm | grep -Ev '^(/bin/sh|libc\.so|libm\.so|libgcc_s\.so|ld-linux|rpmlib|rtld)' && fail 'the rpm depends on more than the C library and a shell'
  rpm -qpl "$out"/*.rpm | grep -qx /usr/lib/systemd/system/reseal-recover.service || fail 'the rpm brings no units'
  echo "rpm: $(du -h "$out"/*.rpm | cut -f1)"
fi
