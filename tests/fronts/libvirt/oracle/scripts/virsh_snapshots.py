"""What virsh prints of saved domains and of snapshots."""

import shlex
import tempfile
from pathlib import Path

from oracle.definitions import pool_xml, snapshot_xml, volume_xml, xml
from oracle.scripts.snapshots import DISK, QCOW2


def script(ask):
    connection = ask.connect()
    pool = ask(connection.storagePoolCreateXML, pool_xml("images"), 1)
    ask(pool.createXML, volume_xml("a.qcow2", target=QCOW2), 0)
    with tempfile.TemporaryDirectory(prefix="oracle-", dir="/tmp") as folder:
        Path(folder, "web1.xml").write_text(xml("web1", devices=DISK))
        Path(folder, "one.xml").write_text(snapshot_xml("one", "<description>first</description>"))
        file = "/var/lib/libvirt/images/web1.save"
        for command in (
            f"define {folder}/web1.xml", "snapshot-list web1", "snapshot-current web1",
            f"snapshot-create web1 {folder}/one.xml", "snapshot-create-as web1 two 'the second'",
            "snapshot-create-as web1 three --no-metadata", "snapshot-create-as web1 four --print-xml",
            "snapshot-create-as web1 two", "snapshot-list web1 --name", "snapshot-list web1 --tree",
            "snapshot-list web1 --roots --name", "snapshot-list web1 --leaves --name",
            "snapshot-list web1 --name --topological", "snapshot-list web1 --active --name",
            "snapshot-list web1 --from one --name", "snapshot-list web1 --current --name --descendants",
            "snapshot-parent web1 two", "snapshot-parent web1 one", "snapshot-parent web1 --current",
            "snapshot-current web1 --name", "snapshot-current web1", "snapshot-current web1 one",
            "snapshot-info web1 one", "snapshot-info web1 --current", "snapshot-info web1 nosuch",
            "snapshot-dumpxml web1 two", "snapshot-revert web1 one", "snapshot-revert web1 --current",
            "snapshot-revert web1 nosuch", "undefine web1", "start web1", "snapshot-create-as web1 live",
            "snapshot-info web1 live", "snapshot-revert web1 one --running", "domstate web1 --reason",
            "snapshot-revert web1 live --paused", "domstate web1 --reason", "resume web1",
            "snapshot-delete web1 nosuch", "snapshot-delete web1 one --children-only",
            "snapshot-list web1 --name", "snapshot-delete web1 --current", "snapshot-list web1",
            f"save web1 {file}", "domstate web1 --reason", f"save web1 {file}", f"restore {file}",
            f"save web1 {file} --paused", f"save-image-dumpxml {file}", f"restore {file} --running",
            f"restore {file}", "restore /no/such/file", "managedsave web1", "managedsave web1",
            "domstate web1 --reason", "dominfo web1", "list --all --managed-save", "list --with-managed-save",
            "managedsave-dumpxml web1", "undefine web1", "managedsave-remove web1",
            "managedsave-remove web1", "start web1", "managedsave web1 --verbose", "start web1 --paused",
            "managedsave web1", "start web1 --force-boot", "dump web1 /var/lib/libvirt/images/web1.core",
            "dump web1 /var/lib/libvirt/images/web1.core --memory-only --format elf", "destroy web1",
            "undefine web1 --managed-save --snapshots-metadata",
        ):  # fmt: skip
            ask.virsh(*shlex.split(command))
