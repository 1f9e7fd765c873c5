"""Domains in every state."""

import libvirt

from oracle.definitions import xml


def in_every_state(ask, connection, **definition):
    """Give a domain that is, one after another, shut off, running, paused, transient, and gone."""
    domain = ask(connection.defineXML, xml("web1", **definition))
    yield "shut off", domain
    # The balloon is filled when the guest has come up.
    fills = "balloon" if (definition.get("current") or 9999) < definition.get("memory", 0) else None
    ask(domain.create, until=fills)
    ask.await_guest("web1")
    yield "running", domain
    ask(domain.suspend)
    yield "paused", domain
    ask(domain.destroy)
    ask(domain.undefine)
    domain = ask(connection.createXML, xml("job1", **definition), 0, until=fills)
    ask.await_guest("job1")
    yield "transient", domain
    ask(domain.destroy)
    yield "gone", domain


AFFECTS = [
    libvirt.VIR_DOMAIN_AFFECT_CURRENT,
    libvirt.VIR_DOMAIN_AFFECT_LIVE,
    libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG,
]
