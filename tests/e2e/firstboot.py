#!/usr/bin/env python3
"""A first boot, from power-on to a finished Mac, in virtual time: firstboot.py [--program build/daybreak] [--only WORD]

Apple's tools are stand-ins (tests/tools), launchd is this script. What happens to the Mac happens at fixed seconds; what
Daybreak says of it is compared event by event."""
import argparse
import os
import plistlib
import sys

import lib
from lib import expect

START = 1795485600


def place(path, value):
    """A property list that appears at once, as MDM's do."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + '.new', 'wb') as f:
        plistlib.dump(value, f)
    os.rename(path + '.new', path)


def told(mac, run):
    """The events of a run, as (second, what). Left out: progress in between, since how much of it there is depends on the
    machine, and that a download has ended, which goes on beside the rest."""
    out = []
    for e in mac.events():
        if e['run'] != run or e['type'] == 'item.progress' or e.get('detail') == 'downloaded':
            continue
        what = {'run.begin': lambda: 'begin ' + e['trigger'],
                'plan': lambda: 'plan of %d' % e['total'],
                'phase.begin': lambda: 'phase ' + e['phase'],
                'note': lambda: e['detail'],
                'reboot.pending': lambda: 'reboot pending',
                'run.end': lambda: 'end %s %d' % (e['result'], e['exit_code']),
                'item.state': lambda: ' '.join(filter(None, (e['name'], e['state'], e.get('detail'))))}[e['type']]()
        out.append((e['mono_ms'] // 1000, what))
    return out


def same(got, want):
    for n, (a, b) in enumerate(zip(got + [None] * len(want), want + [None] * len(got))):
        if a != b:
            raise AssertionError('event %d is %r, expected %r\n%s' % (n, a, b, '\n'.join(map(repr, got))))


def test_first_boot(w):
    """console: none, Setup Assistant, a person; preferences after 20 s, a required profile after 40 s, a session item, a
    restart that the person clicks, the run after it, and silence"""
    w.repo.simple('Desk', daybreak={'stage': 'session'})
    w.repo.simple('Driver', RestartAction='RequireRestart')
    w.repo.simple('Alpha')
    w.repo.publish('Desk', 'Driver', 'Alpha',
                   daybreak={'required_profiles': [{'identifier': 'com.example.wifi', 'timeout': 600, 'critical': True}]})
    mac, tools = w.mac(), w.tools()
    tools.put('click', 'Restart')

    def preferences():
        place(mac.path('Library/Managed Preferences/io.daybreak.plist'),
              {'SoftwareRepoURL': 'file://' + w.repo.path, 'RestartPolicy': 'ask', 'SplayMax': 0})

    def profile():
        place(mac.path('Library/Daybreak/profiles.plist'),
              {'_computerlevel': [{'ProfileIdentifier': 'com.example.wifi', 'ProfileUUID': 'A'}]})

    def over():
        lib.program(mac.path('private/var/db/.AppleSetupDone'), '', 0o400)
        tools.console()

    clock = w.timeline({10: lambda: tools.console('_mbsetupuser', 248), 20: preferences, 40: profile, 70: over,
                        90: lambda: tools.console('anna')}, start=START)
    expect(mac.run('--auto', '--tools', tools.path, '--clock', clock.path, prefs=False), 0)
    first = mac.status()
    same(told(mac, first['run']), [
        (0, 'begin auto'),
        (0, 'waiting for preferences: SoftwareRepoURL is set in no domain'),
        (25, 'waiting for nothing any more'),                   # there since 20, looked for every 5
        (25, 'waiting for configuration profile com.example.wifi'),
        (41, 'waiting for nothing any more'),
        (41, 'plan of 3'),
        (41, 'phase setup'),
        (41, 'Driver verifying'), (41, 'Driver installing'), (41, 'Driver success'),
        (41, 'reboot pending'),
        (41, 'Alpha verifying'), (41, 'Alpha installing'), (41, 'Alpha success'),
        (41, 'phase session'),
        (41, "waiting for a user's session: Setup Assistant is still running"),
        (41, "Desk waiting a user's session: Setup Assistant is still running"),
        (71, "waiting for a user's session: nobody is logged in"),
        (71, "Desk waiting a user's session: nobody is logged in"),
        (91, 'waiting for nothing any more'),
        (91, 'Desk verifying'), (91, 'Desk installing'), (91, 'Desk success'),
        (91, 'end ok 4')])
    assert first['exit_code'] == 4 and first['reboot'] and [i['name'] for i in first['items']] == ['Desk', 'Driver', 'Alpha']
    assert tools.calls() == ['caffeinate -i -m -s -w', 'launchctl asuser 501', 'sudo anna', 'osascript display dialog ',
                             'shutdown -r now'], tools.calls()

    # the Mac starts anew: launchd's RunAtLoad
    tools.put('boot', '6A1F2C3B-0000-4000-8000-000000000002\n')
    tools.put('calls', None)
    tools.console()
    expect(mac.run('--auto', '--tools', tools.path, '--clock', w.clock(start=START + 150).path, prefs=False), 0)
    second = mac.status()
    assert second['run'] != first['run']
    same(told(mac, second['run']), [(0, 'begin auto'), (0, 'plan of 3'), (0, 'phase setup'), (0, 'end ok 0')])
    assert set(mac.states().values()) == {'skipped'} and not second['reboot']
    assert os.path.exists(mac.path('Library/Daybreak/complete')) and sorted(os.listdir(mac.path('Library/Daybreak/done'))) == \
        ['alpha', 'desk', 'driver']
    assert tools.calls() == ['caffeinate -i -m -s -w'], tools.calls()

    # the login, and a day of heartbeats: nothing is done, nothing is written
    leave_out = ('Library/Daybreak/holder',)                # who has the lock, for those who cannot ask the kernel
    before = lib.snapshot(mac.root, leave_out)
    for at in range(200, 86400, 9000):
        expect(mac.run('--auto', '--tools', tools.path, '--clock', w.clock(start=START + at).path, prefs=False), 0)
    changed = lib.difference(before, lib.snapshot(mac.root, leave_out))
    assert changed == [], changed
    # a technician looks again: everything is there
    expect(mac.run('--tools', tools.path, prefs=False), 0)
    expect(mac('status', '--line', prefs=False, facts=False), 0, '^OK .* 3/3')


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'firstboot', a.only, os.path.abspath(a.program)))
