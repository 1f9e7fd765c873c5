"""Migrations that the client leads, with every flag of persistence, and by every function."""

import libvirt

from oracle.definitions import xml
from oracle.scripts.migrating import LIVE, PERSIST, UNDEFINE, both, cleared, looked_at, ready

PAUSED = libvirt.VIR_MIGRATE_PAUSED


def script(ask):
    source, target = both(ask)
    for flags in (LIVE, LIVE | PERSIST, LIVE | UNDEFINE, LIVE | PERSIST | UNDEFINE, 0, LIVE | PAUSED):
        domain = ready(ask, source)
        ask(domain.migrate3, target, {}, flags)
        looked_at(ask, source, target)
        cleared(ask, source, target)
    for flags in (LIVE, LIVE | PERSIST | UNDEFINE):
        domain = ready(ask, source, persistent=False)
        ask(domain.migrate3, target, {}, flags)
        looked_at(ask, source, target)
        cleared(ask, source, target)
    for flags in (LIVE, 0):
        domain = ready(ask, source, paused=True)
        ask(domain.migrate3, target, {}, flags)
        looked_at(ask, source, target)
        cleared(ask, source, target)
    older(ask, source, target)
    there_and_back(ask, source, target)


def older(ask, source, target):
    """Migrate with the older functions."""
    domain = ready(ask, source)
    ask(domain.migrate, target, LIVE, None, None, 0)
    looked_at(ask, source, target)
    cleared(ask, source, target)
    domain = ready(ask, source)
    ask(domain.migrate, target, LIVE | PERSIST, "web1", "tcp://node2", 100)
    looked_at(ask, source, target)
    cleared(ask, source, target)
    domain = ready(ask, source)
    ask(domain.migrate2, target, None, LIVE | UNDEFINE, None, None, 0)
    looked_at(ask, source, target)
    cleared(ask, source, target)
    domain = ready(ask, source)
    ask(domain.migrate2, target, xml("web1"), LIVE, "web1", "tcp://node2", 100)
    looked_at(ask, source, target)
    cleared(ask, source, target)


def there_and_back(ask, source, target):
    """Migrate to where it is defined already, and back."""
    domain = ready(ask, source)
    ask(target.defineXML, xml("web1", memory=96))
    moved = ask(domain.migrate3, target, {}, LIVE)
    looked_at(ask, source, target)
    ask(moved.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    moved = ask(moved.migrate3, source, {}, LIVE | PERSIST)
    looked_at(ask, source, target)
    ask(moved.migrate3, target, {"persistent_xml": xml("web1", vcpus=2), "bandwidth": 100}, LIVE | PERSIST)
    looked_at(ask, source, target)
    cleared(ask, source, target)
