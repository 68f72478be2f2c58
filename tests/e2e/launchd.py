#!/usr/bin/env python3
"""A day of launchd: starts are counted, and the runs that come of them. launchd.py [--program build/daybreak] [--only WORD]

The job's keys are read from launchd/run.plist.in. The model knows of launchd what launchd.plist(5) says: RunAtLoad; StartInterval,
missed while the Mac sleeps or the job runs, once on waking; KeepAlive SuccessfulExit false: started again after another end than
exit 0; WatchPaths: started when one changes, after its end when it runs; Sockets: the same for a connection; and never sooner than
ThrottleInterval after the start before. Each start is the real program in virtual time."""
import argparse
import os
import plistlib
import re
import sys

import lib
from lib import expect

START = 1795485600
DAY = 86400
LONG = DAY if os.environ.get('SWEEP') else DAY // 4   # days that are like one another, cut short


def job():
    with open(lib.TOP + '/launchd/run.plist.in') as f:
        return plistlib.loads(f.read().replace('@DOMAIN@', 'io.daybreak').encode())


class Launchd:
    """start(at) is the job's program: (exit status, seconds it ran). Times are seconds since the Mac came up."""

    def __init__(self, keys, start):
        self.keys, self.program, self.starts, self.gone = keys, start, [], False
        known = {'Label', 'ProgramArguments', 'RunAtLoad', 'KeepAlive', 'ThrottleInterval', 'StartInterval', 'WatchPaths', 'Sockets',
                 'ProcessType', 'ExitTimeOut', 'Umask', 'StandardErrorPath'}
        assert set(keys) <= known, 'the model does not know %s' % (set(keys) - known)
        assert keys['KeepAlive'] == {'SuccessfulExit': False}

    def day(self, until=DAY, events=(), asleep=()):
        """events: seconds at which a watched path changes or somebody connects; asleep: (from, to) pairs."""
        def sleeps(t):
            return next((b for a, b in asleep if a <= t < b), None)
        wanted = [0] if self.keys['RunAtLoad'] else []          # pending reasons to start
        beat, events = self.keys['StartInterval'], sorted(events)
        next_beat, free_at = beat, 0
        while not self.gone:
            soonest = min(wanted + [next_beat] + events[:1])
            if soonest >= until:
                return
            at = max(soonest, free_at)
            at = sleeps(at) or at
            if self.starts:
                at = max(at, self.starts[-1] + self.keys['ThrottleInterval'])
            if at >= until:
                return
            wanted, events = [], [e for e in events if e > at]   # all that asked for it so far is served by this start
            while next_beat <= at:
                next_beat += beat
            self.starts.append(at)
            status, seconds = self.program(at)
            free_at = at + seconds
            while next_beat < free_at:                           # it runs: a beat is missed
                next_beat += beat
            if status != 0:
                wanted.append(free_at)


class Day:
    """A Mac whose daemon is the real program."""

    def __init__(self, w, server=None, **prefs):
        self.w, self.mac, self.tools = w, w.mac(server.url if server else None), w.tools()
        self.mac.prefs.update(SplayMax=0, **prefs)
        self.server, self.runs, self.asked, self.extra = server, [], [], ['--tools', self.tools.path]
        self.launchd = Launchd(job(), self.start)

    def run_id(self):
        return self.mac.status()['run'] if os.path.exists(self.mac.path('Library/Daybreak/status.json')) else None

    def start(self, at):
        before, requests = self.run_id(), self.count()
        clock = self.w.clock(start=START + int(at))
        command = job()['ProgramArguments'][1:]
        r = self.mac(*command, *self.extra, '--scripts', 'run', '--clock', clock.path)
        clock.close()
        if self.run_id() != before:
            self.runs.append(int(at))
        else:
            assert clock.passed == 0 and self.count() == requests, 'nothing was due, and it took %d ms, %d requests' % (
                clock.passed, self.count() - requests)
        return r.code, clock.passed / 1000

    def count(self):
        return len(self.server.hits) if self.server else 0


def test_a_finished_mac_is_left_alone(w):
    """96 heartbeats, one run; a start that finds nothing due asks nobody anything"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    day = Day(w, w.liar({}))
    day.launchd.day(events=[30, 40000])
    assert day.runs == [0] and len(day.launchd.starts) == 98, (day.runs, len(day.launchd.starts))
    assert day.mac.status()['exit_code'] == 0


def test_a_repository_that_is_down_for_hours(w):
    """two more at once, since something changed; then pauses that grow to four hours, and the day ends with success"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    now = [0]
    day = Day(w, w.liar({'/': lambda h: lib.answer(503)(h) if now[0] < 6 * 3600 else super(type(h), h).do_GET()}), NetworkWait=60)
    inner = day.launchd.program

    def start(at):
        now[0] = at
        return inner(at)
    day.launchd.program = start
    day.launchd.day(events=[50, 100, 7000])
    assert day.runs[3:] == [1800, 3600, 7200, 14400, 28800] and day.runs[0] == 0 and day.runs[2] < 180, day.runs
    assert day.mac.status()['exit_code'] == 0 and len(day.launchd.starts) <= 100, len(day.launchd.starts)


def test_an_item_that_always_fails(w):
    """it is given up after MaxAttempts; the runs of a day stay few"""
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 1\n'})
    w.repo.publish('Bad')
    day = Day(w)
    day.launchd.day(LONG)
    assert day.runs == [t for t in (0, 900, 1800, 2700, 4500, 8100, 15300, 29700, 44100, 58500, 72900) if t < LONG], day.runs
    assert len(day.launchd.starts) == LONG // 900, len(day.launchd.starts)
    assert day.mac.status()['exit_code'] == 2 and day.mac.failure('Bad')['cause'] == 'loop'


def test_crashes_are_started_again_no_more_than_once_a_minute(w):
    """a program that always dies at once, and one that gets better"""
    always = Launchd(job(), lambda at: (-11, 0))
    always.day(3600)
    assert always.starts == list(range(0, 3600, 60)), always.starts
    ends = iter([-9, 1, 71])
    better = Launchd(job(), lambda at: (next(ends, 0), 5))
    better.day(3600)
    assert better.starts == [0, 60, 120, 180, 900, 1800, 2700], better.starts


def held_by_a_technician(w):
    """A day, and a technician's run in it that installs until something is written to the gate."""
    w.repo.simple('Slow', scripts={'preinstall': '#!/bin/sh\nread x <"$3/gate"\n'})
    w.repo.publish('Slow')
    day = Day(w)
    os.mkfifo(day.mac.path('gate'))
    p = day.mac.start('run', '--scripts', 'run')
    lib.wait_for(lambda: os.path.exists(day.mac.path('Library/Daybreak/status.json')) and 'installing' in day.mac.states().values())
    return day, p


def test_a_technician_holds_the_lock(w):
    """a run that takes an hour: four waits of a quarter, each 5, and not a start a minute; then the job does what is due"""
    day, p = held_by_a_technician(w)
    codes, inner = [], day.launchd.program

    def start(at):
        clock = w.clock(start=START + int(at))
        r = day.mac(*job()['ProgramArguments'][1:], *day.extra, '--scripts', 'run', '--clock', clock.path)
        clock.close()
        codes.append((r.code, clock.passed // 1000))
        return r.code, clock.passed / 1000
    day.launchd.program = start
    day.launchd.day(3500)
    assert codes == [(5, 900)] * 4 and day.launchd.starts == [0, 900, 1800, 2700], (codes, day.launchd.starts)
    with open(day.mac.path('gate'), 'w') as f:
        f.write('\n')
    assert p.wait(lib.DEADLINE) == 0, p.stderr.read()
    p.stdout.close(), p.stderr.close()
    day.launchd.program = inner
    day.launchd.day(5000)
    assert day.mac.status()['exit_code'] == 0 and len(day.runs) == 0, day.runs    # it was completed by the technician


def test_the_lock_is_let_go(w):
    """a run that waited for it goes on, and finds nothing left to do"""
    day, p = held_by_a_technician(w)
    run = day.run_id()

    def letting_go(ms, watched):
        if p.poll() is None:
            with open(day.mac.path('gate'), 'w') as f:
                f.write('\n')
            p.wait(lib.DEADLINE)
        return ms if watched == 0 else None
    clock = w.clock(start=START + 4000, policy=letting_go)
    expect(day.mac.run('--auto', *day.extra, '--scripts', 'run', '--clock', clock.path), 0)
    assert p.returncode == 0 and clock.passed <= 2000 and day.run_id() == run, (p.returncode, clock.passed)
    p.stdout.close(), p.stderr.close()


def test_preferences_that_make_no_sense(w):
    """the run says so, with pauses that grow, and ends as launchd likes it; the day that mends them ends well"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    day = Day(w)
    place, inner = day.mac.path('Library/Managed Preferences/io.daybreak.plist'), day.launchd.program

    def put(**prefs):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, 'wb') as f:
            plistlib.dump(dict(prefs, SoftwareRepoURL='file://' + w.repo.path, SplayMax=0), f)
    put(MaxAttempts='many')
    codes = []

    def start(at):
        if at > 4000:
            put()
        before, clock = day.run_id(), w.clock(start=START + int(at))
        r = day.mac(*job()['ProgramArguments'][1:], *day.extra, '--clock', clock.path, prefs=False)
        clock.close()
        if day.run_id() != before:
            codes.append((int(at), day.mac.status()['exit_code'], day.mac.status()['result']))
        return r.code, clock.passed / 1000
    day.launchd.program = start
    day.launchd.day(6 * 3600)
    assert codes == [(t, 200, 'failed') for t in (0, 900, 1800, 2700)] + [(4500, 0, 'ok')], codes
    assert len(day.launchd.starts) == 24, len(day.launchd.starts)
    assert re.search(r'MaxAttempts', day.mac.log())
    expect(day.mac.run('--auto', prefs=False), 0)


def test_what_cannot_be_recorded_holds(w):
    """its own directory is a link somewhere else: 101 each quarter of an hour, not each minute"""
    w.repo.publish()
    day = Day(w)
    os.makedirs(day.mac.path('Library'))
    os.symlink('/tmp', day.mac.path('Library/Daybreak'))
    codes = []

    def start(at):
        clock = w.clock(start=START + int(at))
        r = day.mac(*job()['ProgramArguments'][1:], *day.extra, '--clock', clock.path)
        clock.close()
        codes.append(r.code)
        return r.code, clock.passed / 1000
    day.launchd.program = start
    day.launchd.day(7200)
    assert codes == [101] * 8 and len(day.launchd.starts) == 8, (codes, day.launchd.starts)


def test_after_success_schedule(w):
    """every RunInterval, and no more often for all the heartbeats between"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    day = Day(w, AfterSuccess='schedule', RunInterval=7200)
    day.launchd.day(LONG)
    assert day.runs == list(range(0, LONG, 7200)), day.runs


def test_after_success_remove(w):
    """the uninstaller is called once, by the run that completes the plan, and outlives it; nothing starts any more"""
    w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\n[ -e "$3/ready" ] || exit 1\n'})
    w.repo.publish('Bad')
    day = Day(w, AfterSuccess='remove', MaxAttempts=9)
    lib.program(day.mac.path('usr/local/daybreak/uninstall.sh'),
                'echo "$1 $DAYBREAK_ROOT" >"$DAYBREAK_ROOT/removed.new" && mv "$DAYBREAK_ROOT/removed.new" "$DAYBREAK_ROOT/removed"\n')
    day.launchd.day(2000)
    assert day.mac.status()['exit_code'] == 2 and not os.path.exists(day.mac.path('removed'))
    lib.program(day.mac.path('ready'), '')
    expect(day.mac.run(*day.extra, '--scripts', 'run'), 0)      # a technician's run completes it and leaves us there
    assert not os.path.exists(day.mac.path('removed'))
    day.start(2700)
    lib.wait_for(lambda: os.path.exists(day.mac.path('removed')))
    assert lib.read(day.mac.path('removed')) == '--after-success %s\n' % day.mac.root
    assert day.mac.log().count('Daybreak is taken off this Mac') == 1


def test_the_uninstaller_must_be_roots(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    day = Day(w, AfterSuccess='remove')
    lib.program(day.mac.path('usr/local/daybreak/uninstall.sh'), 'touch "$DAYBREAK_ROOT/removed"\n', 0o777)
    day.launchd.day(1000)
    assert day.mac.status()['exit_code'] == 0 and re.search('but Daybreak stays: .*can be written by others', day.mac.log())
    assert not os.path.exists(day.mac.path('removed'))


def test_wakes_are_not_a_rush(w):
    """asleep over night: one start on waking, though the network changes with it; what was due meanwhile runs then"""
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')
    day = Day(w, AfterSuccess='schedule')
    day.launchd.day(6 * 3600, events=[14401, 14402, 14430], asleep=[(3000, 14400)])
    assert day.runs == [0, 14400, 18000], day.runs
    assert [s for s in day.launchd.starts if 3000 <= s < 15000] == [14400, 14460], day.launchd.starts


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'launchd', a.only, os.path.abspath(a.program)))
