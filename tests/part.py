#!/usr/bin/env python3
"""One part of tests/check.sh: run a command in a process group of its own, with a bound.

part.py BOUND LOG END COMMAND…: what it says goes into LOG; END gets "STATUS SECONDS PROCESSOR-SECONDS". Past BOUND seconds, or
when this program is told to stop, the whole group is interrupted, so that tests put their servers away; what is still there
ten seconds later is killed. (A shell without a terminal cannot make process groups.)
"""
import os
import resource
import signal
import subprocess
import sys
import time

PATIENCE = 10


def own_group():
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background commands ignore it


def stop(process):
    for how in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(PATIENCE)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def main():
    bound, log, end, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    start = time.monotonic()
    with open(log, 'wb') as f:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, preexec_fn=own_group,
                             close_fds=False)

        def told(*_):
            stop(p)
            sys.exit(1)
        for word in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(word, told)
        try:
            status = p.wait(bound)
        except subprocess.TimeoutExpired:
            stop(p)
            status = 124
            f.write(b'check: it did not end within %d seconds and was stopped\n' % bound)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(end, 'w') as f:
        f.write('%d %.0f %.0f\n' % (status, time.monotonic() - start, used.ru_utime + used.ru_stime))


if __name__ == '__main__':
    main()
