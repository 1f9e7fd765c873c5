"""How large an instance is that is declared with a domain's XML."""

import pytest

from pytest_fakehv import FakeCluster, InstanceSpec

XML = (
    "<domain type='qemu'><memory unit='GiB'>2</memory><currentMemory unit='MiB'>512</currentMemory>"
    "<vcpu current='1'>3</vcpu></domain>"
)


def sizes(**given):
    spec = InstanceSpec("web1", **given)
    return spec.memory, spec.min_memory, spec.vcpus


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (2048, 512, 3)),
        ({"memory": "2G"}, (2048, None, 3)),
        ({"vcpus": 2}, (2048, 512, 2)),
        ({"min_memory": 64}, (2048, 64, 3)),
        ({"memory": 1024, "vcpus": 1}, (1024, None, 1)),
    ],
)
def test_what_no_argument_says_the_xml_does(given, expected):
    assert sizes(xml=XML, **given) == expected


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<domain/>", (1024, None, 1)),
        ("<domain", (1024, None, 1)),
        ("<domain><memory/><vcpu>x</vcpu></domain>", (1024, None, 1)),
        ("<domain><memory unit='ell'>7</memory></domain>", (1024, None, 1)),
        ("<domain><memory>1000001</memory></domain>", (977, None, 1)),
        ("<domain><memory unit='MB'>100</memory></domain>", (96, None, 1)),
        ("<domain><currentMemory unit='M'>64</currentMemory></domain>", (1024, 64, 1)),
        ("<domain><currentMemory unit='GiB'>64</currentMemory></domain>", (1024, None, 1)),
    ],
)
def test_what_it_does_not_say_is_as_usual(xml, expected):
    assert sizes(xml=xml) == expected


def test_a_new_xml_counts_for_one_that_was_declared_before():
    cluster = FakeCluster.in_memory()
    cluster.add_instance("web1", memory=64, vcpus=2, state="stopped")
    assert cluster.instance("web1", xml=XML).beparams == {"minmem": 512, "maxmem": 2048, "vcpus": 3}
    assert cluster.instance("web1", xml="<domain/>").beparams["maxmem"] == 2048
    assert cluster.instance("web1", xml=XML, memory=128).beparams == {
        "minmem": 128,
        "maxmem": 128,
        "vcpus": 3,
    }
