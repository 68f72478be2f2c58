#!/usr/bin/env python3
"""Whom the program trusts and how it shows who it is: authorities of the keychain, client certificates, HTTP/2.
trust.py [--program build/daybreak] [--only WORD]"""
import argparse
import contextlib
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys

import lib
from lib import expect, read

CA, LEAF, OTHER, CLIENT = ('basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n',
                           'basicConstraints=CA:false\nsubjectAltName=IP:127.0.0.1\n',
                           'basicConstraints=critical,CA:true\nkeyUsage=critical,digitalSignature\n',
                           'basicConstraints=CA:false\nextendedKeyUsage=clientAuth\n')
CONFIG = """[ca]
default_ca=c
[c]
database=%s/index
new_certs_dir=%s
serial=%s/serial
default_md=sha256
policy=p
unique_subject=no
[p]
commonName=supplied
organizationName=optional
"""


class Certificates:
    """A folder of certificates made here and now: NAME.pem, NAME.key."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.write('ca.cnf', CONFIG % ((folder,) * 3))
        self.write('index', '')
        self.write('serial', '01\n')

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text)

    def path(self, name):
        return os.path.join(self.folder, name)

    def pem(self, name):
        return read(self.path(name + '.pem'))

    def openssl(self, *argv):
        subprocess.run(['openssl'] + list(argv), check=True, capture_output=True, cwd=self.folder)

    def make(self, name, extensions, by=None, subject=None, first='20200101000000Z', last='20400101000000Z'):
        """Signed by the CA of that name, or by itself."""
        self.write(name + '.ext', extensions)
        self.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', name + '.key',
                     '-out', name + '.csr', '-utf8', '-subj', subject or '/CN=' + name)
        self.openssl('ca', '-batch', '-notext', '-utf8', '-config', 'ca.cnf', '-in', name + '.csr', '-out', name + '.pem',
                     '-startdate', first, '-enddate', last, '-extfile', name + '.ext', '-rand_serial',
                     *(['-cert', by + '.pem', '-keyfile', by + '.key'] if by else ['-selfsign', '-keyfile', name + '.key']))
        return self.pem(name)

    def sha256(self, name):
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.pem(name))).hexdigest()


class Keychain:
    """Stand-ins for Apple's tools, with a System keychain."""

    def __init__(self, w):
        self.path = w.folder + '/tools'
        shutil.copytree(lib.TOP + '/tests/tools', self.path)
        os.makedirs(self.path + '/trusted')

    def put(self, *pems):
        with open(self.path + '/new', 'w') as f:
            f.write(''.join(pems))
        os.rename(self.path + '/new', self.path + '/System.keychain.pem')

    def trust(self, name, pem):
        with open('%s/trusted/%s' % (self.path, name), 'w') as f:
            f.write(pem)

    def asked(self):
        path = self.path + '/asked'
        return read(path).splitlines() if os.path.exists(path) else []


def published(w):
    w.repo.simple('Alpha')
    w.repo.publish('Alpha')


def secure(w, **kw):
    """A repository behind TLS whose authority is nobody's yet; (certificates, server)."""
    published(w)
    c = Certificates(w.folder + '/certificates')
    c.make('root', CA, subject='/CN=Test Root/O=Example GmbH')
    c.make('server', LEAF, by='root')
    return c, w.nginx(tls=(c.path('server.pem'), c.path('server.key')), **kw)


def left(mac):
    """Private folders that should be gone."""
    return [os.path.join(d, n) for d, names, _ in os.walk(mac.root) for n in names if n.startswith('.keychain')]


# --- the System keychain --------------------------------------------------------------------------------------

def test_an_authority_of_the_system_keychain_is_trusted(w):
    """only there; named in log and config; without it the server is not trusted"""
    c, server = secure(w)
    keychain = Keychain(w)
    mac = w.mac(server.url)
    mac.prefs['DownloadRetries'] = 0
    expect(mac.run('--tools', keychain.path), 150, 'certificate')
    keychain.put(c.pem('root'))
    keychain.trust('root', c.pem('root'))
    expect(mac.run('--tools', keychain.path), 0)
    assert mac.status()['trust'] == 'tls' and mac.states() == {'Alpha': 'success'}
    line = 'System keychain: adopted O=Example GmbH,CN=Test Root, SHA-256 ' + c.sha256('root')
    assert mac.log().count(line) == 1, mac.log()
    assert keychain.asked()[-2:] and keychain.asked()[-1].startswith('verify-cert -l -L -R offline -p ssl -c ' + mac.root), keychain.asked()
    assert set(read(keychain.path + '/modes').split()) == {'drwx------', '-rw-------'}, read(keychain.path + '/modes')
    assert left(mac) == []
    r = expect(mac('config', '--tools', keychain.path), 0, 'System keychain: 1 certification authority is trusted',
               'O=Example GmbH,CN=Test Root .*' + c.sha256('root'))
    got = json.loads(expect(mac('config', '--json', '--tools', keychain.path), 0).out)['keychain']
    assert got == {'asked': True, 'failure': None, 'authorities': [{'subject': 'O=Example GmbH,CN=Test Root',
                                                                    'sha256': c.sha256('root')}]}, got
    assert 'keychain' not in expect(mac('config'), 0).out, r
    assert json.loads(mac('config', '--json').out)['keychain'] == {'asked': False, 'failure': None, 'authorities': []}
    assert left(mac) == []


def test_what_is_no_trusted_authority_is_not_adopted(w):
    """a leaf, an identity of its own, one expired, one of the future, one that may not sign, one distrusted, one twice,
    nonsense; what cannot be an authority is not even shown to the system"""
    c, server = secure(w)
    keychain = Keychain(w)
    wrong = {
        'leaf': dict(extensions=LEAF, by='root'),
        'identity': dict(extensions='basicConstraints=CA:false\n'),
        'plain': dict(extensions='subjectKeyIdentifier=hash\n'),
        'expired': dict(extensions=CA, last='20200201000000Z'),
        'future': dict(extensions=CA, first='20390101000000Z'),
        'no signer': dict(extensions=OTHER),
    }
    for name, how in wrong.items():
        c.make(name, **how)
        keychain.trust(name, c.pem(name))  # the system would not object
    c.make('distrusted', CA)
    nonsense = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nwords\n-----BEGIN X-----\n'
    keychain.put(nonsense, *[c.pem(n) for n in wrong], c.pem('distrusted'), c.pem('root'), c.pem('root'))
    keychain.trust('root', c.pem('root'))
    mac = w.mac(server.url)
    mac.prefs['LoggingLevel'] = 2
    expect(mac.run('--tools', keychain.path), 0)
    got = json.loads(mac('config', '--json', '--tools', keychain.path).out)['keychain']['authorities']
    assert [a['sha256'] for a in got] == [c.sha256('root')], got
    assert len([l for l in keychain.asked() if l.startswith('verify-cert')]) == 4, keychain.asked()
    log = mac.log()
    assert 'not adopted (the system does not trust it): CN=distrusted, SHA-256 ' + c.sha256('distrusted') in log, log
    assert 'not adopted (not in date): CN=expired' in log and 'CN=future' in log and 'CN=leaf' not in log, log


def test_nothing_is_adopted_when_the_tool_fails(w):
    """said once, also by doctor and config; the system's roots and a given authority still count"""
    c, server = secure(w)
    keychain = Keychain(w)
    keychain.put(c.pem('root'))
    keychain.trust('root', c.pem('root'))
    lib.program(keychain.path + '/broken', '')
    mac = w.mac(server.url)
    mac.prefs['DownloadRetries'] = 0
    mac.prefs['ReportURL'] = server.url + '/report'
    expect(mac.run('--tools', keychain.path), 150, 'find-certificate exited with 1')
    assert mac.log().count('are not adopted: find-certificate exited with 1') == 1, mac.log()
    expect(mac('config', '--tools', keychain.path), 0, 'none of its certification authorities is trusted: find-certificate')
    assert json.loads(mac('config', '--json', '--tools', keychain.path).out)['keychain']['failure'] == 'find-certificate exited with 1'
    found = json.loads(mac('doctor', '--json', '--tools', keychain.path).out)['findings']
    assert [f['state'] for f in found if f['check'] == 'authorities'] == ['problem'], found
    mac.prefs['SoftwareRepoCACertificate'] = c.path('root.pem')
    expect(mac.run('--tools', keychain.path), 0, 'are not adopted')
    os.unlink(keychain.path + '/broken')
    # one that cannot be judged: all or nothing
    os.rename(keychain.path + '/security', keychain.path + '/security.real')
    lib.program(keychain.path + '/security', '[ "$1" = find-certificate ] && exec "$0.real" "$@"\nkill -9 $$\n')
    expect(mac.run('--tools', keychain.path), 0, 'not adopted: verify-cert killed by signal 9')
    os.unlink(keychain.path + '/security')
    expect(mac.run('--tools', keychain.path), 0, 'not adopted: .*security')
    assert left(mac) == []


def test_an_empty_keychain_is_no_failure(w):
    published(w)
    keychain = Keychain(w)
    mac = w.mac()
    r = expect(mac.run('--tools', keychain.path), 0)
    assert 'keychain' not in r.err + mac.log(), mac.log()
    expect(mac('config', '--tools', keychain.path), 0, 'System keychain: 0 certification authorities')


def test_a_keychain_of_too_many_is_cut(w):
    c, server = secure(w)
    keychain = Keychain(w)
    c.make('leaf', LEAF, by='root')
    keychain.put(c.pem('root'), c.pem('leaf') * 300)
    keychain.trust('root', c.pem('root'))
    mac = w.mac(server.url)
    expect(mac.run('--tools', keychain.path), 0, 'more than 256 certificates')
    keychain.put('x' * 79 + '\n', ('y' * 79 + '\n') * 110000)
    mac.prefs['DownloadRetries'] = 0
    expect(mac.run('--tools', keychain.path), 150, 'more than 8388608 bytes of certificates')


def test_an_authority_may_arrive_while_the_run_waits(w):
    """MDM sends the profile with the root after the package: the automatic run asks again, and says so once"""
    c, server = secure(w)
    keychain = Keychain(w)
    keychain.trust('root', c.pem('root'))
    mac = w.mac(server.url)
    waits = []

    def policy(ms, watched):
        waits.append(ms)
        if len(waits) == 60:
            keychain.put(c.pem('root'))
        return ms if watched == 0 else None
    r = expect(mac.run('--auto', '--tools', keychain.path, '--clock', w.clock(policy=policy).path), 0)
    assert mac.status()['exit_code'] == 0 and mac.states() == {'Alpha': 'success'}, (mac.status(), r)
    assert mac.log().count('adopted') == 1 and 'asked again' in mac.log(), mac.log()
    assert left(mac) == []


def test_what_a_killed_run_left_is_swept(w):
    published(w)
    keychain = Keychain(w)
    c = Certificates(w.folder + '/certificates')
    keychain.put(c.make('root', CA))
    mac = w.mac()
    expect(mac.run('--tools', keychain.path), 0)
    gone = subprocess.Popen(['true'])
    gone.wait()
    dead, alive = ('Library/Daybreak/.keychain-%d-x' % pid for pid in (gone.pid, os.getpid()))
    for folder in (dead, alive):
        os.makedirs(mac.path(folder), 0o700)
        open(mac.path(folder, 'certificate.pem'), 'w').close()
    expect(mac.run('--tools', keychain.path), 0)
    assert left(mac) == [mac.path(alive)], left(mac)


# --- client certificates --------------------------------------------------------------------------------------

OURS, MUNKIS = 'Library/Daybreak/certs', 'Library/Managed Installs/certs'


def mutual(w):
    """A server that gives nothing to whom it does not know, and a Mac that may become known; its authority is given."""
    published(w)
    c = Certificates(w.folder + '/certificates')
    c.make('root', CA)
    c.make('server', LEAF, by='root')
    c.make('clients', CA)
    c.make('mac', CLIENT, by='clients', subject='/CN=C02TEST')
    server = w.nginx(tls=(c.path('server.pem'), c.path('server.key')),
                     server_extra='ssl_client_certificate %s; ssl_verify_client on;' % c.path('clients.pem'))
    mac = w.mac(server.url)
    mac.prefs.update(SoftwareRepoCACertificate=c.path('root.pem'), UseClientCertificate=True, DownloadRetries=0)
    return c, server, mac


def put(mac, path, text, mode=0o600):
    full = mac.path(path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, 'w') as f:
        f.write(text)
    os.chmod(full, mode)
    return full


def both(c, name):
    return c.pem(name) + read(c.path(name + '.key'))


def test_a_client_certificate_opens_the_server(w):
    """in our certs folder, in Munki's, as two files by preference; the first place wins; unknown ones are refused"""
    c, server, mac = mutual(w)
    expect(mac.run(), 150, 'UseClientCertificate is set, and there is no cert.pem, client.pem or munki.pem', 'HTTP 400')
    theirs = put(mac, MUNKIS + '/munki.pem', both(c, 'mac'))
    expect(mac.run(), 0)
    assert mac.states() == {'Alpha': 'success'} and mac.status()['trust'] == 'tls'
    c.make('stranger', CLIENT, by='root')
    ours = put(mac, OURS + '/cert.pem', both(c, 'stranger'))
    expect(mac.run(), 150, 'HTTP 400')
    os.rename(theirs, ours)
    expect(mac.run(), 0)
    os.rename(ours, os.path.dirname(ours) + '/client.pem')
    expect(mac.run(), 0)
    shutil.rmtree(os.path.dirname(ours))
    mac.prefs.update(ClientCertificatePath=c.path('mac.pem'), ClientKeyPath=c.path('mac.key'))
    expect(mac.run(), 0)
    mac.prefs['UseClientCertificate'] = False
    expect(mac.run(), 150, 'HTTP 400')


def test_the_certificate_may_name_the_manifest(w):
    c, server, mac = mutual(w)
    w.repo.manifest('C02TEST', catalogs=['production'], managed_installs=['Alpha'])
    mac.prefs['UseClientCertificateCNAsClientIdentifier'] = True
    put(mac, OURS + '/cert.pem', both(c, 'mac'))
    expect(mac.run(), 0)
    assert mac.status()['manifest'] == 'C02TEST', mac.status()


def test_only_the_repository_sees_the_certificate(w):
    """a mirror that would take one is shown none"""
    c, server, mac = mutual(w)
    seen = w.folder + '/seen'
    mirror = w.nginx(tls=(c.path('server.pem'), c.path('server.key')), extra='log_format v "$ssl_client_verify $request";',
                     server_extra='ssl_client_certificate %s; ssl_verify_client optional; access_log %s v;' % (c.path('clients.pem'), seen))
    put(mac, OURS + '/cert.pem', both(c, 'mac'))
    mac.prefs['SoftwareRepoURL'] = mirror.url
    expect(mac.run(), 0)
    assert all(l.startswith('SUCCESS GET') for l in read(seen).splitlines()), read(seen)
    os.truncate(seen, 0)
    mac.prefs.update(SoftwareRepoURL=server.url + '/elsewhere', MirrorURLs=[mirror.url])
    mac.run()
    assert read(seen) and all(l.startswith('NONE GET') for l in read(seen).splitlines()), read(seen)


def test_a_certificate_of_no_use_is_named(w):
    """by the run and by doctor; nobody is asked for a passphrase"""
    c, server, mac = mutual(w)
    c.openssl('pkey', '-in', 'mac.key', '-aes128', '-passout', 'pass:x', '-out', 'locked.key')
    c.make('stranger', CLIENT, by='root')
    c.make('old', CLIENT, by='clients', last='20200201000000Z')
    mac.prefs['UseClientCertificate'] = True
    for text, sentence in ((c.pem('mac') + read(c.path('locked.key')), 'cert.pem: the private key is encrypted'),
                           (c.pem('mac'), 'cert.pem: no private key in PEM is in there'),
                           (read(c.path('mac.key')), 'cert.pem: no certificate in PEM is in there'),
                           (c.pem('mac') + read(c.path('stranger.key')), "the private key is not the certificate's"),
                           (both(c, 'old'), 'cert.pem: CN=old is not in date')):
        put(mac, OURS + '/cert.pem', text)
        r = expect(mac.run(), 150, sentence)
        assert 'Enter' not in r.out + r.err, r
        found = [f for f in json.loads(mac('doctor', '--json').out)['findings'] if f['check'] == 'identity']
        assert len(found) == 1 and found[0]['state'] == 'problem' and lib.re.search(sentence, found[0]['cause']), found
        assert 'SCEP' in found[0]['remedy'] and 'PEM' in found[0]['remedy'], found
    mac.prefs['ClientCertificatePath'] = '/gone.pem'
    expect(mac.run(), 150, '/gone.pem: it cannot be opened: No such file')


def test_doctor_looks_at_the_client_certificate(w):
    c, server, mac = mutual(w)
    def finding(check='identity'):
        return next(f for f in json.loads(mac('doctor', '--json').out)['findings'] if f['check'] == check)
    path = put(mac, OURS + '/cert.pem', both(c, 'mac'), 0o644)
    assert 'can read the private key' in finding()['cause'] and 'chmod 600 ' + path in finding()['remedy'], finding()
    os.chmod(path, 0o600)
    assert finding() == {'check': 'identity', 'state': 'ok', 'remedy': '',
                         'cause': 'this Mac shows servers CN=C02TEST, good until 2040-01-01T00:00:00Z'}, finding()
    c.make('stranger', CLIENT, by='root')
    put(mac, OURS + '/cert.pem', both(c, 'stranger'))
    assert 'UseClientCertificate' in finding('repository')['remedy'], finding('repository')
    # a server that ends the connection instead of answering 400
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(c.path('server.pem'), c.path('server.key'))
    context.load_verify_locations(c.path('clients.pem'))
    context.verify_mode = ssl.CERT_REQUIRED
    liar = w.liar({})
    liar.server.socket = context.wrap_socket(liar.server.socket, server_side=True, do_handshake_on_connect=False)

    def put_away(connection):
        """To the end of what the client says: closed sooner, a reset may overtake the alert that says why."""
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        connection.close()
    liar.server.shutdown_request, liar.server.handle_error = put_away, lambda *_: None
    mac.prefs['SoftwareRepoURL'] = liar.url.replace('http:', 'https:')
    assert 'UseClientCertificate' in finding('tls')['remedy'], finding('tls')
    put(mac, OURS + '/cert.pem', both(c, 'mac'))
    assert finding('repository')['state'] == 'ok', finding('repository')


# --- HTTP/2 ---------------------------------------------------------------------------------------------------

def protocols(server):
    return [l.split('"')[1].split()[-1] for l in read(server.folder + '/access.log').splitlines()]


def test_http_2_is_spoken_where_the_server_has_it(w):
    """many packages, larger than a window, over few connections; and 1.1 where it has not"""
    if 'http_v2_module' not in subprocess.run([lib.nginx_path() or 'false', '-V'], capture_output=True, text=True).stderr:
        raise lib.Skip('nginx is not here, or without HTTP/2')
    names = ['Big%d' % n for n in range(8)]
    for n, name in enumerate(names):
        w.repo.simple(name, files={'Library/%s/file' % name: os.urandom(300000 * n + 1)})
    c = Certificates(w.folder + '/certificates')
    c.make('root', CA)
    c.make('server', LEAF, by='root')
    w.repo.publish(*names)
    for h2, version in ((True, 'HTTP/2.0'), (False, 'HTTP/1.1')):
        server = w.nginx(tls=(c.path('server.pem'), c.path('server.key')), h2=h2)
        mac = w.mac(server.url, name='mac%d' % h2)
        mac.prefs['SoftwareRepoCACertificate'] = c.path('root.pem')
        expect(mac.run(), 0)
        assert mac.states() == dict.fromkeys(names, 'success'), mac.states()
        assert len(protocols(server)) >= 10 and set(protocols(server)) == {version}, protocols(server)
        expect(mac.run(), 0)  # manifests and catalogs unchanged
        assert 304 in [status for _, _, status in server.requests()], server.requests()


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--program', default=lib.TOP + '/build/daybreak')
    ap.add_argument('--only')
    a = ap.parse_args()
    sys.exit(lib.main(dict(globals()), 'trust', a.only, os.path.abspath(a.program)))
