"""Volumes read and written by streams: through libvirt-python, virsh, and as no library would."""

import os
import shutil
import struct
import subprocess

import pytest
from small_host import Client
from stored import GIB, MIB, pool_xml, volume_xml
from told_by_hosts import refusal

from pytest_fakehv.fronts.libvirt.host.storage import streaming
from pytest_fakehv.fronts.libvirt.wire.errors import ERROR
from pytest_fakehv.fronts.libvirt.wire.frames import Status, Type, framed
from pytest_fakehv.fronts.libvirt.wire.procedures import Program
from pytest_fakehv.fronts.libvirt.wire.xdr import decode

STREAMS = 38
NO_ROOM = (38, STREAMS, "cannot write to stream: No space left on device")


@pytest.fixture
def upload(node1):
    """Write into a volume; an int is a hole of so many bytes."""

    def upload(volume, *pieces, at=0, length=0, how="finish"):
        stream = node1.newStream()
        volume.upload(stream, at, length, 1)
        for each in pieces:
            if isinstance(each, int):
                stream.sendHole(each)
            else:
                assert stream.send(each) == len(each)
        getattr(stream, how)()

    return upload


@pytest.fixture
def download(node1):
    """Read a volume."""

    def download(volume, at=0, length=0):
        stream, found = node1.newStream(), []
        volume.download(stream, at, length)
        while data := stream.recv(2**16):
            found.append(data)
        stream.finish()
        return b"".join(found)

    return download


class TestRaw:
    def test_what_is_written_is_read(self, images, upload, download):
        volume = images.createXML(volume_xml("a", MIB, allocation=0), 0)
        data = os.urandom(100_000)
        upload(volume, data, at=50_000)
        assert download(volume) == bytes(50_000) + data + bytes(MIB - 150_000)
        assert download(volume, 60_000, 10) == data[10_000:10_010]
        assert (download(volume, MIB), download(volume, 2 * MIB, 5)) == (b"", b"")
        assert volume.info() == [0, MIB, 102400]

    def test_more_than_it_had(self, images, upload, download):
        volume = images.createXML(volume_xml("a", 10), 0)
        upload(volume, b"abc", at=9)
        assert volume.info()[:2] == [0, 12]
        assert download(volume) == bytes(9) + b"abc"

    def test_holes(self, node1, images, upload, download):
        volume = images.createXML(volume_xml("a", MIB), 0)
        upload(volume, b"new", 150_000, b"end", 5)
        assert volume.info() == [0, 150_011, 151552]
        assert download(volume) == b"new" + bytes(150_000) + b"end" + bytes(5)
        stream = node1.newStream()
        volume.download(stream, 0, 0, 1)
        assert (stream.recv(2**17), stream.recvFlags(10, 1)) == (b"new" + bytes(4093), -3)
        assert stream.recvHole() == 143360
        assert stream.recv(2**17) == bytes(150_003 - 147456) + b"end" + bytes(5)
        stream.finish()

    def test_a_hole_leaves_what_is_there_and_ends_the_file(self, images, upload, download):
        volume = images.createXML(volume_xml("a", MIB), 0)
        upload(volume, b"old" * 100_000)
        upload(volume, b"new", 6)
        assert download(volume) == b"newoldold"

    def test_more_than_was_said(self, images, upload, download):
        volume = images.createXML(volume_xml("a", 10), 0)
        assert refusal(lambda: upload(volume, b"abcdef", length=4)) == NO_ROOM
        assert download(volume) == b"abcd" + bytes(6)

    def test_more_than_there_is_room_for(self, node1, upload):
        given = pool_xml("tiny", more="<capacity unit='KiB'>64</capacity>")
        tiny = node1.storagePoolCreateXML(given, 1)
        volume = tiny.createXML(volume_xml("a", 10, allocation=0), 0)
        assert refusal(upload, volume, bytes(70_000)) == NO_ROOM
        assert tiny.info()[3] == 0

    def test_more_than_is_kept_in_memory(self, images, upload, monkeypatch):
        monkeypatch.setattr(streaming, "MOST_KEPT", 2**17)
        volume = images.createXML(volume_xml("a", 10), 0)
        upload(volume, bytes(2**18))
        assert refusal(upload, volume, b"x" * (2**17 + 1)) == NO_ROOM

    def test_an_aborted_one(self, node1, images, upload, download):
        volume = images.createXML(volume_xml("a", 10), 0)
        upload(volume, b"abc", how="abort")
        assert download(volume) == b"abc" + bytes(7)
        stream = node1.newStream()
        volume.download(stream, 0, 0)
        stream.abort()
        assert volume.info() == [0, 10, 4096]

    def test_a_large_one_is_sent_as_it_is_read(self, images, upload, download):
        volume = images.createXML(volume_xml("a", 40 * MIB), 0)
        assert download(volume) == bytes(40 * MIB)

    def test_wiped_and_resized(self, images, upload, download):
        volume = images.createXML(volume_xml("a", 200_000), 0)
        upload(volume, b"x" * 200_000)
        volume.resize(210_000, 0)
        assert download(volume, 199_999) == b"x" + bytes(10_000)
        volume.wipe()
        assert download(volume) == bytes(210_000)

    def test_shrunk(self, node1, upload, download):
        other = node1.storagePoolCreateXML(pool_xml("other"), 1)
        volume = other.createXML(volume_xml("b", 200_000, allocation=0), 0)
        upload(volume, b"x", at=150_000)
        volume.resize(100_000, 4)
        volume.resize(200_000, 0)
        assert download(volume) == bytes(200_000)

    def test_a_clone(self, images, upload, download):
        volume = images.createXML(volume_xml("a", 10), 0)
        upload(volume, b"abc")
        clone = images.createXMLFrom(volume_xml("b", 12), volume, 0)
        upload(volume, b"def")
        assert (download(clone), download(volume)) == (b"abc" + bytes(9), b"def" + bytes(7))

    def test_a_logical_volume(self, node1, upload, download):
        group = node1.storagePoolCreateXML(pool_xml("vg", kind="logical"), 0)
        volume = group.createXML(volume_xml("a", 4 * MIB), 0)
        upload(volume, b"x" * 10_000)
        upload(volume, b"abc", 5, b"def", 4096)
        assert download(volume, 0, 4107) == b"abc" + bytes(5) + b"def" + bytes(4096)
        assert download(volume, 4107, 3) == b"xxx"
        assert refusal(lambda: upload(volume, b"abc", at=4 * MIB - 1)) == NO_ROOM
        assert volume.info() == [1, 4 * MIB, 4 * MIB]
        group.createXMLFrom(volume_xml("b", 0), volume, 0)
        assert download(group.storageVolLookupByName("b"), 0, 3) == b"abc"


class TestFormats:
    def test_what_it_is_decides_what_is_in_it(self, images, upload, download):
        made = images.createXML(volume_xml("a.qcow2", 20 * GIB, form="qcow2"), 0)
        content = download(made)
        assert (content[:8], len(content)) == (b"QFI\xfb\0\0\0\2", made.infoFlags(1)[2])
        volume = images.createXML(volume_xml("b", MIB), 0)
        upload(volume, content)
        assert volume.info()[1] == 20 * GIB
        assert "<format type='qcow2'/>" in volume.XMLDesc(0)
        volume.resize(30 * GIB, 0)
        images.refresh(0)
        assert volume.info()[1] == 30 * GIB
        upload(made, b"none")
        assert made.info()[1] == len(content)
        assert "<format type='raw'/>" in made.XMLDesc(0)

    def test_a_difference_and_a_newer_one(self, images, download):
        images.createXML(volume_xml("base", MIB, form="qcow2"), 0)
        given = (
            "<volume><name>a</name><backingStore><path>/srv/images/base</path></backingStore>"
            "<target><format type='qcow2'/><compat>1.1</compat><features><lazy_refcounts/></features>"
            "</target></volume>"
        )
        content = download(images.createXML(given, 0))
        version, at, size = struct.unpack_from(">IQI", content, 4)
        assert (version, content[at : at + size]) == (3, b"/srv/images/base")

    def test_what_nobody_knows(self, images, upload, download):
        problem = (84, 18, "Operation not supported: nobody knows what is in volume 'a'")
        volume = images.createXML(volume_xml("a", MIB, form="vmdk"), 0)
        assert refusal(download, volume) == problem
        volume.delete(0)
        source = images.createXML(volume_xml("b", MIB), 0)
        upload(source, b"x")
        volume = images.createXMLFrom(volume_xml("a", MIB, form="qcow2"), source, 0)
        assert refusal(download, volume) == problem

    def test_a_folder(self, images, download):
        volume = images.createXML(volume_xml("a", MIB, form="dir"), 0)
        problem = "Unable to open stream for '/srv/images/a': Is a directory"
        assert refusal(download, volume) == (38, STREAMS, problem)


@pytest.mark.skipif(not shutil.which("virsh"), reason="needs virsh: apt-get install libvirt-clients")
def test_virsh(front, images, tmp_path):
    images.createXML(volume_xml("a", MIB, allocation=0), 0)
    data = os.urandom(100_000) + bytes(500_000) + os.urandom(10)
    (tmp_path / "given").write_bytes(data)
    for command in ("vol-upload a given --pool images", "vol-download a got --pool images --length 600010"):
        for sparse in ((), ("--sparse",)):
            words = ["virsh", "-q", "-c", front.uri(), *command.split(), *sparse]
            done = subprocess.run(
                words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
            )
            assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "got").read_bytes() == data


class TestWire:
    """As no library would."""

    @pytest.fixture
    def client(self, front, images):
        images.createXML(volume_xml("a", MIB), 0)
        with Client(front.socket()) as client:
            yield client

    def begin(self, client, api):
        serial = client.begin(api, ("images", "a", "/srv/images/a"), 0, 0, 0)
        header, payload = client.receive()
        assert (header.serial, header.type, header.status, payload) == (serial, Type.REPLY, Status.OK, b"")
        return header

    def send(self, client, header, payload=b"", *, kind=Type.STREAM, status=Status.CONTINUE):
        frame = framed(Program.REMOTE, header.procedure, kind, header.serial, status, payload)
        client.socket.sendall(frame)

    def refusal(self, client):
        header, payload = client.receive()
        assert (header.type, header.status) == (Type.STREAM, Status.ERROR)
        return decode(ERROR, payload)[:3]

    @pytest.mark.parametrize("payload", [b"", bytes(11), struct.pack(">qI", -1, 0)])
    def test_a_hole_that_is_none(self, client, payload):
        header = self.begin(client, "virStorageVolUpload")
        self.send(client, header, payload, kind=Type.HOLE)
        assert self.refusal(client) == (39, STREAMS, "Unable to decode message payload")
        self.send(client, header, b"too late")
        assert client.call("virConnectGetHostname") == ("node1",)

    def test_who_reads_does_not_write(self, client):
        header = self.begin(client, "virStorageVolDownload")
        self.send(client, header, b"x")
        while (message := client.receive())[0].status == Status.CONTINUE:
            pass
        header, payload = message
        assert decode(ERROR, payload)[2] == "a client that reads a stream has written to it"

    def test_a_client_that_is_gone_has_written_what_it_has(self, client, connect):
        self.send(client, self.begin(client, "virStorageVolUpload"), b"abc")
        assert client.call("virConnectGetHostname") == ("node1",)
        client.socket.close()
        volume = connect().storageVolLookupByPath("/srv/images/a")
        stream = volume.connect().newStream()
        volume.download(stream, 0, 3)
        assert stream.recv(10) == b"abc"
        stream.finish()

    def test_a_client_that_is_gone_is_sent_nothing(self, client):
        self.begin(client, "virStorageVolDownload")
        client.socket.close()

    def test_a_pool_that_stops_meanwhile(self, client, images):
        header = self.begin(client, "virStorageVolUpload")
        images.destroy()
        self.send(client, header, b"abc")
        assert self.refusal(client) == NO_ROOM
        assert images.isActive() == 0


def test_a_lie_lets_no_stream_follow(cluster, images, upload):
    volume = images.createXML(volume_xml("a", MIB), 0)
    cluster.fault("virStorageVolUpload", result=5)
    assert refusal(upload, volume)[2] == (
        "internal error: a fault's result for virStorageVolUpload must be what libvirt-python returns of it, "
        "not 5"
    )
