#!/usr/bin/env python3
"""The world made to fail: kills at random moments, cuts of one item, dead and lying helpers, errors of the system.

fault.py [--program build/daybreak] [--only WORD]; SEED picks the moments, SWEEP=1 does all of them.
"""
import argparse
import os
import plistlib
import random
import shutil
import signal
import subprocess
import sys
import time

import lib
from lib import wait_for

OWN = ('Library/Daybreak', 'private/var/log')


def demo_repo(w):
    repo = w.folder + '/demo'
    subprocess.run(['sh', lib.TOP + '/tests/demo/repo.sh', w.program, repo], check=True, capture_output=True)
    return repo


def demo_mac(w, repo, name):
    mac = w.mac('file://' + repo, name)
    mac.facts.update(os_vers='10.15.7', arch='x86_64')
    app = mac.path('Applications/Agent.app/Contents')
    os.makedirs(app)
    with open(app + '/Info.plist', 'wb') as f:
        plistlib.dump({'CFBundleIdentifier': 'com.example.agent', 'CFBundleName': 'Agent',
                       'CFBundleShortVersionString': '4.0'}, f)
    return mac


def kill_after(mac, seconds):
    """Start a run and kill -9 the agent alone after that time. True: it was still running."""
    p = subprocess.Popen(mac.argv('run', '--scripts', 'run'), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    try:
        p.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        return True


def test_kill_at_random_moments(w):
    """kill -9 of the agent at twenty moments, one new run each: the same world as undisturbed"""
    repo = demo_repo(w)
    mac = demo_mac(w, repo, 'undisturbed')
    start = time.monotonic()
    r = mac.run('--scripts', 'run')
    length = time.monotonic() - start
    assert r.code == 2, r
    want = lib.snapshot(mac.root, OWN)
    assert len(want) > 50
    rng = random.Random(lib.seed())
    moments = [rng.uniform(0, 0.03 if n % 4 == 3 else length) for n in range(20)]  # folders are made early
    killed = 0
    for n, moment in enumerate(moments[:lib.sampled(20, 8)]):
        mac = demo_mac(w, repo, 'killed%d' % n)
        killed += kill_after(mac, moment)
        r = mac.run('--scripts', 'run')
        rows = lib.difference(want, lib.snapshot(mac.root, OWN))
        assert r.code == 2 and not rows, 'killed after %.3f s of %.3f s (seed %d): exit %d\n%s\n%s\n%s' % (
            moment, length, lib.seed(), r.code, '\n'.join(rows), r, mac.log()[-4000:])
        staging = mac.path('Library/Daybreak/Staging')
        assert not os.path.isdir(staging) or os.listdir(staging) == [], os.listdir(staging)
        shutil.rmtree(mac.folder)
    print('killed %d runs of %d at moments of the seed' % (killed, len(moments)))


CHANGES = ('mkdirat', 'renameat', 'unlinkat', 'linkat', 'symlinkat', 'fchmod', 'fchmodat', 'fchown', 'fchownat', 'ftruncate',
           'utimensat', 'fsync', 'fdatasync', 'write', 'openat')


def traced(mac, *how):
    argv = ['strace', '-qq'] + list(how) + mac.argv('run', '--scripts', 'run')
    r = subprocess.run(argv, capture_output=True, text=True, timeout=lib.DEADLINE)
    if 'attach' in r.stderr and 'Operation not permitted' in r.stderr:
        raise lib.Skip('strace may not trace here')
    return r


def test_kill_before_a_change(w):
    """kill -9 of the agent just before it changes something, one new run each: the same world as undisturbed"""
    if not shutil.which('strace'):
        raise lib.Skip('strace is not installed')
    repo = demo_repo(w)
    mac = demo_mac(w, repo, 'undisturbed')
    r = traced(mac, '-o', w.folder + '/calls', '-e', 'trace=' + ','.join(CHANGES))
    assert r.returncode == 2, r.stderr
    want = lib.snapshot(mac.root, OWN)
    seen, points = dict.fromkeys(CHANGES, 0), []
    with open(w.folder + '/calls', errors='replace') as f:
        for line in f:
            call = line.split('(')[0]
            if call in seen:
                seen[call] += 1
                if call != 'openat' or 'O_CREAT' in line:
                    points.append((call, seen[call]))
    assert len(points) > 300, seen
    random.Random(lib.seed() + 3).shuffle(points)
    killed = 0
    for call, n in points[:lib.sampled(len(points), 5)]:
        mac = demo_mac(w, repo, 'killed')
        r = traced(mac, '-o', '/dev/null', '-e', 'trace=' + call, '-e', 'inject=%s:signal=KILL:when=%d' % (call, n))
        killed += r.returncode == -signal.SIGKILL
        r = mac.run('--scripts', 'run')
        rows = lib.difference(want, lib.snapshot(mac.root, OWN))
        assert r.code == 2 and not rows, 'killed before %s number %d: exit %d\n%s\n%s\n%s' % (
            call, n, r.code, '\n'.join(rows), r, mac.log()[-4000:])
        staging = mac.path('Library/Daybreak/Staging')
        assert not os.path.isdir(staging) or os.listdir(staging) == [], os.listdir(staging)
        shutil.rmtree(mac.folder)
    assert killed > 0
    print('killed %d runs of %d' % (killed, lib.sampled(len(points), 5)))


def test_kill_twice(w):
    """a second kill during the recovery changes nothing"""
    repo = demo_repo(w)
    mac = demo_mac(w, repo, 'undisturbed')
    start = time.monotonic()
    mac.run('--scripts', 'run')
    length = time.monotonic() - start
    want = lib.snapshot(mac.root, OWN)
    rng = random.Random(lib.seed() + 1)
    for n in range(lib.sampled(8, 2)):
        mac = demo_mac(w, repo, 'killed%d' % n)
        for _ in range(2):
            kill_after(mac, rng.uniform(0, length))
        r = mac.run('--scripts', 'run')
        rows = lib.difference(want, lib.snapshot(mac.root, OWN))
        assert r.code == 2 and not rows, '%s\n%s' % ('\n'.join(rows), r)
        shutil.rmtree(mac.folder)


STUCK = '#!/bin/sh\n[ -e "$3/gone" ] && exit 0\nmkfifo "$3/go" 2>/dev/null\necho $$ >"$3/started"\nread line <"$3/go"\n: >"$3/gone"\nexit 0\n'


def test_three_cuts_are_one_failure(w):
    """an item whose install was cut three times is a named failure, and not tried again"""
    w.repo.simple('Panic', scripts={'postinstall': STUCK})
    w.repo.simple('Other')
    w.repo.publish('Panic', 'Other')
    mac = w.mac()
    for _ in range(3):
        if os.path.exists(mac.path('started')):
            os.unlink(mac.path('started'))
        p = subprocess.Popen(mac.argv('run', '--scripts', 'run'), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(mac.path('started')) and os.path.getsize(mac.path('started')) > 0)
        p.kill()
        p.wait()
        with open(mac.path('started')) as f:
            os.kill(int(f.read()), signal.SIGKILL)
    r = mac.run('--scripts', 'run')
    assert r.code == 2, r
    f = mac.failure('Panic')
    assert f['cause'] == 'loop' and 'Panic' in f['message'] and 'cut off' in f['message'], f
    assert mac.states()['Other'] == 'success'


def test_a_script_that_outlives_its_run_is_waited_for(w):
    """the next run begins an item only when the script of the dead run has ended"""
    w.repo.simple('Slow', scripts={'postinstall': STUCK})
    w.repo.publish('Slow')
    mac = w.mac()
    p = subprocess.Popen(mac.argv('run', '--scripts', 'run'), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists(mac.path('started')) and os.path.getsize(mac.path('started')) > 0)
    p.kill()
    p.wait()
    q = mac.start('run', '--scripts', 'run')
    wait_for(lambda: mac.status()['state'] == 'waiting' and mac.status()['run'])
    assert q.poll() is None
    open(mac.path('go'), 'w').close()
    out, err = q.communicate(timeout=lib.DEADLINE)
    assert q.returncode == 0, lib.Result(q.returncode, out, err)
    assert mac.states() == {'Slow': 'success'}


def children(pid):
    out = subprocess.run(['ps', '-o', 'pid=,ppid=,args=', '-A'], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in out.splitlines()]
    return [(int(r[0]), r[2]) for r in rows if len(r) == 3 and int(r[1]) == pid]


def test_a_killed_worker_is_a_failed_item(w):
    """kill -9 of the worker: its item fails, the others do not, nothing is left"""
    w.repo.simple('Big', files={'Library/Big/%d' % i: os.urandom(200000) for i in range(400)})
    w.repo.simple('Other')
    w.repo.publish('Big', 'Other')
    mac = w.mac()
    for _ in range(20):
        p = mac.start('run')
        hit = []

        def worker():
            hit.extend(c for c in children(p.pid) if '--worker' in c[1])
            return hit or p.poll() is not None
        wait_for(worker)
        for pid, _args in hit:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                hit = []
        out, err = p.communicate(timeout=lib.DEADLINE)
        if mac.states().get('Big') == 'failed':
            assert p.returncode == 2, lib.Result(p.returncode, out, err)
            assert mac.states()['Other'] == 'success', mac.states()
            assert not os.path.exists(mac.path('Library/Big'))
            return
        shutil.rmtree(mac.root)
        os.makedirs(mac.root)
    raise lib.Skip('the worker was always faster than the kill')


def test_system_calls_that_fail(w):
    """strace makes single system calls fail: a sentence and a documented exit code, never a crash, and the next run
    mends it"""
    if not shutil.which('strace'):
        raise lib.Skip('strace is not installed')
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    rng = random.Random(lib.seed() + 2)
    points = [(call, error, n) for call in ('renameat', 'fsync', 'fdatasync', 'write', 'openat', 'mkdirat', 'ftruncate')
              for error in ('EIO', 'ENOSPC') for n in (1, 2, 3, 5, 8, 13, 21, 34)]
    rng.shuffle(points)
    for call, error, n in points[:lib.sampled(len(points), 12)]:
        mac = w.mac(name='m')
        r = traced(mac, '-o', '/dev/null', '-e', 'trace=' + call, '-e', 'inject=%s:error=%s:when=%d' % (call, error, n))
        assert r.returncode in (0, 1, 2, 3, 4, 8, 101, 127, 150, 200), '%s %s %d: exit %d\n%s' % (
            call, error, n, r.returncode, r.stdout + r.stderr)
        r2 = mac.run()
        assert r2.code == 0, 'after %s %s %d (exit %d):\n%s\n%s' % (call, error, n, r.returncode, r.stderr, r2)
        assert os.path.exists(mac.path('Library/Alpha/file'))
        shutil.rmtree(mac.folder)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    print('seed %d' % lib.seed())
    sys.exit(lib.main(dict(globals()), 'fault', a.only, os.path.abspath(a.program)))
