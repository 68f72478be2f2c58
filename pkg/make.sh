#!/bin/sh
# Make the package: VERSION= DOMAIN= pkg/make.sh
# From build/macos/daybreak: build/daybreak-VERSION.pkg, a product package ready for productsign.
# Without that program: build/daybreak-VERSION-test.pkg with the program of this system inside. Its Distribution
# asks for a macOS that will never be, so no Mac takes it; a --root whose facts say so does (the tests).
set -eu
cd "$(dirname "$0")/.."
: "${VERSION:?}" "${DOMAIN:?}"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
maker=build/daybreak
out=build/daybreak-$VERSION.pkg
program=build/macos/daybreak
min_os=11.0
if [ ! -x "$program" ]; then
    out=build/daybreak-$VERSION-test.pkg
    program=$maker
    min_os=99.0
    echo "pkg: build/macos/daybreak is not there; making a test package of this system's program: $out"
fi
tree=build/pkg/root scripts=build/pkg/scripts
rm -rf build/pkg
fill() { sed "s/@DOMAIN@/$DOMAIN/g" "$1" >"$2" && chmod "$3" "$2"; }
mkdir -p "$tree/usr/local/daybreak" "$tree/usr/local/share/man/man8" "$tree/usr/local/share/man/man5" \
    "$tree/Library/LaunchDaemons" "$tree/Library/LaunchAgents" "$tree/private/etc/paths.d" "$scripts"
cp "$program" "$tree/usr/local/daybreak/daybreak"
strip "$tree/usr/local/daybreak/daybreak" 2>/dev/null || :
chmod 755 "$tree/usr/local/daybreak/daybreak"
fill launchd/run.plist.in "$tree/Library/LaunchDaemons/$DOMAIN.run.plist" 644
fill launchd/session.plist.in "$tree/Library/LaunchAgents/$DOMAIN.session.plist" 644
fill pkg/uninstall.sh.in "$tree/usr/local/daybreak/uninstall.sh" 755
fill pkg/scripts/preinstall.in "$scripts/preinstall" 755
fill pkg/scripts/postinstall.in "$scripts/postinstall" 755
echo /usr/local/daybreak >"$tree/private/etc/paths.d/daybreak"
cp LICENSE "$tree/usr/local/daybreak/LICENSE"
cp docs/daybreak.8 "$tree/usr/local/share/man/man8/"
cp docs/daybreak.plist.5 docs/daybreak-repo.5 "$tree/usr/local/share/man/man5/"
chmod 644 "$tree/private/etc/paths.d/daybreak" "$tree/usr/local/daybreak/LICENSE" "$tree"/usr/local/share/man/man?/*
find "$tree" -type d -exec chmod 755 {} +
"$maker" pkg build --payload "$tree" --scripts "$scripts" --identifier "$DOMAIN.pkg" --version "$VERSION" \
    --ownership recommended build/pkg/daybreak.pkg
"$maker" pkg build --component build/pkg/daybreak.pkg --title Daybreak --identifier "$DOMAIN.product" \
    --version "$VERSION" --min-os "$min_os" "$out"
ls -l "$out"
