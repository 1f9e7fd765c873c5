"""Whole sessions of virt-install, virt-clone and virt-xml, in processes of their own."""

import re
import shlex
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(
    not shutil.which("virt-install"), reason="needs virt-install: apt-get install virtinst"
)

INSTALL = (
    "virt-install --memory 512,maxmemory=1024 --vcpus 1 --import --osinfo linux2020 --graphics none "
    "--noautoconsole --network network=default,mac=52:54:00:00:00:01 --disk pool=images,size=5"
)
FOLDER = "/var/lib/libvirt/images/images"


@pytest.fixture
def images(front, node1):
    """A pool of node1's, whose volumes must not be left."""
    front.add_pool("images", nodes=["node1"])
    front.cluster.forbid("orphaned")
    return node1.storagePoolLookupByName("images")


@pytest.fixture
def run(front):
    """Run a program on node1; return how it ended, and what it printed."""

    def run(command):
        program, *arguments = shlex.split(command)
        done = subprocess.run(
            [program, "--connect", front.uri("node1"), *arguments],
            env=front.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def works(run):
    """Run a program on node1 that works; return what it printed."""

    def works(command):
        code, said = run(command)
        assert code == 0, said
        return said

    return works


@pytest.fixture
def config(node1):
    """Return what of a domain's persistent XML fits a pattern."""

    def config(name, pattern):
        return re.findall(pattern, node1.lookupByName(name).XMLDesc(2))

    return config


DISKS, MACS = "<source file='(.*?)'", "<mac address='(.*?)'"


def test_a_machine_is_installed_with_a_disk_and_a_network(cluster, images, works, node1, config):
    works(f"{INSTALL} --name web1")
    assert images.listVolumes() == ["web1.qcow2"]
    assert images.storageVolLookupByName("web1.qcow2").info()[1] == 5 * 2**30
    domain = node1.lookupByName("web1")
    assert (domain.isActive(), domain.maxMemory()) == (1, 2**20)
    assert (config("web1", DISKS), config("web1", MACS)) == ([f"{FOLDER}/web1.qcow2"], ["52:54:00:00:00:01"])
    (lease,) = node1.networkLookupByName("default").DHCPLeases()
    assert lease["mac"] == "52:54:00:00:00:01"
    cluster.assert_running("web1", on="node1")
    cluster.assert_called("virStorageVolCreateXML", pool="images", volume="web1.qcow2", times=1)
    cluster.assert_consistent()


def test_its_disk_is_the_difference_to_an_image(cluster, images, works):
    image = "<volume><name>base.qcow2</name><capacity unit='GiB'>2</capacity><target>{}</target></volume>"
    images.createXML(image.format("<format type='qcow2'/>"), 0)
    works(f"{INSTALL},backing_store={FOLDER}/base.qcow2,backing_format=qcow2 --name web1")
    described = images.storageVolLookupByName("web1.qcow2").XMLDesc()
    assert f"<backingStore>\n    <path>{FOLDER}/base.qcow2</path>" in described
    cluster.assert_consistent()


def test_one_that_cant_be_installed_leaves_no_disk(cluster, images, run):
    cluster.fault("virDomainDefineXML", instance="web1", error="no such thing", code="CONFIG_UNSUPPORTED")
    code, said = run(f"{INSTALL} --name web1 --noreboot")
    assert (code, images.listVolumes()) == (1, [])
    assert "unsupported configuration: no such thing" in said
    cluster.assert_call_order("virStorageVolCreateXML", "virStorageVolDelete", volume="web1.qcow2")
    cluster.assert_consistent()


class TestClones:
    def test_its_disk_is_cloned_with_it(self, cluster, images, works, config):
        works(f"{INSTALL} --name web1 --noreboot")
        works("virt-clone -o web1 -n web2 --auto-clone")
        works(f"virt-clone -o web1 -n web3 --file {FOLDER}/third.qcow2 --mac 52:54:00:00:00:03")
        assert images.listVolumes() == ["third.qcow2", "web1.qcow2", "web2.qcow2"]
        assert config("web2", DISKS) == [f"{FOLDER}/web2.qcow2"]
        assert (config("web3", DISKS), config("web3", MACS)) == (
            [f"{FOLDER}/third.qcow2"],
            ["52:54:00:00:00:03"],
        )
        assert config("web2", MACS) != config("web1", MACS)
        cluster.assert_called("virStorageVolCreateXMLFrom", volume="web2.qcow2", times=1)
        cluster.assert_consistent()

    def test_not_of_one_that_runs(self, images, works, run):
        works(f"{INSTALL} --name web1")
        assert run("virt-clone -o web1 -n web2 --auto-clone") == (
            1,
            "ERROR    Domain to clone must be shutoff.\n",
        )
        assert images.listVolumes() == ["web1.qcow2"]

    def test_a_disk_that_cant_be_cloned(self, cluster, images, works, run):
        works(f"{INSTALL} --name web1 --noreboot")
        cluster.fault("virStorageVolCreateXMLFrom", volume="web2.qcow2", error="no")
        code, said = run("virt-clone -o web1 -n web2 --auto-clone")
        assert (code, images.listVolumes()) == (1, ["web1.qcow2"])
        assert "Couldn't create storage volume 'web2.qcow2': 'operation failed: no'" in said


class TestEdits:
    @pytest.fixture(autouse=True)
    def _web1(self, images, works):
        works(f"{INSTALL} --name web1 --noreboot")

    def test_what_it_has(self, works, config, node1):
        assert works("virt-xml web1 --edit --memory 1024,maxmemory=2048 --define") == (
            "Domain 'web1' defined successfully.\n"
        )
        works("virt-xml web1 --edit --vcpus 2 --define")
        works("virt-xml web1 --edit --metadata title='The first' --define")
        works("virt-xml web1 --edit target=vda --disk cache=none --define")
        works("virt-xml web1 --edit --boot menu=on --define")
        domain = node1.lookupByName("web1")
        assert domain.info() == [5, 2 * 2**20, 2**20, 2, 0]
        assert (domain.metadata(1, None), config("web1", "cache='(.*?)'")) == ("The first", ["none"])
        assert config("web1", "<bootmenu enable='(.*?)'") == ["yes"]

    def test_devices(self, cluster, images, works, config):
        works("virt-xml web1 --add-device --disk pool=images,size=1,target=vdb --define")
        works("virt-xml web1 --add-device --network network=default,mac=52:54:00:00:00:22 --define")
        assert config("web1", DISKS) == [f"{FOLDER}/web1.qcow2", f"{FOLDER}/web1-1.qcow2"]
        assert config("web1", MACS) == ["52:54:00:00:00:01", "52:54:00:00:00:22"]
        cluster.assert_consistent()
        works("virt-xml web1 --remove-device --disk target=vdb --define")
        works("virt-xml web1 --remove-device --network mac=52:54:00:00:00:22 --define")
        assert config("web1", DISKS) == [f"{FOLDER}/web1.qcow2"]
        assert config("web1", MACS) == ["52:54:00:00:00:01"]
        assert [each.volume for each in cluster.violations()] == ["web1-1.qcow2"]  # which it leaves there
        images.storageVolLookupByName("web1-1.qcow2").delete(0)

    def test_it_is_shown_and_started(self, works, cluster, config):
        said = works("virt-xml web1 --edit --vcpus 2 --print-diff --define --start")
        assert '-  <vcpu placement="static">1</vcpu>\n+  <vcpu placement="static">2</vcpu>\n' in said
        cluster.assert_running("web1", vcpus=2)

    def test_one_of_a_running_domain_counts_at_its_next_start(self, works, node1):
        domain = node1.lookupByName("web1")
        domain.create()
        works("virt-xml web1 --edit --vcpus 2 --define")
        assert domain.info()[3] == 1
        domain.destroy()
        domain.create()
        assert domain.info()[3] == 2

    def test_a_definition_that_is_refused(self, cluster, run, config):
        cluster.fault("virDomainDefineXML", error="no", code="CONFIG_UNSUPPORTED")
        code, said = run("virt-xml web1 --edit --vcpus 2 --define")
        assert (code, config("web1", "<vcpu.*?>(.*?)<")) == (1, ["1"])
        assert "unsupported configuration: no" in said
