"""What virsh prints of hosts and domains."""

from oracle.definitions import xml


def script(ask):
    connection = ask.connect()
    ask.virsh("list")
    ask.virsh("list", "--all")
    ask(
        connection.defineXML,
        xml("off", head="<title>A title</title>\n  <description>What it is for</description>"),
    )
    running = ask(connection.defineXML, xml("running", vcpus=1, maximum=2))
    ask(running.create)
    paused = ask(connection.createXML, xml("paused"), 0)
    ask(paused.suspend)
    for command in (
        "version", "uri", "hostname", "nodeinfo", "capabilities", "sysinfo", "maxvcpus", "freecell",
        "nodememstats", "nodecpumap", "nodecpustats", "list", "list --all", "list --all --title",
        "list --all --name", "list --all --uuid", "list --inactive", "list --state-paused",
        "list --transient", "list --autostart --all", "list --all --managed-save", "list --all --id",
    ):  # fmt: skip
        ask.virsh(*command.split())
    for name in ("off", "running", "paused", "nosuch"):
        for command in (
            "dominfo", "domstate --reason", "domstate", "domid", "domname", "domuuid", "domstats", "dumpxml",
            "dumpxml --inactive", "dommemstat", "vcpuinfo", "vcpucount", "domdisplay", "desc", "desc --title",
            "domjobinfo", "domcontrol", "domblklist", "domiflist", "schedinfo", "cpu-stats", "domtime",
            "domhostname", "domifaddr", "domfsinfo", "guestvcpus", "vcpupin", "metadata --uri http://a/",
            "vncdisplay", "ttyconsole", "snapshot-list", "emulatorpin", "domfsfreeze", "domblkinfo --all",
            "perf", "memtune", "numatune", "iothreadinfo", "blkdeviotune fda",
        ):  # fmt: skip
            word, *options = command.split()
            ask.virsh(word, name, *options)
    ask.virsh("domid", "2")
    ask.virsh("domname", "1")
    ask.virsh("domstats")
    ask.virsh("domstats", "--state", "--list-inactive")
