#!/usr/bin/env python3
"""Those who watch: absent, late, restarted, stuck, hostile. watchers.py [--program build/daybreak] [--only WORD]

The readers are those of readers.py; they start and end at fixed seconds of virtual time, each with a process of its program's name
beside it, which is what Daybreak looks for. The run: one item succeeds, one fails, one is there already, and one waits for a person
who comes after a minute."""
import argparse
import copy
import os
import plistlib
import re
import struct
import subprocess
import sys

import lib
import readers
from lib import expect

LOG = {'splashbuddy': ('SplashBuddyLog', '/Library/Watch/splash.log', 'Applications/SplashBuddy.app/Contents/MacOS/SplashBuddy'),
       'depnotify': ('DEPNotifyFile', '/private/var/tmp/depnotify.log', 'Applications/Utilities/DEPNotify.app/Contents/MacOS/DEPNotify'),
       'dialog': ('DialogCommandFile', '/private/var/tmp/dialog.log',
                  'Library/Application Support/Dialog/Dialog.app/Contents/MacOS/Dialog'),
       'inspect': ('DialogCommandFile', '/private/var/tmp/dialog.log',
                   'Library/Application Support/Dialog/Dialog.app/Contents/MacOS/Dialog'),
       'trigger': ('DialogTriggerFile', '/private/var/tmp/dialog.trigger',
                   'Library/Application Support/Dialog/Dialog.app/Contents/MacOS/Dialog')}
READER = {'splashbuddy': readers.SplashBuddy, 'depnotify': readers.DEPNotify, 'dialog': readers.Dialog, 'inspect': readers.Inspect,
          'trigger': readers.Trigger}
KINDS = list(LOG)


class Scene:
    def __init__(self, w, kind, name='mac'):
        self.w, self.kind, self.mac, self.tools = w, kind, w.mac(name=name), w.tools()
        key, self.path, self.program = LOG[kind]
        self.file = self.mac.path(self.path[1:])
        self.mac.prefs[key] = self.path
        self.mac.prefs['DialogInspect'] = kind == 'inspect'
        self.reader = self.process = None
        if not w.repo.items:
            w.repo.simple('There')
            w.repo.simple('Alpha', display_name='Alpha, "the {first}": Status: one-two')
            w.repo.simple('Bad', scripts={'preinstall': '#!/bin/sh\nexit 1\n'}, display_name='Bad')
            w.repo.simple('Desk', daybreak={'stage': 'session'}, display_name='Desk')
        w.repo.publish('There', 'Bad')                      # so that the plan is not completed
        expect(self.mac.run('--scripts', 'run', '--tools', self.tools.path), 2)
        w.repo.publish('There', 'Alpha', 'Bad', 'Desk')

    def start(self, *args):
        """The reader's program starts, and its reader with it."""
        self.process = subprocess.Popen([lib.program(self.mac.path(self.program), 'read -r line\n')], stdin=subprocess.PIPE,
                                        executable=self.mac.path(self.program))
        self.reader = READER[self.kind](self.file, *args)

    def end(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(lib.DEADLINE)
            self.reader.close()
            self.process = None

    def run(self, at=None):
        """at: {second: function}. The person comes at 60."""
        events = dict(at or {})
        events[60] = lambda: self.tools.console('anna')
        clock = self.w.timeline(events)
        policy = clock.policy

        def polled(ms, watched):
            if self.reader and self.process:
                self.reader.poll()
            return policy(ms, watched)
        clock.policy = polled
        try:
            expect(self.mac.run('--auto', '--scripts', 'run', '--tools', self.tools.path, '--clock', clock.path), 0)
            if self.process:
                self.reader.poll()
        finally:
            self.end()
        assert self.mac.status()['exit_code'] == 2 and self.mac.states() == {
            'There': 'skipped', 'Alpha': 'success', 'Bad': 'failed', 'Desk': 'success'}, self.mac.states()
        assert 60 <= clock.passed / 1000 <= 70, clock.passed
        return self.reader

    def shows_the_end(self):
        """What the reader shows is what happened."""
        r, ids = self.reader, [i['name'] for i in self.mac.status()['items']]
        want = {'There': 'success', 'Alpha': 'success', 'Bad': 'failed', 'Desk': 'success'}
        if self.kind == 'splashbuddy':
            assert r.rows == {'There': 'success', 'Alpha_ _the _first_ Status_ one_two': 'success', 'Bad': 'failed',
                              'Desk': 'success'}, r.rows
        elif self.kind == 'depnotify':
            assert r.label == 'Finished with errors' and r.button == ('ContinueButton:', 'Continue'), vars(r)
        elif self.kind == 'dialog':
            assert r.rows == {i: {'success': 'success', 'failed': 'fail'}[want[n]] for i, n in enumerate(ids)}, r.rows
            assert r.button and r.text == 'Finished with errors' and r.progress == '4', vars(r)
        else:
            assert r.rows == {n.lower(): want[n] for n in ids}, r.rows


def each(w, fn):
    for n, kind in enumerate(KINDS):
        try:
            fn(Scene(w, kind, 'mac%d' % n))
        except Exception as e:
            raise AssertionError('%s: %s' % (kind, e)) from e


def test_every_line_is_one_its_reader_takes(w):
    """from the first to the last, with nobody's program running: absent"""
    def fn(s):
        s.run()
        path = s.file
        s.reader = (lambda k: k(path) if s.kind not in ('dialog', 'inspect', 'trigger') else k.__new__(k))(READER[s.kind])
        if s.kind in ('dialog', 'inspect', 'trigger'):      # these would skip what is there: show it to them from the start
            s.reader.__dict__.update(follower=readers.Follower(path), path=path, rows={}, progress=None, text=None, button=False)
        elif s.kind == 'depnotify':
            s.reader.follower = readers.Follower(path)
        s.reader.poll()
        s.shows_the_end()
        s.reader.close()
    each(w, fn)


def test_a_late_reader_is_told_what_holds(w):
    """it starts half a minute into the run, when three items are over"""
    def fn(s):
        seen = []
        s.run({30: s.start, 45: lambda: seen.append(copy.copy(vars(s.reader)) | {'rows': dict(getattr(s.reader, 'rows', ()))})})
        s.shows_the_end()
        before = seen[0]
        if s.kind == 'depnotify':
            assert (before['max'], before['value']) == (4, 3) and before['label'].startswith('Waiting for'), before
        else:
            assert len(before['rows']) == (3 if s.kind == 'splashbuddy' else 4), before
    each(w, fn)


def test_a_reader_that_dies_and_comes_back(w):
    def fn(s):
        s.run({4: s.start, 20: s.end, 30: s.start})
        s.shows_the_end()
    each(w, fn)


def test_a_file_that_is_cut_removed_or_replaced(w):
    """by whoever; a reader that starts afterwards finds every row"""
    def cut(s):
        os.truncate(s.file, 0)

    def removed(s):
        os.unlink(s.file)

    def replaced(s):
        os.unlink(s.file)
        open(s.file, 'w').close()
    for n, harm in enumerate((cut, removed, replaced)):
        for k, kind in enumerate(KINDS):
            if (n + k + lib.seed()) % 2 and not os.environ.get('SWEEP'):     # half of the pairs, and each harm and kind among them
                continue
            s = Scene(w, kind, 'mac%d%s' % (n, kind))
            s.run({30: lambda: harm(s)})
            if kind == 'splashbuddy':                       # the only one that reads from the first byte when it starts after us
                s.reader = readers.SplashBuddy(s.file).poll()
                s.shows_the_end()
                s.reader.close()
            else:
                with open(s.file) as f:
                    said = f.read()
                for row in {'depnotify': ['DeterminateManual: 4', 'DeterminateManualStep: 3', 'ContinueButton: Continue'],
                            'dialog': ['listitem: index: %d, status: ' % i for i in range(4)],
                            'inspect': ['item:there:success', 'item:alpha:success', 'item:bad:failed', 'item:desk:success'],
                            'trigger': ['success:there:', 'success:alpha:', 'failure:bad:', 'success:desk:']}[kind]:
                    assert row in said, (harm.__name__, kind, row, said)


def test_dialog_deletes_cuts_or_leaves_its_file(w):
    """what swiftDialog may do to its command file when it starts"""
    for n, start in enumerate(('delete', 'cut', 'leave')):
        s = Scene(w, 'dialog', 'mac%d' % n)
        s.run({30: lambda: s.start(start)})
        s.shows_the_end()


def macho(*cpus):
    """the header of a universal program"""
    return struct.pack('>II', 0xcafebabe, len(cpus)) + b''.join(struct.pack('>IIIII', c, 0, 4096, 10, 12) for c in cpus)


def test_a_window_that_cannot_show_it_is_said(w):
    """SplashBuddy's rows against the plan; a program for another macOS or another processor: one warning each, and no more"""
    arm, intel = 0x0100000c, 0x01000007
    w.repo.simple('Alpha', display_name='Alpha-One')
    w.repo.simple('Beta')
    w.repo.publish('Alpha', 'Beta')
    mac = w.mac()
    mac.prefs.update(SplashBuddyLog='/Library/Watch/splash.log', DEPNotifyFile='/var/tmp/depnotify.log', DialogCommandFile='/var/tmp/dialog.log')
    places = {'SplashBuddy': 'Library/Application Support/SplashBuddy', 'DEPNotify': 'Applications/Utilities',
              'Dialog': 'Library/Application Support/Dialog'}

    def put(path, data):
        os.makedirs(os.path.dirname(mac.path(path)), exist_ok=True)
        with open(mac.path(path), 'wb') as f:
            f.write(data)

    def app(name, least, *cpus):
        put('%s/%s.app/Contents/Info.plist' % (places[name], name), plistlib.dumps({'LSMinimumSystemVersion': least}))
        put('%s/%s.app/Contents/MacOS/%s' % (places[name], name, name), macho(*cpus))

    def rows(*names):
        put('Library/Preferences/io.fti.SplashBuddy.plist', plistlib.dumps({'applicationsArray': [{'packageName': n} for n in names]}))

    def warnings(r):
        return [line for line in r.err.splitlines() if line.startswith('WARN') and 'has no system' not in line]
    rows('Alpha_One', 'Beta')
    app('SplashBuddy', '10.11', intel, arm)
    app('DEPNotify', '10.10', arm)
    app('Dialog', '13.0', arm, intel)
    assert warnings(expect(mac.run(), 0)) == []
    rows('Alpha', 'Beta', 'Alpha-One')
    app('SplashBuddy', '10.11', intel)
    app('Dialog', '26.0', arm)
    said = warnings(expect(mac.run(), 0))
    assert len(said) == 4, said
    for words in ('SplashBuddy cannot run on this Mac.*made for x86_64, this is arm64 without Rosetta', 'Dialog cannot run.*needs macOS 26.0, this is 15.4.1',
                  'no item of the plan is ever called "Alpha", "Alpha-One"', 'has no packageName "Alpha_One"'):
        assert any(re.search(words, line) for line in said), (words, said)
    os.makedirs(mac.path('Library/Apple/usr/libexec/oah'))
    assert len(warnings(expect(mac.run(), 0))) == 3
    put('Library/Preferences/io.fti.SplashBuddy.plist', b'nonsense')
    app('Dialog', '13.0', arm)
    assert warnings(expect(mac.run(), 0)) == []
    w.repo.simple('Again', display_name='Alpha_One')
    w.repo.publish('Alpha', 'Beta', 'Again')
    rows('Alpha_One', 'Beta')
    said = warnings(expect(mac.run(), 0))
    assert len(said) == 1 and 'two items are both called "Alpha_One"' in said[0], said


def test_planted_files_are_refused(w):
    """a link, a second name, a FIFO with and without a reader, a folder: nothing foreign is written, and the run goes on"""
    def link(s, foreign):
        os.symlink(foreign, s.file)

    def second_name(s, foreign):
        os.link(foreign, s.file)

    def fifo(s, foreign):
        os.mkfifo(s.file)

    def read_fifo(s, foreign):
        os.mkfifo(s.file)
        s.open = os.open(s.file, os.O_RDONLY | os.O_NONBLOCK)

    def folder(s, foreign):
        os.mkdir(s.file)
    for n, plant in enumerate((link, second_name, fifo, read_fifo, folder)):
        for when in ('before', 'during'):
            kind = KINDS[n % 4]
            if when == 'during' and plant not in (link, fifo) and not os.environ.get('SWEEP'):
                continue
            s = Scene(w, kind, 'mac%d%s' % (n, when))
            foreign = s.mac.folder + '/foreign'
            with open(foreign, 'w') as f:
                f.write('mine\n')

            def put():
                os.unlink(s.file)
                plant(s, foreign)
            if when == 'before':
                put()
                s.run()
            else:
                s.run({30: put})
            assert lib.read(foreign) == 'mine\n', (plant.__name__, when, lib.read(foreign))
            if hasattr(s, 'open'):
                assert os.read(s.open, 100) == b''
                os.close(s.open)


def test_a_stuck_reader_holds_nobody_up(w):
    """it holds the file open and reads nothing, and its program does not run on"""
    def fn(s):
        def stop():
            s.start()
            s.reader.poll = lambda: s.reader
            os.kill(s.process.pid, 19)

        def go():
            os.kill(s.process.pid, 18)
        s.run({10: stop, 59: go})
    each(w, fn)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'watchers', a.only, os.path.abspath(a.program)))
