#!/usr/bin/env python3
"""Inputs to begin fuzzing with: seed.py TARGET FOLDER PROGRAM

The packages of tests/hostile, made anew, and the samples, where they are ($DAYBREAK_SHARED, else ../shared): whole for the
targets package and xar, by their members for payload, bom, packageinfo and distribution. Other targets get nothing.
"""
import hashlib
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'hostile'))
import traps  # noqa: E402

LARGEST = 96 * 1024
MEMBERS = {'payload': ('Payload', 'Scripts'), 'bom': ('Bom',), 'packageinfo': ('PackageInfo',), 'distribution': ('Distribution',)}


def put(folder, data):
    if 0 < len(data) <= LARGEST:
        with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), 'wb') as f:
            f.write(data)


def packages():
    for trap in traps.TRAPS:
        if not trap.sweep and 'bomb' not in trap.name:
            yield trap.make(traps.Place('seed', '/tmp/evil'))
    shared = os.environ.get('DAYBREAK_SHARED') or os.path.join(HERE, '..', '..', '..', 'shared')
    for base, _, files in os.walk(os.path.join(shared, 'samples')):
        for name in sorted(files):
            if '.pkg' in name and os.path.getsize(os.path.join(base, name)) <= 8 * LARGEST:
                with open(os.path.join(base, name), 'rb') as f:
                    yield f.read()


def main(target, folder, program):
    os.makedirs(folder, exist_ok=True)
    for data in packages() if target in ('package', 'xar') or target in MEMBERS else ():
        if target in ('package', 'xar'):
            put(folder, data)
            continue
        with tempfile.TemporaryDirectory() as t:
            with open(t + '/p.pkg', 'wb') as f:
                f.write(data)
            if subprocess.run([program, 'pkg', 'extract', '--expand', t + '/p.pkg', t + '/out'], stderr=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False).returncode:
                continue
            for base, _, files in os.walk(t + '/out'):
                for name in files:
                    if name in MEMBERS[target]:
                        with open(os.path.join(base, name), 'rb') as f:
                            put(folder, f.read())


if __name__ == '__main__':
    main(*sys.argv[1:4])
