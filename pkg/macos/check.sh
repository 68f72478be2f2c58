#!/bin/sh
# make macos-check: the program is read (check.py), and our part of it is built a second time, elsewhere, and compared.
set -eu
cd "$(dirname "$0")/../.."
top=$(pwd)
. pkg/macos/common.sh
[ -x build/macos/daybreak ] || sh pkg/macos/build.sh program
sdk=$(sh pkg/macos/fetch.sh headers)
rc=0
python3 pkg/macos/check.py build/macos/daybreak "$sdk" clang || rc=1
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
cp -R Makefile core manifests installer agent pkg "$again/"
(cd "$again" && SOURCE_DATE_EPOCH=0 sh pkg/macos/build.sh program >"$again/log" 2>&1) || { tail -20 "$again/log"; exit 1; }
for slice in arm64/stripped/daybreak x86_64/stripped/daybreak daybreak; do
    if cmp -s "build/macos/$slice" "$again/build/macos/$slice"; then
        echo "ok: $slice: the same bytes when our objects are built and linked again in another folder ($(sha256 "$top/build/macos/$slice"))"
    else
        echo "not ok: $slice: other bytes when built again"
        rc=1
    fi
done
exit $rc
