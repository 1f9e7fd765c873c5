"""Migrations by virsh."""

from oracle.definitions import xml


def script(ask):
    source, target = ask.connect("node1", jobs=True), ask.connect("node2", jobs=True)
    uri = ask.hosts["node2"].uri
    domain = ask(source.defineXML, xml("web1"))
    ask.virsh("migrate", "--live", "web1", uri)
    for words in (
        ["--live"], ["--live", "--persistent", "--undefinesource"], ["--live", "--verbose"],
        ["--live", "--p2p"], ["--live", "--p2p", "--tunnelled"], ["--suspend"], ["--live", "--tunnelled"],
        ["--offline"], ["--live", "--bandwidth", "100"], ["--live", "--postcopy"],
        ["--live", "--timeout", "20"],
        ["--live", "--p2p", "--persistent", "--undefinesource", "--verbose"], ["--live", "--auto-converge"],
    ):  # fmt: skip
        if source.lookupByName("web1").isActive() == 0:
            ask(domain.create)
        ask.await_guest("web1")
        ask.virsh("migrate", *words, "web1", uri)
        for host in ("node1", "node2"):
            for command in (
                ["list", "--all"], ["domjobinfo", "web1"],
                ["domjobinfo", "web1", "--completed", "--keep-completed"], ["domstate", "web1", "--reason"],
            ):  # fmt: skip
                ask.virsh(*command, host=host)
        for left in target.listAllDomains():
            persistent = left.isPersistent()
            ask(left.destroy)
            if persistent:
                ask(left.undefine)
        ask(source.defineXML, xml("web1"))
    ask(domain.destroy)
    ask.virsh("migrate", "--offline", "--persistent", "web1", uri)
    ask.virsh("migrate", "--offline", "web1", uri)
    ask.virsh("migrate", "web1")
    ask.virsh("migrate", "web1", "--live", "--p2p", "qemu+unix:///system?socket=/nowhere/sock/libvirt-sock")
    ask.virsh("migrate-setspeed", "web1", "10")
    ask.virsh("migrate-getspeed", "web1")
    ask.virsh("migrate-setmaxdowntime", "web1", "10")
    ask.virsh("migrate-getmaxdowntime", "web1")
    ask.virsh("migrate-postcopy", "web1")
    ask.virsh("domjobabort", "web1")
