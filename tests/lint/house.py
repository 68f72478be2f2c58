#!/usr/bin/env python3
"""The rules of the house that a machine can hold. Usage: house.py [BUILD]   (run from the top of the tree)

Each check is a function that yields complaints, or raises Skip with what it lacks; the last line counts the checks.
"""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import launchd  # noqa: E402
import links  # noqa: E402
import plists  # noqa: E402

BUILD = sys.argv[1] if len(sys.argv) > 1 else 'build'
FLOOR = {'agent': 4, 'installer': 3, 'manifests': 2}
CORE_1 = {'child', 'crypto', 'sink', 'fetch'}

# library: (what its headers look like, the files that may include them)
DOORS = {
    'libcurl': (r'<curl/', {'core/fetch_library.h'}),
    'OpenSSL': (r'<openssl/', {'core/crypto.c', 'installer/signature_internal.h', 'installer/signature.c',
                               'installer/signature_chain.c', 'installer/signature_cms.c',
                               'installer/signature_sign.c', 'installer/signature_ticket.c'}),
    'libplist': (r'<plist/', {'manifests/props.c'}),
    'libarchive': (r'<archive', {'installer/archive_library.h'}),
    'zlib': (r'<zlib\.h>', {'installer/codec.c', 'installer/xar.c', 'installer/xar_writer.c', 'installer/cpio_writer.c',
                       'installer/tar_writer.c'}),
    'expat': (r'<expat', {'installer/xml.c'}),
    'utf8proc': (r'<utf8proc', {'core/text.c'}),
    'jansson': (r'<jansson', None),
    'ISA-L': (r'<isa-l', {'installer/bom.c', 'installer/codec.c'}),
    'liblzma': (r'<lzma', {'installer/codec.c'}),
    'libbz2': (r'<bzlib', {'installer/codec.c'}),
}
# exported symbols that do not begin with their file's name, and why
EXTRA_PREFIXES = {
    'manifests/props.c': ['value_'],      # the tree that props makes
    'core/crypto.c': ['digest_'],          # sums: the same door, a shorter word
    'agent/main.c': ['main'],
}
TOP = {'agent', 'core', 'docs', 'installer', 'launchd', 'manifests', 'pkg', 'tests', 'Makefile', 'README.md',
       'LICENSE', 'SECURITY.md', 'CHANGELOG.md'}


class Skip(Exception):
    pass


def tracked():
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], capture_output=True, text=True)
    if out.returncode == 0 and out.stdout:
        return [f for f in out.stdout.splitlines() if os.path.isfile(f)]
    return [os.path.join(d, f)[2:] for d, _, fs in os.walk('.') for f in fs if not d.startswith('./build')]


FILES = tracked()
CODE = [f for f in FILES if re.match(r'(core|manifests|installer|agent)/[^/]+\.[ch]$', f)]


def text(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


def floor(path):
    room, name = path.split('/')[0], os.path.basename(path).split('.')[0]
    if room == 'core':
        return 1 if name in CORE_1 or name.split('_')[0] in CORE_1 else 0
    return FLOOR[room]


def check_floors():
    """a floor includes only floors below it, or its own"""
    for path in CODE:
        for inc in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text(path), re.M):
            if '/' not in inc:
                yield '%s: include "%s" by its path from the top' % (path, inc)
            elif inc.split('/')[0] not in ('core', 'manifests', 'installer', 'agent'):
                yield '%s: includes "%s" from outside the house' % (path, inc)
            elif not os.path.exists(inc):
                yield '%s: "%s" does not exist' % (path, inc)
            elif floor(inc) > floor(path):
                yield '%s (floor %d) climbs to %s (floor %d)' % (path, floor(path), inc, floor(inc))


def check_doors():
    """each library has its named doors"""
    for path in CODE:
        for lib, (pattern, doors) in DOORS.items():
            if doors is not None and path not in doors and re.search(r'#\s*include\s+' + pattern, text(path)):
                yield '%s includes %s; its doors are %s' % (path, lib, ', '.join(sorted(doors)))


def check_symbols():
    """a module exports only names that begin with its own"""
    objects = {}
    for path in CODE:
        obj = '%s/obj/%s.o' % (BUILD, path[:-2])
        if path.endswith('.c') and os.path.exists(obj):
            objects[obj] = path
    if not objects:
        return
    nm = subprocess.run(['nm', '-A', '-g', '--defined-only'] + list(objects), capture_output=True, text=True).stdout
    for line in nm.splitlines():
        obj, _, rest = line.partition(':')
        bits = rest.split()
        path = objects[obj]
        name = os.path.basename(path)[:-2]
        ok = [name] + EXTRA_PREFIXES.get(path, [])
        if path.startswith('core/os_'):
            ok = ['os_']
        parts = name.split('_')
        if len(parts) > 1:
            ok.append('_'.join(parts[:-1]) + '_' if parts[0] == 'cmd' and len(parts) > 2 else parts[0] + '_')       # plan_install.c is a room of plan
        if len(bits) == 3 and bits[1] in 'TDBRC':
            sym = bits[2].lstrip('_') if sys.platform == 'darwin' else bits[2]
            if sym.startswith('__'):
                continue
            if not any(sym == p or sym.startswith(p if p.endswith('_') else p + '_') for p in ok):
                yield '%s exports %s' % (path, sym)


def check_platform():
    """platform differences live in core/os_*.c alone"""
    for path in CODE:
        t = text(path)
        if path.startswith('core/os_') or path == 'core/os.h':
            continue
        for word in ('__APPLE__', '__linux__', '_GNU_SOURCE', '_DARWIN_C_SOURCE'):
            if word in t:
                yield '%s: %s belongs to core/os_*.c' % (path, word)


def check_children():
    """only child spawns"""
    for path in CODE:
        if path not in ('core/child.c', 'core/banned.h') and not path.startswith('core/os'):
            for word in re.findall(r'\b(fork|vfork|posix_spawnp?|execv[pe]*|execl[pe]*|system|popen)\s*\(', text(path)):
                yield '%s: %s() belongs to core/child.c' % (path, word)


def check_headers_alone():
    """each header compiles alone"""
    argv = [os.environ.get('CC', 'cc'), '-std=c11', '-D_POSIX_C_SOURCE=200809L', '-D_XOPEN_SOURCE=700', '-I.', '-Wall',
            '-Wextra', '-fsyntax-only', '-x', 'c']
    heads = [f for f in CODE if f.endswith('.h')]
    for h in heads:
        if not re.search(r'#ifndef [A-Z0-9_]+_H\n#define', text(h)):
            yield '%s: no include guard' % h
    # each file of a command line is compiled for itself; which one it was that fails is asked one by one
    r = subprocess.run(argv + heads, capture_output=True, text=True)
    for h in heads if r.returncode or r.stderr.strip() else []:
        r = subprocess.run(argv + [h], capture_output=True, text=True)
        if r.returncode or r.stderr.strip():
            yield '%s does not compile alone: %s' % (h, (r.stderr.strip().splitlines() or ['?'])[0])


def check_size():
    """a file of more than 600 lines holds two decisions; a header of more than 160 too"""
    for path in CODE:
        n = text(path).count('\n')
        if n > (600 if path.endswith('.c') else 160):
            yield '%s has %d lines' % (path, n)


def check_prose():
    """the project speaks of itself alone, and promises nothing"""
    words = r'\b(' + 'TO' + r'DO|FIX' + r'ME|HA' + 'CK|not yet ' + 'implemented)'
    paths = '(/wo' + r'rk/|/fa' + r'rm/|/root/\.|/tmp/bash_jo' + 'bs)'
    for path in FILES:
        if path.startswith(('tests/fuzz/corpus/', 'tests/data/')) or path == 'tests/lint/house.py':
            continue
        for n, line in enumerate(text(path).splitlines(), 1):
            if re.search(words, line):
                yield '%s:%d: promises instead of doing: %s' % (path, n, line.strip()[:80])
            if re.search(paths, line):
                yield '%s:%d: a path of a build machine' % (path, n)
        if '\r\n' in text(path) and path.endswith(('.c', '.h', '.sh', '.md', '.py')):
            yield '%s: CRLF line ends' % path


def check_top():
    """nothing else stands at the top"""
    for name in sorted({f.split('/')[0] for f in FILES}):
        if name not in TOP and not name.startswith('.'):
            yield '%s does not belong at the top' % name


def check_sleep():
    """no test waits by sleeping"""
    for path in FILES:
        if path.startswith('tests/') and path.endswith(('.c', '.sh', '.py')) and path != 'tests/lint/house.py':
            for n, line in enumerate(text(path).splitlines(), 1):
                if re.search(r'\b(time\.)?(sleep|usleep|nanosleep) *\(? *[0-9(]', line):
                    yield '%s:%d sleeps' % (path, n)


def filled(path):
    """A template as pkg/make.sh fills it in."""
    domain = re.search(r'^DOMAIN *= *(\S+)', text('Makefile'), re.M).group(1)
    return text(path).replace('@DOMAIN@', domain)


def check_launchd():
    """the jobs say only what launchd knows (tests/lint/launchd.py)"""
    domain = re.search(r'^DOMAIN *= *(\S+)', text('Makefile'), re.M).group(1)
    for path in FILES:
        if path.startswith('launchd/') and path.endswith('.plist.in'):
            label = '%s.%s' % (domain, os.path.basename(path)[:-len('.plist.in')])
            for c in launchd.complaints(filled(path), label):
                yield '%s: %s' % (path, c)


def check_plists():
    """property lists are well formed, profiles have what MDM asks for (tests/lint/plists.py)"""
    yield from plists.self_test()
    for path in FILES:
        if path.endswith(('.plist', '.plist.in')) and not path.startswith(('tests/fuzz/corpus/', 'tests/data/')):
            for c in plists.complaints(filled(path)):
                yield '%s: %s' % (path, c)
    for name, c in plists.profiles():
        yield 'pkg/profiles: %s: %s' % (name, c)


def check_links():
    """every link within the tree resolves, with its anchor (tests/lint/links.py)"""
    yield from links.self_test()
    for path in FILES:
        if path.endswith('.md'):
            yield from links.complaints(path, text)


def tool(name):
    return shutil.which(name)


def check_clang():
    """clang warns of nothing in the tests that gcc lets pass (where it is installed; `make macos` compiles the rest)"""
    if sys.platform == 'darwin':
        return  # there it is the only compiler
    if not tool('clang'):
        raise Skip('clang is not installed')
    argv = ['clang', '-std=c11', '-D_POSIX_C_SOURCE=200809L', '-D_FILE_OFFSET_BITS=64', '-D_XOPEN_SOURCE=700', '-DDAYBREAK_VERSION=""',
            '-DDAYBREAK_DOMAIN=""', '-I.', '-include', 'core/banned.h', '-fsyntax-only'] + os.environ.get('WARN', '-Wall').split()
    tests = [f for f in FILES if re.match(r'tests/(unit|fuzz|bench)/.*\.c$', f)]
    r = subprocess.run(argv + ['-Wno-missing-prototypes'] + tests, capture_output=True, text=True)
    lines = [line for line in r.stderr.splitlines() if ' error: ' in line or ' warning: ' in line]
    yield from lines[:20] or ([r.stderr[-300:]] if r.returncode else [])


def check_format():
    """clang-format finds nothing to do (version 14, where it is installed)"""
    cf = tool('clang-format-14') or tool('clang-format')
    if not cf or ' 14.' not in subprocess.run([cf, '--version'], capture_output=True, text=True).stdout:
        raise Skip('clang-format 14 is not installed')
    code = CODE + [f for f in FILES if re.match(r'tests/(unit|fuzz|bench)/.*\.[ch]$', f)]
    r = subprocess.run([cf, '--dry-run', '-Werror'] + code, capture_output=True, text=True)
    for path in sorted({line.split(':')[0] for line in r.stderr.splitlines() if 'clang-format-violations' in line}):
        yield '%s: run `make fmt`' % path


def is_shell(path):
    return path.endswith('.sh') or re.match(r'#!/(usr/)?bin/(env )?(sh|bash)\b', text(path)[:40]) is not None


def check_shell():
    """shellcheck is content with every script, templates filled in"""
    if not tool('shellcheck'):
        raise Skip('shellcheck is not installed (make deps)')
    scripts = [f for f in FILES if is_shell(f)]
    plain = [f for f in scripts if not f.endswith('.in')]
    argv = ['shellcheck', '-S', 'warning', '-f', 'gcc']
    yield from subprocess.run(argv + plain, capture_output=True, text=True).stdout.splitlines()
    for path in set(scripts) - set(plain):
        r = subprocess.run(argv + ['-'], input=filled(path), capture_output=True, text=True)
        yield from [path + line[1:] for line in r.stdout.splitlines()]
    left = [f for f in FILES if re.search(r'^#!.*\bz?sh\b', text(f)[:60].split('\n')[0]) and f not in scripts]
    for path in left:
        yield '%s: a script of a shell that is not checked' % path


def check_man():
    """mandoc -Tlint is content with every page; sections and pages of ours that it names are there"""
    pages = [f for f in FILES if re.match(r'docs/.*\.[1-8]$', f)]
    ours = {os.path.basename(p) for p in pages}
    for path in pages:
        page = text(path)
        heads = {h.replace('\\&', '').strip() for h in re.findall(r'^\.S[hs] (.*)$', page, re.M)}
        for name in re.findall(r'\bSx ((?:\\&)?[A-Z][A-Za-z0-9\- ]*)', page):
            if name.strip() not in heads:
                yield '%s: no section %s' % (path, name)
        for name, section in re.findall(r'\bXr (daybreak[\w.-]*) (\d)', page):
            if '%s.%s' % (name, section) not in ours:
                yield '%s: no page %s(%s)' % (path, name, section)
    if not tool('mandoc'):
        raise Skip('mandoc is not installed (make deps)')
    r = subprocess.run(['mandoc', '-Tlint', '-Wwarning'] + pages, capture_output=True, text=True)
    yield from [line for line in r.stdout.splitlines() if line.strip()]


# how the files that own a format read a key of it
KEY_READ = (r'(?:props_\w+|value_get|size_kb|strings_or_one|environment_of|manifest_strings)\([^()"]*?"(\w+)"',
            r'version_str\([^()]*?,\s*"(\w+)"\)')


def keys_read(path):
    t = text(path)
    found = {k for pattern in KEY_READ for k in re.findall(pattern, t)}
    for array in re.findall(r'_keys\[\]\s*=\s*\{(.*?)\};', t, re.S):
        found |= set(re.findall(r'"(\w+)"', array))
    return found


def repository_rows(page, begin, end):
    """(keys, status, tests) of each row of a table of keys"""
    for body in re.split(r'^\.It ', page[page.index(begin):page.index(end)], flags=re.M)[1:]:
        head, rest = body.split('\n', 1)
        keys, _, status = head.partition(' Pq ')
        tests = [t for m in re.findall(r'^\.Bq (.*)$', rest.split('\n.El')[0], re.M) for t in m.split(' , ')]
        yield re.findall(r'\b(?!Li\b)[A-Za-z_][A-Za-z_0-9]*', keys), status, tests


def check_keys():
    """every key of a repository that the code reads is in daybreak-repo.5, with a test that spells it"""
    page = text('docs/daybreak-repo.5')
    words = dict((long, short) for short, long in
                 re.findall(r'\{"(\w+)",\s*"(\w+)"\}', text('tests/unit/test_plan.c')))   # tests/plan's own words
    for what, begin, end, files in (
            ('manifest', '.Ss Manifest keys', '.Ss Other manifests', ['manifests/manifest.c', 'manifests/plan.c']),
            ('pkginfo', '.Sh PKGINFO KEYS', '.Sh KINDS OF ITEMS',
             ['manifests/pkginfo.c', 'manifests/plan_install.c', 'manifests/plan_remove.c', 'manifests/plan_optional.c']),
            ('extension of a pkginfo', '.Ss \\&In a pkginfo', '.Ss \\&In a manifest', []),
            ('extension of a manifest', '.Ss \\&In a manifest', '.Sh EXAMPLES', [])):
        rows = list(repository_rows(page, begin, end))
        for keys, status, tests in rows:
            if not tests:
                yield '%s key %s: no test is named' % (what, ' '.join(keys))
            texts = ''
            for t in tests:
                path = ('tests/unit/' if t.startswith('test_') else 'tests/plan/' if t.endswith('.test') else '') + t
                if not os.path.isfile(path):
                    yield '%s key %s: its test %s does not exist' % (what, ' '.join(keys), t)
                else:
                    texts += text(path)
            for k in keys:
                if not re.search(r'\b(%s|%s)\b' % (k, words.get(k, k)), texts):
                    yield '%s key %s: none of its tests (%s) speaks of it' % (what, k, ', '.join(tests))
            if not re.match(r'(supported|required|passed through|ignored|refused|partly|extension|boolean|string|integer|array)',
                            status.replace('Li ', '')) and not status.startswith('Li '):
                yield '%s key %s: status "%s"' % (what, ' '.join(keys), status)
        section = page[page.index('.Ss Manifest keys'):page.index('.Sh EXAMPLES')]
        for path in files:
            for k in sorted(keys_read(path)):
                if not re.search(r'\b%s\b' % k, section):
                    yield '%s reads %s, which daybreak-repo.5 does not have' % (path, k)


def check_bootstrap_keys():
    """every word of a bootstrap.json that the code reads is in daybreak-bootstrap.5, with a test that spells it"""
    page, code = text('docs/daybreak-bootstrap.5'), text('manifests/bootstrap.c')
    rows = [row for begin, end in (('.Sh STAGES', '.Sh KEYS OF AN ITEM'), ('.Sh KEYS OF AN ITEM', '.Sh TYPES'),
                                   ('.Sh TYPES', '.Sh FAILURES')) for row in repository_rows(page, begin, end)]
    for keys, status, tests in rows:
        for t in tests:
            path = t if '/' in t else 'tests/unit/' + t
            texts = text(path) if os.path.isfile(path) else ''
            for k in keys:
                if not re.search(r'\b%s\b' % k, texts):
                    yield 'key %s: its test %s does not speak of it' % (k, t)
        if status not in ('supported', 'required', 'ignored') or not tests:
            yield 'key %s: status "%s", tests %s' % (' '.join(keys), status, tests)
    for array in ('stages', 'types', 'known'):
        body = re.search(r'\b%s\[\] = \{(.*?)\};' % array, code, re.S).group(1)
        for word in re.findall(r'"(\w+)"', body):
            if not any(word in keys for keys, _, _ in rows):
                yield 'manifests/bootstrap.c reads %s, which daybreak-bootstrap.5 does not have' % word


def check_links():
    """what a page points to is there"""
    pages = [f for f in FILES if f.endswith('.md')]
    for path in pages:
        t = re.sub(r'```.*?```', '', text(path), flags=re.S)
        heads = {re.sub(r'[^\w -]', '', h.lower()).strip().replace(' ', '-') for h in re.findall(r'^#+ (.*)$', t, re.M)}
        for to in re.findall(r'\]\(([^)\s]+)\)', t):
            file, _, head = to.partition('#')
            if re.match(r'https?:', to):
                continue
            if file and not os.path.exists(os.path.join(os.path.dirname(path), file)):
                yield '%s points to %s, which is not there' % (path, to)
            if head and not file and head not in heads:
                yield '%s points to its own #%s, which is not there' % (path, head)
    for path in [f for f in FILES if re.match(r'docs/.*\.[1-8]$', f)]:
        for name, section in re.findall(r'^\.Xr (daybreak\S*) (\d)', text(path), re.M):
            if not os.path.exists('docs/%s.%s' % (name, section)):
                yield '%s points to %s(%s), which is not there' % (path, name, section)


def main():
    failed = checks = skipped = 0
    for name, fn in sorted(globals().items()):
        if name.startswith('check_'):
            checks += 1
            try:
                complaints = list(fn())
            except Skip as why:
                skipped += 1
                print('skipped: %s: %s' % (name[6:], why))
                continue
            if complaints:
                failed += 1
                print('%s: %s' % (name[6:], fn.__doc__))
                for c in complaints[:40]:
                    print('    ' + c)
    print('lint: %d passed, %d failed, %d skipped' % (checks - failed - skipped, failed, skipped))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
