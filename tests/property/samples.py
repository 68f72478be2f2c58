#!/usr/bin/env python3
"""Real Munki repositories through the shipped program: every manifest as the client, on four Macs; why for every item.

usage: samples.py [--program FILE] [--shared DIR] [-v]

The program must end with a documented exit code, without a word from a sanitizer; say each sentence once, and one
that names the manifest where there is no decision; write a property list that another reader reads; and decide what
model.py decides. With -v prints all that is said. Prints "N passed, N failed, N skipped".
"""
import argparse
import collections
import os
import plistlib
import shutil
import subprocess
import sys
import tempfile
import xml.parsers.expat

import invariants
from property import FAST, PROJECT, plain
from model import Model, NoDecision, TooDeep, nfc

MACS = [('10.13.6', 'x86_64'), ('11.7', 'x86_64'), ('14.5', 'arm64'), ('15.4.1', 'arm64')]
CODES = {'check': (0, 8), 'why': (0, 1, 8)}
TIME_LIMIT = 120


def load(path):
    try:
        with open(path, 'rb') as f:
            return plistlib.loads(f.read().strip())
    except (plistlib.InvalidFileException, xml.parsers.expat.ExpatError, ValueError, OSError):
        return None


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, fs in os.walk(folder) for f in fs)


def repositories(folder):
    """Every folder with manifests and catalogs."""
    for d, dirs, _ in sorted(os.walk(folder)):
        if 'manifests' in dirs and 'catalogs' in dirs:
            yield d


class Samples:
    def __init__(self, options):
        self.program, self.verbose = os.path.abspath(options.program), options.verbose
        self.passed = self.failed = 0
        self.folder = tempfile.mkdtemp(prefix='daybreak-samples-', dir=FAST if os.access(FAST, os.W_OK) else None)

    def run(self, command, words, facts, repo, client):
        root = os.path.join(self.folder, 'root')
        shutil.rmtree(root, ignore_errors=True)
        os.mkdir(root)
        with open(os.path.join(self.folder, 'facts'), 'wb') as f:
            plistlib.dump(facts, f)
        line = [self.program, command] + words + ['--root', root, '--facts', os.path.join(self.folder, 'facts'),
                                                  '--repo', 'file://' + repo, '--id', client]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=TIME_LIMIT, check=False)
        said = done.stderr.decode('utf-8', 'replace').splitlines()
        found = []
        if done.returncode not in CODES[command]:
            found.append('exit code %d' % done.returncode)
        found += ['a sanitizer: %s' % s for s in said if 'Sanitizer' in s or 'runtime error' in s]
        found += ['said %d times: %s' % (n, s) for s, n in collections.Counter(said).items() if n > 1]
        if done.returncode == 8 and not any(s.startswith('ERROR') and client in s for s in said):
            found.append('no decision, and no sentence that names the manifest: %s' % said)
        return done.returncode, done.stdout.decode('utf-8', 'replace'), said, found

    def report(self, what, found, out, said):
        self.passed += not found
        self.failed += bool(found)
        for s in found:
            print('FAILED %s: %s' % (what, s))
        if self.verbose:
            print('\n'.join(['== ' + what] + out.splitlines() + said))

    def check(self, repo, client, scene):
        out = os.path.join(self.folder, 'out')
        if os.path.exists(out):
            os.unlink(out)
        code, printed, said, found = self.run('check', ['--output', out], scene['facts'], repo, client)
        info = load(out) if os.path.exists(out) else None
        if code == 0 and not isinstance(info, dict):
            found.append('no InstallInfo that can be read')
        elif scene['manifests'].get(client) is None or not scene['manifests'][client].get('catalogs'):
            if code != 8:
                found.append('exit code %d where nothing can be decided' % code)
        else:
            try:
                found += invariants.differences(plain(info), plain(Model(scene, client, {}).decide()), 'model')
            except (NoDecision, TooDeep):
                found.append('the model does not decide')
        self.report('%s %s %s' % (repo, client, scene['facts']['os_vers']), found, printed, said)

    def why(self, repo, client, scene, name):
        code, printed, said, found = self.run('why', [name], scene['facts'], repo, client)
        if code == 0 and name not in printed:
            found.append('the answer does not name the item')
        self.report('%s %s why %s' % (repo, client, name), found, printed, said)

    def repository(self, repo):
        scene = {'catalogs': {}, 'manifests': {}, 'files': {}, 'receipts': {}, 'prefs': {}, 'selfserve': None, 'local': None}
        for kind in ('catalogs', 'manifests'):
            for name in files_below(os.path.join(repo, kind)):
                value = load(os.path.join(repo, kind, name))
                if isinstance(value, list if kind == 'catalogs' else dict) or kind == 'manifests':
                    scene[kind][name] = value
        clients = sorted(scene['manifests'])
        for os_vers, arch in MACS:
            scene['facts'] = {'os_vers': os_vers, 'arch': arch, 'machine_type': 'laptop', 'hostname': 'mac',
                              'serial_number': 'C02AAAA', 'script_results': {}, 'available_disk_space_kb': 1 << 30}
            for client in clients:
                self.check(repo, client, scene)
        decided = [c for c in clients if scene['manifests'][c] and scene['manifests'][c].get('catalogs')]
        names = {nfc(i['name']) for items in scene['catalogs'].values() for i in items}
        for name in sorted(names) + ['nothing has this name']:
            self.why(repo, decided[0], scene, name)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    p.add_argument('--program', default=os.path.join(PROJECT, 'build', 'daybreak'))
    p.add_argument('--shared', default=os.environ.get('DAYBREAK_SHARED', os.path.join(PROJECT, '..', 'shared')))
    p.add_argument('-v', '--verbose', action='store_true')
    options = p.parse_args()
    folder = os.path.realpath(os.path.join(options.shared, 'samples', 'munki-repos'))
    if not os.path.isdir(folder):
        print('skipped: real repositories: %s is not there' % folder)
        print('0 passed, 0 failed, 1 skipped')
        return 0
    samples = Samples(options)
    try:
        for repo in repositories(folder):
            samples.repository(repo)
    finally:
        shutil.rmtree(samples.folder)
    if not samples.passed and not samples.failed:
        print('FAILED no repository below %s' % folder)
        samples.failed += 1
    print('%d passed, %d failed, 0 skipped' % (samples.passed, samples.failed))
    return 1 if samples.failed else 0


if __name__ == '__main__':
    sys.exit(main())
