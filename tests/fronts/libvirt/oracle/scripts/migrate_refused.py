"""Migrations that one of the hosts refuses, and what is left of them."""

import libvirt

from oracle.definitions import changed, uuid, xml
from oracle.scripts.migrating import LIVE, P2P, PERSIST, both, cleared, looked_at, ready


def script(ask):
    source, target = both(ask)
    uri = ask.hosts["node2"].uri
    domain = ask(source.defineXML, xml("web1"))
    ask(domain.migrate3, target, {}, LIVE)
    ask(domain.migrateToURI3, uri, {}, LIVE | P2P)
    ask(domain.migrate, target, LIVE, None, None, 0)
    ask(domain.create)
    ask.await_guest("web1")
    for params, flags in [
        ({}, 1 << 30),
        ({}, LIVE | P2P),
        ({}, LIVE | libvirt.VIR_MIGRATE_TUNNELLED),
        ({}, LIVE | libvirt.VIR_MIGRATE_POSTCOPY | libvirt.VIR_MIGRATE_TUNNELLED | P2P),
        ({"nonsense": 1}, LIVE),
        ({"bandwidth": 1 << 50}, LIVE),
        ({"migrate_uri": "http://node2"}, LIVE),
        ({"destination_xml": "<domain"}, LIVE),
        ({"destination_xml": xml("web2", id=uuid("web1"))}, LIVE),
        ({"destination_xml": xml("web1", id=uuid("web2"))}, LIVE),
        ({"destination_xml": xml("web1", memory=96)}, LIVE),
        ({"destination_xml": xml("web1", vcpus=2)}, LIVE),
        ({"destination_xml": changed(xml("web1"), "x86_64", "aarch64")}, LIVE),
        ({"persistent_xml": "<domain"}, LIVE | PERSIST),
        ({"persistent_xml": xml("web1", memory=96)}, LIVE | PERSIST),
    ]:
        ask(domain.migrate3, target, params, flags)
        if not domain.isActive():
            looked_at(ask, source, target)
            cleared(ask, target)
            ask(domain.create)
            ask.await_guest("web1")
    for to, flags in [
        (uri, LIVE),
        (None, LIVE | P2P),
        ("", LIVE | P2P),
        ("qemu+unix:///system?socket=/nowhere/sock/libvirt-sock", LIVE | P2P),
        ("qemu:///system", LIVE | P2P),
        (ask.hosts["node1"].uri, LIVE | P2P),
        (uri, LIVE | P2P | 1 << 30),
    ]:
        ask(domain.migrateToURI3, to, {}, flags)
    ask(domain.migrate3, source, {}, LIVE)
    ask(domain.migrate3, ask.connect("node2", read_only=True), {}, LIVE)
    read_only = ask.connect("node1", read_only=True)
    ask(ask(read_only.lookupByName, "web1").migrate3, target, {}, LIVE)
    taken(ask, domain, target)
    looked_at(ask, source, target)
    other = ready(ask, source, "db1")
    ask(other.migrate3, target, {"persistent_xml": xml("db2", id=uuid("db1"))}, LIVE | PERSIST)
    ask(domain.migrate3, target, {"migrate_uri": "tcp://nowhere.invalid:49300"}, LIVE)


def taken(ask, domain, target):
    """Migrate to where its name or its uuid is another's, or where it runs."""
    other = ask(target.defineXML, xml("web1", id=uuid("web2")))
    ask(domain.migrate3, target, {}, LIVE)
    ask(other.undefine)
    other = ask(target.defineXML, xml("web2", id=uuid("web1")))
    ask(domain.migrate3, target, {}, LIVE)
    ask(other.undefine)
    other = ask(target.createXML, xml("web1"), 0)
    ask(domain.migrate3, target, {}, LIVE)
    ask(domain.migrateToURI3, ask.hosts["node2"].uri, {}, LIVE | P2P)
    ask(other.destroy)
