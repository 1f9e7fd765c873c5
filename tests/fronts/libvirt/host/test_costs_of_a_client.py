"""What the end of a client looks at, counted: it does not depend on what else its host has."""

import gc

from pytest_fakehv.fronts.libvirt.host.registry import DomainRegistry

AUTODESTROY = 2


class Client:
    """One that calls a host's functions by itself."""

    is_read_only, peer = False, 0


def test_of_a_client_that_is_gone_its_own_domains_are_looked_at(cluster, front, monkeypatch):
    for number in range(3):
        cluster["node1"].add_instance(f"web{number}")
    front.socket("node1")
    host, client = front._hosts["node1"], Client()
    host.audience.add(client)
    for name, flags in (("job1", AUTODESTROY), ("job2", 0)):
        xml = (
            f"<domain type='kvm'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os></domain>"
        )
        host.answer(client, "virDomainCreateXML", (xml, flags))
    walks, walk = [], DomainRegistry.__iter__
    monkeypatch.setattr(DomainRegistry, "__iter__", lambda registry: walks.append(1) or walk(registry))
    host.closed(client)
    assert walks == []
    assert sorted(cluster["node1"].ListInstances()) == ["job2", "web0", "web1", "web2"]


def test_of_domains_that_are_gone_nothing_is_kept_for_a_client(front):
    front.socket("node1")
    host, client = front._hosts["node1"], Client()
    host.audience.add(client)
    xml = "<domain type='kvm'><name>job1</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    domain = host.answer(client, "virDomainCreateXML", (xml, AUTODESTROY))[0]
    assert len(host._tied[client]) == 1
    host.answer(client, "virDomainDestroy", (domain,))
    gc.collect()
    assert len(host._tied[client]) == 0
