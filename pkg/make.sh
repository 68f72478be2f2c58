#!/bin/sh
# Make the package: VERSION= DOMAIN= [OUT=build] pkg/make.sh
# From build/macos/daybreak: build/daybreak-VERSION.pkg, a product package ready for productsign (pkg/sign.sh).
# Without that program, or with TEST_PACKAGE set: build/daybreak-VERSION-test.pkg with the program of this system inside. Its
# Distribution asks for a macOS that will never be, so no Mac takes it; a --root whose facts say so does (the tests).
set -eu
cd "$(dirname "$0")/.."
: "${VERSION:?}" "${DOMAIN:?}"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
MAX_BYTES=4000000 # what MDM fetches during Setup Assistant is to be small
maker=${MAKER:-build/daybreak}
folder=${OUT:-build} # tests that run side by side have folders of their own
out=$folder/daybreak-$VERSION.pkg
program=build/macos/daybreak
min_os=10.13
work=$folder/pkg
if [ "${TEST_PACKAGE:-}" ] || [ ! -x "$program" ]; then
    [ "${TEST_PACKAGE:-}" ] ||
        echo "pkg: build/macos/daybreak is not there (make macos); making a test package of this system's program"
    out=$folder/daybreak-$VERSION-test.pkg
    program=$maker
    min_os=99.0
    work=$folder/pkg-test
elif ! python3 pkg/macos/check.py --libraries "$program"; then
    echo "pkg: $program stands on libraries that other Macs do not have; build it on Debian with make macos" >&2
    exit 1
fi
tree=$work/root scripts=$work/scripts
rm -rf "$work"
fill() { sed "s/@DOMAIN@/$DOMAIN/g" "$1" >"$2" && chmod "$3" "$2"; }
mkdir -p "$tree/usr/local/daybreak" "$tree/usr/local/share/man/man8" "$tree/usr/local/share/man/man5" \
    "$tree/Library/LaunchDaemons" "$tree/Library/LaunchAgents" "$tree/private/etc/paths.d" "$scripts"
cp "$program" "$tree/usr/local/daybreak/daybreak"
[ "$program" != "$maker" ] || strip "$tree/usr/local/daybreak/daybreak" 2>/dev/null || :
fill launchd/run.plist.in "$tree/Library/LaunchDaemons/$DOMAIN.run.plist" 644
fill launchd/session.plist.in "$tree/Library/LaunchAgents/$DOMAIN.session.plist" 644
fill pkg/uninstall.sh.in "$tree/usr/local/daybreak/uninstall.sh" 755
fill pkg/scripts/preinstall.in "$scripts/preinstall" 755
fill pkg/scripts/postinstall.in "$scripts/postinstall" 755
echo /usr/local/daybreak >"$tree/private/etc/paths.d/daybreak"
cp LICENSE "$tree/usr/local/daybreak/LICENSE"
cp pkg/notices.txt "$tree/usr/local/daybreak/NOTICES"
cp docs/daybreak.8 "$tree/usr/local/share/man/man8/"
cp docs/daybreak.plist.5 docs/daybreak-repo.5 docs/daybreak-bootstrap.5 "$tree/usr/local/share/man/man5/"
if [ "$min_os" != 99.0 ]; then cp build/macos/daybreak.spdx.json "$tree/usr/local/daybreak/"; fi
find "$tree" -type f -exec chmod 644 {} +
find "$tree" -type d -exec chmod 755 {} +
chmod 755 "$tree/usr/local/daybreak/daybreak" "$tree/usr/local/daybreak/uninstall.sh"
"$maker" pkg build --payload "$tree" --scripts "$scripts" --identifier "$DOMAIN.pkg" --version "$VERSION" \
    --ownership recommended "$work/daybreak.pkg"
"$maker" pkg build --component "$work/daybreak.pkg" --title Daybreak --identifier "$DOMAIN.product" \
    --version "$VERSION" --min-os "$min_os" "$out"
size=$(wc -c <"$out")
if [ "$size" -gt "$MAX_BYTES" ]; then
    echo "pkg: $out has $size bytes, more than $MAX_BYTES" >&2
    exit 1
fi
# What MDM is given names a package that is signed: its hash changes with the signature. Until then it says so in its name.
rm -f "$out.UNSIGNED.plist"
"$maker" pkg mdm-manifest --quiet --unsigned --url "https://example.com/${out##*/}" "$out" >"$out.UNSIGNED.plist.new"
mv "$out.UNSIGNED.plist.new" "$out.UNSIGNED.plist"
ls -l "$out"
