#!/bin/sh
# Build for macOS on Debian: build.sh objects | check | program
# objects: compile every file of ours for both slices, against Apple's headers and this system's library headers; nothing is
#          linked.
# check:   the same as a part of make check, which installs what it takes; where that cannot be had it is skipped, loudly. Of
#          the slice with the newer floor only what is macOS's alone and every fourth file by SEED, all of them in a sweep.
# program: build/macos/daybreak, universal, static but for libSystem; beside it sources.txt, the SBOM and the thin slices.
# On a Mac, program builds with Xcode's compiler and Homebrew's libraries: for that Mac, not for others (see below).
set -eu
cd "$(dirname "$0")/../.."
top=$(pwd)
. pkg/macos/common.sh
: "${MAKE:=make}"
J=$(getconf _NPROCESSORS_ONLN)

# ours ARCH FOLDER CFLAGS TARGET|VARIABLE=…: the house's own Makefile with the cross compiler
ours() {
    arch=$1 folder=$2 cflags=$3
    shift 3
    toolchain "$arch" "$sdk" "$top/build/macos/bin"
    "$MAKE" -s -j"$J" OS=darwin BREW= FAST= CC="$CC" AR="$AR" BUILD="$folder" PKG_CFLAGS="$cflags" "$@"
}

# The headers of the same libraries that this system's own build uses, away from its other headers.
host_headers() {
    to=build/macos/include
    rm -rf "$to" && mkdir -p "$to"
    multi=/usr/include/$(gcc -print-multiarch 2>/dev/null || dpkg-architecture -qDEB_HOST_MULTIARCH)
    for h in curl openssl plist lzma lzma.h expat.h expat_external.h jansson.h jansson_config.h utf8proc.h archive.h \
        archive_entry.h zlib.h zconf.h bzlib.h; do
        found=
        for dir in /usr/include "$multi"; do
            [ -e "$dir/$h" ] || continue
            found=yes
            if [ -d "$dir/$h" ]; then mkdir -p "$to/$h" && cp -RL "$dir/$h/." "$to/$h/"; else cp -L "$dir/$h" "$to/$h"; fi
        done
        [ "$found" ] || die "$h is missing: make deps"
    done
    # its own way of asking for glibc's headers
    sed -i 's/bits\/[a-z-]*\.h/stddef.h/' "$to/expat_external.h"
    echo "$to"
}

# objects [sampled]
objects() {
    sdk=$(sh pkg/macos/fetch.sh headers)
    headers=$(host_headers)
    for arch in x86_64 arm64; do
        folder=build/macos/objects-$arch target=$folder/libdaybreak.a what='every file'
        # what the older system has the newer one has too, and the two slices share their sources
        if [ "${1:-}" = sampled ] && [ $arch = arm64 ]; then
            target=$(printf '%s\n' core/*.c manifests/*.c installer/*.c agent/*.c | grep -v os_linux |
                awk -v n="${SEED:-0}" -v d="$folder" 'NR % 4 == n % 4 || /darwin/ {sub(/c$/, "o"); print d "/obj/" $0}')
            what="what is macOS's alone and every fourth file (seed ${SEED:-0})"
        fi
        # shellcheck disable=SC2086
        ours "$arch" "$folder" "-isystem $top/$headers" OPT='-O0 -g0' $target
        echo "macos: $what compiles for $arch"
    done
}

check() {
    if ! sh pkg/deps.sh macos >&2 || ! sh pkg/macos/fetch.sh headers >&2; then
        echo "skipped: macOS: the cross compiler or Apple's headers cannot be had here; NOTHING was compiled for macOS"
        echo "macos: 0 passed, 0 failed, 1 skipped"
        return
    fi
    if [ -n "${SWEEP:-}" ]; then objects; else objects sampled; fi
    echo "macos: 2 passed, 0 failed, 0 skipped"
}

program() {
    sdk=$(sh pkg/macos/fetch.sh headers)
    slices=
    for arch in ${ARCHS:-arm64 x86_64}; do
        libs=$(sh pkg/macos/libs.sh "$arch")
        folder=build/macos/$arch
        # a slice that stands on other libraries, or another compiler, begins anew
        [ "$(cat "$folder/libs" 2>/dev/null)" = "$libs" ] || rm -rf "$folder"
        mkdir -p "$folder" && echo "$libs" >"$folder/libs"
        static=
        for l in curl nghttp2 ssl crypto plist archive bz2 lzma z expat utf8proc jansson; do static="$static $libs/lib/lib$l.a"; done
        ours "$arch" "$folder" "-isystem $libs/include -DCURL_STATICLIB -DLIBPLIST_STATIC -DUTF8PROC_STATIC" "$folder/daybreak" OPT='-Os -g0' \
            PKG_LIBS="$static" LDHARD='-mlinker-version=609 -Wl,-dead_strip -Wl,-S -Wl,-adhoc_codesign -Wl,-exported_symbol,__mh_execute_header'
        # a crash report of a Mac is read with the names that do not travel along (the signature is made anew)
        mkdir -p "$folder/stripped"
        "$(llvm llvm-nm)" -n "$folder/daybreak" >"build/macos/daybreak-$arch.symbols"
        cp "$folder/daybreak" "$folder/stripped/daybreak.new"
        mv "$folder/stripped/daybreak.new" "$folder/stripped/daybreak"
        "$(llvm llvm-strip)" -x "$folder/stripped/daybreak"
        slices="$slices $folder/stripped/daybreak"
    done
    # shellcheck disable=SC2086
    "$(llvm llvm-lipo)" -create $slices -output build/macos/daybreak.new
    chmod 755 build/macos/daybreak.new
    mv build/macos/daybreak.new build/macos/daybreak
    cp "$(sh pkg/macos/fetch.sh sources)/sources.txt" build/macos/sources.txt
    python3 pkg/macos/sbom.py "${VERSION:?}" build/macos/daybreak build/macos/sources.txt \
        "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}" >build/macos/daybreak.spdx.json
    ls -l build/macos/daybreak
}

# On a Mac: Xcode's tools and Homebrew's libraries, one slice for each Homebrew that is there (Apple silicon: /opt/homebrew,
# Intel or Rosetta: /usr/local). Homebrew's libraries are shared ones built for this macOS, so the program runs where they
# are: it is for trying and for tests. The package that is deployed is built on Debian.
on_a_mac() {
    slices=
    for arch in arm64 x86_64; do
        case $arch in arm64) brew=/opt/homebrew floor=11.0 ;; *) brew=/usr/local floor=10.13 ;; esac
        [ -x "$brew/bin/brew" ] || continue
        folder=build/macos/$arch
        "$MAKE" -s -j"$J" BREW="$brew" BUILD="$folder" CC="xcrun clang -arch $arch -mmacosx-version-min=$floor" "$folder/daybreak"
        slices="$slices $folder/daybreak"
    done
    [ "$slices" ] || die "no Homebrew in /opt/homebrew or /usr/local: https://brew.sh, then make deps"
    # shellcheck disable=SC2086
    xcrun lipo -create $slices -output build/macos/daybreak
    ls -l build/macos/daybreak
}

mkdir -p build/macos
case ${1:-}:$(uname -s) in
objects:Linux) objects ;;
check:Linux) check ;;
program:Linux) program ;;
program:Darwin) on_a_mac ;;
objects:Darwin | check:Darwin) "$MAKE" -s all && echo "macos: 1 passed, 0 failed, 0 skipped" ;;
*) die "build.sh objects | check | program" ;;
esac
