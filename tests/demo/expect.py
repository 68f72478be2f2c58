#!/usr/bin/env python3
"""expect.py ROOT first|second: is status.json what the demo must end with? Says what is not."""
import json
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
for p in problems:
    print('not as expected:', p)
sys.exit(bool(problems))
