#!/usr/bin/env python3
"""Who is at the Mac: stages, waits, Munki beside us. stages.py [--program build/daybreak] [--only WORD]

All in virtual time, with stand-ins for Apple's tools (tests/tools)."""
import argparse
import os
import subprocess
import sys

import lib
from lib import expect

sys.path.insert(0, lib.TOP + '/tests/hostile')
import parts  # noqa: E402

START = 1795485600


def order(mac):
    """Names of items in the order in which they were installed."""
    names = {i['id']: i['name'] for i in mac.status()['items']}
    return [names[e['item']] for e in mac.events() if e['type'] == 'item.state' and e['state'] == 'installing']


def notes(mac, word=''):
    return [e['detail'] for e in mac.events() if e['type'] == 'note' and word in e['detail']]


def auto(mac, tools, clock, *extra):
    return expect(mac.run('--auto', '--tools', tools.path, '--clock', clock.path, *extra), 0)


# --- a person at the desktop ----------------------------------------------------------------------------------

def test_session_items_wait_for_a_person(w):
    """none, Setup Assistant, the login window, then a person: session items go last, whatever their place in the plan"""
    w.repo.simple('Desk', daybreak={'stage': 'session'})
    w.repo.simple('OnDesk', requires=['Desk'])
    w.repo.simple('Alpha')
    w.repo.publish('Desk', 'OnDesk', 'Alpha')
    mac, tools = w.mac(), w.tools()
    clock = w.timeline({60: lambda: tools.console('_mbsetupuser', 248), 120: lambda: tools.console('loginwindow', 0),
                        180: lambda: tools.console('anna')})
    auto(mac, tools, clock)
    assert order(mac) == ['Alpha', 'Desk', 'OnDesk'], order(mac)
    assert mac.status()['exit_code'] == 0 and [i['stage'] for i in mac.status()['items']] == ['session', 'session', 'setup']
    assert 180 <= clock.passed / 1000 <= 190, clock.passed
    assert notes(mac, "user's session") == ["waiting for a user's session: nobody is logged in",
                                            "waiting for a user's session: Setup Assistant is still running",
                                            "waiting for a user's session: nobody is logged in"], notes(mac)
    assert 'anna is logged in' in mac.log()


def test_the_wait_for_a_person_is_bounded(w):
    """UserWait holds for all session items together; then they are deferred to the next login, and all the rest is done"""
    for name in ('One', 'Two'):
        w.repo.simple(name, daybreak={'stage': 'session'})
    w.repo.simple('Alpha')
    w.repo.simple('OnTwo', requires=['Two'])
    w.repo.publish('One', 'OnTwo', 'Alpha')
    mac, tools = w.mac(), w.tools()
    mac.prefs['UserWait'] = 300
    clock = w.clock()
    auto(mac, tools, clock)
    assert mac.states() == {'One': 'deferred', 'Two': 'deferred', 'Alpha': 'success', 'OnTwo': 'deferred'}, mac.states()
    assert mac.item('OnTwo')['reason'] == 'needs Two, which is deferred'
    assert mac.item('One')['reason'] == "waits for a user's session: next login" and mac.status()['exit_code'] == 4
    assert 300 <= clock.passed / 1000 < 305, clock.passed
    assert not os.path.exists(mac.path('Library/Daybreak/complete'))
    tools.console('anna')                      # the next login: launchd starts us again
    auto(mac, tools, w.clock(start=START + 3600))
    assert mac.states() == {'One': 'success', 'Two': 'success', 'Alpha': 'skipped', 'OnTwo': 'success'}, mac.states()
    assert mac.status()['exit_code'] == 0 and os.path.exists(mac.path('Library/Daybreak/complete'))


def test_the_session_is_looked_at_before_each_item(w):
    """she logs out after the first: the second waits, and is done when she is back"""
    w.repo.simple('One', daybreak={'stage': 'session'})
    w.repo.simple('Two', daybreak={'stage': 'session'})
    mac, tools = w.mac(), w.tools()
    w.repo.items[0]['postinstall_script'] = '#!/bin/sh\nrm "%s/console"\n' % tools.path
    w.repo.publish('One', 'Two')
    tools.console('anna')
    auto(mac, tools, w.timeline({100: lambda: tools.console('anna')}), '--scripts', 'run')
    assert mac.states() == {'One': 'success', 'Two': 'success'} and len(notes(mac, 'nobody is logged in')) == 1


def test_a_technician_waits_for_nobody(w):
    w.repo.simple('Desk', daybreak={'stage': 'session'})
    w.repo.publish('Desk')
    mac, tools, clock = w.mac(), w.tools(), w.clock()
    expect(mac.run('--tools', tools.path, '--clock', clock.path), 4)
    assert mac.states() == {'Desk': 'deferred'} and clock.passed == 0, (mac.states(), clock.passed)


def test_setup_assistants_last_panes_are_not_a_desktop(w):
    """they run in the session of the new user; another target's, or another program's process does not count"""
    w.repo.simple('Desk', daybreak={'stage': 'session'})
    w.repo.publish('Desk')
    mac, tools = w.mac(), w.tools()
    tools.console('anna')
    assistant = running(mac.path('System/Library/CoreServices/Setup Assistant.app/Contents/MacOS/Setup Assistant'))
    other = running(w.folder + '/else/Setup Assistant.app/Contents/MacOS/Setup Assistant')
    try:
        auto(mac, tools, w.timeline({40: lambda: end(assistant)}))
    finally:
        end(assistant)
        end(other)
    assert mac.states() == {'Desk': 'success'} and len(notes(mac, 'Setup Assistant is still')) == 1


# --- a restart ------------------------------------------------------------------------------------------------

def restarts(tools):
    return tools.calls().count('shutdown -r now')


def asked(tools):
    return [c for c in tools.calls() if c.startswith('osascript')]


def wants_restart(w, policy, **keys):
    """A Mac with one item that asks for a restart, after Setup Assistant."""
    w.repo.simple('Driver', RestartAction='RequireRestart')
    w.repo.simple('Alpha')
    w.repo.publish('Driver', 'Alpha', **keys)
    mac, tools = w.mac(), w.tools()
    lib.program(mac.path('private/var/db/.AppleSetupDone'), '', 0o400)
    mac.prefs['RestartPolicy'] = policy
    return mac, tools


def heartbeats(w, mac, tools, count, start=START + 900):
    for i in range(count):
        auto(mac, tools, w.clock(start=start + 900 * i), '--scripts', 'run')


def test_a_restart_is_only_reported(w):
    """the default, also at the login window; the Mac counts as done when it has been restarted"""
    mac, tools = wants_restart(w, 'report')
    auto(mac, tools, w.clock())
    assert mac.status()['exit_code'] == 4 and mac.status()['reboot'] and mac.report()['RestartRequired']
    auto(mac, tools, w.clock(start=START + 60))            # nothing is left to do, but the restart is
    assert mac.status()['exit_code'] == 4 and mac.status()['reboot']
    assert restarts(tools) == 0 and asked(tools) == []
    tools.put('boot', 'B\n')
    auto(mac, tools, w.clock(start=START + 70))
    assert mac.status()['exit_code'] == 0 and not mac.status()['reboot'], mac.status()


def test_at_the_login_window_the_mac_restarts_itself(w):
    """once for each plan, and never for a technician's run"""
    mac, tools = wants_restart(w, 'loginwindow')
    expect(mac.run('--tools', tools.path, '--clock', w.clock().path), 4)
    assert restarts(tools) == 0
    tools.console('loginwindow', 0)
    auto(mac, tools, w.clock(start=START + 30))
    assert restarts(tools) == 1 and 'the Mac is restarted' in mac.log()
    heartbeats(w, mac, tools, 3)                           # shutdown is slow, or somebody stopped it
    assert restarts(tools) == 1 and 'restarted for this plan before' in mac.log()


def test_nobody_is_thrown_out(w):
    """who is logged in keeps the desktop; the next start of launchd's after a logout restarts"""
    mac, tools = wants_restart(w, 'loginwindow')
    tools.console('anna')
    auto(mac, tools, w.clock())
    heartbeats(w, mac, tools, 2)
    assert restarts(tools) == 0 and asked(tools) == [] and 'but not now: somebody is logged in' in mac.log()
    run = mac.status()['run']
    tools.console()
    heartbeats(w, mac, tools, 1, START + 2000)             # no run is due yet: only the restart is
    assert restarts(tools) == 1 and mac.status()['run'] == run


def test_the_user_is_asked_once_and_clicks(w):
    mac, tools = wants_restart(w, 'ask')
    tools.console('anna')
    tools.put('click', 'Restart')
    auto(mac, tools, w.clock())
    assert tools.calls()[-4:] == ['launchctl asuser 501', 'sudo anna', 'osascript display dialog ', 'shutdown -r now'], tools.calls()


def test_later_and_no_answer_are_no(w):
    for answer in ('Later', None):
        mac, tools = wants_restart(w, 'ask') if answer else (w.mac(name='b'), w.tools())
        mac.prefs['RestartPolicy'] = 'ask'
        lib.program(mac.path('private/var/db/.AppleSetupDone'), '', 0o400)
        tools.console('anna')
        tools.put('click', answer)
        auto(mac, tools, w.clock())
        heartbeats(w, mac, tools, 3)
        assert restarts(tools) == 0 and len(asked(tools)) == 1, tools.calls()
        tools.put('boot', 'B\n')                           # restarted by hand: nothing is owed any more
        heartbeats(w, mac, tools, 2, START + 9000)
        assert restarts(tools) == 0 and len(asked(tools)) == 1 and mac.status()['exit_code'] == 0


def test_no_restart_in_setup_assistant(w):
    mac, tools = wants_restart(w, 'loginwindow')
    os.unlink(mac.path('private/var/db/.AppleSetupDone'))
    auto(mac, tools, w.clock())                            # booted, nobody there yet
    tools.console('_mbsetupuser', 248)
    heartbeats(w, mac, tools, 1)
    assert restarts(tools) == 0 and mac.log().count('Setup Assistant is not over') == 2
    lib.program(mac.path('private/var/db/.AppleSetupDone'), '', 0o400)
    heartbeats(w, mac, tools, 1, START + 2000)
    assert restarts(tools) == 0
    tools.console('loginwindow', 0)
    heartbeats(w, mac, tools, 1, START + 3000)
    assert restarts(tools) == 1


def test_no_restart_after_a_critical_failure(w):
    """one that is not critical does not keep the Mac from restarting"""
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 1\n'}, daybreak={'critical': True})
    mac, tools = wants_restart(w, 'loginwindow')
    w.repo.publish('Bad', 'Driver')
    auto(mac, tools, w.clock(), '--scripts', 'run')
    heartbeats(w, mac, tools, 2)
    assert restarts(tools) == 0 and 'the last run failed or was cut short' in mac.log()
    w.repo.items[0]['daybreak'] = {}
    w.repo.publish('Bad', 'Driver')
    auto(mac, tools, w.clock(start=START + 90000), '--scripts', 'run')
    assert mac.status()['exit_code'] == 2 and restarts(tools) == 1, (mac.status(), tools.calls())


# --- power ----------------------------------------------------------------------------------------------------

def test_the_mac_is_kept_awake_and_its_battery_said(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac, tools = w.mac(), w.tools()
    tools.put('battery', "Now drawing from 'Battery Power'\n -InternalBattery-0 (id=4653155)\t34%; discharging; 1:12 "
              'remaining present: true\n')
    expect(mac.run('--tools', tools.path), 0, 'runs on its battery, charged to 34%')
    assert notes(mac, 'battery') == ['this Mac runs on its battery, charged to 34%']
    assert tools.calls() == ['caffeinate -i -m -s -w'], tools.calls()
    tools.put('battery', None)
    expect(mac.run('--tools', tools.path), 0)
    assert len(notes(mac, 'battery')) == 1


# --- Rosetta --------------------------------------------------------------------------------------------------

def built_for(w, name, architectures):
    """An item whose product is for these processors ('' : it does not say)."""
    identifier, file = 'com.example.' + name.lower(), name + '-1.0.pkg'
    extra = '<options hostArchitectures="%s"/>' % architectures if architectures else ''
    members = parts.members(identifier, [parts.d('./opt'), parts.f('./opt/' + name)], version='1.0')
    with open(w.repo.path + '/pkgs/' + file, 'wb') as f:
        f.write(parts.product([('a.pkg', members)], parts.distribution([(identifier, 'a.pkg')], extra=extra)))
    w.repo.item(name, '1.0', file)


def test_rosetta_is_installed_where_a_package_needs_it(w):
    """once, before the first that does; one that Apple's servers do not reach fails alone; the next run tries again"""
    for name, architectures in (('Native', 'x86_64,arm64'), ('Intel', 'x86_64'), ('Silent', '')):
        built_for(w, name, architectures)
    w.repo.publish('Native', 'Intel', 'Silent')
    mac, tools = w.mac(), w.tools()
    mac.prefs['InstallRosetta'] = True
    expect(mac.run('--tools', tools.path), 2, 'Rosetta, which Intel-1.0.pkg needs, could not be installed: softwareupdate exited with 1')
    assert mac.states() == {'Native': 'success', 'Intel': 'failed', 'Silent': 'failed'}, mac.states()
    assert mac.failure('Intel')['cause'] == 'installer' and 'not supported' in mac.log()
    tools.put('rosetta', mac.root)
    tools.put('calls', None)
    expect(mac.run('--tools', tools.path), 0)
    assert mac.states() == {'Native': 'skipped', 'Intel': 'success', 'Silent': 'success'}, mac.states()
    assert len([c for c in tools.calls() if c.startswith('softwareupdate')]) == 1, tools.calls()


def test_without_leave_rosetta_is_not_installed(w):
    """a package for Intel alone fails with the reason; one that does not say is tried; on Intel nothing is asked"""
    for name, architectures in (('Intel', 'x86_64'), ('Silent', '')):
        built_for(w, name, architectures)
    w.repo.publish('Intel', 'Silent')
    mac, tools = w.mac(), w.tools()
    expect(mac.run('--tools', tools.path), 2, 'made for Intel alone, and Rosetta is not on this Mac: set InstallRosetta')
    assert mac.states() == {'Intel': 'failed', 'Silent': 'success'} and not any('softwareupdate' in c for c in tools.calls())
    mac = w.mac(name='intel')
    mac.facts['arch'] = 'x86_64'
    mac.prefs['InstallRosetta'] = True
    expect(mac.run('--tools', tools.path), 0)
    assert not any('softwareupdate' in c for c in tools.calls())


# --- Munki beside us ------------------------------------------------------------------------------------------

def running(path):
    """A process that a look at the processes sees as the program path, until its standard input closes."""
    return subprocess.Popen([lib.program(path, 'read -r line\n')], stdin=subprocess.PIPE, executable=path)


def end(process):
    if process.poll() is None:
        process.stdin.close()
        process.wait(lib.DEADLINE)


def test_munki_and_we_never_work_at_the_same_time(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac, tools = w.mac(), w.tools()
    munki = running(mac.path('usr/local/munki/managedsoftwareupdate'))
    clock = w.timeline({90: lambda: end(munki)})
    try:
        expect(mac.run('--tools', tools.path, '--clock', clock.path), 0)
    finally:
        end(munki)
    assert mac.states() == {'Alpha': 'success'} and 90 <= clock.passed / 1000 <= 92, clock.passed
    assert [e['detail'] for e in mac.events() if e.get('state') == 'waiting'] == ['munki']
    assert 'waiting for Munki: managedsoftwareupdate is running' in mac.log()  # of the run, so in status and its line too


def test_the_wait_for_munki_is_bounded(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    mac, tools = w.mac(), w.tools()
    mac.prefs['MunkiWait'] = 60
    munki = running(mac.path('usr/local/munki/managedsoftwareupdate'))
    try:
        expect(mac.run('--tools', tools.path, '--clock', w.clock().path), 4)
    finally:
        end(munki)
    assert mac.states() == {'Alpha': 'deferred'} and mac.item('Alpha')['reason'] == 'managedsoftwareupdate is still running'


def test_munkis_packages_and_our_own_go_last(w):
    """Munki's last in their stage unless something stands on them; our own after everything, session included"""
    def packaged(name, identifier, **keys):
        w.repo.item(name, '1.0', w.repo.package(name, identifier=identifier),
                    receipts=[{'packageid': identifier, 'version': '1.0'}], **keys)
    packaged('Ourselves', 'io.daybreak.pkg')
    packaged('MunkiCore', 'com.googlecode.munki.core')
    packaged('MunkiApp', 'com.googlecode.munki.app', requires=['MunkiCore'])
    packaged('Python', 'com.googlecode.munki.python')
    w.repo.simple('NeedsPython', requires=['Python'])
    w.repo.simple('NeedsUs', requires=['Ourselves'])
    w.repo.simple('Desk', daybreak={'stage': 'session'})
    w.repo.simple('Alpha')
    w.repo.publish('Ourselves', 'MunkiApp', 'NeedsPython', 'NeedsUs', 'Desk', 'Alpha')
    mac = w.mac()
    expect(mac.run(), 0)
    assert order(mac) == ['Python', 'NeedsPython', 'Alpha', 'MunkiCore', 'MunkiApp', 'Desk', 'Ourselves', 'NeedsUs'], order(mac)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'stages', a.only, os.path.abspath(a.program)))
