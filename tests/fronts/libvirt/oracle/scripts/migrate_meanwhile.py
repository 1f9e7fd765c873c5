"""What can be asked and done while a domain is under way, and what waits in vain."""

import libvirt

from oracle.scripts.migrating import (
    COMPLETED,
    LIVE,
    P2P,
    PERSIST,
    both,
    cleared,
    looked_at,
    ready,
    under_way,
    unlimited,
)


def script(ask):
    source, target = both(ask)
    domain = ready(ask, source, "busy")
    for way in ("led", "p2p"):
        begun = under_way(ask, domain, target, way, LIVE | PERSIST)
        seen(ask, source, domain)
        ask(domain.migrateGetMaxDowntime)
        ask(domain.migrateSetMaxDowntime, 200)
        ask(domain.migrateStartPostCopy)
        ask(domain.abortJobFlags, libvirt.VIR_DOMAIN_ABORT_JOB_POSTCOPY)
        ask(domain.abortJobFlags, 1 << 20)
        seen(ask, target, ask(target.lookupByName, "busy"))
        ask.end(begun, hastened=unlimited(domain), quiet=0.5)
        looked_at(ask, source, target, name="busy")
        cleared(ask, target, name="busy")
        ask(domain.create)
        ask.await_guest("busy")
    for way in ("led", "p2p"):
        begun = under_way(ask, domain, target, way, LIVE)
        waiting(ask, target)
        ask(domain.state)
        ask(domain.jobStats)
        ask(domain.abortJob, quiet=0.5)
        ask.end(begun)
        looked_at(ask, source, target, name="busy")
    cleared(ask, source, name="busy")


def seen(ask, connection, domain):
    """Look at a domain that is under way."""
    for method in (
        domain.state, domain.info, domain.ID, domain.isActive, domain.isPersistent, domain.isUpdated,
        domain.maxMemory, domain.vcpusFlags, domain.jobInfo, domain.jobStats, domain.hasManagedSaveImage,
        domain.autostart, domain.migrateGetMaxSpeed, domain.controlInfo,
    ):  # fmt: skip
        ask(method)
    ask(domain.jobStats, COMPLETED)
    ask(connection.listAllDomains)
    ask(connection.listDomainsID)
    ask(connection.getAllDomainStats, libvirt.VIR_DOMAIN_STATS_STATE, 0)


def waiting(ask, target):
    """Try what waits for the domain's job, on both hosts."""
    tries = []
    title = (libvirt.VIR_DOMAIN_METADATA_TITLE, "title", None, None)
    for host, method, args in [
        ("node1", "migrate3", (target, {}, LIVE)),
        ("node1", "migrateToURI3", (ask.hosts["node2"].uri, {}, LIVE | P2P)),
        ("node1", "create", ()),
        ("node1", "resume", ()),
        ("node1", "setVcpus", (1,)),
        ("node1", "setMemory", (32768,)),
        ("node1", "reboot", (0,)),
        ("node1", "shutdown", ()),
        ("node1", "setMetadata", title),
        ("node1", "undefine", ()),
        ("node2", "suspend", ()),
        ("node2", "resume", ()),
        ("node2", "setVcpus", (1,)),
        ("node2", "setMemory", (32768,)),
        ("node2", "shutdown", ()),
        ("node2", "reboot", ()),
        ("node2", "setMetadata", title),
        ("node2", "abortJob", ()),
        ("node2", "create", ()),
        ("node2", "undefine", ()),
        ("node2", "migrateGetMaxDowntime", ()),
        ("node2", "migrateSetMaxDowntime", (200,)),
        ("node2", "migrateStartPostCopy", ()),
    ]:
        # Each on a connection of its own: a daemon answers no more than a few at once on one.
        mine = ask.connect(host, events=False).lookupByName("busy")
        tries.append(ask.begin(getattr(mine, method), *args))
    for each in tries:
        ask.end(each)
