"""Storage pools, in every state."""

import libvirt

from oracle.definitions import pool_xml, uuid

BUILD = libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD

WRONG = [
    "<pool>", "<pool/>", "<net/>", "<pool type='x'><name>a</name></pool>", "<pool type='dir'/>",
    "<pool type='dir'><name>a</name></pool>",
    "<pool type='dir'><name></name><target><path>/a</path></target></pool>",
    "<pool type='dir'><name>a/b</name><target><path>/a</path></target></pool>",
    "<pool type='dir'><name>a</name><uuid>x</uuid><target><path>/a</path></target></pool>",
    "<pool type='dir'><target><path>/a</path></target></pool>",
    "<pool type='fs'><name>a</name><target><path>/a</path></target></pool>",
    ("<pool type='fs'><name>a</name><source><device path='/dev/no'/><format type='ext9'/></source>"
    "<target><path>/a</path></target></pool>"),
    ("<pool type='netfs'><name>a</name><source><host name='h'/></source><target><path>/a</path></target>"
    "</pool>"),
    ("<pool type='netfs'><name>a</name><source><dir path='/x'/></source><target><path>/a</path></target>"
    "</pool>"),
    "<pool type='rbd'><name>a</name><source><name>x</name><host name='h'/></source></pool>",
    ("<pool type='dir'><name>a</name><target><path>/a</path><permissions><mode>9</mode></permissions>"
    "</target></pool>"),
    ("<pool type='dir'><name>a</name><target><path>/a</path><permissions><owner>x</owner></permissions>"
    "</target></pool>"),
]  # fmt: skip

GOOD = [
    pool_xml("rel", path="rel"),
    pool_xml("slashes", path="/var/lib/libvirt//images/slashes/"),
    pool_xml(
        "fs", path="/var/lib/libvirt/images/fs", type="fs", source="<device path='/dev/no1/'/><name>n</name>"
    ),
    pool_xml(
        "xfs",
        path="/var/lib/libvirt/images/xfs",
        type="fs",
        source="<format type='xfs'/><device path='/dev/no2'/>",
    ),
    pool_xml(
        "nfs", path="/var/lib/libvirt/images/nfs", type="netfs", source="<host name='h'/><dir path='/x'/>"
    ),
    pool_xml(
        "nfs3",
        path="/var/lib/libvirt/images/nfs3",
        type="netfs",
        source="<dir path='/y/'/><host name='h' port='2049'/><format type='nfs'/><protocol ver='3'/>",
    ),
    pool_xml("vg", type="logical"),
    pool_xml("vg2", type="logical", source="<name>vg3</name><device path='/dev/a'/><device path='/dev/b'/>"),
    pool_xml(
        "mine",
        target="<permissions><mode>0750</mode><owner>1</owner><group>2</group><label>x</label></permissions>",
    ),
    pool_xml("usual", target="<permissions/>"),
]


def asked(ask, pool):
    """Ask all that a pool can be asked without changing it."""
    for method in (
        pool.info, pool.isActive, pool.isPersistent, pool.autostart, pool.numOfVolumes, pool.listVolumes,
        pool.listAllVolumes,
    ):  # fmt: skip
        ask(method)
    for flags in (0, 1):
        ask(pool.XMLDesc, flags)
    ask(pool.storageVolLookupByName, "nosuch")


def in_every_state(ask, connection):
    """Give a pool that is, one after another, defined, built, active, stopped, transient, and gone."""
    pool = ask(connection.storagePoolDefineXML, pool_xml("images"), 0)
    yield "defined", pool
    ask(pool.build, 0)
    yield "built", pool
    ask(pool.create, 0)
    yield "active", pool
    ask(pool.destroy)
    yield "stopped", pool
    ask(pool.undefine)
    pool = ask(connection.storagePoolCreateXML, pool_xml("images"), BUILD)
    yield "transient", pool
    ask(pool.destroy)
    yield "gone", pool


def script(ask):
    connection = ask.connect()
    ask.watch_pools(connection)
    for text in WRONG:
        ask(connection.storagePoolDefineXML, text, 0)
        ask(connection.storagePoolCreateXML, text, 0)
    defined(ask, connection)
    for state, pool in in_every_state(ask, connection):
        asked(ask, pool)
        ask(pool.create, 1 << 5)
        ask(pool.refresh, 0)
        ask(pool.refresh, 1)
        ask(pool.XMLDesc, 2)
        ask(pool.listAllVolumes, 1)
        ask(pool.setAutostart, 1)
        ask(pool.autostart)
        ask(pool.setAutostart, 0)
        ask(connection.storagePoolLookupByName, "images")
        ask(connection.storagePoolLookupByUUIDString, uuid("images"))
        ask(connection.storagePoolLookupByTargetPath, "/var/lib/libvirt/images/images/")
        for flags in (*(1 << bit for bit in range(9)), 1 << 18, 1 << 20, 1 | 2, 2 | 4, 1 | 8, 2 | 32 | 64):
            ask(connection.listAllStoragePools, flags)
        for method in (
            connection.listStoragePools, connection.listDefinedStoragePools, connection.numOfStoragePools,
            connection.numOfDefinedStoragePools, connection.listAllStoragePools,
        ):  # fmt: skip
            ask(method)
        if state in ("active", "transient"):
            ask(pool.create, 0)
            ask(pool.build, 0)
            ask(pool.delete, 0)
            ask(pool.undefine)
    of_others(ask, connection)
    redefined(ask, connection)
    ask(connection.findStoragePoolSources, "dir", None, 0)
    ask(connection.findStoragePoolSources, "nosuch", None, 0)
    ask(connection.getStoragePoolCapabilities, 0)
    reader = ask.connect(read_only=True)
    ask(reader.listAllStoragePools)
    ask(reader.storagePoolDefineXML, pool_xml("images"), 0)
    pool = ask(reader.storagePoolLookupByName, "images")
    asked(ask, pool)
    ask(pool.destroy)


def defined(ask, connection):
    """Define pools of all kinds."""
    for text in GOOD:
        pool = ask(connection.storagePoolDefineXML, text, 0)
        ask(pool.XMLDesc, 0)
        ask(pool.info)
        is_folder = "type='dir'" in text
        if "type='logical'" not in text:
            ask(pool.create, 0)
        for flags in (1, 4, 8, 12) if is_folder else (1, 12):
            ask(pool.build, flags)
        if is_folder:
            ask(pool.create, 0)
            ask(pool.destroy)
        if "type='logical'" not in text:
            ask(pool.delete, 0)
        ask(pool.undefine)


def of_others(ask, connection):
    """Define what is another's."""
    pool = ask(connection.storagePoolDefineXML, pool_xml("first"), 0)
    path = "/var/lib/libvirt/images/first"
    ask(connection.storagePoolDefineXML, pool_xml("second", path=path), 0)
    ask(connection.storagePoolCreateXML, pool_xml("second", path=f"{path}/"), 0)
    text = pool_xml("first", path=f"{path}2")
    ask(connection.storagePoolDefineXML, text.replace("<name>first", "<name>other"), 0)
    ask(connection.storagePoolDefineXML, text.replace(uuid("first"), uuid("other")), 0)
    ask(connection.storagePoolDefineXML, pool_xml("first"), 1 << 3)
    ask(pool.delete, 1)
    ask(pool.create, BUILD)
    ask(connection.storagePoolCreateXML, pool_xml("first"), 0)
    ask(connection.storagePoolCreateXML, pool_xml("first"), 1 << 4)
    ask(connection.storagePoolCreateXML, pool_xml("third"), 0)
    ask(connection.storagePoolLookupByName, "third")
    ask(connection.storagePoolCreateXML, pool_xml("third"), BUILD | 2)
    ask(connection.storagePoolCreateXML, pool_xml("third"), BUILD | 4)
    ask(pool.createXML, "<volume><name>a</name><capacity>1</capacity></volume>", 0)
    ask(pool.destroy)
    ask(pool.delete, 0)
    ask(pool.info)
    ask(pool.undefine)
    ask(pool.undefine)


def redefined(ask, connection):
    """Define what is there already."""
    pool = ask(connection.storagePoolDefineXML, pool_xml("images"), 0)
    ask(pool.create, BUILD)
    ask(connection.storagePoolDefineXML, pool_xml("images", path="/var/lib/libvirt/images/next"), 0)
    asked(ask, pool)
    ask(pool.destroy)
    asked(ask, pool)
    ask(connection.storagePoolCreateXML, pool_xml("images"), 0)
    ask(pool.isPersistent)
    ask(pool.destroy)
    ask(pool.undefine)
    ask(connection.storagePoolCreateXML, pool_xml("images"), 0)
    pool = ask(connection.storagePoolDefineXML, pool_xml("images"), 0)
    ask(pool.isPersistent)
    ask(pool.destroy)
    ask(pool.isActive)
    ask(pool.delete, 0)
    ask(pool.build, 0)
    ask(pool.delete, 0)
    ask(pool.create, 0)
