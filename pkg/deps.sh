#!/bin/sh
# Install what building and testing Daybreak needs and this machine lacks, saying what first.
# Debian: apt-get (as root, or by sudo). macOS: Homebrew. `deps.sh macos` adds what cross-building for macOS takes.
set -eu

say() { printf 'deps: %s\n' "$*"; }

if [ "$(uname -s)" = Darwin ]; then
    command -v brew >/dev/null 2>&1 || { say "Homebrew is needed: https://brew.sh"; exit 1; }
    missing=
    for p in pkg-config curl libplist openssl@3 libarchive zlib expat utf8proc jansson xz bzip2 isa-l cmocka nginx sevenzip mandoc shellcheck python3; do
        brew list --versions "$p" >/dev/null 2>&1 || missing="$missing $p"
    done
    [ -z "$missing" ] && exit 0
    say "installing with brew:$missing"
    # shellcheck disable=SC2086
    exec brew install $missing
fi

command -v apt-get >/dev/null 2>&1 || { say "neither apt-get nor brew is here: install the packages of pkg/deps.sh by hand"; exit 1; }
missing=
cross=
if [ "${1:-}" = macos ]; then
    cross='clang lld llvm dpkg-dev perl'
    command -v npm >/dev/null 2>&1 || cross="$cross npm" # node's own brings it too
fi
for p in $cross gcc libc6-dev make pkg-config libcurl4-openssl-dev libplist-dev libssl-dev libarchive-dev zlib1g-dev \
    libexpat1-dev libutf8proc-dev libjansson-dev liblzma-dev libbz2-dev libisal-dev libcmocka-dev nginx-light p7zip-full libarchive-tools \
    mandoc shellcheck strace python3 openssl curl; do
    case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in *" installed") ;; *) missing="$missing $p" ;; esac
done
# any nginx will do
command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] && missing=$(printf '%s' "$missing" | sed 's/ nginx-light//')
[ -z "$missing" ] && exit 0
say "installing with apt-get:$missing"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! { $sudo apt-get update && $sudo apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log"
    say "apt-get failed"
    exit 1
fi
say "done"
