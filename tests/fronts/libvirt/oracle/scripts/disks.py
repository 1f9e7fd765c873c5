"""Disks with something beneath them, which several scripts need."""

import libvirt

from oracle.definitions import pool_xml, volume_xml, xml

BUILD = libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD
FOLDER = "/var/lib/libvirt/images/images"
QCOW2 = "<format type='qcow2'/>"
SIZE = 4 * 2**20


def pool(ask, connection):
    """Make a pool, and return it."""
    return ask(connection.storagePoolCreateXML, pool_xml("images"), BUILD)


def volume(ask, pool, name, *, backing=None, form="qcow2", compat=""):
    """Make a volume of 4 MiB, what it is the difference to being named."""
    rest = ""
    if backing:
        kind = "qcow2" if backing.endswith("qcow2") else "raw"
        rest = f"<backingStore><path>{FOLDER}/{backing}</path><format type='{kind}'/></backingStore>"
    target = f"<format type='{form}'/>{compat and f'<compat>{compat}</compat>'}"
    return ask(pool.createXML, volume_xml(name, "4", rest=rest, target=target), 0)


def fill(connection, volume, byte=b"x", size=SIZE):
    """Write into a volume."""
    stream = connection.newStream()
    volume.upload(stream, 0, size, 0)
    for _ in range(size // 65536):
        stream.send(byte * 65536)
    stream.finish()


def content(connection, volume):
    """Return what is in a volume."""
    stream = connection.newStream()
    volume.download(stream, 0, 0, 0)
    parts = []
    while part := stream.recv(65536):
        parts.append(part)
    stream.finish()
    return b"".join(parts)


def chain(ask, connection, pool, name="web1", compat=""):
    """Make three volumes that are differences, one to the other: the first has data."""
    fill(connection, volume(ask, pool, f"{name}-base", form="raw"))
    volume(ask, pool, f"{name}-mid.qcow2", backing=f"{name}-base", compat=compat)
    volume(ask, pool, f"{name}.qcow2", backing=f"{name}-mid.qcow2", compat=compat)
    return f"{name}.qcow2"


def disk(source, target="vda", form="qcow2", rest=""):
    """Return a disk."""
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/>"
        f"<source file='{FOLDER}/{source}'/><target dev='{target}' bus='virtio'/>{rest}</disk>"
    )


def domain_xml(name, *disks):
    """Return a domain's definition that has disks."""
    return xml(name, devices="".join(disks))
