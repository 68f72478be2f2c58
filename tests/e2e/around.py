#!/usr/bin/env python3
"""What stands around a run: hooks, hand-off, reports, waits. around.py [--program build/daybreak] [--only WORD]"""
import argparse
import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time

import lib
from lib import expect, program, read

HOOKS = 'usr/local/daybreak'
MUNKI = 'usr/local/munki/managedsoftwareupdate'


def hook(mac, name, text, mode=0o755, folder=HOOKS):
    return program(mac.path(folder, name), text, mode)


NOTE = 'echo "%s $1" >>"$DAYBREAK_ROOT/said"\n'


def said(mac):
    return read(mac.path('said')).splitlines() if os.path.exists(mac.path('said')) else []


# --- hooks ----------------------------------------------------------------------------------------------------

def test_hooks_get_the_type_of_the_run(w):
    """checkandinstallatstartup until the plan was once done, then auto; custom; manualcheck; output in the log"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    for name in ('preflight', 'postflight'):
        hook(mac, name, (NOTE % name) + 'echo "a word from %s"\n' % name)
    mac.prefs['AfterSuccess'] = 'schedule'
    expect(mac.run('--auto', '--scripts', 'run', '--checkonly'), 0)
    expect(mac.run('--auto', '--scripts', 'run'), 0)
    expect(mac.run('--auto', '--scripts', 'run', '--clock', w.clock(start=int(time.time()) + 3700).path), 0)
    expect(mac.run('--scripts', 'run'), 0)
    types = ['manualcheck', 'checkandinstallatstartup', 'auto', 'custom']
    assert said(mac) == ['%s %s' % (h, t) for t in types for h in ('preflight', 'postflight')], said(mac)
    assert 'preflight: a word from preflight' in mac.log() and 'postflight: a word from postflight' in mac.log()


def test_preflight_refuses_the_run(w):
    """exit 1, nothing is asked of the repository, postflight still runs"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    server = w.nginx()
    mac = w.mac(server.url)
    hook(mac, 'preflight', 'echo "not on battery"\nexit 3\n')
    hook(mac, 'postflight', NOTE % 'postflight')
    expect(mac.run('--scripts', 'run'), 1, 'preflight exited with 3')
    assert server.requests() == [] and not os.path.exists(mac.path('Library/Alpha'))
    assert mac.status()['result'] == 'refused' and mac.status()['exit_code'] == 1
    assert said(mac) == ['postflight custom'] and 'preflight: not on battery' in mac.log()
    assert any('preflight' in e for e in mac.report()['Errors'])


def test_preflight_that_does_not_end_refuses_the_run(w):
    """HookTimeout bounds it, in virtual time; the whole group is ended"""
    w.repo.publish('Alpha')
    mac = w.mac()
    mac.prefs['HookTimeout'] = 90
    clock = w.clock()
    hook(mac, 'preflight', 'echo hanging\nmkfifo "$DAYBREAK_ROOT/never"\nread x <"$DAYBREAK_ROOT/never"\n')
    p = mac.start('run', '--scripts', 'run', '--clock', clock.path)
    lib.wait_for(lambda: os.path.exists(mac.path('never')))
    clock.advance(89)
    assert p.poll() is None
    clock.advance(2)
    out, err = p.communicate(timeout=lib.DEADLINE)
    assert p.returncode == 1 and 'preflight: no end after 90 s' in err, lib.Result(p.returncode, out, err)


def test_postflight_runs_after_every_failure_and_changes_nothing(w):
    mac = w.mac()  # no manifest, no catalog
    hook(mac, 'postflight', (NOTE % 'postflight') + 'exit 9\n')
    expect(mac.run('--scripts', 'run'), 8)
    assert said(mac) == ['postflight custom'] and 'postflight exited with 9' in mac.log()
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 1\n'})
    w.repo.publish('Bad')
    expect(mac.run('--scripts', 'run'), 2)
    assert said(mac) == ['postflight custom'] * 2


def test_preflight_may_change_preferences(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    w.repo.manifest('other', catalogs=['production'], managed_installs=[])
    mac = w.mac()
    hook(mac, 'preflight', 'sed s/other/site_default/ <"%s/prefs.plist" >"%s/new" && mv "%s/new" "%s/prefs.plist"\n'
         % ((mac.folder,) * 4))
    mac.prefs['ClientIdentifier'] = 'other'
    expect(mac.run('--scripts', 'run'), 0)
    assert mac.states() == {'Alpha': 'success'}, mac.states()


def test_hooks_are_skipped_or_refused_with_a_word(w):
    """--scripts skip; written by others; not executable; a link; a folder that others can write"""
    w.repo.publish('Alpha')
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    path = hook(mac, 'preflight', NOTE % 'preflight')
    expect(mac.run('-v'), 0, 'preflight is not executed: scripts are skipped')
    os.chmod(path, 0o775)
    expect(mac.run('--scripts', 'run'), 0, 'preflight.*can be written by others')
    os.chmod(path, 0o644)
    expect(mac.run('--scripts', 'run'), 0, 'preflight.*not executable')
    os.chmod(path, 0o755)
    os.chmod(mac.path(HOOKS), 0o777)
    expect(mac.run('--scripts', 'run'), 0, 'preflight.*its folder can be written by others')
    os.chmod(mac.path(HOOKS), 0o755)
    os.rename(path, path + '.real')
    os.symlink(path + '.real', path)
    expect(mac.run('--scripts', 'run'), 0, 'preflight.*not a regular file')
    assert said(mac) == [], said(mac)


# --- hand-off -------------------------------------------------------------------------------------------------

def munki(mac, text='echo "munki $*" >>"$DAYBREAK_ROOT/said"\n'):
    return program(mac.path(MUNKI), text)


def test_the_mask_of_a_shell_decides_nothing(w):
    """what a run makes, and what its scripts make, has the same modes whatever umask the technician's shell has"""
    w.repo.simple('Alpha', scripts={'postinstall': '#!/bin/sh\n: >"$3/made"\nmkdir "$3/Library/Made"\n'})
    w.repo.publish('Alpha')
    worlds = []
    for mask in (0o022, 0o077, 0):
        mac = w.mac(name='mask%o' % mask)
        r = subprocess.run(['sh', '-c', 'umask %o; exec "$@"' % mask, 'sh'] + mac.argv('run', '--scripts', 'run'),
                           capture_output=True, text=True, timeout=lib.DEADLINE, stdin=subprocess.DEVNULL)
        assert r.returncode == 0, r.stdout + r.stderr
        worlds.append(lib.snapshot(mac.root, ('Library/Daybreak', 'private/var/log', 'Library/Managed Installs')))
    assert len(worlds[0]) > 5 and worlds[0]['made'][1] == 0o644 and worlds[0]['Library/Made'][1] == 0o755, worlds[0]
    for other in worlds[1:]:
        assert not lib.difference(worlds[0], other), lib.difference(worlds[0], other)


def test_hand_off_to_munki_after_success(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha', daybreak={'handoff': 'munki'})
    mac = w.mac()
    munki(mac)
    expect(mac.run('-v'), 0, 'hand-off to munki is not executed')
    expect(mac.run('--scripts', 'run'), 0)
    assert said(mac) == ['munki --auto'], said(mac)
    w.repo.manifest(catalogs=['production'], managed_installs=['Alpha'], daybreak={'handoff': 'munki-bootstrap'})
    expect(mac.run('--scripts', 'run'), 0)
    assert said(mac)[1:] == ['munki --set-bootstrap-mode'], said(mac)


def test_no_hand_off_unless_all_is_done(w):
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 1\n'})
    w.repo.publish('Bad', daybreak={'handoff': 'munki'})
    mac = w.mac()
    munki(mac)
    expect(mac.run('--scripts', 'run'), 2)
    assert said(mac) == []


def test_the_preference_wins_over_the_manifest(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha', daybreak={'handoff': 'munki'})
    mac = w.mac()
    munki(mac)
    mac.prefs['HandOff'] = {'command': ['/opt/site/done', 'a word', '$HOME'], 'timeout': 60}
    program(mac.path('opt/site/done'), 'echo "done $# $2" >>"$DAYBREAK_ROOT/said"\n')
    expect(mac.run('--scripts', 'run'), 0)
    assert said(mac) == ['done 2 $HOME'], said(mac)
    mac.prefs['HandOff'] = 'none'
    expect(mac.run('--scripts', 'run'), 0)
    assert len(said(mac)) == 1


def test_a_hand_off_that_fails_is_a_failure_and_is_tried_again(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha', daybreak={'handoff': {'command': ['/opt/done'], 'timeout': 30}})
    mac = w.mac()
    expect(mac.run('--scripts', 'run'), 2, '/opt/done')
    assert any('hand-off' in e for e in mac.report()['Errors']), mac.report()['Errors']
    program(mac.path('opt/done'), 'echo tried >>"$DAYBREAK_ROOT/said"\nexit 4\n')
    expect(mac.run('--scripts', 'run'), 2, 'hand-off: /opt/done exited with 4')
    os.chmod(mac.path('opt/done'), 0o777)
    expect(mac.run('--scripts', 'run'), 2, 'can be written by others')
    program(mac.path('opt/done'), 'mkfifo "$DAYBREAK_ROOT/never"; read x <"$DAYBREAK_ROOT/never"\n')
    clock = w.clock()
    p = mac.start('run', '--scripts', 'run', '--clock', clock.path)
    lib.wait_for(lambda: os.path.exists(mac.path('never')))
    clock.advance(31)
    err = p.communicate(timeout=lib.DEADLINE)[1]
    assert p.returncode == 2 and re.search('hand-off: no end after 30 s', err), err
    assert said(mac) == ['tried']
    # launchd's next start has still something to do
    program(mac.path('opt/done'), 'echo done >>"$DAYBREAK_ROOT/said"\n')
    expect(mac.run('--auto', '--scripts', 'run'), 0)
    expect(mac.run('--auto', '--scripts', 'run'), 0)
    assert said(mac) == ['tried', 'done'], said(mac)


def test_a_hand_off_that_makes_no_sense_is_named(w):
    w.repo.simple('Alpha')
    for wrong, word in ((7, 'is ignored'), ('Munki', 'is none of'), ({'command': []}, 'array of strings'),
                        ({'command': ['done']}, 'no absolute path'), ({'command': ['/x'], 'timeout': 0}, 'timeout')):
        w.repo.publish('Alpha', daybreak={'handoff': wrong})
        mac = w.mac(name='m%s' % word.replace(' ', ''))
        r = mac.run('--scripts', 'run')
        assert r.code == (0 if wrong == 7 else 2) and word in r.err + r.out + mac.log(), r


# --- middleware -----------------------------------------------------------------------------------------------

SIGN = """import json, sys
q = json.load(sys.stdin)
q['url'] += '?signature=planted-signature'
q['headers']['X-Token'] = 'planted-token'
json.dump(q, sys.stdout)
"""


def python(mac, path, text, mode=0o755):
    full = program(mac.path(path), '', mode)
    with open(full, 'w') as f:
        f.write('#!%s\n%s' % (sys.executable, text))
    return '/' + path


def signed_only(w, seen):
    """A server that gives its files only for a signature and a token."""
    def fn(h):
        seen.append((h.path, dict(h.headers)))
        if not h.path.endswith('?signature=planted-signature') or h.headers.get('X-Token') != 'planted-token':
            return lib.answer(403)(h)
        return super(type(h), h).do_GET()
    return w.liar({'/': fn})


def test_middleware_signs_every_request(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    seen = []
    server = signed_only(w, seen)
    mac = w.mac(server.url)
    expect(mac.run(), 150, 'credentials or middleware missing')
    mac.prefs['Middleware'] = python(mac, 'opt/site/sign', SIGN)
    mac.prefs['AdditionalHttpHeaders'] = ['X-Site: north']
    del seen[:]
    expect(mac.run('-vvv'), 0)
    assert mac.states() == {'Alpha': 'success'}
    kinds = {path.split('/')[1] for path, _ in seen}
    assert kinds == {'manifests', 'catalogs', 'pkgs'}, kinds
    assert all(h['X-Site'] == 'north' for _, h in seen), seen
    assert 'planted' not in mac.log(), mac.log()


def test_what_middleware_leaves_out_stays(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    seen = []
    server = w.liar({'/': lambda h: (seen.append((h.path, dict(h.headers))), super(type(h), h).do_GET())[1]})
    mac = w.mac(server.url)
    mac.prefs['Middleware'] = python(mac, 'opt/site/same', 'print("{}")\n')
    mac.prefs['AdditionalHttpHeaders'] = ['X-Site: north']
    expect(mac.run(), 0)
    assert all(h['X-Site'] == 'north' and '?' not in p for p, h in seen), seen


def test_middleware_that_fails_is_named(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    server = w.nginx()
    for text, sentence in (('import sys\nsys.exit(3)\n', 'exited with 3'), ('print("x")\n', 'a JSON object is needed'),
                           ('print(\'{"url": 1}\')\n', 'url: a string'),
                           ('print(\'{"headers": {"A": "b\\\\nc"}}\')\n', 'one line of text'),
                           ('print(\'{"url": "file:///etc/hosts"}\')\n', 'rewritten to a file'),
                           ('print(\'{"url": "http://192.0.2.1/x"}\')\n', 'plain http')):
        mac = w.mac(server.url, name='m%d' % abs(hash(sentence)))
        mac.prefs['Middleware'] = python(mac, 'opt/site/bad', text)
        expect(mac.run(), 7 if sentence == 'plain http' else 150, sentence)
    assert server.requests() == []
    path = mac.path('opt/site/bad')
    os.chmod(path, 0o757)
    expect(mac.run(), 200, 'Middleware /opt/site/bad: .*can be written by others')
    os.unlink(path)
    expect(mac.run(), 200, 'Middleware /opt/site/bad: ')


def test_middleware_has_five_seconds(w):
    w.repo.publish('Alpha')
    mac = w.mac(w.nginx().url)
    mac.prefs['Middleware'] = python(mac, 'opt/site/slow', 'import os\nos.mkfifo("%s/never")\nopen("%s/never").read()\n'
                                     % (mac.root, mac.root))
    clock = w.clock()
    p = mac.start('run', '--clock', clock.path)
    lib.wait_for(lambda: os.path.exists(mac.path('never')))
    clock.advance(6)
    err = p.communicate(timeout=lib.DEADLINE)[1]
    assert p.returncode == 150 and re.search('Middleware .*/slow: no answer after 5 s', err), err


# --- reports --------------------------------------------------------------------------------------------------

def queue(mac):
    folder = mac.path('Library/Daybreak/reports')
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def test_the_report_of_each_run_is_posted_once(w):
    """also of one that failed; with the headers, an idempotency key and the machine; no secret in body or log"""
    w.repo.simple('Alpha')
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\necho "see https://user:planted-password@host/"\nexit 1\n'})
    w.repo.publish('Alpha', 'Bad')
    server = w.liar({'/hook': lib.answer(204)})
    mac = w.mac()
    mac.prefs['ReportURL'] = server.url + '/hook?key=planted-key'
    mac.prefs['ReportHeaders'] = ['Authorization: Bearer planted-bearer']
    expect(mac.run('--scripts', 'run'), 2)
    assert len(server.posts) == 1 and queue(mac) == [], server.posts
    path, headers, body = server.posts[0]
    assert path == '/hook?key=planted-key' and headers['Authorization'] == 'Bearer planted-bearer'
    assert headers['Content-Type'] == 'application/json' and headers['Idempotency-Key'] == mac.status()['run']
    report = json.loads(body)
    assert report['schema'] == 1 and report['exit_code'] == 2 and report['result'] == 'partial'
    assert report['machine'] == {'serial_number': 'C02TEST', 'hostname': 'mac.example.com', 'hardware_uuid': 'C02TEST',
                                 'model': report['machine']['model'], 'os_vers': '15.4.1'}, report['machine']
    assert [i['state'] for i in report['items']] == ['success', 'failed']
    assert 'planted' not in body.decode() + mac.log()
    mac.prefs['SoftwareRepoURL'] = 'file:///nowhere'
    expect(mac.run(), 8)
    assert json.loads(server.posts[1][2])['exit_code'] == 8


def test_reports_wait_for_the_server_in_order(w):
    """kept on disk where only root can read them, tried again by later runs, and never fail the run"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    answers = [503, 302, 401, 200, 200, 200, 200]
    server = w.liar({'/hook': lambda h: lib.answer(answers.pop(0), headers=[('Location', '/hook')])(h)})
    mac = w.mac()
    mac.prefs['ReportURL'] = server.url + '/hook'
    for n in (1, 2, 3):
        expect(mac.run(), 0, 'stays for a later run')
        assert len(queue(mac)) == n and len(server.posts) == n
    folder = mac.path('Library/Daybreak/reports')
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert all(os.stat(os.path.join(folder, f)).st_mode & 0o777 == 0o600 for f in queue(mac))
    expect(mac.run(), 0)
    assert queue(mac) == []
    keys = [h['Idempotency-Key'] for _, h, _ in server.posts]
    assert keys[:3] == [keys[0]] * 3 and len(set(keys[3:])) == 4 and keys[3] == keys[0], keys


def test_a_report_nobody_takes_is_given_up(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    server = w.liar({'/hook': lib.answer(422), '/had': lib.answer(409)})
    mac = w.mac()
    mac.prefs['ReportURL'] = server.url + '/hook'
    expect(mac.run(), 0, 'is given up: POST .*422')
    mac.prefs['ReportURL'] = server.url + '/had'
    expect(mac.run(), 0)
    assert queue(mac) == [] and len(server.posts) == 2


def test_the_queue_of_reports_is_bounded(w):
    w.repo.publish('Alpha')
    mac = w.mac()
    mac.prefs['ReportURL'] = 'http://127.0.0.1:9/'
    folder = mac.path('Library/Daybreak/reports')
    os.makedirs(folder, 0o700)
    for n in range(30):
        with open('%s/%015d-x.json' % (folder, n), 'w') as f:
            f.write('{}')
    r = mac.run()
    assert r.code in (0, 2, 8), r
    assert len(queue(mac)) == 20 and queue(mac)[0].startswith('%015d' % 11) and 'is full' in mac.log()


def test_a_server_that_never_answers_costs_ten_seconds(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    asked, leave = threading.Event(), threading.Event()
    server = w.liar({'/hook': lambda h: (asked.set(), leave.wait(lib.DEADLINE))})
    mac = w.mac()
    mac.prefs['ReportURL'] = server.url + '/hook'
    clock = w.clock()
    p = mac.start('run', '--clock', clock.path)
    assert asked.wait(lib.DEADLINE)
    clock.advance(11)
    err = p.communicate(timeout=lib.DEADLINE)[1]
    leave.set()
    assert p.returncode == 0 and 'no answer for 10000 ms' in err and len(queue(mac)) == 1, err


def test_plain_http_gets_no_report(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    mac.prefs['ReportURL'] = 'http://192.0.2.1/hook'
    expect(mac.run(), 0, 'plain http')


# --- logs -----------------------------------------------------------------------------------------------------

def test_logs_prints_the_log(w):
    mac = w.mac()
    expect(mac('logs', prefs=False, facts=False), 1, 'nothing ran on this Mac yet')
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    expect(mac.run(), 0)
    assert mac('logs').out == mac.log()
    assert json.loads(mac('logs', '--json').out)['lines'] == mac.log().splitlines()


def test_the_bundle_has_everything_but_secrets(w):
    """planted in headers, SecretsFile, proxy, report URL, script output, a manifest and a binary one"""
    w.repo.simple('Alpha', scripts={'preinstall': '#!/bin/sh\n'
                                    'echo "curl -H \'Authorization: Bearer planted-bearer\'"\necho "and https://u:planted-user@h/x?sig=planted-query"\n'
                                    'echo "token planted-header-value"\n'})
    w.repo.publish('Alpha')
    w.repo.manifest('site_default', catalogs=['production'], managed_installs=['Alpha'], included_manifests=['more'],
                    notes='see https://h/y?token=planted-in-manifest&b=c')
    with open(w.repo.path + '/manifests/more', 'wb') as f:
        plistlib.dump({'notes': 'https://planted-name:planted-word@h/ here'}, f, fmt=plistlib.FMT_BINARY)
    mac = w.mac()
    secrets = {'AdditionalHttpHeaders': ['X-Key: planted-header-value'], 'ProxyURL': 'http://joe:planted-proxy@127.0.0.1:9',
               'ReportURL': 'http://127.0.0.1:9/?k=planted-report', 'ReportHeaders': ['Authorization: Basic planted-basic']}
    path = mac.path('private/var/root/secrets.plist')
    os.makedirs(os.path.dirname(path))
    with open(path, 'wb') as f:
        plistlib.dump(secrets, f)
    os.chmod(path, 0o600)
    mac.prefs['SecretsFile'] = '/private/var/root/secrets.plist'
    expect(mac.run('--scripts', 'run', '-vvv'), 0)
    out = w.folder + '/bundle.tgz'
    expect(mac('logs', '--bundle', out), 0)
    assert os.stat(out).st_mode & 0o777 == 0o600
    with tarfile.open(out, 'r:gz') as tar:
        members = {m.name: tar.extractfile(m).read().decode() for m in tar.getmembers()}
    assert set(members) >= {'log/daybreak.log', 'log/Install.log', 'log/events.jsonl', 'status.json', 'journal',
                            'InstallInfo.plist', 'ManagedInstallReport.plist', 'manifests/site_default', 'manifests/more',
                            'config.json', 'doctor.json', 'files.txt', 'missing.txt'}, sorted(members)
    for name, text in members.items():
        assert 'planted' not in text, '%s: %s' % (name, [l for l in text.splitlines() if 'planted' in l])
    assert json.loads(members['status.json'])['exit_code'] == 0
    assert json.loads(members['doctor.json'])['schema'] == json.loads(members['config.json'])['schema'] == 1
    plistlib.loads(members['manifests/more'].encode())
    plistlib.loads(members['manifests/site_default'].encode())
    assert 'Library/Daybreak/Cache' in members['files.txt'] and members['missing.txt'] == ''
    assert 'https://•••@h/x?•••' in members['log/daybreak.log'], members['log/daybreak.log']
    expect(mac('logs', '--bundle', out), 1, 'bundle.tgz: .*exists')


def test_a_bundle_of_a_mac_that_never_ran(w):
    mac = w.mac()
    out = w.folder + '/bundle.tgz'
    expect(mac('logs', '--bundle', out), 0)
    with tarfile.open(out, 'r:gz') as tar:
        assert {'config.json', 'doctor.json'} <= set(tar.getnames())


# --- waits ----------------------------------------------------------------------------------------------------

START = 1795485600


def automatic(w, mac, at=0, policy=None, prefs=True):
    """launchd's start, so many seconds after START; (result, seconds that passed for the program)."""
    clock = w.clock(start=START + at, policy=policy)
    r = mac.run('--auto', '--scripts', 'run', '--clock', clock.path, prefs=prefs)
    return r, clock.passed / 1000


def test_the_repository_is_asked_until_it_answers(w):
    """an automatic run waits, in virtual time, with growing pauses; what for stands in status.json"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    waited, down = [], [True] * 40
    mac = w.mac()

    def fn(h):
        if down:
            with open(mac.path('Library/Daybreak/status.json')) as f:
                waited.append(json.load(f)['waiting_for'])
            down.pop()
            return lib.answer(503)(h)
        return super(type(h), h).do_GET()
    server = w.liar({'/': fn})
    mac.prefs['SoftwareRepoURL'] = server.url
    r, passed = automatic(w, mac)
    expect(r, 0)
    assert mac.states() == {'Alpha': 'success'} and 20 < passed < 600, passed
    assert waited[0] is None and re.match('the repository: .*503', waited[-1]), waited
    assert mac.status()['waiting_for'] is None and mac.status()['exit_code'] == 0


def test_the_wait_for_the_repository_is_bounded_and_names_portals(w):
    w.repo.publish('Alpha')
    mac = w.mac(w.liar({'/': lib.answer(200, b'<!DOCTYPE html><html><body>Sign in</body></html>')}).url)
    mac.prefs['NetworkWait'] = 120
    r, passed = automatic(w, mac)
    expect(r, 0)
    assert mac.status()['exit_code'] == 150 and 120 <= passed < 150, (passed, mac.status())
    with open(mac.path('private/var/log/daybreak/events.jsonl')) as f:
        assert "waiting for this network's portal: " in f.read()
    r, passed = mac.run('--clock', w.clock().path), 0  # a technician is told at once
    expect(r, 150)


def test_the_deadline_ends_every_wait(w):
    mac = w.mac('http://127.0.0.1:9')
    mac.prefs.update(NetworkWait=86400, RunDeadline=600)
    r, passed = automatic(w, mac)
    assert r.code == 0 and 600 <= passed < 660 and mac.status()['exit_code'] in (6, 150), (passed, mac.status())


def test_preferences_may_arrive_late(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    asked = []

    def policy(ms, watched):
        asked.append(ms)
        if len(asked) == 30:
            path = mac.path('Library/Managed Preferences/io.daybreak.plist')
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path + '.new', 'wb') as f:
                plistlib.dump({'SoftwareRepoURL': 'file://' + w.repo.path, 'PreferenceWait': 100}, f)
            os.rename(path + '.new', path)
        return ms if watched == 0 else None
    r, passed = automatic(w, mac, policy=policy, prefs=False)
    expect(r, 0)
    assert mac.states() == {'Alpha': 'success'} and passed < 300, passed
    with open(mac.path('private/var/log/daybreak/events.jsonl')) as f:
        assert 'waiting for preferences: SoftwareRepoURL is set in no domain' in f.read()
    # gone again: that is never taken for "not set", and nothing is done
    os.unlink(mac.path('Library/Managed Preferences/io.daybreak.plist'))
    with open(mac.path('Library/Preferences/io.daybreak.plist') if os.makedirs(mac.path('Library/Preferences')) else
              mac.path('Library/Preferences/io.daybreak.plist'), 'wb') as f:
        plistlib.dump({'SoftwareRepoURL': 'file:///other', 'AfterSuccess': 'schedule'}, f)
    r, passed = automatic(w, mac, at=86400, prefs=False)
    expect(r, 0, 'was on this Mac and is gone')
    assert mac.status()['exit_code'] == 4 and 300 <= passed < 400, (passed, mac.status())


def test_no_preferences_at_all_is_bounded(w):
    mac = w.mac()
    r, passed = automatic(w, mac, prefs=False)
    assert 300 <= passed < 320 and mac.status()['exit_code'] == 200, (passed, mac.status(), r)


def test_runs_that_cannot_finish_are_spaced(w):
    """at once, at once, then after pauses that grow, and never more than MaxRunsPerDay"""
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 1\n'})
    w.repo.publish('Bad')
    mac = w.mac()
    mac.prefs.update(MaxAttempts=100, SplayMax=0)

    def began(slots, prefs):
        runs = []
        mac.prefs.update(prefs)
        for at in range(0, slots * 900, 900):  # launchd's StartInterval
            before = mac.status()['run'] if os.path.exists(mac.path('Library/Daybreak/status.json')) else None
            expect(automatic(w, mac, at)[0], 0)
            if mac.status()['run'] != before:
                runs.append(at // 900)
        return runs
    runs = began(18, {})
    assert runs == [0, 1, 2, 3, 5, 9, 17], runs
    os.unlink(mac.path('Library/Daybreak/runs'))
    runs = began(6, {'MaxRunsPerDay': 3})
    assert runs == [0, 1, 2], runs
    before = mac.status()['run']
    expect(mac.run('--scripts', 'run', '--clock', w.clock(start=START + 86399).path), 2)  # a person is never held back
    assert mac.status()['run'] != before


def test_the_start_is_spread_but_for_the_first(w):
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 1\n'})
    w.repo.publish('Bad')
    mac = w.mac()
    mac.prefs.update(SplayMax=7200)
    first = automatic(w, mac)[1]
    second = automatic(w, mac, 900)[1]
    third = automatic(w, mac, 100000)[1]
    assert first < 60 and second != third and 60 < max(second, third) <= 7300, (first, second, third)


def test_required_profiles_are_waited_for(w):
    """in virtual time; the profile arrives after half an hour"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha', daybreak={'required_profiles': [{'identifier': 'com.example.wifi', 'timeout': 3600, 'critical': True}]})
    mac = w.mac()
    passed = []

    def policy(ms, watched):
        passed.append(ms)
        if sum(passed) > 1800 * 1000 and not os.path.exists(mac.path('Library/Daybreak/profiles.plist')):
            with open(mac.path('Library/Daybreak/profiles.plist'), 'wb') as f:
                plistlib.dump({'_computerlevel': [{'ProfileIdentifier': 'com.example.wifi'}]}, f)
        return ms if watched == 0 else None
    r, seconds = automatic(w, mac, policy=policy)
    expect(r, 0)
    assert mac.states() == {'Alpha': 'success'} and 1800 <= seconds < 1900, (seconds, r)


# --- system proxies -------------------------------------------------------------------------------------------

def test_the_proxy_of_the_network_settings_is_used(w):
    """asked at each attempt, exceptions honoured, not with IgnoreSystemProxies"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    asked = []

    def relay(h):
        asked.append(h.path)
        path = h.path.split('://', 1)[-1]
        h.path = path[path.index('/'):]
        return super(type(h), h).do_GET()
    proxy = w.liar({'http://': relay, '/': lib.answer(404)})
    tools = w.folder + '/tools'
    shutil.copytree(lib.TOP + '/tests/tools', tools)

    def settings(port, exceptions=''):
        with open(tools + '/proxy.new', 'w') as f:
            f.write('<dictionary> {\n  ExceptionsList : <array> {\n%s  }\n  HTTPEnable : 1\n  HTTPPort : %d\n'
                    '  HTTPProxy : 127.0.0.1\n}\n' % (exceptions, port))
        os.rename(tools + '/proxy.new', tools + '/proxy')
    mac = w.mac('http://repo.example.invalid')
    mac.prefs['AllowInsecureRepo'] = True
    settings(int(proxy.url.rsplit(':', 1)[1]))
    expect(mac.run('--tools', tools), 0)
    assert asked and all(p.startswith('http://repo.example.invalid/') for p in asked), asked
    del asked[:]
    mac.prefs['IgnoreSystemProxies'] = True
    expect(mac.run('--tools', tools), 150, 'DNS')
    mac.prefs['IgnoreSystemProxies'] = False
    settings(int(proxy.url.rsplit(':', 1)[1]), '    0 : *.example.invalid\n')
    expect(mac.run('--tools', tools), 150, 'DNS')
    assert asked == []
    # an automatic run sees that the settings change while it waits
    settings(9)
    mac.prefs['AfterSuccess'] = 'schedule'
    waits = []

    def policy(ms, watched):
        waits.append(ms)
        if len(waits) == 40:
            settings(int(proxy.url.rsplit(':', 1)[1]))
        return ms if watched == 0 else None
    expect(mac.run('--auto', '--tools', tools, '--clock', w.clock(policy=policy).path), 0)
    assert asked and mac.status()['exit_code'] == 0, (mac.status(), len(waits))


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'around', a.only, os.path.abspath(a.program)))
