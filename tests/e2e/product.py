#!/usr/bin/env python3
"""The package that Macs get: what it holds, how it installs, what its scripts ask of launchd. product.py [--program build/daybreak]

The scripts run here with stand-ins for launchctl and stat; the package is installed by Daybreak's own engine. Where
build/macos/daybreak is there, its package is tested too.
"""
import argparse
import fcntl
import json
import os
import plistlib
import re
import stat
import subprocess
import sys
import threading

import lib
from package import made_constants, offer, receipts_of
from run import expect

DOMAIN = made_constants()['DOMAIN']
VERSION = made_constants()['VERSION']
RUN, SESSION = DOMAIN + '.run', DOMAIN + '.session'

# a launchd small enough to read: LOADED has a file for each job, LOG a line for each call
LAUNCHCTL = '''#!/bin/sh
echo "$*" >>"%(folder)s/log"
case $1 in
print) [ -e "%(folder)s/loaded/${2##*/}" ] ;;
bootstrap)
    job=${3##*/} job=${job%%.plist}
    [ -e "%(folder)s/disabled/$job" ] && { echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }
    : >"%(folder)s/loaded/$job" ;;
enable) rm -f "%(folder)s/disabled/${2##*/}" ;;
*) exit 64 ;;
esac
'''


class Launchd:
    def __init__(self, w, name='launchd', uid=0):
        self.folder = os.path.join(w.folder, name)
        for d in ('loaded', 'disabled'):
            os.makedirs(os.path.join(self.folder, d))
        self.tool('launchctl', LAUNCHCTL % {'folder': self.folder})
        self.tool('stat', '#!/bin/sh\necho %d\n' % uid)
        open(os.path.join(self.folder, 'log'), 'w').close()

    def tool(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, 0o755)

    def load(self, *jobs):
        for job in jobs:
            open(os.path.join(self.folder, 'loaded', job), 'w').close()

    def disable(self, job):
        open(os.path.join(self.folder, 'disabled', job), 'w').close()

    def loaded(self):
        return sorted(os.listdir(os.path.join(self.folder, 'loaded')))

    def calls(self):
        with open(os.path.join(self.folder, 'log')) as f:
            return f.read().splitlines()

    def script(self, w, name, target='/'):
        """The package's own script, its tools replaced by the stand-ins; must end 0 without waiting
        for anybody (the bound is one for a busy machine)."""
        with open(os.path.join(lib.TOP, 'pkg/scripts', name + '.in')) as f:
            text = f.read().replace('@DOMAIN@', DOMAIN)
        text = text.replace('/bin/launchctl', self.folder + '/launchctl').replace('/usr/bin/stat', self.folder + '/stat')
        path = os.path.join(self.folder, name)
        with open(path, 'w') as f:
            f.write(text)
        p = subprocess.run(['sh', path, 'daybreak.pkg', '/', target, '/'], capture_output=True, text=True, timeout=20,
                           stdin=subprocess.DEVNULL)
        assert p.returncode == 0, (name, p)
        return p.stdout

    def push(self, w, target='/'):
        self.script(w, 'preinstall', target)
        return self.script(w, 'postinstall', target)


def harmless(calls):
    """no call that could end or restart a job"""
    return all(c.split()[0] in ('print', 'bootstrap', 'enable') for c in calls)


def test_first_install_during_setup_assistant(w):
    """nobody is at the desktop, or Setup Assistant's user: the daemon is handed over, the agent waits for a login"""
    for n, uid in enumerate((0, 248)):
        d = Launchd(w, 'launchd%d' % n, uid)
        d.push(w)
        assert d.loaded() == [RUN], d.loaded()
        assert harmless(d.calls()) and 'bootstrap system /Library/LaunchDaemons/%s.plist' % RUN in d.calls(), d.calls()


def test_somebody_is_at_the_desktop(w):
    """the agent is handed to the session of that person"""
    d = Launchd(w, uid=501)
    d.push(w)
    assert d.loaded() == [RUN, SESSION], d.loaded()
    assert 'bootstrap gui/501 /Library/LaunchAgents/%s.plist' % SESSION in d.calls(), d.calls()


def test_no_console(w):
    """stat that fails is nobody at the desktop"""
    d = Launchd(w)
    d.tool('stat', '#!/bin/sh\nexit 1\n')
    d.push(w)
    assert d.loaded() == [RUN], d.loaded()


def test_pushed_again(w):
    """the same package again, or a newer one: launchd is asked, and told nothing"""
    d = Launchd(w, uid=501)
    d.load(RUN, SESSION)
    d.push(w)
    assert d.calls() == ['print system/' + RUN, 'print gui/501/' + SESSION], d.calls()


def test_a_job_that_was_disabled(w):
    """launchd refuses it until it is enabled"""
    d = Launchd(w)
    d.disable(RUN)
    d.push(w)
    assert d.loaded() == [RUN] and 'enable system/' + RUN in d.calls(), d.calls()


def test_launchd_refuses(w):
    """a job that launchd does not take is no failed installation: the next boot takes it"""
    d = Launchd(w)
    d.tool('launchctl', '#!/bin/sh\nexit 5\n')
    assert 'next boot' in d.push(w)


def test_another_volume(w):
    """nothing is asked of this Mac's launchd"""
    d = Launchd(w, uid=501)
    d.push(w, '/Volumes/Other')
    assert d.calls() == [] and d.loaded() == [], d.calls()
    d.push(w, '/System/Volumes/Data')
    assert d.loaded() == [RUN, SESSION], d.loaded()


def lock_is_held(mac):
    with open(mac.path('Library/Daybreak/lock'), 'r+') as f:
        try:
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def test_pushed_during_a_download(w):
    """no call that ends a job, and the run goes on to its end"""
    started, go = threading.Event(), threading.Event()
    w.repo.simple('Slow')
    w.repo.publish('Slow')

    def slow(h):
        started.set()
        assert go.wait(lib.DEADLINE)
        with open(os.path.join(w.repo.path, 'pkgs', 'Slow-1.0.pkg'), 'rb') as f:
            lib.answer(200, f.read(), 'application/octet-stream')(h)

    mac = w.mac(w.liar({'/pkgs/Slow-1.0.pkg': slow}).url)
    d = Launchd(w, uid=501)
    d.load(RUN, SESSION)
    p = mac.start('run')
    assert started.wait(lib.DEADLINE)
    assert lock_is_held(mac)
    d.push(w)
    assert d.calls() == ['print system/' + RUN, 'print gui/501/' + SESSION], d.calls()
    assert p.poll() is None
    go.set()
    out = p.communicate(timeout=lib.DEADLINE)
    assert p.returncode == 0 and mac.states() == {'Slow': 'success'}, out


def test_pushed_during_an_install(w):
    """no call that ends a job, and the run goes on to its end"""
    started, go = os.path.join(w.folder, 'started'), os.path.join(w.folder, 'go')
    os.mkfifo(started)
    os.mkfifo(go)
    w.repo.simple('Slow', scripts={'postinstall': '#!/bin/sh\necho now >%s\nread word <%s\nexit 0\n' % (started, go)})
    w.repo.publish('Slow')
    mac = w.mac()
    d = Launchd(w, uid=501)
    d.load(RUN, SESSION)
    p = mac.start('run', '--scripts', 'run')
    with open(started) as f:
        assert f.read().strip() == 'now'
    assert lock_is_held(mac)
    d.push(w)
    assert d.calls() == ['print system/' + RUN, 'print gui/501/' + SESSION], d.calls()
    assert p.poll() is None
    with open(go, 'w') as f:
        f.write('on\n')
    out = p.communicate(timeout=lib.DEADLINE)
    assert p.returncode == 0 and mac.states() == {'Slow': 'success'}, out


def test_pushed_by_our_own_run(w):
    """the package as an item of the plan: its postinstall runs inside the run that launchd started, and leaves it alone"""
    d = Launchd(w, uid=501)
    d.load(RUN, SESSION)
    with open(os.path.join(lib.TOP, 'pkg/scripts/postinstall.in')) as f:
        text = f.read().replace('@DOMAIN@', DOMAIN)
    text = text.replace('/bin/launchctl', d.folder + '/launchctl').replace('/usr/bin/stat', d.folder + '/stat').replace('target=${3:-/}', 'target=/')
    w.repo.simple('Daybreak', scripts={'postinstall': text})
    w.repo.simple('Other')
    w.repo.publish('Daybreak', 'Other')
    mac = w.mac()
    expect(mac.run('--scripts', 'run'), 0)
    assert mac.states() == {'Daybreak': 'success', 'Other': 'success'}, mac.states()
    assert d.calls() == ['print system/' + RUN, 'print gui/501/' + SESSION], d.calls()


def test_scripts_name_nothing_else(w):
    """neither script has a word that could stop, restart or wait"""
    for name in ('preinstall', 'postinstall'):
        with open(os.path.join(lib.TOP, 'pkg/scripts', name + '.in')) as f:
            code = '\n'.join(line.split('#')[0] for line in f if not line.startswith('#'))
        assert not re.search(r'\b(bootout|unload|kickstart|kill\w*|stop|sleep|wait)\b', code), (name, code)


def test_what_a_mac_is_asked(w):
    """the script for a real Mac tries every command that changes nothing, and takes the report of doctor, who asks most of Apple's tools"""
    with open(lib.TOP + '/pkg/try-on-a-mac.sh') as f:
        text = f.read()
    for command in ('status', 'config', 'doctor', 'check', 'request', 'pkg build', 'pkg extract', '--preferences'):
        assert '"$program" ' + command in text, command


def built(w, **env):
    p = subprocess.run(['sh', lib.TOP + '/pkg/make.sh'], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=lib.DEADLINE,
                       env=dict(os.environ, VERSION=VERSION, DOMAIN=DOMAIN, OUT=w.folder, **env))
    assert p.returncode == 0, p
    return p.stdout.split()[-1]


MODES = {
    'usr/local/daybreak/daybreak': 0o755, 'usr/local/daybreak/uninstall.sh': 0o755, 'usr/local/daybreak/LICENSE': 0o644,
    'usr/local/daybreak/NOTICES': 0o644, 'private/etc/paths.d/daybreak': 0o644, 'usr/local/share/man/man8/daybreak.8': 0o644,
    'usr/local/share/man/man5/daybreak.plist.5': 0o644, 'usr/local/share/man/man5/daybreak-repo.5': 0o644,
    'usr/local/share/man/man5/daybreak-bootstrap.5': 0o644,
    'Library/LaunchDaemons/%s.plist' % RUN: 0o644, 'Library/LaunchAgents/%s.plist' % SESSION: 0o644,
}


def installed(w, package, system):
    """Install by our own engine into a root, look at each file's mode, at the jobs, at what the uninstaller forgets."""
    assert os.path.getsize(package) <= 4000000, os.path.getsize(package)
    offer(w, package, receipts=receipts_of([(DOMAIN + '.pkg', VERSION)]))
    mac = w.mac(name='mac' + system)
    mac.facts['os_vers'] = system
    expect(mac.run(), 0)
    for path, mode in MODES.items():
        st = os.lstat(mac.path(path))
        assert stat.S_ISREG(st.st_mode) and stat.S_IMODE(st.st_mode) == mode, (path, oct(st.st_mode))
    for path in ('usr/local/daybreak', 'Library/LaunchDaemons', 'private/etc/paths.d'):
        assert stat.S_IMODE(os.lstat(mac.path(path)).st_mode) == 0o755, path
    jobs = {}
    for folder, label in (('LaunchDaemons', RUN), ('LaunchAgents', SESSION)):
        with open(mac.path('Library', folder, label + '.plist'), 'rb') as f:
            jobs[label] = plistlib.load(f)
        assert jobs[label]['Label'] == label and jobs[label]['ProgramArguments'][0] == '/usr/local/daybreak/daybreak'
    job, known = jobs[RUN], json.loads(mac('config', '--json').out)['preferences']
    longest = next(int(k['value']) for k in known if k['key'] == 'ItemTimeout')     # the step in hand is finished first
    assert job['KeepAlive'] == {'SuccessfulExit': False} and job['RunAtLoad'] is True and job['StartInterval'] == 900
    assert job['ProcessType'] == 'Interactive' and job['ThrottleInterval'] >= 10 and job['ExitTimeOut'] > longest
    assert job['WatchPaths'] == ['/private/var/run/resolv.conf', '/Library/Managed Preferences/%s.plist' % DOMAIN,
                                 '/Library/Managed Preferences/ManagedInstalls.plist']
    assert job['Sockets']['Request'] == {'SockPathName': '/private/var/run/%s.request' % DOMAIN, 'SockPathMode': 0o666}
    with open(mac.path('usr/local/daybreak/uninstall.sh')) as f:
        gone = f.read()
    for path in list(MODES) + ['Library/Daybreak', 'private/var/log/daybreak', 'private/var/log/daybreak.launchd.log']:
        assert '/' + path in gone, '%s is left by the uninstaller' % path
    return mac


def test_package_for_tests(w):
    """the package with this system's program, by our own engine; the same bytes when it is made again"""
    package = built(w, TEST_PACKAGE='1', MAKER=w.program)
    with open(package, 'rb') as f:
        first = f.read()
    mac = installed(w, package, '99.0')
    said = subprocess.run([mac.path('usr/local/daybreak/daybreak'), '--version'], capture_output=True, text=True, timeout=lib.DEADLINE)
    assert said.returncode == 0 and VERSION in said.stdout, said
    with open(built(w, TEST_PACKAGE='1', MAKER=w.program), 'rb') as f:
        assert f.read() == first


def test_package_for_macs(w):
    """the real one, with the universal program in it"""
    if not os.path.exists(lib.TOP + '/build/macos/daybreak.spdx.json'):
        raise lib.Skip('build/macos/daybreak is not there: make macos')
    package = built(w, MAKER=w.program)
    mac = installed(w, package, '15.4')
    with open(mac.path('usr/local/daybreak/daybreak'), 'rb') as f, open(lib.TOP + '/build/macos/daybreak', 'rb') as g:
        assert f.read() == g.read()
    with open(mac.path('usr/local/daybreak/daybreak.spdx.json')) as f:
        names = {p['name'] for p in json.load(f)['packages']}
    assert {'openssl', 'curl', 'libplist', 'libarchive', 'zlib', 'xz-utils', 'expat', 'nghttp2', 'jansson', 'utf8proc', 'bzip2'} < names, names


def test_profiles(w):
    """filled in: property lists with the Team ID and no gap; the description has every preference; a wrong Team ID is refused"""
    fill = [sys.executable, lib.TOP + '/pkg/profiles/fill.py']
    out = os.path.join(w.folder, 'profiles')
    subprocess.run(fill + ['ABCDE12345', 'https://munki.example.com/repo?a=1&b=2', out], check=True, stdout=subprocess.DEVNULL,
                   timeout=lib.DEADLINE)
    profiles = {}
    for name in os.listdir(out):
        with open(os.path.join(out, name), 'rb') as f:
            profiles[name[len(DOMAIN) + 1:]] = plistlib.load(f)
    assert set(profiles) == {'preferences.mobileconfig', 'servicemanagement.mobileconfig', 'fulldisk.mobileconfig',
                             'appmanagement.mobileconfig', 'plist'}, set(profiles)
    uuids = set()
    for name, p in profiles.items():
        if name == 'plist':
            continue
        for d in [p] + p['PayloadContent']:
            assert d['PayloadVersion'] == 1 and d['PayloadIdentifier'].startswith(DOMAIN), d
            uuids.add(d['PayloadUUID'])
    assert len(uuids) == 8, uuids
    prefs = profiles['preferences.mobileconfig']['PayloadContent'][0]
    assert prefs['PayloadType'] == DOMAIN and prefs['SoftwareRepoURL'] == 'https://munki.example.com/repo?a=1&b=2'
    rule = profiles['servicemanagement.mobileconfig']['PayloadContent'][0]['Rules'][0]
    assert rule['TeamIdentifier'] == 'ABCDE12345' and RUN.startswith(rule['RuleValue']) and SESSION.startswith(rule['RuleValue'])
    for name, service in (('fulldisk', 'SystemPolicyAllFiles'), ('appmanagement', 'SystemPolicyAppBundles')):
        (entry,) = profiles[name + '.mobileconfig']['PayloadContent'][0]['Services'][service]
        assert entry['Identifier'] == '/usr/local/daybreak/daybreak' and 'subject.OU] = "ABCDE12345"' in entry['CodeRequirement']
        assert 'identifier "%s"' % DOMAIN in entry['CodeRequirement']
    config = json.loads(w.mac()('config', '--json').out)
    shown = {e['key'] for e in config['preferences'] if e['effective']}
    described = {k['pfm_name'] for k in profiles['plist']['pfm_subkeys']}
    assert shown <= described, shown - described
    for team, url in (('abcde12345', 'https://x.example'), ('ABCDE1234', 'https://x.example'), ('ABCDE12345', 'http://x.example')):
        assert subprocess.run(fill + [team, url, out + '2'], capture_output=True, timeout=lib.DEADLINE).returncode != 0
    assert not os.path.exists(out + '2')


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'product', a.only, os.path.abspath(a.program)))
