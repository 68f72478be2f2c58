#!/usr/bin/env python3
"""Random Munki repositories through the shipped program: what must hold of every decision, holds.

usage: property.py [--program FILE] [--seed N] [--count N | --seconds N] [--jobs N] [--keep DIR]

Each scene is a repository, a Mac and some clients (scene.py), made from SEED and a number. For each client the
program decides, and the decision is held against the invariants (invariants.py) and against a second, plain
implementation of the same rules (model.py). Then the scene is decided again unchanged, again with unrelated items
in another order, and again with one item spoilt: what is spoilt must change nothing but itself and what hangs on it.

A scene that fails is made smaller as long as it fails in the same way, and printed. SWEEP=1 runs for ten minutes.
Prints "N passed, N failed, N skipped"; a scene counts once.
"""
import argparse
import copy
import multiprocessing
import os
import plistlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import invariants
import scene as scenes
from model import Model, NoDecision, TooDeep, nfc

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FAST = '/dev/shm'  # where writing waits for no disk
EXIT_CODES = (0, 8)
TIME_LIMIT = 60


def decide(program, folder, client):
    """exit code, InstallInfo or None, its bytes, the sentences on the error output"""
    out = os.path.join(folder, 'out.plist')
    if os.path.exists(out):
        os.unlink(out)
    words = [program, 'check', '--root', folder + '/root', '--facts', folder + '/facts.plist', '--prefs', folder + '/prefs.plist',
             '--repo', 'file://' + folder + '/repo', '--id', client, '--output', out]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return 'no end after %d s' % TIME_LIMIT, None, b'', []
    said = done.stderr.decode('utf-8', 'replace').splitlines()
    if not os.path.exists(out):
        return done.returncode, None, b'', said
    with open(out, 'rb') as f:
        data = f.read()
    return done.returncode, plistlib.loads(data), data, said


class Folder:
    def __init__(self, scene):
        self.path = tempfile.mkdtemp(prefix='daybreak-property-', dir=FAST if os.access(FAST, os.W_OK) else None)
        scenes.build(scene, self.path)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


def plain(value):
    """Names may be written in either Unicode form: what is compared is not."""
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def against_model(scene, client, code, info):
    try:
        want = Model(scene, client, scenes.CONDITIONS).decide()
    except TooDeep:
        return
    except NoDecision:
        if code != 8:
            yield 'model: no decision was expected, exit code %s' % code
        return
    if info is None:
        yield 'model: a decision was expected, exit code %s' % code
        return
    yield from invariants.differences(plain(info), plain(want), 'model')


def examine(program, scene, client, folder, twice):
    """-> decision or None, complaints"""
    code, info, data, said = decide(program, folder, client)
    if code not in EXIT_CODES or (code == 0) != (info is not None):
        return None, ['exit: %s: %s' % (code, ' / '.join(said[-3:]))]
    found = ['once: %s' % s for s in invariants.sentences(invariants.Look(scene, client, {}, said))]
    if code == 0:
        look = invariants.Look(scene, client, info, said)
        found += ['%s: %s' % (f.__name__, s) for f in invariants.ALL if f is not invariants.sentences for s in f(look)]
    if not scene.get('spoilt'):
        found += against_model(scene, client, code, info)
    if twice:
        again = decide(program, folder, client)
        if again[2] != data or again[0] != code:
            found.append('again: the second decision is another one')
    return info, found


# --- variations: the same scene, differently ---------------------------------------------------------------------

def shuffled(rnd, scene):
    """Unrelated items change places; within a family the order stays. So do the keys of dictionaries."""
    scene = copy.deepcopy(scene)
    for c, items in scene['catalogs'].items():
        families = {}
        for i in items:
            families.setdefault(min(invariants.relatives(scene, nfc(i['name']))), []).append(i)
        mixed = [f for f, members in sorted(families.items()) for _ in members]
        rnd.shuffle(mixed)
        scene['catalogs'][c] = [dict(rnd.sample(list(i.items()), len(i))) for i in (families[f].pop(0) for f in mixed)]
    return scene


def comparable(scene, info):
    """Automatic removals come in the order of the catalogs, which was changed."""
    auto = any(i.get('autoremove') is True for items in scene['catalogs'].values() for i in items if isinstance(i, dict))
    info = dict(info)
    for key in ('removals', 'processed_uninstalls') if auto else ():
        info[key] = sorted(info[key], key=invariants.name_of)
    return info


JUNK = [5, 1.5, True, '', 'text', [], [1], ['a', 2], {}, {'a': {'b': []}}, b'\0\1', [{}], [['x']], 'x' * 3000, '\u202e\u0301']


def spoilt(rnd, scene):
    """One item of a catalog with something wrong; -> scene, its name, what was done. Its family as it was."""
    places = [(c, n) for c, items in sorted(scene['catalogs'].items()) if c != 'elsewhere' for n in range(len(items))]
    if not places:
        return None
    c, n = rnd.choice(places)
    scene = copy.deepcopy(scene)
    scene['spoilt'] = True
    item = scene['catalogs'][c][n]
    name = nfc(item['name'])
    how = rnd.choice(['name', 'version', 'whole', 'key', 'key', 'key', 'key', 'condition', 'extra'])
    if how in ('name', 'version') and rnd.random() < 0.5:
        del item[how]
        how = 'no ' + how
    elif how in ('name', 'version'):
        item[how] = rnd.choice([j for j in JUNK if not isinstance(j, str) or not j])
    elif how == 'whole':
        scene['catalogs'][c][n] = rnd.choice(JUNK)
    elif how == 'condition':
        item['installable_condition'] = rnd.choice(scenes.BAD_CONDITIONS)
    elif how == 'extra':
        item['daybreak'] = rnd.choice(JUNK)
    else:
        key = rnd.choice(sorted(k for k in item if k not in ('name', 'version')) +
                         ['requires', 'installs', 'receipts', 'update_for', 'installer_type', 'installed_size', 'OnDemand',
                          'minimum_os_version', 'supported_architectures', 'items_to_copy', 'blocking_applications'])
        # A relation to others that is lost changes their decision by right: only this item's own family may differ.
        item[key] = rnd.choice(JUNK)
        how = 'key ' + key
    return scene, name, '%s: item %d, %s: %s' % (c, n + 1, name, how)


def reordered(program, scene, client, info, rnd):
    other = shuffled(rnd, scene)
    with Folder(other) as folder:
        mixed = decide(program, folder, client)[1]
    if info is None or mixed is None:
        return [] if info is mixed else ['order: only one of two orders of the catalogs is decided']
    a, b = comparable(scene, info), comparable(scene, mixed)
    return list(invariants.differences(a, b, 'order')) or ([] if a == b else ['order: another decision'])


def harmed(program, scene, client, info, rnd):
    if scene['facts']['available_disk_space_kb'] < 1 << 29:
        return []  # everybody hangs on everybody there
    made = spoilt(rnd, scene)
    if not made:
        return []
    bad, name, how = made
    with Folder(bad) as folder:
        got, found = examine(program, bad, client, folder, False)
    if info is not None and got is not None:
        family = invariants.relatives(scene, name) | invariants.relatives(bad, name)
        a, b = invariants.outside(info, family), invariants.outside(got, family)
        found += invariants.differences(a, b, 'others')
    elif info is not None and not found:
        found.append('no decision any more')
    return ['spoilt %s: %s' % (how, s) for s in found]


def trial(program, scene, rnd):
    """All complaints about a scene: (client, sentence). What is dear is done for one client."""
    found, decisions = [], {}
    chosen = rnd.choice(scene['clients'])
    with Folder(scene) as folder:
        for client in scene['clients']:
            decisions[client], said = examine(program, scene, client, folder, client == chosen)
            found += [(client, s) for s in said]
    for more in (reordered, harmed):
        if not found:
            found += [(chosen, s) for s in more(program, scene, chosen, decisions[chosen], rnd)]
    return found


# --- making it smaller -------------------------------------------------------------------------------------------

def kind(sentence):
    """The first word of what matters: what a smaller scene must still show."""
    words = sentence.split(': ')
    return 'spoilt' if words[0].startswith('spoilt') else words[0]


def smaller(scene):
    """Scenes with one thing less, the big things first."""
    def without(change):
        other = copy.deepcopy(scene)
        change(other)
        return other

    for client in scene['clients']:
        if len(scene['clients']) > 1:
            yield without(lambda s, c=client: s.update(clients=[c]))
    for name in sorted(scene['manifests']):
        if name not in scene['clients']:
            def drop(s, name=name):
                del s['manifests'][name]
                for m in s['manifests'].values():
                    walk_manifest(m, name)
            yield without(drop)
    for key in ('selfserve', 'local'):
        if scene[key] is not None:
            yield without(lambda s, k=key: s.update({k: None}))
    for c in sorted(scene['catalogs']):
        for n in range(len(scene['catalogs'][c])):
            yield without(lambda s, c=c, n=n: s['catalogs'][c].pop(n))
    for path in [('catalogs',), ('manifests',), ('selfserve',), ('local',), ('files',), ('receipts',), ('prefs',)]:
        for way in ways(scene[path[0]], path):
            yield without(lambda s, w=way: prune(s, w))


def walk_manifest(m, name):
    if name in m.get('included_manifests', []):
        m['included_manifests'].remove(name)
    for inner in m.get('conditional_items', []):
        walk_manifest(inner, name)


def ways(value, path):
    if isinstance(value, dict):
        for k in sorted(value):
            if not (len(path) == 3 and path[0] == 'catalogs' and k in ('name', 'version')) and \
                    not (len(path) == 1 and path[0] in ('catalogs', 'manifests')):
                yield path + (k,)
            yield from ways(value[k], path + (k,))
    elif isinstance(value, list):
        for n in range(len(value)):
            if len(path) != 2 or path[0] != 'catalogs':
                yield path + (n,)
            yield from ways(value[n], path + (n,))


def prune(scene, way):
    at = scene
    for step in way[:-1]:
        at = at[step]
    del at[way[-1]]


def shrink(program, scene, found, seed, deadline):
    want = kind(found[0][1])
    scene = dict(copy.deepcopy(scene), clients=[found[0][0]])
    best = found
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for other in smaller(scene):
            if time.monotonic() > deadline:
                break
            try:
                now = trial(program, other, random.Random(seed))
            except (KeyError, IndexError, TypeError, AttributeError):
                continue  # the model does not know such a scene
            now = [f for f in now if kind(f[1]) == want]
            if now:
                scene, best, progress = other, now, True
                break
    return scene, best


def show(scene):
    """The scene as it is written, without what is empty."""
    parts = {k: scene[k] for k in ('catalogs', 'manifests', 'selfserve', 'local', 'files', 'receipts', 'prefs') if scene[k]}
    parts['files'] = {k: v if v is not None else '' for k, v in scene['files'].items()}
    parts['facts'] = scene['facts']
    return plistlib.dumps(parts, sort_keys=False).decode()


# --- the run -----------------------------------------------------------------------------------------------------

def one(job):
    program, seed, number, patience = job
    name = '%d:%d' % (seed, number)
    scene = scenes.generate(random.Random(name))
    try:
        found = trial(program, scene, random.Random(name))
    except Exception as e:  # of the test itself: it must be seen, with its seed
        return number, ['the test itself: %s: %s' % (type(e).__name__, e)], ''
    if not found:
        return number, [], ''
    scene, best = shrink(program, scene, found, name, time.monotonic() + patience)
    return number, ['%s: %s' % f for f in found[:6]] + ['in the small one: %s: %s' % f for f in best[:6]], show(scene)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    p.add_argument('--program', default=os.path.join(PROJECT, 'build', 'daybreak'))
    p.add_argument('--seed', type=int, default=int(os.environ.get('SEED') or int(time.time())))
    p.add_argument('--count', type=int, help='this many scenes')
    p.add_argument('--first', type=int, default=0, help='number of the first scene')
    p.add_argument('--seconds', type=float, default=600 if os.environ.get('SWEEP') else 15)
    p.add_argument('--jobs', type=int, default=2)
    options = p.parse_args()
    program = os.path.abspath(options.program)
    patience = 60 if options.count else max(20, options.seconds)
    print('property: seed %d (property.py --seed %d --first N --count 1 repeats scene N)' % (options.seed, options.seed))
    sys.stdout.flush()
    start, passed, failed = time.monotonic(), 0, 0

    def jobs():
        number = options.first
        while options.count is None and time.monotonic() - start < options.seconds or \
                options.count is not None and number < options.first + options.count:
            yield program, options.seed, number, patience
            number += 1

    with multiprocessing.Pool(options.jobs) as pool:
        source, waiting = jobs(), []
        while True:
            while len(waiting) < 2 * options.jobs and failed < 5:
                job = next(source, None)
                if job is None:
                    break
                waiting.append(pool.apply_async(one, (job,)))
            if not waiting:
                break
            number, found, text = waiting.pop(0).get()
            passed, failed = passed + (not found), failed + bool(found)
            if found:
                print('FAILED scene %d of seed %d' % (number, options.seed))
                for s in found:
                    print('  ' + s)
                print(text)
                sys.stdout.flush()
    print('%d passed, %d failed, 0 skipped' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
