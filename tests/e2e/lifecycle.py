#!/usr/bin/env python3
"""The life of software on a target: installed, upgraded, put back, reinstalled, removed.
lifecycle.py [--program build/daybreak] [--only WORD]

After each step the target is exactly what its receipts say, read by a second reader (bom.py): every path, its type,
mode, owner, size, checksum and target, and nothing else.
"""
import argparse
import os
import plistlib
import shutil
import stat
import subprocess
import sys

import bom
import lib
from package import OWN, RECEIPTS, at_home, frame, write
from run import expect

ROOT = os.geteuid() == 0


def claimed(mac):
    """{path: entry of a Bom} of all receipts together."""
    out = {}
    folder = mac.path(RECEIPTS)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if not name.endswith('.plist'):
            continue
        with open(os.path.join(folder, name), 'rb') as f:
            receipt = plistlib.load(f)
        assert name == receipt['PackageIdentifier'] + '.plist', (name, receipt)
        assert receipt['InstallProcessName'] == 'daybreak' and receipt['InstallDate'] and receipt['PackageVersion'], receipt
        prefix = receipt['InstallPrefixPath']
        assert prefix == '/' or not prefix.startswith('/'), receipt
        with open(os.path.join(folder, name[:-5] + 'bom'), 'rb') as f:
            for path, entry in bom.entries(f.read()).items():
                where = at_home(os.path.normpath(os.path.join(prefix.strip('/'), path)))
                if where != '.':
                    out[where] = entry
    return out


def judge(mac):
    """How the target differs from what its receipts say."""
    bad, known = [], {''}
    for path, (kind, mode, uid, gid, size, checksum, target) in sorted(claimed(mac).items()):
        known.add(path)
        parent = os.path.dirname(path)
        while parent not in known:
            known.add(parent)
            parent = os.path.dirname(parent)
        full = mac.path(path)
        if not os.path.lexists(full):
            bad.append('%s is missing' % path)
            continue
        st = os.lstat(full)
        if {'file': stat.S_ISREG, 'dir': stat.S_ISDIR, 'link': stat.S_ISLNK}[kind](st.st_mode) is False:
            bad.append('%s is no %s' % (path, kind))
            continue
        if frame(path):
            continue
        if kind != 'link' and stat.S_IMODE(st.st_mode) != mode & 0o1777:
            bad.append('%s has mode %o, not %o' % (path, st.st_mode, mode))
        if ROOT and (st.st_uid, st.st_gid) != (uid, gid):
            bad.append('%s belongs to %d:%d, not %d:%d' % (path, st.st_uid, st.st_gid, uid, gid))
        if kind == 'file':
            with open(full, 'rb') as f:
                data = f.read()
            if (len(data), bom.cksum(data)) != (size, checksum):
                bad.append('%s has %d bytes, checksum %d, not %d and %d' % (path, len(data), bom.cksum(data), size, checksum))
        if kind == 'link' and os.readlink(full) != target:
            bad.append('%s leads to %s, not %s' % (path, os.readlink(full), target))
    return bad + ['%s is too much' % p for p in lib.snapshot(mac.root, OWN) if p not in known and not frame(p)]


def exact(mac):
    bad = judge(mac)
    assert not bad, '\n'.join(bad[:20])


def grow(repo, name, version, tree, location='/', scripts=None, **keys):
    """Make NAME-VERSION.pkg of {path: bytes, link target as str, or None for a folder} and offer it alone."""
    root = os.path.join(repo.scratch, '%s-%s' % (name, version))
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    for path, what in tree.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if what is None:
            os.makedirs(full, exist_ok=True)
        elif isinstance(what, str):
            os.symlink(what, full)
        else:
            write(full, what, 0o755 if what.startswith(b'#!') else 0o640 if b'secret' in what else 0o644)
    for base, _, _ in os.walk(root):
        os.chmod(base, 0o755)
    if 'Library/Tool/twin' in tree:
        os.unlink(root + '/Library/Tool/twin')
        os.link(root + '/Library/Tool/tool', root + '/Library/Tool/twin')
    file = '%s-%s.pkg' % (name, version)
    argv = [repo.program, 'pkg', 'build', '--payload', root, '--identifier', 'com.example.' + name.lower(), '--version',
            version, '--install-location', location]
    for script, text in (scripts or {}).items():
        write('%s.scripts/%s' % (root, script), text.encode(), 0o755)
    if scripts:
        argv += ['--scripts', root + '.scripts']
    subprocess.run(argv + [os.path.join(repo.path, 'pkgs', file)], check=True, stdout=subprocess.DEVNULL)
    repo.items[:] = [i for i in repo.items if i['name'] != name or i['version'] != version]
    repo.item(name, version, file, uninstallable=True, uninstall_method='removepackages', **keys)


FIRST = {'Library/Tool/tool': b'#!/bin/sh\nexit 1\n', 'Library/Tool/twin': b'', 'Library/Tool/old': b'old' * 5000,
         'Library/Tool/link': 'old', 'Library/Tool/hollow': None, 'usr/local/tool/conf': b'secret', 'etc/tool.conf': b'conf',
         'Library/Tool/\u00e9t\u00e9/x': b''}
SECOND = {'Library/Tool/tool': b'#!/bin/sh\nexit 2\n', 'Library/Tool/twin': b'', 'Library/Tool/new/file': b'new' * 70000,
          'Library/Tool/link': 'new', 'usr/local/tool/conf': b'secret 2'}


def test_a_life(w):
    """installed, upgraded, an older version offered, reinstalled, removed: each time exactly what the receipts say"""
    mac = w.mac()
    grow(w.repo, 'Tool', '1.0', FIRST)
    w.repo.publish('Tool')
    expect(mac.run(), 0)
    exact(mac)
    assert os.path.samefile(mac.path('Library/Tool/tool'), mac.path('Library/Tool/twin'))
    assert set(at_home(p) for p in FIRST) <= set(claimed(mac))

    grow(w.repo, 'Tool', '2.0', SECOND)
    w.repo.publish('Tool')
    expect(mac.run(), 0)
    exact(mac)
    for path in ('Library/Tool/old', 'Library/Tool/hollow', 'private/etc/tool.conf', 'Library/Tool/\u00e9t\u00e9'):
        assert not os.path.lexists(mac.path(path)), path

    second = lib.snapshot(mac.root, ('Library/Daybreak', 'private/var/log'))
    both = list(w.repo.items)
    w.repo.items[:] = [i for i in both if i['version'] == '1.0']
    w.repo.publish('Tool')
    expect(mac.run(), 0)
    assert mac.states() == {'Tool': 'skipped'}, mac.states()
    assert not lib.difference(second, lib.snapshot(mac.root, ('Library/Daybreak', 'private/var/log')))

    w.repo.items[:] = both
    w.repo.publish('Tool')
    with open(mac.path('Library/Tool/new/file'), 'wb') as f:
        f.write(b'damaged')
    os.unlink(mac.path('Library/Tool/tool'))
    assert judge(mac)
    expect(mac.run('--force', 'Tool'), 0)
    exact(mac)
    assert not lib.difference(second, lib.snapshot(mac.root, ('Library/Daybreak', 'private/var/log')))

    w.repo.publish(managed_uninstalls=['Tool'])
    expect(mac.run(), 0)
    # folders of the system are never taken off, even where a package was the first to need them
    assert judge(mac) == ['usr is too much', 'usr/local is too much'], judge(mac)
    assert not claimed(mac) and not os.listdir(mac.path(RECEIPTS))
    assert not os.path.lexists(mac.path('Library/Tool')) and not os.path.lexists(mac.path('usr/local/tool'))


def test_shared_paths(w):
    """what two packages own stays until the last of them goes; what people put there stays"""
    mac = w.mac()
    grow(w.repo, 'One', '1', {'Both/shared': b'same', 'Both/one': b'1', 'Both/X.app/Contents/one': b'1'}, location='/opt')
    grow(w.repo, 'Two', '1', {'opt/Both/shared': b'same', 'opt/Both/two': b'2'})
    w.repo.publish('One', 'Two')
    expect(mac.run(), 0)
    exact(mac)
    write(mac.path('opt/Both/mine'), b'mine')
    write(mac.path('opt/Both/X.app/Contents/cache'), b'rubbish')
    w.repo.publish('Two', managed_uninstalls=['One'])
    expect(mac.run(), 0)
    assert sorted(os.listdir(mac.path('opt/Both'))) == ['mine', 'shared', 'two'], os.listdir(mac.path('opt/Both'))
    assert os.listdir(mac.path(RECEIPTS)) and not os.path.exists(mac.path(RECEIPTS, 'com.example.one.plist'))
    w.repo.publish(managed_uninstalls=['One', 'Two'])
    expect(mac.run(), 0)
    assert os.listdir(mac.path('opt/Both')) == ['mine'] and not os.listdir(mac.path(RECEIPTS))


def test_uninstall_scripts(w):
    """a script takes it off: run only when scripts run, and a failure keeps the item"""
    mac = w.mac()
    grow(w.repo, 'Tool', '1.0', FIRST)
    item = w.repo.items[-1]
    item.update(uninstall_method='uninstall_script',
                uninstall_script='#!/bin/sh\n[ -e "$DAYBREAK_ROOT/stuck" ] && exit 7\nrm -r "$DAYBREAK_ROOT/Library/Tool"\n'
                                 'rm "$DAYBREAK_ROOT"/private/var/db/receipts/com.example.tool.*\n')
    w.repo.publish('Tool')
    expect(mac.run(), 0)
    w.repo.publish(managed_uninstalls=['Tool'])
    mac.run()
    assert mac.states() == {'Tool': 'skipped'} and os.path.exists(mac.path('Library/Tool/tool')), mac.states()
    write(mac.path('stuck'), b'')
    expect(mac.run('--scripts', 'run'), 2)
    assert mac.failure('Tool')['code'] == 7 and os.path.exists(mac.path('Library/Tool/tool')), mac.failure('Tool')
    os.unlink(mac.path('stuck'))
    expect(mac.run('--scripts', 'run'), 0)
    assert not os.path.exists(mac.path('Library/Tool')) and mac.states() == {'Tool': 'success'}, mac.states()


def test_scripts_of_packages(w):
    """a preinstall that fails leaves the old version; a postinstall that fails leaves the files and no new receipt"""
    mac = w.mac()
    grow(w.repo, 'Tool', '1.0', FIRST)
    w.repo.publish('Tool')
    expect(mac.run(), 0)
    before = lib.snapshot(mac.root, ('Library/Daybreak', 'private/var/log'))
    grow(w.repo, 'Tool', '2.0', SECOND, scripts={'preinstall': '#!/bin/sh\necho no >&2\nexit 3\n'})
    w.repo.publish('Tool')
    expect(mac.run('--scripts', 'run'), 2)
    assert mac.failure('Tool')['step'] == 'preinstall' and mac.failure('Tool')['code'] == 3, mac.failure('Tool')
    assert ': no' in mac.log(), mac.log()
    assert not lib.difference(before, lib.snapshot(mac.root, ('Library/Daybreak', 'private/var/log')))
    grow(w.repo, 'Tool', '2.1', SECOND, scripts={'postinstall': '#!/bin/sh\nexit 4\n'})
    w.repo.publish('Tool')
    expect(mac.run('--scripts', 'run'), 2)
    assert mac.failure('Tool')['step'] == 'postinstall' and mac.failure('Tool')['code'] == 4, mac.failure('Tool')
    assert os.path.exists(mac.path('Library/Tool/new/file'))
    with open(mac.path(RECEIPTS, 'com.example.tool.plist'), 'rb') as f:
        assert plistlib.load(f)['PackageVersion'] == '1.0'


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'lifecycle', a.only, os.path.abspath(a.program)))
