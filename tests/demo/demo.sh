#!/bin/sh
# The main job on a sample repository: first boot into a fresh root, then the technician's second run.
# Everything lies in build/demo. REPO=file uses the folder itself instead of nginx. Exits 0 exactly when the
# outcome is the expected one: everything but one item succeeds or is there already, that one fails with its
# sentence, exit code 2; the second run tries only that one and fetches nothing.
set -eu
cd "$(dirname "$0")/../.."
program=$(pwd)/${BUILD:-build}/daybreak
demo=$(pwd)/build/demo
# shellcheck source=tests/demo/server.sh
. tests/demo/server.sh

say() { printf '\n== %s\n' "$*"; }
wrong() { printf 'demo: NOT AS EXPECTED: %s\n' "$*"; exit 1; }

rm -rf "$demo"
mkdir -p "$demo/root"
say "making a sample repository in build/demo/repo"
sh tests/demo/repo.sh "$program" "$demo/repo"
ls "$demo/repo/pkgs"

if [ "${REPO:-http}" = file ]; then
    url=file://$demo/repo
    mkdir -p "$demo/nginx"
else
    trap 'server_stop "$demo/nginx"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    server_start "$demo/repo" "$demo/nginx"
    url=$SERVER_URL
fi
echo "served at $url"

head='<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">'
cat >"$demo/prefs.plist" <<PLIST
$head
<dict>
	<key>SoftwareRepoURL</key>
	<string>$url</string>
	<key>SplashBuddyLog</key>
	<string>/Library/Application Support/SplashBuddy/daybreak.log</string>
	<key>DEPNotifyFile</key>
	<string>/var/tmp/depnotify.log</string>
	<key>DialogCommandFile</key>
	<string>/var/tmp/dialog.log</string>
</dict>
</plist>
PLIST
cat >"$demo/facts.plist" <<PLIST
$head
<dict>
	<key>hostname</key>
	<string>new-mac.example.com</string>
	<key>serial_number</key>
	<string>C02DEMO00000</string>
	<key>arch</key>
	<string>x86_64</string>
	<key>os_vers</key>
	<string>10.15.7</string>
	<key>machine_type</key>
	<string>laptop</string>
	<key>machine_model</key>
	<string>MacBookPro16,1</string>
</dict>
</plist>
PLIST
# the Mac comes with one of the applications
mkdir -p "$demo/root/Applications/Agent.app/Contents"
cat >"$demo/root/Applications/Agent.app/Contents/Info.plist" <<PLIST
$head
<dict>
	<key>CFBundleIdentifier</key>
	<string>com.example.agent</string>
	<key>CFBundleName</key>
	<string>Agent</string>
	<key>CFBundleShortVersionString</key>
	<string>4.0</string>
</dict>
</plist>
PLIST

boot() {
    code=0
    "$program" run --scripts run --prefs "$demo/prefs.plist" --facts "$demo/facts.plist" --root "$demo/root" || code=$?
}
status() { python3 tests/demo/expect.py "$@"; }

say "first boot: daybreak run --scripts run --prefs … --facts … --root build/demo/root"
boot
[ "$code" = 2 ] || wrong "the first run ended with $code, not 2"
status "$demo/root" first || wrong "the first run's status"

say "the report"
"$program" status --root "$demo/root"

lines=0
[ -f "$demo/nginx/access.log" ] && lines=$(wc -l <"$demo/nginx/access.log")
say "the technician runs it again"
boot
[ "$code" = 2 ] || wrong "the second run ended with $code, not 2"
status "$demo/root" second || wrong "the second run's status"
if [ -f "$demo/nginx/access.log" ]; then
    tail -n +$((lines + 1)) "$demo/nginx/access.log" >"$demo/nginx/second.log"
    echo "requests of the second run: $(wc -l <"$demo/nginx/second.log"), answered with" \
        "$(awk '{print $9}' "$demo/nginx/second.log" | sort | uniq -c | awk '{printf "%s%s x %s", s, $1, $2; s=", "}')"
    if awk '$9 == 200 || $9 == 206 {bad = 1} END {exit !bad}' "$demo/nginx/second.log"; then
        wrong "the second run fetched something again"
    fi
fi

say "as expected: all but one item are installed or were there, one failed with its sentence"
echo "status file:      build/demo/root/Library/Daybreak/status.json"
echo "log:              build/demo/root/private/var/log/daybreak/daybreak.log"
echo "SplashBuddy log:  build/demo/root/Library/Application Support/SplashBuddy/daybreak.log"
