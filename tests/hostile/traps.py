"""The traps: one package each, and what must become of it. TRAPS is the table; run.py reads it.

refuse(cause, words): extract and install fail, with that cause in status.json and those words in the one sentence.
tame(tree): both go well and leave exactly tree below the trap's own location, nothing else.
passes: which of info (i), list (l) and verify (v) end with 0; the others end with 1 and one sentence. verify looks at the
archive alone: an archive that is whole may hold what must not be unpacked. info reads the tables, list the payload's.
"""
import re
import struct
import zlib

import parts
from parts import MB, Member, d, f, link, newc, odc, special

# An entry that is good and comes first: it must be gone after a refusal, and there after a taming.
GOOD = ('good', b'good\n')


class Verdict:
    def __init__(self, tree=None, cause=None, words=None):
        self.tree, self.cause, self.words = tree, cause, words and re.compile(words)


def refuse(cause, words):
    return Verdict(cause=cause, words=words)


def tame(*entries):
    """entries: (path, bytes), (path, bytes, mode), (path, mode) of a directory, (path, None, target) of a link."""
    tree = {}
    for e in (('good', b'good\n'),) + entries:
        if e[1] is None:
            tree[e[0]] = ('link', 0, e[2])
        elif isinstance(e[1], int):
            tree[e[0]] = ('dir', e[1], '')
        else:
            tree[e[0]] = ('file', e[2] if len(e) > 2 else 0o644, e[1])
    return Verdict(tree=tree)


class Place:
    """What a package is made for: its name, its location, and the canaries outside that it goes for."""

    def __init__(self, name, outside):
        self.name, self.outside = name, outside
        self.id = 'com.example.' + name
        self.location = '/opt/hostile/' + name
        self.up = '../' * 24 + outside.lstrip('/')

    def good(self):
        return [d('.'), f('./good', b'good\n')]

    def members(self, *entries, **kw):
        """A component that holds the good file, then entries."""
        kw.setdefault('location', self.location)
        return parts.members(self.id, self.good() + list(entries), **kw)

    def pkg(self, *entries, xar=None, **kw):
        return parts.xar(self.members(*entries, **kw), **(xar or {}))

    def packed(self, payload, xar=None, **kw):
        """The same of a Payload as stored."""
        return parts.xar(parts.members(self.id, payload, location=self.location, **kw), **(xar or {}))

    def cpio(self, *entries):
        return parts.archive(self.good() + list(entries))

    def toc(self, change, **kw):
        return self.pkg(xar=dict(toc=change, **kw))

    def xml(self, text, **kw):
        """With this PackageInfo."""
        return self.pkg(package_info=text.encode() if isinstance(text, str) else text, **kw)

    def info(self, **kw):
        kw.setdefault('location', self.location)
        return parts.info(self.id, **kw).decode()

    def product(self, dist=None, **kw):
        """A product of one good component a.pkg."""
        return parts.product([('a.pkg', self.members())], parts.distribution([(self.id, 'a.pkg')], **kw) if dist is None else dist)

    def payload_member(self, **lies):
        data = parts.gz(self.cpio())
        return self.members()[1:] + [Member('Payload', data, **lies)]

    def script(self, *entries):
        return self.pkg(scripts=[d('.')] + list(entries) + [f('./postinstall', b'#!/bin/sh\nexit 0\n', 0o755)])


class Trap:
    def __init__(self, name, make, verdict, passes='ilv', extract=None, scripts=False, reason=None, sweep=False):
        self.name, self.make, self.verdict, self.passes = name, make, verdict, passes
        self.extract = extract or verdict  # where extract, which no catalog's hash helps, must end otherwise
        self.scripts = scripts             # install with --scripts run
        self.reason = reason               # what status.json says of a taming
        self.sweep = sweep                 # too long for check


def header(stored, plain, kind=1, size=28, version=1, magic=b'xar!', more=b''):
    return struct.pack('>4sHHQQI', magic, size, version, stored, plain, kind) + more


def ratio_bomb(w):
    """A TOC of 32 MB in 40 KB: below every length, beyond every ratio."""
    return parts.xar([], toc_stored=parts.zlib_zeros(32 * MB), header=header(len(parts.zlib_zeros(32 * MB)), 32 * MB))


def gigabyte_toc(w):
    packed = parts.zlib_zeros(1024 * MB)
    return parts.xar([], toc_stored=packed, header=header(len(packed), MB))


def many(n):
    return b''.join(odc('./m/%d' % i, mode=0o100644) for i in range(n))


def million(w):
    return w.packed(parts.gz(w.cpio(d('./m'), many(1000001))))


def nested(w, depth, name='n'):
    out, path = [], '.'
    for _ in range(depth):
        path += '/' + name
        out.append(d(path))
    return out


def truth(w, extra=()):
    return parts.bom_of({'good': b'good\n'})


def bom_with(w, change):
    """The component with a Bom of its one file, changed."""
    b = truth(w)
    return w.pkg(bom=change(b))


def two_of_one_receipt(w):
    one = parts.members(w.id, [d('.'), f('./good', b'good\n')], location=w.location)
    two = parts.members(w.id, [d('.'), f('./second', b'2\n')], location=w.location, version='2')
    return parts.product([('a.pkg', one), ('b.pkg', two)],
                         parts.distribution([(w.id, 'a.pkg'), (w.id + '.b', 'b.pkg')]))


def linked_components(w):
    """The first lays a link to the outside, the second a file beneath it."""
    one = parts.members(w.id, [d('.'), f('./good', b'good\n'), link('./away', w.outside)], location=w.location)
    two = parts.members(w.id + '.b', [d('.'), d('./away'), f('./away/evil')], location=w.location)
    return parts.product([('a.pkg', one), ('b.pkg', two)], parts.distribution([(w.id, 'a.pkg'), (w.id + '.b', 'b.pkg')]))


def location_link(w):
    """The second component's location goes through the first one's link."""
    one = parts.members(w.id, [d('.'), f('./good', b'good\n'), link('./away', w.outside)], location=w.location)
    two = parts.members(w.id + '.b', [d('.'), f('./evil')], location=w.location + '/away')
    return parts.product([('a.pkg', one), ('b.pkg', two)], parts.distribution([(w.id, 'a.pkg'), (w.id + '.b', 'b.pkg')]))


def same_folder(w):
    """Two packages of the product are one component."""
    return parts.product([('a.pkg', w.members())], parts.distribution([(w.id, 'a.pkg'), (w.id + '.b', 'a.pkg')]))


def deep_outline(w):
    line = '<line choice="%s">' % w.id
    return w.product(outline=line * 80 + '</line>' * 80)


def choice_cycle(w):
    """Choices that are lines of each other, and select each other."""
    choices = ''.join('<choice id="%s" start_selected="choices[\'%s\'].selected"><pkg-ref id="%s"/></choice>' % (a, b, w.id)
                      for a, b in (('x', 'y'), ('y', 'x')))
    return w.product(choices=choices, outline='<line choice="x"><line choice="y"><line choice="x"/></line></line>')


def apple_double(data=b''):
    return b'\0\5\x16\7\0\2\0\0Mac OS X        ' + data


F, L, S = 'format', 'limit', 'size'

TRAPS = [
    # --- names of the payload -------------------------------------------------------------------------------
    Trap('dotdot', lambda w: w.pkg(f('./' + w.up + '/evil')), refuse(F, r'component "\." or "\.\."'), 'iv'),
    Trap('dotdot-middle', lambda w: w.pkg(d('./a'), f('./a/../../' + w.up + '/evil')), refuse(F, r'"\.\."'), 'iv'),
    Trap('dotdot-last', lambda w: w.pkg(d('./a'), d('./a/..')), refuse(F, r'"\.\."'), 'iv'),
    Trap('dot-middle', lambda w: w.pkg(d('./a'), f('./a/./b')), refuse(F, r'component "\."'), 'iv'),
    Trap('absolute', lambda w: w.pkg(f(w.outside + '/evil')), refuse(F, 'is absolute'), 'iv'),
    Trap('absolute-slashes', lambda w: w.pkg(f('//' + w.outside + '/evil')), refuse(F, 'is absolute'), 'iv'),
    Trap('absolute-after-dot', lambda w: w.pkg(f('./' + w.outside + '/evil')), refuse(F, 'empty component'), 'iv'),
    Trap('empty-component', lambda w: w.pkg(d('./a'), f('./a//b')), refuse(F, 'empty component'), 'iv'),
    Trap('empty-name', lambda w: w.pkg(odc('', name=b'\0')), refuse(F, 'impossible length'), 'iv'),
    Trap('name-without-nul', lambda w: w.pkg(odc('', b'', name=b'./abcdef')), refuse(F, 'does not end where it says'), 'iv'),
    Trap('name-with-nul', lambda w: w.pkg(odc('', b'x', name=b'./ok\0/../../evil\0')), refuse(F, 'does not end'), 'iv'),
    Trap('name-control', lambda w: w.pkg(f('./a\x1b[2J')), refuse(F, 'control byte'), 'iv'),
    Trap('name-newline', lambda w: w.pkg(f('./a\nERROR b')), refuse(F, 'control byte'), 'iv'),
    Trap('name-latin1', lambda w: w.pkg(odc('', b'x', name=b'./caf\xe9\0')), refuse(F, 'not UTF-8'), 'iv'),
    Trap('name-surrogate', lambda w: w.pkg(odc('', b'x', name=b'./a\xed\xa0\x80\0')), refuse(F, 'not UTF-8'), 'iv'),
    Trap('name-overlong-slash', lambda w: w.pkg(odc('', b'x', name=b'./..\xc0\xafevil\0')), refuse(F, 'not UTF-8'), 'iv'),
    Trap('name-too-long', lambda w: w.pkg(f('./' + 'n' * 256)), refuse(F, 'component that is too long'), 'iv'),
    Trap('name-much-too-long', lambda w: w.pkg(f('./' + '/'.join(['n' * 200] * 20))), refuse(F, 'impossible length|too long'), 'iv'),
    Trap('name-size-huge', lambda w: w.pkg(odc('./x', name_size=0o777777)), refuse(F, 'impossible length'), 'iv'),
    Trap('depth', lambda w: w.pkg(*nested(w, 65)), refuse(F, 'is too deep'), 'iv'),
    Trap('depth-extreme', lambda w: w.pkg(*nested(w, 500)), refuse(F, 'is too deep'), 'iv'),
    Trap('depth-implied', lambda w: w.pkg(f('./' + 'n/' * 200 + 'x')), refuse(F, 'is too deep'), 'iv'),

    # --- two names that a Mac takes for one ------------------------------------------------------------------
    Trap('case-twins', lambda w: w.pkg(f('./Readme'), f('./README')), refuse(F, 'only in case or form'), 'ilv'),
    Trap('case-directory', lambda w: w.pkg(d('./Dir'), d('./dir'), f('./dir/x')), refuse(F, 'only in case or form'), 'ilv'),
    Trap('case-parent', lambda w: w.pkg(d('./Dir'), f('./dir/x')), refuse(F, 'only in case or form'), 'ilv'),
    Trap('unicode-twins', lambda w: w.pkg(f('./caf\u00e9'), f('./cafe\u0301')), refuse(F, 'only in case or form'), 'ilv'),
    Trap('unicode-link-parent', lambda w: w.pkg(link('./caf\u00e9', w.outside), f('./cafe\u0301/evil')), refuse(F, 'case or form|beneath a file or link'), 'ilv'),
    Trap('sharp-s-twins', lambda w: w.pkg(f('./stra\u00dfe'), f('./STRASSE')), refuse(F, 'only in case or form'), 'ilv'),
    Trap('twice', lambda w: w.pkg(f('./a', b'1'), f('./a', b'2')), refuse(F, 'in the archive twice'), 'ilv'),
    Trap('twice-directory-link', lambda w: w.pkg(d('./a'), link('./a', w.outside), f('./a/evil')), refuse(F, 'twice'), 'ilv'),
    Trap('twice-link-directory', lambda w: w.pkg(link('./a', w.outside), d('./a'), f('./a/evil')), refuse(F, 'twice'), 'ilv'),
    Trap('implied-then-file', lambda w: w.pkg(f('./a/b'), f('./a')), refuse(F, 'twice'), 'ilv'),
    Trap('root-twice', lambda w: w.pkg(d('.', 0o700)), refuse(F, 'twice'), 'ilv'),
    Trap('root-is-link', lambda w: w.packed(parts.gz(parts.archive([link('.', w.outside), f('./evil')]))), refuse(F, '"." is no dir'), 'ilv'),
    Trap('root-is-file', lambda w: w.packed(parts.gz(parts.archive([f('.'), f('./good')]))), refuse(F, '"." is no dir'), 'ilv'),

    # --- links ------------------------------------------------------------------------------------------------
    Trap('link-outside', lambda w: w.pkg(link('./away', w.outside)), tame(('away', None, 'OUTSIDE'))),
    Trap('link-up', lambda w: w.pkg(link('./away', '../' * 30 + 'etc')), tame(('away', None, '../' * 30 + 'etc'))),
    Trap('link-then-file', lambda w: w.pkg(link('./away', w.outside), f('./away/evil')), refuse(F, 'beneath a file or link'), 'ilv'),
    Trap('link-then-deep', lambda w: w.pkg(link('./away', w.outside), f('./away/dir/evil')), refuse(F, 'beneath a file or link'), 'ilv'),
    Trap('link-then-directory', lambda w: w.pkg(link('./away', w.outside), d('./away/new')), refuse(F, 'beneath a file or link'), 'ilv'),
    Trap('link-then-link', lambda w: w.pkg(link('./away', w.outside), link('./away/evil', '/')), refuse(F, 'beneath a file or link'), 'ilv'),
    Trap('link-then-same-name', lambda w: w.pkg(link('./evil', w.outside + '/evil'), f('./evil', b'evil')), refuse(F, 'twice'), 'ilv'),
    Trap('link-loop', lambda w: w.pkg(link('./a', 'b'), link('./b', 'a'), f('./a/evil')), refuse(F, 'beneath a file or link'), 'ilv'),
    Trap('link-chain', lambda w: w.pkg(link('./a', '.'), link('./a/b', w.outside)), refuse(F, 'beneath a file or link'), 'ilv'),
    Trap('link-empty', lambda w: w.pkg(link('./a', '')), refuse(F, 'target is empty'), 'iv'),
    Trap('link-nul', lambda w: w.pkg(link('./a', b'x\0/etc')), refuse(F, 'target holds a NUL'), 'iv'),
    Trap('link-long', lambda w: w.pkg(link('./a', 'x' * 5000)), refuse(F, 'too long'), 'iv'),
    Trap('file-then-beneath', lambda w: w.pkg(f('./a'), f('./a/evil')), refuse(F, 'beneath a file or link'), 'ilv'),
    Trap('hardlink-outside', lambda w: w.pkg(f('./a', b'', ino=7, nlink=2), odc(w.outside + '/evil', b'evil', ino=7, nlink=2)),
         refuse(F, 'is absolute'), 'iv'),
    Trap('hardlink-to-link', lambda w: w.pkg(link('./away', w.outside + '/evil', ino=7, nlink=2), f('./b', b'', ino=7, nlink=2)),
         tame(('away', None, 'OUTSIDE/evil'), ('b', b''))),
    Trap('hardlink-late-data', lambda w: w.pkg(link('./away', w.outside + '/evil', ino=7, nlink=3), f('./b', b'', ino=7, nlink=3),
                                               f('./c', b'late', ino=7, nlink=3)),
         tame(('away', None, 'OUTSIDE/evil'), ('b', b'late'), ('c', b'late'))),
    Trap('hardlink-unequal', lambda w: w.pkg(f('./a', b'one', ino=7, nlink=2), f('./b', b'another', ino=7, nlink=2)),
         tame(('a', b'one'), ('b', b'another'))),
    Trap('hardlink-directory', lambda w: w.pkg(d('./a', ino=7), d('./b', ino=7), f('./c', b'x', ino=7, nlink=3)),
         tame(('a', 0o755), ('b', 0o755), ('c', b'x'))),
    Trap('hardlink-setuid', lambda w: w.pkg(f('./a', b'x', 0o644, ino=7, nlink=2), f('./b', b'', 0o4644, ino=7, nlink=2)),
         tame(('a', b'x'), ('b', b'x'))),

    # --- kinds, modes, owners ---------------------------------------------------------------------------------
    Trap('character-device', lambda w: w.pkg(special('./null', 0o020000)), refuse(F, 'is a device'), 'iv'),
    Trap('block-device', lambda w: w.pkg(special('./disk', 0o060000)), refuse(F, 'is a device'), 'iv'),
    Trap('fifo', lambda w: w.pkg(special('./pipe', 0o010000)), refuse(F, 'is a pipe'), 'iv'),
    Trap('socket', lambda w: w.pkg(special('./s', 0o140000)), refuse(F, 'is a socket'), 'iv'),
    Trap('whiteout', lambda w: w.pkg(special('./w', 0o160000)), refuse(F, 'of no known type'), 'iv'),
    Trap('no-type', lambda w: w.pkg(odc('./x', b'', mode=0o644)), refuse(F, 'of no known type'), 'iv'),
    Trap('setuid', lambda w: w.pkg(f('./su', b'x', 0o4755)), tame(('su', b'x', 0o755)), reason='set-id bits dropped: 1'),
    Trap('setgid-sticky', lambda w: w.pkg(f('./a', b'x', 0o7755), d('./b', 0o7777)),
         tame(('a', b'x', 0o755), ('b', 0o1777)), reason='set-id bits dropped: 2'),
    Trap('owner-huge', lambda w: w.packed(parts.gz(parts.archive([newc('./good', b'good\n'), newc('./a', b'x', uid=0xffffffff, gid=0xffffffff)],
                                                                 newc('TRAILER!!!', mode=0)))), tame(('a', b'x'))),
    Trap('directory-with-data', lambda w: w.pkg(odc('./d', b'data', 0o040755)), refuse(F, 'directory that holds data'), 'iv'),
    Trap('directory-closed', lambda w: w.pkg(d('./d', 0), f('./d/x', b'x')), tame(('d', 0), ('d/x', b'x'))),
    Trap('apple-double', lambda w: w.pkg(f('./._good', apple_double(b'\xff' * 60))), tame()),
    Trap('apple-double-cut', lambda w: w.pkg(f('./._good', apple_double()), f('./._orphan', apple_double(b'x'))), tame()),
    Trap('apple-double-setuid', lambda w: w.pkg(f('./._su', apple_double(), 0o4755)), tame()),

    # --- the cpio itself --------------------------------------------------------------------------------------
    Trap('cpio-no-octal', lambda w: w.pkg(odc('./x').replace(b'0100644', b'01z0644').replace(b'100644', b'10z644')), refuse(F, 'no digit'), 'iv'),
    Trap('cpio-negative', lambda w: w.pkg(odc('./x', mtime=0).replace(b'00000000000', b'-0000000001', 1)), refuse(F, 'no digit'), 'iv'),
    Trap('cpio-bad-magic', lambda w: w.pkg(odc('./x', magic=b'070708')), refuse(F, 'no cpio header'), 'iv'),
    Trap('cpio-binary', lambda w: w.packed(parts.gz(b'\xc7\x71' + bytes(510))), refuse(F, 'no cpio header'), 'iv'),
    Trap('cpio-no-trailer', lambda w: w.packed(parts.gz(b''.join(w.good()))), refuse(F, 'cut short'), 'iv'),
    Trap('cpio-after-trailer', lambda w: w.packed(parts.gz(w.cpio() + parts.archive([f('./evil')]))), refuse(F, 'something follows'), 'iv'),
    Trap('cpio-trailer-data', lambda w: w.packed(parts.gz(b''.join(w.good()) + odc('TRAILER!!!', b'junk', mode=0))), refuse(F, 'something follows'), 'iv'),
    Trap('cpio-trailer-slash', lambda w: w.pkg(f('./TRAILER!!!', b't')), tame(('TRAILER!!!', b't'))),
    Trap('cpio-size-huge', lambda w: w.pkg(odc('./x', b'', size=0o77777777777)), refuse(F, 'no cpio header|cut short|unpacks to'), 'iv'),
    Trap('cpio-size-short', lambda w: w.pkg(odc('./x', b'0123456789', size=3)), refuse(F, 'no cpio header'), 'iv'),
    Trap('newc-name-huge', lambda w: w.pkg(newc('./x', name_size=0xfffffff0)), refuse(F, 'impossible length'), 'iv'),
    Trap('newc-size-huge', lambda w: w.pkg(newc('./x', size=0xffffffff)), refuse(F, 'cut short|no cpio header'), 'iv'),
    Trap('million', million, refuse(L, 'more than 1000000 files'), 'iv', sweep=True),

    # --- codecs -----------------------------------------------------------------------------------------------
    Trap('gzip-bomb', lambda w: w.packed(parts.gzip_zeros(1024 * MB, b''.join(w.good()) + odc('./zeros', size=1 << 32))),
         refuse(L, 'unpacks to more than'), 'iv'),
    Trap('gzip-bomb-claimed', lambda w: w.packed(parts.gzip_zeros(2048 * MB, b''.join(w.good()) + odc('./zeros', size=1 << 31)), kbytes=1 << 40),
         refuse('disk|limit|format', 'unpacks to more|damaged|too large'), 'iv', sweep=True),
    Trap('bzip2-bomb', lambda w: w.packed(parts.bzip2_zeros(1024 * MB, b''.join(w.good()) + odc('./zeros', size=1 << 32))),
         refuse(L, 'unpacks to more than'), 'iv'),
    Trap('xz-bomb', lambda w: w.packed(parts.xz_zeros(96 * MB, b''.join(w.good()) + odc('./zeros', size=1 << 32))),
         refuse(L, 'unpacks to more than'), 'iv'),
    Trap('xz-memory', lambda w: w.packed(xz_memory(w.cpio())), refuse(L, 'more than 128 MB to decode'), 'iv'),
    Trap('pbzx-bomb', lambda w: w.packed(parts.pbzx_zeros(1024 * MB, b''.join(w.good()) + odc('./zeros', size=1 << 32))),
         refuse(L, 'unpacks to more than'), 'iv'),
    Trap('pbzx-chunk-huge', lambda w: w.packed(b'pbzx' + struct.pack('>QQQ', 1 << 60, 1 << 60, 1 << 60) + b'x'), refuse(F, 'chunk size is out of range'), 'iv'),
    Trap('pbzx-chunk-lies', lambda w: w.packed(pbzx_lie(w, 1)), refuse(F, 'more than it declares'), 'iv'),
    Trap('pbzx-chunk-short', lambda w: w.packed(pbzx_lie(w, -1)), refuse(F, 'does not hold what it declares|cut short'), 'iv'),
    Trap('pbzx-chunk-in-huge', lambda w: w.packed(b'pbzx' + struct.pack('>QQQ', 1 << 24, 1 << 20, 1 << 63) + b'x' * 64), refuse(F, 'impossible lengths'), 'iv'),
    Trap('pbzx-raw-cut', lambda w: w.packed(b'pbzx' + struct.pack('>QQQ', 1 << 24, 1 << 20, 1 << 20) + w.cpio()), refuse(F, 'cut short'), 'iv'),
    Trap('pbzx-after-last', lambda w: w.packed(parts.pbzx(w.cpio()) + struct.pack('>QQ', 4, 4) + b'more'), refuse(F, 'something follows'), 'iv'),
    Trap('gzip-in-gzip', lambda w: w.packed(parts.gz(parts.gz(w.cpio()))), refuse(F, 'no cpio header|cut short'), 'iv'),
    Trap('gzip-cut', lambda w: w.packed(parts.gz(w.cpio(f('./x', bytes(9000))))[:-30]), refuse(F, 'gzip data is cut short'), 'iv'),
    Trap('gzip-crc', lambda w: w.packed(parts.gz(w.cpio())[:-8] + bytes(8)), refuse(F, 'gzip data is damaged'), 'iv'),
    Trap('gzip-trailing', lambda w: w.packed(parts.gz(w.cpio()) + b'evil'), refuse('size', 'something follows'), 'iv'),
    Trap('gzip-two-archives', lambda w: w.packed(parts.gz(w.cpio()) + parts.gz(parts.archive([f('./evil')]))), refuse(F, 'something follows'), 'iv'),
    Trap('payload-unknown', lambda w: w.packed(b'PK\3\4' + bytes(60)), refuse(F, 'format is not known'), 'iv'),
    Trap('payload-apple-archive', lambda w: w.packed(b'AA01' + bytes(60)), refuse(F, 'Apple Archive, which is not supported'), 'iv'),
    Trap('payload-empty', lambda w: w.packed(b''), refuse(F, 'empty or cut short'), 'iv'),
    Trap('payload-missing', lambda w: parts.xar([Member('PackageInfo', w.info().encode())]), refuse(F, 'payload is missing')),
    Trap('payload-directory', lambda w: parts.xar([Member('PackageInfo', w.info().encode()), Member('Payload', children=[])]),
         refuse(F, 'payload is missing')),

    # --- the header of the archive ----------------------------------------------------------------------------
    Trap('header-cut', lambda w: w.pkg()[:20], refuse(F, 'too short'), ''),
    Trap('header-magic', lambda w: b'xar?' + w.pkg()[4:], refuse(F, 'does not begin with'), ''),
    Trap('header-version', lambda w: w.pkg()[:6] + b'\0\2' + w.pkg()[8:], refuse(F, 'xar version 2'), ''),
    Trap('header-kind', lambda w: w.pkg()[:24] + struct.pack('>I', 9) + w.pkg()[28:], refuse(F, 'checksum kind 9'), ''),
    Trap('header-size-none', lambda w: w.pkg()[:4] + b'\0\0' + w.pkg()[6:], refuse(F, 'header has 0 bytes'), ''),
    Trap('header-size-large', lambda w: w.pkg()[:4] + b'\xff\xff' + w.pkg()[6:], refuse(F, 'header has 65535 bytes'), ''),
    Trap('toc-length-huge', lambda w: parts.xar(w.members(), stored_length=(1 << 64) - 1), refuse(L, 'too much'), ''),
    Trap('toc-length-beyond', lambda w: parts.xar(w.members(), stored_length=1 << 20), refuse(S, 'ends within its table'), ''),
    Trap('toc-plain-huge', lambda w: parts.xar(w.members(), plain_length=1 << 62), refuse(L, 'too much'), ''),
    Trap('toc-plain-short', lambda w: parts.xar(w.members(), plain_length=100), refuse(F, 'not the one in the header'), ''),
    Trap('toc-plain-long', lambda w: parts.xar(w.members(), plain_length=5000), refuse(F, 'not the one in the header'), ''),
    Trap('toc-ratio', ratio_bomb, refuse(L, 'too much'), ''),
    Trap('toc-gigabyte', gigabyte_toc, refuse(F, 'table of contents'), ''),
    Trap('toc-not-zlib', lambda w: parts.xar(w.members(), toc_stored=b'plain text', plain_length=10), refuse(F, 'damaged'), ''),
    Trap('toc-two-streams', lambda w: two_streams(w), refuse(F, 'not the one in the header'), ''),

    # --- the table of contents --------------------------------------------------------------------------------
    Trap('toc-checksum-wrong', lambda w: parts.xar(w.members(), heap_sum=bytes(20)), refuse('hash', 'does not match'), ''),
    Trap('toc-checksum-none', lambda w: parts.xar(w.members(), sum_style='none'), tame(), 'il', extract=refuse('hash', 'no checksum')),
    Trap('toc-checksum-md5', lambda w: parts.xar(w.members(), sum_style='md5'), tame(), 'il', extract=refuse('hash', 'MD5')),
    Trap('toc-checksum-absent', lambda w: parts.xar(w.members(), checksum_xml=''), refuse(F, 'differ about the checksum'), ''),
    Trap('toc-checksum-other', lambda w: parts.xar(w.members(), checksum_xml='<checksum style="sha512"><offset>0</offset><size>20</size></checksum>'),
         refuse(F, 'differ about the checksum'), ''),
    Trap('toc-checksum-short', lambda w: parts.xar(w.members(), checksum_xml='<checksum style="sha1"><offset>0</offset><size>4</size></checksum>'),
         refuse(F, 'checksum is 4 bytes long'), ''),
    Trap('toc-checksum-beyond', lambda w: parts.xar(w.members(), checksum_xml='<checksum style="sha1"><offset>99999999</offset><size>20</size></checksum>'),
         refuse(F, 'beyond the end'), ''),
    Trap('toc-checksum-twice', lambda w: parts.xar(w.members(), checksum_xml='<checksum style="sha1"><offset>0</offset><size>20</size></checksum>' * 2),
         refuse(F, 'two checksum'), ''),
    Trap('toc-doctype', lambda w: w.toc(lambda t: t.replace('<xar>', '<!DOCTYPE xar [<!ENTITY a "b">]><xar>')), refuse(F, 'DOCTYPE'), ''),
    Trap('toc-external', lambda w: w.toc(lambda t: t.replace('<xar>', '<!DOCTYPE xar SYSTEM "file://%s/passwd"><xar>' % w.outside)), refuse(F, 'DOCTYPE'), ''),
    Trap('toc-laughs', lambda w: w.toc(lambda t: t.replace('<xar>', laughs() + '<xar>').replace('<toc>', '<toc><x>&l9;</x>')), refuse(F, 'DOCTYPE'), ''),
    Trap('toc-entity', lambda w: w.toc(lambda t: t.replace('<toc>', '<toc><x>&evil;</x>')), refuse(F, 'undefined entity'), ''),
    Trap('toc-depth', lambda w: w.toc(lambda t: t.replace('</toc>', '<x>' * 40 + '</x>' * 40 + '</toc>')), refuse(L, 'nested deeper'), ''),
    Trap('toc-depth-million', lambda w: parts.xar([], toc_bytes=b'<xar><toc>' + b'<x>' * 100000), refuse(L, 'nested deeper'), ''),
    Trap('toc-folders-deep', lambda w: deep_folders(w), refuse(L, 'nested deeper'), ''),
    Trap('toc-attributes', lambda w: w.toc(lambda t: t.replace('<toc>', '<toc><x %s/>' % ' '.join('a%d="1"' % i for i in range(100)))),
         refuse(L, 'more than 16 attributes'), ''),
    Trap('toc-attribute-twice', lambda w: w.toc(lambda t: t.replace('style="sha1">', 'style="sha1" style="md5">', 1)), refuse(F, 'duplicate attribute'), ''),
    Trap('toc-attribute-long', lambda w: w.toc(lambda t: t.replace('<toc>', '<toc x="%s">' % random_text(2 * MB))), refuse(L, 'longer than 1 MB'), ''),
    Trap('toc-text-long', lambda w: w.toc(lambda t: t.replace('<toc>', '<toc><x>%s</x>' % random_text(MB))), refuse(L, 'bytes of text'), ''),
    Trap('toc-elements', lambda w: w.toc(lambda t: t.replace('<toc>', '<toc>' + '<x>%d</x>' * 1000002 % tuple(range(1000002)))), refuse(L, 'more than \\d+ elements'), '', sweep=True),
    Trap('toc-files', lambda w: parts.xar([Member('m%d' % i, children=[]) for i in range(20001)]), refuse(L, 'more than 20000 files'), ''),
    Trap('toc-utf16', lambda w: w.toc(lambda t: t.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode('utf-16')), tame(), 'ilv'),
    Trap('toc-utf7', lambda w: w.toc(lambda t: t.replace('UTF-8', 'UTF-7')), refuse(F, 'unknown encoding'), ''),
    Trap('toc-bad-utf8', lambda w: w.toc(lambda t: t.encode().replace(b'Payload', b'Pay\xfe\xff')), refuse(F, 'not well-formed|invalid'), ''),
    Trap('toc-nul', lambda w: w.toc(lambda t: t.replace('Payload', 'Pay\0load')), refuse(F, 'not well-formed|invalid'), ''),
    Trap('toc-namespace', lambda w: w.toc(lambda t: t.replace('<toc>', '<toc><e:file xmlns:e="urn:e"><e:name>../evil</e:name></e:file>')), tame()),
    Trap('toc-cut', lambda w: w.toc(lambda t: t[:-12]), refuse(F, 'no element found|unclosed'), ''),
    Trap('toc-root', lambda w: w.toc(lambda t: t.replace('xar>', 'rax>')), refuse(F, 'not that of a xar'), ''),
    Trap('toc-empty', lambda w: parts.xar([]), refuse(F, 'neither PackageInfo nor Distribution'), 'lv'),
    Trap('member-dotdot', lambda w: parts.xar(w.members() + [Member('..', children=[Member('evil', b'x')])]), refuse(F, r'named "\.\."'), ''),
    Trap('member-slash', lambda w: parts.xar(w.members() + [Member('../' + w.up + '/evil', b'x')]), refuse(F, 'a member is named'), ''),
    Trap('member-absolute', lambda w: parts.xar(w.members() + [Member(w.outside + '/evil', b'x')]), refuse(F, 'a member is named'), ''),
    Trap('member-base64', lambda w: parts.xar(w.members() + [Member('x', b'x', name_xml='<name enctype="base64">Li4vZXZpbA==</name>')]),
         refuse(F, r'named "\.\./evil"'), ''),
    Trap('member-base64-nul', lambda w: parts.xar(w.members() + [Member('x', b'x', name_xml='<name enctype="base64">YQBi</name>')]),
         refuse(F, 'name is not base64'), ''),
    Trap('member-empty-name', lambda w: parts.xar(w.members() + [Member('', b'x')]), refuse(F, 'named ""'), ''),
    Trap('member-no-name', lambda w: parts.xar(w.members() + [Member('x', b'x', name_xml='<nome>x</nome>')]), refuse(F, 'no name or no type'), ''),
    Trap('member-long-name', lambda w: parts.xar(w.members() + [Member('n' * 256, b'x')]), refuse(F, 'a member is named'), ''),
    Trap('member-control', lambda w: parts.xar(w.members() + [Member('a\nb', b'x')]), refuse(F, 'a member is named'), ''),
    Trap('member-two-names', lambda w: parts.xar(w.members() + [Member('x', b'x', name_xml='<name>x</name><name>y</name>')]), refuse(F, 'two names'), ''),
    Trap('member-two-types', lambda w: parts.xar(w.members() + [Member('x', b'x', type_xml='<type>file</type><type>directory</type>')]), refuse(F, 'two types'), ''),
    Trap('member-symlink', lambda w: parts.xar(w.members() + [Member('x', b'', type_xml='<type>symlink</type><link type="file">%s</link>' % w.outside)]),
         refuse(F, 'neither file nor directory but "symlink"'), ''),
    Trap('member-hardlink', lambda w: parts.xar(w.members() + [Member('x', b'', type_xml='<type link="1">hardlink</type>')]),
         refuse(F, 'but "hardlink"'), ''),
    Trap('member-device', lambda w: parts.xar(w.members() + [Member('x', b'', type_xml='<type>character special</type>')]), refuse(F, 'but "character special"'), ''),
    Trap('member-twice', lambda w: parts.xar(w.members() + [Member('Payload', parts.gz(w.cpio(f('./evil'))))]), refuse(F, 'same name on a Mac'), ''),
    Trap('member-case-twins', lambda w: parts.xar(w.members() + [Member('PAYLOAD', b'x')]), refuse(F, 'same name on a Mac'), ''),
    Trap('member-two-data', lambda w: parts.xar(w.members() + [Member('x', b'x', extra='<data><length>0</length></data>')]), refuse(F, 'two data'), ''),
    Trap('member-file-with-children', lambda w: parts.xar(w.members() + [Member('x', b'x', extra='<file><name>y</name><type>file</type></file>')]),
         refuse(F, 'file and directory at once'), ''),
    Trap('member-overlap', lambda w: parts.xar(w.payload_member(offset=30)), refuse(F, 'overlaps'), ''),
    Trap('member-over-checksum', lambda w: parts.xar(w.payload_member(offset=0)), refuse(F, 'overlaps'), ''),
    Trap('member-offset-negative', lambda w: parts.xar(w.payload_member(offset=-28)), refuse(F, 'offset is no number'), ''),
    Trap('member-offset-huge', lambda w: parts.xar(w.payload_member(offset=(1 << 63) - 1)), refuse(F, 'beyond the end'), ''),
    Trap('member-offset-overflow', lambda w: parts.xar(w.payload_member(offset=(1 << 64) - 8)), refuse(F, 'offset is no number'), ''),
    Trap('member-length-huge', lambda w: parts.xar(w.payload_member(length=(1 << 63) - 1, size=(1 << 63) - 1)), refuse(F, 'beyond the end'), ''),
    Trap('member-length-word', lambda w: parts.xar(w.payload_member(length='0x20')), refuse(F, 'length is no number'), ''),
    Trap('member-two-sizes', lambda w: parts.xar(w.payload_member(size=1 << 40)), refuse(S, 'of two sizes'), ''),
    Trap('member-length-twice', lambda w: w.toc(lambda t: t.replace('<length>', '<length>1</length><length>', 1)), refuse(F, 'given twice, differently'), ''),
    Trap('member-size-small', lambda w: parts.xar(w.members()[:-1] + [Member('PackageInfo', w.info().encode(), size=10)]), refuse(S, 'more than the 10 bytes'), ''),
    Trap('member-size-large', lambda w: parts.xar(w.members()[:-1] + [Member('PackageInfo', w.info().encode(), size=9999)]), refuse(S, 'instead of 9999'), ''),
    Trap('member-archived-wrong', lambda w: parts.xar(w.payload_member(archived_xml='<archived-checksum style="sha1">%s</archived-checksum>' % ('0' * 40))),
         refuse('hash', 'archived checksum does not match|two different checksums'), 'i'),
    Trap('member-extracted-wrong', lambda w: parts.xar(w.payload_member(extracted_xml='<extracted-checksum style="sha1">%s</extracted-checksum>' % ('0' * 40))),
         refuse('hash', 'two different checksums'), 'i'),
    Trap('member-sum-unknown', lambda w: parts.xar(w.payload_member(archived_xml='<archived-checksum style="crc32">00000000</archived-checksum>')),
         refuse(F, 'unknown kind "crc32"'), ''),
    Trap('member-sum-short', lambda w: parts.xar(w.payload_member(archived_xml='<archived-checksum style="sha1">00</archived-checksum>')),
         refuse(F, 'not hexadecimal'), ''),
    Trap('member-sum-none', lambda w: parts.xar(w.payload_member(archived_xml='', extracted_xml='')), tame(), 'il',
         extract=refuse('hash', 'no checksum worth the name')),
    Trap('member-encoding', lambda w: parts.xar(w.members()[:-1] + [Member('PackageInfo', w.info().encode(), encoding_style='application/x-evil')]),
         refuse(F, 'encoding application/x-evil is not supported'), 'v'),
    Trap('signature-endless', lambda w: w.toc(lambda t: t.replace('<toc>', '<toc>' + '<signature style="RSA"><offset>0</offset><size>0</size></signature>' * 20)),
         refuse(L, 'more than 8 signatures'), ''),
    Trap('signature-overlap', lambda w: w.toc(lambda t: t.replace('<toc>', '<toc><signature style="RSA"><offset>4</offset><size>64</size></signature>')),
         refuse(F, 'overlaps'), ''),
    Trap('attribute-beyond', lambda w: w.toc(lambda t: t.replace('</file>', '<ea><offset>9999999</offset><length>5</length></ea></file>', 1)), refuse(F, 'beyond'), ''),

    # --- PackageInfo ------------------------------------------------------------------------------------------
    Trap('info-bomb', lambda w: w.pkg(package_info=Member('PackageInfo', b'', stored=parts.zlib_zeros(16 * MB), size=16 * MB, extracted_xml='')),
         refuse(L, 'PackageInfo'), 'v'),
    Trap('info-bomb-lying', lambda w: w.pkg(package_info=Member('PackageInfo', b'', stored=parts.zlib_zeros(1024 * MB), size=900, extracted_xml='')),
         refuse(S, 'more than the 900 bytes'), ''),
    Trap('info-bzip2-bomb', lambda w: w.pkg(package_info=Member('PackageInfo', b'', stored=parts.bzip2_zeros(64 * MB), size=64 * MB, extracted_xml='', encoding='x-bzip2')),
         refuse(L + '|' + F, 'PackageInfo'), 'v'),
    Trap('info-doctype', lambda w: w.xml('<!DOCTYPE x [<!ENTITY e SYSTEM "file://%s/passwd">]>' % w.outside + w.info().split('\n')[1]), refuse(F, 'DOCTYPE'), 'v'),
    Trap('info-depth', lambda w: w.xml(w.info(more='<x>' * 70 + '</x>' * 70)), refuse(L, 'nested deeper'), 'v'),
    Trap('info-not-xml', lambda w: w.xml('identifier=evil'), refuse(F, 'PackageInfo'), 'v'),
    Trap('info-root', lambda w: w.xml('<evil identifier="a"/>'), refuse(F, 'root element is called'), 'v'),
    Trap('info-empty', lambda w: w.xml(b''), refuse(F, 'PackageInfo'), 'v'),
    Trap('info-identifier-slash', lambda w: w.xml(parts.info('../../../../evil', w.location)), refuse(F, 'no identifier'), 'v'),
    Trap('info-identifier-absolute', lambda w: w.xml(parts.info(w.outside + '/evil', w.location)), refuse(F, 'no identifier'), 'v'),
    Trap('info-identifier-dots', lambda w: w.xml(parts.info('..', w.location)), refuse(F, 'no identifier'), 'v'),
    Trap('info-identifier-empty', lambda w: w.xml(parts.info('', w.location)), refuse(F, 'no identifier'), 'v'),
    Trap('info-identifier-long', lambda w: w.xml(parts.info('i' * 300, w.location)), refuse(F, 'no identifier'), 'v'),
    Trap('info-identifier-control', lambda w: w.xml(parts.info('a&#10;b', w.location).replace(b'&amp;', b'&')), refuse(F, 'no identifier'), 'v'),
    Trap('info-version-long', lambda w: w.xml(parts.info(w.id, w.location, version='9' * 1000)), refuse(F, 'the version is'), 'v'),
    Trap('info-version-control', lambda w: w.xml(parts.info(w.id, w.location, version='1&#10;2').replace(b'&amp;', b'&')), refuse(F, 'the version is'), 'v'),
    Trap('info-location-up', lambda w: w.xml(w.info(location='/../../../..' + w.outside)), refuse(F, 'install-location'), 'v'),
    Trap('info-location-middle', lambda w: w.xml(w.info(location='/opt/../../..')), refuse(F, 'install-location'), 'v'),
    Trap('info-location-control', lambda w: w.xml(w.info(location='/opt/&#9;x').replace('&amp;', '&')), refuse(F, 'install-location'), 'v'),
    Trap('info-location-long', lambda w: w.xml(w.info(location='/opt' + '/x' * 800)), refuse(F + '|' + L, 'install-location'), 'v'),
    Trap('info-location-utf8', lambda w: w.xml(w.info(location='/opt/XX').encode().replace(b'XX', b'\xff\xfe')), refuse(F, 'PackageInfo'), 'v'),
    Trap('info-kbytes-negative', lambda w: w.xml(w.info(kbytes=-1, files=-5)), tame()),
    Trap('info-kbytes-huge', lambda w: w.xml(w.info(kbytes='9' * 40, files='9' * 40)), tame()),
    Trap('info-script-up', lambda w: w.xml(w.info(scripts='<scripts><postinstall file="../../evil"/></scripts>')), refuse(F, 'script has the file name'), 'v'),
    Trap('info-script-absolute', lambda w: w.xml(w.info(scripts='<scripts><preinstall file="/bin/sh"/></scripts>')), refuse(F + '|installer', 'script'), 'v'),
    Trap('info-script-missing', lambda w: w.xml(w.info(scripts='<scripts><preinstall file="./p"/></scripts>')), refuse(F, 'preinstall script is missing')),
    Trap('info-script-legacy', lambda w: w.xml(w.info(scripts='<scripts><preflight file="./p"/></scripts>')), refuse(F, 'preflight script is missing')),

    # --- Scripts ------------------------------------------------------------------------------------------------
    Trap('scripts-dotdot', lambda w: w.script(f('./' + w.up + '/evil')), refuse(F, r'"\.\."'), extract=tame(), scripts=True),
    Trap('scripts-absolute', lambda w: w.script(f(w.outside + '/evil')), refuse(F, 'is absolute'), extract=tame(), scripts=True),
    Trap('scripts-link', lambda w: w.script(link('./away', w.outside), f('./away/evil')), refuse(F, 'beneath a file or link'), extract=tame(), scripts=True),
    Trap('scripts-is-link', lambda w: w.pkg(scripts=[d('.'), link('./postinstall', w.outside + '/script')]),
         refuse('script', 'its postinstall script is missing, or no file'), extract=tame(), scripts=True),
    Trap('scripts-is-directory', lambda w: w.pkg(scripts=[d('.'), d('./postinstall')]), refuse('script', 'its postinstall script is missing, or no file'), extract=tame(), scripts=True),
    Trap('scripts-through-link', lambda w: w.pkg(scripts=[d('.'), link('./away', w.outside)], more='',
                                                 package_info=w.info(scripts='<scripts><postinstall file="away/script"/></scripts>').encode()),
         refuse('script', 'its postinstall script is missing, or no file'), extract=tame(), scripts=True),
    Trap('scripts-absent', lambda w: w.pkg(scripts=[d('.'), f('./other')]), refuse('script', 'its postinstall script is missing, or no file'), extract=tame(), scripts=True),
    Trap('scripts-bomb', lambda w: w.pkg(scripts=parts.gzip_zeros(1024 * MB, odc('./zeros', size=1 << 32))),
         refuse(L, 'unpacks to more than'), extract=tame(), scripts=True),
    Trap('scripts-setuid', lambda w: w.pkg(scripts=[d('.', 0o7777), f('./postinstall', b'#!/bin/sh\ntest ! -u "$0"\n', 0o6755)]), tame(), scripts=True),
    Trap('scripts-fifo', lambda w: w.script(special('./p', 0o010000)), refuse(F, 'is a pipe'), extract=tame(), scripts=True),

    # --- Bom ----------------------------------------------------------------------------------------------------
    Trap('bom-size', lambda w: bom_with(w, lambda b: parts.bom_of({'good': b'longer than that'}).bytes()), refuse(F, 'another size than the Bom says')),
    Trap('bom-sum', lambda w: bom_with(w, lambda b: parts.bom_of({'good': b'evil\n'}).bytes()), refuse(F, 'another checksum than the Bom says')),
    Trap('bom-bomb', lambda w: w.pkg(bom=Member('Bom', b'', stored=parts.zlib_zeros(512 * MB), size=512 * MB, extracted_xml='')), refuse(L, 'Bom')),
    Trap('bom-empty', lambda w: w.pkg(bom=b''), refuse(F, 'Bom: it does not begin as one')),
    Trap('bom-index-beyond', lambda w: bom_with(w, lambda b: b.bytes(header_patch=patch(16, 0xfffffff0))), refuse(F, 'Bom: the index lies outside')),
    Trap('bom-index-count', lambda w: bom_with(w, lambda b: b.bytes(index_patch=lambda i: i.__setitem__(2, (0xfffffff0, 0xff)))), refuse(F, 'Bom: ')),
    Trap('bom-variables', lambda w: bom_with(w, lambda b: b.bytes(variables=struct.pack('>IIB', 0xffffffff, 1, 200))), refuse(F, 'no list of paths')),
    Trap('bom-leaf-count', lambda w: bom_with(w, lambda b: b.bytes(count=0xffff)), refuse(F, 'a leaf is broken')),
    Trap('bom-leaf-circle', lambda w: bom_with(w, lambda b: b.bytes(forward='self')), refuse(F, 'round in a circle')),
    Trap('bom-branch-circle', lambda w: bom_with(w, lambda b: b.bytes(leaf=0)), refuse(F, 'tree is broken')),
    Trap('bom-parent-circle', lambda w: bom_with(w, circle), refuse(F, 'round in a circle')),
    Trap('bom-orphan', lambda w: bom_with(w, lambda b: (b.add('x', 777), b.bytes())[1]), refuse(F, 'no parent')),
    Trap('bom-number-twice', lambda w: bom_with(w, lambda b: (b.add('x', 1, id=2), b.bytes())[1]), refuse(F, 'two paths have one number')),
    Trap('bom-two-roots', lambda w: bom_with(w, lambda b: (b.add('.', 0, kind=2), b.bytes())[1]), refuse(F, 'exactly one root')),
    Trap('bom-dotdot', lambda w: bom_with(w, lambda b: (b.add('..', 1, kind=2), b.bytes())[1]), refuse(F, 'a name is not one')),
    Trap('bom-slash', lambda w: bom_with(w, lambda b: (b.add('../../../etc/passwd', 1), b.bytes())[1]), refuse(F, 'a name is not one')),
    Trap('bom-long-name', lambda w: bom_with(w, lambda b: (b.add('n' * 3000, 1), b.bytes())[1]), refuse(F, 'a name is not one')),
    Trap('bom-deep', lambda w: bom_with(w, deep_bom), refuse(F, 'deeper than can be')),
    Trap('bom-foreign-path', lambda w: bom_with(w, lambda b: (b.add('stranger', 1), b.bytes())[1]), refuse(F, 'is in the Bom, but not in the payload')),
    Trap('bom-type', lambda w: bom_with(w, lambda b: other_type()), refuse(F, 'is of another type in the Bom')),
    Trap('bom-twin-foreign', lambda w: bom_with(w, lambda b: (b.add('passwd', 1, flags=1), b.bytes())[1]), refuse(F, 'is in the Bom, but not in the payload')),
    Trap('bom-without-payload', lambda w: parts.xar([Member('Bom', truth(w).bytes()), Member('PackageInfo', w.info(files=0).encode())]),
         refuse(F, 'its Bom names files, and it has no payload')),
    Trap('bom-kind', lambda w: bom_with(w, lambda b: foreign_kind()), refuse(F, 'Bom')),

    # --- Distribution -------------------------------------------------------------------------------------------
    Trap('dist-bomb', lambda w: parts.xar([Member('Distribution', b'', stored=parts.zlib_zeros(16 * MB), size=16 * MB, extracted_xml='')] +
                                          [Member('a.pkg', children=w.members())]), refuse(L, 'Distribution'), 'lv'),
    Trap('dist-doctype', lambda w: w.product(parts.distribution([(w.id, 'a.pkg')]).replace(b'<installer', b'<!DOCTYPE x><installer', 1)), refuse(F, 'DOCTYPE'), 'lv'),
    Trap('dist-root', lambda w: w.product(b'<html/>'), refuse(F, 'root element is called'), 'lv'),
    Trap('dist-depth', lambda w: w.product(extra='<x>' * 80 + '</x>' * 80), refuse(L, 'nested deeper'), 'lv'),
    Trap('dist-outline-deep', deep_outline, refuse(L, 'nested deeper'), 'lv'),
    Trap('dist-choice-cycle', choice_cycle, refuse('installer', 'JavaScript|scripted|start_selected'), 'ilv'),
    Trap('dist-outline-stranger', lambda w: w.product(outline='<line choice="nobody"/>'), refuse(F, 'no known choice'), 'lv'),
    Trap('dist-choice-twice', lambda w: w.product(choices='<choice id="x"/><choice id="x"/>', outline='<line choice="x"/>'), refuse(F, 'two choices are called'), 'lv'),
    Trap('dist-ref-up', lambda w: w.product(refs='<pkg-ref id="%s">#../../evil.pkg</pkg-ref>' % w.id), refuse(F, 'not inside the container'), 'lv'),
    Trap('dist-ref-percent', lambda w: w.product(refs='<pkg-ref id="%s">#..%%2f..%%2fevil.pkg</pkg-ref>' % w.id), refuse(F, 'not inside the container'), 'lv'),
    Trap('dist-ref-nul', lambda w: w.product(refs='<pkg-ref id="%s">#a.pkg%%00evil</pkg-ref>' % w.id), refuse(F, 'not inside the container'), 'lv'),
    Trap('dist-ref-url', lambda w: w.product(refs='<pkg-ref id="%s">http://example.com/evil.pkg</pkg-ref>' % w.id), refuse(F, 'not inside the container'), 'lv'),
    Trap('dist-ref-beside', lambda w: w.product(refs='<pkg-ref id="%s">evil.pkg</pkg-ref>' % w.id), refuse(F, 'not inside the container'), 'lv'),
    Trap('dist-ref-twice', lambda w: w.product(refs='<pkg-ref id="%s">#a.pkg</pkg-ref><pkg-ref id="%s">#b.pkg</pkg-ref>' % (w.id, w.id)),
         refuse(F, 'two references'), 'lv'),
    Trap('dist-ref-absent', lambda w: w.product(refs='<pkg-ref id="%s">#b.pkg</pkg-ref>' % w.id), refuse(F, 'no PackageInfo|no member|a package within the package'), 'lv'),
    Trap('dist-ref-nothing', lambda w: w.product(choices='<choice id="%s"><pkg-ref id="%s"/><pkg-ref id="void"/></choice>' % (w.id, w.id)), tame()),
    Trap('dist-refs-many', lambda w: w.product(refs=''.join('<pkg-ref id="i%d">#a.pkg</pkg-ref>' % i for i in range(300))), refuse(L, 'more than 256 packages'), 'lv'),
    Trap('dist-choices-many', lambda w: w.product(choices=''.join('<choice id="c%d"/>' % i for i in range(1100))), refuse(L, 'more than 1000 choices'), 'lv'),
    Trap('dist-javascript', lambda w: w.product(extra='<installation-check script="system.run(\'evil\')"/><script>system.run("evil")</script>'),
         tame()),
    Trap('dist-javascript-run', lambda w: w.product(extra='<installation-check script="system.run(\'evil\')"/><script>system.run("evil")</script>'),
         refuse('installer', 'system.run'), extract=tame(), scripts=True),
    Trap('dist-custom-location', lambda w: w.product(choices='<choice id="%s" customLocation="%s"><pkg-ref id="%s"/></choice>' % (w.id, w.outside, w.id)),
         refuse('installer', 'customLocation|custom location|location')),
    Trap('dist-nested-package', lambda w: parts.xar([Member('Distribution', parts.distribution([(w.id, 'a.pkg')])), Member('a.pkg', w.pkg())]),
         refuse(F, 'no PackageInfo|no member|a package within the package'), 'lv'),
    Trap('dist-same-folder', same_folder, tame()),
    Trap('dist-one-receipt', two_of_one_receipt, refuse(F, 'one identifier, and so one receipt'), 'ilv'),
    Trap('dist-linked-components', linked_components, refuse(F, 'directory in one component and a file or link in another')),
    Trap('dist-location-link', location_link, refuse(F, 'directory in one component and a file or link in another')),
]


def patch(at, value):
    return lambda body: body.__setitem__(slice(at, at + 4), struct.pack('>I', value))


def circle(b):
    b.add('x', 51, id=50, kind=2)
    b.add('y', 50, id=51, kind=2)
    return b.bytes()


def deep_bom(b):
    above = 1
    for _ in range(80):
        above = b.add('n', above, kind=2)
    return b.bytes()


def foreign_kind():
    b = parts.Bom()
    b.add('good', 1, b'good\n', kind=9, mode=0o100644)
    return b.bytes()


def other_type():
    b = parts.Bom()
    b.add('good', 1, kind=2)
    return b.bytes()


def laughs():
    rows = ['<!ENTITY l0 "ha">'] + ['<!ENTITY l%d "%s">' % (i, '&l%d;' % (i - 1) * 10) for i in range(1, 10)]
    return '<!DOCTYPE xar [%s]>' % ''.join(rows)


def random_text(n):
    """Text that no compressor makes small: the ratio of the TOC must not be what stops it."""
    out, state = [], 1
    while len(out) * 16 < n:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        out.append('%016x' % state)
    return ''.join(out)[:n]


def deep_folders(w):
    inner = Member('evil', b'x')
    for _ in range(40):
        inner = Member('n', children=[inner])
    return parts.xar(w.members() + [inner])


def two_streams(w):
    """A second zlib stream after the TOC's, inside what the header says is the TOC."""
    good = zlib.compress(b'<xar><toc/></xar>')
    packed = good + zlib.compress(b'<xar><toc><evil/></toc></xar>')
    return parts.xar([], toc_stored=packed, header=header(len(packed), 17))


def xz_memory(data):
    """One xz stream whose header asks for a dictionary of 4 GB - 1."""
    import lzma
    packed = bytearray(lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32,
                                     filters=[{'id': lzma.FILTER_LZMA2, 'dict_size': 1 << 16}]))
    size = (packed[12] + 1) * 4
    at = packed.index(b'\x21\x01', 13) + 2
    packed[at] = 40
    packed[12 + size - 4:12 + size] = struct.pack('<I', zlib.crc32(bytes(packed[12:12 + size - 4])))
    return bytes(packed)


def pbzx_lie(w, by):
    import lzma
    data = w.cpio()
    packed = lzma.compress(data, preset=0)
    return b'pbzx' + struct.pack('>QQQ', 1 << 24, len(data) - by, len(packed)) + packed
