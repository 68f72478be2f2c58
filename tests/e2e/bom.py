"""A Bom read by somebody else: the format from its layout, nothing of the program's own code.

entries(bytes) -> {path: (kind, mode, uid, gid, size, checksum, target)}; path "" is the root. kind: file dir link.
"""
import struct

KINDS = {1: 'file', 2: 'dir', 3: 'link', 4: 'device'}


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


class Store:
    def __init__(self, data):
        self.data = data
        magic, version, _, index, _, variables, _ = struct.unpack_from('>8sIIIIII', data)
        assert magic == b'BOMStore' and version == 1, 'no Bom'
        count, = struct.unpack_from('>I', data, index)
        self.blocks = [struct.unpack_from('>II', data, index + 4 + 8 * i) for i in range(count)]
        self.names, at = {}, variables + 4
        for _ in range(struct.unpack_from('>I', data, variables)[0]):
            block, length = struct.unpack_from('>IB', data, at)
            self.names[data[at + 5:at + 5 + length].decode()] = block
            at += 5 + length

    def block(self, number):
        address, length = self.blocks[number]
        assert address + length <= len(self.data), 'a block lies outside the file'
        return self.data[address:address + length]

    def leaves(self, name):
        """(first, second) of every entry of the tree's leaves, as blocks."""
        tree = self.block(self.names[name])
        magic, _, child, _, paths = struct.unpack_from('>4sIIII', tree)
        assert magic == b'tree'
        node = self.block(child)
        while not struct.unpack_from('>H', node)[0]:  # a branch: down its first child
            node = self.block(struct.unpack_from('>I', node, 12)[0])
        seen = 0
        while True:
            leaf, count, forward, _ = struct.unpack_from('>HHII', node)
            assert leaf
            for i in range(count):
                a, b = struct.unpack_from('>II', node, 12 + 8 * i)
                yield self.block(a), self.block(b)
            seen += count
            if not forward:
                break
            node = self.block(forward)
        assert seen == paths, 'the tree says %d paths and has %d' % (paths, seen)


def entries(data):
    store = Store(data)
    assert set(store.names) >= {'BomInfo', 'Paths', 'HLIndex', 'VIndex', 'Size64'}, store.names
    names, infos, out = {}, {}, {}
    for first, second in store.leaves('Paths'):
        number, info = struct.unpack_from('>II', first)
        parent, = struct.unpack_from('>I', second)
        names[number] = (parent, second[4:].split(b'\0')[0].decode())
        infos[number] = store.block(info)

    def path(number):
        parent, name = names[number]
        if not parent:
            assert name == '.', name
            return ''
        above = path(parent)
        return above + '/' + name if above else name

    for number, info in infos.items():
        kind, _, flags, mode, uid, gid, _, size = struct.unpack_from('>BBHHIIII', info)
        checksum = struct.unpack_from('>I', info, 23)[0] if kind in (1, 3) else 0
        target = ''
        if kind == 3:
            length, = struct.unpack_from('>I', info, 27)
            target = info[31:31 + length].split(b'\0')[0].decode()
        if not flags & 0xe:  # 0x0001 alone: the "._" half of a file, which is no file of its own
            continue
        where = path(number)
        assert where not in out, where
        out[where] = (KINDS[kind], mode, uid, gid, size, checksum, target)
    return out
