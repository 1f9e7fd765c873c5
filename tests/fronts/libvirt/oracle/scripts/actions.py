"""What a definition says is to be when a guest turns itself off or starts anew; and a guest's agent."""

import libvirt

from oracle.definitions import changed, xml

AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


def script(ask):
    connection = ask.connect()
    domain = ask(connection.defineXML, changed(xml("web1"), "poweroff>destroy", "poweroff>restart"))
    ask(domain.create)
    ask.await_guest("web1")
    ask(domain.shutdown, until="reboot")
    ask(domain.info)
    ask.await_guest("web1")
    ask(domain.destroy)

    domain = ask(connection.defineXML, changed(xml("web1"), "on_reboot>restart", "on_reboot>destroy"))
    ask(domain.create)
    ask.await_guest("web1")
    ask(domain.reset, until="lifecycle stopped")
    ask(domain.reboot)
    ask(domain.state)
    ask(domain.destroy)

    ask(connection.defineXML, changed(xml("web1"), "poweroff>destroy", "poweroff>preserve"))
    ask(connection.defineXML, changed(xml("web1"), "poweroff>destroy", "poweroff>rename-restart"))
    ask(connection.defineXML, changed(xml("web1"), "on_reboot>restart", "on_reboot>preserve"))
    ask(connection.defineXML, changed(xml("web1"), "on_crash>destroy", "on_crash>restart"))
    ask(domain.create)
    ask.kill("web1")
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
