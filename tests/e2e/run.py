#!/usr/bin/env python3
"""The program as its users run it, against real servers: run.py [--program build/daybreak] [--only WORD]"""
import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import plistlib
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
import time
import urllib.parse

import lib
from lib import answer, expect, wait_for

HTML = b'<!DOCTYPE html><html><head><title>Sign in to Wi-Fi</title></head><body>Welcome</body></html>'


# --- the main job ---------------------------------------------------------------------------------------------

def test_first_run_installs_second_run_does_nothing(w):
    """everything is installed over HTTP; the second run only revalidates"""
    w.repo.simple('Alpha')
    w.repo.simple('Beta', requires=['Alpha'])
    w.repo.publish('Beta')
    server = w.nginx()
    mac = w.mac(server.url)
    expect(mac.run(), 0)
    assert mac.states() == {'Alpha': 'success', 'Beta': 'success'}, mac.states()
    with open(mac.path('Library/Alpha/file')) as f:
        assert f.read() == 'Alpha'
    for kind in ('plist', 'bom'):
        assert os.path.exists(mac.path('private/var/db/receipts/com.example.beta.' + kind))
    names = [i['name'] for i in mac.status()['items']]
    assert names.index('Alpha') < names.index('Beta'), 'requirements come first: %s' % names
    first = len(server.requests())
    expect(mac.run(), 0)
    assert mac.states() == {'Alpha': 'skipped', 'Beta': 'skipped'}, mac.states()
    again = server.requests()[first:]
    assert again and all(status in (304, 404) for _, _, status in again), again
    assert os.path.exists(mac.path('Library/Daybreak/complete'))
    assert mac.info()['managed_installs'] == []


def test_installonly_uses_what_is_there(w):
    """--installonly installs from Cache without asking anybody, and says what is not there"""
    w.repo.simple('Alpha')
    w.repo.simple('Beta')
    w.repo.publish('Alpha', 'Beta')
    mac = w.mac()
    expect(mac.run('--checkonly'), 0)
    os.unlink(mac.path('Library/Daybreak/Cache/Beta-1.0.pkg'))
    mac.prefs['SoftwareRepoURL'] = 'file:///nowhere'
    expect(mac.run('--installonly'), 2, 'Beta-1.0.pkg is not in Cache')
    assert mac.states() == {'Alpha': 'success', 'Beta': 'failed'}, mac.states()


def test_installonly_takes_install_info_as_it_stands(w):
    """nothing that the last check did not decide is done; what was changed since is proved again, or refused"""
    for name in ('Alpha', 'Beta', 'Later', 'Lost'):
        w.repo.simple(name)
    w.repo.simple('Old', uninstallable=True, uninstall_method='removepackages')
    w.repo.publish('Old')
    mac = w.mac()
    expect(mac.run('--installonly'), 8)                       # nothing was ever decided
    expect(mac.run(), 0)
    w.repo.publish('Alpha', 'Beta', 'Later', 'Lost', managed_uninstalls=['Old'])
    expect(mac.run('--checkonly'), 0)
    info = mac.info()
    info['managed_installs'] = [i for i in info['managed_installs'] if i['name'] != 'Later']
    next(i for i in info['managed_installs'] if i['name'] == 'Lost')['version_to_install'] = '7.0'
    with open(mac.path('Library/Daybreak/InstallInfo.plist'), 'wb') as f:
        plistlib.dump(info, f)
    with open(mac.path('Library/Daybreak/Cache/Beta-1.0.pkg'), 'r+b') as f:
        f.seek(30)
        f.write(b'X')
    mac.prefs['SoftwareRepoURL'] = 'file:///nowhere'
    expect(mac.run('--installonly'), 2, 'Lost.* no cached catalog has it in this version', 'Beta')
    states = mac.states()
    assert states['Alpha'] == 'success' and states['Old'] == 'success' and states['Beta'] == 'failed', states
    assert 'Later' not in states and not os.path.exists(mac.path('Library/Later')), states
    assert not os.path.exists(mac.path('Library/Old')) and not os.path.exists(mac.path('Library/Lost'))
    left = mac.info()
    assert [i['name'] for i in left['managed_installs']] == ['Beta', 'Lost'] and left['removals'] == [], left


def test_license_seats(w):
    """LicenseInfoURL is asked in URLs of less than 256 characters; no answer is no seat"""
    names = ['Seat %02d' % i for i in range(30)]
    for n in names + ['Lots']:
        w.repo.item(n, installer_type='nopkg', licensed_seat_info_available=True, installs=[{'type': 'file', 'path': '/none'}])
    w.repo.publish(optional_installs=names + ['Lots'])

    def seats(h):
        asked = urllib.parse.parse_qs(h.path.split('?', 1)[1])
        assert asked['site'] == ['a'], asked
        return answer(200, plistlib.dumps({n: (5 if n == 'Lots' else True if n == 'Seat 07' else 0) for n in asked['name']}))(h)

    mac = w.mac(w.liar({'/seats': seats}).url)
    mac.prefs['LicenseInfoURL'] = w.servers[0].url + '/seats?site=a'
    os.makedirs(mac.path('Library/Daybreak/manifests'))
    with open(mac.path('Library/Daybreak/manifests/SelfServeManifest'), 'wb') as f:
        plistlib.dump({'managed_installs': ['Lots', 'Seat 03']}, f)
    expect(mac('check'), 0, 'install  Lots')
    hits = [h for h in w.servers[0].hits if h.startswith('/seats')]
    assert len(hits) > 1 and all(len(w.servers[0].url + h) < 256 for h in hits), hits
    assert sum(h.count('name=') for h in hits) == 31, hits
    offers = {o['name']: o.get('licensed_seats_available') for o in mac.info()['optional_installs']}
    assert [n for n, left in offers.items() if left] == ['Seat 07', 'Lots'] and None not in offers.values(), offers
    assert [i['name'] for i in mac.info()['managed_installs']] == ['Lots']
    expect(mac('why', 'Lots'), 0, 'will be installed')           # without the network: as InstallInfo.plist has it
    expect(mac('why', 'Seat 03'), 0, 'is offered to the user')
    mac.prefs.update(LicenseInfoURL=w.servers[0].url + '/gone', DownloadRetries=0)
    expect(mac('check'), 0, 'LicenseInfoURL .*/gone: .*404.*; no seats are taken to be left')
    assert mac.info()['managed_installs'] == []


def test_a_fulfilled_wish_is_forgotten(w):
    """an OnDemand item is installed once for each time it is chosen, a removal leaves the user's manifest when it is done"""
    w.repo.simple('Tool', OnDemand=True)
    w.repo.simple('Kept')
    w.repo.simple('Gone', uninstallable=True, uninstall_method='removepackages')
    w.repo.publish('Gone')
    mac = w.mac()
    expect(mac.run(), 0)
    w.repo.manifest(catalogs=['production'], optional_installs=['Tool', 'Kept', 'Gone'])
    os.makedirs(mac.path('Library/Daybreak/manifests'), exist_ok=True)
    chosen = mac.path('Library/Daybreak/manifests/SelfServeManifest')
    with open(chosen, 'wb') as f:
        plistlib.dump({'managed_installs': ['Tool', 'Kept'], 'managed_uninstalls': ['Gone']}, f)
    expect(mac.run(), 0)
    assert mac.states() == {'Gone': 'success', 'Tool': 'success', 'Kept': 'success'}, mac.states()
    with open(chosen, 'rb') as f:
        assert plistlib.load(f) == {'managed_installs': ['Kept'], 'managed_uninstalls': []}
    offers = {o['name']: (o['installed'], o.get('will_be_installed')) for o in mac.info()['optional_installs']}
    assert offers == {'Tool': (False, None), 'Kept': (True, None), 'Gone': (False, None)}, offers
    expect(mac.run(), 0)
    assert 'Tool' not in mac.states(), mac.states()


def test_uninstall_package_is_proved(w):
    """uninstall_method uninstall_package: the package of uninstaller_item_location, held against its hash"""
    w.repo.item('Old', package=w.repo.package('Old'))
    w.repo.publish('Old')
    mac = w.mac()
    expect(mac.run(), 0)
    remover = w.repo.package('Remover', files={'Library/Remover/ran': b'x'})
    with open(w.repo.path + '/pkgs/' + remover, 'rb') as f:
        good = lib.hashlib.sha256(f.read()).hexdigest()
    old = w.repo.items[0]
    old.update(uninstallable=True, uninstall_method='uninstall_package', uninstaller_item_location=remover,
               uninstaller_item_hash='0' * 64, uninstaller_item_size=1)
    w.repo.publish(managed_uninstalls=['Old'])
    expect(mac.run(), 2, 'Remover-1.0.pkg: hash is [0-9a-f]{64}, expected 0{64}')
    assert not os.path.exists(mac.path('Library/Remover')) and os.path.exists(mac.path('Library/Old/file'))
    old.update(uninstaller_item_hash=good, display_name='Old One')       # another size: file: goes by size and time
    w.repo.publish(managed_uninstalls=['Old'])
    expect(mac.run(), 2, 'is still there')       # the package did not remove anything: nothing is claimed
    assert os.path.exists(mac.path('Library/Remover/ran'))


def test_a_shared_package_stays(w):
    """what two items own goes with neither of them alone, and the removal is no failure for that"""
    shared = {'packageid': 'com.example.shared', 'version': '1.0'}
    w.repo.simple('Shared', files={'Library/Shared/s': b's'})
    for name in ('One', 'Two'):
        w.repo.simple(name, uninstallable=True, uninstall_method='removepackages', requires=['Shared'])
        w.repo.items[-1]['receipts'].append(shared)
        w.repo.items[-1]['installs'] = [{'type': 'file', 'path': '/Library/%s/file' % name}]
    w.repo.publish('One', 'Two')
    mac = w.mac()
    expect(mac.run(), 0)
    w.repo.publish('Two', managed_uninstalls=['One'])
    expect(mac.run(), 0, 'One 1.0: removed')
    assert not os.path.exists(mac.path('Library/One')) and os.path.exists(mac.path('Library/Shared/s'))
    assert os.path.exists(mac.path('Library/Two/file'))


def test_report_and_install_log(w):
    """Munki's report and Install.log say what happened"""
    w.repo.simple('Good', display_name='Good One')
    w.repo.simple('Bad', scripts={'postinstall': '#!/bin/sh\nexit 7\n'})
    w.repo.publish('Good', 'Bad')
    mac = w.mac()
    expect(mac.run('--scripts', 'run'), 2)
    r = mac.report()
    results = {x['name']: x['status'] for x in r['InstallResults']}
    assert results['Good'] == 0 and results['Bad'] != 0, results
    assert r['ManifestName'] == 'site_default' and r['RunType'] == 'custom'
    assert any('Bad' in e for e in r['Errors']), r['Errors']
    with open(mac.path('private/var/log/daybreak/Install.log')) as f:
        text = f.read()
    assert re.search(r'^\d{4}-\d\d-\d\d [\d:.]+\S* Install of Good One-1.0: SUCCESSFUL$', text, re.M), text
    assert re.search(r'Install of Bad-1.0: FAILED with return code: ', text), text
    expect(mac.run('--scripts', 'run'), 2)
    assert len(os.listdir(mac.path('Library/Daybreak/Archives'))) >= 1


def test_checkonly_installs_nothing(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac.run('--checkonly'), 0)
    assert [i['name'] for i in mac.info()['managed_installs']] == ['Alpha']
    assert not os.path.exists(mac.path('Library/Alpha'))
    assert os.path.exists(mac.path('Library/Daybreak/Cache/Alpha-1.0.pkg'))


def test_checkonly_says_what_a_download_failed_of(w):
    """an item that cannot be fetched failed; only what requires it is blocked"""
    w.repo.simple('Lost', installer_item_location='lost.pkg')
    w.repo.simple('Altered', installer_item_hash='0' * 64)
    w.repo.simple('Nameless', installer_item_location=None)
    w.repo.simple('Top', requires=['Lost'])
    w.repo.publish('Top', 'Altered', 'Nameless')
    mac = w.mac()
    expect(mac.run('--checkonly'), 2)
    said = {n: (s, mac.failure(n)['cause']) for n, s in mac.states().items()}
    assert said == {'Lost': ('failed', 'http_4xx'), 'Altered': ('failed', 'hash'), 'Nameless': ('failed', 'format'),
                    'Top': ('blocked', 'dependency')}, said


def test_check_touches_nothing_else(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    out = expect(mac('check', '--output', '-'), 0).out
    assert [i['name'] for i in plistlib.loads(out.encode())['managed_installs']] == ['Alpha']
    left = lib.snapshot(mac.root)
    for path, row in left.items():
        assert row[0] != 'file' or path.startswith(('Library/Daybreak/manifests/', 'Library/Daybreak/catalogs/')), path


def test_output_replaces_files_alone(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    pipe, old = mac.folder + '/pipe', mac.folder + '/old.plist'
    os.mkfifo(pipe)
    with open(old, 'w') as f:
        f.write('old')
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        expect(mac('check', '--output', pipe), 0)
        assert plistlib.loads(os.read(reader, 65536))['managed_installs']
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(os.lstat(pipe).st_mode)
    expect(mac('check', '--output', old), 0)
    with open(old, 'rb') as f:
        assert plistlib.load(f)['managed_installs']
    expect(mac('check', '--output', mac.folder), 101, r'ERROR --output .*: open: Is a directory')
    os.mkdir(mac.folder + '/tree')
    p = subprocess.run([w.program, 'pkg', 'build', '--payload', mac.folder + '/tree', '--identifier', 'a.b', '--version', '1',
                        pipe], capture_output=True, text=True, check=False)
    assert p.returncode == 200 and 'something that is no file is there' in p.stderr, p
    assert stat.S_ISFIFO(os.lstat(pipe).st_mode)


def test_json_events_on_standard_output(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    out = expect(mac.run('--json'), 0).out
    events = [json.loads(line) for line in out.splitlines()]
    assert [e['seq'] for e in events] == list(range(1, len(events) + 1))
    assert events[0]['type'] == 'run.begin' and events[-1]['type'] == 'run.end'
    assert events[-1]['exit_code'] == 0


def test_dry_run_writes_nothing(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    before = lib.snapshot(mac.root)
    expect(mac.run('--dry-run'), 0, 'Alpha')
    after = {p: r for p, r in lib.snapshot(mac.root).items() if r[0] == 'file' and
             not p.startswith(('Library/Daybreak/manifests/', 'Library/Daybreak/catalogs/'))}
    assert not after and not before, after


def test_scripts_are_skipped_under_a_root(w):
    """without --scripts run nothing foreign is executed, and that is said"""
    w.repo.simple('Alpha', scripts={'postinstall': '#!/bin/sh\ntouch "$2/ran"\n'})
    w.repo.item('Script', installer_type='nopkg', postinstall_script='#!/bin/sh\ntouch "$DAYBREAK_ROOT/ran"\n',
                installs=[{'type': 'file', 'path': '/ran'}])
    w.repo.publish('Alpha', 'Script')
    mac = w.mac()
    expect(mac.run(), 0)
    assert mac.states() == {'Alpha': 'success', 'Script': 'skipped'}, mac.states()
    assert mac.item('Alpha')['reason'] == 'scripts skipped'
    assert not os.path.exists(mac.path('ran'))


def test_package_scripts_get_apples_arguments(w):
    text = '#!/bin/sh\nprintf "%s|%s|%s|%s|%s|%s\\n" "$(basename "$1")" "$2" "$3" "$4" "$DSTVOLUME" "$SCRIPT_NAME" >>"$3/args"\n'
    w.repo.simple('Alpha', scripts={'preinstall': text, 'postinstall': text})
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac.run('--scripts', 'run'), 0)
    with open(mac.path('args')) as f:
        lines = f.read().splitlines()
    root = mac.root
    assert len(lines) == 2 and lines[0].endswith('|preinstall') and lines[1].endswith('|postinstall'), lines
    name, dst, volume, system = lines[0].split('|')[:4]
    assert (name, volume, system) == ('Alpha-1.0.pkg', root, '/') and dst.rstrip('/') == root, lines[0]


def test_preinstall_failure_leaves_nothing(w):
    w.repo.simple('Alpha', scripts={'preinstall': '#!/bin/sh\nexit 9\n'})
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac.run('--scripts', 'run'), 2)
    assert not os.path.exists(mac.path('Library/Alpha'))
    assert mac.failure('Alpha')['code'] == 9, mac.failure('Alpha')
    assert os.listdir(mac.path('Library/Daybreak/Staging')) == [] if os.path.isdir(mac.path('Library/Daybreak/Staging')) else True


def on_terminal(argv, columns):
    """what a terminal of so many columns shows in the end, line by line, and every line that it ever got"""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=dict(os.environ, TERM='xterm'))
    os.close(theirs)
    got = b''
    with contextlib.suppress(OSError):  # Linux says EIO when the other end is closed
        while data := os.read(ours, 65536):
            got += data
    os.close(ours)
    assert p.wait(lib.DEADLINE) is not None
    screen, every = [], []
    for line in got.decode().replace('\r', '').split('\n'):
        for _ in range(line.count('\033[1A')):
            screen.pop()
        line = re.sub(r'\033\[[0-9;]*[A-Za-z]', '', line)
        every.append(line)
        screen.append(line)
    return screen, every


def test_a_terminal_shows_a_failure_once_and_breaks_no_word(w):
    """no line is wider than the terminal; a sentence is broken at spaces, said once, with what to do; how far it is"""
    long = 'It' + ' and more' * 12
    w.repo.simple('Alpha', display_name=long, scripts={'preinstall': '#!/bin/sh\nexit 9\n'})
    w.repo.simple('Beta')
    w.repo.publish('Alpha', 'Beta')
    mac = w.mac()
    screen, every = on_terminal(mac.argv('run', '--scripts', 'run'), 60)
    text = ' '.join(' '.join(screen).split())
    assert max(map(len, every)) <= 60, every
    assert text.count('exited with 9') == 1 and '→ run the script' in text, screen
    assert any('of 2 done' in line for line in every) and not any('of 2 done' in line for line in screen), every
    assert mac.failure('Alpha')['message'] in text, screen
    piped = subprocess.run(mac.argv('run', '--scripts', 'run'), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    assert piped.count('exited with 9') == 1, piped
    assert 'ERROR [Alpha] preinstall' in mac.run('--scripts', 'run').err  # kept apart each is told


def test_the_log_tells_the_whole_run(w):
    """what was planned, why it failed, what to do, and at its end what is left"""
    w.repo.simple('Alpha', scripts={'preinstall': '#!/bin/sh\nexit 9\n'})
    w.repo.simple('Beta')
    w.repo.publish('Alpha', 'Beta')
    mac = w.mac()
    expect(mac.run('--scripts', 'run'), 2)
    assert ', from a folder\n' in mac('status').out, mac('status')
    log = mac.log()
    for line in ('plan: 2 items, 2 to do', '[Alpha] preinstall: ', '[Alpha] try: run the script', '[Beta] signature: unsigned\n',
                 'ended with 2: some items failed, were refused or blocked; 1 of 2 items are done; not done: Alpha failed'):
        assert line in log, (line, log)
    assert not re.search(r' +$', mac('status').out, re.M), mac('status')


def test_what_depends_on_a_failure_is_blocked(w):
    w.repo.simple('Base', scripts={'preinstall': '#!/bin/sh\nexit 1\n'})
    w.repo.simple('Top', requires=['Base'])
    w.repo.simple('Other')
    w.repo.publish('Top', 'Other')
    mac = w.mac()
    expect(mac.run('--scripts', 'run'), 2, 'needs Base')
    assert mac.states() == {'Base': 'failed', 'Top': 'blocked', 'Other': 'success'}, mac.states()
    assert mac.failure('Top')['cause'] == 'dependency'


def test_success_needs_evidence(w):
    """a package that installs something else than its pkginfo says is a failure"""
    w.repo.simple('Alpha', receipts=None, installs=[{'type': 'file', 'path': '/Library/Alpha/other'}])
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac.run(), 2, 'other')
    assert mac.failure('Alpha')['cause'] == 'postcondition', mac.failure('Alpha')


def test_attempts_are_bounded_and_reset_forgets(w):
    w.repo.simple('Bad', scripts={'postinstall': '#!/bin/sh\necho x >>"$3/tried"\nexit 3\n'})
    w.repo.publish('Bad')
    mac = w.mac()
    for _ in range(3):
        expect(mac.run('--scripts', 'run'), 2)
    expect(mac.run('--scripts', 'run'), 2, 'not tried again')
    assert mac.failure('Bad')['cause'] == 'loop'
    with open(mac.path('tried')) as f:
        assert f.read() == 'x\n' * 3
    said = mac.failure('Bad')['message']
    expect(mac.run('--scripts', 'run'), 2)
    assert mac.failure('Bad')['message'] == said, 'what was not tried does not change what is known: %s' % mac.failure('Bad')
    expect(mac('reset', 'Bad'), 0)
    expect(mac.run('--scripts', 'run'), 2)
    with open(mac.path('tried')) as f:
        assert f.read() == 'x\n' * 4
    expect(mac('reset', 'Bda'), 1, 'did you mean Bad')
    expect(mac.run('--force', 'Bda', '--scripts', 'run'), 2, '--force Bda: nothing of that name is in the plan')
    assert json.loads(expect(mac('reset', 'Bad', '--json'), 0).out) == {'schema': 1, 'forgotten': 'Bad'}
    assert json.loads(expect(mac('reset', '--json'), 0).out) == {'schema': 1, 'forgotten': None}


def test_critical_item_failure_is_exit_3(w):
    w.repo.simple('Bad', scripts={'postinstall': '#!/bin/sh\nexit 3\n'}, daybreak={'critical': True})
    w.repo.publish('Bad')
    expect(w.mac().run('--scripts', 'run'), 3)


def test_critical_items_of_a_manifest(w):
    w.repo.simple('Bad', scripts={'postinstall': '#!/bin/sh\nexit 3\n'})
    w.repo.publish('Bad', daybreak={'critical_items': ['Bad']})
    expect(w.mac().run('--scripts', 'run'), 3)


def test_restart_is_reported(w):
    w.repo.simple('Alpha', RestartAction='RequireRestart')
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac.run(), 4)
    assert mac.status()['reboot'] is True and mac.report()['RestartRequired'] is True
    assert 'LogoutRequired' not in mac.report(), mac.report()
    w.repo.simple('Beta', RestartAction='RequireLogout')
    w.repo.publish('Beta')
    expect(mac.run(), 0)
    assert mac.report()['LogoutRequired'] is True and 'RestartRequired' not in mac.report(), mac.report()


def test_removal(w):
    """managed_uninstalls takes the package's files away and forgets its receipt"""
    w.repo.simple('Old', files={'Library/Old/a': b'a', 'Library/Shared/b': b'b'}, uninstallable=True,
                  uninstall_method='removepackages')
    w.repo.publish('Old')
    mac = w.mac()
    expect(mac.run(), 0)
    with open(mac.path('Library/Shared/mine'), 'w') as f:
        f.write('not theirs')
    w.repo.publish(managed_uninstalls=['Old'])
    expect(mac.run(), 0)
    assert mac.states()['Old'] == 'success' and mac.item('Old')['action'] == 'remove'
    assert not os.path.exists(mac.path('Library/Old'))
    assert os.path.exists(mac.path('Library/Shared/mine'))
    assert not os.path.exists(mac.path('private/var/db/receipts/com.example.old.plist'))


def ranged(data, asked, first, stop=lambda h: None):
    """A handler that gives only the first bytes of data, then stops; with a range the rest. asked: the Range headers."""
    def fn(h):
        asked.append(h.headers.get('Range'))
        start = int(asked[-1][6:].rstrip('-')) if asked[-1] else 0
        h.send_response(206 if start else 200)
        h.send_header('ETag', '"one"')
        h.send_header('Content-Length', str(len(data) - start))
        if start:
            h.send_header('Content-Range', 'bytes %d-%d/%d' % (start, len(data) - 1, len(data)))
        h.end_headers()
        h.wfile.write(data[start:] if start else data[:first])
        h.wfile.flush()
        if not start:
            stop(h)
    return fn


def big(w, size):
    """An item that is long enough to be cut; returns its package's bytes."""
    w.repo.simple('Big', files={'Library/Big/file': os.urandom(size)})
    w.repo.publish('Big')
    with open(w.repo.path + '/pkgs/Big-1.0.pkg', 'rb') as f:
        return f.read()


def test_removals_are_left_to_munki(w):
    """where Munki is installed a removal is decided and shown, and not carried out"""
    w.repo.simple('Old', uninstallable=True, uninstall_method='removepackages')
    w.repo.publish('Old')
    mac = w.mac()
    expect(mac.run(), 0)
    os.makedirs(mac.path('usr/local/munki'))
    open(mac.path('usr/local/munki/managedsoftwareupdate'), 'w').close()
    w.repo.publish(managed_uninstalls=['Old'])
    expect(mac.run(), 0)
    assert mac.item('Old')['reason'] == 'left to Munki' and mac.states()['Old'] == 'skipped'
    assert os.path.exists(mac.path('Library/Old/file'))


def test_only_failed_does_not_complete_the_plan(w):
    """what --only-failed leaves out is shown as still to do, and complete is not made"""
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\n[ -e "$3/mended" ]\n'})
    w.repo.publish('Bad')
    mac = w.mac()
    expect(mac.run('--scripts', 'run'), 2)
    w.repo.simple('New')
    w.repo.publish('Bad', 'New')
    open(mac.path('mended'), 'w').close()
    expect(mac.run('--scripts', 'run', '--only-failed'), 0)
    assert mac.states() == {'Bad': 'success', 'New': 'pending'}, mac.states()
    assert not os.path.exists(mac.path('Library/Daybreak/complete')) and not os.path.exists(mac.path('Library/New'))
    expect(mac.run('--scripts', 'run'), 0)
    assert os.path.exists(mac.path('Library/Daybreak/complete'))


def test_names_cannot_command_a_terminal(w):
    """control bytes of a catalog reach neither terminal nor log nor watcher"""
    evil = 'Al\u009b31mpha\u202eX'
    w.repo.simple('Alpha', display_name=evil)
    w.repo.item('Bell', version='1\t2\n3', installer_type='nopkg', installs=[{'type': 'file', 'path': '/never'}])
    w.repo.publish('Alpha', 'Bell')
    mac = w.mac()
    mac.prefs['DEPNotifyFile'] = '/var/tmp/depnotify.log'
    said = [mac.run(), mac('why', 'Bell'), mac('why', 'Alpha'), mac('status'), mac('check', '--output', mac.folder + '/info')]
    with open(mac.path('private/var/tmp/depnotify.log')) as f:
        text = ''.join(r.out + r.err for r in said) + f.read() + mac.log()
    bad = [c for c in text if (ord(c) < 32 and c != '\n') or 0x7f <= ord(c) < 0xa0]
    assert not bad, bad
    assert '1\\t2\\n3' in text, text[:2000]


def test_lock_is_the_owners_alone(w):
    """nobody else can open the lock, so nobody else can hold it; who holds it is told in holder"""
    w.repo.publish('Nothing')
    mac = w.mac()
    mac.run()
    assert os.stat(mac.path('Library/Daybreak/lock')).st_mode & 0o777 == 0o600
    with open(mac.path('Library/Daybreak/holder')) as f:
        assert re.match(r'\d+ \d+ \d+\n$', f.read())
    os.chmod(mac.path('Library/Daybreak/lock'), 0o644)  # as an older version left it
    mac.run()
    assert os.stat(mac.path('Library/Daybreak/lock')).st_mode & 0o777 == 0o600


def test_resume_after_the_connection_was_cut(w):
    """the part is kept and the rest asked for with a range"""
    ranges = []

    def cut(h):
        h.close_connection = True
        h.connection.shutdown(socket.SHUT_RDWR)

    mac = w.mac(w.liar({'/pkgs/Big': ranged(big(w, 1500000), ranges, 700000, cut)}).url)
    expect(mac.run(), 0)
    assert ranges[0] is None and ranges[1] and int(ranges[1][6:].rstrip('-')) > 0, ranges


def test_a_cached_file_is_proved_again(w):
    """a file that was changed in Cache is not installed"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac.run('--checkonly'), 0)
    cached = mac.path('Library/Daybreak/Cache/Alpha-1.0.pkg')
    with open(cached, 'r+b') as f:
        f.seek(-20, 2)
        f.write(b'X' * 20)
    expect(mac.run(), 0)
    assert mac.states()['Alpha'] == 'success'


def test_watchers_are_written(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    mac.prefs.update(SplashBuddyLog='/Library/sb.log', DEPNotifyFile='/var/tmp/depnotify.log',
                     DialogCommandFile='/var/tmp/dialog.log')
    expect(mac.run(), 0)
    with open(mac.path('Library/sb.log')) as f:
        assert re.search(r'daybreak\[\d+\]: Successfully installed Alpha-1\.0\.pkg\.$', f.read(), re.M)
    with open(mac.path('private/var/tmp/depnotify.log')) as f:
        assert f.read().endswith('Status: Done\nCommand: ContinueButton: Continue\n')
    with open(mac.path('private/var/tmp/dialog.log')) as f:
        assert 'listitem: index: 0, status: success, statustext: Installed\n' in f.read()
    assert os.path.exists(mac.path('Library/Daybreak/done/alpha'))


def test_profile_gate(w):
    """an item waits for its profile and is deferred; when it is there the item installs"""
    w.repo.simple('VPN', daybreak={'profiles': ['com.example.wifi']})
    w.repo.publish('VPN')
    mac = w.mac()
    expect(mac.run(), 4, 'com.example.wifi')
    assert mac.states()['VPN'] == 'deferred'
    with open(mac.path('Library/Daybreak/profiles.plist'), 'wb') as f:
        plistlib.dump({'_computerlevel': [{'ProfileIdentifier': 'com.example.wifi'}]}, f)
    expect(mac.run(), 0)
    assert mac.states()['VPN'] == 'success'


PROFILE = {'PayloadType': 'Configuration', 'PayloadIdentifier': 'com.example.vpn', 'PayloadVersion': 1,
           'PayloadUUID': '6F1C2B9A-0000-4000-8000-00000000AB01', 'PayloadDisplayName': 'VPN',
           'PayloadContent': [{'PayloadType': 'com.apple.vpn.managed', 'PayloadIdentifier': 'com.example.vpn.1',
                               'PayloadUUID': '6F1C2B9A-0000-4000-8000-00000000AB02', 'PayloadVersion': 1}]}


def profile_item(w, name='VPN', only_mdm=False, **keys):
    p = dict(PROFILE)
    if only_mdm:
        p['PayloadContent'] = [dict(PROFILE['PayloadContent'][0], PayloadType='com.apple.servicemanagement')]
    data = plistlib.dumps(p)
    with open(w.repo.path + '/pkgs/%s.mobileconfig' % name, 'wb') as f:
        f.write(data)
    w.repo.item(name, installer_type='profile', installer_item_location=name + '.mobileconfig', installer_item_size=2,
                installer_item_hash=hashlib.sha256(data).hexdigest(), PayloadIdentifier='com.example.vpn',
                installs=[{'type': 'file', 'path': '/Library/Managed Preferences/com.example.vpn.plist'}], **keys)


def present(mac, *identifiers):
    full = mac.path('Library/Daybreak/profiles.plist')
    with open(full + '.new', 'wb') as f:
        plistlib.dump({'_computerlevel': [{'ProfileIdentifier': i} for i in identifiers]}, f)
    os.rename(full + '.new', full)
    effect = lib.program(mac.path('Library/Managed Preferences/com.example.vpn.plist'), '')  # what an item's evidence looks at
    if 'com.example.vpn' not in identifiers:
        os.unlink(effect)


def waiting(w, mac, at, *extra):
    """An automatic run in virtual time, in which things happen; the seconds it took."""
    left = sorted(at.items())

    def policy(ms, watched):
        while left and left[0][0] * 1000 <= clock.passed:
            left.pop(0)[1]()
        return ms if watched == 0 else None
    mac.prefs.update(SplayMax=0)
    clock = w.clock(policy=policy)
    r = mac.run('--auto', '--clock', clock.path, *extra)
    return r, clock.passed // 1000


def test_items_wait_for_profiles_without_holding_up_others(w):
    """two profiles, one late; what stands on an item that waits waits too; the others do not"""
    profile_item(w)
    w.repo.simple('Gated', daybreak={'profiles': ['com.example.wifi']})
    w.repo.simple('Above', requires=['VPN'])
    w.repo.simple('Other')
    w.repo.publish('VPN', 'Gated', 'Above', 'Other')
    mac = w.mac()
    seen = []

    def look():
        s = mac.status()
        seen.append((mac.states(), s['state'], s['waiting_for']))
    r, passed = waiting(w, mac, {60: look, 100: lambda: present(mac, 'com.example.vpn'), 120: look,
                                 300: lambda: present(mac, 'com.example.vpn', 'com.example.wifi')})
    expect(r, 0)
    assert seen[0] == ({'VPN': 'waiting', 'Gated': 'waiting', 'Above': 'pending', 'Other': 'success'}, 'waiting',
                       'configuration profile com.example.vpn'), seen
    assert seen[1] == ({'VPN': 'success', 'Gated': 'waiting', 'Above': 'success', 'Other': 'success'}, 'waiting',
                       'configuration profile com.example.wifi'), seen
    assert set(mac.states().values()) == {'success'} and mac.status()['exit_code'] == 0 and 300 <= passed < 310, passed


def test_a_profile_that_does_not_come(w):
    """ten minutes, then deferred (4), run after run, and no attempt is counted; critical: failed (3)"""
    profile_item(w)
    w.repo.simple('Above', requires=['VPN'])
    w.repo.publish('VPN', 'Above')
    mac = w.mac()
    r, passed = waiting(w, mac, {})
    expect(r, 0)
    assert mac.states() == {'VPN': 'deferred', 'Above': 'deferred'} and mac.status()['exit_code'] == 4 and 600 <= passed < 610, passed
    for _ in range(4):
        expect(mac.run(), 4, 'profile com.example.vpn')   # a technician is told at once
        assert mac.item('VPN')['attempt'] == 1, mac.item('VPN')
    present(mac, 'com.example.vpn')
    expect(mac.run(), 0)
    w.repo.items[0]['daybreak'] = {'critical': True}
    w.repo.publish()
    present(mac)
    expect(mac.run(), 3)
    assert mac.failure('VPN')['cause'] == 'profile'


def test_profile_forward(w):
    """the administrator's server is asked, once a run, and waited for; one that fails is a warning"""
    profile_item(w)
    w.repo.publish('VPN')
    server = w.liar({'/push': lib.answer(202), '/broken': lib.answer(500)})
    mac = w.mac()
    mac.prefs['ProfileForwardURL'] = server.url + '/push?token=secret-word'
    r, passed = waiting(w, mac, {60: lambda: present(mac, 'com.example.vpn')})
    expect(r, 0)
    ((path, headers, body),) = server.posts
    assert path == '/push?token=secret-word' and headers['Content-Type'] == 'application/json'
    assert json.loads(body) == {'schema': 1, 'identifier': 'com.example.vpn', 'uuid': PROFILE['PayloadUUID'],
                                'serial_number': 'C02TEST', 'hardware_uuid': 'C02TEST'}, body
    assert mac.states() == {'VPN': 'success'} and 'MDM was asked for it' in lib.read(mac.path('private/var/log/daybreak/events.jsonl'))
    assert 'secret-word' not in mac.log()
    present(mac)
    mac.prefs['ProfileForwardURL'] = server.url + '/broken'
    expect(mac.run(), 4, 'could not be asked')
    assert expect(mac('config'), 0).out.count('ProfileForwardURL') == 1


def test_profile_for_approval(w):
    """a person at the desktop is shown it, once; never what MDM alone may install"""
    profile_item(w, daybreak={'user_approval': True})
    w.repo.publish('VPN')
    mac, tools = w.mac(), w.tools()
    opened = lib.program(tools.path + '/open', 'echo "open $*" >>"${0%/*}/calls"\n')
    tools.console('ada')
    r, passed = waiting(w, mac, {60: lambda: present(mac, 'com.example.vpn')}, '--tools', tools.path)
    expect(r, 0)
    copy = mac.path('Library/Daybreak/profiles/vpn.mobileconfig')
    assert [c for c in tools.calls() if c.startswith('open')] == ['open -b com.apple.systempreferences ' + copy], tools.calls()
    assert plistlib.loads(open(copy, 'rb').read()) == PROFILE and os.stat(copy).st_mode & 0o777 == 0o644 and opened
    assert 'sudo ada' in tools.calls() and mac.states() == {'VPN': 'success'}
    tools.put('calls', None)
    w.repo.items.clear()
    profile_item(w, only_mdm=True, daybreak={'user_approval': True})
    w.repo.publish('VPN')
    present(mac)
    expect(mac.run('--tools', tools.path), 4, 'only MDM may install its payload com.apple.servicemanagement')
    assert not [c for c in tools.calls() if c.startswith('open')], tools.calls()


def test_explain_profile(w):
    """which profile brings which domain, in all three ways to write one; and what of it counts"""
    mac = w.mac()
    r = expect(mac('config', '--explain-profile', prefs=False), 0, 'io.daybreak, managed: nothing that counts', 'none of the 0 profiles')
    for name, d in {'io.daybreak': {'SplayMax': 3}, 'ManagedInstalls': {'SoftwareRepoURL': 'file:///r', 'ClientIdentifier': 'x'}}.items():
        path = mac.path('Library/Managed Preferences/%s.plist' % name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            plistlib.dump(d, f)
    old = {'PayloadType': 'com.apple.ManagedClient.preferences'}
    profiles = [{'ProfileIdentifier': 'a', 'ProfileDisplayName': 'A', 'ProfileItems': [{'PayloadType': 'io.daybreak'}]},
                {'ProfileIdentifier': 'b', 'ProfileItems': [dict(old, PayloadContent={'ManagedInstalls': {}})]},
                {'ProfileIdentifier': 'c', 'ProfileItems': [dict(old, PayloadContent={
                    'PayloadContentManagedPreferences': {'ManagedInstalls': {}, 'io.daybreak': {}}})]},
                {'ProfileIdentifier': 'd', 'ProfileItems': [{'PayloadType': 'com.apple.wifi.managed'}]}]
    os.makedirs(mac.path('Library/Daybreak'))
    with open(mac.path('Library/Daybreak/profiles.plist'), 'wb') as f:
        plistlib.dump({'_computerlevel': profiles}, f)
    r = json.loads(expect(mac('config', '--explain-profile', '--json', prefs=False), 0).out)
    assert [(p['identifier'], p['domains']) for p in r['profiles']] == [
        ('a', ['io.daybreak']), ('b', ['ManagedInstalls']), ('c', ['io.daybreak', 'ManagedInstalls'])], r
    assert r['managed'] == [{'domain': 'io.daybreak', 'keys': ['SplayMax']},
                            {'domain': 'ManagedInstalls', 'keys': ['ClientIdentifier', 'SoftwareRepoURL']}] and r['profiles_present'] == 4
    expect(mac('config', '--explain-profile', prefs=False), 0, r'profile a \(A\), installed', 'ManagedInstalls, managed: ClientIdentifier, Soft')
    expect(mac('status', '--explain-profile'), 200)


# --- bad input, each kind: the documented exit code and one sentence ------------------------------------------

def test_bad_missing_manifest(w):
    w.repo.publish('Alpha')
    mac = w.mac(w.nginx().url)
    r = expect(mac.run('--id', 'nobody'), 8, 'manifest nobody', 'not there|not found|404')
    assert mac.status()['exit_code'] == 8
    assert len([line for line in r.err.splitlines() if line.startswith('ERROR')]) == 1, r


def cut(h):
    h.send_response(200)
    h.send_header('Content-Length', '1000')
    h.end_headers()
    h.wfile.write(b'<?xml')
    h.close_connection = True


def slammed(h):
    h.connection.shutdown(socket.SHUT_RDWR)
    h.close_connection = True


def test_only_not_there_goes_on_to_the_next_manifest(w):
    """whatever else a server does, a Mac with a manifest of its own is never handed site_default"""
    w.repo.simple('Default')
    w.repo.publish('Default')
    rows = [('404', answer(404), 0, 'Default'), ('410', answer(410), 0, 'Default'), ('403', answer(403), 0, 'Default'),
            ('401', answer(401), 150, '401|refuses all requests'), ('400', answer(400), 150, '400'), ('429', answer(429), 150, '429'),
            ('500', answer(500), 150, '500'), ('502', answer(502), 150, '502'), ('503', answer(503), 150, '503'),
            ('302', answer(302, headers=[('Location', '/elsewhere')]), 150, '302|redirect'),
            ('html', answer(200, HTML), 150, 'HTML instead of a property list'),
            ('plist', answer(200, b'<?xml version="1.0"?><plist><dict><key>'), 8, 'line 1'),
            ('array', answer(200, plistlib.dumps([])), 8, 'a dictionary is needed'), ('empty', answer(200, b''), 8, 'empty'),
            ('cut', cut, 150, 'manifest C02TEST'), ('reset', slammed, 150, 'manifest C02TEST')]
    for name, fn, code, said in rows:
        # the host's names are not there, the serial number's answer is the one that counts
        mac = w.mac(w.liar({'/manifests/C02TEST': fn}).url, name=name)
        mac.prefs['DownloadRetries'] = 0
        r = expect(mac.run('-v'), code, said)
        if code == 0:
            assert mac.status()['manifest'] == 'site_default', (name, r)
            assert name != '403' or 'manifest C02TEST: 403 is taken for "not there"' in r.err, r
        else:
            expect(r, code, r'manifests tried: mac\.example\.com, mac, C02TEST\)')
            assert not os.path.exists(mac.path('Library/Default')), name
            assert not os.path.exists(mac.path('Library/Daybreak/InstallInfo.plist')), name
            assert '/manifests/site_default' not in w.servers[-1].hits, (name, w.servers[-1].hits)


def test_no_manifest_names_all_that_were_tried(w):
    w.repo.simple('Default')
    w.repo.publish()
    r = expect(w.mac(w.nginx().url).run(), 8, 'the server has none of mac.example.com, mac, C02TEST, site_default')
    r = expect(w.mac(w.liar({'/manifests/': answer(403)}).url, name='m2').run(), 150, 'refuses all requests',
               r'manifests tried: mac\.example\.com, mac, C02TEST, site_default')


def test_bad_html_instead_of_a_plist(w):
    """a captive portal answers 200 with a page"""
    w.repo.publish('Alpha')
    mac = w.mac(w.liar({'/': answer(200, HTML)}).url)
    expect(mac.run(), 150, 'HTML instead of a property list')
    assert not os.path.exists(mac.path('Library/Daybreak/InstallInfo.plist'))


def test_bad_manifest_is_no_plist(w):
    w.repo.publish('Alpha')
    with open(w.repo.path + '/manifests/site_default', 'w') as f:
        f.write('<?xml version="1.0"?><plist version="1.0"><dict><key>catalogs</key></dict></plist>')
    expect(w.mac().run(), 8, 'manifest site_default')


def test_bad_catalog_is_no_plist(w):
    w.repo.publish('Alpha')
    with open(w.repo.path + '/catalogs/production', 'w') as f:
        f.write('not a plist')
    r = expect(w.mac().run(), 8, 'catalog production: not a property list')
    assert 'catalog production: catalog' not in r.err, r


def test_what_is_assumed_is_said_once(w):
    """without facts the Mac is assumed; an ordinary user gives no file to others: a line each"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    r = expect(mac.run(facts=False), 0, 'has no system: the Mac is taken for macOS')
    assert r.err.count('taken for macOS') == 1 and 'only root' not in r.err, r
    if os.getuid() == 0:
        os.chmod(w.folder, 0o777)
        subprocess.run(['chmod', '-R', 'a+rX', w.repo.path], check=True)
        other = shutil.copy(w.program, w.folder + '/program')
        r = subprocess.run([other, 'run', '--root', w.folder + '/theirs', '--repo', 'file://' + w.repo.path], user=65534,
                           group=65534, capture_output=True, text=True)
        assert r.returncode == 0 and r.stderr.count('only root can give files to others') == 1, r


def test_bad_included_manifest_missing(w):
    w.repo.publish('Alpha', included_manifests=['gone'])
    expect(w.mac().run(), 8, 'manifest gone')


def test_bad_pkginfo_is_one_problem(w):
    """a pkginfo that cannot be used does not stop the others"""
    w.repo.simple('Good')
    w.repo.items.append({'name': 'Evil', 'version': 12, 'installs': 'x', 'receipts': 7})
    w.repo.items.append({'name': 'NoVersion'})
    w.repo.items.append('not a dictionary')
    w.repo.publish('Good', 'Evil', 'NoVersion')
    mac = w.mac()
    r = mac.run()
    assert r.code in (0, 2), r
    assert mac.states()['Good'] == 'success', r


def test_bad_truncated_package(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    path = w.repo.path + '/pkgs/Alpha-1.0.pkg'
    os.truncate(path, os.path.getsize(path) - 100)
    mac = w.mac(w.nginx().url)
    expect(mac.run(), 2)
    assert mac.failure('Alpha')['cause'] in ('hash', 'size'), mac.failure('Alpha')
    assert 'Alpha-1.0.pkg' in mac.failure('Alpha')['message'], mac.failure('Alpha')
    assert not os.path.exists(mac.path('Library/Alpha'))


def test_bad_truncated_package_with_its_own_hash(w):
    """the hash of the catalog is right, the package is not whole"""
    file = w.repo.package('Alpha')
    path = w.repo.path + '/pkgs/' + file
    os.truncate(path, os.path.getsize(path) - 100)
    w.repo.item('Alpha', package=file)
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac.run(), 2)
    assert mac.failure('Alpha')['cause'] in ('format', 'hash'), mac.failure('Alpha')
    assert not os.path.exists(mac.path('Library/Alpha'))


def test_bad_wrong_hash(w):
    w.repo.simple('Alpha', installer_item_hash='0' * 64)
    w.repo.simple('Good')
    w.repo.publish('Alpha', 'Good')
    mac = w.mac(w.nginx().url)
    expect(mac.run(), 2)
    assert mac.failure('Alpha')['cause'] == 'hash' and mac.states()['Good'] == 'success'
    assert not os.path.exists(mac.path('Library/Daybreak/Cache/Alpha-1.0.pkg'))


def test_bad_missing_hash(w):
    w.repo.simple('Alpha', installer_item_hash=None)
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac.run(), 2, 'installer_item_hash|no hash')
    mac.prefs['AllowMissingHash'] = True
    expect(mac.run(), 2, 'signature')
    w.repo.items[0]['allow_untrusted'] = True
    w.repo.publish('Alpha')
    expect(mac.run(), 0)


def test_bad_missing_package(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    os.unlink(w.repo.path + '/pkgs/Alpha-1.0.pkg')
    mac = w.mac(w.nginx().url)
    expect(mac.run(), 2)
    f = mac.failure('Alpha')
    assert f['cause'] == 'http_4xx' and '404' in f['message'] and 'Alpha-1.0.pkg' in f['message'], f


def test_bad_not_a_package(w):
    with open(w.repo.path + '/pkgs/Text-1.0.pkg', 'w') as f:
        f.write('this is no package' * 100)
    w.repo.item('Text', package='Text-1.0.pkg')
    w.repo.publish('Text')
    mac = w.mac()
    expect(mac.run(), 2)
    assert mac.failure('Text')['cause'] == 'format', mac.failure('Text')


def test_bad_unreadable_preference(w):
    w.repo.publish('Alpha')
    mac = w.mac()
    mac.prefs['MaxAttempts'] = 'three'
    expect(mac.run(), 200, 'MaxAttempts')
    mac.prefs = {'SoftwareRepoURL': 17}
    expect(mac.run(), 200, 'SoftwareRepoURL')
    argv = mac.argv('run')
    with open(mac.folder + '/prefs.plist', 'w') as f:
        f.write('garbage')
    r = subprocess.run(argv, capture_output=True, text=True)
    expect(lib.Result(r.returncode, r.stdout, r.stderr), 200, 'prefs.plist')
    expect(mac('run', '--prefs', mac.folder + '/gone.plist', prefs=False), 200, 'gone.plist')


def test_bad_unreadable_facts(w):
    mac = w.mac()
    expect(mac('run', '--facts', mac.folder + '/gone.plist', facts=False), 200, 'gone.plist')
    mac.facts['os_vers'] = 15
    expect(mac.run(), 200, 'os_vers')


def test_bad_full_disk(w):
    """a volume without room: the item fails with its cause, nothing is half there"""
    if os.getuid() != 0:
        raise lib.Skip('a small volume needs root to be mounted')
    w.repo.simple('Big', files={'Library/Big/file': os.urandom(6000000)}, installer_item_size=10)
    w.repo.simple('Small')
    w.repo.publish('Big', 'Small')
    mac = w.mac()
    mac.facts['available_disk_space_kb'] = 9000000
    r = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=10m', 'tmpfs', mac.root], capture_output=True)
    if r.returncode:
        raise lib.Skip('tmpfs cannot be mounted here')
    try:
        expect(mac.run(), 2)
        f = mac.failure('Big')
        assert f['cause'] == 'disk', f
        assert not os.path.exists(mac.path('Library/Big'))
        assert mac.states()['Small'] == 'success', mac.states()
    finally:
        subprocess.run(['umount', mac.root])


def test_bad_space_is_judged_before_download(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    mac.facts['available_disk_space_kb'] = 10
    expect(mac.run(), 2, 'disk space')
    assert mac.failure('Alpha')['cause'] == 'disk'


def test_room_is_made_by_what_was_fetched_ahead(w):
    """optional items that are precached make way, the smallest first; not when all of them were not enough"""
    w.repo.simple('Alpha', installed_size=150000)
    for name, kb in (('Large', 3000), ('Little', 1000)):
        w.repo.simple(name, precache=True, files={'Library/%s/file' % name: os.urandom(kb * 1024)})
    w.repo.publish('Alpha', optional_installs=['Large', 'Little'])
    mac = w.mac()
    expect(mac.run('--checkonly'), 0)
    cache = mac.path('Library/Daybreak/Cache')
    os.remove(cache + '/Alpha-1.0.pkg')
    ahead = {}
    for item in mac.info()['optional_installs']:
        ahead[item['name']] = os.path.join(cache, item['installer_item_location'])
        shutil.copyfile(os.path.join(w.repo.path, 'pkgs', item['installer_item_location']), ahead[item['name']])
    need = 150000 + 102400
    for lack, left in ((6000, ['Large', 'Little']), (500, ['Large']), (-5000, ['Large'])):
        mac.facts['available_disk_space_kb'] = need - lack
        expect(mac.run('--force', 'Alpha'), 2 if len(left) == 2 else 0)
        assert sorted(n for n, f in ahead.items() if os.path.exists(f)) == left, (lack, ahead)


def test_credentials_stay_with_the_repository(w):
    """AdditionalHttpHeaders go to the repository's host, not to one that an item names"""
    for name in ('Near', 'Far'):
        w.repo.simple(name)
    seen = {}

    def note(path):
        with open(path, 'rb') as f:
            body = f.read()

        def fn(h):
            seen[os.path.basename(h.path)] = h.headers.get('Authorization')
            return answer(200, body)(h)
        return fn
    pkgs = os.path.join(w.repo.path, 'pkgs')
    far = w.liar({'/Far-1.0.pkg': note(pkgs + '/Far-1.0.pkg')})
    w.repo.items[-1]['PackageCompleteURL'] = far.url + '/Far-1.0.pkg'
    w.repo.publish('Near', 'Far')
    near = w.liar({'/' + os.path.relpath(os.path.join(base, f), w.repo.path): note(os.path.join(base, f))
                   for base, _, files in os.walk(w.repo.path) for f in files})
    mac = w.mac(near.url)
    mac.prefs['AdditionalHttpHeaders'] = ['Authorization: Basic c2VjcmV0']
    expect(mac.run(), 0)
    assert seen == {'site_default': 'Basic c2VjcmV0', 'production': 'Basic c2VjcmV0', 'Near-1.0.pkg': 'Basic c2VjcmV0',
                    'Far-1.0.pkg': None}, seen


def test_bad_no_network(w):
    """nobody listens"""
    with socket.socket() as s:                                      # bound all the while: no other test's server is given it
        s.bind(('127.0.0.1', 0))
        mac = w.mac('http://127.0.0.1:%d' % s.getsockname()[1])
        mac.prefs.update(DownloadRetries=0)
        expect(mac.run(), 150, 'refused|connect', 'try: check the network')
    assert mac.status()['result'] == 'unavailable'
    said = mac.status()['failure']
    assert said['step'] == 'decision' and said['cause'] == 'tcp' and '127.0.0.1' in said['message'] and said['suggestion'], said
    assert said['message'] in mac('status').out and 'try: ' in mac('status').out, mac('status')
    assert mac('status', '--line').out.rstrip('\n').endswith(' 0/0 ' + said['message']), mac('status', '--line')


def test_bad_server_error(w):
    w.repo.publish('Alpha')
    mac = w.mac(w.liar({'/manifests': answer(500)}).url)
    mac.prefs.update(DownloadRetries=0)
    expect(mac.run(), 150, '500')


def test_bad_all_unauthorized(w):
    w.repo.publish('Alpha')
    mac = w.mac(w.liar({'/': answer(401)}).url)
    expect(mac.run(), 150, 'credentials')


def test_bad_plain_http_elsewhere(w):
    """plain http to another host is refused before anything is asked"""
    mac = w.mac('http://munki.example.com/repo')
    expect(mac.run(), 7, 'http')


def test_bad_repo_public_keys(w):
    mac = w.mac()
    w.repo.publish('Alpha')
    mac.prefs['RepoPublicKeys'] = ['AAAA']
    expect(mac.run(), 7, 'RepoPublicKeys')


def test_bad_no_repository(w):
    mac = w.mac()
    mac.prefs = {}
    expect(mac.run(), 200, 'SoftwareRepoURL|repository', 'try: check in the MDM server')
    assert mac.status()['failure']['cause'] == 'profile', mac.status()
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac.prefs = w.mac(name='configured').prefs
    expect(mac.run(), 0)
    assert mac.status()['failure'] is None, mac.status()


def test_bad_unknown_option(w):
    mac = w.mac()
    expect(mac('run', '--chekonly'), 200, '--chekonly', '--checkonly')
    expect(mac('rnu'), 200, 'rnu', 'run')
    r = subprocess.run([w.program], capture_output=True, text=True)
    assert r.returncode == 200 and 'usage' in (r.stdout + r.stderr).lower()


def test_help_fits_a_terminal(w):
    """every page of help is 80 columns wide at most, and run's names each option of the target"""
    pages = [[], ['--help']] + [[c, '--help'] for c in ('run check status stop request why config doctor logs reset pkg'.split())]
    pages += [['pkg', v, '--help'] for v in 'info list verify extract build mdm-manifest'.split()]
    for page in pages:
        out = subprocess.run([w.program] + page, capture_output=True, text=True)
        assert out.returncode == (0 if page else 200) and not out.stderr, (page, out)
        wide = [line for line in out.stdout.splitlines() if len(line) > 80]
        assert not wide and '\n\n\n' not in out.stdout, (page, wide)
        if page[:1] == ['run']:
            assert all(o in out.stdout for o in ('--root', '--facts', '--prefs', '--repo', '--id', '--bootstrap', '--scripts')), out.stdout
        if page[:1] == ['status']:
            assert '--root' in out.stdout and '--facts' not in out.stdout, out.stdout


def test_bad_word_of_munkis(w):
    """managedsoftwareupdate's flags that have no counterpart are refused with the reason, not taken for a run"""
    for word, why in (('--applesuspkgsonly', "Apple's updates"), ('--logoutinstall', 'run --auto'), ('-l', 'run --auto'),
                      ('--launchosinstaller', 'not upgraded'), ('--set-bootstrap-mode', 'HandOff'),
                      ('--clear-bootstrap-mode', 'managedsoftwareupdate'), ('--show-config-plist', 'config --json')):
        for argv in ([word], ['run', word]):
            out = subprocess.run([w.program] + argv, capture_output=True, text=True)
            assert out.returncode == 200 and why in out.stderr and 'unknown' not in out.stderr, (argv, out)


def test_bad_root_is_needed_on_linux(w):
    if sys.platform == 'darwin':
        raise lib.Skip('a Mac has a target of its own')
    r = subprocess.run([w.program, 'run'], capture_output=True, text=True)
    expect(lib.Result(r.returncode, r.stdout, r.stderr), 200, '--root')


def test_bad_signature_is_asked_for(w):
    """a policy that cannot be judged is a refusal, never ignored"""
    w.repo.simple('Alpha', daybreak={'team_id': 'ABCDE12345'})
    w.repo.simple('Beta', daybreak={'require_signature': True})
    w.repo.publish('Alpha', 'Beta')
    mac = w.mac()
    expect(mac.run(), 2)
    for name in ('Alpha', 'Beta'):
        assert mac.failure(name)['cause'] in ('signature', 'team_id'), mac.failure(name)
        assert not os.path.exists(mac.path('Library', name))


def test_auto_records_its_code_and_exits_0(w):
    """launchd restarts what exits non-zero: an outcome that could be reported is exit 0"""
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 3\n'})
    w.repo.publish('Bad')
    mac = w.mac()
    expect(mac.run('--auto', '--scripts', 'run'), 0)
    assert mac.status()['exit_code'] == 2 and mac.status()['trigger'] == 'auto'
    assert mac.report()['RunType'] == 'checkandinstallatstartup'      # until the plan was once done




def test_auto_after_success_ends_at_once(w):
    """a Mac that has completed its plan is left alone by launchd's starts, unless AfterSuccess says schedule"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    server = w.nginx()
    mac = w.mac(server.url)
    expect(mac.run('--auto'), 0)
    before, asked = lib.snapshot(mac.root), len(server.requests())
    r = expect(mac.run('--auto'), 0)
    assert lib.snapshot(mac.root) == before
    assert len(server.requests()) == asked and not r.out, r
    mac.prefs.update(AfterSuccess='schedule', RunInterval=3600)
    for seconds, runs in ((600, False), (3700, True)):
        clock = w.clock(start=int(time.time()) + seconds)
        expect(mac.run('--auto', '--clock', clock.path), 0)
        assert (len(server.requests()) > asked) == runs, seconds


# --- stop, lock, status -----------------------------------------------------------------------------------------

SLOW = '#!/bin/sh\nmkfifo "$3/go" 2>/dev/null\necho $$ >"$3/started"\nread line <"$3/go"\nexit 0\n'


def test_second_run_finds_the_lock(w):
    w.repo.simple('Slow', scripts={'postinstall': SLOW})
    w.repo.publish('Slow')
    mac = w.mac()
    p = mac.start('run', '--scripts', 'run')
    try:
        wait_for(lambda: os.path.exists(mac.path('started')) and mac.status()['current'] == 'slow')
        expect(mac.run(), 5, 'process %d' % p.pid, 'at slow')
        assert expect(mac('status', '--line'), 0).out.startswith('RUNNING ')
        if os.getuid() == 0:  # somebody who may not open the lock sees it too
            os.chmod(w.folder, 0o755)
            other = shutil.copy(w.program, w.folder + '/program')
            r = subprocess.run([other, 'status', '--line', '--root', mac.root], user=65534, group=65534,
                               capture_output=True, text=True)
            assert r.stdout.startswith('RUNNING '), r
    finally:
        open(mac.path('go'), 'w').close()
        p.communicate(timeout=lib.DEADLINE)
    assert p.returncode == 0
    assert expect(mac('status', '--line'), 0).out.startswith('OK ')


def joined(mac):
    """A second run with a terminal: its process and what it prints, as a function that waits for words."""
    ours, theirs = os.openpty()
    p = subprocess.Popen(mac.argv('run'), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b''

    def until(words):
        nonlocal said
        while words not in said:
            ready, _, _ = select.select([ours], [], [], lib.DEADLINE)
            assert ready, said
            try:
                more = os.read(ours, 4096)
            except OSError:
                more = b''
            assert more, said
            said += more
    return p, until


def test_a_run_that_is_joined_gives_its_own_code(w):
    """with a terminal a second run shows the first and ends with its code; one that was killed has no success"""
    mac = w.mac()
    w.repo.simple('First')
    w.repo.publish('First')
    expect(mac.run(), 0)  # status.json says 0 of this one
    w.repo.simple('Slow', scripts={'postinstall': SLOW})
    w.repo.publish('First', 'Slow')
    for killed in (True, False):
        p = mac.start('run', '--scripts', 'run')
        wait_for(lambda: os.path.exists(mac.path('started')) and mac.status()['current'] == 'slow')
        second, until = joined(mac)
        until(b'slow')
        script = int(lib.read(mac.path('started')))
        if killed:
            p.kill()
            until(b'process %d ended without finishing its run: run again' % p.pid)
        open(mac.path('go'), 'w').close()
        p.communicate(timeout=lib.DEADLINE)
        assert second.wait(lib.DEADLINE) == (1 if killed else 0), second.returncode
        wait_for(lambda: not os.path.exists('/proc/%d' % script) if os.path.isdir('/proc') else True)
        os.remove(mac.path('started'))


def test_stop_finishes_the_step_in_hand(w):
    """SIGTERM: the script in progress ends, the next item is cancelled, exit 143"""
    w.repo.simple('Slow', scripts={'postinstall': SLOW})
    w.repo.simple('Next')
    w.repo.publish('Slow', 'Next')
    mac = w.mac()
    p = mac.start('run', '--scripts', 'run')
    wait_for(lambda: os.path.exists(mac.path('started')))
    assert json.loads(expect(mac('stop', '--json'), 0).out) == {'schema': 1, 'stopping': p.pid}
    open(mac.path('go'), 'w').close()
    p.communicate(timeout=lib.DEADLINE)
    assert p.returncode == 143, p.returncode
    assert mac.states() == {'Slow': 'success', 'Next': 'cancelled'}, mac.states()
    assert mac.status()['result'] == 'stopped'
    expect(mac('stop'), 1)
    expect(mac.run(), 0)
    assert mac.states() == {'Slow': 'skipped', 'Next': 'success'}, mac.states()


def test_interrupt_keeps_the_part(w):
    """SIGINT during a download: exit 130, the part stays, the next run resumes"""
    seen = []
    hang = ranged(big(w, 2000000), seen, 1000000, lambda h: wait_for(lambda: len(seen) > 1))
    mac = w.mac(w.liar({'/pkgs/Big': hang}).url)
    part = mac.path('Library/Daybreak/Cache/Big-1.0.pkg.download')
    p = mac.start('run')
    wait_for(lambda: os.path.exists(part) and os.path.getsize(part) > 0)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=lib.DEADLINE)
    assert p.returncode == 130, p.returncode
    assert os.path.exists(part)
    expect(mac.run(), 0)
    assert seen[1], seen


def test_status_forms(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac = w.mac()
    expect(mac('status'), 1, 'NEVER')
    expect(mac('status', '--line'), 1, '^NEVER')
    expect(mac.run(), 0)
    assert re.match(r'OK \d{4}-\d\d-\d\dT[\d:.]+Z 1/1$', expect(mac('status', '--line'), 0).out.strip())
    assert re.match(r'<result>OK .*</result>$', expect(mac('status', '--ea'), 0).out.strip())
    expect(mac('status', '--check'), 0)
    assert json.loads(expect(mac('status', '--json'), 0).out)['schema'] == 1
    expect(mac('status'), 0, 'Alpha')


def test_why_explains(w):
    w.repo.simple('Base')
    w.repo.simple('Firefox', requires=['Base'])
    w.repo.manifest('groups/web', managed_installs=['Firefox'])
    w.repo.publish(conditional_items=[{'condition': 'machine_type == "laptop"', 'included_manifests': ['groups/web']}])
    mac = w.mac()
    expect(mac.run('--checkonly'), 0)
    expect(mac('why', 'Firefox'), 0, 'groups/web', 'machine_type == "laptop"', 'production', '1.0')
    expect(mac('why', 'Base'), 0, 'Firefox')
    expect(mac('why', 'Firefx'), 1, 'Firefox')


def test_config_shows_sources(w):
    mac = w.mac()
    expect(mac('config'), 0, 'SoftwareRepoURL', 'MaxAttempts')
    json.loads(expect(mac('config', '--json'), 0).out)


def test_secrets_are_not_logged(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    server = w.nginx()
    mac = w.mac(server.url)
    mac.prefs['AdditionalHttpHeaders'] = ['Authorization: Basic c2VjcmV0OnNlY3JldA==']
    r = expect(mac.run('-vvv'), 0)
    assert 'c2VjcmV0' not in r.out + r.err + mac.log()
    assert 'c2VjcmV0' not in expect(mac('config'), 0).out


def test_https_with_a_private_ca(w):
    """TLS: refused without the CA, trusted with it"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    d = w.folder
    ssl = ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', d + '/ca.key', '-out',
           d + '/ca.pem', '-subj', '/CN=Test CA']
    subprocess.run(ssl, check=True, capture_output=True)
    subprocess.run(['openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-keyout', d + '/s.key', '-out', d + '/s.csr', '-subj',
                    '/CN=127.0.0.1'], check=True, capture_output=True)
    with open(d + '/ext', 'w') as f:
        f.write('subjectAltName=IP:127.0.0.1\n')
    subprocess.run(['openssl', 'x509', '-req', '-in', d + '/s.csr', '-CA', d + '/ca.pem', '-CAkey', d + '/ca.key',
                    '-CAcreateserial', '-days', '2', '-extfile', d + '/ext', '-out', d + '/s.pem'], check=True,
                   capture_output=True)
    server = w.nginx(tls=(d + '/s.pem', d + '/s.key'))
    mac = w.mac(server.url)
    mac.prefs['DownloadRetries'] = 0
    expect(mac.run(), 150, 'certificate')
    mac.prefs['SoftwareRepoCACertificate'] = d + '/ca.pem'
    expect(mac.run(), 0)
    assert mac.status()['trust'] == 'tls'


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'e2e', a.only, os.path.abspath(a.program)))
