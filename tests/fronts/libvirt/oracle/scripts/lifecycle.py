"""A persistent domain's life, with what is refused on the way."""

import libvirt

from oracle.definitions import uuid, xml


def script(ask):
    connection = ask.connect()
    domain = ask(connection.defineXML, xml("web1"))
    shut_off(ask, domain)
    running(ask, domain)
    started_and_ended(ask, domain)
    renamed(ask, connection, domain)
    undefined(ask, connection, ask(connection.lookupByName, "db1"))
    ask(domain.undefine)


def shut_off(ask, domain):
    """Try what a domain that is shut off refuses."""
    for method in (domain.state, domain.destroy, domain.suspend, domain.resume, domain.shutdown):
        ask(method)
    ask(domain.reboot, 0)
    ask(domain.reset, 0)
    ask(domain.destroyFlags, libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    ask(domain.shutdownFlags, 0)
    ask(domain.injectNMI, 0)


def running(ask, domain):
    """Let it run, pause, start anew, and end by itself."""
    ask(domain.create)
    ask.await_guest("web1")
    ask(domain.create)
    ask(domain.state)
    ask(domain.ID)
    ask(domain.resume)
    ask(domain.suspend)
    ask(domain.suspend)
    ask(domain.create)
    ask(domain.resume)
    ask(domain.reset, 0, until="reboot")
    ask(domain.reset, 1)
    ask.await_guest("web1")
    ask(domain.reboot, 0, until="reboot")
    ask.await_guest("web1")
    ask(
        domain.reboot,
        libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN | libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT,
        until="reboot",
    )
    ask.await_guest("web1")
    for flags in (
        libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT,
        libvirt.VIR_DOMAIN_REBOOT_INITCTL,
        libvirt.VIR_DOMAIN_REBOOT_SIGNAL,
        1 << 20,
    ):
        ask(domain.reboot, flags)
    for flags in (
        libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, libvirt.VIR_DOMAIN_SHUTDOWN_INITCTL,
        libvirt.VIR_DOMAIN_SHUTDOWN_SIGNAL, libvirt.VIR_DOMAIN_SHUTDOWN_PARAVIRT, 1 << 20,
    ):  # fmt: skip
        ask(domain.shutdownFlags, flags)
    ask(domain.shutdown, until="lifecycle stopped")
    ask(domain.shutdown)
    ask(domain.create)
    ask.await_guest("web1")
    ask(domain.shutdownFlags, libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, until="lifecycle stopped")


def started_and_ended(ask, domain):
    """Start and destroy it with every flag, and mark it for a start with the host."""
    for flags in (
        libvirt.VIR_DOMAIN_START_PAUSED, libvirt.VIR_DOMAIN_START_BYPASS_CACHE,
        libvirt.VIR_DOMAIN_START_FORCE_BOOT, libvirt.VIR_DOMAIN_START_VALIDATE, 1 << 20,
    ):  # fmt: skip
        ask(domain.createWithFlags, flags)
        ask(domain.info)
        ask(domain.destroy)
    ask(domain.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED)
    ask(domain.shutdown)
    ask(domain.reboot, 0)
    ask(domain.reset, 0)
    ask(domain.resume)
    ask(domain.destroyFlags, libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    ask(domain.create)
    ask(domain.destroyFlags, 1 << 20)
    ask(domain.destroyFlags, libvirt.VIR_DOMAIN_DESTROY_REMOVE_LOGS)
    ask(domain.autostart)
    ask(domain.setAutostart, 1)
    ask(domain.setAutostart, 1)
    ask(domain.autostart)
    ask(domain.setAutostart, 0)
    ask(domain.autostart)


def renamed(ask, connection, domain):
    """Rename it, and try to rename another that runs."""
    ask(domain.rename, "web2")
    ask(domain.name)
    ask(domain.state)
    domain = ask(connection.lookupByName, "web2")
    ask(domain.rename, "web2")
    ask(domain.rename, "")
    ask(domain.rename, "a/b")
    ask(domain.rename, "web3", 1)
    other = ask(connection.defineXML, xml("db1"))
    ask(domain.rename, "db1")
    ask(other.create)
    ask(other.rename, "db2")


def undefined(ask, connection, other):
    """Undefine a domain as it runs and when it is shut off, with every flag, and go on with what is gone."""
    ask(other.undefine)
    ask(other.isPersistent)
    ask(other.setAutostart, 1)
    ask(other.autostart)
    ask(other.undefine)
    ask(connection.defineXML, xml("db1"))
    ask(other.isPersistent)
    ask(other.undefineFlags, 1 << 20)
    ask(other.destroy)
    ask(other.create)
    ask(other.ID)
    ask(other.destroy)
    for flags in (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE, libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA,
        libvirt.VIR_DOMAIN_UNDEFINE_NVRAM, libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM,
        libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM,
        libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
    ):  # fmt: skip
        ask(other.undefineFlags, flags)
        ask(connection.defineXML, xml("db1"))
    ask(other.hasManagedSaveImage, 0)
    ask(other.managedSaveRemove, 0)
    ask(other.undefine)
    ask(other.undefine)
    ask(other.create)
    ask(other.destroy)
    ask(other.state)
    ask(other.setAutostart, 1)
    ask(other.autostart)
    ask(other.rename, "db3")
    ask(connection.lookupByUUIDString, uuid("db1"))
