"""What scripts of migrations share."""

import libvirt

from oracle.definitions import xml

LIVE = libvirt.VIR_MIGRATE_LIVE
P2P = libvirt.VIR_MIGRATE_PEER2PEER
PERSIST = libvirt.VIR_MIGRATE_PERSIST_DEST
UNDEFINE = libvirt.VIR_MIGRATE_UNDEFINE_SOURCE

COMPLETED = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED
KEEP = libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED


def both(ask):
    """Connect to both hosts."""
    return ask.connect("node1", jobs=True), ask.connect("node2", jobs=True)


def ready(ask, source, name="web1", *, persistent=True, paused=False):
    """Give a domain that runs on the source."""
    if persistent:
        domain = ask(source.defineXML, xml(name))
        ask(domain.create)
    else:
        domain = ask(source.createXML, xml(name), 0)
    ask.await_guest(name)
    if paused:
        ask(domain.suspend)
    return domain


def under_way(ask, domain, target, way, flags, *, until="iteration", **params):
    """Let a migration begin that takes longer than anybody waits."""
    params = {"bandwidth": 1, **params}
    if way == "led":
        return ask.begin(domain.migrate3, target, params, flags, until=until)
    return ask.begin(domain.migrateToURI3, ask.hosts["node2"].uri, params, flags | P2P, until=until)


def unlimited(domain, flags=0):
    """Return what lets a migration go as fast as it can."""
    return lambda: domain.migrateSetMaxSpeed(4096, flags)


def looked_at(ask, *connections, name="web1"):
    """Look at what a domain has become on hosts."""
    for connection in connections:
        domain = ask(connection.lookupByName, name)
        if domain:
            for method in (
                domain.state, domain.ID, domain.isPersistent, domain.isActive, domain.jobInfo,
                domain.jobStats,
            ):  # fmt: skip
                ask(method)
            ask(domain.jobStats, COMPLETED | KEEP)
            ask(domain.jobStats, COMPLETED)
            ask(domain.jobStats, COMPLETED)


def cleared(ask, *connections, name="web1"):
    """Let a domain be nowhere."""
    for connection in connections:
        domain = ask(connection.lookupByName, name)
        if domain:
            persistent = domain.isPersistent()
            if domain.isActive():
                ask(domain.destroy)
            if persistent:
                ask(domain.undefine)
