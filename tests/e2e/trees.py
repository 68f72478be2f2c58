#!/usr/bin/env python3
"""Trees made by chance, packed by pkg build, read by others: 7z opens the archive, bsdtar the payload, cksum sums the
files and tests/e2e/bom.py reads the Bom. trees.py [--program build/daybreak] [--only WORD]

All of them must say the same, and the same as the folder that was packed; so must pkg extract and pkg list. SEED picks the
trees; a sweep does five hundred of them.
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import bom
import lib
from package import SAMPLES, others, samples

TREES, IN_CHECK = 500, 12
WORDS = ('a', 'File', 'naïve', 'Ünïcödé', 'with space', ' lead', 'trail ', '-rf', "quo'te", 'dou"ble', '$HOME', '%2e', 'a;b', '日本語', '🍏',
         'Контрольная', '[x]', '*', 'back\\slash', 'tab', '#hash', '&amp;', '<x>', '.hidden', '..', '...', 'Contents', 'x.app')
SIZES = (0, 1, 2, 511, 512, 513, 4095, 4096, 65535, 65536, 65537, 262144, 262145)


def name(rng, n):
    """A name that no sibling has, whatever a Mac takes for one."""
    word = rng.choice(WORDS)
    if word == '..':
        word = '..more'
    if rng.random() < 0.05:
        word = word + 'l' * rng.randrange(200)
    out = '%s%d' % (word, n) if rng.random() < 0.7 else '%d%s' % (n, word)
    while len(out.encode()) > 255:
        out = out[:-1]
    return out


def data(rng):
    size = rng.choice(SIZES) if rng.random() < 0.7 else int(2 ** (rng.random() * 21.5))
    block = rng.randbytes(min(size, 4096))
    return (block * (size // max(len(block), 1) + 1))[:size]


def grow(rng, root):
    """A tree of up to a few dozen things; returns nothing: the folder is the truth."""
    os.makedirs(root)
    folders, files = [root], []
    for n in range(rng.choice((0, 1, 5, 20, 60))):
        above = rng.choice(folders) if rng.random() < 0.5 else folders[-1]
        full = os.path.join(above, name(rng, n))
        kind = rng.random()
        if len(os.fsencode(os.path.relpath(full, root))) > 900:
            continue
        if kind < 0.3 and full.count('/') - root.count('/') < 60:
            os.mkdir(full)
            folders.append(full)
        elif kind < 0.42:
            os.symlink(rng.choice(('/', '../x', 'a/../b', name(rng, n), '/no/where ' + 'x' * rng.randrange(300))), full)
        elif kind < 0.5 and files:
            os.link(rng.choice(files), full)
        else:
            with open(full, 'wb') as f:
                f.write(data(rng))
            os.chmod(full, rng.choice((0o644, 0o644, 0o755, 0o600, 0o400, 0o444, 0o777, 0o640)))
            files.append(full)
    for base, dirs, files in os.walk(root, topdown=False):
        for n in dirs + files:
            os.utime(os.path.join(base, n), (1600000000, rng.randrange(1, 1 << 31)), follow_symlinks=False)
        os.chmod(base, rng.choice((0o755, 0o755, 0o700, 0o775, 0o1777)))
    os.utime(root, (1600000000, 1600000000))


def rows(root, top=True):
    """{path: (kind, mode, size, content or target, time, first path of the same file)}."""
    out, seen = {}, {}
    every = [root] if top else []
    for base, dirs, files in os.walk(root):
        every += [os.path.join(base, n) for n in dirs + files]
    for full in sorted(every):
        st, path = os.lstat(full), os.path.relpath(full, root)
        if stat.S_ISLNK(st.st_mode):
            out[path] = ('link', 0, 0, os.readlink(full), int(st.st_mtime), None)
        elif stat.S_ISDIR(st.st_mode):
            out[path] = ('dir', st.st_mode & 0o7777, 0, '', int(st.st_mtime), None)
        else:
            with open(full, 'rb') as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            first = seen.setdefault(st.st_ino, path) if st.st_nlink > 1 else None
            out[path] = ('file', st.st_mode & 0o7777, st.st_size, digest, int(st.st_mtime), first)
    return out


def plain_root(tree):
    return dict(tree, **{'.': ('dir', 0o755, 0, '', 0, None)})


def sums(root, paths):
    """{path: POSIX cksum} by the tool of that name."""
    out = {}
    for i in range(0, len(paths), 200):
        some = paths[i:i + 200]
        text = others('cksum', '--', *[os.path.join(root, p) for p in some]).decode('utf-8', 'surrogateescape')
        for path, line in zip(some, text.split('\n')):
            out[path] = int(line.split(' ', 1)[0])
    return out


def bom_differs(kept, truth, summed, strict=True):
    """How the Bom's rows differ from the tree's. strict: it is one of ours, complete."""
    bad = []
    if strict and set(kept) != set(truth):
        bad.append('the Bom has %s, and not %s' % (sorted(set(kept) - set(truth))[:5], sorted(set(truth) - set(kept))[:5]))
    for path, b in kept.items():
        if path not in truth or (not strict and (b['twin'] or path == '.')):
            continue
        kind, mode, size, content = truth[path][:4]
        if {1: 'file', 2: 'dir', 3: 'link'}.get(b['kind']) != kind:
            bad.append('%s: kind %d, but a %s' % (path, b['kind'], kind))
        elif kind != 'link' and b['mode'] & 0o1777 != mode & 0o1777:
            bad.append('%s: mode %o, but %o' % (path, b['mode'], mode))
        elif kind == 'file' and (b['size'] != size & 0xffffffff or b['sum'] != summed[path]):
            bad.append('%s: size %d sum %d, but %d %d' % (path, b['size'], b['sum'], size, summed[path]))
        elif kind == 'link' and b['target'] != content:
            bad.append('%s: target %r, but %r' % (path, b['target'], content))
    return bad


def one(w, i):
    """Tree i through everybody; returns how they differ."""
    folder = '%s/%d' % (w.folder, i)
    rng = random.Random('%s %d' % (lib.seed(), i))
    root, package = folder + '/tree', folder + '/x.pkg'
    os.makedirs(folder)
    grow(rng, root)
    truth = plain_root(rows(root))
    # the root of a payload is always a plain folder; with SOURCE_DATE_EPOCH everything is of that time, else of its own
    epoch = {'SOURCE_DATE_EPOCH': '1700000000'} if rng.random() < 0.5 else {}
    if epoch:
        truth = plain_root({p: r[:4] + (1700000000,) + r[5:] for p, r in truth.items()})
    env = {k: v for k, v in os.environ.items() if k != 'SOURCE_DATE_EPOCH'}
    subprocess.run([w.program, 'pkg', 'build', '--payload', root, '--identifier', 'com.example.t%d' % i, '--version', '1', package],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=dict(env, **epoch), timeout=lib.DEADLINE)
    others('7z', 'x', '-txar', '-y', '-o' + folder + '/xar', package)
    out = folder + '/bsdtar'
    os.makedirs(out)
    others('bsdtar', '-xpf', folder + '/xar/Payload', '-C', out)
    bad = ['bsdtar: ' + d for d in lib.difference(truth, plain_root(rows(out)))]
    subprocess.run([w.program, 'pkg', 'extract', package, folder + '/ours'], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, timeout=lib.DEADLINE)
    bad += ['extract: ' + d for d in lib.difference(truth, plain_root(rows(folder + '/ours')))]
    with open(folder + '/xar/Bom', 'rb') as f:
        store = f.read()
    bad += ['Bom: ' + d for d in bom_differs(bom.read(store), truth, sums(root, [p for p, r in truth.items() if r[0] == 'file']))]
    listed = json.loads(subprocess.run([w.program, 'pkg', 'list', '--json', package], check=True, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, timeout=lib.DEADLINE).stdout)['components'][0]['entries']
    names = {e['path'] or '.': (e['type'], e['mode']) for e in listed if e['type'] != 'l'}
    told = {p: ('d' if r[0] == 'dir' else '-', r[1]) for p, r in truth.items() if r[0] != 'link'}
    names.setdefault('.', told['.'])
    bad += ['list: ' + d for d in lib.difference(told, names)]
    info = ElementTree.parse(folder + '/xar/PackageInfo').getroot().find('payload')
    if int(info.get('numberOfFiles')) != len(truth):
        bad.append('PackageInfo counts %s of %d' % (info.get('numberOfFiles'), len(truth)))
    tool = others('bsdtar', '-tf', package).decode().split('\n')
    if not {'Bom', 'Payload', 'PackageInfo'} <= set(tool):
        bad.append('bsdtar sees %s in the archive' % tool)
    shutil.rmtree(folder)
    return ['tree %d: %s' % (i, b) for b in bad]


def test_trees_by_chance(w):
    """folder, bsdtar, 7z, our own extract, and the Bom as another reads it: all the same"""
    bad = []
    for i in range(lib.sampled(TREES, IN_CHECK)):
        bad += one(w, i)
    assert not bad, 'SEED=%s\n%s' % (lib.seed(), '\n'.join(bad[:30]))
    print('    %d trees, seed %s' % (lib.sampled(TREES, IN_CHECK), lib.seed()))


def test_boms_of_samples(w):
    """the Boms of the field say what bsdtar takes out of the payloads beside them"""
    bad, count = [], 0
    every = samples('pkgs')
    random.Random(lib.seed()).shuffle(every)
    for i, package in enumerate(every[:lib.sampled(len(every), 8)]):
        folder = '%s/%d' % (w.folder, i)
        p = subprocess.run(['7z', 'x', '-txar', '-y', '-o' + folder, package], capture_output=True, timeout=lib.DEADLINE)
        for base, _, files in os.walk(folder):
            if p.returncode or not {'Bom', 'Payload'} <= set(files):
                continue
            out = os.path.join(base, 'out')
            os.makedirs(out)
            others('bsdtar', '-xpf', os.path.join(base, 'Payload'), '-C', out)
            truth = rows(out)
            with open(os.path.join(base, 'Bom'), 'rb') as f:
                kept = bom.read(f.read(), strict=False)
            wrong = bom_differs(kept, truth, sums(out, [p for p, r in truth.items() if r[0] == 'file']), strict=False)
            bad += ['%s: %s' % (os.path.basename(package), d) for d in wrong + sorted(set(kept) - set(truth))]
            count += 1
            shutil.rmtree(out)
        shutil.rmtree(folder, ignore_errors=True)
    assert not bad, '\n'.join(bad[:30])
    assert count > 4, (count, SAMPLES)
    print('    %d Boms' % count)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'trees', a.only, os.path.abspath(a.program)))
