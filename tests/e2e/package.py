#!/usr/bin/env python3
"""Packages through the whole program: those of the field, those made here, those made to harm.
package.py [--program build/daybreak] [--only WORD]

What a package holds is read a second time by others: 7z opens the archive, bsdtar (libarchive) the payloads.
Samples come from $DAYBREAK_SHARED, else ../shared beside the project; without them those tests are skipped.
"""
import argparse
import hashlib
import json
import os
import plistlib
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import lib
from run import expect

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'hostile'))
import parts  # noqa: E402

SAMPLES = os.path.join(os.environ.get('DAYBREAK_SHARED') or os.path.join(lib.TOP, '..', 'shared'), 'samples')
NOT_PACKAGES = ('curl__curl__curl.pkg', 'Homebrew__brew__container.pkg')
BAD_SIGNATURE = 'korylprince__goxar__bad_signature.pkg'
# What an installation may leave beside the package's own files.
RECEIPTS = 'private/var/db/receipts'
OWN = ('Library/Daybreak', 'private/var/log/daybreak', RECEIPTS, 'var', 'etc', 'tmp')


def samples(folder):
    """The files of a folder of samples, sorted."""
    path = os.path.join(SAMPLES, folder)
    if not os.path.isdir(path):
        raise lib.Skip('%s is not there' % path)
    return [os.path.join(path, f) for f in sorted(os.listdir(path)) if '.pkg' in f]


def index():
    """{name of a file of synthetic/malformed: 'refuse' or 'tame'} by the samples' own index."""
    with open(os.path.join(SAMPLES, 'INDEX.md'), encoding='utf-8') as f:
        return dict(re.findall(r'^\| (\S+\.pkg) \| (refuse|tame) \|$', f.read(), re.M))


def others(*argv, **kw):
    """Run 7z or bsdtar, which must say yes."""
    if not shutil.which(argv[0]):
        raise lib.Skip('%s is not installed' % argv[0])
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=lib.DEADLINE, **kw)
    assert p.returncode == 0, '%s: exit %d\n%s' % (' '.join(argv), p.returncode, p.stderr.decode(errors='replace'))
    return p.stdout


def opened(package, folder):
    """The archive as 7z unpacks it: [(folder of the component, its PackageInfo)]."""
    os.makedirs(folder)
    others('7z', 'x', '-txar', '-y', '-o' + folder, package)
    found = []
    for base, _, files in os.walk(folder):
        if 'PackageInfo' in files:
            found.append((base, ElementTree.parse(os.path.join(base, 'PackageInfo')).getroot()))
    return sorted(found, key=lambda c: c[0])


def at_home(path):
    """var, etc and tmp are below private."""
    return 'private/' + path if path.split('/')[0] in ('var', 'etc', 'tmp') else path


def apple_double(path, full):
    if not os.path.basename(path).startswith('._') or os.path.islink(full) or not os.path.isfile(full):
        return False
    with open(full, 'rb') as f:
        return f.read(4) == b'\x00\x05\x16\x07'


def row(full):
    """(kind, permission bits, content or target) without set-id bits."""
    st = os.lstat(full)
    if stat.S_ISLNK(st.st_mode):
        return 'link', 0, os.readlink(full)
    if stat.S_ISDIR(st.st_mode):
        return 'dir', st.st_mode & 0o1777, ''
    with open(full, 'rb') as f:
        return 'file', st.st_mode & 0o1777, hashlib.sha256(f.read()).hexdigest()


def tree(root, prefix=''):
    """{path: row} of everything below root."""
    rows = {}
    for base, dirs, files in os.walk(root):
        for name in dirs + files:
            full = os.path.join(base, name)
            path = os.path.normpath(os.path.join(prefix, os.path.relpath(full, root)))
            if not apple_double(path, full):
                rows[at_home(path)] = row(full)
    return rows


def independent(package, folder):
    """What the package installs, read by others: ({path: row}, [(identifier, version)], are there scripts?)."""
    rows, receipts, scripted = {}, [], False
    for i, (component, info) in enumerate(opened(package, folder + '/xar')):
        receipts.append((info.get('identifier'), info.get('version')))
        scripted |= any(info.find('scripts/' + name) is not None for name in ('preinstall', 'postinstall'))
        payload = os.path.join(component, 'Payload')
        if os.path.exists(payload):
            out = '%s/payload%d' % (folder, i)
            os.makedirs(out)
            others('bsdtar', '-xpf', payload, '-C', out)
            rows.update(tree(out, info.get('install-location', '/').strip('/')))
    return rows, receipts, scripted


def frame(path):
    """A directory that the program makes for itself, or that var, etc and tmp lead to."""
    return path in ('private/etc', 'private/tmp') or any(o.startswith(path + '/') for o in OWN)


def strangers(root, rows):
    """Paths of the target that nobody has named, which are no parents of such either."""
    known = set(rows)
    for path in rows:
        while path:
            path = os.path.dirname(path)
            known.add(path)
    return [p for p in lib.snapshot(root, OWN) if p not in known and not frame(p)]


def differences(mac, rows):
    """How the target differs from rows. Directories that the program keeps its own things in were there before."""
    bad = []
    for path, expected in sorted(rows.items()):
        full = mac.path(path)
        if not os.path.lexists(full):
            bad.append('%s is missing' % path)
            continue
        got = row(full)
        if expected[0] == 'dir' and frame(path):
            got, expected = got[0], expected[0]
        if got != expected:
            bad.append('%s: %s, expected %s' % (path, got, expected))
    return bad + ['%s is too much' % p for p in strangers(mac.root, rows)]


def set_id(root):
    return [p for p, r in lib.snapshot(root).items() if r[0] != 'link' and r[1] & 0o6000]


def offer(w, package, name='Sample', **keys):
    """A repository that has package alone."""
    shutil.copyfile(package, os.path.join(w.repo.path, 'pkgs', 'sample.pkg'))
    w.repo.items.clear()
    w.repo.item(name, package='sample.pkg', **keys)
    w.repo.publish(name)


def receipts_of(pairs):
    return [{'packageid': i, 'version': v} for i, v in pairs]


# --- packages of the field ------------------------------------------------------------------------------------

def test_good_samples_install(w):
    """each package of the field leaves the files, modes and links that others read in it, and its receipts"""
    bad, packages, files = [], 0, 0
    for i, package in enumerate(samples('pkgs')):
        name = os.path.basename(package)
        if name in NOT_PACKAGES or name == BAD_SIGNATURE:
            continue
        rows, receipts, scripted = independent(package, '%s/independent%d' % (w.folder, i))
        assert receipts, '%s: 7z finds no PackageInfo' % name
        offer(w, package, receipts=receipts_of(receipts))
        mac = w.mac(name='mac%d' % i)
        r = mac.run()
        # a package of scripts alone has not been installed when they have not run, and leaves no receipt
        expected = 'skipped' if scripted and not rows else 'success'
        if r.code not in (0, 4) or mac.states() != {'Sample': expected}:
            bad.append('%s: exit %d: %s %s' % (name, r.code, mac.states(), mac.failure('Sample')))
            continue
        if scripted != ('scripts skipped' in (mac.item('Sample')['reason'] or '')):
            bad.append('%s: reason %s' % (name, mac.item('Sample')['reason']))
        bad += ['%s: %s' % (name, d) for d in differences(mac, rows)]
        if expected == 'skipped':
            receipts = []
        left = sorted(os.listdir(mac.path(RECEIPTS))) if os.path.isdir(mac.path(RECEIPTS)) else []
        if left != sorted(r[0] + kind for r in receipts for kind in ('.bom', '.plist')):
            bad.append('%s: the receipts are %s' % (name, left))
            continue
        for identifier, version in receipts:
            with open(mac.path(RECEIPTS, identifier + '.plist'), 'rb') as f:
                receipt = plistlib.load(f)
            if (receipt['PackageIdentifier'], receipt['PackageVersion']) != (identifier, version):
                bad.append('%s: receipt says %s' % (name, receipt))
            if not os.path.getsize(mac.path(RECEIPTS, identifier + '.bom')):
                bad.append('%s: %s.bom is empty' % (name, identifier))
        bad += ['%s: %s has a set-id bit' % (name, p) for p in set_id(mac.root)]
        packages, files = packages + 1, files + len(rows)
    assert not bad, '\n'.join(bad[:40])
    assert packages >= 26 and files > 1000, (packages, files)
    print('    %d packages, %d members' % (packages, files))


def test_not_packages_are_refused(w):
    """what only bears the name of a package fails with one sentence"""
    for i, package in enumerate(p for p in samples('pkgs') if os.path.basename(p) in NOT_PACKAGES):
        offer(w, package, OnDemand=True)
        mac = w.mac(name='mac%d' % i)
        r = expect(mac.run(), 2)
        refused(mac, r, 'format')
        assert not strangers(mac.root, {}), strangers(mac.root, {})


def refused(mac, result, cause=None):
    """The item failed, and one sentence says so."""
    assert mac.states() == {'Sample': 'failed'}, (mac.states(), str(result))
    failure = mac.failure('Sample')
    message = failure['message']
    assert message and '\n' not in message and not message.endswith('.') and len(message) < 600, failure
    assert cause in (None, failure['cause']), failure
    errors = [line for line in result.err.splitlines() if line.startswith('ERROR')]
    assert len(errors) <= 1, str(result)


# --- packages made here ---------------------------------------------------------------------------------------

def build(w, *argv):
    p = subprocess.run([w.program, 'pkg', 'build', *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=lib.DEADLINE, env=dict(os.environ, SOURCE_DATE_EPOCH='1700000000'))
    assert p.returncode == 0, p.stderr
    return argv[-1]


def write(path, data, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(data)
    os.chmod(path, mode)


def grow(folder):
    """A tree with what trees have."""
    write(folder + '/usr/local/bin/tool', b'#!/bin/sh\nexit 0\n', 0o755)
    write(folder + '/usr/local/share/tool/data', bytes(range(256)) * 3000)
    write(folder + '/usr/local/share/tool/empty', b'')
    write(folder + '/Library/Tool/na\u00efve name/\U0001f34f.txt'.encode().decode(), 'apple \u00fc'.encode(), 0o600)
    os.symlink('../bin/tool', folder + '/usr/local/share/link')
    os.symlink('/nowhere', folder + '/usr/local/share/dangling')
    os.link(folder + '/usr/local/share/tool/data', folder + '/usr/local/share/tool/twin')
    os.makedirs(folder + '/Library/Tool/hollow')
    for base, _, _ in os.walk(folder):
        os.chmod(base, 0o755)


def test_built_packages_are_read_by_others(w):
    """7z and bsdtar read what pkg build makes, tree for tree; the same input gives the same bytes"""
    root, scripts = w.folder + '/tree', w.folder + '/scripts'
    grow(root)
    write(scripts + '/postinstall', b'#!/bin/sh\nexit 0\n', 0o755)
    one = ['--payload', root, '--scripts', scripts, '--identifier', 'com.example.tool', '--version', '1.2']
    built = {}
    for turn in ('a', 'b'):
        component = build(w, *one, '%s/component-%s.pkg' % (w.folder, turn))
        second = build(w, '--payload', root, '--identifier', 'com.example.second', '--version', '3', '--install-location',
                       '/opt/second', '%s/second-%s.pkg' % (w.folder, turn))
        # a member of a product bears its file's name: the same in both turns
        os.makedirs(w.folder + '/' + turn)
        for path, name in ((component, 'one.pkg'), (second, 'two.pkg')):
            shutil.copyfile(path, '%s/%s/%s' % (w.folder, turn, name))
        product = build(w, '--component', w.folder + '/%s/one.pkg' % turn, '--component', w.folder + '/%s/two.pkg' % turn,
                        '--title', 'Tool & Die', '--identifier', 'com.example.product', '--version', '1.2',
                        '%s/product-%s.pkg' % (w.folder, turn))
        for kind, path in (('component', component), ('second', second), ('product', product)):
            with open(path, 'rb') as f:
                data = f.read()
            assert built.setdefault(kind, data) == data, '%s: the same input gave other bytes' % kind
            others('7z', 't', '-txar', path)
            names = others('bsdtar', '-tf', path).decode().split()
            assert any(n.endswith('Payload') for n in names) and any(n.endswith('PackageInfo') for n in names), names
    for kind, homes in (('component', ['']), ('second', ['opt/second']), ('product', ['', 'opt/second'])):
        rows, receipts, _ = independent('%s/%s-a.pkg' % (w.folder, kind), '%s/read-%s' % (w.folder, kind))
        expected = {}
        for home in homes:
            expected.update(tree(root, home))
        assert rows == expected, (kind, lib.difference(expected, rows))
        assert len(receipts) == len(homes), receipts
    offer(w, w.folder + '/product-a.pkg', receipts=receipts_of([('com.example.tool', '1.2'), ('com.example.second', '3')]))
    mac = w.mac()
    expect(mac.run(), 0)
    bad = differences(mac, dict(tree(root), **tree(root, 'opt/second')))
    assert not bad, bad


def made_constants():
    """NAME, VERSION and DOMAIN as the Makefile has them."""
    with open(lib.TOP + '/Makefile') as f:
        return dict(re.findall(r'^(NAME|VERSION|DOMAIN)\s*=\s*(\S+)$', f.read(), re.M))


def test_package_of_daybreak(w):
    """the program's own package: no Mac takes the test package; one of that system gets its files"""
    if os.path.realpath(w.program) != os.path.realpath(lib.TOP + '/build/daybreak'):
        raise lib.Skip('the package is made from build/daybreak, and another program is tested')
    names = made_constants()
    version, domain = names['VERSION'], names['DOMAIN']
    subprocess.run(['sh', lib.TOP + '/pkg/make.sh'], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, VERSION=version, DOMAIN=domain, TEST_PACKAGE='1', OUT=w.folder), timeout=lib.DEADLINE)
    offer(w, '%s/daybreak-%s-test.pkg' % (w.folder, version), receipts=receipts_of([(domain + '.pkg', version)]))

    today = w.mac(name='today')
    today.facts['os_vers'] = '15.4'
    refused(today, expect(today.run(), 2, r'99\.0'))
    assert not strangers(today.root, {}), strangers(today.root, {})

    mac = w.mac(name='tomorrow')
    mac.facts['os_vers'] = '99.0'
    expect(mac.run(), 0)
    assert mac.states() == {'Sample': 'success'} and mac.item('Sample')['reason'] == 'scripts skipped', mac.item('Sample')
    program = mac.path('usr/local/daybreak/daybreak')
    assert stat.S_IMODE(os.lstat(program).st_mode) == 0o755
    said = subprocess.run([program, '--version'], capture_output=True, text=True, timeout=lib.DEADLINE)
    assert said.returncode == 0 and version in said.stdout, said
    for folder, job in (('LaunchDaemons', 'run'), ('LaunchAgents', 'session')):
        path = mac.path('Library', folder, '%s.%s.plist' % (domain, job))
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o644, path
        with open(path, 'rb') as f:
            d = plistlib.load(f)
        assert d['Label'] == '%s.%s' % (domain, job), d
        assert d['ProgramArguments'][0] == '/usr/local/daybreak/daybreak', d
    with open(mac.path('private/etc/paths.d/daybreak')) as f:
        assert f.read() == '/usr/local/daybreak\n'
    with open(mac.path(RECEIPTS, domain + '.pkg.plist'), 'rb') as f:
        assert plistlib.load(f)['PackageVersion'] == version
    assert os.path.exists(mac.path(RECEIPTS, domain + '.pkg.bom'))
    for base, dirs, files in os.walk(mac.path('usr')):
        for name in dirs + files:
            assert not os.lstat(os.path.join(base, name)).st_mode & 0o6022, os.path.join(base, name)


def test_upgrade_and_reinstall(w):
    """version 2 over version 1; again, nothing; gone from the disk, again"""
    first = {'Library/Tool/same': b'one', 'Library/Tool/old': b'old'}
    second = {'Library/Tool/same': b'two', 'Library/Tool/new/file': b'new'}
    mac = w.mac()
    w.repo.simple('Tool', '1.0', first)
    w.repo.publish('Tool')
    expect(mac.run(), 0)
    shutil.rmtree(w.repo.scratch + '/Tool.root')
    w.repo.simple('Tool', '2.0', second)
    w.repo.publish('Tool')
    expect(mac.run(), 0)
    assert mac.states() == {'Tool': 'success'}, mac.states()
    for path, data in second.items():
        with open(mac.path(path), 'rb') as f:
            assert f.read() == data, path
    with open(mac.path(RECEIPTS, 'com.example.tool.plist'), 'rb') as f:
        assert plistlib.load(f)['PackageVersion'] == '2.0'
    before = lib.snapshot(mac.root, ('Library/Daybreak', 'private/var/log'))
    expect(mac.run(), 0)
    assert mac.states() == {'Tool': 'skipped'}, mac.states()
    changed = lib.difference(before, lib.snapshot(mac.root, ('Library/Daybreak', 'private/var/log')))
    assert not changed, changed
    os.unlink(mac.path(RECEIPTS, 'com.example.tool.plist'))
    shutil.rmtree(mac.path('Library/Tool'))
    expect(mac.run(), 0)
    assert mac.states() == {'Tool': 'success'}, mac.states()
    with open(mac.path('Library/Tool/same'), 'rb') as f:
        assert f.read() == b'two'


def syncs(w, files):
    """How often a run that installs a package of that many files flushes: name of the call -> count."""
    root = '%s/sync%d/root' % (w.folder, files)
    for i in range(files):
        write(root + '/Library/Many/d%d/f%d' % (i % 7, i), b'%d' % i)
    mac = w.mac(name='mac%d' % files)
    package = build(w, '--payload', root, '--identifier', 'com.example.many', '--version', '1', root + '.pkg')
    offer(w, package, 'Many', receipts=receipts_of([('com.example.many', '1')]))
    trace = root + '.trace'
    p = subprocess.run(['strace', '-f', '-qq', '-e', 'trace=fsync,fdatasync,sync,syncfs,sync_file_range,msync', '-o', trace] +
                       mac.argv('run'), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=lib.DEADLINE)
    assert p.returncode == 0, p.stderr
    assert mac.states() == {'Many': 'success'}, mac.states()
    counts = {}
    with open(trace) as f:
        for call in re.findall(r'^\d+ +(\w+)\(', f.read(), re.M):
            counts[call] = counts.get(call, 0) + 1
    return counts


def test_info_says_what_would_be_closed(w):
    """pkg info names the applications that Apple's installer would have closed, of component and product"""
    close = '<must-close><app id="com.example.%s"/></must-close>'
    info = parts.info('com.example.open', files=0, more=close % 'editor')
    product = parts.distribution([('com.example.open', 'a.pkg')]).replace(
        b'</installer', b'<pkg-ref id="com.example.open">%s</pkg-ref></installer' % (close % 'viewer').encode(), 1)
    write(w.folder + '/one.pkg', parts.xar([parts.Member('PackageInfo', info)]))
    write(w.folder + '/both.pkg', parts.xar([parts.Member('Distribution', product),
                                             parts.Member('a.pkg', children=[parts.Member('PackageInfo', info)])]))
    for name, apps in (('one', ['editor']), ('both', ['viewer', 'editor'])):
        r = subprocess.run([w.program, 'pkg', 'info', w.folder + '/%s.pkg' % name], capture_output=True, text=True,
                           timeout=lib.DEADLINE)
        assert r.returncode == 0 and re.findall(r'Must close +com.example.(\w+)', r.stdout) == apps, (r.stdout, r.stderr)


def test_flushes_do_not_grow_with_files(w):
    """the volume is flushed as often for 700 files as for 3, and no file is flushed alone"""
    if not shutil.which('strace'):
        print('    skipped: no strace')
        return
    few, many = syncs(w, 3), syncs(w, 700)
    print('    3 files: %s; 700 files: %s' % (few, many))
    assert few == many, (few, many)
    assert few.get('syncfs', 0) + few.get('sync', 0) == 1, few


# --- packages made to harm ------------------------------------------------------------------------------------

def test_hostile_samples(w):
    """a package made to harm fails or is tamed: nothing outside the target, no set-id bit, no crash, no hang"""
    packages = samples('synthetic/malformed')
    judged, bad = index(), []
    w.mac(name='neighbour')
    write(w.folder + '/neighbour/root/evil', b'mine')
    outside = [p for p in ('/tmp/evil', '/evil', '/opt/evil') if not os.path.lexists(p)]
    count = 0
    for i, package in enumerate(packages):
        name = os.path.basename(package)
        offer(w, package, OnDemand=True)
        mac = w.mac(name='world/mac%d' % i)
        mac.argv('run')
        leave_out = ('world/mac%d/root' % i,)
        before = lib.snapshot(w.folder, leave_out)
        r = mac.run()
        count += 1
        state = mac.states()['Sample']
        if state == 'failed' and r.code == 2:
            refused(mac, r)
            bad += ['%s: %s was left' % (name, p) for p in strangers(mac.root, {})]
            bad += ['%s: a receipt was left: %s' % (name, p) for p in os.listdir(mac.path(RECEIPTS))] \
                if os.path.isdir(mac.path(RECEIPTS)) else []
        elif judged[name] == 'refuse' or r.code != 0 or state != 'success':
            bad.append('%s: exit %d, %s' % (name, r.code, state))
        bad += ['%s: outside: %s' % (name, d) for d in lib.difference(before, lib.snapshot(w.folder, leave_out))]
        bad += ['%s: %s has a set-id bit' % (name, p) for p in set_id(mac.root)]
        bad += ['%s: %s was made' % (name, p) for p in outside if os.path.lexists(p)]
        staging = mac.path('Library/Daybreak/Staging')
        bad += ['%s: Staging has %s' % (name, p) for p in (os.listdir(staging) if os.path.isdir(staging) else [])]
        shutil.rmtree(mac.root)
    assert not bad, '\n'.join(bad[:40])
    assert count >= 40, count


# --- signatures -----------------------------------------------------------------------------------------------

MARKS = """
[req]
distinguished_name = none
[none]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
1.2.840.113635.100.6.2.6 = DER:0500
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, 1.2.840.113635.100.4.13
1.2.840.113635.100.6.1.14 = critical, DER:0500
"""


def verify(w, package, *argv):
    """(exit code, the object that pkg verify --json prints)"""
    p = subprocess.run([w.program, 'pkg', 'verify', '--json', package, *argv], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=lib.DEADLINE)
    return p.returncode, json.loads(p.stdout)


def expected_signatures():
    """{name: (the first word of the status expected of pkg verify, team)} by the samples' own index"""
    with open(os.path.join(SAMPLES, 'INDEX.md'), encoding='utf-8') as f:
        text = f.read()
    found = {}
    for line in text.splitlines():
        cells = [c.strip() for c in line.replace('\\|', '').strip('|').split('|')]
        if len(cells) >= 11 and '.pkg' in cells[0]:
            found[cells[0]] = (cells[-2].split()[0], cells[-1].split(' ')[0])
    signed = text[text.index('## synthetic/signed'):text.index('## synthetic/malformed')]
    for name, word in re.findall(r'^\| (\S+\.pkg) \| (\w+)', signed, re.M):
        found[name] = (word, None)
    return found


def test_signatures_of_the_field(w):
    """each sample's status, Team ID and exit code are those of the samples' index"""
    expected, bad, count, notarized = expected_signatures(), [], 0, 0
    ca = os.path.join(SAMPLES, 'synthetic/signed/ca/root.pem')
    for package in samples('pkgs') + samples('synthetic/signed'):
        name = os.path.basename(package)
        status, team = expected[name]
        code, said = verify(w, package, *(['--ca', ca] if '/signed/' in package else []))
        count += 1
        notarized += said['notarized']
        if status != 'either' and said['status'] != status:
            bad.append('%s: %s, expected %s: %s' % (name, said['status'], status, said['message']))
        if code != (0 if said['status'] in ('signed', 'unsigned') else 1):
            bad.append('%s: %s and exit %d' % (name, said['status'], code))
        if team is not None and (said['team_id'] or '') != team:
            bad.append('%s: team %s, expected %s' % (name, said['team_id'], team))
        if said['status'] == 'signed' and (len(said['chain']) != 3 or not said['digests']['sha256']):
            bad.append('%s: %s' % (name, said))
    assert not bad, '\n'.join(bad)
    assert count >= 42 and notarized == 6, (count, notarized)


def openssl(folder, *argv, data=None):
    p = subprocess.run(['openssl', *argv], cwd=folder, input=data, stdin=None if data else subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=lib.DEADLINE)
    assert p.returncode == 0, 'openssl %s: %s' % (' '.join(argv), p.stderr.decode(errors='replace'))
    return p.stdout


def authority(folder):
    """root.pem, leaf.key and chain.pem, with the marks of Apple's"""
    if not shutil.which('openssl'):
        raise lib.Skip('openssl is not installed')
    write(folder + '/marks.cnf', MARKS.encode())
    above = None
    for name, subject in (('root', '/CN=Test Root'), ('ca', '/CN=Test CA'),
                          ('leaf', '/CN=Developer ID Installer: Example (ABCDE12345)/OU=ABCDE12345')):
        openssl(folder, 'req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', name + '.key', '-out', name + '.csr',
                '-subj', subject, '-config', 'marks.cnf')
        by = ['-CA', above + '.pem', '-CAkey', above + '.key', '-CAcreateserial'] if above else ['-signkey', 'root.key']
        openssl(folder, 'x509', '-req', '-in', name + '.csr', '-out', name + '.pem', '-days', '3000', '-extfile',
                'marks.cnf', '-extensions', name, *by)
        above = name
    with open(folder + '/chain.pem', 'wb') as chain:
        for name in ('leaf', 'ca', 'root'):
            with open('%s/%s.pem' % (folder, name), 'rb') as f:
                chain.write(f.read())
    return folder


def test_built_signatures_are_verified_by_openssl(w):
    """pkg build --sign: OpenSSL's own tool finds both signatures good; the same input gives the same bytes"""
    ca, root = authority(w.folder + '/authority'), w.folder + '/tree'
    write(root + '/opt/file', b'content' * 1000)
    sign = ['--sign', ca + '/leaf.key', '--chain', ca + '/chain.pem']
    one = build(w, '--payload', root, '--identifier', 'com.example.one', '--version', '1', *sign, w.folder + '/one.pkg')
    two = build(w, '--payload', root, '--identifier', 'com.example.one', '--version', '1', *sign, w.folder + '/two.pkg')
    product = build(w, '--component', one, *sign, w.folder + '/product.pkg')
    with open(one, 'rb') as f, open(two, 'rb') as g:
        assert f.read() == g.read()
    for package in (one, product):
        code, said = verify(w, package, '--ca', ca + '/root.pem', '--team-id', 'ABCDE12345')
        assert (code, said['status'], said['team_id'], said['timestamp']) == (0, 'signed', 'ABCDE12345', None), said
        assert verify(w, package, '--ca', ca + '/root.pem', '--team-id', 'ZZZZZ99999')[0] == 1
        assert verify(w, package)[1]['status'] == 'untrusted'
        with open(package, 'rb') as f:
            data = f.read()
        toc = 28 + int.from_bytes(data[8:16], 'big')
        assert data[toc:toc + 20] == hashlib.sha1(data[28:toc]).digest()
        write(ca + '/sum', data[toc:toc + 20])
        write(ca + '/rsa', data[toc + 20:toc + 276])
        cms = data[toc + 276:toc + 276 + 9216]
        write(ca + '/cms', cms[:4 + int.from_bytes(cms[2:4], 'big')])
        write(ca + '/leaf.pub', openssl(ca, 'x509', '-in', 'leaf.pem', '-noout', '-pubkey'))
        openssl(ca, 'pkeyutl', '-verify', '-pubin', '-inkey', 'leaf.pub', '-pkeyopt', 'digest:sha1', '-in', 'sum',
                '-sigfile', 'rsa')
        openssl(ca, 'cms', '-verify', '-binary', '-inform', 'DER', '-in', 'cms', '-content', 'sum', '-CAfile', 'root.pem',
                '-purpose', 'any', '-ignore_critical', '-out', 'out')
        with open(ca + '/out', 'rb') as f:
            assert f.read() == data[toc:toc + 20]
        for at in (toc + 5, toc + 30, toc + 300, len(data) - 3): # checksum, RSA, CMS, a member
            altered = bytearray(data)
            altered[at] ^= 1
            write(w.folder + '/altered.pkg', bytes(altered))
            code, said = verify(w, w.folder + '/altered.pkg', '--ca', ca + '/root.pem')
            assert (code, said['status']) == (1, 'invalid'), (at, said)
    for argv in (['--sign', ca + '/leaf.key'], ['--sign', ca + '/ca.key', '--chain', ca + '/chain.pem']):
        p = subprocess.run([w.program, 'pkg', 'build', '--payload', root, '--identifier', 'a.b', '--version', '1', *argv,
                            w.folder + '/none.pkg'], capture_output=True, text=True)
        assert p.returncode == 200 and 'chain' in p.stderr, p
        assert not os.path.exists(w.folder + '/none.pkg')


def test_manifest_for_mdm(w):
    """pkg mdm-manifest: the sums of the file's pieces; what a Mac would refuse is refused"""
    ca, root = authority(w.folder + '/authority'), w.folder + '/tree'
    write(root + '/opt/file', os.urandom(11 << 20))
    sign = ['--sign', ca + '/leaf.key', '--chain', ca + '/chain.pem']
    one = build(w, '--payload', root, '--identifier', 'com.example.one', '--version', '1.5', *sign, w.folder + '/one.pkg')
    product = build(w, '--component', one, '--title', 'One & all', *sign, w.folder + '/product.pkg')
    plain = build(w, '--component', one, w.folder + '/plain.pkg')

    def manifest(package, *argv, url='https://mdm.example.com/one.pkg'):
        return subprocess.run([w.program, 'pkg', 'mdm-manifest', package, '--url', url, *argv], capture_output=True,
                              timeout=lib.DEADLINE)

    p = manifest(product, '--ca', ca + '/root.pem')
    assert p.returncode == 0 and not p.stderr, p
    item = plistlib.loads(p.stdout)['items'][0]
    with open(product, 'rb') as f:
        data = f.read()
    asset, metadata = item['assets'][0], item['metadata']
    assert asset == {'kind': 'software-package', 'url': 'https://mdm.example.com/one.pkg', 'sha256-size': 10 << 20,
                     'sha256s': [hashlib.sha256(data[at:at + (10 << 20)]).hexdigest()
                                 for at in range(0, len(data), 10 << 20)]}, asset
    assert len(asset['sha256s']) == 2
    assert metadata == {'kind': 'software', 'bundle-identifier': 'com.example.one', 'bundle-version': '1.5',
                        'title': 'One & all', 'sizeInBytes': len(data)}, metadata
    p = manifest(product)
    assert p.returncode == 0 and b"signer's root" in p.stderr, p
    for package, word in ((one, b'component'), (plain, b'unsigned')):
        p = manifest(package)
        assert p.returncode == 1 and word in p.stderr and not p.stdout, p
    p = manifest(plain, '--unsigned')
    assert p.returncode == 0 and b'no Mac takes it' in p.stderr and plistlib.loads(p.stdout)['items'], p
    assert manifest(one, '--unsigned').returncode == 1
    write(w.folder + '/altered.pkg', data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    assert manifest(w.folder + '/altered.pkg').returncode == 1
    assert manifest(product, url='http://mdm.example.com/one.pkg').returncode == 200


def test_signature_policies_of_items(w):
    """team_id and require_signature hold before anything is read; the report has the status of each package"""
    good = os.path.join(SAMPLES, 'pkgs', 'univ-of-utah-marriott-library-apple__display_manager__'
                        'Display_Manager_0.9.3_.dmg__Display_Manager__0.9.3_.pkg')
    samples('pkgs')
    w.repo.simple('Plain')
    for name, package, policy in (
            ('Good', good, {'team_id': 'HJ453M68GG', 'require_signature': True}),
            ('Team', good, {'team_id': 'ABCDE12345'}),
            ('Broken', os.path.join(SAMPLES, 'pkgs', BAD_SIGNATURE), {}),
            ('Unknown', os.path.join(SAMPLES, 'synthetic/signed/ok-sha256.pkg'), {'require_signature': True})):
        shutil.copyfile(package, os.path.join(w.repo.path, 'pkgs', name + '.pkg'))
        w.repo.item(name, package=name + '.pkg', OnDemand=True, daybreak=policy)
    w.repo.publish('Plain', 'Good', 'Team', 'Broken', 'Unknown')
    mac = w.mac()
    r = mac.run()
    assert r.code == 2, r
    states = mac.states()
    assert states == {'Plain': 'success', 'Good': 'success', 'Team': 'failed', 'Broken': 'failed', 'Unknown': 'failed'}, r
    assert [mac.failure(n)['cause'] for n in ('Team', 'Broken', 'Unknown')] == ['team_id', 'signature', 'signature']
    with open(mac.path('Library/Daybreak/ManagedInstallReport.plist'), 'rb') as f:
        results = {x['name']: (x.get('signature'), x.get('team_id')) for x in plistlib.load(f)['InstallResults']}
    assert results == {'Plain': ('unsigned', None), 'Good': ('signed', 'HJ453M68GG'), 'Team': ('signed', 'HJ453M68GG'),
                       'Broken': ('invalid', 'T4SK8ZXCXG'), 'Unknown': ('untrusted', 'ABCDE12345')}, results


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'package', a.only, os.path.abspath(a.program)))
