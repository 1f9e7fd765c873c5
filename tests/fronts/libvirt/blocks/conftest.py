"""A domain on the first of two nodes, whose disk is a chain of three volumes of a pool."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone
sys.path.insert(0, str(Path(__file__).parents[1] / "host"))  # for the words of hosts
sys.path.insert(0, str(Path(__file__).parents[1] / "storage"))  # for those of pools

from disk_work import MIB, Told, disk_xml, made
from stored import pool_xml
from told_by_hosts import domain_xml


@pytest.fixture
def images(node1):
    """A pool that is active."""
    return node1.storagePoolCreateXML(pool_xml("images"), 1)


@pytest.fixture
def chain(images):
    """Make volumes: the first has 4 MiB of data, the others are the difference to it."""
    made(images, "base", form="raw", allocation=4 * MIB)
    made(images, "mid", backing="base", kind="raw")
    return made(images, "top", backing="mid")


@pytest.fixture
def web1(node1, chain):
    """A domain that is defined and runs."""
    domain = node1.defineXML(domain_xml("web1", devices=disk_xml("top")))
    domain.create()
    return domain


@pytest.fixture
def brief(node1, chain):
    """One that is transient."""
    return node1.createXML(domain_xml("brief", devices=disk_xml("top")), 0)


@pytest.fixture
def told(libvirt, front):
    """Return what has been told of jobs since it was called last."""
    watcher = Told(front.socket("node1"))
    yield watcher.told
    watcher.close()


@pytest.fixture
def download(node1):
    """Read a volume."""

    def download(volume):
        stream, found = node1.newStream(), []
        volume.download(stream, 0, 0)
        while data := stream.recv(2**16):
            found.append(data)
        stream.finish()
        return b"".join(found)

    return download


@pytest.fixture
def upload(node1):
    """Write into a volume."""

    def upload(volume, data, at=0):
        stream = node1.newStream()
        volume.upload(stream, at, 0)
        for place in range(0, len(data), 2**16):
            stream.send(data[place : place + 2**16])
        stream.finish()

    return upload
