#!/bin/sh
# Sign and notarize, on a Mac, in the only order that works: the program is signed before it is packed, the package after,
# and what MDM is given is made last, because every signature changes the bytes that it names.
#   APPLICATION="Developer ID Application: … (TEAMID)" INSTALLER="Developer ID Installer: … (TEAMID)" \
#   PROFILE=name-for-notarytool URL=https://where/the/package/will/be.pkg sh pkg/sign.sh
# PROFILE is what `xcrun notarytool store-credentials` made; no secret is given to this script. Never run on a Mac so far.
set -eu
cd "$(dirname "$0")/.."
[ "$(uname -s)" = Darwin ] || { echo "sign: Apple's tools sign, on a Mac" >&2; exit 1; }
: "${APPLICATION:?a Developer ID Application identity}" "${INSTALLER:?a Developer ID Installer identity}" "${PROFILE:?a notarytool profile}"
VERSION=$(sed -n 's/^VERSION *= *//p' Makefile)
DOMAIN=$(sed -n 's/^DOMAIN *= *//p' Makefile)
export VERSION DOMAIN
program=build/macos/daybreak
plain=build/daybreak-$VERSION.pkg
signed=build/daybreak-$VERSION-signed.pkg
[ -x "$program" ] || { echo "sign: $program is not there: bring it from Debian (make macos)" >&2; exit 1; }
[ -x build/daybreak ] || make

echo "1. the program"
codesign --force --options runtime --timestamp --identifier "$DOMAIN" --sign "$APPLICATION" "$program"
codesign --verify --strict --verbose=2 "$program"

echo "2. the package"
sh pkg/make.sh

echo "3. its signature"
productsign --timestamp --sign "$INSTALLER" "$plain" "$signed.new"
pkgutil --check-signature "$signed.new"
mv "$signed.new" "$signed"

echo "4. Apple's word"
xcrun notarytool submit "$signed" --keychain-profile "$PROFILE" --wait

echo "5. stapled to it"
xcrun stapler staple "$signed"
xcrun stapler validate "$signed"
spctl --assess --verbose=2 --type install "$signed"

echo "6. what MDM is given"
rm -f "$plain.UNSIGNED.plist"
if [ "${URL:-}" ]; then
    build/daybreak pkg mdm-manifest --url "$URL" "$signed" >"$signed.plist.new"
    mv "$signed.plist.new" "$signed.plist"
else
    echo "   no URL given: later, build/daybreak pkg mdm-manifest --url URL $signed"
fi
ls -l "$signed"*
