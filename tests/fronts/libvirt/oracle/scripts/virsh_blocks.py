"""What virsh prints of jobs of disks, of checkpoints and of backups."""

import tempfile
from pathlib import Path

from oracle.scripts.backups import backup, target
from oracle.scripts.checkpoints import checkpoint
from oracle.scripts.disks import FOLDER, chain, disk, domain_xml, pool


def script(ask):
    connection = ask.connect(blocks=True, jobs=True)
    images = pool(ask, connection)
    for name in ("web1", "web2"):
        chain(ask, connection, images, name, compat="1.1")
        ask(connection.defineXML, domain_xml(name, disk(f"{name}.qcow2")))
        ask.virsh("start", name)
    with tempfile.TemporaryDirectory(prefix="oracle-", dir="/tmp") as folder:
        Path(folder, "c1.xml").write_text(checkpoint("c1", "<disks><disk name='vda'/></disks>"))
        Path(folder, "c2.xml").write_text(checkpoint("c2", "<disks><disk name='vda'/></disks>"))
        Path(folder, "full.xml").write_text(backup(f"<disks>{target(file='full')}</disks>"))
        Path(folder, "bad.xml").write_text("<domainbackup>")
        copy = f"<disk type='file'><source file='{FOLDER}/copy2'/><driver type='raw'/></disk>"
        Path(folder, "copy.xml").write_text(copy)
        for command, until in (
            ("domblklist web1", None), ("blockjob web1 vda", None), ("blockjob web1 vda --abort", None),
            ("blockpull web1 vda --wait", None), ("blockpull web1 vdx --wait", None),
            ("blockcommit web1 vda --active --pivot --wait", None),
            ("blockcommit web2 vda --wait", None), ("blockcommit web2 vda --active --wait --pivot", None),
            ("domblklist web2", None), ("domblklist web2 --inactive", None),
            ("dumpxml web2 --inactive", None),
            (f"blockcopy web1 vda {FOLDER}/copy --wait --pivot", None),
            (f"blockcopy web1 vda {FOLDER}/copy --wait --pivot --transient-job --verbose", None),
            (f"blockcopy web1 vda --xml {folder}/copy.xml --transient-job", "block job 2"),
            ("blockjob web1 vda", None), ("blockjob web1 vda --raw", None),
            ("blockjob web1 vda --info", None),
            ("blockjob web1 vda --bandwidth 5", None), ("blockjob web1 vda --pivot", "block job 2"),
            ("domblklist web1 --details", None), ("blockjob web1 vda --pivot", None),
            (f"blockcopy web1 vda {FOLDER}/copy3 --transient-job --wait --finish", None),
            ("blockpull web1 vda --bandwidth 1", "block job 2"),
        ):  # fmt: skip
            ask.virsh(*command.split(), until=until)
        backed_up(ask, folder)


def backed_up(ask, folder):
    """Make checkpoints and backups of a domain whose disk has room for notes."""
    for command, until in (
        ("checkpoint-list web1", None),
        (f"blockcopy web1 vda {FOLDER}/q --format qcow2 --transient-job --wait --pivot", None),
        (f"checkpoint-create web1 {folder}/c1.xml", None),
        (f"checkpoint-create web1 {folder}/bad.xml", None), (f"checkpoint-create web1 {folder}/c1.xml", None),
        (f"checkpoint-create web1 {folder}/c2.xml", None),
        ("checkpoint-create-as web1 c3 --diskspec vda,checkpoint=bitmap --print-xml", None),
        ("checkpoint-create-as web1 c3 about --diskspec vda", None), ("checkpoint-list web1 --name", None),
        ("checkpoint-list web1 --tree", None), ("checkpoint-list web1 --parent --name", None),
        ("checkpoint-list web1 --roots --name", None), ("checkpoint-list web1 c1 --descendants --name", None),
        ("checkpoint-parent web1 c2", None), ("checkpoint-parent web1 c1", None),
        ("checkpoint-info web1 c2", None), ("checkpoint-dumpxml web1 c2 --no-domain", None),
        ("checkpoint-dumpxml web1 nosuch", None), ("checkpoint-delete web1 c2", None),
        ("checkpoint-delete web1 c2", None), ("checkpoint-delete web1 c1 --children-only", None),
        (f"backup-begin web1 {folder}/bad.xml", None),
        (f"backup-begin web1 {folder}/full.xml {folder}/c2.xml", "block job 2"),
        (f"backup-begin web1 {folder}/full.xml", None), ("backup-dumpxml web1", None),
        (f"backup-begin web1 {folder}/full.xml --reuse-external", "block job 2"),
        ("domjobabort web1", None), ("domjobinfo web1", None), ("domjobinfo web1 --completed", None),
        ("list --with-checkpoint", None), ("list --all --without-checkpoint", None), ("destroy web1", None),
        ("undefine web1", None), ("undefine web1 --checkpoints-metadata", None),
    ):  # fmt: skip
        ask.virsh(*command.split(), until=until)
