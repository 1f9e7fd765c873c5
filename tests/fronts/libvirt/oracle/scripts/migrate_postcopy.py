"""Migrations that go on as postcopy, and what can be asked and done then."""

import libvirt

from oracle.scripts.migrating import (
    LIVE,
    PERSIST,
    UNDEFINE,
    both,
    cleared,
    looked_at,
    ready,
    under_way,
    unlimited,
)

POSTCOPY = libvirt.VIR_MIGRATE_POSTCOPY


def script(ask):
    source, target = both(ask)
    domain = ready(ask, source)
    ask(domain.migrateStartPostCopy)
    ask(domain.migrate3, target, {}, LIVE | POSTCOPY)
    looked_at(ask, source, target)
    cleared(ask, source, target)
    for way in ("led", "p2p"):
        domain = ready(ask, source, "busy")
        flags = LIVE | POSTCOPY | PERSIST | (UNDEFINE if way == "p2p" else 0)
        begun = under_way(ask, domain, target, way, flags, **{"bandwidth.postcopy": 1})
        ask(domain.migrateStartPostCopy, until="lifecycle resumed", quiet=0.5)
        ask(domain.state)
        ask(domain.jobInfo)
        ask(domain.jobStats)
        ask(domain.migrateStartPostCopy)
        ask(domain.abortJob)
        ask(domain.suspend)
        there = ask(target.lookupByName, "busy")
        ask(there.state)
        ask(there.isPersistent)
        ask(there.jobStats)
        waiting = ask.begin(there.abortJob)
        ask.end(waiting)
        fast = unlimited(domain, libvirt.VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY)
        ask.end(begun, hastened=fast, quiet=0.5)
        looked_at(ask, source, target, name="busy")
        cleared(ask, source, target, name="busy")
