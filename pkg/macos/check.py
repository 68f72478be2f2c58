#!/usr/bin/env python3
"""Prove a macOS program without a Mac: check.py PROGRAM SDK CLANG | --libraries PROGRAM

Reads the Mach-O file itself and believes no tool: both slices and their floors, the flags that harden it, libSystem and no
other library, every import (exported by macOS 11's libSystem for that slice, declared in a public header, not newer than
the slice's floor by the header's marks), the signature and each page's hash. Each check is a line; exit 1 when one fails.

Facts from Apple's open headers <mach-o/loader.h>, <mach-o/fat.h>, <mach-o/nlist.h> and, for signatures, the open part of
xnu (osfmk/kern/cs_blobs.h).
"""
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile

FLOORS = {'arm64': (11, 0), 'x86_64': (10, 13)}
CPU = {0x0100000c: 'arm64', 0x01000007: 'x86_64'}
NAME = 'daybreak'

# What no public header declares, and why it is imported all the same.
WITHOUT_HEADER = {
    '___stack_chk_fail': 'the compiler: stack protector',
    '___stack_chk_guard': 'the compiler: stack protector',
    'dyld_stub_binder': 'the linker: lazy binding',
    '___bzero': 'the compiler: a memset of zeros',
    '___cxa_atexit': 'the compiler: a destructor function (libplist has one)',
    '___divti3': 'the compiler: 128-bit division', '___udivti3': 'the compiler: 128-bit division',
    '___umodti3': 'the compiler: 128-bit division', '___modti3': 'the compiler: 128-bit division',
    '_memset_pattern16': 'the compiler: an initialised array',
    '_sandbox_init': 'deprecated, and the only way for a program to confine itself without entitlements: the workers that read and '
                     'unpack foreign files give up all else with it; declared in <sandbox.h>',
    '_sandbox_free_error': 'frees what sandbox_init said; declared in <sandbox.h>',
}
FORTIFIED = re.compile(r'^___\w+_chk$')  # the compiler: -D_FORTIFY_SOURCE
# never, whatever a header says
PRIVATE = re.compile(r'^_(csops|responsibility_|sandbox_check|sandbox_extension|xpc_pipe|_os_crash|audit_token_to|proc_info_ext|__pthread_kill)')

passed = failed = 0


def check(what, bad):
    """bad: falsy, or what is wrong"""
    global passed, failed
    if bad:
        failed += 1
        print('not ok: %s: %s' % (what, bad if isinstance(bad, str) else ', '.join(map(str, bad))))
    else:
        passed += 1
        print('ok: ' + what)


def slices(data):
    magic, count = struct.unpack('>II', data[:8])
    if magic != 0xcafebabe:
        cpu, = struct.unpack('<I', data[4:8])
        return {CPU.get(cpu, hex(cpu)): data}
    out = {}
    for i in range(count):
        cpu, _, offset, size, align = struct.unpack('>IIIII', data[8 + 20 * i:28 + 20 * i])
        if offset % (1 << align):
            check('the %s slice is aligned to 2^%d' % (CPU.get(cpu, hex(cpu)), align), 'it begins at %d' % offset)
        out[CPU.get(cpu, hex(cpu))] = data[offset:offset + size]
    return out


class Slice:
    def __init__(self, data):
        self.data = data
        magic, _, _, self.filetype, count, size, self.flags, _ = struct.unpack('<8I', data[:32])
        assert magic == 0xfeedfacf, 'not a 64-bit Mach-O file'
        self.commands, at = [], 32
        for _ in range(count):
            cmd, length = struct.unpack('<II', data[at:at + 8])
            self.commands.append((cmd, data[at:at + length]))
            at += length
        assert at == 32 + size, 'load commands do not add up'

    def all(self, *kinds):
        return [body for cmd, body in self.commands if cmd & 0x7fffffff in kinds]

    def minos(self):
        for body in self.all(0x32):  # LC_BUILD_VERSION
            platform, minos = struct.unpack('<II', body[8:16])
            return platform, (minos >> 16, minos >> 8 & 255)
        for body in self.all(0x24):  # LC_VERSION_MIN_MACOSX
            minos, = struct.unpack('<I', body[8:12])
            return 1, (minos >> 16, minos >> 8 & 255)
        return 0, (0, 0)

    def dylibs(self):
        out = []
        for body in self.all(0xc, 0x18, 0x1f, 0x20, 0x23):  # LOAD, WEAK, REEXPORT, LAZY, UPWARD
            at, = struct.unpack('<I', body[8:12])
            out.append(body[at:].split(b'\0')[0].decode())
        return out

    def segments(self):
        out = []
        for body in self.all(0x19):
            name = body[8:24].rstrip(b'\0').decode()
            _, _, _, _, maxprot, initprot, _, flags = struct.unpack('<4Q4I', body[24:72])
            out.append((name, maxprot, initprot, flags))
        return out

    def imports(self):
        """name -> is it weak"""
        (body,) = self.all(2)
        symoff, nsyms, stroff, strsize = struct.unpack('<4I', body[8:24])
        strings = self.data[stroff:stroff + strsize]
        out = {}
        for i in range(nsyms):
            strx, kind, _, desc, _ = struct.unpack('<IBBHQ', self.data[symoff + 16 * i:symoff + 16 * i + 16])
            if kind & 0xe0 == 0 and kind & 0x0e == 0 and kind & 1:  # no debug symbol, undefined, external
                out[strings[strx:strings.index(b'\0', strx)].decode()] = bool(desc & 0x40)
        return out


def signature(s):
    """complaints about the ad-hoc signature; its summary"""
    found = s.all(0x1d)
    if not found:
        return ['there is none'], ''
    offset, size = struct.unpack('<II', found[0][8:16])
    blob = s.data[offset:offset + size]
    magic, _, count = struct.unpack('>III', blob[:12])
    if magic != 0xfade0cc0:
        return ['no signature blob'], ''
    for i in range(count):
        slot, at = struct.unpack('>II', blob[12 + 8 * i:20 + 8 * i])
        if slot == 0:
            break
    else:
        return ['no code directory'], ''
    cd = blob[at:]
    (magic, _, version, flags, hashes, ident, special, pages, limit, hash_size, hash_type, _,
     page_log) = struct.unpack('>9I4B', cd[:40])
    name = cd[ident:].split(b'\0')[0].decode()
    page = 1 << page_log
    bad = []
    if magic != 0xfade0c02:
        bad.append('no code directory')
    if (hash_type, hash_size) != (2, 32):
        bad.append('hashes are not SHA-256')
    if not flags & 2:
        bad.append('not ad hoc: flags %x' % flags)
    if limit != offset:
        bad.append('it covers %d bytes of %d' % (limit, offset))
    if name != NAME:
        bad.append('identifier %s' % name)
    if pages != (limit + page - 1) // page:
        bad.append('%d pages' % pages)
    wrong = [i for i in range(pages) if hashlib.sha256(s.data[i * page:min((i + 1) * page, limit)]).digest()
             != cd[hashes + 32 * i:hashes + 32 * i + 32]]
    if wrong:
        bad.append('page %d does not match its hash (%d of %d)' % (wrong[0], len(wrong), pages))
    return bad, 'identifier %s, flags %#x, %d pages of %d' % (name, flags, pages, page)


def exports(tbd, arch):
    """What a text-based stub (version 4) says that libSystem exports for arch"""
    out = set()
    with open(tbd) as f:
        text = f.read()
    for targets, body in re.findall(r'- targets:\s*\[([^]]*)\]\n(.*?)(?=\n  - targets|\n\w|\n\.\.\.|\n---|\Z)', text, re.S):
        if arch + '-macos' in re.split(r'[,\s]+', targets):
            for names in re.findall(r'(?:symbols|weak-symbols|thread-local-symbols):\s*\[(.*?)\]', body, re.S):
                out.update(n.strip().strip("'\"") for n in names.replace('\n', ' ').split(','))
    return out


def headers_of(sdk, arch):
    """Public headers that can be included one after another"""
    base = os.path.join(sdk, arch, 'usr/include')
    names = []
    for folder in ('', 'sys', 'net', 'netinet', 'arpa', 'mach', 'mach-o', 'dispatch', 'os', 'xpc', 'pthread', 'malloc', 'libkern',
                   'uuid', 'CommonCrypto', 'bsm'):
        path = os.path.join(base, folder)
        if os.path.isdir(path):
            names += [os.path.join(folder, n) for n in sorted(os.listdir(path)) if n.endswith('.h') and not n.startswith('_')]
    return names


def declared(clang, sdk, arch, names):
    """Which of names the headers declare, and clang's complaints about the age of those that are."""
    floor = '%d.%d' % FLOORS[arch]
    call = [clang, '--target=%s-apple-macos%s' % (arch, floor), '-isysroot', os.path.join(sdk, arch), '-D_DARWIN_C_SOURCE', '-x', 'c',
            '-std=c11', '-w', '-fsyntax-only']
    with tempfile.TemporaryDirectory() as tmp:
        def run(text, extra):
            source = os.path.join(tmp, 'probe.c')
            with open(source, 'w') as f:
                f.write(text)
            return subprocess.run(call[:-2] + extra + ['-fsyntax-only', '-ferror-limit=0', source], capture_output=True, text=True).stderr
        have, prelude = {}, []
        # one header after the other: what does not compile on top of the others declares nothing for a C program
        candidates = headers_of(sdk, arch)
        for name in candidates:
            prelude.append('#if __has_include(<%s>)\n#include <%s>\n#endif' % (name, name))
        while True:
            err = run('\n'.join(prelude) + '\nint probe;\n', ['-w'])
            broken = set(re.findall(r'usr/include/([^:]+):\d+:\d+: (?:fatal )?error', err)) | \
                set(re.findall(r'from [^\n]*probe\.c:(\d+):', err))
            keep = [p for p in prelude if not any('<%s>' % b in p for b in broken)]
            numbers = {int(b) for b in broken if b.isdigit()}
            if numbers:
                at, kept = 0, []
                for p in prelude:
                    lines = range(at + 1, at + 4)
                    at += 3
                    if not numbers & set(lines):
                        kept.append(p)
                keep = [p for p in keep if p in kept]
            if len(keep) == len(prelude):
                break
            prelude = keep
        head = '\n'.join(prelude) + '\n'
        first = head.count('\n') + 1
        ask = sorted(names)
        body = '\n'.join('void *probe_%d(void) { return (void *)&%s; }' % (i, n) for i, n in enumerate(ask)) + '\n'
        err = run(head + ''.join('#undef %s\n' % n for n in ask) + body, ['-Wno-everything'])
        first += len(ask)
        missing = {ask[int(n) - first] for n in re.findall(r"probe\.c:(\d+):\d+: error: use of undeclared identifier", err)}
        have = [n for n in ask if n not in missing]
        body = '\n'.join('void *probe_%d(void) { return (void *)&%s; }' % (i, n) for i, n in enumerate(have)) + '\n'
        err = run(head + ''.join('#undef %s\n' % n for n in have) + body,
                  ['-Wno-everything', '-Werror=unguarded-availability', '-Werror=unguarded-availability-new', '-Wdeprecated-declarations'])
    newer = sorted(set(re.findall(r"error: '(\w+)' is only available on macOS ([\d.]+)", err)))
    old = sorted(set(re.findall(r"warning: '(\w+)' is deprecated", err)))
    other = [line for line in err.splitlines() if 'error:' in line and 'only available' not in line]
    return missing, newer, old, other[:5]


def check_slice(arch, data, sdk, clang):
    s = Slice(data)
    platform, minos = s.minos()
    check('%s: an executable for macOS %d.%d and later' % ((arch,) + minos),
          s.filetype != 2 and 'file type %d' % s.filetype or platform != 1 and 'platform %d' % platform
          or minos != FLOORS[arch] and 'wanted %d.%d' % FLOORS[arch])
    check('%s: loads anywhere (PIE), no executable stack' % arch,
          not s.flags & 0x200000 and 'no PIE' or s.flags & 0x20000 and 'the stack may be executed')
    check('%s: no page is writable and executable' % arch, ['%s %d/%d' % (n, m, i) for n, m, i, _ in s.segments() if i & 6 == 6])
    check('%s: libSystem and no other library, no search path' % arch,
          [d for d in s.dylibs() if d != '/usr/lib/libSystem.B.dylib'] or (len(s.dylibs()) != 1 and 'no libSystem')
          or (s.all(0x1c) and 'has LC_RPATH') or (s.all(0x27) and 'has LC_DYLD_ENVIRONMENT'))
    imports = s.imports()
    check('%s: stack protector and fortified calls are in' % arch,
          [n for n in ('___stack_chk_fail', '___memcpy_chk') if n not in imports])
    check('%s: no import may be absent at run time' % arch, [n for n, weak in imports.items() if weak])
    there = exports(os.path.join(sdk, arch, 'usr/lib/libSystem.tbd'), arch)
    check("%s: %d imports, all of them in macOS 11's libSystem (%d names)" % (arch, len(imports), len(there)),
          sorted(n for n in imports if n not in there))
    plain = {n.split('$')[0][1:] for n in imports if n.startswith('_')}
    missing, newer, old, other = declared(clang, sdk, arch, plain)
    check('%s: all are declared in public headers, or have a reason' % arch,
          other or sorted(n for n in missing if '_' + n not in WITHOUT_HEADER and not FORTIFIED.match('_' + n)))
    check('%s: none is private' % arch, sorted(n for n in imports if PRIVATE.match(n)))
    check('%s: none is newer than macOS %d.%d' % ((arch,) + FLOORS[arch]), ['%s (%s)' % n for n in newer])
    if old:
        print('   deprecated, and there: ' + ', '.join(old))
    for n in sorted(imports):
        if n.startswith('_sandbox'):
            print('   %s: %s' % (n, WITHOUT_HEADER[n]))
    bad, summary = signature(s)
    check('%s: signed ad hoc: %s' % (arch, summary), bad)


def libraries(program):
    """only what pkg/make.sh has to know: does it stand on anything that other Macs lack?"""
    with open(program, 'rb') as f:
        found = slices(f.read())
    return sorted({d for s in found.values() for d in Slice(s).dylibs()} - {'/usr/lib/libSystem.B.dylib'})


def main():
    if sys.argv[1] == '--libraries':
        bad = libraries(sys.argv[2])
        for d in bad:
            print(d)
        return 1 if bad else failed
    program, sdk, clang = sys.argv[1:4]
    with open(program, 'rb') as f:
        data = f.read()
    found = slices(data)
    check('%s: %d bytes, slices %s' % (os.path.basename(program), len(data), ' '.join(sorted(found))),
          set(found) != set(FLOORS) and 'wanted arm64 and x86_64')
    for arch in sorted(found):
        if arch in FLOORS:
            check_slice(arch, found[arch], sdk, clang)
    print('macos-check: %d passed, %d failed, 0 skipped' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
