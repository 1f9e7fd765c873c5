"""Volumes written and read by streams."""

import libvirt

from oracle.definitions import pool_xml, volume_xml

BUILD = libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD
SPARSE = 1
NOTHING = "<allocation>0</allocation>"


class Streaming:
    """Writes and reads volumes of a connection."""

    def __init__(self, ask, connection):
        self._ask = ask
        self._connection = connection

    def write(self, volume, *pieces, at=0, length=0, flags=0, end="finish"):
        """Write pieces; an int is a hole of so many bytes."""
        ask, stream = self._ask, self._ask.stream(self._connection)
        if ask(volume.upload, stream, at, length, flags) is None:
            return
        for each in pieces:
            if isinstance(each, int):
                ask(stream.sendHole, each, 0)
            else:
                ask(stream.send, each)
        ask(getattr(stream, end))
        ask(volume.info)
        ask(volume.infoFlags, 1)

    def read(self, volume, at=0, length=0, flags=0, most=4, end="finish"):
        """Read some pieces."""
        ask, stream = self._ask, self._ask.stream(self._connection)
        if ask(volume.download, stream, at, length, flags) is None:
            return
        for _ in range(most):
            if ask(stream.recv, 64) in (b"", None):
                break
        ask(getattr(stream, end))

    def copy(self, source, target):
        """Write into a volume what is in another."""
        stream, content = self._connection.newStream(), b""
        source.download(stream, 0, 0, 0)
        while data := stream.recv(2**16):
            content += data
        stream.finish()
        self.write(target, *(content[at : at + 2**16] for at in range(0, len(content), 2**16)))


def script(ask):
    connection = ask.connect()
    ask.watch_pools(connection)
    pool = ask(connection.storagePoolCreateXML, pool_xml("images"), BUILD)
    streaming = Streaming(ask, connection)
    raw(streaming, ask(pool.createXML, volume_xml("a.img", "1", rest=NOTHING), 0))
    made = ask(pool.createXML, volume_xml("made.qcow2", "100", target="<format type='qcow2'/>"), 0)
    for at in (0, 65536, 131072, 196608):
        streaming.read(made, at, 64)
    copy = ask(pool.createXML, volume_xml("copy", "1", rest=NOTHING), 0)
    streaming.copy(made, copy)
    ask(copy.XMLDesc, 0)
    streaming.write(made, b"H" * 100)
    ask(made.XMLDesc, 0)
    folder = ask(pool.createXML, volume_xml("folder", target="<format type='dir'/>"), 0)
    streaming.write(folder, b"x")
    ask(copy.delete, 0)
    streaming.write(copy, b"x")
    streaming.read(copy)
    ask(pool.destroy)
    streaming.write(made, b"x")
    streaming.read(made)


def raw(streaming, volume):
    """Write and read what is no format."""
    streaming.write(volume, b"A" * 10_000)
    streaming.read(volume, 0, 20)
    streaming.read(volume, 9_990, 20)
    streaming.read(volume, 2**20)
    streaming.read(volume, 2**20 - 4)
    streaming.read(volume, 2**21, 10)
    streaming.write(volume, b"B" * 10, at=5, length=10)
    streaming.write(volume, b"C" * 10, at=9_995, length=50)
    streaming.read(volume, 0, 30)
    streaming.write(volume, b"D" * 10, end="abort")
    streaming.read(volume, most=1, end="abort")
    streaming.write(volume, b"E" * 10, at=2**20 - 5)
    streaming.read(volume, 2**20 - 10)
    for flags in (2, 4):
        streaming.write(volume, flags=flags)
        streaming.read(volume, flags=flags)
    streaming.write(volume, b"F" * 10, 500, b"G" * 10, flags=SPARSE)
    streaming.read(volume, flags=SPARSE, most=12)
