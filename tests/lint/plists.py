"""Property lists that are kept as XML: well formed, no key twice (a parser takes the last and says nothing), nothing left to fill
in; and of configuration profiles what MDM and macOS ask of their keys."""
import os
import plistlib
import re
import subprocess
import sys
import tempfile
import uuid
import xml.etree.ElementTree as ET

TEAM, REPO = 'ABCDE12345', 'https://munki.example.com/repo?a=1&b=2'


def twice(node, at=''):
    """Keys that stand twice in one dictionary, and dictionaries that are no pairs."""
    if node.tag == 'dict':
        names = [c.text for c in node if c.tag == 'key']
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield '%s%s stands there twice' % (at, name)
        tags = [c.tag for c in node]
        if tags[0::2] != ['key'] * len(tags[0::2]) or 'key' in tags[1::2] or len(tags) % 2:
            yield '%sa dictionary is pairs of key and value' % at
    for child in node:
        yield from twice(child, at)


def complaints(text):
    """About one XML property list, filled in."""
    left = re.search(r'@[A-Z0-9]+@', text)
    if left:
        yield '%s is not filled in' % left.group()
    try:
        plistlib.loads(text.encode())
        yield from twice(ET.fromstring(text))
    except Exception as e:
        yield 'no property list: %s' % e


def of_payload(p, inside):
    for key, form in (('PayloadType', str), ('PayloadIdentifier', str), ('PayloadUUID', str), ('PayloadVersion', int)):
        if not isinstance(p.get(key), form):
            yield '%s: %s is needed' % (key, form.__name__)
            return
    try:
        uuid.UUID(p['PayloadUUID'])
    except ValueError:
        yield 'PayloadUUID %s is none' % p['PayloadUUID']
    if inside and not p['PayloadIdentifier'].startswith(inside + '.'):
        yield 'PayloadIdentifier %s does not begin with the profile\'s' % p['PayloadIdentifier']


def of_profile(profile):
    """About a decoded configuration profile for the device."""
    yield from of_payload(profile, '')
    if profile.get('PayloadType') != 'Configuration' or profile.get('PayloadScope') != 'System':
        yield 'a profile for the device is PayloadType Configuration, PayloadScope System'
    if not profile.get('PayloadDisplayName'):
        yield 'PayloadDisplayName is what people see: it is needed'
    if not profile.get('PayloadContent'):
        yield 'PayloadContent is empty'
    for p in profile.get('PayloadContent', []):
        yield from of_payload(p, profile.get('PayloadIdentifier', ''))


def profiles():
    """(name, complaint) about all that pkg/profiles makes."""
    seen = {}
    with tempfile.TemporaryDirectory() as folder:
        r = subprocess.run([sys.executable, 'pkg/profiles/fill.py', TEAM, REPO, folder], capture_output=True, text=True)
        if r.returncode:
            yield 'fill.py', (r.stdout + r.stderr).strip()
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), encoding='utf-8') as f:
                text = f.read()
            found = list(complaints(text))
            if name.endswith('.mobileconfig') and not found:
                profile = plistlib.loads(text.encode())
                found += of_profile(profile)
                for p in [profile] + profile.get('PayloadContent', []):
                    for key in ('PayloadUUID', 'PayloadIdentifier'):
                        if seen.setdefault(p.get(key), name) != name:
                            found.append('%s %s is also that of %s' % (key, p.get(key), seen[p.get(key)]))
            for c in found:
                yield name, c


def self_test():
    """What the checks must find: yields what goes wrong."""
    head = '<?xml version="1.0"?><plist version="1.0">%s</plist>'
    for text, word in (('<dict><key>a</key><true/><key>a</key><false/></dict>', 'twice'), ('<dict><key>@X@</key><true/></dict>', 'filled'),
                       ('<dict><key>a</key></dict>', ''), ('<dict>', 'no property list'),
                       ('<array><dict><true/><key>a</key></dict></array>', '')):
        if not any(word in c for c in complaints(head % text)):
            yield 'plists: %s is not found in %s' % (word or 'anything', text)
    good = {'PayloadType': 'x', 'PayloadIdentifier': 'a.b', 'PayloadUUID': str(uuid.uuid4()), 'PayloadVersion': 1}
    profile = dict(good, PayloadType='Configuration', PayloadScope='System', PayloadDisplayName='x', PayloadIdentifier='a',
                   PayloadContent=[good])
    if list(of_profile(profile)):
        yield 'plists: a good profile is not good: %s' % list(of_profile(profile))
    for key, value in (('PayloadScope', 'User'), ('PayloadUUID', '1'), ('PayloadVersion', '1'), ('PayloadContent', []),
                       ('PayloadIdentifier', 'b')):
        if not list(of_profile(dict(profile, **{key: value}))):
            yield 'plists: a wrong %s is not found' % key
