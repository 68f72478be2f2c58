#!/usr/bin/env python3
"""Timings, each a ratio to a peer measured in the same run: bench.py --program build/daybreak [--row NAME]

One warm-up, then ours and the peer alternately five times; medians. CPU is user and system time of the process
and all its children, memory the largest single process. Data comes from a seed and lies on a memory file
system where there is one. Prints a table and writes build/bench.tsv; exits 0 when every row was measured.
"""
import argparse
import hashlib
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
RUNS = 5
SEED = 20260101


class Figures:
    def __init__(self):
        self.wall, self.cpu, self.rss = [], [], []


def once(argv, before=None, ok=(0,)):
    """Run argv; returns wall seconds, CPU seconds of the whole tree, peak bytes of its largest process."""
    if before:
        before()
    start = time.monotonic()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, '/dev/null', os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.path.join(DATA, 'out'), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2)])
    _, status, ru = os.wait4(pid, 0)
    wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in ok:
        with open(os.path.join(DATA, 'out'), errors='replace') as f:
            sys.exit('bench: %s ended with %d:\n%s' % (' '.join(argv), code, f.read()[-2000:]))
    unit = 1 if sys.platform == 'darwin' else 1024
    return wall, ru.ru_utime + ru.ru_stime, ru.ru_maxrss * unit


def sequence(*argvs):
    """Several commands one after the other, as one: their sums."""
    def run(before=None, ok=(0,)):
        total = [0.0, 0.0, 0]
        for i, argv in enumerate(argvs):
            w, c, r = once(argv, before if i == 0 else None, ok)
            total = [total[0] + w, total[1] + c, max(total[2], r)]
        return tuple(total)
    return run


def command(*argv, ok=(0,)):
    return lambda before=None: once(list(argv), before, ok)


def compare(ours, peer, before_ours=None, before_peer=None, bound=None):
    a, b, c = Figures(), Figures(), Figures()
    for i in range(RUNS + 1):
        for fn, figures, before in ((ours, a, before_ours), (peer, b, before_peer), (bound, c, None)):
            if fn is None:
                continue
            w, cpu, rss = fn(before) if before else fn()
            if i:
                figures.wall.append(w)
                figures.cpu.append(cpu)
                figures.rss.append(rss)
    return a, b, c


def med(xs):
    return statistics.median(xs) if xs else float('nan')


ROWS = []


def row(name, ours, unit, peer, theirs, limit, bound=None):
    ratio = ours / theirs if theirs else float('nan')
    verdict = 'ok' if limit is None or (ratio if limit[0] == 'x' else ours) <= limit[1] else 'MISS'
    ROWS.append((name, ours, unit, peer, theirs, ratio, '-' if limit is None else
                 '%s %g%s' % ('≤', limit[1], ' x' if limit[0] == 'x' else ' ' + unit), bound, verdict))
    print('  measured: %s' % name, flush=True)


def empty(path):
    def fn():
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
    return fn


def mixture(rng, size):
    """Bytes as programs are made of: gzip makes about 0.6 of them, by codes and short matches, nowhere by storing."""
    words = [rng.randbytes(rng.randint(3, 12)) for _ in range(4000)]
    out, n = [], 0
    while n < size:
        piece = rng.choice(words) if rng.random() < 0.55 else bytes(rng.choices(range(96), k=rng.randint(2, 8)))
        out.append(piece)
        n += len(piece)
    return b''.join(out)[:size]


def tree(path, files, total, seed):
    """files of log-normal sizes in 50 x 10 folders."""
    rng = random.Random(seed)
    sizes = [rng.lognormvariate(8.0, 1.5) for _ in range(files)]
    scale = total / sum(sizes)
    stuff = mixture(rng, 2 << 20)
    for i, s in enumerate(sizes):
        folder = os.path.join(path, 'Library', 'Bench', 'd%02d' % (i % 50), 'e%d' % (i // 50 % 10))
        if i < 500:
            os.makedirs(folder, exist_ok=True)
        n = max(1, int(s * scale))
        at = rng.randrange(len(stuff))
        with open(os.path.join(folder, 'f%05d' % i), 'wb') as f:
            while n > 0:
                piece = stuff[at:at + n]
                f.write(piece)
                n -= len(piece)
                at = rng.randrange(4096)


def big_file(path, size, seed):
    rng = random.Random(seed)
    block = rng.randbytes(1 << 20)
    with open(path, 'wb') as f:
        done = 0
        while done < size:
            n = min(len(block), size - done)
            f.write(block[:n])
            block = block[4096:] + block[:4096]
            done += n


def sha256(path):
    h = hashlib.sha256()
    with open(path, 'rb') as f:
        while True:
            b = f.read(1 << 20)
            if not b:
                return h.hexdigest()
            h.update(b)


HEAD = ('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
        '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0">\n')


def repository(path, items, managed, catalog_items):
    os.makedirs(path + '/catalogs')
    os.makedirs(path + '/manifests')
    os.makedirs(path + '/pkgs', exist_ok=True)
    with open(path + '/catalogs/production', 'w') as f:
        f.write(HEAD + '<array>\n' + ''.join(items) + ''.join(catalog_items) + '</array>\n</plist>\n')
    with open(path + '/manifests/site_default', 'w') as f:
        f.write(HEAD + '<dict>\n<key>catalogs</key><array><string>production</string></array>\n'
                '<key>managed_installs</key><array>\n' +
                ''.join('<string>%s</string>\n' % m for m in managed) + '</array>\n</dict>\n</plist>\n')


def pkginfo(name, version, rng):
    """An item as catalogs have them: about 2 KB of XML."""
    path = '/Applications/%s.app' % name
    text = ' '.join('word%d' % rng.randrange(1000) for _ in range(60))
    return ('\t<dict>\n\t\t<key>autoremove</key>\n\t\t<false/>\n\t\t<key>catalogs</key>\n\t\t<array>\n\t\t\t<string>'
            'production</string>\n\t\t</array>\n\t\t<key>category</key>\n\t\t<string>Apps</string>\n\t\t<key>'
            'description</key>\n\t\t<string>%s</string>\n\t\t<key>developer</key>\n\t\t<string>Example</string>\n\t\t'
            '<key>display_name</key>\n\t\t<string>%s</string>\n\t\t<key>installed_size</key>\n\t\t<integer>%d</integer>'
            '\n\t\t<key>installer_item_hash</key>\n\t\t<string>%s</string>\n\t\t<key>installer_item_location</key>\n\t\t'
            '<string>apps/%s-%s.pkg</string>\n\t\t<key>installer_item_size</key>\n\t\t<integer>%d</integer>\n\t\t<key>'
            'installs</key>\n\t\t<array>\n\t\t\t<dict>\n\t\t\t\t<key>CFBundleIdentifier</key>\n\t\t\t\t<string>com.example.'
            '%s</string>\n\t\t\t\t<key>CFBundleName</key>\n\t\t\t\t<string>%s</string>\n\t\t\t\t<key>'
            'CFBundleShortVersionString</key>\n\t\t\t\t<string>%s</string>\n\t\t\t\t<key>path</key>\n\t\t\t\t<string>%s'
            '</string>\n\t\t\t\t<key>type</key>\n\t\t\t\t<string>application</string>\n\t\t\t\t<key>version_comparison_key'
            '</key>\n\t\t\t\t<string>CFBundleShortVersionString</string>\n\t\t\t</dict>\n\t\t</array>\n\t\t<key>'
            'minimum_os_version</key>\n\t\t<string>10.13</string>\n\t\t<key>name</key>\n\t\t<string>%s</string>\n\t\t'
            '<key>unattended_install</key>\n\t\t<true/>\n\t\t<key>version</key>\n\t\t<string>%s</string>\n\t</dict>\n'
            % (text, name, rng.randrange(1000, 900000), '%064x' % rng.getrandbits(256), name, version,
               rng.randrange(1000, 400000), name, name, version, path, name, version))


def write_plists(folder, repo):
    with open(folder + '/prefs.plist', 'w') as f:
        f.write(HEAD + '<dict>\n<key>SoftwareRepoURL</key><string>file://%s</string>\n</dict>\n</plist>\n' % repo)
    with open(folder + '/facts.plist', 'w') as f:
        f.write(HEAD + '<dict>\n<key>os_vers</key><string>15.4</string><key>arch</key><string>arm64</string>\n'
                '<key>available_disk_space_kb</key><integer>900000000</integer>\n</dict>\n</plist>\n')


def bench_unpack():
    root, peer = DATA + '/root', DATA + '/peer'
    tree(DATA + '/tree', 20000, 300_000_000, SEED)
    packed('bench')
    bsdtar = shutil.which('bsdtar')
    a, b, c = compare(command(BENCH, 'install', DATA + '/bench.pkg', root),
                      command(bsdtar, '-xf', DATA + '/raw/Payload', '-C', peer), empty(root), empty(peer))
    row('install 300 MB, 20,000 files: CPU', med(a.cpu), 's', 'bsdtar -xf', med(b.cpu), ('x', 0.9))
    row('install 300 MB, 20,000 files: wall', med(a.wall), 's', 'bsdtar -xf', med(b.wall), ('x', 1.0))
    a, b, c = compare(command(BENCH, 'install', DATA + '/bench.pkg', root),
                      command(BENCH, 'bound', DATA + '/raw/Payload', peer), empty(root), empty(peer))
    row('install 300 MB, 20,000 files: CPU', med(a.cpu), 's', 'inflate, sum, create', med(b.cpu), ('x', 1.3))
    for name, fn, limit in (('dpkg -i --root', dpkg_peer, 0.5), ('pacman -U', pacman_peer, 0.6)):
        if shutil.which(name.split()[0]) is None:
            print('  skipped: no %s here' % name.split()[0])
            continue
        argv, before = fn(DATA + '/raw/Payload')
        a, b, c = compare(command(BENCH, 'install', DATA + '/bench.pkg', root), command(*argv), empty(root), before)
        row('install 300 MB, 20,000 files: CPU', med(a.cpu), 's', name, med(b.cpu), ('x', limit))


def bench_large():
    """A few large files: all is inflating and summing."""
    root, peer = DATA + '/root', DATA + '/peer'
    tree(DATA + '/tree', 6, 300_000_000, SEED)
    packed('large')
    a, b, _ = compare(command(BENCH, 'install', DATA + '/large.pkg', root),
                      command(shutil.which('bsdtar'), '-xf', DATA + '/raw/Payload', '-C', peer), empty(root), empty(peer))
    row('install 300 MB, 6 files: CPU', med(a.cpu), 's', 'bsdtar -xf', med(b.cpu), ('x', 0.9))
    row('install 300 MB, 6 files: wall', med(a.wall), 's', 'bsdtar -xf', med(b.wall), ('x', 1.0))


def bench_disk():
    """On a disk, flushed: the peer's files by sync -f."""
    tree(DATA + '/tree', 20000, 300_000_000, SEED)
    packed('bench')
    disk = tempfile.mkdtemp(prefix='bench-disk-', dir=os.path.dirname(PROGRAM))
    root, peer = disk + '/root', disk + '/peer'
    try:
        a, b, _ = compare(command(BENCH, 'install', DATA + '/bench.pkg', root),
                          sequence([shutil.which('bsdtar'), '-xf', DATA + '/raw/Payload', '-C', peer],
                                   [shutil.which('sync'), '-f', peer]), empty(root), empty(peer))
    finally:
        shutil.rmtree(disk)
    row('install 300 MB, 20,000 files on disk: wall', med(a.wall), 's', 'bsdtar -xf, sync -f', med(b.wall), ('x', 1.0))


def packed(name):
    """DATA/tree as a package, its payload in DATA/raw, the tree gone."""
    subprocess.run([PROGRAM, 'pkg', 'build', '--payload', DATA + '/tree', '--identifier', 'com.example.bench',
                    '--version', '1', DATA + '/%s.pkg' % name], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([PROGRAM, 'pkg', 'extract', '--expand', DATA + '/%s.pkg' % name, DATA + '/raw'], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(DATA + '/tree')


def unpacked(payload, path):
    os.makedirs(path)
    subprocess.run([shutil.which('bsdtar'), '-xf', payload, '-C', path], check=True)


def dpkg_peer(payload):
    tree_path, root = DATA + '/deb', DATA + '/debroot'
    unpacked(payload, tree_path)
    os.makedirs(tree_path + '/DEBIAN')
    with open(tree_path + '/DEBIAN/control', 'w') as f:
        f.write('Package: bench\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\nDescription: x\n')
    subprocess.run(['dpkg-deb', '-Zgzip', '-b', tree_path, DATA + '/bench.deb'], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree_path)

    def before():
        empty(root)()
        os.makedirs(root + '/var/lib/dpkg/updates')
        os.makedirs(root + '/var/lib/dpkg/info')
        for name in ('status', 'available'):
            open(root + '/var/lib/dpkg/' + name, 'w').close()
    return [shutil.which('dpkg'), '--root=' + root, '--force-unsafe-io', '--force-not-root', '--log=/dev/null', '-i',
            DATA + '/bench.deb'], before


def pacman_peer(payload):
    tree_path, root = DATA + '/arch', DATA + '/archroot'
    unpacked(payload, tree_path)
    with open(tree_path + '/.PKGINFO', 'w') as f:
        f.write('pkgname = bench\npkgbase = bench\npkgver = 1-1\npkgdesc = x\narch = any\nsize = 300000000\n')
    subprocess.run([shutil.which('bsdtar'), '-czf', DATA + '/bench-1-1-any.pkg.tar.gz', '-C', tree_path, '.PKGINFO',
                    'Library'], check=True)
    shutil.rmtree(tree_path)
    with open(DATA + '/pacman.conf', 'w') as f:
        f.write('[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n')

    def before():
        empty(root)()
        os.makedirs(root + '/var/lib/pacman')
    return [shutil.which('pacman'), '--config', DATA + '/pacman.conf', '-r', root, '--noconfirm', '-U',
            DATA + '/bench-1-1-any.pkg.tar.gz'], before


def bench_verify():
    os.makedirs(DATA + '/tree/Library')
    big_file(DATA + '/tree/Library/big', 1_000_000_000, SEED)
    subprocess.run([PROGRAM, 'pkg', 'build', '--payload', DATA + '/tree', '--identifier', 'com.example.big', '--version',
                    '1', DATA + '/big.pkg'], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(DATA + '/tree')
    a, b, _ = compare(command(PROGRAM, 'pkg', 'verify', DATA + '/big.pkg'), command(BENCH, 'hash', DATA + '/big.pkg'))
    row('pkg verify of 1 GB: wall', med(a.wall), 's', 'hashing it once', med(b.wall), ('x', 1.1))


def bench_download():
    repo, out = DATA + '/repo', DATA + '/got'
    os.makedirs(repo)
    os.makedirs(out)
    big_file(repo + '/big', 1_000_000_000, SEED)
    total = sha256(repo + '/big')
    env = dict(os.environ)
    script = ('. %s/tests/demo/server.sh; server_start "%s" "%s/nginx" && echo "$SERVER_URL"' % (TOP, repo, DATA))
    url = subprocess.run(['/bin/sh', '-c', script], check=True, capture_output=True, text=True, env=env).stdout.strip()
    try:
        curl, openssl = shutil.which('curl'), shutil.which('openssl')
        a, b, c = compare(command(BENCH, 'download', url + '/big', out, 'ours', total),
                          sequence([curl, '-s', '-o', out + '/theirs', url + '/big'],
                                   [openssl, 'dgst', '-sha256', out + '/theirs']),
                          empty(out), empty(out), command(BENCH, 'hash', repo + '/big'))
    finally:
        subprocess.run(['/bin/sh', '-c', '. %s/tests/demo/server.sh; server_stop "%s/nginx"' % (TOP, DATA)], check=False)
    row('download and prove 1 GB over HTTP: wall', med(a.wall), 's', 'curl, openssl dgst', med(b.wall), ('x', 0.9),
        med(c.wall))
    row('download and prove 1 GB over HTTP: CPU', med(a.cpu), 's', 'curl, openssl dgst', med(b.cpu), ('x', 1.1),
        med(c.cpu))


def peak(argv):
    """Peak memory in MB of the largest process of a command: of ours alone, not of this one that starts it."""
    once([BENCH, 'peak', DATA + '/peak', *argv])
    with open(DATA + '/peak') as f:
        return int(f.read()) * (1 if sys.platform == 'darwin' else 1024) / 1e6


def bench_memory():
    figures = {}
    for size in (100, 1000):
        folder = '%s/mem%d' % (DATA, size)
        os.makedirs(folder + '/tree/Library/Bench')
        os.makedirs(folder + '/repo/pkgs')
        big_file(folder + '/tree/Library/Bench/big', size * 1_000_000, SEED)
        pkg = folder + '/repo/pkgs/Big-1.pkg'
        subprocess.run([PROGRAM, 'pkg', 'build', '--payload', folder + '/tree', '--identifier', 'com.example.big',
                        '--version', '1', pkg], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder + '/tree')
        item = ('<dict><key>name</key><string>Big</string><key>version</key><string>1</string>'
                '<key>installer_item_location</key><string>Big-1.pkg</string><key>installer_item_hash</key><string>%s'
                '</string><key>installer_item_size</key><integer>%d</integer><key>receipts</key><array><dict><key>packageid'
                '</key><string>com.example.big</string><key>version</key><string>1</string></dict></array></dict>\n'
                % (sha256(pkg), os.path.getsize(pkg) // 1024 + 1))
        repository(folder + '/repo', [item], ['Big'], [])
        write_plists(folder, folder + '/repo')
        empty(folder + '/root')()
        figures[size] = peak((PROGRAM, 'run', '--quiet', '--root', folder + '/root', '--prefs', folder + '/prefs.plist',
                              '--facts', folder + '/facts.plist'))
        shutil.rmtree(folder)
    row('peak memory of a run that installs 1 GB', figures[1000], 'MB', 'the same with 100 MB', figures[100],
        ('=', 24))
    row('peak memory of a run that installs 100 MB', figures[100], 'MB', 'the same with 1 GB', figures[1000], ('=', 24))


def catalog(items):
    """pkginfos of about 2 KB as a repository of ten years has them: three versions a name, some that require
    another or update one, receipts beside installs."""
    rng = random.Random(SEED)
    out = []
    for i in range(items):
        name = 'App%05d' % (i // 3)
        more = ''
        if i % 5 == 0:
            more += '\t\t<key>requires</key>\n\t\t<array>\n\t\t\t<string>App%05d</string>\n\t\t</array>\n' % (i // 30)
        if i % 11 == 0:
            more += '\t\t<key>update_for</key>\n\t\t<array>\n\t\t\t<string>App%05d</string>\n\t\t</array>\n' % (i // 7)
        if i % 2 == 0:
            more += ('\t\t<key>receipts</key>\n\t\t<array>\n\t\t\t<dict>\n\t\t\t\t<key>packageid</key>\n\t\t\t\t<string>com.example.%s'
                     '</string>\n\t\t\t\t<key>version</key>\n\t\t\t\t<string>1.%d</string>\n\t\t\t</dict>\n\t\t</array>\n'
                     % (name, i % 7))
        out.append(pkginfo(name, '1.%d' % (i % 7), rng)[:-len('\t</dict>\n')] + more + '\t</dict>\n')
    return out


def checking(items):
    """A whole `daybreak check` of 200 managed items of a catalog of that many: its figures and the catalog's path."""
    folder = DATA + '/check%d' % items
    repository(folder + '/repo', catalog(items), ['App%05d' % i for i in range(min(200, (items + 2) // 3))], [])
    write_plists(folder, folder + '/repo')
    os.makedirs(folder + '/root')
    return folder + '/repo/catalogs/production', (
        PROGRAM, 'check', '--quiet', '--output', folder + '/out.plist', '--root', folder + '/root', '--prefs',
        folder + '/prefs.plist', '--facts', folder + '/facts.plist')


def bench_catalog():
    python, cpu, size = sys.executable, {}, {}
    load = 'import plistlib, sys; plistlib.load(open(sys.argv[1], "rb"))'
    for items in (100, 1000, 10000, 50000):
        path, argv = checking(items)
        size[items] = os.path.getsize(path)
        name = 'check of 200 items, catalog of %s (%.1f MB)' % (format(items, ','), size[items] / 1e6)
        a, b, _ = compare(command(*argv), command(BENCH, 'plist', path))
        cpu[items] = med(a.cpu)
        row(name + ': CPU', med(a.cpu) * 1000, 'ms', 'plist_from_memory', med(b.cpu) * 1000,
            ('x', 0.25) if items == 10000 else None)
        if items >= 10000:
            a, b, _ = compare(command(*argv), command(python, '-c', load, path))
            row(name + ': wall', med(a.wall) * 1000, 'ms', 'plistlib', med(b.wall) * 1000, ('x', 0.04))
        if items == 10000:
            row(name + ': peak memory', peak(argv), 'MB', 'the catalog', size[items] / 1e6, ('=', 48))
        shutil.rmtree(DATA + '/check%d' % items)
    idle, _, __ = compare(command(PROGRAM, '--version'), command(python, '-c', 'pass'))
    start = med(idle.cpu)
    row('start-up: daybreak --version: CPU', start * 1000, 'ms', 'python3 -c pass', med(_.cpu) * 1000, None)
    for few, many in ((1000, 10000), (10000, 50000)):
        grows = math.log((cpu[many] - start) / max(cpu[few] - start, 1e-4)) / math.log(size[many] / size[few])
        row('growth of its CPU with the bytes, %s to %s' % (format(few, ','), format(many, ',')), grows, '', 'in proportion',
            1.0, ('=', 1.1))


BENCHES = {'unpack': bench_unpack, 'large': bench_large, 'disk': bench_disk, 'verify': bench_verify,
           'download': bench_download, 'memory': bench_memory, 'catalog': bench_catalog}


def main():
    global PROGRAM, BENCH, DATA
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=TOP + '/build/daybreak')
    ap.add_argument('--row', choices=sorted(BENCHES))
    args = ap.parse_args()
    PROGRAM = os.path.abspath(args.program)
    BENCH = os.path.join(os.path.dirname(PROGRAM), 'bench')
    base = '/dev/shm' if os.path.isdir('/dev/shm') and os.access('/dev/shm', os.W_OK) else None
    for name, fn in BENCHES.items():
        if args.row in (None, name):
            DATA = tempfile.mkdtemp(prefix='daybreak-bench-', dir=base)
            try:
                fn()
            finally:
                shutil.rmtree(DATA, ignore_errors=True)
    print()
    print('%-48s %10s %-3s %-22s %10s %7s %-10s %9s' % ('row', 'ours', '', 'peer', 'its', 'ratio', 'limit', 'bound'))
    with open(os.path.join(os.path.dirname(PROGRAM), 'bench.tsv'), 'w') as f:
        f.write('name\tours\tunit\tpeer\tits\tratio\tlimit\tbound\tverdict\n')
        for n, o, u, p, t, r, lim, bound, v in ROWS:
            b = '' if bound is None else '%.3f' % bound
            print('%-48s %10.3f %-3s %-22s %10.3f %7.2f %-10s %9s %s' % (n, o, u, p, t, r, lim, b, v))
            f.write('\t'.join(map(str, (n, '%.4f' % o, u, p, '%.4f' % t, '%.3f' % r, lim, b, v))) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
