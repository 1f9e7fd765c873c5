"""What the tests of storage share: the XML of pools and volumes."""

import uuid

GIB = 2**30
MIB = 2**20


def pool_xml(name, *, path=None, kind="dir", source="", more=""):
    """Return a pool's XML."""
    key = uuid.uuid5(uuid.NAMESPACE_DNS, name)
    return (
        f"<pool type='{kind}'><name>{name}</name><uuid>{key}</uuid>{more}<source>{source}</source>"
        f"<target><path>{path or f'/srv/{name}'}</path></target></pool>"
    )


def nfs_xml(name, directory="/export"):
    """Return the XML of a pool that hosts can share."""
    source = f"<host name='nfs1'/><dir path='{directory}'/><format type='nfs'/>"
    return pool_xml(name, kind="netfs", source=source)


def volume_xml(name, capacity=10 * MIB, *, allocation=None, form="raw", more=""):
    """Return a volume's XML; sizes are in bytes."""
    said = "" if allocation is None else f"<allocation>{allocation}</allocation>"
    return (
        f"<volume><name>{name}</name><capacity>{capacity}</capacity>{said}{more}"
        f"<target><format type='{form}'/></target></volume>"
    )
