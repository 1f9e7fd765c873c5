"""Migrations of a definition alone."""

import libvirt

from oracle.definitions import xml
from oracle.scripts.migrating import LIVE, P2P, PERSIST, UNDEFINE, both, cleared, looked_at, ready

OFFLINE = libvirt.VIR_MIGRATE_OFFLINE


def script(ask):
    source, target = both(ask)
    uri = ask.hosts["node2"].uri
    for flags in (
        OFFLINE, OFFLINE | PERSIST, OFFLINE | UNDEFINE, OFFLINE | PERSIST | UNDEFINE,
        OFFLINE | PERSIST | LIVE, OFFLINE | PERSIST | libvirt.VIR_MIGRATE_PAUSED,
    ):  # fmt: skip
        for way in ("migrate3", "migrateToURI3"):
            domain = ask(source.defineXML, xml("web1"))
            if way == "migrate3":
                ask(domain.migrate3, target, {}, flags)
            else:
                ask(domain.migrateToURI3, uri, {}, flags | P2P)
            looked_at(ask, source, target)
            for connection in (source, target):
                if left := ask(connection.lookupByName, "web1"):
                    ask(left.undefine)
    domain = ask(source.defineXML, xml("web1"))
    ask(domain.migrateToURI3, uri, {}, OFFLINE | PERSIST | P2P | libvirt.VIR_MIGRATE_TUNNELLED)
    ask(domain.migrate3, target, {}, 0)
    ask(target.defineXML, xml("web1", memory=96))
    ask(domain.migrate3, target, {}, OFFLINE | PERSIST)
    there = ask(target.lookupByName, "web1")
    ask(there.XMLDesc)
    ask(there.create)
    ask(domain.migrate3, target, {}, OFFLINE | PERSIST)
    cleared(ask, target)
    ask(domain.undefine)
    domain = ready(ask, source)
    ask(domain.migrate3, target, {}, OFFLINE | PERSIST)
    cleared(ask, source)
    domain = ready(ask, source, persistent=False)
    ask(domain.migrate3, target, {}, OFFLINE | PERSIST)
    looked_at(ask, source, target)
