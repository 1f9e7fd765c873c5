"""A session of virsh's, as somebody has one who sets up storage."""

import os
import shutil
import subprocess

import pytest

SESSION = [
    ("pool-define-as images dir --target /srv/images", "Pool images defined"),
    ("pool-build images", "Pool images built"),
    ("pool-start images", "Pool images started"),
    ("pool-autostart images", "Pool images marked as autostarted"),
    ("pool-list --name", "images"),
    ("pool-refresh images", "Pool images refreshed"),
    ("vol-create-as images a.img 10G --allocation 0", "Vol a.img created"),
    ("vol-create-as images b.qcow2 20G --format qcow2", "Vol b.qcow2 created"),
    ("vol-clone a.img c.img --pool images", "Vol c.img cloned from a.img"),
    ("vol-resize c.img 15G --pool images", "Size of volume 'c.img' successfully changed to 15G"),
    ("vol-path c.img --pool images", "/srv/images/c.img"),
    ("vol-key c.img --pool images", "/srv/images/c.img"),
    ("vol-name /srv/images/c.img", "c.img"),
    ("vol-pool /srv/images/c.img", "images"),
    ("vol-wipe c.img --pool images", "Vol c.img wiped"),
    ("vol-info c.img --pool images", "Name: c.img\nType: file\nCapacity: 15.00 GiB\nAllocation: 0.00 B"),
    ("vol-delete c.img --pool images", "Vol c.img deleted"),
    (
        "vol-list images",
        "Name Path\n--------------------------------\na.img /srv/images/a.img\nb.qcow2 /srv/images/b.qcow2",
    ),
    ("vol-delete /srv/images/b.qcow2", "Vol /srv/images/b.qcow2 deleted"),
    ("vol-delete /srv/images/a.img", "Vol /srv/images/a.img deleted"),
    ("pool-destroy images", "Pool images destroyed"),
    ("pool-delete images", "Pool images deleted"),
    ("pool-autostart images --disable", "Pool images unmarked as autostarted"),
    ("pool-undefine images", "Pool images has been undefined"),
]


@pytest.mark.skipif(not shutil.which("virsh"), reason="needs virsh: apt-get install libvirt-clients")
def test_a_session(front):
    env = {**os.environ, "LC_ALL": "C"}
    said = []
    for command, _ in SESSION:
        words = ["virsh", "-c", front.uri(), *command.split()]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=env)
        lines = (" ".join(line.split()) for line in (done.stdout + done.stderr).strip().splitlines())
        said.append((command, "\n".join(lines)))
    assert said == SESSION
