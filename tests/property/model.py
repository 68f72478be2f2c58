"""Munki's decision once more, written from its description alone and as plainly as possible: no memory, no
index, the lists searched each time. What the program decides must be the same, entry by entry and key by key.

It does not know scripts that are run, disk space, downloads that fail and applications found by search; and it
gives up (TooDeep) where Munki would never end.
"""
import unicodedata

DISPLAY = ['localized_strings', 'developer', 'icon_name']
COPIED_INSTALL = ['force_install_after_date', 'additional_startosinstall_options', 'allow_untrusted', 'installer_choices_xml',
                  'installer_environment', 'adobe_install_info', 'RestartAction', 'installer_type', 'adobe_package_name',
                  'package_path', 'blocking_applications', 'installs', 'requires', 'update_for', 'payloads',
                  'preinstall_script', 'postinstall_script', 'items_to_copy', 'apple_item', 'category', 'developer',
                  'icon_name', 'PayloadIdentifier', 'icon_hash', 'OnDemand', 'precache', 'display_name_staged',
                  'description_staged', 'installed_size_staged']
COPIED_REMOVAL = ['RestartAction', 'blocking_applications', 'installs', 'requires', 'update_for', 'payloads',
                  'preuninstall_script', 'postuninstall_script', 'apple_item', 'category', 'developer', 'icon_name',
                  'PayloadIdentifier']
UNMET = "Can't install %s because could not verify all other items it requires are or will be installed."
ABSENT, THIS, NEWER = 'absent', 'this', 'newer'
STATES = {-1: -1, 0: 1, 1: 2}  # older, the same, newer; 0 is: not present
EMPTY_MD5 = 'd41d8cd98f00b204e9800998ecf8427e'
SLACK_KB = 102400
MUNKI = '7.0.4.5263'


class TooDeep(Exception):
    pass


class NoDecision(Exception):
    pass


def nfc(s):
    return unicodedata.normalize('NFC', s)


def compare(left, right):
    """-1, 0, 1: left is older, the same, newer."""
    most = max(len(left), len(right)) + 1

    def padded(s):
        parts = [p for p in s.split('.') if p]
        return '.'.join(parts + ['0'] * (most - len(parts)))

    a, b = padded(left), padded(right)
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i] in '0123456789' and b[j] in '0123456789':
            m, n = i, j
            while m < len(a) and a[m] in '0123456789':
                m += 1
            while n < len(b) and b[n] in '0123456789':
                n += 1
            x, y = int(a[i:m]), int(b[j:n])
            if x != y:
                return -1 if x < y else 1
            i, j = m, n
        elif a[i] == b[j]:
            i, j = i + 1, j + 1
        else:
            return -1 if a[i] < b[j] else 1
    return (i < len(a)) - (j < len(b))


def trim(version):
    parts = version.split('.')
    while len(parts) > 2 and parts[-1] == '0':
        parts.pop()
    return '.'.join(parts)


def split(text):
    """A reference: its name and its version, or ''."""
    for delimiter in ('--', '-'):
        pieces = text.split(delimiter)
        if len(pieces) > 1 and pieces[-1][:1] in tuple('0123456789'):
            return delimiter.join(pieces[:-1]), pieces[-1]
    return text, ''


def text(file, key):
    value = (file or {}).get(key)
    return value if isinstance(value, str) else ''


def strings(dict_, key):
    value = (dict_ or {}).get(key)
    return value if isinstance(value, list) and all(isinstance(v, str) for v in value) else []


def strings_or_one(dict_, key):
    return [dict_[key]] if isinstance(dict_.get(key), str) else strings(dict_, key)


def as_read(item):
    """An item with what is of another type than its key's taken for absent; None: it has no version, and is never
    found by its name."""
    out, version = dict(item), item.get('version')
    if isinstance(version, bool) or not isinstance(version, (str, int, float)):
        return None
    out['version'] = str(version)
    for key in ('installs', 'receipts'):
        value = out.get(key, [])
        if not isinstance(value, list) or not all(isinstance(e, dict) for e in value):
            del out[key]
    for key in ('installer_type', 'installcheck_script', 'version_script'):
        if not isinstance(out.get(key, ''), str):
            del out[key]
    if out.get('OnDemand', False) not in (True, False):
        del out['OnDemand']
    return out


class Model:
    def __init__(self, scene, client, conditions):
        self.scene, self.client, self.conditions = scene, client, dict(conditions)
        self.facts = scene['facts']
        self.installs, self.removals, self.optional = [], [], []
        self.processed_installs, self.processed_uninstalls, self.managed_updates, self.featured = [], [], [], []
        self.arrived = set()
        self.depth = self.steps = 0
        selfserve = scene['selfserve']
        self.selfserve = {k: list(v) for k, v in selfserve.items()} if selfserve is not None else None

    # -- the machine -------------------------------------------------------------------------------------------

    def holds(self, condition, catalogs=()):
        return condition in self.conditions and self.conditions[condition](self.facts, catalogs)

    def script(self, item, which='installcheck'):
        if which + '_script' not in item:
            return None
        return self.scene['facts']['script_results'].get(nfc(item['name']), {}).get(which)

    def plist_state(self, entry, path):
        file, key = self.scene['files'].get(path), entry.get('version_comparison_key')
        have = text(file, key) if key else text(file, 'CFBundleShortVersionString') or text(file, 'CFBundleVersion')
        if not have:
            return 0
        if 'minimum_update_version' in entry and compare(have, entry['minimum_update_version']) < 0:
            return 0
        return STATES[compare(have, entry[key or 'CFBundleShortVersionString'])]

    def inventory(self, entry):
        """The property lists of the applications that have the identifier or the name."""
        found = []
        for path in sorted(self.scene['files']):
            if not path.endswith('.app/Contents/Info.plist'):
                continue
            file = self.scene['files'][path]
            name = text(file, 'CFBundleName') or path.split('/')[-3][:-len('.app')]
            if text(file, 'CFBundleIdentifier') == entry.get('CFBundleIdentifier', '-') or name == entry.get('CFBundleName', '-'):
                found.append((text(file, 'CFBundleShortVersionString') or text(file, 'CFBundleVersion'), path))
        ordered = []
        for version, path in found:
            at = len(ordered)
            while at > 0 and compare(ordered[at - 1][0], version) < 0:
                at -= 1
            ordered.insert(at, (version, path))
        return [path for _, path in ordered]

    def application_state(self, entry):
        if not entry.get('CFBundleIdentifier') and not entry.get('CFBundleName'):
            return None
        states = [self.plist_state(entry, path) for path in self.inventory(entry)]
        for s in states:
            if s > 0:
                return s
        return -1 if -1 in states else 0

    def os_state(self, item):
        have, wanted = '.'.join(self.facts['os_vers'].split('.')[:2]), item['version'].split('.')
        return STATES[compare(have, wanted[0] if int(wanted[0]) > 10 else '.'.join(wanted[:2]))]

    def installs_state(self, entry):
        """-1 older, 0 not present, 1 same, 2 newer; None: malformed."""
        kind, path = entry.get('type'), entry.get('path')
        if kind == 'file':
            return 0 if path not in self.scene['files'] else 1 if entry.get('md5checksum', EMPTY_MD5) == EMPTY_MD5 else -1
        if kind == 'plist':
            return self.plist_state(entry, path)
        if kind == 'application' and not path:
            return self.application_state(entry)
        if kind == 'bundle' and path + '/Contents/Info.plist' not in self.scene['files']:
            return self.plist_state(entry, path + '/Resources/Info.plist')
        if kind in ('bundle', 'application'):
            return self.plist_state(entry, path + '/Contents/Info.plist')
        return None

    def receipt_state(self, entry):
        if entry.get('optional'):
            return 1
        if not isinstance(entry.get('packageid'), str) or not isinstance(entry.get('version'), str):
            return None
        have = self.scene['receipts'].get(entry['packageid'])
        return 0 if have is None else STATES[compare(have, entry['version'])]

    def pieces(self, item):
        if item.get('installs'):
            return [self.installs_state(e) for e in item['installs']]
        return [self.receipt_state(e) for e in item.get('receipts', [])]

    def state(self, item):
        if item.get('OnDemand'):
            return ABSENT
        if self.script(item) is not None:
            return ABSENT if self.script(item) == 0 else THIS
        if self.script(item, 'version') is not None:
            return {0: ABSENT, -1: ABSENT, 1: THIS, 2: NEWER}[self.version_script(item)]
        kind, newer = item.get('installer_type'), False
        if kind == 'startosinstall':
            return {-1: ABSENT, 1: THIS, 2: NEWER}[self.os_state(item)]
        if kind == 'stage_os_installer':
            if self.os_state(item) > 0:
                return NEWER
            return THIS if all(self.installs_state(e) == 1 for e in item.get('installs', [])) else ABSENT
        for s in self.pieces(item):
            if s is None:
                return THIS
            if s <= 0:
                return ABSENT
            newer = newer or s == 2
        return NEWER if newer else THIS

    def some_version(self, item):
        if item.get('OnDemand'):
            return False
        if self.script(item) is not None:
            return self.script(item) != 0
        if self.script(item, 'version') is not None:
            return self.version_script(item) != 0
        if item.get('installer_type') in ('startosinstall', 'stage_os_installer'):
            return True
        return all(s is not None and s != 0 for s in self.pieces(item))

    def version_script(self, item):
        have = self.script(item, 'version').strip()
        return STATES[compare(have, item['version'])] if have else 0

    def exists(self, path):
        return any(f == path or f.startswith(path + '/') for f in self.scene['files'])

    def evidence(self, item):
        if item.get('OnDemand'):
            return False
        if self.script(item, 'uninstallcheck') is not None:
            return self.script(item, 'uninstallcheck') == 0
        if self.script(item) is not None:
            return self.script(item) != 0
        if self.script(item, 'version') is not None and self.version_script(item) != 0:
            return True
        if item.get('installer_type') in ('startosinstall', 'stage_os_installer'):
            return True
        if item.get('installs') and item.get('uninstall_method') != 'removepackages':
            if all(self.exists(e['path']) for e in item['installs'] if 'path' in e):
                return True
        return bool(item.get('receipts')) and nfc(item['name']) in self.receipts()[1]

    def receipts(self):
        """name -> identifiers found; names that count as installed; identifier -> those that have it."""
        ids = {}
        for catalog in self.loaded:
            for item in self.scene['catalogs'][catalog]:
                for r in item.get('receipts', []):
                    known = ids.setdefault(nfc(item['name']), [])
                    if r['packageid'] not in known:
                        known.append(r['packageid'])
        found = {n: [i for i in all_ if i in self.scene['receipts']] for n, all_ in ids.items()}
        installed = {n for n in ids if ids[n] and len(found[n]) == len(ids[n])}
        partial = {n for n in ids if found[n] and n not in installed}
        for name in sorted(partial):
            rest = {i for n in ids if n != name for i in ids[n]} if False else \
                {i for n in (installed | partial) if n != name for i in found[n]}
            if any(i not in rest for i in found[name]):
                installed = installed | {name}
        users = {}
        for n in installed:
            for i in found[n]:
                users.setdefault(i, []).append(n)
        return found, installed, users

    def installed_version(self, item):
        for r in item.get('receipts', []):
            if compare(r['version'], item['version']) == 0 and r['packageid'] in self.scene['receipts']:
                return self.scene['receipts'][r['packageid']]
        for e in item.get('installs', []):
            if 'CFBundleShortVersionString' in e and compare(e['CFBundleShortVersionString'], item['version']) == 0:
                if e['type'] == 'application' and 'path' not in e:
                    paths = self.inventory(e)[:1]
                    if paths and not text(self.scene['files'][paths[0]], 'CFBundleShortVersionString'):
                        return text(self.scene['files'][paths[0]], 'CFBundleVersion')
                else:
                    paths = [e['path'] + ('' if e['type'] == 'plist' else '/Contents/Info.plist')]
                for path in paths:
                    if self.scene['files'].get(path):
                        return self.scene['files'][path].get('CFBundleShortVersionString', 'UNKNOWN')
        return 'UNKNOWN'

    # -- catalogs ----------------------------------------------------------------------------------------------

    def applies(self, item, any_os):
        os_vers, arch = self.facts['os_vers'], self.facts['arch']
        if 'minimum_munki_version' in item and compare(MUNKI, item['minimum_munki_version']) < 0:
            return False
        if not any_os and item.get('minimum_os_version') and compare(os_vers, item['minimum_os_version']) < 0:
            return False
        if item.get('maximum_os_version') and compare(os_vers, item['maximum_os_version']) > 0:
            return False
        if item.get('supported_architectures') and arch not in item['supported_architectures']:
            return False
        return 'installable_condition' not in item or self.holds(item['installable_condition'])

    def items(self, catalogs):
        for c in catalogs:
            yield from self.scene['catalogs'].get(c, [])

    def search(self, name, version, catalogs, any_os=False):
        for c in catalogs:
            here = [i for i in self.items([c]) if nfc(i['name']) == name]
            if version:
                here = [i for i in here if trim(i['version']) == trim(version)]
            for item in self.highest_first(here):
                if self.applies(item, any_os):
                    return item
        return None

    @staticmethod
    def highest_first(items):
        """Entries of one trimmed version stay together, in the catalog's order."""
        groups = []
        for item in items:
            for g in groups:
                if trim(g[0]['version']) == trim(item['version']):
                    g.append(item)
                    break
            else:
                groups.append([item])
        ordered = []
        for g in groups:  # insertion: stable
            at = len(ordered)
            while at > 0 and compare(trim(ordered[at - 1][0]['version']), trim(g[0]['version'])) < 0:
                at -= 1
            ordered.insert(at, g)
        return [i for g in ordered for i in g]

    def updates_for(self, names, catalogs):
        found = []
        for wanted in names:
            for item in self.items(catalogs):
                if wanted in [nfc(r) for r in strings_or_one(item, 'update_for')] and nfc(item['name']) not in found:
                    found.append(nfc(item['name']))
        return found

    # -- installs ----------------------------------------------------------------------------------------------

    def base(self, item):
        entry = {'name': item['name'], 'display_name': item.get('display_name', item['name']),
                 'description': item.get('description', '')}
        entry.update({k: item[k] for k in DISPLAY if k in item})
        return entry

    def add(self, entry):
        if not entry['installed'] and 'installer_item' not in entry and entry in self.installs:
            return
        self.installs.append(entry)

    def has_space(self, item):
        size = item.get('installer_item_size', 0)
        taken = sum(e['installed_size'] for e in self.installs if 'installer_item' in e)
        return self.facts['available_disk_space_kb'] - taken >= size + item.get('installed_size', size) + SLACK_KB

    def apple(self, item):
        return item.get('installer_type') == 'startosinstall' or any(r['packageid'].startswith('com.apple.') for r in item.get('receipts', [])) or \
            any(e.get('CFBundleIdentifier', '').startswith('com.apple.') for e in item.get('installs', []))

    def install(self, text, catalogs, managed_update=False, optional=False):
        self.steps += 1
        if self.depth > 60 or self.steps > 20000:
            raise TooDeep
        self.depth += 1
        try:
            return self.install_one(text.rsplit('/', 1)[-1], catalogs, managed_update, optional)
        finally:
            self.depth -= 1

    def install_one(self, text, catalogs, managed_update, optional):
        name, suffix = split(nfc(text))
        if nfc(text) in [nfc(p) for p in self.processed_installs]:
            return True
        if name in self.processed_uninstalls:
            return False
        item = self.search(name, suffix, catalogs)
        if item is None:
            return False
        version = item['version']
        same = [e for e in self.installs if nfc(e['name']) == name]
        for e in same:
            if (e['installed'] and compare(e['installed_version'], version) >= 0) or \
                    ('version_to_install' in e and compare(e['version_to_install'], version) >= 0):
                return not any(not x['installed'] and 'installer_item' not in x for x in same)
        met = True
        for r in strings_or_one(item, 'requires'):
            if not self.install(r, catalogs, managed_update, optional):
                met = False
        entry = self.base(item)
        state = self.state(item)
        size = item.get('installer_item_size', 0)
        if state == ABSENT:
            entry['installed'] = False
            if not met:
                entry['note'] = UNMET % item.get('display_name', item['name'])
                self.add(entry)
                return False
            entry.update(version_to_install=version, installer_item_size=size,
                         installed_size=item.get('installed_size', size))
            if item.get('installer_type') == 'nopkg':
                entry['installer_item'] = 'packageless_install'
            elif item.get('installer_item_location') and item['installer_item_location'] not in self.arrived and \
                    not self.has_space(item):
                name_ = item['installer_item_location'].rsplit('/', 1)[-1]
                entry.update(note='Download failed: Insufficient disk space to download and install ' + name_,
                             partial_installer_item=name_)
                self.add(entry)
                return False
            elif item.get('installer_item_location'):
                self.arrived.add(item['installer_item_location'])
                entry['installer_item'] = item['installer_item_location'].rsplit('/', 1)[-1]
            else:
                entry['note'] = 'Download failed (No installer_item_location in item info.)'
                self.add(entry)
                return False
            if (item.get('unattended_install') or item.get('forced_install')) and \
                    item.get('RestartAction', 'None') == 'None':
                entry['unattended_install'] = True
            entry.update({k: item[k] for k in COPIED_INSTALL if k in item})
            if optional and not self.some_version(item):
                entry.pop('force_install_after_date', None)
            if 'apple_item' not in item and self.apple(item):
                entry['apple_item'] = True
            self.add(entry)
            wanted = ['%s-%s' % (name, suffix or version), '%s--%s' % (name, suffix or version)]
            for u in self.updates_for(wanted if suffix else [name] + wanted, catalogs):
                self.install(u, catalogs)
        else:
            have = version if state == THIS else self.installed_version(item)
            if have == 'UNKNOWN':
                have = '(newer than %s)' % version
            entry.update(installed=True, installed_size=item.get('installed_size', size), installed_version=have)
            self.add(entry)
            wanted = []
            if not suffix:
                wanted = [name]
                if not have.startswith('(newer than'):
                    wanted += ['%s-%s' % (name, have), '%s--%s' % (name, have)]
            elif compare(suffix, have) == 0:
                wanted = ['%s-%s' % (name, suffix), '%s--%s' % (name, suffix)]
            for u in self.updates_for(wanted, catalogs):
                self.install(u, catalogs, managed_update, optional)
        if not managed_update:
            self.processed_installs.append(text)
        return True

    def update(self, text, catalogs):
        text = text.rsplit('/', 1)[-1]
        if nfc(text) in [nfc(p) for p in self.managed_updates + self.processed_installs + self.processed_uninstalls]:
            return
        name, version = split(nfc(text))
        item = self.search(name, version, catalogs)
        if item is not None and self.some_version(item):
            self.managed_updates.append(text)
            self.install(text, catalogs, managed_update=True)

    # -- removals ----------------------------------------------------------------------------------------------

    def remove(self, text, catalogs):
        if self.depth > 60:
            raise TooDeep
        self.depth += 1
        try:
            return self.remove_one(text.rsplit('/', 1)[-1], catalogs)
        finally:
            self.depth -= 1

    def remove_one(self, text, catalogs):
        name, version = split(nfc(text))
        if name in [split(nfc(p))[0] for p in self.processed_installs]:
            return False
        if name in self.processed_uninstalls:
            return True
        self.processed_uninstalls.append(name)
        if version:
            item = self.search(name, version, catalogs)
            candidates = [item] if item else []
        else:
            candidates = self.highest_first([i for i in self.items(catalogs) if nfc(i['name']) == name])
        if not candidates:
            return False
        item = next((i for i in candidates if self.evidence(i)), None)
        if item is None:
            self.removals.append({'name': name, 'installed': False})
            return True
        version, method = item['version'], item.get('uninstall_method')
        if not item.get('uninstallable') or method not in ('removepackages', 'remove_copied_items', 'uninstall_script',
                                                           'uninstall_package'):
            return False
        found, installed, users = self.receipts()
        if method == 'removepackages' and not found.get(name):
            return False
        refs = [name, '%s-%s' % (name, version), '%s--%s' % (name, version)]
        seen, ok = set(), True
        for c in catalogs:
            for other in self.items([c]):
                if nfc(other['name']) in seen:
                    continue
                seen.add(nfc(other['name']))
                if any(nfc(r) in refs for r in strings(other, 'requires')) and self.evidence(other):
                    if not self.remove(other['name'], catalogs):
                        seen.discard(nfc(other['name']))  # the next catalog tries it again
                        ok = False
                        break
        if not ok:
            return False
        entry = {'name': item['name'], 'description': 'Will be removed.'}
        if 'display_name' in item:
            entry['display_name'] = item['display_name']
        if (item.get('unattended_uninstall') or item.get('forced_uninstall')) and \
                item.get('RestartAction', 'None') == 'None':
            entry['unattended_uninstall'] = True
        entry.update({k: item[k] for k in COPIED_REMOVAL if k in item})
        if 'apple_item' not in item and self.apple(item):
            entry['apple_item'] = True
        entry['uninstall_method'] = method
        if method == 'removepackages':
            entry['packages'] = [i for i in found[name] if users.get(i) == [name]]
            if not entry['packages']:
                return False
        if method == 'remove_copied_items':
            if 'items_to_copy' not in item:
                return False
            entry['items_to_remove'] = item['items_to_copy']
        if method == 'uninstall_script':
            if 'uninstall_script' not in item:
                return False
            entry['uninstall_script'] = item['uninstall_script']
        if method == 'uninstall_package':
            if 'uninstaller_item_location' not in item:
                return False
            entry['uninstaller_item'] = item['uninstaller_item_location'].rsplit('/', 1)[-1]
        for u in self.updates_for(refs, catalogs):
            self.remove(u, catalogs)
        entry.update(installed=True, installed_version=version)
        self.removals.append(entry)
        return True

    def autoremove(self, catalogs):
        names = []
        for item in self.items(catalogs):
            name = nfc(item['name'])
            if item.get('autoremove') and name not in names + self.processed_uninstalls and \
                    name not in [split(nfc(p))[0] for p in self.processed_installs] + [nfc(e['name']) for e in self.installs]:
                names.append(name)
        for name in names:
            self.remove(name, catalogs)

    # -- optional ----------------------------------------------------------------------------------------------

    def offer(self, text, catalogs):
        text = text.rsplit('/', 1)[-1]
        if nfc(text) in [nfc(e['name']) for e in self.optional] + [nfc(p) for p in self.processed_installs] + \
                self.processed_uninstalls:
            return
        name, version = split(nfc(text))
        higher = self.scene['prefs'].get('ShowOptionalInstallsForHigherOSVersions')
        item, note, available, needs, staged = self.search(name, version, catalogs), None, False, False, False

        def newer_os(item):
            return 'Requires macOS version %s.' % item['minimum_os_version'] if 'minimum_os_version' in item else None

        if item is None and higher:
            item = self.search(name, version, catalogs, True)
            if item is not None:
                note, available = newer_os(item), True
        if item is None:
            return
        there = self.some_version(item)
        if there:
            if 'installcheck_script' not in item:
                stage = item.get('installer_type') == 'stage_os_installer'
                staged = stage and self.state(item) == THIS
                needs = self.state(item) != NEWER if stage else self.state(item) == ABSENT
            if not needs and higher:
                other = self.search(name, version, catalogs, True)
                if other != item:
                    item, note, available = other, newer_os(other), True
        size = item.get('installer_item_size', 0)
        entry = {'name': item['name'], 'display_name': item.get('display_name', ''),
                 'description': item.get('description', ''), 'version_to_install': item['version'],
                 'needs_update': needs, 'installed': there, 'licensed_seat_info_available': False,
                 'uninstallable': bool(item.get('uninstallable') and item.get('uninstall_method')),
                 'installer_item_size': size, 'installed_size': item.get('installed_size', size)}
        for k in ('category', 'developer', 'featured', 'icon_name', 'icon_hash', 'requires', 'RestartAction', 'OnDemand',
                  'minimum_os_version', 'localized_strings', 'preinstall_alert', 'preuninstall_alert', 'preupgrade_alert',
                  'update_available'):
            if k in item:
                entry[k] = item[k]
        if item.get('installer_item_location') and item.get('precache') and not item.get('note') and not note:
            entry.update(precache=True, installer_item_location=item['installer_item_location'],
                         installer_item_hash=item['installer_item_hash'])
        note = note or item.get('note') or None
        if not note and (needs or not there) and not staged and not self.has_space(item):
            note, available = 'Insufficient disk space to download and install.', available or needs
            entry['needs_update'] = False
        if note:
            entry['note'] = note
        if available:
            entry['update_available'] = True
        self.optional.append(entry)

    def self_serve(self, catalogs):
        if self.defaults:
            mine = self.selfserve if self.selfserve is not None else {}
            for name in self.defaults:
                if nfc(name) not in [nfc(n) for n in mine.get('default_installs', [])]:
                    mine.setdefault('default_installs', []).append(name)
                    if nfc(name) not in [nfc(n) for n in mine.get('managed_installs', [])]:
                        mine.setdefault('managed_installs', []).append(name)
            self.selfserve = mine
        if self.selfserve is None:
            return
        for name in self.selfserve.get('managed_installs', []):
            if any(nfc(e['name']) == nfc(name) and 'note' not in e for e in self.optional):
                self.install(name, catalogs, optional=True)
        for name in self.selfserve.get('managed_uninstalls', []):
            self.remove(name, catalogs)
        for e in self.optional:
            if not e['installed'] and nfc(e['name']) in [nfc(i['name']) for i in self.installs]:
                e['will_be_installed'] = True
            elif e['installed'] and nfc(e['name']) in [nfc(i['name']) for i in self.removals]:
                e['will_be_removed'] = True

    # -- manifests ---------------------------------------------------------------------------------------------

    def walk(self, dict_, key, inherited, fn, chain):
        catalogs = strings(dict_, 'catalogs') or inherited
        if not catalogs:
            return
        self.loaded += [c for c in catalogs if c not in self.loaded and c in self.scene['catalogs']]
        for name in strings(dict_, 'included_manifests'):
            if name:
                if name in chain or name not in self.scene['manifests']:
                    raise NoDecision
                self.walk(self.scene['manifests'][name], key, catalogs, fn, chain + [name])
        for inner in dict_.get('conditional_items', []):
            if 'condition' in inner and self.holds(inner['condition'], catalogs):
                self.walk(inner, key, catalogs, fn, chain)
        for text in strings(dict_, key):
            fn(text, catalogs)

    def decide(self):
        primary = self.scene['manifests'][self.client]
        catalogs = strings(primary, 'catalogs')
        self.loaded, self.defaults = [], []

        def walk(key, fn):
            self.walk(primary, key, [], fn, [self.client])

        walk('managed_installs', self.install)
        walk('managed_uninstalls', self.remove)
        self.autoremove(catalogs)
        walk('managed_updates', self.update)
        local = self.scene['local']
        if local is not None:
            for key, fn in (('managed_installs', self.install), ('managed_uninstalls', self.remove),
                            ('managed_updates', self.update), ('optional_installs', self.offer)):
                for text in strings(local, key):
                    fn(text, catalogs)
        walk('optional_installs', self.offer)
        walk('featured_items', lambda text, _: self.featured.append(text)
             if nfc(text) not in [nfc(f) for f in self.featured] else None)
        walk('default_installs', lambda text, _: self.defaults.append(text))
        self.self_serve(catalogs)
        return {'featured_items': self.featured, 'managed_installs': [e for e in self.installs if 'installer_item' in e],
                'managed_updates': self.managed_updates, 'optional_installs': self.optional,
                'problem_items': [e for e in self.installs if not e['installed'] and 'installer_item' not in e],
                'processed_installs': self.processed_installs, 'processed_uninstalls': self.processed_uninstalls,
                'removals': [e for e in self.removals if e['installed']]}
