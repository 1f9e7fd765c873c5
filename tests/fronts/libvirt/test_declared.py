"""The definition of an instance that the cluster has."""

import pytest
from documents import PLAIN, VIRT_INSTALL

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.fronts.libvirt.front import FakeLibvirt
from pytest_fakehv.fronts.libvirt.host.declared import declared

NET = "<devices><interface type='network'><source network='default'/></interface></devices>"


def test_it_is_a_plain_domain():
    definition = declared("web1", memory=64, vcpus=1)
    plain = PLAIN.replace("'qemu'>", "'kvm'>").replace("plain", "web1")
    assert definition.xml() == plain.replace(
        "00000000-0000-0000-0000-000000000000", "5e0de3b6-bddc-5888-8280-171919b4a054"
    )


def test_its_uuid_follows_from_its_name():
    one, same, other = (declared(name, memory=64, vcpus=1).uuid for name in ("web1", "web1", "web2"))
    assert one == same != other


def test_it_starts_with_what_it_has_at_least():
    definition = declared("web1", memory=1024, vcpus=4, min_memory=512)
    assert (definition.memory, definition.current_memory) == (1048576, 524288)
    assert (definition.vcpus, definition.most_vcpus) == (4, 4)


def test_what_an_instance_may_have_and_no_domain_of_a_daemon_is_no_mistake():
    definition = declared("n" * 255, memory=2**60, vcpus=1000)
    assert definition.name == "n" * 255
    assert (definition.memory, definition.current_memory) == (2**53 - 1, 2**53 - 1)
    assert (definition.vcpus, definition.most_vcpus) == (1000, 1000)


def test_a_users_xml_is_completed():
    definition = declared("web1", memory=1024, vcpus=2, xml=f"<domain>{NET}</domain>")
    assert (definition.name, definition.memory, definition.most_vcpus) == ("web1", 1048576, 2)
    assert (definition.type, definition.interfaces[0].source) == ("kvm", "default")


def test_a_users_xml_may_say_all_of_it():
    definition = declared("web1", memory=2048, vcpus=2, min_memory=512, xml=VIRT_INSTALL)
    assert (definition.current_memory, definition.vcpus) == (2097152, 2)
    fewer = VIRT_INSTALL.replace("<vcpu>2", "<vcpu current='1'>2")
    assert declared("web1", memory=2048, vcpus=2, xml=fewer).vcpus == 1


@pytest.mark.parametrize(
    ("xml", "told"),
    [
        ("<domain", "(domain_definition):1: Couldn't find end of Start Tag domain line 1\n<domain\n-------^"),
        ("<network/>", "XML error: expecting root element of 'domain', not 'network'"),
        ("<domain type='x'/>", "unsupported configuration: invalid domain type x"),
        ("<domain><name>web2</name></domain>", "it says name 'web2', the instance has 'web1'"),
        (
            "<domain><memory unit='GiB'>2</memory></domain>",
            "it says memory 2097152 KiB, the instance has 1048576 KiB",
        ),
        ("<domain><vcpu>3</vcpu></domain>", "it says vcpu 3, the instance has 2"),
    ],
)
def test_a_users_xml_that_is_wrong_is_refused(xml, told):
    with pytest.raises(DeclarationError) as caught:
        declared("web1", memory=1024, vcpus=2, xml=xml)
    assert str(caught.value) == f"xml of instance 'web1' is wrong: {told}"


def test_sizes_are_said_once(cluster, libvirt):
    cluster.add_instance("job1", xml="<domain><memory unit='b'>123456789</memory><vcpu>2</vcpu></domain>")
    with FakeLibvirt(cluster) as front:
        connection = libvirt.open(front.uri())
        job1 = connection.lookupByName("job1")
        assert (cluster.instance("job1").beparams["maxmem"], job1.maxVcpus()) == (118, 2)
        connection.close()
