#!/usr/bin/env python3
"""The bill of materials of the macOS program, SPDX 2.3: sbom.py VERSION PROGRAM SOURCES.TXT EPOCH > daybreak.spdx.json

Every library with the exact source package it was built from, as Debian calls it, and the SHA-256 of each file of that
package. SOURCES.TXT is what fetch.sh wrote: name, version, file, SHA-256, one file a line.
"""
import hashlib
import json
import sys
import time

LICENSES = {'zlib': 'Zlib', 'xz-utils': 'LicenseRef-public-domain', 'bzip2': 'bzip2-1.0.6', 'expat': 'MIT', 'utf8proc': 'MIT AND Unicode-DFS-2015',
            'jansson': 'MIT', 'nghttp2': 'MIT', 'openssl': 'Apache-2.0', 'curl': 'curl', 'libplist': 'LGPL-2.1-or-later',
            'libarchive': 'BSD-2-Clause'}


def upstream(version):
    return version.split(':')[-1].split('-')[0]


def main():
    version, program, sources, epoch = sys.argv[1:5]
    with open(program, 'rb') as f:
        sha = hashlib.sha256(f.read()).hexdigest()
    found = {}
    with open(sources) as f:
        for line in f:
            name, taken, file, digest = line.split()
            found.setdefault(name, (taken, []))[1].append((file, digest))
    assert set(found) == set(LICENSES), sorted(set(found) ^ set(LICENSES))
    packages = [{
        'SPDXID': 'SPDXRef-daybreak', 'name': 'daybreak', 'versionInfo': version, 'downloadLocation': 'NOASSERTION',
        'licenseConcluded': 'Apache-2.0', 'licenseDeclared': 'Apache-2.0', 'copyrightText': 'NOASSERTION', 'filesAnalyzed': False,
        'primaryPackagePurpose': 'APPLICATION', 'checksums': [{'algorithm': 'SHA256', 'checksumValue': sha}],
        'comment': 'the checksum is of the universal program as linked, before it was signed by anybody',
    }]
    relations = [('SPDXRef-DOCUMENT', 'DESCRIBES', 'SPDXRef-daybreak')]
    for name, (taken, files) in sorted(found.items()):
        plain = taken.startswith('orig:')
        taken = taken[5:] if plain else taken
        p = {
            'SPDXID': 'SPDXRef-' + name, 'name': name, 'versionInfo': upstream(taken) if plain else taken,
            'downloadLocation': 'https://deb.debian.org/debian', 'licenseConcluded': LICENSES[name], 'licenseDeclared': LICENSES[name],
            'copyrightText': 'NOASSERTION', 'filesAnalyzed': False, 'primaryPackagePurpose': 'LIBRARY',
            'supplier': 'Organization: Debian',
            'sourceInfo': '; '.join('%s sha256:%s' % f for f in files),
            'externalRefs': [{'referenceCategory': 'PACKAGE-MANAGER', 'referenceType': 'purl',
                              'referenceLocator': 'pkg:deb/debian/%s@%s?arch=source' % (name, taken.replace(':', '%3A').replace('+', '%2B'))}],
        }
        if plain:
            p['comment'] = "upstream's tarball, as Debian signs for it in %s %s; without Debian's patches" % (name, taken)
        packages.append(p)
        relations.append(('SPDXRef-daybreak', 'STATIC_LINK', p['SPDXID']))
    json.dump({
        'spdxVersion': 'SPDX-2.3', 'dataLicense': 'CC0-1.0', 'SPDXID': 'SPDXRef-DOCUMENT', 'name': 'daybreak-' + version,
        'documentNamespace': 'https://spdx.org/spdxdocs/daybreak-%s-%s' % (version, sha),
        'creationInfo': {'created': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(int(epoch))), 'creators': ['Tool: pkg/macos/sbom.py']},
        'hasExtractedLicensingInfos': [{'licenseId': 'LicenseRef-public-domain', 'extractedText': 'in the public domain', 'name': 'public domain'}],
        'packages': packages,
        'relationships': [{'spdxElementId': a, 'relationshipType': r, 'relatedSpdxElement': b} for a, r, b in relations],
    }, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == '__main__':
    main()
