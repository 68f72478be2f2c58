"""What packages are made of, each part able to lie: xar, cpio, Bom, codecs. Standard library only.

Nothing here is shared with the program: the formats are written a second time, from their descriptions.
"""
import bz2
import gzip
import hashlib
import lzma
import struct
import zlib
from xml.sax.saxutils import escape, quoteattr

MB = 1 << 20
SUMS = {'sha1': 1, 'md5': 2, 'sha256': 3, 'sha512': 4, 'none': 0}


# --- xar ------------------------------------------------------------------------------------------------------

class Member:
    """A file or directory of the archive. Every keyword replaces what the truth would be."""

    def __init__(self, name, data=None, children=None, encoding=None, **lies):
        self.name, self.data, self.children, self.lies = name, data, children, lies
        self.encoding = encoding or ('octet-stream' if name in ('Payload', 'Scripts') else 'x-gzip')

    def stored(self):
        if 'stored' in self.lies:
            return self.lies['stored']
        if self.encoding == 'x-gzip':
            return zlib.compress(self.data)
        if self.encoding == 'x-bzip2':
            return bz2.compress(self.data)
        return self.data


def digest(style, data):
    return hashlib.new(style, data).hexdigest()


class Heap:
    def __init__(self, at):
        self.bytes, self.at, self.ids = bytearray(), at, 0


def member_xml(m, heap):
    heap.ids += 1
    lies = m.lies
    out = ['<file id="%d">' % heap.ids]
    out.append(lies.get('name_xml') or '<name>%s</name>' % escape(m.name))
    if m.children is not None:
        out.append(lies.get('type_xml', '<type>directory</type>'))
        out += [member_xml(c, heap) for c in m.children]
    else:
        out.append(lies.get('type_xml', '<type>file</type>'))
        stored = m.stored()
        offset = lies.get('offset', heap.at + len(heap.bytes))
        if 'offset' not in lies:
            heap.bytes += stored
        style = lies.get('style', 'sha1')
        plain = m.data if m.data is not None else b''
        out.append('<data><length>%s</length><offset>%s</offset><size>%s</size><encoding style=%s/>'
                   % (lies.get('length', len(stored)), offset, lies.get('size', len(plain)),
                      quoteattr(lies.get('encoding_style', 'application/' + m.encoding))))
        for which, data in (('archived', stored), ('extracted', plain)):
            if which + '_xml' in lies:
                out.append(lies[which + '_xml'])
            else:
                out.append('<%s-checksum style="%s">%s</%s-checksum>' % (which, style, digest(style, data), which))
        out.append('</data>')
    out.append(lies.get('extra', ''))
    out.append('</file>')
    return ''.join(out)


def xar(members, sum_style='sha1', toc=None, header=None, trailing=b'', plain_length=None, stored_length=None,
        prolog='<?xml version="1.0" encoding="UTF-8"?>\n', toc_bytes=None, heap_sum=None, checksum_xml=None, toc_stored=None):
    """The archive of members. toc: function of the TOC's text. header: 28 bytes or more instead of ours."""
    size = 0 if sum_style == 'none' else hashlib.new(sum_style).digest_size
    heap = Heap(size)
    files = ''.join(member_xml(m, heap) for m in members)
    if checksum_xml is None:
        checksum_xml = '<checksum style="%s"><offset>0</offset><size>%d</size></checksum>' % (sum_style, size)
    text = '%s<xar><toc>%s%s</toc></xar>' % (prolog, checksum_xml, files)
    raw = (toc(text) if toc else text)
    raw = raw if isinstance(raw, bytes) else raw.encode()
    if toc_bytes is not None:
        raw = toc_bytes
    packed = toc_stored if toc_stored is not None else zlib.compress(raw)
    if header is None:
        header = struct.pack('>4sHHQQI', b'xar!', 28, 1, len(packed) if stored_length is None else stored_length,
                             len(raw) if plain_length is None else plain_length, SUMS[sum_style])
    if heap_sum is None:
        heap_sum = b'' if sum_style == 'none' else hashlib.new(sum_style, packed).digest()
    return header + packed + heap_sum + bytes(heap.bytes) + trailing


# --- compressed streams that are larger than anybody would compress ---------------------------------------------

def deflated_zeros(n):
    """A raw deflate stream of n zeros (n a multiple of 1 MB)."""
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = c.compress(bytes(MB)) + c.flush(zlib.Z_FULL_FLUSH)
    again = c.compress(bytes(MB)) + c.flush(zlib.Z_FULL_FLUSH)
    return first + again * (n // MB - 1) + b'\x03\x00'


def zlib_zeros(n):
    return b'\x78\xda' + deflated_zeros(n) + struct.pack('>I', (n % 65521) << 16 | 1)


def gzip_zeros(n, before=b''):
    """gzip of before, then n zeros. The sum at the end is not right: nobody should get there."""
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = c.compress(before) + c.flush(zlib.Z_FULL_FLUSH)
    return b'\x1f\x8b\x08\0\0\0\0\0\0\3' + head + deflated_zeros(n) + bytes(8)


def bzip2_zeros(n, before=b''):
    """Streams one after the other: before, then n zeros."""
    return bz2.compress(before) + bz2.compress(bytes(16 * MB)) * (n // (16 * MB))


def xz_zeros(n, before=b''):
    c = lzma.LZMACompressor(preset=0)
    out = [c.compress(before)]
    for _ in range(n // MB):
        out.append(c.compress(bytes(MB)))
    return b''.join(out) + c.flush()


def pbzx(data, chunk=1 << 24):
    out = [b'pbzx', struct.pack('>Q', chunk)]
    for i in range(0, len(data), chunk):
        piece = data[i:i + chunk]
        packed = lzma.compress(piece, preset=0)
        if len(packed) >= len(piece):
            packed = piece
        out.append(struct.pack('>QQ', len(piece), len(packed)) + packed)
    return b''.join(out)


def pbzx_zeros(n, before=b''):
    chunk = 1 << 24
    first = before + bytes(chunk - len(before))
    packed, zeros = lzma.compress(first, preset=0), lzma.compress(bytes(chunk), preset=0)
    return (b'pbzx' + struct.pack('>Q', chunk) + struct.pack('>QQ', chunk, len(packed)) + packed
            + (struct.pack('>QQ', chunk, len(zeros)) + zeros) * (n // chunk))


# --- cpio -----------------------------------------------------------------------------------------------------

def odc(path, data=b'', mode=0o100644, ino=0, nlink=1, uid=0, gid=0, mtime=1700000000, dev=0, rdev=0, name_size=None,
        size=None, name=None, magic=b'070707'):
    name = path.encode() + b'\0' if name is None else name
    return (magic + b'%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o'
            % (dev & 0o777777, ino & 0o777777, mode, uid & 0o777777, gid & 0o777777, nlink, rdev, mtime,
               len(name) if name_size is None else name_size, len(data) if size is None else size) + name + data)


def newc(path, data=b'', mode=0o100644, ino=0, nlink=1, uid=0, gid=0, mtime=1700000000, name_size=None, size=None, check=0,
         magic=b'070701'):
    name = path.encode() + b'\0'
    head = magic + b''.join(b'%08x' % v for v in (
        ino, mode, uid, gid, nlink, mtime, len(data) if size is None else size, 0, 0, 0, 0,
        len(name) if name_size is None else name_size, check))
    head += name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def f(path, data=b'data\n', mode=0o644, **kw):
    return odc(path, data, 0o100000 | mode, **kw)


def d(path, mode=0o755, **kw):
    return odc(path, b'', 0o040000 | mode, nlink=kw.pop('nlink', 2), **kw)


def link(path, target, **kw):
    return odc(path, target if isinstance(target, bytes) else target.encode(), 0o120777, **kw)


def special(path, kind, **kw):
    return odc(path, b'', kind | 0o644, rdev=0o401, **kw)


TRAILER = odc('TRAILER!!!', mode=0)


def archive(entries, end=TRAILER):
    data = b''.join(entries) + end
    return data + bytes(-len(data) % 512)


def gz(data):
    return gzip.compress(data, 6, mtime=0)


# --- Bom ------------------------------------------------------------------------------------------------------

def cksum(data):
    """POSIX cksum, bit by bit."""
    n, length = 0, len(data)
    tail = bytearray()
    while length:
        tail.append(length & 0xff)
        length >>= 8
    for byte in bytes(data) + bytes(tail):
        n ^= byte << 24
        for _ in range(8):
            n = (n << 1 ^ 0x04c11db7 if n & 0x80000000 else n << 1) & 0xffffffff
    return ~n & 0xffffffff


class Bom:
    """A Bom of entries (path parts are given by id and parent: nothing checks that they make sense)."""

    def __init__(self):
        self.blocks, self.pairs, self.next = [b''], [], 1
        self.add('.', 0, kind=2, mode=0o040755)

    def block(self, data):
        self.blocks.append(data)
        return len(self.blocks) - 1

    def add(self, name, parent, data=b'', kind=1, mode=None, id=None, size=None, sum=None, target=None, flags=15, tail=b''):
        id = self.next if id is None else id
        self.next = max(self.next, id) + 1
        name = name if isinstance(name, bytes) else name.encode()
        mode = {1: 0o100644, 2: 0o040755, 3: 0o120777, 4: 0o020644}[kind] if mode is None else mode
        info = struct.pack('>BBHHIIIIB', kind, 1, flags, mode, 0, 0, 1700000000, len(data) if size is None else size, 1)
        if kind == 1:
            info += struct.pack('>I', cksum(data) if sum is None else sum)
        elif kind == 3:
            t = target + b'\0'
            info += struct.pack('>II', cksum(target) if sum is None else sum, len(t)) + t
        elif kind == 4:
            info += bytes(4)
        details = self.block(info + tail)
        self.pairs.append((self.block(struct.pack('>II', id, details)), self.block(struct.pack('>I', parent) + name + b'\0')))
        return id

    def bytes(self, forward=0, leaf=1, count=None, tree=None, index_patch=None, header_patch=None, variables=None):
        node = struct.pack('>HHII', leaf, len(self.pairs) if count is None else count, 0, 0)
        node += b''.join(struct.pack('>II', a, b) for a, b in self.pairs)
        at = self.block(node)
        if forward:
            self.blocks[at] = node[:4] + struct.pack('>I', at if forward == 'self' else forward) + node[8:]
        root = self.block(tree or struct.pack('>4sIIIIB', b'tree', 1, at, 4096, len(self.pairs), 0))
        body, index = bytearray(bytes(512)), []
        for b in self.blocks:
            index.append((len(body) if b else 0, len(b)))
            body += b
        if index_patch:
            index_patch(index)
        table = struct.pack('>I', len(index)) + b''.join(struct.pack('>II', *p) for p in index) + struct.pack('>I', 0)
        where = len(body)
        body += table
        named = struct.pack('>I', 1) + struct.pack('>IB', root, 5) + b'Paths' if variables is None else variables
        body[0:32] = struct.pack('>8sIIIIII', b'BOMStore', 1, len(self.blocks) - 1, where, len(table), len(body), len(named))
        body += named
        if header_patch:
            header_patch(body)
        return bytes(body)


def bom_of(files):
    """A true Bom of {path: bytes}; parents are made."""
    b, ids = Bom(), {'': 1}
    for path in sorted(files):
        parts = path.split('/')
        for i in range(1, len(parts)):
            above = '/'.join(parts[:i])
            if above not in ids:
                ids[above] = b.add(parts[i - 1], ids['/'.join(parts[:i - 1])], kind=2)
        b.add(parts[-1], ids['/'.join(parts[:-1])], files[path])
    return b


# --- packages ---------------------------------------------------------------------------------------------------

def info(identifier, location='/', files=2, kbytes=1, version='1', more='', attributes='', scripts=''):
    place = '' if location is None else ' install-location=%s' % quoteattr(location)
    return ('<?xml version="1.0" encoding="utf-8"?>\n<pkg-info format-version="2" identifier=%s version=%s%s auth="root"%s>'
            '<payload numberOfFiles="%s" installKBytes="%s"/>%s%s</pkg-info>'
            % (quoteattr(identifier), quoteattr(version), place, attributes, files, kbytes, scripts, more)).encode()


def members(identifier, payload=None, scripts=None, bom=None, package_info=None, **kw):
    """The members of one component. payload, scripts: bytes as stored, or a list of cpio entries."""
    out = []
    if bom is not None:
        out.append(bom if isinstance(bom, Member) else Member('Bom', bom))
    if payload is not None:
        out.append(payload if isinstance(payload, Member) else
                   Member('Payload', payload if isinstance(payload, bytes) else gz(archive(payload))))
    if scripts is not None:
        out.append(Member('Scripts', scripts if isinstance(scripts, bytes) else gz(archive(scripts))))
        kw.setdefault('scripts', '<scripts><postinstall file="./postinstall"/></scripts>')
    out.append(package_info if isinstance(package_info, Member) else
               Member('PackageInfo', info(identifier, **kw) if package_info is None else package_info))
    return out


def distribution(components, outline=None, choices=None, extra='', refs=None):
    """components: [(identifier, folder)]."""
    outline = ''.join('<line choice="%s"/>' % i for i, _ in components) if outline is None else outline
    choices = ''.join('<choice id="%s"><pkg-ref id="%s"/></choice>' % (i, i) for i, _ in components) if choices is None else choices
    refs = ''.join('<pkg-ref id="%s" version="1">#%s</pkg-ref>' % c for c in components) if refs is None else refs
    return ('<?xml version="1.0" encoding="utf-8"?>\n<installer-gui-script minSpecVersion="1"><title>T</title>'
            '%s<choices-outline>%s</choices-outline>%s%s</installer-gui-script>' % (extra, outline, choices, refs)).encode()


def product(components, dist=None, **kw):
    """components: [(folder, members)]."""
    return xar([Member('Distribution', dist)] + [Member(n, children=m) for n, m in components], **kw)
