"""Every way to migrate, with every flag, of every kind of domain: where it is then, and what it is there."""

import itertools

import pytest
from moving import refused

libvirt = pytest.importorskip(
    "libvirt", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
)

LIVE, PERSIST, UNDEFINE, PAUSED = (
    libvirt.VIR_MIGRATE_LIVE,
    libvirt.VIR_MIGRATE_PERSIST_DEST,
    libvirt.VIR_MIGRATE_UNDEFINE_SOURCE,
    libvirt.VIR_MIGRATE_PAUSED,
)

FLAGS = [
    sum(each)
    for count in range(5)
    for each in itertools.combinations((LIVE, PERSIST, UNDEFINE, PAUSED), count)
]

WAYS = ("managed", "p2p", "tunnelled")


@pytest.mark.parametrize("is_paused", [False, True], ids=["running", "paused"])
@pytest.mark.parametrize("is_persistent", [True, False], ids=["persistent", "transient"])
@pytest.mark.parametrize("way", WAYS)
def test_a_domain_moves(pair_of, way, is_persistent, is_paused):
    for flags in FLAGS:
        pair = pair_of()
        domain = pair.domain(persistent=is_persistent, paused=is_paused)
        pair.move(domain, way, flags)
        there = [3, 1] if is_paused or flags & PAUSED else [1, 2]
        stays = is_persistent and not flags & UNDEFINE
        assert pair.ends == ([5, 4, True] if stays else None, [*there, bool(flags & PERSIST)])
        assert pair.cluster.placement() == {"web1": "B"}
        is_forgotten = is_persistent and flags & UNDEFINE and not flags & PERSIST
        assert [each.invariant for each in pair.cluster.violations()] == ["forgotten"] * bool(is_forgotten)
        pair.front.close()


@pytest.mark.parametrize("undefine", [0, UNDEFINE])
@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_a_definition_alone_moves(pair, way, undefine):
    domain = pair.domain(running=False)
    pair.move(domain, way, libvirt.VIR_MIGRATE_OFFLINE | PERSIST | undefine)
    assert pair.ends == (None if undefine else [5, 0, True], [5, 0, True])
    assert pair.cluster.placement() == {}
    pair.cluster.assert_consistent()


def test_a_definition_that_a_migration_took_away_is_missed_until_it_is_there_again(pair):
    domain = pair.domain()
    pair.move(domain, "managed", LIVE | UNDEFINE)
    (violation,) = pair.cluster.violations()
    assert violation.what == (
        "the definition of web1 is nowhere any more: its migration undefined it on A, and did not make it "
        "persistent where it went"
    )
    there = pair.b.lookupByName("web1")
    pair.b.defineXML(there.XMLDesc())
    pair.cluster.assert_consistent()


def test_what_can_not_be_migrated_is_refused_as_libvirt_does(pair):
    domain = pair.domain(running=False)
    offline = libvirt.VIR_MIGRATE_OFFLINE
    assert refused(pair.move, domain, "managed") == (
        55,
        20,
        "Requested operation is not valid: domain is not running",
    )
    assert refused(pair.move, domain, "managed", offline) == (
        55,
        10,
        "Requested operation is not valid: offline migration must be specified with the persistent flag set",
    )
    domain.create()
    same = f"internal error: Attempt to migrate guest to the same host {uuid_of(pair.a)}"
    assert refused(domain.migrate3, pair.a, {}, LIVE) == (1, 10, same)
    p2p = libvirt.VIR_MIGRATE_PEER2PEER
    assert refused(domain.migrateToURI3, pair.front.uri("A"), {}, p2p) == (1, 10, same)
    assert refused(domain.migrateToURI3, pair.front.uri("B"), {}, LIVE) == (
        74,
        20,
        "argument unsupported: direct migration is not supported by the source host",
    )
    assert refused(domain.migrate3, pair.b, {"bogus": 1}, LIVE) == (
        74,
        0,
        "argument unsupported: parameter 'bogus' not supported",
    )
    assert refused(domain.migrate3, pair.b, {"migrate_uri": "foo://host"}, LIVE) == (
        74,
        10,
        "argument unsupported: unsupported scheme foo in migration URI foo://host",
    )
    assert refused(domain.migrate3, pair.b, {}, 1 << 27) == (
        8,
        10,
        "unsupported flags (0x8000000) in function qemuDomainMigrateBegin3Params",
    )
    other = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE).replace("web1", "zz")
    assert refused(domain.migrate3, pair.b, {"destination_xml": other}, LIVE) == (
        67,
        20,
        "unsupported configuration: Target domain name 'zz' does not match source 'web1'",
    )
    assert pair.ends == ([1, 1, True], None)
    pair.cluster.assert_consistent()


def uuid_of(connection):
    found = connection.getSysinfo().partition("<entry name='uuid'>")[2]
    return found.partition("<")[0]
