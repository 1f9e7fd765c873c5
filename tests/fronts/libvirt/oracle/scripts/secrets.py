"""Secrets: defined, listed, set, read, undefined."""

import libvirt

from oracle.definitions import secret_xml, uuid

VOLUME = libvirt.VIR_SECRET_USAGE_TYPE_VOLUME
CEPH = libvirt.VIR_SECRET_USAGE_TYPE_CEPH

DEFINED = [
    secret_xml("plain"),
    secret_xml("disk", usage="<usage type='volume'><volume>/var/lib/libvirt/images/a.img</volume></usage>"),
    secret_xml("ceph", usage="<usage type='ceph'><name>client.admin secret</name></usage>"),
    secret_xml("iscsi", usage="<usage type='iscsi'><target>target</target></usage>"),
    secret_xml("tls", usage="<usage type='tls'><name>TLS</name></usage>", private="yes"),
    secret_xml("vtpm", usage="<usage type='vtpm'><name>VTPM</name></usage>", ephemeral="yes"),
    secret_xml("described", head="<description>a &lt; b</description>", ephemeral="yes", private="yes"),
    secret_xml("ceph", usage="<usage type='ceph'><name>client.admin secret</name></usage>"),
    secret_xml("ceph", usage="<usage type='ceph'><name>another</name></usage>"),
    secret_xml("ceph", usage="<usage type='iscsi'><target>client.admin secret</target></usage>"),
    secret_xml("other", usage="<usage type='ceph'><name>client.admin secret</name></usage>"),
    secret_xml("more", usage="<usage type='ceph'><name>client.admin secret</name></usage>"),
    secret_xml("plain", private="yes"),
    secret_xml("plain", ephemeral="yes"),
    secret_xml("plain", head="<description>changed</description>"),
    secret_xml("bad", usage="<usage type='x'><name>a</name></usage>"),
    secret_xml("bad", usage="<usage><name>a</name></usage>"),
    secret_xml("bad", usage="<usage type='ceph'/>"),
    secret_xml("bad", usage="<usage type='volume'/>"),
    secret_xml("bad", usage="<usage type='iscsi'/>"),
    secret_xml("bad", usage="<usage type='tls'/>"),
    secret_xml("bad", usage="<usage type='vtpm'/>"),
    secret_xml("bad", private="maybe"),
    secret_xml("bad", ephemeral="maybe"),
    "<secret>",
    "<domain/>",
    "<secret><uuid>x</uuid></secret>",
    secret_xml("none", usage="<usage type='none'/>"),
]


def looked_at(ask, secret):
    """Ask all that a secret can be asked without changing it."""
    ask(secret.UUIDString)
    ask(secret.usageType)
    ask(secret.usageID)
    ask(secret.XMLDesc)
    ask(secret.XMLDesc, 1)
    ask(secret.value)


def listed(ask, connection):
    """Ask which there are."""
    ask(connection.numOfSecrets)
    ask(connection.listSecrets)
    for flags in (0, 1, 2, 3, 4, 8, 12, 5, 6, 9, 10, 15, 16):
        ask(connection.listAllSecrets, flags)


def script(ask):
    connection = ask.connect()
    ask.watch_secrets(connection)
    listed(ask, connection)
    for text in DEFINED:
        if secret := ask(connection.secretDefineXML, text):
            looked_at(ask, secret)
    ask(connection.secretDefineXML, secret_xml("flagged"), 1)
    ask(connection.secretDefineXML, secret_xml("flagged"), 2)
    listed(ask, connection)
    found(ask, connection)
    plain = ask(connection.secretLookupByUUIDString, uuid("plain"))
    tls = ask(connection.secretLookupByUUIDString, uuid("tls"))
    vtpm = ask(connection.secretLookupByUUIDString, uuid("vtpm"))
    for secret in (plain, tls, vtpm):
        ask(secret.setValue, b"open sesame")
        ask(secret.value)
        ask(secret.setValue, b"\0\1", 0)
        ask(secret.value, 0)
        ask(secret.value, 1)
        ask(secret.setValue, b"x", 1)
        ask(secret.setValue, b"")
        ask(secret.value)
    ask(plain.setValue, b"kept")
    ask(connection.secretDefineXML, secret_xml("plain", head="<description>anew</description>"))
    ask(plain.value)
    reader = ask.connect(read_only=True)
    read = ask(reader.secretLookupByUUIDString, uuid("plain"))
    looked_at(ask, read)
    ask(read.setValue, b"x")
    ask(read.undefine)
    ask(reader.secretDefineXML, secret_xml("more"))
    ask(plain.undefine)
    looked_at(ask, plain)
    ask(plain.setValue, b"x")
    ask(plain.undefine)
    for name in ("tls", "vtpm", "disk", "ceph", "iscsi", "described"):
        secret = ask(connection.secretLookupByUUIDString, uuid(name))
        ask(secret.undefine)
    listed(ask, connection)
    commands(ask)


def found(ask, connection):
    """Look for some."""
    for name in ("plain", "nosuch"):
        ask(connection.secretLookupByUUIDString, uuid(name))
    for kind, usage in (
        (VOLUME, "/var/lib/libvirt/images/a.img"),
        (CEPH, "client.admin secret"),
        (CEPH, "nosuch"),
        (VOLUME, "client.admin secret"),
        (0, ""),
        (99, "a"),
    ):
        ask(connection.secretLookupByUsage, kind, usage)


def commands(ask):
    """Do it by virsh."""
    key = uuid("plain")
    ask.virsh("secret-define", "/dev/stdin", given=secret_xml("plain"))
    ask.virsh("secret-list")
    ask.virsh("secret-list", "--ephemeral")
    ask.virsh("secret-list", "--no-private")
    ask.virsh("secret-dumpxml", key)
    ask.virsh("secret-get-value", key)
    ask.virsh("secret-set-value", key, "b3Blbg==")
    ask.virsh("secret-get-value", key)
    ask.virsh("secret-get-value", "--plain", key)
    ask.virsh("secret-set-value", key, "x!")
    ask.virsh("secret-undefine", key)
    ask.virsh("secret-undefine", key)
