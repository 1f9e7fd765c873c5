"""What a definition says is to be when a guest turns itself off or starts anew; and a guest's agent."""

import libvirt

from oracle.definitions import changed, xml

AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


def script(ask):
    connection = ask.connect()
    for name, old, new, method, until in (
        ("web1", "poweroff>destroy", "poweroff>restart", "shutdown", "reboot"),
        ("web2", "on_reboot>restart", "on_reboot>destroy", "reset", "lifecycle stopped"),
        ("web3", "on_reboot>restart", "on_reboot>destroy", "reboot", "lifecycle stopped"),
    ):
        domain = ask(connection.defineXML, changed(xml(name), old, new))
        ask(domain.create)
        ask.await_guest(name)
        ask(getattr(domain, method), until=until)
    for old, new in (
        ("poweroff>destroy", "poweroff>preserve"),
        ("poweroff>destroy", "poweroff>rename-restart"),
        ("on_reboot>restart", "on_reboot>preserve"),
    ):
        ask(connection.defineXML, changed(xml("web4"), old, new))
    domain = ask(connection.defineXML, changed(xml("web4"), "on_crash>destroy", "on_crash>restart"))
    ask(domain.create)
    ask.kill("web4")
    ask(domain.state)
    ask(domain.undefine)

    domain = ask(connection.defineXML, xml("agent", devices=AGENT))
    with_agent(ask, domain)
    ask(domain.create)
    ask.await_guest("agent")
    with_agent(ask, domain)
    ask(domain.shutdownFlags, libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
    ask(domain.reboot, libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT)
    ask(domain.suspend)
    with_agent(ask, domain)
    ask(domain.resume)
    ask(domain.shutdown, until="lifecycle stopped")


def with_agent(ask, domain):
    """Ask for what a guest's agent does."""
    ask(domain.hostname)
    ask(domain.getTime)
    ask(domain.fsInfo)
    ask(domain.fsFreeze)
    ask(domain.guestInfo)
    ask(domain.guestVcpus)
    ask(domain.setUserPassword, "root", "x")
    ask(domain.vcpusFlags, libvirt.VIR_DOMAIN_VCPU_GUEST)
    ask(domain.setVcpusFlags, 1, libvirt.VIR_DOMAIN_VCPU_GUEST)
