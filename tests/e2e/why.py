#!/usr/bin/env python3
"""`daybreak why` for every class of decision, in one repository: why.py [--program build/daybreak] [--only WORD]

A row of EXPECTED: the item, the decision in --json, the exit code, and what the screen must say (regular
expressions). The decision is also held against what `check` writes, so that the explanation is of the real plan.
"""
import argparse
import json
import os
import plistlib
import re
import sys

import lib


def file_at(path, **more):
    return [dict({'type': 'file', 'path': path}, **more)]


def app(path, version):
    return [{'type': 'application', 'path': path, 'CFBundleShortVersionString': version}]


def catalogs(repo, **named):
    for name, items in named.items():
        with open(os.path.join(repo.path, 'catalogs', name), 'wb') as f:
            plistlib.dump(items, f)


def nopkg(name, version='1.0', installs=None, **keys):
    d = {'name': name, 'version': version, 'installer_type': 'nopkg', 'installs': file_at('/absent/' + name) if installs is None else installs}
    d.update(keys)
    return {k: v for k, v in d.items() if v is not None}


def removable(name, **keys):
    return nopkg(name, **dict({'uninstallable': True, 'uninstall_method': 'uninstall_script',
                               'uninstall_script': '#!/bin/sh\nexit 0\n', 'installs': file_at('/there')}, **keys))


def build(w):
    """Every class of decision, each by an item of its own."""
    w.repo.manifest('site_default', catalogs=['production', 'testing'], included_manifests=['groups/all'],
                    managed_installs=['Absent', 'Present', 'Newer', 'Older', 'Wanted', 'TooNew', 'TooOld', 'OtherArch', 'Needs',
                                      'Munki', 'Cond', 'Lower', 'First', 'Pinned-1.0', 'NotThere', 'Chain', 'Unmet', 'Loop',
                                      'Base', 'Both', 'Demand', 'Huge', 'Receipted', 'Checked', 'Hashed', 'Versioned', 'Bad',
                                      'Office-2019', 'NoEvidence', 'Latin', 'BrokenCond', 'Mixed'],
                    managed_uninstalls=['Removed', 'Gone', 'Stuck', 'Both', 'Lost'],
                    managed_updates=['Updated', 'NotHere'],
                    optional_installs=['Offered', 'Chosen', 'Noted', 'Featured', 'Unused'],
                    featured_items=['Featured'], default_installs=['Chosen'],
                    conditional_items=[
                        {'condition': 'machine_type == "laptop" AND os_vers_major >= 15', 'managed_installs': ['Laptop'],
                         'conditional_items': [{'condition': 'ANY catalogs == "testing"', 'managed_installs': ['Nested']}]},
                        {'condition': 'machine_type == "desktop"', 'managed_installs': ['Desktop'],
                         'conditional_items': [{'condition': 'TRUEPREDICATE', 'optional_installs': ['DeepDesktop']}]},
                        {'condition': 'machine_type BEGINSWITH 1', 'managed_installs': ['Mistyped']},
                        {'condition': 'os_vers ==', 'managed_installs': ['Unparsed']}])
    w.repo.manifest('groups/all', included_manifests=['groups/inner'], managed_installs=['Grouped'])
    w.repo.manifest('groups/inner', catalogs=['testing'], managed_installs=['Inner'])
    catalogs(w.repo, production=[
        nopkg('Absent'), nopkg('Present', installs=file_at('/there')), nopkg('Newer', installs=app('/Applications/N.app', '1.0')),
        nopkg('Older', '3.0', installs=app('/Applications/N.app', '3.0')), nopkg('Wanted', display_name='The Wanted One'),
        nopkg('TooNew', minimum_os_version='26.0'), nopkg('TooOld', maximum_os_version='14.99'),
        nopkg('OtherArch', supported_architectures=['x86_64']), nopkg('Needs', requires=['Missing-2.0']),
        nopkg('Munki', minimum_munki_version='99'), nopkg('Cond', installable_condition='arch == "ppc"'),
        nopkg('BrokenCond', installable_condition='arch BEGINSWITH'),
        nopkg('Lower', '1.0'), nopkg('Lower', '2.0', minimum_os_version='26.0'), nopkg('Lower', '0.9'),
        nopkg('First', '1.0'), nopkg('Pinned', '1.0'), nopkg('Pinned', '2.0'),
        nopkg('Chain', requires=['Link']), nopkg('Link', requires=['Anchor']), nopkg('Anchor'),
        nopkg('Unmet', requires=['NotInCatalog']), nopkg('Loop', requires=['Pool']), nopkg('Pool', requires=['Loop']),
        nopkg('Mixed', requires=['Mate']), nopkg('Mate', update_for=['Mixed'], requires=['Mixed']),
        nopkg('Base'), nopkg('Fix', update_for=['Base']), nopkg('Both'),
        nopkg('Demand', OnDemand=True), nopkg('Huge', installer_type=None, installer_item_location='Huge.pkg',
                                              installer_item_hash='0' * 64, installer_item_size=10 ** 9),
        nopkg('Receipted', installs=[], receipts=[{'packageid': 'com.example.r', 'version': '2'},
                                                  {'packageid': 'com.example.later', 'version': '1', 'minimum_os_version': '26'}]),
        nopkg('Checked', installcheck_script='#!/bin/sh\nexit 0\n'), nopkg('Versioned', '2.0', version_script='#!/bin/sh\n'),
        nopkg('Hashed', installs=file_at('/there', md5checksum='0' * 32)), nopkg('Bad', installs=[{'type': 'odd'}]),
        nopkg('Office-2019'), nopkg('NoEvidence', installs=[]), nopkg('Latin', installs=file_at('/there')),
        removable('Removed'), removable('Gone', installs=file_at('/absent/Gone')), removable('Stuck', uninstallable=False),
        removable('Auto', autoremove=True), nopkg('Updated', installs=app('/Applications/N.app', '9.0')), nopkg('NotHere'),
        nopkg('Offered'), nopkg('Chosen'), nopkg('Noted', note='Ask the helpdesk first.'), nopkg('Featured'), nopkg('Unused'),
        nopkg('Laptop'), nopkg('Nested'), nopkg('Desktop'), nopkg('DeepDesktop'), nopkg('Mistyped'), nopkg('Unparsed'),
        nopkg('Grouped'), nopkg('Alone', '4.0'), nopkg('Local'),
    ], testing=[nopkg('First', '9.0'), nopkg('Inner'), nopkg('Alone', '5.0', minimum_os_version='27')])
    mac = w.mac()
    mac.facts['script_results'] = {'Checked': {'installcheck': 0}, 'Versioned': {'version': '1.5'}}
    mac.facts['available_disk_space_kb'] = 10 ** 7
    mac.prefs['LocalOnlyManifest'] = 'local'
    os.makedirs(mac.path('Library/Daybreak/manifests'))
    with open(mac.path('Library/Daybreak/manifests/local'), 'wb') as f:
        plistlib.dump({'managed_installs': ['Local']}, f)
    os.makedirs(mac.path('Applications/N.app/Contents'))
    with open(mac.path('Applications/N.app/Contents/Info.plist'), 'wb') as f:
        plistlib.dump({'CFBundleShortVersionString': '2.0'}, f)
    os.makedirs(mac.path('private/var/db/receipts'))
    with open(mac.path('private/var/db/receipts/com.example.r.plist'), 'wb') as f:
        plistlib.dump({'PackageIdentifier': 'com.example.r', 'PackageVersion': '1'}, f)
    open(mac.path('there'), 'w').close()
    return mac


EXPECTED = [
    # what is wanted and is, or is not, there
    ('Absent', 'install', 'will be installed', 'named by +site_default: managed_installs$', 'catalog +production 1.0: chosen',
     r'installs\[0\] says absent: /absent/Absent is not there', 'last run +there was none', 'to do .*daybreak run'),
    ('Present', 'present', 'is installed, nothing to do', r'installs\[0\] says this version: /there is there'),
    ('Newer', 'present', 'a newer version is there', 'says newer: .*N.app.*2.0 is newer than 1.0'),
    ('Older', 'install', 'says older: .*N.app.*2.0 is older than 3.0'),
    ('Wanted', 'install', r'Wanted 1.0 \(The Wanted One\): will be installed'),
    ('Receipted', 'install', r'receipts\[0\] says older: com.example.r: 1 is older than 2',
     r'receipts\[1\] says this version: com.example.later belongs to macOS 26, this is 15.4.1'),
    ('Checked', 'install', 'installcheck_script says not installed: exited with 0', 'installs says not asked: installcheck_script'),
    ('Versioned', 'install', 'version_script says older: .*1.5 is older than 2.0'),
    ('Hashed', 'install', 'another MD5 checksum'),
    ('Bad', 'present', 'says malformed: type odd is not known'),
    ('Demand', 'install', 'OnDemand says absent'),
    ('NoEvidence', 'present', 'nothing says installed: the item has no installs, receipts or check script'),
    # which version, and why not another
    ('TooNew', 'unusable', 'no version applies', 'minimum_os_version is 26.0, this Mac has 15.4.1', 'publish a version'),
    ('TooOld', 'unusable', 'maximum_os_version is 14.99, this Mac has 15.4.1'),
    ('OtherArch', 'unusable', 'supported_architectures does not contain arm64'),
    ('Munki', 'unusable', 'minimum_munki_version is 99, this is 7.0.4'),
    ('Cond', 'unusable', 'installable_condition “arch == "ppc"” does not hold'),
    ('BrokenCond', 'unusable', 'installable_condition .* does not hold: column 16'),
    ('Lower', 'install', 'Lower 1.0: will', 'production 2.0: minimum_os_version is 26.0', 'production 1.0: chosen',
     'production 0.9: a higher version stands in the same catalog'),
    ('First', 'install', 'production 1.0: chosen', 'testing 9.0: catalog production comes first'),
    ('Pinned', 'install', 'managed_installs as Pinned-1.0', 'production 2.0: site_default asks for 1.0', 'production 1.0: chosen'),
    ('NotThere', 'unusable', 'is named, but no catalog has it', 'no item that applies in catalogs production, testing',
     'correct the name'),
    ('Office-2019', 'condition', 'is read as item Office in version 2019'),
    # how it came to be named
    ('Inner', 'install', 'site_default > groups/all > groups/inner: managed_installs', 'testing 1.0: chosen'),
    ('Grouped', 'install', 'site_default > groups/all: managed_installs'),
    ('Laptop', 'install', r'condition machine_type == "laptop" AND os_vers_major >= 15',
     r'is true; machine_type is "laptop", os_vers_major is 15'),
    ('Nested', 'install', 'condition ANY catalogs == "testing"', r'is true; catalogs is \{"production", "testing"\}'),
    ('Desktop', 'condition', 'is named only where it does not count', r'is false; machine_type is "laptop"',
     'would be chosen if the condition held', 'correct the condition'),
    ('DeepDesktop', 'condition', 'optional_installs', r'is false; machine_type is "laptop"'),
    ('Mistyped', 'condition', 'is false, because it cannot be judged: column 14: ', 'machine_type is "laptop"'),
    ('Unparsed', 'condition', 'is false, because it cannot be judged: column 11: '),
    ('Local', 'install', 'named by +local: managed_installs'),
    ('Alone', 'unnamed', 'is in a catalog, but no manifest of this Mac names it', 'production 4.0: would be chosen if a manifest',
     'testing 5.0: minimum_os_version is 27', 'name it in managed_installs of manifest site_default'),
    # relations
    ('Chain', 'install', 'requires Link, which will be installed'),
    ('Anchor', 'install', 'site_default: required by Link, required by Chain, in managed_installs'),
    ('Needs', 'problem', 'should be installed and cannot be', 'requires Missing-2.0, which is not part of the plan', 'problem +Can.t install'),
    ('Unmet', 'problem', 'requires NotInCatalog'),
    ('NotInCatalog', 'unusable', 'required by Unmet, in managed_installs', 'no catalog has it'),
    ('Loop', 'problem', 'comes back to itself', 'requires Pool, which cannot be installed'),
    ('Base', 'install', 'updated by Fix, which will be installed'),
    ('Fix', 'install', 'an update for Base, in managed_installs', 'update for Base, which will be installed'),
    ('Huge', 'problem', 'Insufficient disk space'),
    # removals
    ('Removed', 'remove', 'will be removed', 'managed_uninstalls', 'something of it is there', 'is to be removed with uninstall_script'),
    ('Gone', 'absent', 'should not be installed and is not', 'says not installed: /absent/Gone is not there'),
    ('Stuck', 'kept', 'should be removed and cannot be', 'not marked uninstallable'),
    ('Both', 'install', 'is not removed: some version of it is to be installed'),
    ('Auto', 'remove', 'site_default: autoremove'),
    ('Lost', 'kept', 'it is in none of the catalogs'),
    # updates and what is offered
    ('Updated', 'install', 'managed_updates', 'says older'),
    ('NotHere', 'not_installed', 'no version of it is installed', 'nothing to update'),
    ('Offered', 'offered', 'is offered to the user', 'Managed Software Center'),
    ('Chosen', 'install', 'SelfServeManifest: managed_installs', 'default_installs', 'is chosen for the user, once'),
    ('Noted', 'offered', 'Ask the helpdesk first'),
    ('Featured', 'offered', 'is highlighted among what is offered'),
]


def test_every_class_of_decision(w):
    mac = build(w)
    r = mac('check', '--output', mac.folder + '/info')
    assert r.code == 0, r
    with open(mac.folder + '/info', 'rb') as f:
        info = plistlib.load(f)
    installs = {i['name']: i for i in info['managed_installs']}
    removals = {i['name'] for i in info['removals']}
    problems = {i['name'] for i in info['problem_items']}
    assert mac('check').code == 0
    wrong = []
    for name, decision, *said in EXPECTED:
        text, plain = mac('why', name), json.loads(mac('why', name, '--json').out)
        if text.code != 0 or plain['decision'] != decision or plain['schema'] != 1:
            wrong.append('%s: exit %s, decision %s, expected %s' % (name, text.code, plain['decision'], decision))
        wrong += ['%s: nothing like %r in\n%s' % (name, s, text.out) for s in said if not re.search(s, text.out, re.M)]
        if (decision == 'install') != (name in installs) or (decision == 'remove') != (name in removals) or \
                (decision == 'problem') != (name in problems):
            wrong.append('%s: said to be %s, but InstallInfo says otherwise' % (name, decision))
        chosen = {(c['catalog'], c['version']) for c in plain['found'] if c['chosen']}
        if decision in ('install', 'present', 'offered') and (plain['catalog'], plain['version']) not in chosen:
            wrong.append('%s: the plan chose %s %s, why says %s' % (name, plain['catalog'], plain['version'], chosen))
        if name in installs and installs[name]['version_to_install'] != plain['version']:
            wrong.append('%s: version %s' % (name, plain['version']))
        if text.err:
            wrong.append('%s: standard error is not empty: %s' % (name, text.err))
    assert not wrong, '\n'.join(wrong)
    assert 'WARN  TooNew' in mac('why', 'Absent', '-v').err


def test_unknown_names(w):
    mac = build(w)
    assert mac('check').code == 0
    r = mac('why', 'Abzent')
    assert r.code == 1 and re.search('Abzent: no manifest and no catalog of this Mac names it; nearest: Absent', r.err), r
    r = mac('why', 'Abzent', '--json')
    assert r.code == 1 and json.loads(r.out)['nearest'][0] == 'Absent', r
    r = mac('why', 'Pinned-1.0')     # asked as manifests write it
    assert r.code == 0 and r.out.startswith('Pinned 1.0: will be installed'), r
    r = mac('why', 'e\u0301\x1b[31m')
    assert r.code == 1 and '\x1b' not in r.out + r.err, r


def test_what_happened(w):
    """attempts, the last failure with its suggestion, Install.log; after the last attempt, how to go on"""
    w.repo.simple('Good')
    w.repo.simple('Bad', scripts={'postinstall': '#!/bin/sh\nexit 7\n'})
    w.repo.publish('Good', 'Bad')
    mac = w.mac()
    mac.prefs['MaxAttempts'] = 2
    assert mac.run('--scripts', 'run').code == 2
    r = mac('why', 'Bad')
    for s in ('Bad 1.0: will be installed', 'last run +failed 20.*, postinstall: .*exited with 7', 'attempts +install 1.0: 1 of 2', '  try: ',
              'history +20.* Install of Bad-1.0: FAILED'):
        assert re.search(s, r.out), '%s\n%s' % (s, r)
    assert mac.run('--scripts', 'run').code == 2
    r = mac('why', 'Bad')
    for s in ('attempts +install 1.0: 2 of 2', 'to do .*daybreak reset Bad, then'):
        assert re.search(s, r.out), '%s\n%s' % (s, r)
    assert len(re.findall('Install of Bad-1.0: FAILED', r.out)) == 2, r
    r = mac('why', 'Good')
    for s in ('is installed, nothing to do', 'last run +skipped', 'Install of Good-1.0: SUCCESSFUL'):
        assert re.search(s, r.out), '%s\n%s' % (s, r)
    assert 'attempts' not in r.out, r
    j = json.loads(mac('why', 'Bad', '--json').out)
    assert j['attempts'] == {'version': '1.0', 'action': 'install', 'attempts': 2, 'attempts_max': 2, 'outcome': 'failed',
                             'message': j['attempts']['message']} and j['last_run']['failure']['suggestion'], j


def test_why_changes_nothing(w):
    mac = build(w)
    assert mac('check').code == 0
    before = lib.snapshot(mac.root)
    for name in ('Absent', 'Removed', 'Chosen', 'nobody'):
        mac('why', name)
        mac('why', name, '--repo', 'file://' + w.repo.path)
    assert lib.difference(before, lib.snapshot(mac.root)) == []


def test_no_decision_is_said(w):
    """a manifest that must be there is not: why says which, and does not guess"""
    w.repo.manifest('site_default', catalogs=['production'], included_manifests=['gone'], managed_installs=['A'])
    catalogs(w.repo, production=[nopkg('A')])
    mac = w.mac()
    r = mac('why', 'A', '--repo', 'file://' + w.repo.path)
    assert r.code == 1 and 'site_default > gone' in r.err, r


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'why', a.only, os.path.abspath(a.program)))
