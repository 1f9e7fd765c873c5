"""Migrations that the source leads, tunnelled ones too."""

import libvirt

from oracle.definitions import xml
from oracle.scripts.migrating import LIVE, P2P, PERSIST, UNDEFINE, both, cleared, looked_at, ready


def script(ask):
    source, target = both(ask)
    uri = ask.hosts["node2"].uri
    for ways in (P2P, P2P | libvirt.VIR_MIGRATE_TUNNELLED):
        for flags in (
            LIVE, LIVE | PERSIST, LIVE | UNDEFINE, LIVE | PERSIST | UNDEFINE, 0,
            LIVE | libvirt.VIR_MIGRATE_PAUSED,
        ):  # fmt: skip
            domain = ready(ask, source)
            ask(domain.migrateToURI3, uri, {}, flags | ways)
            looked_at(ask, source, target)
            cleared(ask, source, target)
        domain = ready(ask, source, persistent=False)
        ask(domain.migrateToURI3, uri, {}, LIVE | ways)
        looked_at(ask, source, target)
        cleared(ask, source, target)
        domain = ready(ask, source, paused=True)
        ask(domain.migrateToURI3, uri, {}, LIVE | ways)
        looked_at(ask, source, target)
        cleared(ask, source, target)
    domain = ready(ask, source)
    ask(domain.migrateToURI, uri, LIVE | P2P, None, 0)
    looked_at(ask, source, target)
    cleared(ask, source, target)
    domain = ready(ask, source)
    ask(domain.migrateToURI, uri, LIVE | P2P | PERSIST, "web1", 100)
    looked_at(ask, source, target)
    cleared(ask, source, target)
    domain = ready(ask, source)
    ask(domain.migrateToURI2, uri, None, None, LIVE | P2P | UNDEFINE, None, 0)
    looked_at(ask, source, target)
    cleared(ask, source, target)
    domain = ready(ask, source)
    ask(domain.migrateToURI2, uri, "tcp://node2", xml("web1"), LIVE | P2P, "web1", 100)
    looked_at(ask, source, target)
    cleared(ask, source, target)
