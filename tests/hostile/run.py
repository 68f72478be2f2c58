#!/usr/bin/env python3
"""Packages made to harm, one for each trap of traps.py, through info, list, verify, extract and an install.
run.py [--program build/daybreak] [--only WORD] [--table]

Each package goes for canaries that stand around the place it may write to. In `make check` each is installed, extracted, and shown to one of the other commands that
the seed picks; in a sweep to all. The whole world around that place is
compared, before and after: contents, modes, owners, links, inodes and the times that no write can hide. Memory, CPU time
and the size of any file are bounded by limits of the system; nothing is waited for without a deadline. --table prints the
table of verdicts. A sanitizer build is told by its symbols, bounded by its own means, and shown a third of them in `make check`.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import plistlib
import random
import re
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import lib     # noqa: E402
import traps   # noqa: E402
from traps import TRAPS, Place  # noqa: E402

MB = 1 << 20
MEMORY = 512 * MB      # address space of any process
FILE = 256 * MB        # the largest file anything may write
CPU, DEADLINE = (300, 600) if os.environ.get('SWEEP') else (60, 120)  # of one process, and until a command counts as hung; a sweep has the million files
SLOWER = 4             # a sanitizer build is, at most
SENTENCE = 700
OWN = ('Library/Daybreak', 'private/var/log/daybreak', 'private/var/db/receipts', 'private/etc', 'private/tmp', 'var', 'etc', 'tmp')


class Failed(Exception):
    pass


def bound(sanitized):
    """The limits of this process, which everything that it starts inherits."""
    if not sanitized:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    cpu = CPU * SLOWER if sanitized else CPU
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Program:
    def __init__(self, path):
        self.path = path
        with open(path, 'rb') as f:
            self.sanitized = b'__asan_init' in f.read()
        self.env = dict(os.environ, ASAN_OPTIONS='hard_rss_limit_mb=1024:detect_leaks=1', TZ='UTC')

    def __call__(self, *argv, deadline=DEADLINE):
        """(exit status, standard output of what succeeds, standard error); a signal, a hang or a sanitizer's word fail."""
        with tempfile.TemporaryFile() as out:  # a listing may be longer than what this process may hold
            p = subprocess.Popen([self.path, *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, env=self.env)
            try:
                _, err = p.communicate(timeout=deadline * SLOWER if self.sanitized else deadline)
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                raise Failed('%s: no end after %d s' % (argv[:2], deadline))
            out.seek(0)
            said = out.read() if p.returncode == 0 else b''
        err = err.decode(errors='replace')
        if p.returncode < 0 or re.search(r'Sanitizer|runtime error', err):
            raise Failed('%s: exit %d: %s' % (argv[:2], p.returncode, err[:3000]))
        return p.returncode, said, err


# --- the world ------------------------------------------------------------------------------------------------

def canaries(folder):
    """What a package might want to overwrite, follow, open up or remove."""
    os.makedirs(folder + '/dir/inner')
    for name, mode in (('evil', 0o644), ('passwd', 0o600), ('script', 0o755), ('dir/evil', 0o444), ('dir/inner/evil', 0o4755)):
        with open(os.path.join(folder, name), 'w') as f:
            f.write('canary %s\n' % name)
        os.chmod(os.path.join(folder, name), mode)
    os.symlink('passwd', folder + '/link')
    os.symlink('dir', folder + '/dirlink')
    os.chmod(folder + '/dir/inner', 0o1777)


def row(full):
    st = os.lstat(full)
    if stat.S_ISLNK(st.st_mode):
        data = os.readlink(full)
    elif stat.S_ISREG(st.st_mode):
        with open(full, 'rb') as f:
            data = hashlib.file_digest(f, 'sha256').hexdigest()
    else:
        data = ''
    return (st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_ino, st.st_mtime_ns, st.st_ctime_ns, data)


def world(top, leave_out):
    """{path: everything a write would change} of all below top but leave_out (a function of the path)."""
    rows = {}
    for base, dirs, files in os.walk(top):
        rel = os.path.relpath(base, top)
        dirs[:] = [n for n in dirs if not leave_out(os.path.normpath(os.path.join(rel, n)))]
        for name in dirs + files:
            path = os.path.normpath(os.path.join(rel, name))
            if not leave_out(path):
                rows[path] = row(os.path.join(base, name))
    return rows


def compare(before, after):
    return ['%s: %s, was %s' % (p, after.get(p, 'gone'), before.get(p, 'not there'))
            for p in sorted(set(before) | set(after)) if before.get(p) != after.get(p)][:10]


def tree(top):
    """{path: (kind, mode, content or target)} of a target."""
    rows = {}
    for base, dirs, files in os.walk(top):
        for name in dirs + files:
            full = os.path.join(base, name)
            st = os.lstat(full)
            kind = stat.S_IFMT(st.st_mode)
            path = os.path.relpath(full, top)
            if kind == stat.S_IFLNK:
                rows[path] = ('link', 0, os.readlink(full))
            elif kind == stat.S_IFREG:
                with open(full, 'rb') as f:
                    rows[path] = ('file', st.st_mode & 0o7777, f.read())
            else:
                rows[path] = ('dir' if kind == stat.S_IFDIR else 'special', st.st_mode & 0o7777, '')
    return rows


def expected(trap, verdict, place):
    """What the verdict leaves, with the folders above it."""
    if verdict.tree is None:
        return {}
    rows, at = {}, place.location.strip('/')
    for path, (kind, mode, data) in verdict.tree.items():
        rows[at + '/' + path] = (kind, mode, data.replace('OUTSIDE', place.outside) if kind == 'link' else data)
    while at:
        rows[at] = ('dir', 0o755, '')
        at = os.path.dirname(at)
    return rows


def unlike(want, got):
    return ['%s is %s, expected %s' % (p, got.get(p, 'not there'), want.get(p, 'nothing'))
            for p in sorted(set(want) | set(got)) if want.get(p) != got.get(p)][:10]


# --- one package ----------------------------------------------------------------------------------------------

def sentence(what, err, words=None):
    lines = err.splitlines()
    if len(lines) != 1 or not lines[0].startswith('daybreak: ') or len(lines[0]) > SENTENCE or lines[0].endswith('.'):
        return ['%s says %r' % (what, err[:1000])]
    if not lines[0].isprintable():
        return ['%s lets control bytes through: %r' % (what, err[:1000])]
    if words and not words.search(lines[0]):
        return ['%s says %r, expected /%s/' % (what, lines[0], words.pattern)]
    return []


def readable(what, out):
    text = out.decode(errors='strict')
    bad = [c for c in set(text) - {'\n'} if not c.isprintable()]
    return ['%s prints %r' % (what, bad)] if bad else []


class Case:
    """A trap, made, and the folder that is its world."""

    def __init__(self, program, top, trap):
        self.program, self.trap = program, trap
        self.folder = os.path.join(top, trap.name)
        self.place = Place(trap.name, self.folder + '/canary')
        self.package = self.folder + '/' + trap.name + '.pkg'
        self.out = self.folder + '/out'
        canaries(self.folder + '/canary')
        with open(self.package, 'wb') as f:
            f.write(trap.make(self.place))
        with open(self.package, 'rb') as f:
            self.hash = hashlib.sha256(f.read()).hexdigest()
        os.chmod(self.package, 0o444)

    def world(self):
        return world(self.folder, lambda p: p == 'out' or p.startswith('out/'))

    def look(self, dice, whole):
        """extract and, whole, info, list, verify and extract --expand, else one of them; returns what is wrong."""
        bad, trap = [], self.trap
        before = self.world()
        words = {v.words for v in (trap.verdict, trap.extract) if v.words}
        looks = [('i', ['info']), ('l', ['list', '--json']), ('v', ['verify']), ('x', [])]
        some = {letter for letter, _ in looks} if whole else {dice.choice(looks)[0]}
        for letter, argv in [k for k in looks if k[0] in some and k[1]]:
            code, out, err = self.program('pkg', *argv, self.package)
            marked = letter == 'l' and trap.verdict.tree is None and 'an install would refuse it' in err
            if code != (0 if letter in trap.passes and not marked else 1):
                bad.append('%s ends with %d: %s' % (argv[0], code, err[:500]))
            elif code == 1:
                bad += sentence(argv[0], err)
                if not any(w.search(err) for w in words):
                    bad.append('%s says %r' % (argv[0], err))
            else:
                bad += readable(argv[0], out)
                if argv[-1] == '--json':
                    json.loads(out)
        os.mkdir(self.out)
        code, out, err = self.program('pkg', 'extract', self.package, self.out + '/root')
        verdict = trap.extract
        if code != (0 if verdict.tree is not None else 1):
            bad.append('extract ends with %d: %s' % (code, err[:500]))
        elif code == 1:
            bad += sentence('extract', err, verdict.words)
        bad += ['extract: ' + b for b in unlike(expected(trap, verdict, self.place), tree(self.out + '/root'))]
        if verdict.tree is None:
            bad += ['extract leaves %s' % p for p in os.listdir(self.out)]
        shutil.rmtree(self.out)
        if 'x' in some:
            bad += self.expand()
        # what the command made and took away again stands in the folder itself
        bad += ['outside: ' + c for c in compare(before, self.world())]
        return ['%s: %s' % (trap.name, b) for b in bad]


    def expand(self):
        bad = []
        code, _, err = self.program('pkg', 'extract', '--expand', self.package, self.out)
        if code not in (0, 1):
            bad.append('extract --expand ends with %d: %s' % (code, err[:500]))
        elif code == 1:
            bad += sentence('extract --expand', err)
        elif any(k == 'special' or m & 0o6000 for k, m, _ in tree(self.out).values()):
            bad.append('extract --expand leaves something special')
        shutil.rmtree(self.out, ignore_errors=True)
        return bad


# --- an install of all of them ----------------------------------------------------------------------------------

def identity(package):
    """The receipts that a catalog would name for it."""
    return [{'packageid': 'com.example.' + package, 'version': '1'}]


def repository(cases, folder):
    for d in ('catalogs', 'manifests', 'pkgs'):
        os.makedirs(os.path.join(folder, d))
    items = []
    for c in cases:
        os.link(c.package, '%s/pkgs/%s.pkg' % (folder, c.trap.name))
        items.append({'name': c.trap.name, 'version': '1', 'installer_item_location': c.trap.name + '.pkg',
                      'installer_item_hash': c.hash, 'installer_item_size': os.path.getsize(c.package) // 1024 + 1,
                      'receipts': identity(c.trap.name), 'installed_size': 1})
    with open(folder + '/catalogs/production', 'wb') as f:
        plistlib.dump(items, f)
    with open(folder + '/manifests/site_default', 'wb') as f:
        plistlib.dump({'catalogs': ['production'], 'managed_installs': [c.trap.name for c in cases]}, f)


def install(program, top, name, cases, *more):
    """One run that installs all cases; returns what is wrong."""
    bad, folder = [], os.path.join(top, name)
    root = folder + '/root'
    canaries(folder + '/canary')
    os.makedirs(root)
    repository(cases, folder + '/repo')
    mac = lib.Mac(folder + '/mac', program.path, 'file://' + folder + '/repo')
    argv = mac.argv('run', *more)[1:]
    argv[argv.index('--root') + 1] = mac.root = root
    inside = os.path.relpath(root, top)
    before = world(top, lambda p: p == inside)
    code, _, err = program(*argv, deadline=5 * DEADLINE)
    refused = [c for c in cases if c.trap.verdict.tree is None]
    if code != (2 if refused else 0):
        bad.append('%s ends with %d: %s' % (name, code, err[-2000:]))
        return bad
    bad += ['outside: ' + c for c in compare(before, world(top, lambda p: p == inside))]
    states, want = mac.states(), {}
    for c in cases:
        trap = c.trap
        if trap.name not in states:
            bad.append('%s: the run does not speak of it' % trap.name)
            continue
        item, failure = mac.item(trap.name), mac.failure(trap.name)
        message = failure.get('message') or ''
        want.update(expected(trap, trap.verdict, c.place))
        if states[trap.name] != ('failed' if trap.verdict.tree is None else 'success'):
            bad.append('%s: %s: %s' % (trap.name, states[trap.name], failure or item))
        elif trap.verdict.tree is None:
            if not re.fullmatch(trap.verdict.cause, failure.get('cause') or ''):
                bad.append('%s: cause %s, expected %s: %s' % (trap.name, failure.get('cause'), trap.verdict.cause, message))
            if not trap.verdict.words.search(message) or not message.isprintable() or len(message) > SENTENCE:
                bad.append('%s: %r, expected /%s/' % (trap.name, message, trap.verdict.words.pattern))
        elif trap.reason and trap.reason not in (item['reason'] or ''):
            bad.append('%s: reason %r, expected %r' % (trap.name, item['reason'], trap.reason))
    got = {p: r for p, r in tree(root).items() if not any(p == o or p.startswith(o + '/') or o.startswith(p + '/') for o in OWN)}
    bad += ['%s: %s' % (name, u) for u in unlike(want, got)]
    receipts = os.path.join(root, 'private/var/db/receipts')
    left = {n.rsplit('.', 1)[0] for n in os.listdir(receipts)} if os.path.isdir(receipts) else set()
    strangers = left - {c.place.id for c in cases if c.trap.verdict.tree is not None}
    if strangers:
        bad.append('%s: receipts of refused packages: %s' % (name, sorted(strangers)))
    staging = root + '/Library/Daybreak/Staging'
    if os.path.isdir(staging) and os.listdir(staging):
        bad.append('%s: Staging has %s' % (name, os.listdir(staging)))
    return bad


def table(selected):
    for t in selected:
        v, names = t.verdict, {'i': 'info', 'l': 'list', 'v': 'verify'}
        if v.tree is None:
            text = 'refused, %s: %s' % (v.cause, v.words.pattern)
        else:
            text = 'tamed: ' + ', '.join('%s %s %o' % (p, r[0], r[1]) for p, r in sorted(v.tree.items()))
        print('%-26s %-18s %s' % (t.name, ' '.join(names[x] for x in t.passes), text))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    ap.add_argument('--table', action='store_true')
    a = ap.parse_args()
    selected = [t for t in TRAPS if (not a.only or a.only in t.name) and (a.only or not t.sweep or os.environ.get('SWEEP'))]
    if a.table:
        table(selected)
        return 0
    assert len({t.name for t in TRAPS}) == len(TRAPS)
    whole = bool(a.only or os.environ.get('SWEEP'))
    program = Program(os.path.abspath(a.program))
    if program.sanitized and not whole:
        selected = random.Random(lib.seed()).sample(selected, len(selected) // 3)
    top = tempfile.mkdtemp(prefix='daybreak-hostile-')
    bad = []
    try:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            cases = list(pool.map(lambda t: Case(program, top, t), selected))
            bound(program.sanitized)
            for case, found in zip(cases, pool.map(lambda c: looked(c, whole), cases)):
                bad += found
        for name, scripts, more in (('install', False, ()), ('scripts', True, ('--scripts', 'run'))):
            some = [c for c in cases if c.trap.scripts == scripts]
            if some:
                bad += install(program, top, name, some, *more)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // (1024 if sys.platform != 'darwin' else MB)
    if not program.sanitized and peak > MEMORY // MB:
        bad.append('a process held %d MB' % peak)
    for b in bad:
        print('FAILED ' + b)
    wrong = {b.split(':')[0] for b in bad}
    print('    %d packages, the largest process held %d MB' % (len(cases), peak))
    print('hostile: %d passed, %d failed, 0 skipped' % (max(len(cases) - len(wrong), 0), len(wrong)))
    return 1 if bad else 0


def looked(case, whole):
    start = time.monotonic()
    try:
        bad = case.look(random.Random('%d %s' % (lib.seed(), case.trap.name)), whole)
        if os.environ.get('V'):
            print('%6.2f s %s' % (time.monotonic() - start, case.trap.name), flush=True)
        return bad
    except (Failed, ValueError) as e:
        shutil.rmtree(case.out, ignore_errors=True)  # what a killed command has left is no longer looked at
        return ['%s: %s' % (case.trap.name, e)]


if __name__ == '__main__':
    sys.exit(main())
