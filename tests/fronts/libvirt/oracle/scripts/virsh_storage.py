"""What virsh prints of storage pools and their volumes."""

import tempfile
from pathlib import Path

from oracle.definitions import pool_xml, volume_xml


def script(ask):
    ask.watch_pools(ask.connect())
    with tempfile.TemporaryDirectory(prefix="oracle-", dir="/tmp") as folder:
        Path(folder, "pool.xml").write_text(pool_xml("images"))
        Path(folder, "job.xml").write_text(pool_xml("job"))
        Path(folder, "bad.xml").write_text("<pool>")
        Path(folder, "volume.xml").write_text(volume_xml("a.img"))
        Path(folder, "clone.xml").write_text(volume_xml("b.img"))
        for command in (
            "pool-list --all", f"pool-define {folder}/bad.xml", f"pool-define {folder}/nosuch.xml",
            f"pool-define {folder}/pool.xml", "pool-list", "pool-list --all", "pool-list --inactive --name",
            "pool-start images", "pool-info images", "pool-build images", "pool-start images",
            "pool-start images", "pool-autostart images", "pool-list", "pool-list --all --uuid",
            "pool-list --type dir", "pool-list --type netfs,logical", "pool-list --transient",
            "pool-info images",
            "pool-info images --bytes", "pool-dumpxml images", "pool-dumpxml images --inactive",
            "pool-uuid images", "pool-refresh images", "pool-refresh nosuch", "vol-list images",
            f"vol-create images {folder}/volume.xml", f"vol-create images {folder}/volume.xml",
            f"vol-create images {folder}/bad.xml", f"vol-create-from images {folder}/clone.xml a.img",
            "vol-create-as images c.img 1G --allocation 0",
            "vol-create-as images d.qcow2 1G --format qcow2",
            ("vol-create-as images e.qcow2 1G --format qcow2 "
            "--backing-vol d.qcow2 --backing-vol-format qcow2"), "vol-create-as images c.img 1G",
            "vol-create-as images f.img x", "vol-clone a.img g.img --pool images",
            "vol-clone nosuch h.img --pool images", "vol-list images", "vol-list images --details",
            "vol-info a.img --pool images", "vol-info a.img images --bytes",
            "vol-info d.qcow2 images --physical",
            "vol-info nosuch images", "vol-dumpxml a.img images", "vol-path a.img images",
            "vol-key a.img images", "vol-name /var/lib/libvirt/images/images/a.img",
            "vol-pool /var/lib/libvirt/images/images/a.img",
            "vol-pool /var/lib/libvirt/images/images/a.img --uuid", "vol-path a.img", "vol-info a.img",
            "vol-resize a.img 20M images", "vol-resize a.img 5M images", "vol-resize a.img 5M images --delta",
            "vol-resize c.img 2G images --allocate", "vol-resize c.img 1G images --shrink",
            "vol-wipe a.img images", "vol-wipe a.img images --algorithm nosuch", "vol-delete a.img images",
            "vol-delete a.img images", "vol-delete /var/lib/libvirt/images/images/b.img",
            "pool-destroy images", "pool-destroy images", "vol-list images", "pool-delete images",
            "pool-autostart images --disable", "pool-list --all", "pool-undefine images",
            "pool-undefine images", f"pool-create {folder}/job.xml", f"pool-create {folder}/job.xml --build",
            "pool-list --all", "pool-list --transient", "pool-name job",
            "pool-name aaaaaaaa-0000-4000-8000-00009a2b8f9f", "pool-autostart job", "pool-destroy job",
            "pool-define-as nfs netfs --source-host h --source-path /x --target /no/nfs",
            "pool-dumpxml nfs", "pool-define-as vg logical --source-name vg --print-xml",
            "pool-create-as job dir --target /var/lib/libvirt/images/job", "pool-destroy job",
            "pool-define-as job dir --target /var/lib/libvirt/images/job", "pool-delete job",
            "pool-undefine job", "pool-undefine nfs", "find-storage-pool-sources dir",
            "find-storage-pool-sources-as netfs", "pool-event --list", "pool-list --all",
        ):  # fmt: skip
            ask.virsh(*command.split())
