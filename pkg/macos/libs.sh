#!/bin/sh
# Build the libraries of one slice from Debian's sources: libs.sh ARCH. Prints the folder with include/ and lib/*.a,
# CACHE/libs-DIGEST/ARCH, which is made once for the same sources, configuration, scripts and compiler.
set -eu
cd "$(dirname "$0")"
here=$(pwd)
. ./common.sh
arch=${1:?arm64 or x86_64}
need clang
sdk=$(sh fetch.sh headers)
sources=$(sh fetch.sh sources)
out=$CACHE/libs-$({ clang --version | head -1; cat libs.sh libs.mk common.sh headers.lock "$sources/sources.txt"; find config include -type f | LC_ALL=C sort | xargs cat; } | digest)
[ "${FRESH:-}" ] && out=$FRESH
if [ -d "$out/$arch" ]; then echo "$out/$arch"; exit 0; fi
need dpkg-source perl make
new=$(scratch)
toolchain "$arch" "$sdk" "$new/bin"
mkdir -p "$new/src" "$new/out"
say "building the libraries for $arch (some minutes; kept in $out)"
cd "$new/src"
for name in $(grep -v '^#' "$here/sources.lock" | cut -d ' ' -f 1); do
    if ls "$sources/$name"/*.dsc >/dev/null 2>&1; then
        dpkg-source --no-check -x "$sources/$name"/*.dsc "$name" >>"$new/log" 2>&1
    else
        mkdir "$name" && tar -xf "$sources/$name"/*.orig.tar.* -C "$name" --strip-components 1
    fi
done
export SOURCE_DATE_EPOCH=0 LC_ALL=C TZ=UTC
J=$(getconf _NPROCESSORS_ONLN)
# shellcheck disable=SC2024
if ! make -j"$J" -f "$here/libs.mk" ARCH="$arch" CONFIG="$here/config" OUT="$new/out" >>"$new/log" 2>&1; then
    tail -40 "$new/log" >&2
    die "the libraries for $arch do not build; all of it is in $new/log"
fi
mkdir -p "$out"
keep "$new/out" "$out/$arch"
echo "$out/$arch"
