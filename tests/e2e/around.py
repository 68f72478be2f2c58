#!/usr/bin/env python3
"""What stands around a run: hooks, hand-off, reports, waits. around.py [--program build/daybreak] [--only WORD]"""
import argparse
import json
import os
import re
import sys
import threading

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
    expect(mac.run('--auto', '--scripts', 'run'), 0)
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


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'around', a.only, os.path.abspath(a.program)))
