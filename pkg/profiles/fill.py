#!/usr/bin/env python3
"""Fill the profiles' templates in: fill.py TEAMID REPO-URL FOLDER

TEAMID: of the Developer ID that signs the program (pkg/sign.sh), ten capitals and digits. The same answers give the same
bytes, UUIDs included, so that a profile pushed again is the same profile. Also writes the description of every preference
that profile editors read (describe.py).
"""
import os
import plistlib
import re
import sys
import uuid
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import describe  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    if len(sys.argv) != 4:
        sys.exit('fill.py TEAMID REPO-URL FOLDER')
    team, repo, folder = sys.argv[1:]
    if not re.fullmatch(r'[A-Z0-9]{10}', team):
        sys.exit('fill.py: %s: a Team ID is ten capitals and digits' % team)
    if not re.fullmatch(r'https://[^/\s]+\S*', repo):
        sys.exit('fill.py: %s: an https URL is needed' % repo)
    domain = describe.domain()
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(HERE)):
        if not name.endswith('.mobileconfig.in'):
            continue
        with open(os.path.join(HERE, name), encoding='utf-8') as f:
            text = f.read()
        for word, value in (('DOMAIN', domain), ('TEAM', team), ('REPO', repo)):
            text = text.replace('@%s@' % word, escape(value))
        for i in range(2):
            text = text.replace('@UUID%d@' % i, str(uuid.uuid5(uuid.NAMESPACE_DNS, '%s/%s/%d/%s' % (domain, name, i, team))).upper())
        left = re.search(r'@[A-Z0-9]+@', text)
        if left:
            sys.exit('%s: %s is left' % (name, left.group()))
        plistlib.loads(text.encode())
        out = os.path.join(folder, domain + '.' + name[:-len('.in')])
        with open(out, 'w', encoding='utf-8') as f:
            f.write(text)
        print(out)
    out = os.path.join(folder, domain + '.plist')
    with open(out, 'wb') as f:
        plistlib.dump(describe.manifest(), f, sort_keys=False)
    print(out)


if __name__ == '__main__':
    main()
