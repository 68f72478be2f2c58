#!/usr/bin/env python3
"""Everything that proves the tree, in a table: one plain build with all tests, one sanitizer build with unit tests,
recorded cases and fuzzing corpora. `make check` calls it.

SEED=N picks what is sampled; SWEEP=1 (`make sweep`) leaves nothing out. As many parts run at once as there are processors
(JOBS=N: N), each as soon as what it needs has passed, in a session of its own and with a bound. A part ends with
"N passed, N failed, N skipped"; the last line adds them.
"""
import fcntl
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = 'build/check'
SWEEP = os.environ.get('SWEEP', '') not in ('', '0')
BOUND = 7200 if SWEEP else 900  # seconds: no part takes a fifth of it, and what hangs must not hang for ever
PATIENCE = 10                   # for what was interrupted
PROCESSORS = os.cpu_count() or 2
JOBS = int(os.environ.get('JOBS') or PROCESSORS)
SAN = 'SAN=address,undefined '

# name, the part it needs, what make is asked for. The order is that of the table and, as far as needs allow, of their start:
# what others need, then what mostly waits, beside which processors compile and test.
PARTS = [
    ('build', None, '-j%d all test-programs' % PROCESSORS),
    ('macOS: every object', None, 'macos-objects-now'),
    ('sanitizer build', 'build', '-j%d %sall test-programs replay-programs' % (PROCESSORS, SAN)),
    ('sanitizers: unit tests', 'sanitizer build', SAN + 'check-unit'),
    ('those who watch', 'build', 'check-watchers'),
    ('packages end to end', 'build', 'check-package'),
    ('end to end', 'build', 'check-e2e'),
    ('stages and people', 'build', 'check-stages'),
    ("launchd's days", 'build', 'check-launchd'),
    ('around a run', 'build', 'check-around'),
    ('trust', 'build', 'check-trust'),
    ('bootstrap.json', 'build', 'check-bootstrap'),
    ('unit tests', 'build', 'check-unit'),
    ('hostile packages', 'build', 'check-hostile'),
    ('faults', 'build', 'check-fault'),
    ('planted faults', 'build', 'check-doctor'),
    ('lint', 'build', 'lint'),
    ('random repositories', 'build', 'check-property'),
    ('recorded cases', 'build', 'check-cases'),
    ('sanitizers: cases', 'sanitizer build', SAN + 'check-cases'),
    ('sanitizers: real repos', 'sanitizer build', SAN + 'check-samples'),
    ('sanitizers: corpora', 'sanitizer build', SAN + 'check-fuzz'),
    ('trees read by others', 'build', 'check-trees'),
    ('life of software', 'build', 'check-lifecycle'),
    ('real repositories', 'build', 'check-samples'),
    ('product package', 'build', 'check-product'),
    ('decisions explained', 'build', 'check-why'),
    ('first boot, simulated', 'build', 'check-firstboot'),
]
if SWEEP:
    PARTS += [
        ('sanitizers: random repos', 'sanitizer build', SAN + 'check-property'),
        ('sanitizers: hostile', 'sanitizer build', SAN + 'check-hostile'),
    ]

TOTALS = re.compile(r'(?:^|: )(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$', re.M)
SKIPPED = re.compile(r'^(?:skipped|(?:not )?ok \d+ .*# skip).*', re.M | re.I)


class Part:
    def __init__(self, name, needs, asked):
        self.name, self.needs, self.asked = name, needs, asked
        self.state = 'waiting'  # running, passed, failed
        self.counts, self.seconds, self.processor = (0, 0, 0), 0, 0
        self.over = threading.Event()
        self.log = '%s/%s.log' % (LOGS, re.sub('[ ,/]', '_', name))

    def start(self, ended):
        """Ends are put into the queue ended, with the exit status."""
        self.state = 'running'
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen([os.environ.get('MAKE', 'make'), '-s'] + self.asked.split(), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        threading.Thread(target=self.wait, args=(ended, time.monotonic()), daemon=True).start()

    def wait(self, ended, began):
        late = threading.Timer(BOUND, self.stop, ['\ncheck: it did not end within %d seconds and was stopped\n' % BOUND])
        late.start()
        _, status, used = os.wait4(self.process.pid, 0)
        late.cancel()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds, self.processor = time.monotonic() - began, used.ru_utime + used.ru_stime
        self.over.set()
        ended.put(self)

    def stop(self, why=None):
        """Interrupted, so that tests put their servers away; what is still there after a while is killed."""
        if why:
            with open(self.log, 'a') as log:
                log.write(why)
        for how in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
            except ProcessLookupError:
                return
            self.over.wait(PATIENCE)

    def judge(self):
        """Take the totals from what it said, and show what failed or was skipped."""
        try:
            with open(self.log, errors='replace') as f:
                said = f.read()
        except OSError as e:
            said = 'check: %s: 0 passed, 1 failed' % e
        rc, totals = self.process.returncode, TOTALS.findall(said)
        passed, failed, skipped = (int(n or 0) for n in totals[-1]) if totals else (rc == 0, 0, 0)
        failed = failed or int(rc != 0)
        self.counted(int(passed), failed, skipped)
        if failed:
            print('--- %s failed; %s:' % (self.name, self.log))
            print('\n'.join([line for line in said.splitlines() if not line.startswith('ok ')][-200:]))
            print('---')
        for line in SKIPPED.findall(said)[:5]:
            print(line)

    def counted(self, *counts):
        self.counts, self.state = counts, 'failed' if counts[1] else 'passed'
        print('check: %s: %d passed, %d failed, %d skipped, %.0fs' % ((self.name,) + counts + (self.seconds,)), flush=True)


def run(parts):
    """Start each when its time has come, until all have ended."""
    ended, named = queue.Queue(), {p.name: p for p in parts}
    while any(p.state in ('waiting', 'running') for p in parts):
        for p in parts:
            before = named[p.needs].state if p.needs else 'passed'
            if p.state == 'waiting' and before == 'failed':
                print('check: %s cannot run: %s failed' % (p.name, p.needs))
                p.counted(0, 1, 0)
            elif p.state == 'waiting' and before == 'passed' and sum(q.state == 'running' for q in parts) < JOBS:
                p.start(ended)
        if any(p.state == 'running' for p in parts):
            ended.get().judge()


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    began = time.monotonic()
    os.chdir(TOP)
    os.makedirs('build', exist_ok=True)
    lock = open('build/check.lock', 'w')
    try:  # two in one tree would take each other's logs
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print('check: another one runs in this tree', file=sys.stderr)
        return 1
    shutil.rmtree(LOGS, ignore_errors=True)
    os.makedirs(LOGS)
    os.environ.setdefault('SEED', str(int(time.strftime('%j%H%M%S'))))
    # where a version manager stands before python3 it searches for the real one at each start, and there are hundreds
    os.environ['PATH'] = os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']
    print('check: seed %s (SEED=%s make check repeats it)' % (os.environ['SEED'], os.environ['SEED']), flush=True)
    parts = [Part(*p) for p in PARTS]
    for word in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # also where a shell in the background ignores the first
        signal.signal(word, interrupted)
    try:
        run(parts)
    except KeyboardInterrupt:
        print('check: stopped')
        for p in parts:
            if p.state == 'running':
                p.stop()
        return 130
    print('\n%-34s %8s %8s %8s %8s %10s' % ('part', 'passed', 'failed', 'skipped', 'seconds', 'processor'))
    for p in parts:
        print('%-34s %8d %8d %8d %8.0f %10.0f' % ((p.name,) + p.counts + (p.seconds, p.processor)))
    passed, failed, skipped = (sum(p.counts[i] for p in parts) for i in range(3))
    print('\nthe whole took %.0f s, %d parts at once\n%d passed, %d failed, %d skipped' % (time.monotonic() - began, JOBS, passed, failed, skipped))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
