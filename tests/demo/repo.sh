#!/bin/sh
# Make a small Munki repository with packages of its own: repo.sh PROGRAM FOLDER
# A dozen items: applications, a product with two components, a driver with scripts, an item and what it
# requires, an update, a script without a package, a configuration profile, fonts for laptops only, one whose
# package fails, and one that the demo's Mac has already.
set -eu
program=$1 repo=$2
work=$repo.work
rm -rf "$repo" "$work"
mkdir -p "$repo/manifests" "$repo/catalogs" "$repo/pkgsinfo" "$repo/pkgs" "$work"
trap 'rm -rf "$work"' EXIT

head='<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">'

# app NAME IDENTIFIER VERSION KILOBYTES: an application bundle as a payload tree
app() {
    bundle="$work/$1.root/Applications/$1.app/Contents"
    mkdir -p "$bundle/MacOS" "$bundle/Resources"
    cat >"$bundle/Info.plist" <<PLIST
$head
<dict>
	<key>CFBundleIdentifier</key>
	<string>$2</string>
	<key>CFBundleName</key>
	<string>$1</string>
	<key>CFBundleShortVersionString</key>
	<string>$3</string>
</dict>
</plist>
PLIST
    printf '#!/bin/sh\nexit 0\n' >"$bundle/MacOS/$1"
    chmod 755 "$bundle/MacOS/$1"
    # content that is the same each time and does not compress: a stream cipher's key stream
    dd if=/dev/zero bs=1024 count="$4" 2>/dev/null |
        openssl enc -aes-128-ctr -K 000102030405060708090a0b0c0d0e0f -iv 00000000000000000000000000000000 \
            >"$bundle/Resources/data"
}

# info NAME VERSION PACKAGE [XML…]: a pkginfo, with size and hash when there is a package
info() {
    name=$1 version=$2 package=$3
    shift 3
    {
        printf '\t<dict>\n\t\t<key>name</key>\n\t\t<string>%s</string>\n' "$name"
        printf '\t\t<key>version</key>\n\t\t<string>%s</string>\n' "$version"
        printf '\t\t<key>catalogs</key>\n\t\t<array><string>production</string></array>\n'
        if [ -n "$package" ]; then
            sum=$(openssl dgst -sha256 -r "$repo/pkgs/$package" | cut -d' ' -f1)
            size=$(($(wc -c <"$repo/pkgs/$package") / 1024 + 1))
            printf '\t\t<key>installer_item_location</key>\n\t\t<string>%s</string>\n' "$package"
            printf '\t\t<key>installer_item_hash</key>\n\t\t<string>%s</string>\n' "$sum"
            printf '\t\t<key>installer_item_size</key>\n\t\t<integer>%s</integer>\n' "$size"
        fi
        for x in "$@"; do printf '\t\t%s\n' "$x"; done
        printf '\t</dict>\n'
    } >>"$work/items"
}

installs_app() {
    printf '<key>installs</key>\n\t\t<array><dict><key>type</key><string>application</string><key>path</key><string>/Applications/%s.app</string><key>CFBundleIdentifier</key><string>%s</string><key>CFBundleShortVersionString</key><string>%s</string></dict></array>' "$1" "$2" "$3"
}
installs_file() {
    printf '<key>installs</key>\n\t\t<array><dict><key>type</key><string>file</string><key>path</key><string>%s</string></dict></array>' "$1"
}
receipt() {
    printf '<key>receipts</key>\n\t\t<array><dict><key>packageid</key><string>%s</string><key>version</key><string>%s</string></dict></array>' "$1" "$2"
}
strings() {
    key=$1
    shift
    printf '<key>%s</key>\n\t\t<array>' "$key"
    for x in "$@"; do printf '<string>%s</string>' "$x"; done
    printf '</array>'
}

# component ROOT IDENTIFIER VERSION OUT [OPTION…]
component() {
    r=$1 i=$2 v=$3 o=$4
    shift 4
    "$program" pkg build --payload "$work/$r" --identifier "$i" --version "$v" "$@" "$o" >/dev/null
}

app Browser com.example.browser 131.0 9000
component Browser.root com.example.browser 131.0 "$repo/pkgs/Browser-131.0.pkg"
info Browser 131.0 Browser-131.0.pkg "$(installs_app Browser com.example.browser 131.0)"

app Writer com.example.writer 16.2 6000
app Tables com.example.tables 16.2 5000
component Writer.root com.example.office.writer 16.2 "$work/writer.pkg"
component Tables.root com.example.office.tables 16.2 "$work/tables.pkg"
"$program" pkg build --component "$work/writer.pkg" --component "$work/tables.pkg" --title 'Example Office' \
    --identifier com.example.office --version 16.2 "$repo/pkgs/Office-16.2.pkg" >/dev/null
info Office 16.2 Office-16.2.pkg '<key>display_name</key>' '<string>Example Office</string>' \
    "$(installs_app Writer com.example.writer 16.2)"

mkdir -p "$work/printer/Library/Printers/Example" "$work/printer.scripts"
echo driver >"$work/printer/Library/Printers/Example/driver"
ln -s driver "$work/printer/Library/Printers/Example/current"
printf '#!/bin/sh\nprintf "%%s\\n" "$(basename "$1")" >"$2/Library/Printers/Example/installed-by"\n' >"$work/printer.scripts/postinstall"
chmod 755 "$work/printer.scripts/postinstall"
component printer com.example.printer 2.1 "$repo/pkgs/PrinterDriver-2.1.pkg" --scripts "$work/printer.scripts"
info PrinterDriver 2.1 PrinterDriver-2.1.pkg '<key>display_name</key>' '<string>Printer Driver</string>' \
    "$(receipt com.example.printer 2.1)"

mkdir -p "$work/certs/Library/Example/Certificates"
echo root >"$work/certs/Library/Example/Certificates/root.pem"
component certs com.example.certificates 3 "$repo/pkgs/Certificates-3.pkg"
info Certificates 3 Certificates-3.pkg "$(receipt com.example.certificates 3)"

app VPN com.example.vpn 5.4 1500
component VPN.root com.example.vpn 5.4 "$repo/pkgs/VPN-5.4.pkg"
info VPN 5.4 VPN-5.4.pkg "$(strings requires Certificates)" "$(installs_app VPN com.example.vpn 5.4)" \
    '<key>daybreak</key>' '<dict><key>profiles</key><array><string>com.example.wifi</string></array></dict>'

app Editor com.example.editor 2.0 800
component Editor.root com.example.editor 2.0 "$repo/pkgs/Editor-2.0.pkg"
info Editor 2.0 Editor-2.0.pkg "$(installs_app Editor com.example.editor 2.0)"

mkdir -p "$work/plugins/Library/Application Support/Editor/Plugins"
echo plugin >"$work/plugins/Library/Application Support/Editor/Plugins/spelling"
component plugins com.example.editor.plugins 1.1 "$repo/pkgs/EditorPlugins-1.1.pkg"
info EditorPlugins 1.1 EditorPlugins-1.1.pkg "$(strings update_for Editor)" \
    '<key>display_name</key>' '<string>Editor Plug-ins</string>' "$(receipt com.example.editor.plugins 1.1)"

mkdir -p "$work/fonts/Library/Fonts"
echo font >"$work/fonts/Library/Fonts/Example.otf"
component fonts com.example.fonts 1.0 "$repo/pkgs/Fonts-1.0.pkg"
info Fonts 1.0 Fonts-1.0.pkg "$(installs_file /Library/Fonts/Example.otf)"

mkdir -p "$work/broken/Library/Example" "$work/broken.scripts"
echo broken >"$work/broken/Library/Example/broken"
printf '#!/bin/sh\necho "licence server not found"\nexit 3\n' >"$work/broken.scripts/postinstall"
chmod 755 "$work/broken.scripts/postinstall"
component broken com.example.broken 1.0 "$repo/pkgs/Broken-1.0.pkg" --scripts "$work/broken.scripts"
info Broken 1.0 Broken-1.0.pkg '<key>display_name</key>' '<string>Broken Licence Client</string>' \
    "$(receipt com.example.broken 1.0)"

app Agent com.example.agent 4.0 10
component Agent.root com.example.agent 4.0 "$repo/pkgs/Agent-4.0.pkg"
info Agent 4.0 Agent-4.0.pkg "$(installs_app Agent com.example.agent 4.0)"

info Welcome 1 '' '<key>installer_type</key>' '<string>nopkg</string>' \
    '<key>installcheck_script</key>' '<string>#!/bin/sh
[ ! -e "$DAYBREAK_ROOT/private/etc/motd" ]
</string>' \
    '<key>postinstall_script</key>' '<string>#!/bin/sh
mkdir -p "$DAYBREAK_ROOT/private/etc"
echo "Welcome to your new Mac." &gt;"$DAYBREAK_ROOT/private/etc/motd"
</string>'

cat >"$repo/pkgs/WiFi-1.mobileconfig" <<PLIST
$head
<dict>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadIdentifier</key>
			<string>com.example.wifi.network</string>
			<key>PayloadType</key>
			<string>com.apple.wifi.managed</string>
			<key>PayloadUUID</key>
			<string>8E0C1F5E-9A0C-4C62-9E8B-2F6E5C0F2B11</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
			<key>SSID_STR</key>
			<string>Example</string>
		</dict>
	</array>
	<key>PayloadDisplayName</key>
	<string>Wi-Fi</string>
	<key>PayloadIdentifier</key>
	<string>com.example.wifi</string>
	<key>PayloadScope</key>
	<string>System</string>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadUUID</key>
	<string>3B9A8E55-6A59-4E0B-8B26-0E6D2D6C9A77</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
</dict>
</plist>
PLIST
info WiFi 1 WiFi-1.mobileconfig '<key>display_name</key>' '<string>Wi-Fi</string>' \
    '<key>installer_type</key>' '<string>profile</string>' \
    '<key>installcheck_script</key>' '<string>#!/bin/sh
! grep -q "&lt;string&gt;com.example.wifi&lt;/string&gt;" "$DAYBREAK_ROOT/Library/Daybreak/profiles.plist" 2&gt;/dev/null
</string>'

{ printf '%s\n<array>\n' "$head"; cat "$work/items"; printf '</array>\n</plist>\n'; } >"$repo/catalogs/production"
cp "$repo/catalogs/production" "$repo/catalogs/all"

cat >"$repo/manifests/site_default" <<PLIST
$head
<dict>
	<key>catalogs</key>
	<array><string>production</string></array>
	<key>included_manifests</key>
	<array><string>groups/base</string></array>
	<key>conditional_items</key>
	<array>
		<dict>
			<key>condition</key>
			<string>machine_type == "laptop"</string>
			<key>managed_installs</key>
			<array><string>Fonts</string></array>
		</dict>
	</array>
	<key>managed_installs</key>
	<array>
		<string>Office</string>
		<string>PrinterDriver</string>
		<string>VPN</string>
		<string>Broken</string>
		<string>Editor</string>
	</array>
</dict>
</plist>
PLIST
mkdir -p "$repo/manifests/groups"
cat >"$repo/manifests/groups/base" <<PLIST
$head
<dict>
	<key>managed_installs</key>
	<array>
		<string>WiFi</string>
		<string>Agent</string>
		<string>Welcome</string>
		<string>Browser</string>
	</array>
</dict>
</plist>
PLIST
rmdir "$repo/pkgsinfo"
