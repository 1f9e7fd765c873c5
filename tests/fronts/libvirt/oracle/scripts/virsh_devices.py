"""What virsh does with devices."""

import tempfile
from pathlib import Path

from oracle.definitions import IMAGES, disk_xml
from oracle.scripts.plugging import CHANNEL, DIMM, NIC, WATCHDOG, has_images, slots_xml


def script(ask):
    connection = ask.connect()
    has_images(ask, connection)
    with tempfile.TemporaryDirectory(prefix="oracle-", dir="/tmp") as folder:
        for name, text in {
            "web1": slots_xml("web1"), "bad": "<disk>", "disk": disk_xml("sdd", "scsi", "d4"),
            "nic": NIC.format("<link state='down'/>"), "channel": CHANNEL.format("unix", "org.a.0"),
            "watchdog": WATCHDOG.format("reset"), "dimm": DIMM.format(64, 0),
            "medium": disk_xml("hdc", "ide", "d6", device="cdrom"),
        }.items():  # fmt: skip
            Path(folder, f"{name}.xml").write_text(text)
        ask.virsh("define", f"{folder}/web1.xml")
        for command in COMMANDS.replace("FOLDER", folder).replace("IMAGES", IMAGES).strip().splitlines():
            ask.virsh(*command.split())
            if command == "start web1":
                ask.await_guest("web1")


COMMANDS = """
attach-disk web1 IMAGES/d1 sda
attach-disk web1 IMAGES/d1 sda --config
attach-disk web1 IMAGES/d1 sda --config
attach-disk web1 IMAGES/d2 vdb --live
attach-disk nosuch IMAGES/d2 vdb
attach-interface web1 user
attach-interface web1 network default --config --mac 52:54:00:00:00:05 --model virtio
attach-device web1 FOLDER/channel.xml --config
attach-device web1 FOLDER/bad.xml --config
attach-device web1 FOLDER/nosuch.xml
domblklist web1
domblklist web1 --details
domiflist web1
detach-interface web1 network --mac 52:54:00:00:00:05 --config
detach-interface web1 network --mac 52:54:00:00:00:05 --config
detach-disk web1 sda --config
detach-disk web1 sda --config
detach-device web1 FOLDER/channel.xml --config
start web1
attach-disk web1 IMAGES/d1 sda --persistent
attach-disk web1 IMAGES/d2 sdb --live --targetbus scsi --cache none --serial abc
attach-disk web1 IMAGES/d3 sdc --current
attach-disk web1 IMAGES/d3 sdc --live
attach-disk web1 IMAGES/d3 hdd --type cdrom
attach-disk web1 IMAGES/d7 sde --type cdrom --mode readonly --targetbus scsi
attach-device web1 FOLDER/disk.xml
attach-device web1 FOLDER/nic.xml --live --config
attach-device web1 FOLDER/channel.xml --persistent
attach-device web1 FOLDER/channel.xml --live
attach-device web1 FOLDER/watchdog.xml --live
attach-device web1 FOLDER/dimm.xml --live
attach-interface web1 network nosuch --live
domblklist web1
domblklist web1 --details
domblklist web1 --inactive
domiflist web1
domiflist web1 --inactive
domif-getlink web1 52:54:00:00:00:01
domif-setlink web1 52:54:00:00:00:01 up
domif-getlink web1 52:54:00:00:00:01
domif-setlink web1 52:54:00:00:00:01 down --config
domif-getlink web1 52:54:00:00:00:01 --config
domif-getlink web1 nosuch
domif-setlink web1 nosuch up
domif-setlink web1 52:54:00:00:00:01 odd
change-media web1 hdc IMAGES/d5
change-media web1 hdc IMAGES/d5 --insert
change-media web1 hdc IMAGES/d6 --update
change-media web1 hdc --eject
change-media web1 hdc --eject
change-media web1 hdc IMAGES/d5 --insert --live --config
change-media web1 hdc --eject --force
change-media web1 sda --eject
change-media web1 nosuch --eject
change-media web1 hdc --eject --config
update-device web1 FOLDER/medium.xml
update-device web1 FOLDER/medium.xml --config
update-device web1 FOLDER/medium.xml --persistent
update-device web1 FOLDER/bad.xml
update-device web1 FOLDER/watchdog.xml
detach-device-alias web1 nosuch
detach-device-alias web1 channel0
detach-device web1 FOLDER/channel.xml
detach-device web1 FOLDER/disk.xml
detach-device web1 FOLDER/disk.xml
detach-device web1 FOLDER/bad.xml
detach-disk web1 sda --persistent
detach-disk web1 sda
detach-disk web1 sda --print-xml
detach-disk web1 hdc
detach-disk web1 sdb
detach-interface web1 user --mac 52:54:00:00:00:99
detach-interface web1 bridge
detach-interface web1 user --config
setvcpu web1 0 --enable
setvcpu web1 0 --disable
setvcpu web1 9 --enable
setvcpu web1 x --enable
guestvcpus web1
guestvcpus web1 --cpulist 1 --enable
setmem web1 32M --config
setmaxmem web1 96M
setmaxmem web1 96M --config
dominfo web1
dumpxml web1 --inactive
destroy web1
domblklist web1
undefine web1
"""
