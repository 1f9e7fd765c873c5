"""Many clients do whatever comes to a few domains: in the end host, cluster and what was told agree."""

import random
import threading

import pytest
from told_by_hosts import domain_xml, uuid_of

from pytest_fakehv import DeclarationError, FakeCluster, HypervisorError, NodeSpec

NAMES = "a", "b"
THREADS, CALLS = 6, 60

REFUSALS = {
    (8, 10): "requested vcpus is greater than max allowable vcpus for the",
    (9, 20): " with uuid ",
    (42, 10): "no domain with matching",
    (55, 10): None,
    (55, 20): None,
    (67, 10): "failed to find appropriate hotpluggable vcpus",
}
"""What a call may be refused with, by code and origin, and what that says; None for one of several states."""

STATES = {
    "domain is already running",
    "domain is not running",
    "cannot undefine transient domain",
    "cannot rename active domain",
    "cannot set autostart for transient domain",
    "domain 'a' is already active",
    "domain 'b' is already active",
    "domain 'a' is already being started",
    "domain 'b' is already being started",
    "domain with name 'a' already exists",
    "domain with name 'b' already exists",
    "transient domains do not have any persistent config",
    "Can't rename domain to itself",
}


def calls_of(connection, name, chance):
    """Return what can be done by a client to a domain that had a name."""
    xml = domain_xml(name, most_vcpus=4)

    def domain():
        return connection.lookupByUUIDString(uuid_of(name))

    return [
        lambda: connection.defineXML(xml),
        lambda: connection.createXML(xml, chance.choice([0, 1])),
        lambda: domain().create(),
        lambda: domain().createWithFlags(1),
        lambda: domain().destroy(),
        lambda: domain().shutdown(),
        lambda: domain().suspend(),
        lambda: domain().resume(),
        lambda: domain().undefine(),
        lambda: domain().rename(chance.choice(NAMES)),
        lambda: domain().setMemory(chance.choice([16, 32, 64]) * 1024),
        lambda: domain().setVcpusFlags(chance.choice([1, 2, 4]), chance.choice([0, 1, 2])),
        lambda: domain().setAutostart(1),
        lambda: domain().XMLDesc(),
        connection.getAllDomainStats,
        connection.listAllDomains,
    ]


def deeds_of(cluster, name):
    """Return what a test can do to an instance."""
    node = cluster["node1"]
    return [
        lambda: cluster.kill(name),
        lambda: cluster.pause(name),
        lambda: cluster.resume(name),
        lambda: node.StopInstance(cluster.instance(name), force=True),
        lambda: node.StartInstance(cluster.instance(name), [], startup_paused=False),
    ]


def replayed(told):
    """Return which domains are there by what was told: whether each runs, is paused and is persistent."""
    domains = {}
    for each in told:
        name, number, what = each.split(" ", 2)
        runs, paused, persistent = domains.pop(name, (False, False, False))
        if what in ("defined", "updated", "renamed to"):
            persistent = True
        elif what in ("undefined", "renamed"):
            persistent = False
        elif what == "started":
            runs = True
        elif what in ("suspended", "stopped by an error"):
            paused = True
        elif what == "resumed":
            paused = False
        elif what in ("destroyed", "has shut down", "failed"):
            runs, paused = False, False
        assert runs or number == "-1" or what in ("resumed", "destroyed", "has shut down", "failed"), each
        if runs or persistent or what == "resumed":
            domains[name] = runs, paused, persistent
    return domains


def is_wrong(error):
    """Tell whether a call was refused with what no state of a domain explains."""
    kind, message = (error.get_error_code(), error.get_error_domain()), error.get_error_message()
    words = REFUSALS.get(kind, "(nothing)")
    if words is None:
        return message.removeprefix("Requested operation is not valid: ") not in STATES
    return words not in message


@pytest.fixture(params=["files", "memory"])
def cluster(request, tmp_path):
    node = NodeSpec("node1", memory=8192, cpus=4)
    return FakeCluster.in_memory(node) if request.param == "memory" else FakeCluster(tmp_path / "root", node)


@pytest.mark.parametrize("seed", range(2))
def test_all_agree_in_the_end(libvirt, connect, cluster, told, seed):
    wrong = []
    connections = [connect() for _ in range(THREADS)]

    def client(number):
        chance = random.Random(f"{seed} {number}")
        connection = connections[number]
        for _ in range(CALLS):
            name = chance.choice(NAMES)
            calls = deeds_of(cluster, name) if number == 0 else calls_of(connection, name, chance)
            try:
                chance.choice(calls)()
            except libvirt.libvirtError as error:
                if is_wrong(error):
                    wrong.append(str(error))
            except (HypervisorError, DeclarationError):
                pass

    threads = [threading.Thread(target=client, args=(number,)) for number in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert wrong == []
    check(connect(), cluster["node1"], told())


def check(connection, node, told):
    """Look whether all agree."""
    domains = connection.listAllDomains()
    running = {each.name() for each in domains if each.isActive()}
    assert running == set(node.instance_names)
    paused = {each.name() for each in domains if each.state()[0] == 3}
    assert paused == {name for name, info in node.instances.items() if info.paused}
    for each in domains:
        assert connection.lookupByName(each.name()).UUIDString() == each.UUIDString()
        assert connection.lookupByUUIDString(each.UUIDString()).name() == each.name()
        assert each.isActive() or each.isPersistent()
        assert (each.ID() == -1) == (not each.isActive())
        if each.state()[0] == 1:
            assert (each.info()[2] + 1023) // 1024 == node.instances[each.name()].memory
    ids = [each.ID() for each in domains if each.isActive()]
    assert len(ids) == len(set(ids))
    states = {
        each.name(): (bool(each.isActive()), each.state()[0] == 3, bool(each.isPersistent()))
        for each in domains
    }
    assert replayed(told) == states
