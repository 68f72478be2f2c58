#!/usr/bin/env python3
"""An InstallApplications bootstrap.json of each dialect, run to its end: bootstrap.py [--program build/daybreak] [--only WORD]"""
import argparse
import hashlib
import json
import os
import plistlib
import re
import signal
import subprocess
import sys

import lib
from lib import answer, expect, read

IA = '/Library/installapplications/'
NOTE = 'echo %s >>"$DAYBREAK_ROOT/said"\n'


def said(mac):
    return read(mac.path('said')).split() if os.path.exists(mac.path('said')) else []


class Boot:
    """A bootstrap.json on a web server, with what it names."""

    def __init__(self, w, server=None):
        self.w, self.server = w, server or w.nginx()
        self.stages = {}

    def write(self, name, data):
        with open(os.path.join(self.w.repo.path, name), 'wb') as f:
            f.write(data)

    def add(self, stage, kind, name, data=None, file=None, **keys):
        """An item whose bytes are data: served, and named by url and hash; None removes a key."""
        file = file or IA + name + ('.pkg' if kind == 'package' else '.sh')
        item = {'type': kind, 'name': name, 'file': file}
        if data is not None:
            served = '%d-%s' % (sum(map(len, self.stages.values())), os.path.basename(file))
            self.write(served, data)
            item.update(url='%s/%s' % (self.server.url, served), hash=hashlib.sha256(data).hexdigest())
        item.update(keys)
        item = {k: v for k, v in item.items() if v is not None}
        self.stages.setdefault(stage, []).append(item)
        return item

    def script(self, stage, name, text='', kind='rootscript', **keys):
        return self.add(stage, kind, name, ('#!/bin/sh\n' + (NOTE % name.replace(' ', '_')) + text).encode(), **keys)

    def package(self, stage, name, version='1.0', receipt=True, **keys):
        with open(os.path.join(self.w.repo.path, 'pkgs', self.w.repo.package(name, version)), 'rb') as f:
            data = f.read()
        if receipt:
            keys = dict({'packageid': 'com.example.' + name.lower(), 'version': version}, **keys)
        return self.add(stage, 'package', name, data, **keys)

    def publish(self, data=None):
        self.write('bootstrap.json', data if data is not None else json.dumps(self.stages).encode())
        return self.server.url + '/bootstrap.json'

    def mac(self, **kw):
        mac = self.w.mac(**kw)
        mac.prefs = {'BootstrapURL': self.publish(), 'DownloadRetries': 0}
        return mac


# --- the dialects ---------------------------------------------------------------------------------------------

def test_python(w):
    """InstallApplications 1 and 2: its every key; the second run does what is still missing, and asks preflight again"""
    b = Boot(w)
    b.script('preflight', 'Preflight', 'exit 1\n')
    b.package('setupassistant', 'Munki', '7.0.4', required=False, retries=2, retrywait=1)
    b.package('setupassistant', 'Rosetta', skip_if='arm64')
    b.script('setupassistant', 'Setup', 'echo "of $0"\n')
    b.package('userland', 'Plain', receipt=False)
    b.script('userland', 'Dock', kind='userscript', donotwait=True)
    b.script('userland', 'Local', donotwait=False)
    for item in b.stages['userland']:
        item['hash'] = item['hash'].upper()
    b.stages['userland'][-1]['hash'] = 'sha256:' + b.stages['userland'][-1]['hash']
    mac = b.mac()
    expect(mac.run('--scripts', 'run'), 0)
    assert mac.states() == {'Preflight': 'success', 'Munki': 'success', 'Rosetta': 'skipped', 'Setup': 'success',
                            'Plain': 'success', 'Dock': 'success', 'Local': 'success'}, mac.states()
    assert sorted(said(mac)) == ['Dock', 'Local', 'Preflight', 'Setup'] and said(mac)[:2] == ['Preflight', 'Setup']
    assert mac.item('Rosetta')['reason'] == 'skip_if: this Mac is arm64' and not os.path.exists(mac.path('Library/Rosetta'))
    assert read(mac.path('Library/Munki/file')) == 'Munki' and read(mac.path('Library/Plain/file')) == 'Plain'
    assert mac.item('Munki')['verified'] and mac.item('Munki')['version'] == '7.0.4' and not mac.item('Setup')['verified']
    assert [i['stage'] for i in mac.status()['items']].count('session') == 3
    assert not os.path.exists(mac.path(IA[1:])), 'nothing is left at file'
    assert mac.status()['manifest'] == 'bootstrap.json' and mac.status()['trust'] == 'http'
    assert 'Setup.sh: of ' in mac.log() and mac.info()['managed_installs'] == [], mac.info()
    assert os.path.exists(mac.path('Library/Daybreak/complete')) and os.path.exists(mac.path('Library/Daybreak/done/setup'))
    assert os.listdir(mac.path('Library/Daybreak/Cache')) == ['.validators']
    names = [r['name'] for r in mac.report()['InstallResults']]
    assert names[:3] == ['Preflight', 'Munki', 'Setup'], names
    first = len(b.server.requests())
    expect(mac.run('--scripts', 'run'), 0)
    assert mac.states()['Setup'] == 'skipped' and mac.item('Setup')['reason'] == 'already run', mac.item('Setup')
    assert mac.item('Plain')['reason'] == 'already installed'
    assert said(mac).count('Preflight') == 2 and len(said(mac)) == 5, said(mac)
    assert len(b.server.requests()) == first + 2, 'the JSON and preflight alone'
    # another script is another version; reset makes the same one run again
    b.stages['setupassistant'].pop()
    b.script('setupassistant', 'Setup', 'true\n')
    b.publish()
    expect(mac.run('--scripts', 'run'), 0)
    assert said(mac).count('Setup') == 2
    expect(mac('reset', 'Dock'), 0)
    expect(mac.run('--scripts', 'run'), 0)
    assert said(mac).count('Dock') == 2 and said(mac).count('Local') == 1


def test_swift(w):
    """installapplications-swiftly: all preflight scripts must exit 0, fail_policy, parallel_group, pkg_required"""
    b = Boot(w)
    b.script('preflight', 'One')
    b.script('preflight', 'Two', 'exit 1\n')
    b.package('setupassistant', 'Alpha', fail_policy='failure_is_not_an_option', parallel_group='A')
    b.package('setupassistant', 'Beta', fail_policy='failable', parallel_group='A', pkg_required=True)
    b.script('userland', 'Fails', 'exit 9\n', kind='userscript', fail_policy='failable_execution')
    b.script('userland', 'After', kind='userscript')
    mac = b.mac()
    expect(mac.run('--scripts', 'run'), 2, 'Fails.sh exited with 9')
    assert mac.states() == {'One': 'success', 'Two': 'success', 'Alpha': 'success', 'Beta': 'success', 'Fails': 'failed',
                            'After': 'success'}, mac.states()
    assert said(mac) == ['One', 'Two', 'Fails', 'After'] and mac.status()['result'] == 'partial'
    assert mac.failure('Fails')['cause'] == 'script' and mac.failure('Fails')['code'] == 9, mac.failure('Fails')
    assert mac.item('Beta')['verified']
    os.unlink(mac.path('private/var/db/receipts/com.example.beta.plist'))     # required: judged by what we did
    expect(mac.run('--scripts', 'run'), 2)
    assert mac.states()['Beta'] == 'skipped' and said(mac)[-1] == 'Fails'
    expect(mac.run('--scripts', 'run', '--force', 'Beta'), 2)
    assert mac.states()['Beta'] == 'success', mac.states()


def test_required_is_installed_over_a_current_receipt(w):
    """by either key, once; without it the receipt is enough"""
    for key in ('required', 'pkg_required'):
        b = Boot(w, w.servers[0] if w.servers else None)
        b.package('setupassistant', key.title().replace('_', ''), **{key: True})
        b.package('setupassistant', 'Not' + key.title().replace('_', ''))
        mac = b.mac(name=key)
        os.makedirs(mac.path('private/var/db/receipts'))
        for item in b.stages['setupassistant']:
            with open(mac.path('private/var/db/receipts/%s.plist' % item['packageid']), 'wb') as f:
                plistlib.dump({'PackageIdentifier': item['packageid'], 'PackageVersion': '1.0', 'InstallPrefixPath': '/'}, f)
        expect(mac.run(), 0)
        assert sorted(mac.states().values()) == ['skipped', 'success'], mac.states()
        assert mac.states()[b.stages['setupassistant'][0]['name']] == 'success', mac.states()


def test_go(w):
    """go-installapplications: files, stages that are not there, no hash with the administrator's leave"""
    b = Boot(w)
    b.add('setupassistant', 'rootfile', 'Config', b'{"a": 1}\n', file='/Library/Example/deep/config.json')
    b.add('userland', 'userfile', 'Welcome', b'#!/bin/sh\n', file='/Users/Shared/welcome.command')
    b.script('userland', 'Go', kind='userscript', hash=None)
    b.package('userland', 'Alpha', parallel_group='A', hash=None, retries=0, fail_policy='failable')
    mac = b.mac()
    expect(mac.run('--scripts', 'run'), 3, 'Go.sh has no hash in bootstrap.json: add hash, or allow it with AllowMissingHash')
    assert mac.states() == {'Config': 'success', 'Welcome': 'success', 'Go': 'failed', 'Alpha': 'blocked'}, mac.states()
    assert mac.failure('Go')['cause'] == 'hash' and said(mac) == []
    mac.prefs['AllowMissingHash'] = True
    expect(mac.run('--scripts', 'run'), 2, 'Go.sh is not proved: bootstrap.json has no hash for it', 'Alpha.*has no hash')
    assert mac.states() == {'Config': 'skipped', 'Welcome': 'skipped', 'Go': 'success', 'Alpha': 'failed'}, mac.states()
    assert not os.path.exists(mac.path('Library/Alpha')), 'nothing proves it'
    b.stages['userland'].pop()
    b.package('userland', 'Alpha', fail_policy='failable', parallel_group='A', retries=0)
    b.publish()
    expect(mac.run('--scripts', 'run'), 0)
    assert mac.item('Config')['reason'] == 'already there'
    assert read(mac.path('Library/Example/deep/config.json')) == '{"a": 1}\n' and said(mac) == ['Go']
    modes = {p: os.stat(mac.path(p)).st_mode & 0o7777 for p in
             ('Library/Example/deep', 'Library/Example/deep/config.json', 'Users/Shared/welcome.command')}
    assert list(modes.values()) == [0o755, 0o644, 0o755], modes
    # what was changed on the Mac is put right, and nothing else is done
    with open(mac.path('Library/Example/deep/config.json'), 'w') as f:
        f.write('changed')
    expect(mac.run('--scripts', 'run'), 0)
    assert read(mac.path('Library/Example/deep/config.json')) == '{"a": 1}\n' and said(mac) == ['Go']
    assert mac.states() == {'Config': 'success', 'Welcome': 'skipped', 'Go': 'skipped', 'Alpha': 'skipped'}, mac.states()


# --- preflight ------------------------------------------------------------------------------------------------

def test_preflight_ends_the_rest(w):
    """exit 0: nothing else is downloaded or done, and the Mac counts as done; until preflight says otherwise"""
    b = Boot(w)
    b.script('preflight', 'Preflight', '[ -e "$DAYBREAK_ROOT/done-already" ]\n')
    b.package('setupassistant', 'Alpha')
    b.script('userland', 'Beta')
    mac = b.mac()
    open(mac.path('done-already'), 'w').close()
    expect(mac.run('--scripts', 'run'), 0)
    assert mac.states() == {'Preflight': 'success', 'Alpha': 'skipped', 'Beta': 'skipped'}, mac.states()
    assert mac.item('Beta')['reason'] == 'preflight says that nothing is to be done'
    assert [p for _, p, _ in b.server.requests()] == ['/bootstrap.json', '/0-Preflight.sh'], b.server.requests()
    assert os.path.exists(mac.path('Library/Daybreak/complete')) and mac.info()['managed_installs'] == []
    os.unlink(mac.path('done-already'))
    expect(mac.run('--scripts', 'run'), 0)
    assert mac.states() == {'Preflight': 'success', 'Alpha': 'success', 'Beta': 'success'}, mac.states()


def test_preflight_that_proves_nothing(w):
    """killed, or not started: it has not said that nothing is to be done; not downloaded: the rest is not begun"""
    b = Boot(w)
    pre = b.script('preflight', 'Preflight', 'kill -KILL $$\n', donotwait=True)
    b.script('setupassistant', 'Alpha')
    mac = b.mac()
    expect(mac.run('--scripts', 'run'), 2, 'killed by signal 9')
    assert mac.states() == {'Preflight': 'failed', 'Alpha': 'success'}, mac.states()
    pre['url'] += '.gone'
    b.publish()
    mac = b.mac(name='other')
    expect(mac.run('--scripts', 'run'), 3, 'Preflight.*404')
    assert mac.states() == {'Preflight': 'failed', 'Alpha': 'blocked'} and said(mac) == []
    pre['fail_policy'] = 'failable'
    mac = b.mac(name='third')
    expect(mac.run('--scripts', 'run'), 2)
    assert mac.states() == {'Preflight': 'failed', 'Alpha': 'success'}, mac.states()


# --- failures -------------------------------------------------------------------------------------------------

def test_every_policy_with_every_failure(w):
    """what does not arrive, what arrives wrong, what cannot be run: each policy says whether the rest is begun"""
    b = Boot(w)
    kinds = {'missing': dict(url=b.server.url + '/none.sh'), 'wrong': dict(hash='0' * 64), 'exit': {}, 'killed': {},
             'refused': dict(type='profile'), 'broken': dict(type='package', file=IA + 'x.pkg')}
    arrives = {'missing': False, 'wrong': False}
    number = 0
    for policy in (None, 'failable', 'failable_execution', 'failure_is_not_an_option', 'failureIsNotAnOption'):
        for kind, keys in kinds.items():
            b.stages = {}
            text = {'exit': 'exit 7\n', 'killed': 'kill -TERM $$\n'}.get(kind, '')
            b.script('setupassistant', 'First', text, fail_policy=policy, **{k: v for k, v in keys.items() if k == 'hash'})
            b.stages['setupassistant'][0].update(keys, retries=1, retrywait=1)
            b.script('setupassistant', 'Second')
            b.script('userland', 'Third')
            number += 1
            mac = b.mac(name='mac%d' % number)
            r = mac.run('--scripts', 'run', '--clock', w.clock().path)
            strict = (policy or '').lower().startswith('failurei') or (policy or '').startswith('failure_is')
            ends = strict or (policy in (None, 'failable_execution') and not arrives.get(kind, True))
            expected = {'First': 'failed', 'Second': 'blocked' if ends else 'success', 'Third': 'blocked' if ends else 'success'}
            assert mac.states() == expected, (policy, kind, mac.states(), str(r))
            assert r.code == (3 if ends else 2) and mac.status()['exit_code'] == r.code, (policy, kind, str(r))
            if ends:
                assert re.search('not begun: First failed', mac.failure('Second')['message']), mac.failure('Second')
                assert mac.failure('Second')['cause'] == 'dependency'
            assert not os.path.exists(mac.path('Library/Daybreak/complete'))


def test_a_failure_is_put_right(w):
    """nothing is thrown away: the next run does the rest, and attempts are counted"""
    b = Boot(w)
    b.script('setupassistant', 'First', '[ -e "$DAYBREAK_ROOT/good" ]\n', fail_policy='failure_is_not_an_option')
    b.script('setupassistant', 'Second')
    mac = b.mac()
    for i in range(3):
        expect(mac.run('--scripts', 'run'), 3)
    expect(mac.run('--scripts', 'run'), 3, '3 attempts so far')
    assert said(mac) == ['First'] * 3
    open(mac.path('good'), 'w').close()
    expect(mac('reset', 'First'), 0)
    expect(mac.run('--scripts', 'run'), 0)
    assert said(mac) == ['First'] * 4 + ['Second'], said(mac)
    assert mac.states() == {'First': 'success', 'Second': 'success'}, mac.states()


def test_retries(w):
    """bytes that are wrong come right at the third time, after the pauses that retrywait says, in virtual time"""
    served = []
    right = b'#!/bin/sh\necho right >>"$DAYBREAK_ROOT/said"\n'

    def flaky(h):
        served.append(h.path)
        return answer(200, right if len(served) == 3 else b'#!/bin/sh\nrm -rf /\n')(h)

    def down(h):
        served.append(h.path)
        return answer(503)(h)
    server = w.liar({'/flaky': flaky, '/down': down})
    b = Boot(w, server)
    b.add('setupassistant', 'rootscript', 'Flaky', url=server.url + '/flaky', hash=hashlib.sha256(right).hexdigest(),
          retries=3, retrywait=40)
    mac = b.mac()
    clock = w.clock()
    expect(mac.run('--scripts', 'run', '--clock', clock.path), 0)
    assert said(mac) == ['right'] and len(served) == 3 and 80000 <= clock.passed < 90000, (served, clock.passed)
    del served[:]
    b.stages = {}
    b.add('setupassistant', 'rootscript', 'Down', url=server.url + '/down', hash='1' * 64, retries=2, retrywait=30)
    clock = w.clock()
    mac = b.mac(name='other')
    expect(mac.run('--scripts', 'run', '--clock', clock.path), 3)
    assert len(served) == 3 and 60000 <= clock.passed < 70000, (served, clock.passed)
    del served[:]
    b.stages['setupassistant'][0].update(url=server.url + '/flaky', retries=1, retrywait=1)   # twice wrong, and no more
    mac = b.mac(name='third')
    expect(mac.run('--scripts', 'run', '--clock', w.clock().path), 3, 'hash is [0-9a-f]{64}, expected 1{64}')
    assert len(served) == 2 and said(mac) == []


# --- stages ---------------------------------------------------------------------------------------------------

def test_userland_waits_for_a_user(w):
    """nobody at the desktop: deferred, exit 4; somebody: done; setupassistant is not done twice"""
    b = Boot(w)
    b.script('setupassistant', 'Setup')
    b.script('userland', 'Root')
    b.script('userland', 'User', kind='userscript')
    mac = b.mac()
    mac.facts['console_user'] = ''
    expect(mac.run('--scripts', 'run'), 4)
    assert mac.states() == {'Setup': 'success', 'Root': 'deferred', 'User': 'deferred'}, mac.states()
    assert mac.item('User')['reason'] == "waits for a user's session: next login"
    assert not os.path.exists(mac.path('Library/Daybreak/complete'))
    mac.facts['console_user'] = 'jane'
    expect(mac.run('--scripts', 'run', '--auto'), 0)
    assert mac.states() == {'Setup': 'skipped', 'Root': 'success', 'User': 'success'}, mac.states()
    assert said(mac) == ['Setup', 'Root', 'User'] and mac.status()['exit_code'] == 0
    events = [json.loads(line) for line in read(mac.path('private/var/log/daybreak/events.jsonl')).splitlines()]
    phases = [e['phase'] for e in events if e['run'] == mac.status()['run']]
    assert phases.index('session') < phases.index('final') and 'setup' not in phases, phases


def test_skip_if(w):
    """on both architectures, each item type, both spellings"""
    for arch, here in (('arm64', 'x86_64'), ('x86_64', 'arm64')):
        b = Boot(w, w.servers[0] if w.servers else None)
        b.script('setupassistant', 'arm64', skip_if='apple_silicon')
        b.script('setupassistant', 'x86_64', skipIf='intel')
        b.add('setupassistant', 'rootfile', 'Neither', b'x', file='/Library/x', skip_if='arm64, x86_64')
        mac = b.mac(name=arch)
        mac.facts['arch'] = arch
        expect(mac.run('--scripts', 'run'), 0)
        assert said(mac) == [here] and not os.path.exists(mac.path('Library/x')), said(mac)


# --- scripts --------------------------------------------------------------------------------------------------

def test_scripts_that_nobody_waits_for(w):
    """donotwait: the next item is begun while it works; its end is its outcome all the same"""
    b = Boot(w)
    fifo = 'mkfifo "$DAYBREAK_ROOT/fifo" 2>/dev/null\n'
    b.script('setupassistant', 'Background', fifo + 'read x <"$DAYBREAK_ROOT/fifo"\necho "got $x"\nexit 5\n', donotwait=True)
    b.script('setupassistant', 'Next', fifo + 'echo go >"$DAYBREAK_ROOT/fifo"\n')
    mac = b.mac()
    expect(mac.run('--scripts', 'run'), 2, 'Background.sh exited with 5')
    assert mac.states() == {'Background': 'failed', 'Next': 'success'} and 'Background.sh: got go' in mac.log()
    assert not [n for n in os.listdir(mac.path('Library/Daybreak')) if n.startswith('script-')]
    b.stages['setupassistant'][0]['fail_policy'] = 'failure_is_not_an_option'   # noticed when it ends
    mac = b.mac(name='other')
    expect(mac.run('--scripts', 'run'), 3)


def test_a_script_that_does_not_end(w):
    """is ended after ItemTimeout, waited for or not, in virtual time"""
    for wait in (False, True):
        b = Boot(w, w.servers[0] if w.servers else None)
        b.script('setupassistant', 'Hangs', 'mkfifo "$DAYBREAK_ROOT/never"\nread x <"$DAYBREAK_ROOT/never"\n', donotwait=not wait)
        b.script('setupassistant', 'Next')
        mac = b.mac(name='mac%d' % wait)
        mac.prefs['ItemTimeout'] = 900
        clock = w.clock()
        p = mac.start('run', '--scripts', 'run', '--clock', clock.path)
        lib.wait_for(lambda: os.path.exists(mac.path('never')))
        clock.advance(899)
        assert p.poll() is None
        clock.advance(20)
        out, err = p.communicate(timeout=lib.DEADLINE)
        assert p.returncode == 2 and 'no end after 900' in err, lib.Result(p.returncode, out, err)
        assert mac.states() == {'Hangs': 'failed', 'Next': 'success'}, mac.states()


def test_killed_in_mid_script(w):
    """the attempt counts, the next run waits for nobody and runs it again"""
    b = Boot(w)
    b.script('setupassistant', 'Long', 'if mkfifo "$DAYBREAK_ROOT/fifo" 2>/dev/null; then read x <"$DAYBREAK_ROOT/fifo"; fi\n')
    b.script('setupassistant', 'Next')
    mac = b.mac()
    p = mac.start('run', '--scripts', 'run')
    lib.wait_for(lambda: os.path.exists(mac.path('fifo')))
    p.kill()
    p.wait()
    with open(mac.path('fifo'), 'w') as f:
        f.write('go\n')
    expect(mac.run('--scripts', 'run'), 0)
    assert said(mac) == ['Long', 'Long', 'Next'] and mac.item('Long')['attempt'] == 2, mac.item('Long')
    p.communicate()


def test_scripts_are_skipped_and_run_later(w):
    """--scripts skip, the default elsewhere than on /: said, and not taken for done"""
    b = Boot(w)
    b.script('preflight', 'Preflight')
    b.script('setupassistant', 'Script', donotwait=True)
    b.package('setupassistant', 'Alpha')
    mac = b.mac()
    expect(mac.run(), 0)
    assert mac.states() == {'Preflight': 'skipped', 'Script': 'skipped', 'Alpha': 'success'} and said(mac) == []
    assert mac.item('Script')['reason'] == 'scripts skipped'
    b.stages.pop('preflight')
    b.publish()
    expect(mac.run('--scripts', 'run'), 0)
    assert mac.states() == {'Script': 'success', 'Alpha': 'skipped'} and said(mac) == ['Script']


def test_scripts_that_are_there_already(w):
    """no url: the file on the Mac, proved by its hash, or root's alone with the administrator's leave"""
    text = '#!/bin/sh\n' + NOTE % 'local'
    good = hashlib.sha256(text.encode()).hexdigest()

    def go(name, hash=good, mode=0o755, allow=False, kind='file'):
        b = Boot(w, w.servers[0] if w.servers else None)
        b.add('setupassistant', 'rootscript', 'Local', hash=hash)
        mac = b.mac(name=name)
        mac.prefs['AllowMissingHash'] = allow
        path = mac.path(IA[1:] + 'Local.sh')
        if kind != 'none':
            lib.program(path, NOTE % 'local', mode)
        if kind == 'link':
            os.rename(path, path + '.real')
            os.symlink(path + '.real', path)
        return mac.run('--scripts', 'run'), mac
    r, mac = go('good')
    expect(r, 0)
    assert said(mac) == ['local']
    for name, keys, why in (('wrong', dict(hash='0' * 64), 'its SHA-256 is not what the JSON says'),
                            ('nohash', dict(hash=None), 'Local.sh has no hash in bootstrap.json'),
                            ('none', dict(kind='none'), 'No such file'),
                            ('link', dict(kind='link'), 'Local.sh'),
                            ('loose', dict(hash=None, allow=True, mode=0o777), 'can be changed by others than root')):
        r, mac = go(name, **keys)
        expect(r, 3, why)
        assert said(mac) == [] and mac.states() == {'Local': 'failed'}, (name, mac.states())
    r, mac = go('allowed', hash=None, allow=True)
    expect(r, 0)
    assert said(mac) == ['local']


def test_a_program_is_no_script(w):
    b = Boot(w)
    b.add('setupassistant', 'rootscript', 'Binary', b'#!\0\xcf\xfa\xed\xfe')
    b.add('setupassistant', 'rootscript', 'Text', b'echo no interpreter\n')
    mac = b.mac()
    expect(mac.run('--scripts', 'run'), 2, 'Binary.sh is no script: a program must come in a package', 'does not begin with "#!"')


def test_the_users_session_is_entered_by_apples_tools(w):
    """launchctl asuser UID sudo -u NAME -H SCRIPT, which the user can read and not change"""
    b = Boot(w)
    b.script('userland', 'User', 'ls -ld "$0" "$(dirname "$0")"\n', kind='userscript')
    b.script('userland', 'Root', 'ls -ld "$0" "$(dirname "$0")"\n')
    mac = b.mac()
    tools = w.folder + '/tools'
    for tool, rest in (('launchctl', 'shift 2\n'), ('sudo', 'shift 3\n')):
        lib.program(tools + '/' + tool, 'echo "%s: $*"\n%sexec "$@"\n' % (tool, rest))
    expect(mac.run('--scripts', 'run', '--tools', tools), 0)
    log = mac.log()
    name = subprocess.run(['id', '-un'], capture_output=True, text=True, check=True).stdout.strip()
    assert re.search(r'User.sh: launchctl: asuser %d %s/sudo -u %s -H \S+/User.sh\n' % (os.getuid(), tools, name), log), log
    assert re.search(r'User.sh: sudo: -u %s -H \S+/User.sh\n' % name, log), log
    assert re.search(r'User.sh: -rwxr-xr-x', log) and re.search(r'User.sh: drwx--x--x', log), log
    assert re.search(r'Root.sh: -rwx------', log) and re.search(r'Root.sh: drwx------', log), log
    assert 'Root.sh: launchctl' not in log


# --- files ----------------------------------------------------------------------------------------------------

def test_files_stay_below_the_root(w):
    """no link is followed, what is no file is not replaced, /var is /private/var"""
    b = Boot(w)
    b.add('setupassistant', 'rootfile', 'Link', b'1', file='/Library/Link/f')
    b.add('setupassistant', 'rootfile', 'Final', b'2', file='/Library/final')
    b.add('setupassistant', 'rootfile', 'Folder', b'3', file='/Library/folder')
    b.add('setupassistant', 'rootfile', 'Var', b'4', file='/var/db/f')
    b.add('setupassistant', 'rootfile', 'Climbs', b'5', file='/Library/../../f')
    b.add('setupassistant', 'rootfile', 'Twice', b'6', file='/Library/a/same.conf')
    b.add('setupassistant', 'rootfile', 'Twice', b'7', file='/Library/b/same.conf')
    mac = b.mac()
    outside = w.folder + '/outside'
    os.makedirs(outside)
    with open(outside + '/kept', 'w') as f:
        f.write('kept')
    os.makedirs(mac.path('Library/folder'))
    os.symlink(outside, mac.path('Library/Link'))
    os.symlink(outside + '/kept', mac.path('Library/final'))
    expect(mac.run(), 2, 'Link', '/Library/final is there and is no file', '/Library/folder is there and is no file',
           'is no path that is written to')
    assert mac.states() == {'Link': 'failed', 'Final': 'failed', 'Folder': 'failed', 'Var': 'success', 'Climbs': 'failed',
                            'Twice': 'success', 'Twice (2)': 'success'}, mac.states()
    assert os.listdir(outside) == ['kept'] and read(outside + '/kept') == 'kept' and not os.path.exists(mac.folder + '/f')
    assert read(mac.path('private/var/db/f')) == '4' and read(mac.path('Library/a/same.conf')) == '6'
    assert read(mac.path('Library/b/same.conf')) == '7'
    left = [n for _, _, files in os.walk(mac.root) for n in files if n.endswith('.daybreak')]
    assert left == [], left


# --- the file itself ------------------------------------------------------------------------------------------

def test_what_is_no_bootstrap_json(w):
    """one sentence with key and item, exit 8; a portal's page is the network's fault, 150; nothing is done"""
    b = Boot(w)
    b.script('setupassistant', 'Alpha')
    mac = b.mac()
    for data, code, sentence in (
            (b'{"setupassistant": [', 8, r'bootstrap.json \(http://127.0.0.1:\d+/bootstrap.json\): line 1: '),
            (b'[]', 8, 'found an array'),
            (b'{"stage1": []}', 8, 'none of preflight, setupassistant and userland'),
            (b'{"userland": [{"name": "X", "url": 5}]}', 8, r'userland\[0\] "X": url: a string is needed, found an integer'),
            (b'{"userland": [{"name": "X", "fail_policy": "often"}]}', 8, 'fail_policy: "often" is none of'),
            (b'{"userland": [], "userland": []}', 8, 'duplicate'),
            (b'<html><body>Sign in</body></html>', 150, 'a web page'),
            (b' ' * (1024 * 1024 + 1), 8, '')):
        b.publish(data)
        expect(mac.run('--scripts', 'run'), code, sentence)
        assert said(mac) == [] and not os.path.exists(mac.path('Library/Daybreak/bootstrap.json'))
    os.unlink(w.repo.path + '/bootstrap.json')
    expect(mac.run(), 8, '404')


def test_what_is_not_known_is_named_in_one_warning(w):
    b = Boot(w)
    b.script('setupassistant', 'Alpha', colour='red', skip_if='amr64')
    b.add('userland', 'profile', 'Wi-Fi', b'x')
    b.stages['comment'] = 'ours'
    b.stages['x-comment'] = 'ours'
    mac = b.mac()
    r = expect(mac.run('--scripts', 'run'), 2, 'type profile is not supported')
    named = [line for line in r.err.splitlines() if 'not known here' in line]
    assert len(named) == 1 and all(t in named[0] for t in (
        'key comment', 'key colour of setupassistant[0] "Alpha"', 'skip_if amr64', 'type profile of userland[0] "Wi-Fi"')), r
    assert 'x-comment' not in named[0] and mac.states() == {'Alpha': 'success', 'Wi-Fi': 'failed'}
    assert any('not known here' in t for t in mac.report()['Warnings'])


def test_trust(w):
    """plain http, an index that this version cannot verify"""
    b = Boot(w)
    b.script('setupassistant', 'Alpha')
    mac = b.mac()
    mac.prefs['RepoPublicKeys'] = ['A' * 44]
    expect(mac.run('--scripts', 'run'), 7, 'RepoPublicKeys is set')
    del mac.prefs['RepoPublicKeys']
    mac.prefs['BootstrapURL'] = 'http://boot.example.invalid/bootstrap.json'
    expect(mac.run(), 7, 'bootstrap files over plain http are refused')
    mac.prefs['AllowInsecureRepo'] = True
    expect(mac.run(), 150, 'DNS', 'bootstrap files come over plain http')
    assert said(mac) == []
    # what the network says must not make this machine read its own files
    b.add('setupassistant', 'rootfile', 'Shadow', b'x', file='/Library/x', url='file:///etc/passwd')
    mac = b.mac(name='other')
    expect(mac.run(), 3, 'bootstrap.json gives no address for x')
    assert not os.path.exists(mac.path('Library/x'))
    # a loose script over plain http, without a hash, needs both leaves
    host = b.server.url.replace('127.0.0.1', 'localhost')
    b.stages = {}
    b.script('setupassistant', 'Loose', hash=None, url=host + '/0-Loose.sh')
    mac = b.mac(name='third')
    mac.prefs.update(AllowMissingHash=True)
    expect(mac.run('--scripts', 'run'), 0)


def test_credentials_stay_with_the_bootstrap_host(w):
    """AdditionalHttpHeaders go to the server of the JSON, not to every server that it names"""
    seen = []

    def note(body):
        def fn(h):
            seen.append((h.server.server_address[1], h.path, h.headers.get('Authorization')))
            return answer(200, body)(h)
        return fn
    script = b'#!/bin/sh\n'
    other = w.liar({'/far.sh': note(script)})
    stages = {}
    server = w.liar({'/near.sh': note(script), '/bootstrap.json': lambda h: note(json.dumps(stages).encode())(h)})
    b = Boot(w, server)
    for name, url in (('Near', server.url + '/near.sh'), ('Far', other.url + '/far.sh')):
        b.add('setupassistant', 'rootscript', name, url=url, hash=hashlib.sha256(script).hexdigest())
    stages.update(b.stages)
    mac = b.mac()
    mac.prefs['AdditionalHttpHeaders'] = ['Authorization: Basic c2VjcmV0']
    expect(mac.run('--scripts', 'run'), 0)
    assert {p: a for _, p, a in seen} == {'/bootstrap.json': 'Basic c2VjcmV0', '/near.sh': 'Basic c2VjcmV0', '/far.sh': None}, seen


# --- the other commands ---------------------------------------------------------------------------------------

def test_option_and_preference(w):
    """--bootstrap wins over BootstrapURL, --repo too; both at once are refused; --auto needs no SoftwareRepoURL"""
    b = Boot(w)
    b.script('setupassistant', 'Alpha')
    mac = b.mac()
    url = mac.prefs['BootstrapURL']
    expect(mac.run('--bootstrap', url, '--repo', 'https://x'), 200, 'exclude each other')
    expect(mac.run('--bootstrap', 'x.json'), 200, '--bootstrap x.json: a URL')
    mac.prefs['BootstrapURL'] = 'https://boot.example.invalid/x'
    expect(mac('check', '--bootstrap', url), 0, r'manifest bootstrap.json \(http://127', 'install  Alpha', '1 to install')
    w.repo.simple('Munki')
    w.repo.publish('Munki')
    expect(mac('check', '--repo', 'file://' + w.repo.path), 0, 'manifest site_default')
    mac.prefs['BootstrapURL'] = url
    r = expect(mac('config'), 0)
    assert re.search(r'BootstrapURL .*bootstrap.json', r.out) and 'BootstrapURL has no effect' not in r.err
    expect(mac('doctor'), 1 if 'PROBLEM' in mac('doctor').out.upper() else 0, 'bootstrap.json')
    expect(mac.run('--auto', '--scripts', 'run'), 0)
    assert mac.states() == {'Alpha': 'success'} and mac.status()['exit_code'] == 0, mac.status()


def test_check_and_why(w):
    """decide without touching; say why"""
    b = Boot(w)
    b.package('setupassistant', 'Alpha')
    b.script('userland', 'Beta')
    b.add('userland', 'rootfile', 'Gamma', b'x', file='/Library/gamma', url=b.server.url + '/none')
    mac = b.mac()
    expect(mac('check'), 0, 'install  Alpha 1.0', '3 to install')
    assert sorted(os.listdir(mac.path('Library/Daybreak')))[-1] == 'manifests' and said(mac) == []
    entry = mac.info()['managed_installs'][0]
    assert (entry['name'], entry['version_to_install'], entry['installer_item']) == ('Alpha', '1.0', 'Alpha.pkg'), entry
    expect(mac.run('--checkonly'), 2)
    assert [i['name'] for i in mac.info()['problem_items']] == ['Gamma'] and said(mac) == []
    assert sorted(os.listdir(mac.path('Library/Daybreak/Cache'))) == ['.validators', 'Alpha.pkg', 'Beta.sh']
    before = len(b.server.requests())
    expect(mac.run('--installonly', '--scripts', 'run'), 3)
    assert mac.states() == {'Alpha': 'success', 'Beta': 'success', 'Gamma': 'failed'} and len(b.server.requests()) == before
    expect(mac('why', 'Beta'), 0, 'Beta .*is installed, nothing to do', 'bootstrap.json: userland', 'already run')
    expect(mac('why', 'Gamma'), 0, '/Library/gamma is not there')
    expect(mac('why', 'Gama'), 1, 'nearest: Gamma')


def test_stopped_by_a_signal(w):
    """the script in hand ends, the rest is cancelled"""
    b = Boot(w)
    b.script('setupassistant', 'Long', 'mkfifo "$DAYBREAK_ROOT/fifo"\nread x <"$DAYBREAK_ROOT/fifo"\n')
    b.script('setupassistant', 'Next')
    mac = b.mac()
    p = mac.start('run', '--scripts', 'run')
    lib.wait_for(lambda: os.path.exists(mac.path('fifo')))
    p.send_signal(signal.SIGTERM)
    with open(mac.path('fifo'), 'w') as f:
        f.write('go\n')
    out, err = p.communicate(timeout=lib.DEADLINE)
    assert p.returncode == 143 and mac.states() == {'Long': 'success', 'Next': 'cancelled'}, (p.returncode, mac.states(), out, err)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'bootstrap', a.only, os.path.abspath(a.program)))
