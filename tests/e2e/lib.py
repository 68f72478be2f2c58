"""What the end-to-end tests share: a repository, a Mac (a folder), servers, and a small runner.

Standard library only. Every test gets a fresh folder and leaves nothing. No test sleeps: it waits for an event
with a deadline.
"""
import contextlib
import hashlib
import http.server
import json
import os
import plistlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
DEADLINE = 60


class Skip(Exception):
    pass


class Repo:
    """A Munki repository in a folder, with packages made by the program under test."""

    def __init__(self, folder, program):
        self.path, self.program = folder, program
        self.items, self.scratch = [], folder + '.work'
        for d in ('manifests', 'catalogs', 'pkgs'):
            os.makedirs(os.path.join(folder, d))
        os.makedirs(self.scratch)

    def package(self, name, version='1.0', files=None, scripts=None, identifier=None):
        """Build pkgs/NAME-VERSION.pkg with {path: bytes} and {script name: text}."""
        root = os.path.join(self.scratch, name + '.root')
        for path, data in (files if files is not None else {'Library/%s/file' % name: name.encode()}).items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'wb') as f:
                f.write(data)
        os.makedirs(root, exist_ok=True)
        file = '%s-%s.pkg' % (name, version)
        argv = [self.program, 'pkg', 'build', '--payload', root, '--identifier', identifier or 'com.example.' + name.lower(),
                '--version', version]
        if scripts:
            folder = os.path.join(self.scratch, name + '.scripts')
            os.makedirs(folder)
            for script, text in scripts.items():
                with open(os.path.join(folder, script), 'w') as f:
                    f.write(text)
                os.chmod(os.path.join(folder, script), 0o755)
            argv += ['--scripts', folder]
        subprocess.run(argv + [os.path.join(self.path, 'pkgs', file)], check=True, stdout=subprocess.DEVNULL)
        return file

    def item(self, name, version='1.0', package=None, **keys):
        """A pkginfo; with a package its location, hash, size and receipt."""
        d = {'name': name, 'version': version}
        if package:
            with open(os.path.join(self.path, 'pkgs', package), 'rb') as f:
                data = f.read()
            d.update(installer_item_location=package, installer_item_hash=hashlib.sha256(data).hexdigest(),
                     installer_item_size=len(data) // 1024 + 1,
                     receipts=[{'packageid': 'com.example.' + name.lower(), 'version': version}])
        d.update(keys)
        self.items.append({k: v for k, v in d.items() if v is not None})

    def simple(self, name, version='1.0', files=None, scripts=None, **keys):
        self.item(name, version, self.package(name, version, files, scripts), **keys)

    def manifest(self, name='site_default', **keys):
        path = os.path.join(self.path, 'manifests', name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            plistlib.dump(keys, f)

    def publish(self, *managed, **keys):
        """Write the catalog and, with names, site_default."""
        with open(os.path.join(self.path, 'catalogs', 'production'), 'wb') as f:
            plistlib.dump(self.items, f)
        if managed or keys:
            self.manifest(catalogs=['production'], managed_installs=list(managed), **keys)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __str__(self):
        return 'exit %s\n--- stdout\n%s--- stderr\n%s' % (self.code, self.out, self.err)


class Mac:
    """A target folder with preferences and facts."""

    def __init__(self, folder, program, url):
        self.folder, self.program = folder, program
        self.root = os.path.join(folder, 'root')
        os.makedirs(self.root)
        self.prefs = {'SoftwareRepoURL': url}
        self.facts = {'os_vers': '15.4.1', 'arch': 'arm64', 'hostname': 'mac.example.com', 'serial_number': 'C02TEST',
                      'machine_type': 'laptop'}

    def argv(self, command, *extra, prefs=True, facts=True):
        argv = [self.program, command, '--root', self.root]
        if prefs:
            with open(self.folder + '/prefs.plist', 'wb') as f:
                plistlib.dump(self.prefs, f)
            argv += ['--prefs', self.folder + '/prefs.plist']
        if facts:
            with open(self.folder + '/facts.plist', 'wb') as f:
                plistlib.dump(self.facts, f)
            argv += ['--facts', self.folder + '/facts.plist']
        return argv + list(extra)

    def start(self, *args, **kw):
        return subprocess.Popen(self.argv(*args, **kw), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def __call__(self, *args, timeout=DEADLINE, **kw):
        p = self.start(*args, **kw)
        try:
            out, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            raise AssertionError('no end after %d s\n%s' % (timeout, Result(None, out, err)))
        r = Result(p.returncode, out, err)
        if p.returncode < 0:
            raise AssertionError('died by signal %d\n%s' % (-p.returncode, r))
        if 'AddressSanitizer' in err or 'runtime error' in err:
            raise AssertionError('sanitizer:\n%s' % r)
        return r

    def run(self, *extra, **kw):
        return self('run', *extra, **kw)

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def status(self):
        with open(self.path('Library/Daybreak/status.json')) as f:
            return json.load(f)

    def states(self):
        return {i['name']: i['state'] for i in self.status()['items']}

    def item(self, name):
        return next(i for i in self.status()['items'] if i['name'] == name)

    def failure(self, name):
        return self.item(name)['failure'] or {}

    def events(self):
        with open(self.path('private/var/log/daybreak/events.jsonl')) as f:
            return [json.loads(line) for line in f]

    def log(self):
        with open(self.path('private/var/log/daybreak/daybreak.log'), errors='replace') as f:
            return f.read()

    def info(self):
        with open(self.path('Library/Daybreak/InstallInfo.plist'), 'rb') as f:
            return plistlib.load(f)

    def report(self):
        with open(self.path('Library/Daybreak/ManagedInstallReport.plist'), 'rb') as f:
            return plistlib.load(f)


class Clock:
    """The time of a run, in this test's hands (--clock). Whenever the program has nothing to do but wait it asks; policy(ms,
    watched) says how many milliseconds pass, or None: none until advance() or until what it watches moves. Without a
    policy time passes when nothing else could end the wait, so that a child or a server takes no time at all."""

    def __init__(self, folder, start=1795485600, policy=None):
        self.path = folder + '/clock'
        self.policy = policy or (lambda ms, watched: ms if watched == 0 else None)
        self.wall, self.passed, self.open = start * 1000, 0, None
        self.lock, self.connection, self.gone = threading.Condition(), None, False
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(4)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.sendall(b'start %d\n' % self.wall)
            self.connection, self.gone = connection, False
            try:
                for line in connection.makefile('r'):
                    _, n, ms, watched = line.split()
                    with self.lock:
                        self.open = (int(n), int(ms))
                        passes = self.policy(int(ms), int(watched))
                        if passes is not None:
                            self.answer(passes)
                        self.lock.notify_all()
            except OSError:
                pass  # it left, or was killed
            with self.lock:
                self.open, self.gone = None, True
                self.lock.notify_all()
            connection.close()

    def answer(self, ms):
        n, _ = self.open
        self.open = None
        self.wall += ms
        self.passed += ms
        with contextlib.suppress(OSError):
            self.connection.sendall(b'%d %d\n' % (n, ms))

    def advance(self, seconds):
        """Let so much time pass, in the steps in which it is asked for; or until the program ends."""
        end = self.passed + seconds * 1000
        while self.passed < end:
            with self.lock:
                if not self.lock.wait_for(lambda: self.open or self.gone, DEADLINE):
                    raise AssertionError('the program does not wait')
                if self.gone:
                    return
                self.answer(min(self.open[1], end - self.passed))

    def close(self):
        self.socket.close()


class Tools:
    """Stand-ins for Apple's tools (tests/tools) in a folder of their own: the argument of --tools. What they answer stands
    in files beside them; what they were told to do, in the file calls."""

    def __init__(self, folder):
        self.path = folder
        shutil.copytree(TOP + '/tests/tools', folder)

    def put(self, name, text):
        """Set an answer, in one step: a tool may be reading it. None: take it away."""
        full = os.path.join(self.path, name)
        if text is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(full)
            return
        with open(full + '.new', 'w') as f:
            f.write(text)
        os.rename(full + '.new', full)

    def console(self, name=None, uid=501):
        self.put('console', '%s %d\n' % (name, uid) if name else None)

    def calls(self):
        full = os.path.join(self.path, 'calls')
        return read(full).splitlines() if os.path.exists(full) else []


def nginx_path():
    return shutil.which('nginx') or ('/usr/sbin/nginx' if os.path.exists('/usr/sbin/nginx') else None)


class Nginx:
    """A real web server on a free loopback port."""

    def __init__(self, folder, docroot, extra='', server_extra='', tls=None, h2=True):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        binary = nginx_path()
        if not binary:
            raise Skip('nginx is not installed')
        user = 'user root;' if os.getuid() == 0 else ''
        for _ in range(20):
            with socket.socket() as s:
                s.bind(('127.0.0.1', 0))
                self.port = s.getsockname()[1]
            listen = 'listen 127.0.0.1:%d%s;' % (self.port, (' ssl http2' if h2 else ' ssl') if tls else '')
            if tls:
                listen += ' ssl_certificate %s; ssl_certificate_key %s;' % tls
            with open(folder + '/nginx.conf', 'w') as f:
                f.write('%s worker_processes 1; pid %s/pid; error_log %s/error.log; events {}\nhttp { access_log %s/access.log;\n'
                        % (user, folder, folder, folder) +
                        ''.join('%s %s/t%d;\n' % (n + '_temp_path', folder, i) for i, n in
                                enumerate(('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))) +
                        '%s\nserver { %s root %s; %s } }\n' % (extra, listen, docroot, server_extra))
            if subprocess.run([binary, '-p', folder, '-c', folder + '/nginx.conf'], capture_output=True).returncode == 0:
                break
        else:
            raise AssertionError('nginx does not start')
        self.url = '%s://127.0.0.1:%d' % ('https' if tls else 'http', self.port)

    def requests(self):
        """(method, path, status) of every request so far."""
        rows = []
        with contextlib.suppress(FileNotFoundError), open(self.folder + '/access.log') as f:
            for line in f:
                parts = line.split('"')
                method, path = parts[1].split()[:2]
                rows.append((method, path, int(parts[2].split()[0])))
        return rows

    def stop(self):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(self.folder + '/pid') as f:
            pid = int(f.read())
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not os.path.exists(self.folder + '/pid'))


class Liar:
    """A web server whose answers are functions: handlers {path prefix: fn(handler)}; else files of docroot."""

    def __init__(self, docroot, handlers):
        outer = self
        self.hits, self.posts = [], []

        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def __init__(self, *args):
                super().__init__(*args, directory=docroot)

            def do_GET(self):
                outer.hits.append(self.path)
                for prefix, fn in handlers.items():
                    if self.path.startswith(prefix):
                        return fn(self)
                return super().do_GET()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                outer.posts.append((self.path, dict(self.headers), body))
                for prefix, fn in handlers.items():
                    if self.path.startswith(prefix):
                        return fn(self)
                return answer(404)(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.url = 'http://127.0.0.1:%d' % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def answer(status, body=b'', kind='text/html', headers=()):
    def fn(h):
        h.send_response(status)
        h.send_header('Content-Type', kind)
        h.send_header('Content-Length', str(len(body)))
        for k, v in headers:
            h.send_header(k, v)
        h.end_headers()
        h.wfile.write(body)
    return fn


def expect(result, code, *sentences):
    """The exit code, and each sentence (a regular expression) in what was said."""
    out = result.out + result.err
    assert result.code == code, 'exit %s, expected %s\n%s' % (result.code, code, result)
    for s in sentences:
        assert re.search(s, out), 'nothing like %r was said\n%s' % (s, result)
    return result


def read(path):
    with open(path, errors='replace') as f:
        return f.read()


def program(path, text, mode=0o755):
    """A shell script at path, its folder made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write('#!/bin/sh\n' + text)
    os.chmod(path, mode)
    return path


def wait_for(condition, seconds=DEADLINE):
    """Poll condition until it is true; an event with a deadline."""
    end = time.monotonic() + seconds
    event = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise AssertionError('nothing happened within %d s' % seconds)
        event.wait(0.01)


def snapshot(root, leave_out=()):
    """{path: (kind, mode, owner, content or target)} of everything below root, but the prefixes."""
    out = {}
    for base, dirs, files in os.walk(root):
        rel = os.path.relpath(base, root)
        for name in dirs + files:
            path = os.path.normpath(os.path.join(rel, name))
            if any(path == p or path.startswith(p + '/') for p in leave_out):
                continue
            full = os.path.join(base, name)
            st = os.lstat(full)
            if os.path.islink(full):
                out[path] = ('link', 0, st.st_uid, os.readlink(full))
            elif os.path.isdir(full):
                out[path] = ('dir', st.st_mode & 0o7777, st.st_uid, '')
            else:
                with open(full, 'rb') as f:
                    data = f.read()
                if path.startswith('private/var/db/receipts/') and path.endswith('.plist'):
                    d = plistlib.loads(data)
                    d.pop('InstallDate', None)
                    data = repr(sorted(d.items())).encode()
                out[path] = ('file', st.st_mode & 0o7777, st.st_uid, hashlib.sha256(data).hexdigest())
    return out


def difference(a, b):
    rows = []
    for path in sorted(set(a) | set(b)):
        if a.get(path) != b.get(path):
            rows.append('%s: %s, expected %s' % (path, b.get(path), a.get(path)))
    return rows[:20]


class World:
    """What a test gets: a fresh folder, and things in it that are put away at the end."""

    def __init__(self, program):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix='daybreak-e2e-')
        self.servers = []
        self.repo = Repo(self.folder + '/repo', program)

    def nginx(self, **kw):
        s = Nginx(self.folder + '/nginx%d' % len(self.servers), self.repo.path, **kw)
        self.servers.append(s)
        return s

    def liar(self, handlers):
        s = Liar(self.repo.path, handlers)
        self.servers.append(s)
        return s

    def clock(self, **kw):
        folder = tempfile.mkdtemp(prefix='clock', dir=self.folder)
        c = Clock(folder, **kw)
        c.stop = c.close
        self.servers.append(c)
        return c

    def tools(self):
        return Tools(tempfile.mkdtemp(prefix='tools', dir=self.folder) + '/bin')

    def timeline(self, at, idle=0, **kw):
        """A clock on which things happen: {seconds since its start: function}. idle: how many watched descriptors and
        children say nothing on their own."""
        left, clock = sorted(at.items()), None

        def policy(ms, watched):
            while left and left[0][0] * 1000 <= clock.passed:
                left.pop(0)[1]()
            if watched > idle:
                return None
            return min(ms, int(left[0][0] * 1000) - clock.passed) if left else ms
        clock = self.clock(policy=policy, **kw)
        return clock

    def mac(self, url=None, name='mac'):
        os.makedirs(os.path.join(self.folder, name))
        return Mac(os.path.join(self.folder, name), self.program, url or 'file://' + self.repo.path)

    def close(self):
        for s in self.servers:
            s.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def main(tests, name, only=None, program=None):
    """Run the functions test_*(world); print what fails and the totals. Returns the exit status."""
    passed = failed = skipped = 0
    for test, fn in tests.items():
        if not test.startswith('test_') or (only and only not in test):
            continue
        world = World(program)
        start = time.monotonic()
        try:
            fn(world)
            passed += 1
            print('ok %s (%.1f s)' % (test[5:], time.monotonic() - start), flush=True)
        except Skip as why:
            skipped += 1
            print('skipped: %s: %s' % (test[5:], why), flush=True)
        except Exception:
            failed += 1
            print('FAILED %s: %s\n%s' % (test[5:], (fn.__doc__ or '').strip(), traceback.format_exc()), flush=True)
        finally:
            world.close()
    print('%s: %d passed, %d failed, %d skipped' % (name, passed, failed, skipped))
    return 1 if failed or not passed else 0


def sampled(total, at_least):
    """How many of total to do: all in a sweep, else a few."""
    return total if os.environ.get('SWEEP') else min(total, at_least)


def seed():
    return int(os.environ.get('SEED') or '1')


