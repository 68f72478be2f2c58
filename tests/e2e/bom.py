"""A Bom read by somebody else: what lsbom would print, as rows. Standard library only.

The format once more, from its description: a BOMStore is big-endian; its index gives address and length of each block by
number; variables name blocks. "Paths" is a tree whose leaves hold pairs (block of {number, block of details}, block of
{number of the parent, name}).
"""
import struct

KINDS = {1: 'file', 2: 'dir', 3: 'link', 4: 'device'}


class Bad(Exception):
    pass


class Store:
    def __init__(self, data):
        self.data = data
        magic, version, _, index, index_len, variables, variables_len = struct.unpack_from('>8sIIIIII', data)
        if magic != b'BOMStore' or version != 1:
            raise Bad('no BOMStore')
        count = struct.unpack_from('>I', data, index)[0]
        if 4 + 8 * count > index_len:
            raise Bad('the index is short')
        self.blocks = [struct.unpack_from('>II', data, index + 4 + 8 * i) for i in range(count)]
        self.variables, at = {}, variables + 4
        for _ in range(struct.unpack_from('>I', data, variables)[0]):
            block, length = struct.unpack_from('>IB', data, at)
            self.variables[data[at + 5:at + 5 + length].decode()] = block
            at += 5 + length
        if at > variables + variables_len:
            raise Bad('the variables are short')

    def block(self, number):
        at, length = self.blocks[number]
        if number == 0 or at + length > len(self.data):
            raise Bad('block %d lies outside' % number)
        return self.data[at:at + length]

    def leaves(self, variable, strict):
        """Every pair of the tree; strict: read twice, along the leaves' links and down the branches."""
        magic, version, child, _, total = struct.unpack_from('>4sIIII', self.block(self.variables[variable]))
        if magic != b'tree' or version != 1:
            raise Bad('%s is no tree' % variable)
        first = child
        while struct.unpack_from('>H', self.block(first))[0] == 0:
            first = struct.unpack_from('>I', self.block(first), 12)[0]
        linked, node, before = [], first, 0
        while node:
            block = self.block(node)
            leaf, count, forward, backward = struct.unpack_from('>HHII', block)
            if leaf != 1 or (strict and backward != before):
                raise Bad('leaf %d is not linked as it should be' % node)
            linked += [struct.unpack_from('>II', block, 12 + 8 * i) for i in range(count)]
            before, node = node, forward
        if strict and (self.below(child) != linked or len(linked) != total):
            raise Bad('%s: %d pairs along the leaves, %d down the branches, %d said' %
                      (variable, len(linked), len(self.below(child)), total))
        return linked

    def below(self, node):
        block = self.block(node)
        leaf, count = struct.unpack_from('>HH', block)
        pairs = [struct.unpack_from('>II', block, 12 + 8 * i) for i in range(count)]
        if leaf:
            return pairs
        out = []
        for child, last in pairs:
            part = self.below(child)
            if part[-1][1] != last:
                raise Bad('a branch does not end with the key it names')
            out += part
        return out


def read(data, strict=True):
    """{path: dict(kind, mode, uid, gid, mtime, size, sum, target, twin)}; the root is ".". strict: ours keep an order, and
    branches that lead where the leaves' links do; others need not."""
    store = Store(data)
    names, rows, order = {}, {}, []
    for value, key in store.leaves('Paths', strict):
        number, details = struct.unpack('>II', store.block(value)[:8])
        parent = struct.unpack_from('>I', store.block(key))[0]
        name = store.block(key)[4:].split(b'\0')[0].decode()
        if number in names:
            raise Bad('number %d twice' % number)
        names[number] = (parent, name)
        order.append((parent, name.encode()))
        info = store.block(details)
        kind, _, flags, mode, uid, gid, mtime, size, _ = struct.unpack_from('>BBHHIIIIB', info)
        row = dict(kind=kind, mode=mode, uid=uid, gid=gid, mtime=mtime, size=size, sum=0, target=None, twin=flags == 1)
        if kind == 1:
            row['sum'] = struct.unpack_from('>I', info, 23)[0]
        elif kind == 3:
            row['sum'], length = struct.unpack_from('>II', info, 23)
            row['target'] = info[31:31 + length].rstrip(b'\0').decode()
        rows[number] = row
    if strict and order != sorted(order):
        raise Bad('the paths are not in order')
    out = {}
    for number, row in rows.items():
        parts, at = [], number
        while at:
            parent, name = names[at]
            parts.append(name)
            at = parent
            if len(parts) > 1000:
                raise Bad('a circle')
        out['/'.join(reversed(parts[:-1])) or '.'] = row
    return out


def entries(data):
    """{path: (kind, mode, uid, gid, size, checksum, target)}; the root is "". kind: file dir link device."""
    return {'' if path == '.' else path: (KINDS[r['kind']], r['mode'], r['uid'], r['gid'], r['size'], r['sum'], r['target'] or '')
            for path, r in read(data).items() if not r['twin']}


def cksum(data):
    """POSIX cksum."""
    crc = 0
    n = len(data)
    length = bytearray()
    while n:
        length.append(n & 255)
        n >>= 8
    for byte in bytes(data) + bytes(length):
        crc = (crc << 8 & 0xffffffff) ^ TABLE[crc >> 24 ^ byte]
    return crc ^ 0xffffffff


def _table():
    out = []
    for i in range(256):
        c = i << 24
        for _ in range(8):
            c = (c << 1 ^ 0x04c11db7) & 0xffffffff if c & 0x80000000 else c << 1
        out.append(c)
    return out


TABLE = _table()
