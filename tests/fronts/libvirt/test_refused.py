"""What is refused, as the documentation has it."""

import re
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip(  # by what it has inside: of its own name, there is this folder
    "libvirtmod", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
)
import libvirt
import libvirt_qemu

from pytest_fakehv.fronts.libvirt.host.apis import APIS
from pytest_fakehv.fronts.libvirt.wire.procedures import PROCEDURES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "libvirt-refused.md"

DOMAIN = """
<domain type='kvm'>
  <name>web1</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file'>
      <driver name='qemu' type='qcow2'/>
      <source file='/srv/images/web1.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>
</domain>
"""
POOL = "<pool type='dir'><name>images</name><target><path>/srv/images</path></target></pool>"
VOLUME = (
    "<volume><name>web1.qcow2</name><capacity>1000000</capacity>"
    "<target><format type='qcow2'/></target></volume>"
)
SNAPSHOT = "<domainsnapshot><name>late</name></domainsnapshot>"
PULL = "<domainbackup mode='pull'><server transport='unix' socket='/tmp/nbd'/></domainbackup>"
OF_THE_HOST = (
    "<hostdev mode='subsystem' type='pci' managed='yes'>"
    "<source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>"
)
VSOCK = "<vsock model='virtio'><cid auto='yes'/></vsock>"
VIRTIO_MEM = (
    "<memory model='virtio-mem'><target><size unit='MiB'>512</size><node>0</node>"
    "<block unit='MiB'>2</block><requested unit='MiB'>0</requested></target></memory>"
)
KINDS = ("disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd", "sheepdog", "gluster", "zfs", "vstorage")
SOURCE = "<source><name>n</name><host name='h'/><device path='/dev/sdb'/><dir path='/'/></source>"


def pool(kind):
    more = "<initiator><iqn name='i'/></initiator>" if kind == "iscsi-direct" else ""
    source = SOURCE.replace("<dir", f"{more}<dir").replace("</source>", "<adapter name='host0'/></source>")
    return f"<pool type='{kind}'><name>{kind}</name>{source}<target><path>/srv/{kind}</path></target></pool>"


def ask_agent(domain):
    return libvirt_qemu.qemuAgentCommand(domain, '{"execute": "guest-ping"}', 1, 0)


def plug(device, domain):
    domain.attachDeviceFlags(device, libvirt.VIR_DOMAIN_AFFECT_LIVE)


ASKED = {
    "virStoragePoolDefineXML": lambda domain: domain.connect().storagePoolDefineXML(pool("disk")),
    "virDomainBackupBegin": lambda domain: domain.backupBegin(PULL, None),
    "virDomainRevertToSnapshot": lambda domain: domain.revertToSnapshot(domain.snapshotLookupByName("late")),
    "virDomainSnapshotDelete": lambda domain: domain.snapshotLookupByName("late").delete(),
    "virDomainCoreDumpWithFormat": lambda domain: domain.coreDumpWithFormat("/srv/images/core", 1),
    "virDomainMigrateToURI3": lambda domain: domain.migrateToURI3("tcp://node2", {}, 1),
    "virDomainQemuAgentCommand": ask_agent,
}
PLUGGED = {
    "a device of the host's for a domain that runs": OF_THE_HOST,
    "shared memory, a virtual socket, a TPM for one": VSOCK,
    "memory of the model `virtio-mem` for one": VIRTIO_MEM,
}


def table(title):
    """Return the rows of a section's table."""
    section = PAGE.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [re.split(r" *\| *", line)[1:-1] for line in section.splitlines() if line.startswith("|")][2:]


PARTS = table("In part")


@pytest.fixture
def domain(node1):
    node1.storagePoolCreateXML(POOL, libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD).createXML(VOLUME)
    domain = node1.defineXML(DOMAIN)
    domain.create()
    return domain


def test_what_is_refused_by_name_is_named():
    answered = {each.api for table in PROCEDURES.values() for each in table.values() if each.is_answered}
    known = {each.api for table in PROCEDURES.values() for each in table.values()}
    named = re.findall(r"`(vir\w+)`", str(table("By name")))
    assert sorted(named) == sorted(known - answered - APIS.keys())


@pytest.mark.parametrize(("what", "function", "code"), PARTS, ids=[row[0] for row in PARTS])
def test_what_is_refused_in_part_is_refused_with_that_code(domain, what, function, code):
    name, number = re.fullmatch(r"`(VIR_ERR_\w+)` \((\d+)\)", code).groups()
    assert getattr(libvirt, name) == int(number)
    domain.snapshotCreateXML(SNAPSHOT, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    ask = partial(plug, PLUGGED[what]) if what in PLUGGED else ASKED[function.strip("`")]
    with pytest.raises(libvirt.libvirtError) as caught:
        ask(domain)
    assert caught.value.get_error_code() == int(number)


@pytest.mark.parametrize("kind", KINDS)
def test_pools_of_other_kinds_are_refused(node1, kind):
    assert f"`{kind}`" in PARTS[0][0]
    with pytest.raises(libvirt.libvirtError, match=rf"missing backend for pool type \d+ \({kind}\)"):
        node1.storagePoolDefineXML(pool(kind))
