#!/usr/bin/env python3
"""A healthy Mac, and one fault after the other planted into it: doctor names each with cause and remedy.
doctor.py [--program build/daybreak] [--only WORD]"""
import argparse
import atexit
import fcntl
import json
import os
import plistlib
import shutil
import subprocess
import sys
import tempfile

import lib
from lib import answer, expect, program

HTML = b'<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome</body></html>'
OURS = 'Library/Managed Preferences/io.daybreak.plist'
MUNKIS = 'Library/Managed Preferences/ManagedInstalls.plist'
STATE = 'Library/Daybreak/'
HOOKS = 'usr/local/daybreak/'


TEMPLATE = []


class Patient:
    """A Mac that is set up by profile, has run once, and has stand-ins for Apple's tools."""

    def __init__(self, w):
        self.w = w
        self.extra = []
        self.tools = w.folder + '/tools'
        self.mac = w.mac()
        if TEMPLATE:  # made by the first patient: a Mac that ran, and its repository
            for name, to in (('root', self.mac.root), ('repo', w.repo.path), ('tools', self.tools)):
                shutil.rmtree(to, ignore_errors=True)
                shutil.copytree(os.path.join(TEMPLATE[0], name), to, symlinks=True)
            self.prefs({'SoftwareRepoURL': 'file://' + w.repo.path})
            return
        w.repo.simple('Alpha')
        w.repo.publish('Alpha')
        self.prefs({'SoftwareRepoURL': 'file://' + w.repo.path})
        shutil.copytree(lib.TOP + '/tests/tools', self.tools)
        self.put('../../tools/loaded/io.daybreak.run', '')
        self.put('../../tools/signed', '')
        self.put('Library/LaunchDaemons/io.daybreak.run.plist', '<plist/>', 0o644)
        self.put('Library/Application Support/com.apple.TCC/TCC.db', '')
        program(self.mac.path(HOOKS, 'preflight'), 'exit 0\n')
        self.run(0)
        folder = tempfile.mkdtemp(prefix='daybreak-patient-')
        atexit.register(shutil.rmtree, folder, True)
        for name, at in (('root', self.mac.root), ('repo', w.repo.path), ('tools', self.tools)):
            shutil.copytree(at, os.path.join(folder, name), symlinks=True)
        TEMPLATE.append(folder)

    def put(self, path, text, mode=0o644):
        full = self.mac.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w') as f:
            f.write(text)
        os.chmod(full, mode)

    def prefs(self, d, path=OURS, mode=0o644):
        self.put(path, plistlib.dumps(d).decode(), mode)

    def repo(self, url, **more):
        self.prefs(dict(SoftwareRepoURL=url, **more))

    def chmod(self, path, mode):
        os.chmod(self.mac.path(path), mode)

    def run(self, code):
        return expect(self.mac.run('--scripts', 'run', prefs=False), code)

    def doctor(self, *extra):
        return self.mac('doctor', '--tools', self.tools, *self.extra, *extra, prefs=False)


def secret(p):
    p.repo('file://' + p.w.repo.path, AdditionalHttpHeaders=['Authorization: Basic cGxhbnRlZA=='])


def secrets_file(mode):
    def plant(p):
        p.put('private/var/root/secrets.plist', plistlib.dumps({'ReportURL': 'https://x'}).decode(), mode)
        p.repo('file://' + p.w.repo.path, SecretsFile='/private/var/root/secrets.plist')
    return plant


def served(fn, **prefs):
    """The repository behind a server that answers with fn."""
    return lambda p: p.repo(p.w.liar({'/': fn}).url, **prefs)


def tls(p, trusted=False):
    cert, key = p.w.folder + '/cert.pem', p.w.folder + '/key.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2',
                    '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'], check=True, capture_output=True)
    return p.w.nginx(tls=(cert, key)).url


def proxy_wants_credentials(p):
    server = subprocess.Popen([sys.executable, lib.HERE + '/faultserver.py', '--until-eof'], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    port = int(server.stdout.readline())

    class Stop:
        @staticmethod
        def stop():
            server.stdin.close()
            server.wait(lib.DEADLINE)
            server.stdout.close()
    p.w.servers.append(Stop)
    p.repo('https://repo.example.com/')
    p.prefs({'ProxyURL': 'http://127.0.0.1:%d' % port}, 'private/var/root/Library/Preferences/io.daybreak.plist', 0o600)


def held_for_long(p):
    """This test holds the lock, and has done so since 2020."""
    f = open(p.mac.path(STATE, 'lock'), 'w')
    p.held = f
    fcntl.lockf(f, fcntl.LOCK_EX)
    p.put(STATE + 'holder', '%d 1600000000 1\n' % os.getpid())


def cut_off(p):
    path = p.mac.path(STATE, 'status.json')
    with open(path) as f:
        o = json.load(f)
    o['state'] = 'running'
    with open(path, 'w') as f:
        json.dump(o, f)


def used_up(p):
    p.w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 1\n'})
    p.w.repo.publish('Alpha', 'Bad')
    for _ in range(4):
        p.run(2)


def facts(p):
    p.mac.facts['os_ver'] = '15'


def broken(path, text='{{{'):
    return lambda p: p.put(path, text)


def shadow(path):
    """A file where a folder should be."""
    def plant(p):
        full = p.mac.path(path)
        shutil.rmtree(full, ignore_errors=True)
        with open(full, 'w'):
            pass
    return plant


def link(path):
    def plant(p):
        full = p.mac.path(path)
        os.rename(full, full + '.real')
        os.symlink(full + '.real', full)
    return plant


def remove(path):
    return lambda p: os.unlink(p.mac.path(path))


def mode(path, m):
    return lambda p: p.chmod(path, m)


def no_privacy(p):
    path = p.mac.path('Library/Application Support/com.apple.TCC/TCC.db')
    os.unlink(path)
    os.symlink('/nowhere', path)


def past(p):
    p.extra = ['--clock', p.w.clock(start=978307200).path]


# name: what is planted; the check that finds it, what it says, what it advises
FAULTS = {
    'preferences_unreadable': (broken(OURS), 'preferences', r'io\.daybreak\.plist: ', 'correct that file'),
    'preference_unknown': (lambda p: p.repo('x', SoftwareRepURL='x'), 'preferences', 'SoftwareRepURL: did you mean SoftwareRepoURL',
                           'correct'),
    'preference_of_wrong_type': (lambda p: p.repo('https://x', HookTimeout='long'), 'preferences',
                                 'HookTimeout: an integer is needed', 'correct'),
    'preference_out_of_range': (lambda p: p.repo('https://x', MaxAttempts=0), 'preferences', 'MaxAttempts: 0 is outside', 'correct'),
    'no_repository': (lambda p: p.prefs({}), 'preferences', 'no repository is configured', 'SoftwareRepoURL'),
    'secrets_in_a_profile': (secret, 'secrets', r'AdditionalHttpHeaders stands where every local user', 'SecretsFile'),
    'secrets_file_readable': (secrets_file(0o644), 'preferences', 'others than root may read it', 'correct'),
    'secrets_file_missing': (lambda p: p.repo('https://x', SecretsFile='/gone'), 'preferences', 'SecretsFile /gone: not there',
                             'correct'),
    'facts_of_nonsense': (facts, 'facts', 'unknown key os_ver: did you mean os_vers', 'FACTS FILE'),
    'folder_is_munkis': (lambda p: p.repo('file://' + p.w.repo.path, ManagedInstallDir='/Library/Managed Installs'), 'folders',
                         "is Munki's own directory", 'of its own'),
    'folder_writable_by_others': (mode(STATE, 0o777), 'folders', r'mode 0777: others than root can write', 'chmod 755'),
    'cache_open_to_others': (mode(STATE + 'Cache', 0o755), 'folders', r'Cache has mode 0755: .*look into', 'chmod 700'),
    'folder_is_a_file': (shadow('Library/Daybreak/Cache'), 'folders', 'Cache is not a folder', 'move'),
    'folder_is_a_link': (link('Library/Daybreak'), 'folders', 'Daybreak is not a folder', 'move'),
    'log_folder_is_a_file': (shadow('private/var/log/daybreak'), 'log', 'log/daybreak is not a folder', 'move'),
    'log_is_no_file': (lambda p: (remove('private/var/log/daybreak/daybreak.log')(p),
                                  os.mkdir(p.mac.path('private/var/log/daybreak/daybreak.log'))), 'log', 'no regular file', 'move'),
    'log_writable_by_others': (mode('private/var/log/daybreak/daybreak.log', 0o666), 'log', 'mode 0666', 'move'),
    'log_folder_open_to_others': (mode('private/var/log/daybreak', 0o777), 'log', 'mode 0777', 'chmod 755'),
    'disk_full': (lambda p: p.mac.facts.update(available_disk_space_kb=900 * 1024), 'disk', '900 MB are free', 'make room'),
    'lock_open_to_others': (mode(STATE + 'lock', 0o644), 'lock', 'anybody could hold it', 'rm /Library/Daybreak/lock'),
    'lock_held_too_long': (held_for_long, 'lock', r'process \d+ has held the lock for \d+ minutes', 'stop'),
    'run_cut_off': (cut_off, 'last run', 'was cut off: it says running', 'run again'),
    'status_damaged': (broken(STATE + 'status.json'), 'last run', 'status.json is damaged', 'run again'),
    'journal_open_to_others': (mode(STATE + 'journal', 0o644), 'journal', 'mode 0644', 'chmod 600'),
    'attempts_used_up': (used_up, 'attempts', 'Bad is not tried any more', 'reset Bad'),
    'reports_undelivered': (broken(STATE + 'reports/1-x.json'), 'reports', '1 reports wait', 'ReportURL'),
    'hook_writable_by_others': (mode(HOOKS + 'preflight', 0o777), 'hooks', 'preflight is not executed: .*written by others', 'chmod'),
    'hook_not_executable': (mode(HOOKS + 'preflight', 0o644), 'hooks', 'preflight is not executed: .*not executable', 'chmod'),
    'hook_folder_open_to_others': (mode(HOOKS, 0o777), 'hooks', 'its folder can be written by others', 'folder'),
    'hook_is_a_link': (link(HOOKS + 'preflight'), 'hooks', 'not a regular file', 'chmod'),
    'condition_writable_by_others': (lambda p: program(p.mac.path(HOOKS, 'conditions/site'), '', 0o777), 'hooks',
                                     'conditions/site is not executed', 'chmod'),
    'hand_off_to_nothing': (lambda p: p.repo('file://' + p.w.repo.path, HandOff='munki'), 'hooks',
                            'HandOff: /usr/local/munki/managedsoftwareupdate cannot be executed', 'put it there'),
    'hand_off_of_nonsense': (lambda p: p.repo('file://' + p.w.repo.path, HandOff='Munki'), 'hooks', 'HandOff: Munki is none of',
                             'correct HandOff'),
    'middleware_missing': (lambda p: p.repo('file://' + p.w.repo.path, Middleware='/opt/gone'), 'repository',
                           'Middleware /opt/gone: ', 'by hand'),
    'job_missing': (remove('Library/LaunchDaemons/io.daybreak.run.plist'), 'job', 'nothing starts Daybreak', 'install the package'),
    'job_writable_by_others': (mode('Library/LaunchDaemons/io.daybreak.run.plist', 0o666), 'job', 'launchd does not load it', 'chmod 644'),
    'job_not_loaded': (remove('../../tools/loaded/io.daybreak.run'), 'job', 'is not loaded: launchctl exited with 113', 'bootstrap'),
    'signature_broken': (remove('../../tools/signed'), 'signer', 'does not hold: codesign exited with 1', 'install the signed'),
    'no_full_disk_access': (no_privacy, 'privacy', 'no Full Disk Access', 'PPPC'),
    'clock_wrong': (past, 'clock', 'believes that it is 2001-01-01', 'sntp'),
    'name_does_not_resolve': (lambda p: p.repo('https://repo.invalid'), 'dns', r'repo\.invalid.*DNS: ', 'dscacheutil'),
    'nobody_listens': (lambda p: p.repo('http://127.0.0.1:9'), 'connection', 'connection: ', 'firewall'),
    'no_tls_there': (lambda p: p.repo(p.w.nginx().url.replace('http:', 'https:')), 'tls', 'TLS: ', 'inspects TLS'),
    'certificate_untrusted': (lambda p: p.repo(tls(p)), 'tls', 'TLS: .*certificate', 'SoftwareRepoCACertificate'),
    'portal': (served(answer(200, HTML)), 'portal', 'manifest ', 'portal'),
    'proxy_wants_credentials': (proxy_wants_credentials, 'proxy', 'the proxy wants credentials', 'ProxyURL'),
    'proxy_by_script': (lambda p: p.put('../../tools/proxy', '<dictionary> {\n  ProxyAutoConfigEnable : 1\n'
                                        '  ProxyAutoConfigURLString : http://wpad/wpad.dat\n}\n'), 'proxy',
                        r'chosen by a script \(http://wpad/wpad.dat\)', 'ProxyURL'),
    'keychain_does_not_answer': (broken('../../tools/broken'), 'authorities', 'no certification authority of the System keychain is '
                                 'trusted here: find-certificate exited with 1', 'SoftwareRepoCACertificate'),
    'server_refuses': (served(answer(401)), 'repository', 'refuses all requests', 'AdditionalHttpHeaders'),
    'server_down': (served(answer(503)), 'repository', '503', "server's own log"),
    'manifest_missing': (lambda p: p.repo('file://' + p.w.repo.path, ClientIdentifier='gone'), 'repository', 'manifest gone: ',
                         'ClientIdentifier'),
    'manifest_damaged': (lambda p: p.put('../../repo/manifests/site_default', 'bplist00nonsense'), 'repository',
                         'manifest site_default: ', 'plutil -lint'),
    'manifest_without_catalogs': (lambda p: p.w.repo.manifest(managed_installs=['Alpha']), 'repository', 'names no catalogs',
                                  'add a catalogs'),
    'catalog_missing': (remove('../../repo/catalogs/production'), 'repository', 'catalog production: ', 'publish'),
    'plain_http': (lambda p: p.repo('http://repo.example.com'), 'repository', 'plain http are refused', 'https'),
    'signed_index_wanted': (lambda p: p.repo('file://' + p.w.repo.path, RepoPublicKeys=['x']), 'repository', 'RepoPublicKeys is set',
                            'RepoPublicKeys'),
}


def findings(result):
    return json.loads(result.out)['findings']


def test_nothing_is_wrong_with_a_healthy_mac(w):
    """and doctor changes nothing"""
    p = Patient(w)
    before = lib.snapshot(p.mac.root)
    r = expect(p.doctor('--json'), 0)
    assert {f['state'] for f in findings(r)} <= {'ok', 'note'}, r
    assert {f['check'] for f in findings(r)} >= {'preferences', 'folders', 'log', 'disk', 'state', 'hooks', 'job', 'signer',
                                                 'privacy', 'clock', 'proxy', 'repository'}, r
    expect(p.doctor(), 0, 'nothing is wrong')
    assert expect(p.doctor('-q'), 0).out == 'nothing is wrong\n'
    assert not lib.difference(before, lib.snapshot(p.mac.root)), lib.difference(before, lib.snapshot(p.mac.root))


def plant(name):
    do, check, cause, remedy = FAULTS[name]

    def fn(w):
        p = Patient(w)
        do(p)
        r = expect(p.doctor('--json'), 1)
        bad = [f for f in findings(r) if f['state'] == 'problem']
        found = [f for f in bad if f['check'] == check and lib.re.search(cause, f['cause'])]
        assert found, 'not found among %s' % bad
        assert lib.re.search(remedy, found[0]['remedy']), found
        assert len(bad) == 1, 'one fault, one finding: %s' % bad
    fn.__doc__ = 'planted: %s' % name
    return fn


def test_a_secret_is_not_printed(w):
    p = Patient(w)
    secret(p)
    for r in (p.doctor(), p.doctor('--json'), p.doctor('-vvv')):
        assert 'cGxhbnRlZA' not in r.out + r.err, r


for _name in FAULTS:
    globals()['test_' + _name] = plant(_name)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'doctor', a.only, os.path.abspath(a.program)))
