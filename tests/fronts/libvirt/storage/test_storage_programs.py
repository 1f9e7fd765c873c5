"""Programs that make storage: virt-install, virt-clone, and what of virsh's takes storage away."""

import shutil
import subprocess

import pytest

INSTALL = (
    "virt-install --name web1 --memory 512 --vcpus 1 --disk size=5 --import --osinfo linux2020 "
    "--network none --graphics none --noautoconsole --noreboot"
)


@pytest.mark.skipif(not shutil.which("virt-install"), reason="needs virt-install: apt-get install virtinst")
def test_a_machine_is_installed_cloned_and_removed_with_its_disks(front, node1):
    def run(command):
        done = subprocess.run(
            command.split(), env=front.env, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run(f"{INSTALL} --connect {front.uri()}")
    pool = node1.storagePoolLookupByName("default")
    assert (pool.listVolumes(), pool.autostart()) == (["web1.qcow2"], 1)
    run(f"virt-clone --connect {front.uri()} -o web1 -n web2 --auto-clone")
    assert pool.listVolumes() == ["web1.qcow2", "web2.qcow2"]
    assert pool.storageVolLookupByName("web2.qcow2").info()[1] == 5 * 2**30
    run(f"virsh -c {front.uri()} undefine web1 --remove-all-storage")
    assert pool.listVolumes() == ["web2.qcow2"]
