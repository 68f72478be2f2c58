"""A random Munki repository and a Mac, as plain values: what generate() makes, build() writes to a folder.

A scene is a dictionary of property-list values alone, so that it can be copied, shrunk and printed:
  catalogs   name -> list of pkginfos          manifests  name -> dictionary
  clients    names of manifests to ask for     facts      --facts
  prefs      --prefs                           selfserve  the user's manifest, or None
  local      the local-only manifest, or None
  files      path below the root -> None (an empty file) or a dictionary (a property list)
  receipts   package identifier -> version
  cyclic     may hold requirements, or manifests, that come back to themselves
"""
import datetime
import os
import plistlib
import unicodedata

# condition, what it says about facts
CONDITIONS = [
    ('os_vers_major >= 14', lambda f, c: major(f) >= 14),
    ('os_vers_major < 14 AND arch == "x86_64"', lambda f, c: major(f) < 14 and f['arch'] == 'x86_64'),
    ('arch == "arm64"', lambda f, c: f['arch'] == 'arm64'),
    ('machine_type == "laptop" OR arch == "x86_64"', lambda f, c: f['machine_type'] == 'laptop' or f['arch'] == 'x86_64'),
    ('NOT machine_type == "laptop"', lambda f, c: f['machine_type'] != 'laptop'),
    ('hostname BEGINSWITH[c] "LAB"', lambda f, c: f['hostname'].lower().startswith('lab')),
    ('serial_number IN {"C02AAAA", "C02BBBB"}', lambda f, c: f['serial_number'] in ('C02AAAA', 'C02BBBB')),
    ('missing_fact == nil', lambda f, c: True),
    ('missing_fact == "x"', lambda f, c: False),
    ('TRUEPREDICATE', lambda f, c: True),
    ('1 == 2', lambda f, c: False),
    ('catalogs CONTAINS "testing"', lambda f, c: 'testing' in c),
    ('NOT ANY catalogs == "production"', lambda f, c: 'production' not in c),
    ('SUBQUERY(applications, $a, $a.bundleid == "com.example.a0").@count == 0 OR os_vers_minor > -1', lambda f, c: True),
]
BAD_CONDITIONS = ['this is (not a predicate', 'os_vers_major >=', 'NOT (board-id == 1)', 'hostname MATCHES "("', '']
NAMES = ['Alpha', 'Bravo', 'Charlie', 'Delta', 'Echo', 'Foxtrot', 'Name-with-hyphens', 'Naïve App', 'Éditeur', 'Ångström-Ω',
         'Golf', 'Hotel', 'India & Co', 'Été <1>', 'Office-2019', 'Office', '日本語', 'x']
VERSIONS = ['1', '1.0', '1.5', '2.0', '2.0.0', '10.1', '1.0b2', '3.1-2', '2019', '15.0', '6.4 (53)']
EMPTY_MD5 = 'd41d8cd98f00b204e9800998ecf8427e'
MACS = [('10.13.6', 'x86_64'), ('11.7', 'x86_64'), ('14.5', 'arm64'), ('15.4.1', 'arm64'), ('26.0', 'arm64')]


def major(facts):
    return int(facts['os_vers'].split('.')[0])


def nfc(s):
    return unicodedata.normalize('NFC', s)


def spelled(rnd, name):
    """The name as somebody may have typed it."""
    return unicodedata.normalize('NFD', name) if rnd.random() < 0.3 else name


def reference(rnd, name, catalogs, versioned=0.15):
    text = spelled(rnd, name)
    if rnd.random() < versioned:
        known = [i['version'] for c in catalogs.values() for i in c if nfc(i['name']) == name]
        version = rnd.choice(known) if known and rnd.random() < 0.8 else rnd.choice(VERSIONS)
        text += rnd.choice(['-', '--']) + version
    return text


class Maker:
    def __init__(self, rnd):
        self.rnd = rnd
        self.names = rnd.sample(NAMES, rnd.randint(3, 12))
        self.density = rnd.choice([0.3, 0.6, 1.0, 1.6])
        self.scene = {'catalogs': {}, 'manifests': {}, 'files': {}, 'receipts': {}, 'cyclic': rnd.random() < 0.35}

    def chance(self, p):
        return self.rnd.random() < p

    def evidence(self, item):
        """Keys that say whether the item is there, and sometimes what makes it so."""
        rnd, scene, name, version = self.rnd, self.scene, nfc(item['name']), item['version']
        number = NAMES.index(name)
        kind = rnd.choice(['file', 'file', 'plist', 'bundle', 'application', 'receipts', 'receipts', 'none', 'both', 'empty',
                           'script', 'ondemand', 'malformed', 'found', 'two', 'version_script', 'startosinstall', 'stage'])
        there = self.chance(0.45)
        have = rnd.choice([version, version, rnd.choice(VERSIONS)])
        if kind in ('file', 'both'):
            path = '/Library/Files/%d-%d' % (number, rnd.randint(0, 1))
            item['installs'] = [{'type': 'file', 'path': path}]
            if self.chance(0.2):
                item['installs'][0]['md5checksum'] = rnd.choice([EMPTY_MD5, '0' * 32])
            if there:
                scene['files'][path] = None
        if kind == 'plist':
            path = '/Library/Plists/%d.plist' % number
            item['installs'] = [{'type': 'plist', 'path': path, 'CFBundleShortVersionString': version}]
            if there:
                scene['files'][path] = {'CFBundleShortVersionString': have}
            if self.chance(0.3):
                item['installs'][0]['minimum_update_version'] = rnd.choice(VERSIONS)
            if self.chance(0.3):
                item['installs'][0].update(version_comparison_key='CFBundleVersion', CFBundleVersion=version)
                if path in scene['files']:
                    scene['files'][path]['CFBundleVersion'] = rnd.choice([have, 7])
        if kind in ('bundle', 'application', 'two'):
            kind = rnd.choice(['bundle', 'application']) if kind == 'two' else kind
            path = '/Applications/%d.app' % number
            item['installs'] = [{'type': kind, 'path': path, 'CFBundleShortVersionString': version,
                                 'CFBundleIdentifier': rnd.choice(['com.example.a%d', 'com.apple.a%d']) % number}]
            if there:
                scene['files'][path + '/Contents/Info.plist'] = {'CFBundleShortVersionString': have,
                                                                 'CFBundleIdentifier': 'com.example.a%d' % number,
                                                                 'CFBundleName': 'App %d' % number}
                if self.chance(0.2):  # where the short version is missing, the other one counts
                    file = scene['files'][path + '/Contents/Info.plist']
                    file['CFBundleVersion'] = file.pop('CFBundleShortVersionString')
            if self.chance(0.3):
                item['installs'].append({'type': 'file', 'path': '/Library/Files/%d-0' % number})
        if kind == 'found':  # an application, wherever it is
            item['installs'] = [{'type': 'application', 'CFBundleShortVersionString': version}]
            if self.chance(0.7):
                item['installs'][0]['CFBundleIdentifier'] = 'com.example.a%d' % number
            if self.chance(0.5):
                item['installs'][0]['CFBundleName'] = 'App %d' % rnd.randint(0, len(NAMES) - 1)
            if there:
                scene['files']['/Applications/Other/%d.app/Contents/Info.plist' % number] = {
                    'CFBundleShortVersionString': have, 'CFBundleIdentifier': 'com.example.a%d' % number}
        if kind in ('receipts', 'both', 'empty'):
            ids = ['com.example.p%d.%d' % (number, i) for i in range(rnd.randint(1, 3))]
            if self.chance(0.1):
                ids.append('com.example.shared')
            item['receipts'] = [{'packageid': i, 'version': version} for i in ids]
            if self.chance(0.2):
                item['receipts'][-1]['optional'] = True
            for i in ids:
                if there and self.chance(0.85):
                    scene['receipts'][i] = have
        if kind == 'empty':
            item['installs'] = []
        if kind == 'malformed':
            item['installs'] = [{'path': '/Library/Files/%d-0' % number}]
        if kind == 'script':
            item['installcheck_script'] = '#!/bin/sh\nexit %d\n' % number
            scene['facts']['script_results'].setdefault(name, {})['installcheck'] = rnd.choice([0, 1])
        if self.chance(0.05):
            item['uninstallcheck_script'] = '#!/bin/sh\n'
            scene['facts']['script_results'].setdefault(name, {})['uninstallcheck'] = rnd.choice([0, 1])
        if kind == 'version_script':
            item['version_script'] = '#!/bin/sh\necho %s\n' % version
            scene['facts']['script_results'].setdefault(name, {})['version'] = rnd.choice([version, rnd.choice(VERSIONS), ''])
        if kind == 'startosinstall':
            item['installer_type'] = 'startosinstall'
        if kind == 'stage':
            item['installer_type'] = 'stage_os_installer'
            if self.chance(0.7):
                path = '/Applications/Install %d.app' % number
                item['installs'] = [{'type': 'application', 'path': path, 'CFBundleShortVersionString': version}]
                if there:
                    scene['files'][path + '/Contents/Info.plist'] = {'CFBundleShortVersionString': have}
        if kind == 'ondemand':
            item['OnDemand'] = True

    def applicability(self, item):
        rnd = self.rnd
        if self.chance(0.08):
            item['minimum_os_version'] = rnd.choice(['10.13', '12.0', '15.0', '99'])
        if self.chance(0.06):
            item['maximum_os_version'] = rnd.choice(['10.15.99', '14', '14.5', '99.0'])
        if self.chance(0.06):
            item['supported_architectures'] = rnd.choice([['x86_64'], ['arm64'], ['x86_64', 'arm64'], []])
        if self.chance(0.06):
            item['installable_condition'] = rnd.choice(CONDITIONS)[0]
        if self.chance(0.03):
            item['minimum_munki_version'] = rnd.choice(['3', '99'])

    def behaviour(self, item):
        rnd = self.rnd
        for key, values, p in (('display_name', ['Shown ' + item['name'], ''], 0.3), ('description', ['What it does'], 0.3),
                               ('developer', ['Example'], 0.2), ('category', ['Tools'], 0.2), ('icon_name', ['icon'], 0.1),
                               ('RestartAction', ['RequireRestart', 'None', 'RequireLogout'], 0.15),
                               ('unattended_install', [True, False], 0.3), ('forced_install', [True], 0.05),
                               ('unattended_uninstall', [True], 0.2), ('installer_item_size', [1, 4096, 90000], 0.5),
                               ('installed_size', [7, 9000, 200000], 0.3),
                               ('force_install_after_date', [datetime.datetime(2026, 5, 1, 12)], 0.1), ('blocking_applications', [[], ['A', 'B']], 0.1),
                               ('autoremove', [True, False], 0.15), ('featured', [True], 0.1), ('precache', [True], 0.1),
                               ('preinstall_script', ['#!/bin/sh\n'], 0.1), ('apple_item', [True, False], 0.05),
                               ('note', ['Ask first', ''], 0.05), ('notes', ['internal'], 0.1)):
            if self.chance(p):
                item[key] = rnd.choice(values)
        if self.chance(0.15) and 'installer_type' not in item:
            item['installer_type'] = 'nopkg'
        elif not self.chance(0.05):
            item['installer_item_location'] = 'apps/%d-%s.pkg' % (NAMES.index(nfc(item['name'])), item['version'])
            item['installer_item_hash'] = 'a' * 64
        if self.chance(0.75):
            item['uninstallable'] = True
        method = rnd.choice(['uninstall_script', 'uninstall_script', 'removepackages', 'remove_copied_items', 'remove_app',
                             'uninstall_package', '/usr/local/bin/gone', None])
        if method:
            item['uninstall_method'] = method
        if method == 'uninstall_script' and self.chance(0.95):
            item['uninstall_script'] = '#!/bin/sh\n'
        if method == 'remove_copied_items' and self.chance(0.9):
            item['items_to_copy'] = [{'source_item': 'a.app', 'destination_path': '/Applications'}]
        if method == 'uninstall_package' and self.chance(0.8):
            item['uninstaller_item_location'] = 'apps/remove.pkg'

    def relations(self, item, catalogs):
        rnd = self.rnd
        here = self.names.index(nfc(item['name']))
        for key in ('requires', 'update_for'):
            # Without cycles an item leans on names before it alone.
            others = self.names[:here] + (self.names if self.scene['cyclic'] else [])
            refs = [reference(rnd, n, catalogs) for n in others
                    if self.chance(self.density * (1 if key == 'requires' else 0.5) / max(2, len(self.names) / 2))]
            if self.chance(0.03):
                refs.append('NotThere')
            if refs and self.chance(0.03):
                refs[0] = 'apps/' + refs[0]
            if refs:
                item[key] = refs[0] if len(refs) == 1 and self.chance(0.2) else refs

    def manifest_lists(self, dict_, names):
        rnd = self.rnd
        for key, p in (('managed_installs', 0.8), ('managed_uninstalls', 0.35), ('managed_updates', 0.35),
                       ('optional_installs', 0.5), ('featured_items', 0.2), ('default_installs', 0.15)):
            if self.chance(p):
                dict_[key] = [reference(rnd, n, self.scene['catalogs'], 0.1)
                              for n in rnd.choices(names + ['NotThere'], [1] * len(names) + [0.15], k=rnd.randint(0, 4))]
                if dict_[key] and self.chance(0.05):
                    dict_[key][0] = 'apps/' + dict_[key][0]
        if self.chance(0.03):
            dict_['managed_installs'] = ['Alpha', 5]

    def conditionals(self, dict_, deep):
        rnd = self.rnd
        if not self.chance(0.4):
            return
        dict_['conditional_items'] = []
        for _ in range(rnd.randint(1, 3)):
            inner = {'condition': rnd.choice(BAD_CONDITIONS) if self.chance(0.1) else rnd.choice(CONDITIONS)[0]}
            if self.chance(0.03):
                del inner['condition']
            self.manifest_lists(inner, self.names)
            if self.chance(0.1):
                inner['catalogs'] = rnd.sample(sorted(self.scene['catalogs']), 1)
            if deep:
                self.conditionals(inner, deep - 1)
            dict_['conditional_items'].append(inner)

    def make(self):
        rnd, scene = self.rnd, self.scene
        os_vers, arch = rnd.choice(MACS)
        scene['facts'] = {'os_vers': os_vers, 'arch': arch, 'hostname': rnd.choice(['lab-01', 'desk.example.com']),
                          'serial_number': rnd.choice(['C02AAAA', 'C02ZZZZ']), 'munki_version': '7.0.4.5263',
                          'machine_type': rnd.choice(['laptop', 'desktop']), 'available_disk_space_kb': rnd.choice([1 << 30, 1 << 30, 500000]),
                          'script_results': {}}
        # "elsewhere" is on the server and in no manifest: nothing of it may ever be decided
        catalogs = rnd.sample(['testing', 'production', 'extra catalog', 'élève'], rnd.randint(1, 3)) + ['elsewhere']
        for c in catalogs:
            scene['catalogs'][c] = []
        for name in self.names:
            for c in catalogs:
                while self.chance(0.55 if len(catalogs) > 2 else 0.75) and len(scene['catalogs'][c]) < 30:
                    item = {'name': spelled(rnd, name), 'version': rnd.choice(VERSIONS)}
                    if c == 'elsewhere':
                        item['version'] = '777'
                    self.evidence(item)
                    self.applicability(item)
                    self.behaviour(item)
                    scene['catalogs'][c].append(item)
                    if c != 'elsewhere' and self.chance(0.3):  # the same item in another catalog, word for word
                        other = rnd.choice(catalogs[:-1])
                        scene['catalogs'][other].append(item)
                    if c == 'elsewhere' or self.chance(0.6):
                        break
        for c in catalogs:
            for item in scene['catalogs'][c]:
                if 'requires' not in item and 'update_for' not in item:
                    self.relations(item, scene['catalogs'])
            rnd.shuffle(scene['catalogs'][c])
        useful = catalogs[:-1]
        names = ['site_default', 'groups/eng', 'mac-01', 'café', 'sub/deep/one', 'base'][:rnd.randint(1, 6)]
        for i, name in enumerate(names):
            dict_ = {}
            if self.chance(0.5):
                dict_['catalogs'] = rnd.sample(useful, rnd.randint(1, len(useful))) + (['NotOnServer'] if self.chance(0.05) else [])
            if i and self.chance(0.7):
                dict_['included_manifests'] = rnd.sample(names[:i], rnd.randint(1, min(2, i))) + \
                    ([''] if self.chance(0.1) else []) + (['not/on/server'] if self.chance(0.02) else [])
            self.manifest_lists(dict_, self.names)
            self.conditionals(dict_, 1)
            if self.chance(0.2):
                dict_['display_name'] = 'a note'
            scene['manifests'][name] = dict_
        scene['clients'] = [n for n in names if self.chance(0.5)] or names[-1:]
        for n in scene['clients']:
            scene['manifests'][n].setdefault('catalogs', rnd.sample(useful, rnd.randint(1, len(useful))))
        scene['selfserve'] = scene['local'] = None
        if self.chance(0.4):
            scene['selfserve'] = {k: [reference(rnd, n, scene['catalogs'], 0.05) for n in rnd.sample(self.names, 2)]
                                  for k in ('managed_installs', 'managed_uninstalls', 'default_installs') if self.chance(0.7)}
        scene['prefs'] = {'ShowOptionalInstallsForHigherOSVersions': True} if self.chance(0.2) else {}
        if self.chance(0.2):
            scene['local'] = {}
            self.manifest_lists(scene['local'], self.names)
            scene['prefs']['LocalOnlyManifest'] = 'only_here'
        if scene['cyclic'] and self.chance(0.1):  # of manifests, too
            scene['manifests'][names[0]]['included_manifests'] = [names[-1]]
        return scene


def generate(rnd):
    return Maker(rnd).make()


def put(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        if value is not None:
            plistlib.dump(value, f, sort_keys=False)


def build(scene, folder):
    """repo/, root/, facts.plist and prefs.plist below folder, which is empty."""
    for name, items in scene['catalogs'].items():
        put(os.path.join(folder, 'repo/catalogs', name), items)
    for name, dict_ in scene['manifests'].items():
        put(os.path.join(folder, 'repo/manifests', name), dict_)
    root = os.path.join(folder, 'root')
    os.makedirs(root)
    for path, value in scene['files'].items():
        put(root + path, value)
    for identifier, version in scene['receipts'].items():
        put('%s/private/var/db/receipts/%s.plist' % (root, identifier),
            {'PackageIdentifier': identifier, 'PackageVersion': version})
    own = os.path.join(root, 'Library/Managed Installs/manifests')
    if scene['selfserve'] is not None:
        put(os.path.join(own, 'SelfServeManifest'), scene['selfserve'])
    if scene['local'] is not None:
        put(os.path.join(own, 'only_here'), scene['local'])
    put(os.path.join(folder, 'facts.plist'), scene['facts'])
    put(os.path.join(folder, 'prefs.plist'), dict(scene['prefs'], ManagedInstallDir='/Library/Managed Installs'))
