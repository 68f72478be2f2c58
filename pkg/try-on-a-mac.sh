#!/bin/sh
# What no machine but a Mac can try: run this on a spare one (a virtual machine will do) and send the report back.
#   sudo sh try-on-a-mac.sh daybreak-VERSION.pkg [https://your/munki/repo]
# It installs the package, asks launchd, the preferences, the sandbox and the tools that Daybreak builds on, and changes
# nothing else; with a repository it also decides (check), without installing what was decided. The report says no secrets;
# read it before you send it. `sudo /usr/local/daybreak/uninstall.sh --all` takes everything away again.
set -u
DOMAIN=io.daybreak
pkg=${1:-}
repo=${2:-}
[ "$(uname -s)" = Darwin ] || { echo "try-on-a-mac: this is no Mac" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "try-on-a-mac: run it with sudo" >&2; exit 1; }
[ -f "$pkg" ] || { echo "usage: sudo sh try-on-a-mac.sh daybreak-VERSION.pkg [repository URL]" >&2; exit 1; }
work=$(mktemp -d /private/var/root/daybreak-try.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
report=$PWD/daybreak-try-$(date -u +%Y%m%dT%H%M%SZ).txt
: >"$report"
passed=0 failed=0
program=/usr/local/daybreak/daybreak

say() { printf '%s\n' "$*" | tee -a "$report"; }
# ask NAME COMMAND…: it must exit 0; what it said goes into the report, the end of it when it is long
ask() {
    name=$1
    shift
    "$@" >"$work/out" 2>&1 </dev/null
    rc=$?
    if [ $rc -eq 0 ]; then passed=$((passed + 1)) && say "ok      $name"; else failed=$((failed + 1)) && say "NOT OK  $name (exit $rc): $*"; fi
    tail -25 "$work/out" | sed 's/^/            /' >>"$report"
    return $rc
}
has() { # has NAME WORD COMMAND…: what it says holds WORD
    name=$1 word=$2
    shift 2
    "$@" >"$work/out" 2>&1 </dev/null
    if grep -q -- "$word" "$work/out"; then passed=$((passed + 1)) && say "ok      $name"; else failed=$((failed + 1)) && say "NOT OK  $name: no \"$word\" from: $*"; fi
    tail -25 "$work/out" | sed 's/^/            /' >>"$report"
}
quick() { # quick NAME SECONDS COMMAND…
    name=$1 limit=$2
    shift 2
    begin=$(date +%s)
    ask "$name" "$@"
    spent=$(($(date +%s) - begin))
    [ $spent -le "$limit" ] || { failed=$((failed + 1)) && say "NOT OK  $name took $spent s, more than $limit"; }
}

say "Daybreak on a Mac, $(date -u)"
say "$(sw_vers | tr '\n' ' ') $(uname -m) $(sysctl -n hw.model)"
say "package: $(shasum -a 256 "$pkg" | cut -c 1-64) $(wc -c <"$pkg") bytes"
say ""
say "-- the package"
ask "Apple's tools read it" pkgutil --expand-full "$pkg" "$work/expanded"
ask "its list of files" sh -c "lsbom \"$work\"/expanded/*.pkg/Bom"
has "its signature" 'Status:' pkgutil --check-signature "$pkg"
spctl --assess --verbose=2 --type install "$pkg" >"$work/out" 2>&1
say "        Gatekeeper: $(tr '\n' ' ' <"$work/out")"
say "-- the program, before it is installed"
inside=$(find "$work/expanded" -path '*usr/local/daybreak/daybreak' -type f | head -1)
if [ -n "$inside" ]; then
    has "both slices" arm64 lipo -archs "$inside"
    ask "its signature" codesign --verify --strict --verbose=4 "$inside"
    has "how it is signed" Identifier codesign --display --verbose=4 "$inside"
    ask "what it loads" otool -L "$inside"
    for arch in $(lipo -archs "$inside"); do
        arch "-$arch" /usr/bin/true 2>/dev/null || continue # no Rosetta
        ask "it starts ($arch)" arch "-$arch" "$inside" --version
    done
fi
say "-- installing it"
quick "installer takes it" 30 installer -allowUntrusted -pkg "$pkg" -target /
quick "installer takes it again" 30 installer -allowUntrusted -pkg "$pkg" -target /
has "the receipt" "$DOMAIN.pkg" pkgutil --pkgs
ask "owners and modes" sh -c "ls -leO@ /usr/local/daybreak /Library/LaunchDaemons/$DOMAIN.run.plist /Library/LaunchAgents/$DOMAIN.session.plist"
say "-- launchd"
for f in /Library/LaunchDaemons/$DOMAIN.run.plist /Library/LaunchAgents/$DOMAIN.session.plist; do ask "plutil likes ${f##*/}" plutil -lint "$f"; done
has "the daemon is there" 'state =' launchctl print "system/$DOMAIN.run"
has "its socket is there" "$DOMAIN.request" ls -l /private/var/run
ask "a request without root" sudo -u nobody "$program" request
has "what launchd has of the job" 'exit timeout\|throttle' launchctl print "system/$DOMAIN.run"
say "-- preferences, as the system knows them"
ask "a value is written" defaults write "/Library/Preferences/$DOMAIN" ItemTimeout -int 1234
ask "the child that asks CoreFoundation" "$program" --preferences
has "the value is seen at once" 1234 "$program" config
ask "the value is taken back" defaults delete "/Library/Preferences/$DOMAIN" ItemTimeout
has "as an ordinary user" SoftwareRepoURL sudo -u nobody "$program" config
say "-- the sandbox of the worker, the engine, the links"
mkdir -p "$work/payload/Library/DaybreakTry" && echo hello >"$work/payload/Library/DaybreakTry/file"
ask "a package is built" "$program" pkg build --payload "$work/payload" --identifier com.example.try --version 1 "$work/try.pkg"
ask "Apple's pkgutil reads it" pkgutil --expand-full "$work/try.pkg" "$work/try"
ask "Apple's lsbom reads it" sh -c "lsbom \"$work\"/try/Bom"
ask "the worker unpacks it, confined" "$program" pkg extract "$work/try.pkg" "$work/out.d"
ask "and gives the same bytes" cmp "$work/payload/Library/DaybreakTry/file" "$work/out.d/Library/DaybreakTry/file"
log show --last 2m --predicate 'eventMessage CONTAINS "daybreak" AND eventMessage CONTAINS "deny"' --style compact >"$work/out" 2>&1
say "        what the sandbox refused meanwhile:"
tail -25 "$work/out" | sed 's/^/            /' >>"$report"
say "-- what Daybreak finds by asking Apple's tools (a missing repository is no fault here)"
"$program" doctor >"$work/out" 2>&1 </dev/null
sed 's/^/            /' "$work/out" >>"$report"
say "        $(grep -c '^PROBLEM' "$work/out") problems: $(sed -n 's/^PROBLEM  *\([a-z ]*[a-z]\)   *.*/\1/p' "$work/out" | tr '\n' ' ')"
"$program" config >"$work/out" 2>&1 </dev/null
say "        authorities of the System keychain, as config has them:"
sed -n '/^System keychain/,$p' "$work/out" | tail -25 | sed 's/^/            /' >>"$report"
say "-- a run"
has "status" . "$program" status --line
if [ -n "$repo" ]; then
    quick "a decision from $repo" 300 "$program" check --repo "$repo" --output "$work/InstallInfo.plist"
    ask "it is a property list" plutil -lint "$work/InstallInfo.plist"
    ask "a rehearsal" "$program" run --repo "$repo" --dry-run --no-attach
fi
say "-- Homebrew and make"
say "        $(make --version 2>&1 | head -1), $(brew --version 2>&1 | head -1)"
say ""
tail -40 /private/var/log/daybreak/daybreak.log 2>/dev/null | sed 's/^/            /' >>"$report"
say "$passed ok, $failed not ok; the report is $report"
[ "$failed" -eq 0 ]
