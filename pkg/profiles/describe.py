#!/usr/bin/env python3
"""Describe every preference for profile editors, in the layout of the ProfileManifests project: describe.py > io.daybreak.plist

Nothing is written twice: names, types, defaults and bounds are read from agent/prefkeys.c, which the program itself works by,
and the sentences from docs/daybreak.plist.5. A preference that the page does not have is an error.
"""
import os
import plistlib
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TYPES = {'STRING': 'string', 'PATH': 'string', 'URL': 'string', 'BOOL': 'boolean', 'INT': 'integer', 'STRINGS': 'array',
         'HANDOFF': 'string'}


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        return f.read()


def domain():
    return re.search(r'^DOMAIN *= *(\S+)', read('Makefile'), re.M).group(1)


def table():
    """[(name, type, flags, default or None, bounds or None)] of the keys that have an effect, now or later"""
    text = re.sub(r'/\*.*?\*/', '', read('agent/prefkeys.c'), flags=re.S)
    text = text[text.index('prefkeys_table[]'):text.index('prefkeys_count =')]
    text = re.sub(r'\s+', ' ', text)
    out, day = [], 86400
    for kind, args in re.findall(r'\b(KEY|INTEGER|IDLE|NOTE)\(((?:[^()]|\([^()]*\))*)\)', text):
        a = [x.strip() for x in re.findall(r'(?:"[^"]*"|\([^()]*\)|[^,])+', args)]
        name = a[0].strip('"')
        if kind in ('IDLE', 'NOTE'):
            continue
        if kind == 'INTEGER':
            flags, default, low, high = a[1], a[3], a[5], a[6]
            number = lambda s: 2 ** 63 - 1 if s == 'INT64_MAX' else eval(s.replace('DAY', str(day)), {'__builtins__': {}})  # noqa: E731
            bounds, of = (number(low), number(high)), 'INT'
        else:
            of, flags, default, bounds = a[1].replace('PREFKEY_', ''), a[2], a[4], None
        if 'PREFKEY_SILENT' in flags or 'PREFKEY_NOTES' in flags:
            continue
        out.append((name, of, flags, None if default == 'NULL' else default.strip('"'), bounds))
    return out


def sentences():
    """name -> what docs/daybreak.plist.5 says of it, as plain text"""
    out = {}
    page = read('docs/daybreak.plist.5')
    for head, body in re.findall(r'^\.It Li ([^\n]*)\n(.*?)(?=^\.It |^\.El|^\.S[hs] )', page, re.M | re.S):
        lines = []
        for line in body.splitlines():
            m = re.match(r'\.(?:Li|Pa|Sy|Ic|Xr|Fl|Ar|Em|Pq|Nm|Ev) ?(.*)', line)
            text = m.group(1) if m else '' if line.startswith('.') else line
            text = re.sub(r'^(?:Li|Pa|Sy|Ic|Fl|Ar|Em) ', '', text)
            text = re.sub(r' ([.,:;)]+)$', r'\1', text).replace('\\&', '').replace('\\-', '-')
            if text:
                lines.append(text)
        for name in re.split(r' , ', re.split(r' Pq ', head)[0]):
            out[name.strip()] = ' '.join(lines)
    for name, kind in re.findall(r'^\.It Li (\S+) Ta ([^\n]*?) Ta', page, re.M):
        out.setdefault(name, '')  # the table of what has no effect yet
    return out


def typed(of, text):
    return text == 'true' if of == 'BOOL' else int(text) if of == 'INT' else text


def manifest():
    said = sentences()
    keys = []
    for name, of, flags, default, bounds in table():
        if name not in said:
            raise SystemExit('docs/daybreak.plist.5 does not have ' + name)
        text = said[name]
        if 'PREFKEY_TRUSTED' in flags:
            text += ' Counts only from managed preferences or root-only files.'
        if 'PREFKEY_LATER' in flags:
            text += ' Read, without effect in this version.'
        d = {'pfm_name': name, 'pfm_title': re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name), 'pfm_type': TYPES[of],
             'pfm_description': text.strip()}
        if default is not None:
            d['pfm_default'] = typed(of, default)
        if bounds:
            d['pfm_range_min'], d['pfm_range_max'] = bounds
        if of == 'STRINGS':
            d['pfm_subkeys'] = [{'pfm_name': name + 'Item', 'pfm_type': 'string'}]
        if of == 'PATH':
            d['pfm_format'] = '^/.*$'
        if 'PREFKEY_SECRET' in flags:
            d['pfm_sensitive'] = True
        keys.append(d)
    return {'pfm_app_url': '', 'pfm_description': 'Daybreak sets a Mac up the first time it boots', 'pfm_domain': domain(),
            'pfm_format_version': 1, 'pfm_platforms': ['macOS'], 'pfm_macos_min': '10.13', 'pfm_subkeys': keys,
            'pfm_targets': ['system'], 'pfm_title': 'Daybreak', 'pfm_unique': True, 'pfm_version': 1}


if __name__ == '__main__':
    plistlib.dump(manifest(), sys.stdout.buffer, sort_keys=False)
