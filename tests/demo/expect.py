#!/usr/bin/env python3
"""expect.py ROOT first|second: is status.json what the demo must end with? Says what is not."""
import json
import re
import sys
from datetime import datetime

root, which = sys.argv[1:]
with open(root + '/Library/Daybreak/status.json') as f:
    s = json.load(f)
problems = []


def want(what, is_so):
    if not is_so:
        problems.append(what)


state = {i['name']: i['state'] for i in s['items']}
want('twelve items, found %d' % len(state), len(state) == 12)
want('result partial, found %s' % s['result'], s['result'] == 'partial')
want('Broken failed, found %s' % state.get('Broken'), state.get('Broken') == 'failed')
for i in s['items']:
    if i['name'] == 'Broken':
        f = i['failure'] or {}
        want('the failure names the script and its exit status: %s' % f.get('message'),
             'postinstall' in f.get('message', '') and '3' in f.get('message', ''))
        want('attempt %d' % i['attempt'], i['attempt'] == (1 if which == 'first' else 2))
    elif which == 'first':
        expected = 'skipped' if i['name'] == 'Agent' else 'success'
        want('%s is %s: %s' % (i['name'], i['state'], i['failure']), i['state'] == expected)
    else:
        want('%s was tried again: %s' % (i['name'], i['state']), i['state'] == 'skipped')


def when(text):
    return datetime.strptime(text, '%Y-%m-%dT%H:%M:%S.%fZ')


if which == 'second':
    seconds = (when(s['finished']) - when(s['started'])).total_seconds()
    want('under a second, took %.3f s' % seconds, seconds < 1)
# every line for every watcher, against what its reader accepts
NAME = '[A-Za-z0-9._ ]*'
WATCHERS = {
    'Library/Application Support/SplashBuddy/daybreak.log':
        r'\w{3} \w{3} [ \d]\d [\d:]{8} [A-Za-z0-9-]+ daybreak\[\d+\]: (Installing %s-[A-Za-z0-9._]*\.pkg\.\.\.|Successfully '
        r'installed %s-[A-Za-z0-9._]*\.pkg\.|Installation failed\. The installer reported: installer: Package name is '
        r'%s-[A-Za-z0-9._]*)' % (NAME, NAME, NAME),
    'private/var/tmp/depnotify.log':
        r'Status: \S.*|Command: (DeterminateManual: \d+|DeterminateManualStep: 1|DeterminateOffReset:|ContinueButton: Continue'
        r'|ContinueButtonRestart: Restart)',
    'private/var/tmp/dialog.log':
        r'listitem: index: \d+, (status: (wait|success|fail|error|pending)|progress: \d+), statustext: [^,{}]+|progress: '
        r'(\d+|complete)|progresstext: \S.*|button1: enable|button1text: Restart',
}
for path, pattern in WATCHERS.items():
    with open(root + '/' + path) as f:
        lines = f.read().splitlines()
    want('%s has lines' % path, len(lines) > 10)
    for line in lines:
        want('%s: no reader takes %r' % (path, line), re.fullmatch(pattern, line) and 'statustext: v: ' not in line)
for p in problems:
    print('not as expected:', p)
sys.exit(bool(problems))
