"""What virsh prints when it changes something."""

import tempfile
from pathlib import Path

from oracle.definitions import xml


def script(ask):
    ask.connect()
    with tempfile.TemporaryDirectory(prefix="oracle-", dir="/tmp") as folder:
        for name in ("web1", "job1"):
            Path(folder, f"{name}.xml").write_text(xml(name, vcpus=1, maximum=2))
        Path(folder, "bad.xml").write_text("<domain>")
        for command in (
            f"define {folder}/nosuch.xml", f"define {folder}/bad.xml", f"define {folder}/web1.xml",
            f"create {folder}/bad.xml", f"create {folder}/job1.xml --paused", f"create {folder}/job1.xml",
        ):  # fmt: skip
            ask.virsh(*command.split())
    until = {"reset web1": "reboot", "resume web1": "balloon"}
    for command in (
        "start nosuch", "destroy web1", "shutdown web1", "suspend web1", "setmem web1 32M", "start web1",
        "start web1", "suspend web1", "setmem web1 32M --config", "setmem web1 32M --live --config",
        "setmem web1 999M", "setmaxmem web1 128M", "setmaxmem web1 128M --config", "setvcpus web1 2 --live",
        "setvcpus web1 2", "setvcpus web1 9", "setvcpus web1 2 --config",
        "setvcpus web1 4 --config --maximum", "resume web1", "resume web1", "reset web1", "autostart web1",
        "autostart web1 --disable", "desc web1 a_description", "desc web1 --title a_title",
        "desc web1 --config the_next", "metadata web1 http://a/ --key k --set <b/>",
        "metadata web1 http://a/", "metadata web1 http://a/ --remove", "domrename web1 web2",
        "domjobabort web1", "undefine web1", "undefine web1", "autostart web1", "destroy web1",
        "destroy web1", "resume job1", "destroy job1 --graceful", "start job1", "nosuchcommand", "start",
        "list --nosuch", "domstate",
    ):  # fmt: skip
        ask.virsh(*command.split(), until=until.get(command))
        if command == "start web1":
            ask.await_guest("web1")
