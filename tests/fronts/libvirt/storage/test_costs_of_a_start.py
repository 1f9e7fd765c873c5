"""What a start looks at, counted: it does not depend on what else runs, where that has none of its images."""

import pytest
from stored import volume_xml

from pytest_fakehv.fronts.libvirt.host.storage import opening


def domain_xml(name, kind, source):
    """Return the XML of a domain with one disk."""
    return (
        f"<domain type='kvm'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os><devices>"
        f"<disk type='{kind}' device='disk'><driver name='qemu' type='raw'/><source {source}/>"
        f"<target dev='vda'/></disk></devices></domain>"
    )


@pytest.fixture
def count(monkeypatch):
    """A function that counts the calls of one of that module's, and returns how often it has been called."""

    def count(name):
        calls, function = [], getattr(opening, name)
        monkeypatch.setattr(opening, name, lambda *given: calls.append(given) or function(*given))
        return lambda: len(calls)

    return count


def test_for_disks_that_no_pool_holds_it_looks_at_no_other_domain(node1, images, count):
    looks, before, counts = count("held"), 0, set()
    for number in range(5):
        node1.createXML(domain_xml(f"web{number}", "file", f"file='/elsewhere/web{number}.img'"))
        counts.add(looks() - before)
        before = looks()
    assert counts == {2}


def test_no_options_are_written_that_nobody_is_told_of(node1, images, count):
    options = count("_written")
    for name in ("web1", "web2"):
        images.createXML(volume_xml(name))
        node1.createXML(domain_xml(name, "volume", f"pool='images' volume='{name}'"))
    assert options() == 0


def test_what_a_pool_holds_may_be_opened_beside_what_runs_and_is_copied_elsewhere(node1, images):
    images.createXML(volume_xml("web2"))
    elsewhere = node1.createXML(domain_xml("web1", "file", "file='/elsewhere/web1.img'"))
    elsewhere.blockCopy("vda", "<disk type='file'><source file='/elsewhere/copy.img'/></disk>", {}, 0)
    node1.createXML(domain_xml("web2", "volume", "pool='images' volume='web2'"))
    assert sorted(each.name() for each in node1.listAllDomains()) == ["web1", "web2"]
