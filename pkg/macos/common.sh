# shellcheck shell=sh
# What the scripts of this folder share. Everything downloaded or built for macOS lies in CACHE, in folders that are
# named after a digest of all that went into them.
CACHE=${DAYBREAK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/daybreak}

say() { printf 'macos: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
need() { for tool; do command -v "$tool" >/dev/null 2>&1 || die "$tool is missing: make macos-deps"; done; }
sha256() { { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; } | cut -c 1-64; }
digest() { { sha256sum 2>/dev/null || shasum -a 256; } | cut -c 1-16; } # of standard input, short

# A new folder in the cache for work in progress, gone when the script ends.
scratch() {
    mkdir -p "$CACHE"
    mktemp -d "$CACHE/new.XXXXXX"
}
# keep NEW FINAL: give a finished folder its name; another who was faster wins
keep() {
    [ -d "$2" ] || mv "$1" "$2" 2>/dev/null || [ -d "$2" ]
    rm -rf "${1%/out}"
}

# The cross compiler of one slice. toolchain ARCH SDK FOLDER: writes FOLDER/ARCH-cc and fills CC, AR, RANLIB. A wrapper of a
# fixed name, so that no folder of this machine gets into what remembers its compiler's flags (OpenSSL does). A call that is
# newer than the slice's floor is an error, in the libraries too: the two options stand last, where nothing undoes them.
llvm() { # the path of one of LLVM's tools, whatever Debian calls it
    for at in "$(llvm-config --bindir 2>/dev/null)/$1" "$(command -v "$1" 2>/dev/null)"; do
        [ -x "$at" ] && { echo "$at"; return; }
    done
    die "$1 is missing: make macos-deps"
}
toolchain() {
    need clang llvm-config
    case $1 in arm64) floor=11.0 ;; x86_64) floor=10.13 ;; *) die "$1: arm64 or x86_64" ;; esac
    mkdir -p "$3"
    cat >"$3/$1-cc" <<END
#!/bin/sh
exec clang --target=$1-apple-macos$floor -isysroot $2/$1 --ld-path=$(llvm ld64.lld) \\
    "\$@" -Wno-unused-command-line-argument -Werror=unguarded-availability -Werror=unguarded-availability-new
END
    chmod +x "$3/$1-cc"
    PATH=$3:$PATH
    export PATH
    CC=$1-cc AR=$(llvm llvm-ar) RANLIB=$(llvm llvm-ranlib)
    export CC AR RANLIB
}
