#!/bin/sh
# Bring what the macOS program is built from into the cache: fetch.sh headers | sources
# headers: the SDKs of both slices, CACHE/sdk-DIGEST/{arm64,x86_64}; sources: CACHE/sources-DIGEST/{tarballs,sources.txt}.
# Prints the folder. Both are whole or not there (made aside, renamed), and are kept: a second call downloads nothing.
set -eu
cd "$(dirname "$0")"
here=$(pwd)
. ./common.sh
what=${1:?headers or sources}

fetch_headers() {
    spec=$(grep -v '^#' headers.lock | cut -d ' ' -f 1)
    want=$(grep -v '^#' headers.lock | cut -d ' ' -f 2)
    sdk=$CACHE/sdk-$({ cat headers.lock fetch.sh; find include -type f | LC_ALL=C sort | xargs cat; } | digest)
    if [ -d "$sdk" ]; then echo "$sdk"; return; fi
    need npm openssl
    new=$(scratch)
    kept=$CACHE/$(printf '%s' "$spec" | tr '/@' '__').tgz
    if [ ! -f "$kept" ]; then
        say "downloading $spec (headers of macOS 11, 70 MB)"
        (cd "$new" && npm pack --silent "$spec" >/dev/null) || die "npm cannot fetch $spec"
        mv "$new"/*.tgz "$kept"
    fi
    got=sha512-$(openssl dgst -sha512 -binary "$kept" | openssl base64 -A)
    [ "$got" = "$want" ] || { rm -f "$kept"; die "$spec: $got is not $want of headers.lock"; }
    lib=package/lib/libc
    tar -xzf "$kept" -C "$new" "$lib/include/any-macos-any" "$lib/include/any-macos.11-any" \
        "$lib/include/aarch64-macos.11-none" "$lib/include/x86_64-macos.11-none" "$lib/darwin/libSystem.11.tbd"
    lib=$new/$lib
    for arch in arm64 x86_64; do
        [ $arch = arm64 ] && zig=aarch64 || zig=$arch
        usr=$new/out/$arch/usr
        mkdir -p "$usr/lib" "$usr/include"
        # the later ones win
        for layer in "$lib/include/any-macos-any" "$lib/include/any-macos.11-any" "$lib/include/$zig-macos.11-none" "$here/include"; do
            cp -R "$layer/." "$usr/include/"
        done
        # zlib is a library of ours, not of this system
        rm -f "$usr/include/zlib.h" "$usr/include/zconf.h"
        cp "$lib/darwin/libSystem.11.tbd" "$usr/lib/libSystem.tbd"
        for l in c m pthread; do ln -s libSystem.tbd "$usr/lib/lib$l.tbd"; done
        echo '{"CanonicalName":"macosx11.3","Version":"11.3","MaximumDeploymentTarget":"11.3.99","SupportedTargets":{}}' \
            >"$new/out/$arch/SDKSettings.json"
    done
    keep "$new/out" "$sdk"
    echo "$sdk"
}

# apt-get with lists of its own: the machine's sources need no deb-src, and nothing of the machine is changed.
apt_private() {
    apt-get -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt/parts" -o "Dir::State::Lists=$apt/lists" \
        -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root "$@"
}

# one NAME VERSION FOLDER: the source package, whole, checked by apt against what Debian signed
one() {
    case $2 in
    orig:*)
        # apt-get leaves what did arrive, and it has checked that
        (cd "$3" && apt_private source --download-only "$1=${2#orig:}" >>"$apt/log" 2>&1) || :
        set -- "$3"/*.orig.tar.*[a-z2]
        rm -f "${1%/*}"/*.asc "${1%/*}"/*.dsc "${1%/*}"/*.debian.tar.*
        [ -f "$1" ]
        ;;
    *) (cd "$3" && apt_private source --download-only "$1=$2" >>"$apt/log" 2>&1) ;;
    esac
}

fetch_sources() {
    out=$CACHE/sources-$(cat sources.lock | digest)
    if [ -d "$out" ]; then echo "$out"; return; fi
    need apt-get dpkg-source
    new=$(scratch)
    apt=$new/apt
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial" "$new/out"
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ -f "$list" ] || continue
        grep -q debian "$list" || continue
        case $list in
        *.sources) sed 's/^Types:.*/Types: deb-src/' "$list" >"$apt/parts/${list##*/}" ;;
        *) sed -n 's/^deb \(.*debian.*\)/deb-src \1/p' "$list" >"$apt/parts/${list##*/}.list" ;;
        esac
    done
    say "downloading the sources of the libraries from Debian (40 MB)"
    apt_private update >"$apt/log" 2>&1 || { cat "$apt/log" >&2; die "apt-get update failed"; }
    grep -v '^#' sources.lock | while read -r name versions; do
        taken=
        for version in $versions ''; do
            folder=$new/out/$name
            rm -rf "$folder" && mkdir -p "$folder"
            if [ -z "$version" ]; then
                # none of them is there any more: a point release has moved on
                say "$name: $versions: Debian has none of these now; taking its newest: put it into pkg/macos/sources.lock"
                (cd "$folder" && apt_private source --download-only "$name" >>"$apt/log" 2>&1) ||
                    { tail -5 "$apt/log" >&2; die "$name: apt-get source failed"; }
                version=$(sed -n 's/^Version: //p' "$folder"/*.dsc | head -1)
            elif ! one "$name" "$version" "$folder"; then
                say "$name $version does not arrive whole"
                continue
            fi
            taken=$version
            break
        done
        (cd "$folder" && for f in *; do echo "$name $taken $f $(sha256 "$f")"; done) >>"$new/out/sources.txt"
        [ -n "$taken" ]
    done
    keep "$new/out" "$out"
    echo "$out"
}

case $what in
headers) fetch_headers ;;
sources) fetch_sources ;;
*) die "fetch.sh headers | sources" ;;
esac
