#!/bin/sh
# make macos-repro: once a release, build the libraries of both slices from their sources a second time and compare each
# archive with the one in the cache. Takes as long as building them.
set -eu
cd "$(dirname "$0")"
. ./common.sh
rc=0
again=$(scratch)
trap 'rm -rf "$again"' EXIT
for arch in ${ARCHS:-arm64 x86_64}; do
    first=$(sh libs.sh "$arch")
    second=$(FRESH=$again/libs sh libs.sh "$arch")
    for a in "$first"/lib/*.a; do
        if cmp -s "$a" "$second/lib/${a##*/}"; then echo "ok: $arch ${a##*/}"; else echo "not ok: $arch ${a##*/}: other bytes"; rc=1; fi
    done
    diff -r "$first/include" "$second/include" >/dev/null || { echo "not ok: $arch: other headers"; rc=1; }
done
exit $rc
