"""Domains saved and restored: to files, and by their host; what is refused on the way, and dumps."""

import libvirt

from oracle.definitions import changed, uuid, xml
from oracle.recording import Definition

FILE = "/var/lib/libvirt/images/web1.save"
OTHER = "/var/lib/libvirt/images/other.save"
RUNNING = libvirt.VIR_DOMAIN_SAVE_RUNNING
PAUSED = libvirt.VIR_DOMAIN_SAVE_PAUSED
MANAGED = libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE
UNMANAGED = libvirt.VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE


def text(said, name="text"):
    """Return a text that a host said, under a name that calls show."""
    result = Definition(said or "")
    result.shown = name
    return result


def script(ask):
    connection = ask.connect(jobs=True)
    domain = ask(connection.defineXML, xml("web1"))
    shut_off(ask, connection, domain)
    ask(domain.create)
    ask.await_guest("web1")
    to_files(ask, connection, domain)
    images(ask, connection, domain)
    elsewhere(ask, domain)
    managed(ask, connection, domain)
    managed_paused(ask, domain)
    undefined(ask, connection, domain)
    transient(ask, connection)
    dumped(ask, connection)


def shut_off(ask, connection, domain):
    """Try what a domain that is shut off refuses, and what no file has."""
    ask(domain.save, FILE)
    ask(domain.saveFlags, FILE, None, 0)
    ask(domain.saveParams, {"file": FILE}, 0)
    ask(domain.managedSave, 0)
    ask(domain.managedSave, 1 << 20)
    ask(domain.hasManagedSaveImage, 0)
    ask(domain.hasManagedSaveImage, 1)
    ask(domain.managedSaveRemove, 0)
    ask(domain.managedSaveRemove, 1)
    ask(domain.managedSaveGetXMLDesc, 0)
    ask(domain.managedSaveGetXMLDesc, 1 << 20)
    ask(domain.managedSaveDefineXML, xml("web1"), 0)
    ask(domain.managedSaveDefineXML, xml("web1"), 1 << 20)
    for path in (FILE, "/no/such/file", "/var/lib/libvirt/images"):
        ask(connection.restore, path)
        ask(connection.saveImageGetXMLDesc, path, 0)
        ask(connection.saveImageDefineXML, path, xml("web1"), 0)
    ask(connection.restoreFlags, FILE, None, 1 << 20)
    ask(connection.restoreParams, {"file": FILE}, 0)
    ask(connection.restoreParams, {}, 0)
    ask(connection.restoreParams, {"nosuch": "x"}, 0)
    ask(domain.coreDump, FILE, 0)
    ask(domain.coreDumpWithFormat, FILE, 0, 0)


def to_files(ask, connection, domain):
    """Save to files, in every way, and restore."""
    ask(domain.saveFlags, FILE, None, RUNNING | PAUSED)
    ask(domain.saveFlags, FILE, None, 1 << 20)
    ask(domain.saveFlags, FILE, "<domain", 0)
    ask(domain.saveFlags, FILE, changed(xml("web1"), "<name>web1", "<name>web2"), 0)
    ask(domain.saveParams, {"nosuch": FILE}, 0)
    ask(domain.save, "/var/lib/libvirt/images")
    ask(domain.save, FILE)
    ask(domain.jobStats, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED)
    ask(domain.jobStats, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    ask(domain.jobStats, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    ask(domain.hasManagedSaveImage, 0)
    ask(connection.listAllDomains, MANAGED)
    ask(domain.save, FILE)
    ask(connection.restore, FILE)
    ask(domain.info)
    ask(domain.ID)
    ask(connection.restore, FILE)
    ask(domain.isPersistent)
    ask(domain.jobStats, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    ask(domain.suspend)
    ask(domain.save, FILE)
    ask(connection.restore, FILE)
    ask(domain.saveFlags, OTHER, None, RUNNING)
    ask(connection.restoreFlags, OTHER, None, 0)
    ask(domain.saveFlags, OTHER, None, PAUSED)
    ask(connection.restoreFlags, OTHER, None, RUNNING | PAUSED)
    ask(connection.restoreFlags, OTHER, None, RUNNING)
    ask(domain.saveFlags, OTHER, None, libvirt.VIR_DOMAIN_SAVE_BYPASS_CACHE)
    ask(connection.restoreFlags, OTHER, None, PAUSED)
    ask(domain.resume)
    ask(domain.saveParams, {"file": FILE}, 0)
    ask(connection.restoreParams, {"file": FILE}, PAUSED)
    ask(domain.resume)
    ask(domain.setMemory, 32 * 1024, until="balloon")
    ask(domain.setVcpus, 2)
    ask(domain.save, FILE)
    ask(connection.restore, FILE)
    ask(domain.info)
    ask(domain.XMLDesc, 0)
    ask(domain.destroy)
    ask(connection.restore, FILE)
    ask(domain.save, FILE)


def images(ask, connection, domain):
    """Look at images and change them."""
    ask(connection.saveImageGetXMLDesc, FILE, 0)
    ask(connection.saveImageGetXMLDesc, FILE, libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
    ask(connection.saveImageGetXMLDesc, FILE, 1 << 20)
    said = connection.saveImageGetXMLDesc(FILE, 0)
    ask(connection.saveImageDefineXML, FILE, "<domain", 0)
    ask(connection.saveImageDefineXML, FILE, xml("web2"), 0)
    ask(connection.saveImageDefineXML, FILE, xml("web1", memory=128), 0)
    ask(connection.saveImageDefineXML, FILE, xml("web1"), 1 << 20)
    ask(connection.saveImageDefineXML, FILE, text(said, "its XML"), 0)
    ask(connection.saveImageDefineXML, FILE, text(said, "its XML"), PAUSED)
    titled = text(said.replace("  <memory", "  <title>changed</title>\n  <memory", 1), "titled")
    ask(connection.saveImageDefineXML, FILE, titled, 0)
    ask(connection.saveImageDefineXML, FILE, titled, RUNNING | PAUSED)
    ask(connection.saveImageGetXMLDesc, FILE, 0)
    ask(connection.restoreFlags, FILE, xml("web2"), 0)
    ask(connection.restoreFlags, FILE, "<domain", 0)
    ask(connection.restoreFlags, FILE, text(said, "its XML"), 0)
    ask(domain.XMLDesc, 0)
    ask(domain.resume)
    ask(domain.save, FILE)
    ask(domain.undefine)
    ask(connection.restore, FILE)
    restored = ask(connection.lookupByName, "web1")
    ask(restored.isPersistent)
    ask(restored.destroy)
    ask(connection.lookupByName, "web1")
    ask(connection.defineXML, xml("web1", id=uuid("other")))
    ask(connection.restore, FILE)
    other = ask(connection.lookupByName, "web1")
    ask(other.undefine)
    domain = ask(connection.defineXML, xml("web1"))
    ask(connection.restore, FILE)


def elsewhere(ask, domain):
    """Restore on the other host what was saved on this one: the file isn't there."""
    there = ask.connect("node2", jobs=True)
    ask(there.restore, FILE)
    ask(domain.isActive)


def managed(ask, connection, domain):
    """Let the host save it, and start it."""
    ask(domain.managedSave, RUNNING | PAUSED)
    ask(domain.managedSave, 0)
    ask(domain.state)
    ask(domain.hasManagedSaveImage, 0)
    ask(connection.listAllDomains, MANAGED)
    ask(connection.listAllDomains, UNMANAGED)
    ask(domain.managedSaveGetXMLDesc, 0)
    ask(domain.XMLDesc, 0)
    said = domain.managedSaveGetXMLDesc(0)
    ask(domain.managedSaveDefineXML, xml("web2"), 0)
    ask(domain.managedSaveDefineXML, text(said, "its XML"), 0)
    ask(domain.managedSaveDefineXML, text(said, "its XML"), RUNNING | PAUSED)
    ask(domain.managedSave, 0)
    ask(domain.rename, "web5")
    ask(domain.create)
    ask(domain.hasManagedSaveImage, 0)
    ask(domain.info)
    ask(domain.jobStats, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    ask(domain.managedSaveRemove, 0)
    ask(domain.managedSave, 0)
    ask(domain.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED)
    ask(domain.resume)
    ask(domain.managedSave, 0)
    ask(domain.createWithFlags, libvirt.VIR_DOMAIN_START_FORCE_BOOT)
    ask(domain.hasManagedSaveImage, 0)
    ask.await_guest("web1")
    ask(domain.managedSave, libvirt.VIR_DOMAIN_SAVE_BYPASS_CACHE)
    ask(domain.managedSaveRemove, 0)
    ask(domain.hasManagedSaveImage, 0)
    ask(domain.managedSaveRemove, 0)
    ask(domain.create)
    ask.await_guest("web1")
    ask(domain.managedSave, 0)
    ask(connection.createXML, xml("web1"), 0)
    ask(domain.hasManagedSaveImage, 0)
    ask(domain.destroy)
    ask(domain.create)
    ask(domain.hasManagedSaveImage, 0)


def managed_paused(ask, domain):
    """The same of what is paused, and with flags that say what it does afterwards."""
    ask(domain.suspend)
    ask(domain.managedSave, 0)
    ask(domain.create)
    ask(domain.managedSave, RUNNING)
    ask(domain.create)
    ask(domain.managedSave, PAUSED)
    ask(domain.managedSaveDefineXML, text(domain.managedSaveGetXMLDesc(0), "its XML"), RUNNING)
    ask(domain.create)
    ask(domain.managedSave, PAUSED)
    ask(domain.create)
    ask(domain.resume)


def undefined(ask, connection, domain):
    """Undefine what has an image."""
    ask(domain.managedSave, 0)
    ask(domain.undefine)
    ask(domain.undefineFlags, 0)
    ask(connection.defineXML, xml("web1", head="<title>new</title>"))
    ask(domain.hasManagedSaveImage, 0)
    ask(domain.create)
    ask(domain.XMLDesc, 0)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    ask(domain.managedSave, 0)
    ask(domain.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    ask(domain.state)
    domain = ask(connection.defineXML, xml("web1"))
    ask(domain.hasManagedSaveImage, 0)
    ask(domain.undefine)


def transient(ask, connection):
    """Save what is there only while it runs."""
    domain = ask(connection.createXML, xml("job"), 0)
    ask.await_guest("job")
    ask(domain.managedSave, 0)
    ask(domain.hasManagedSaveImage, 0)
    ask(domain.save, OTHER)
    ask(domain.state)
    ask(connection.restore, OTHER)
    domain = ask(connection.lookupByName, "job")
    ask(domain.isPersistent)
    ask(domain.destroy)
    ask(connection.listAllDomains, 0)


def dumped(ask, connection):
    """Dump the memory of what runs."""
    domain = ask(connection.createXML, xml("job"), 0)
    ask.await_guest("job")
    ask(domain.coreDump, "/var/lib/libvirt/images/job.core", 1 << 20)
    ask(domain.coreDump, "/var/lib/libvirt/images/job.core", 0)
    for flags in (
        libvirt.VIR_DUMP_LIVE, libvirt.VIR_DUMP_MEMORY_ONLY, libvirt.VIR_DUMP_BYPASS_CACHE,
        libvirt.VIR_DUMP_LIVE | libvirt.VIR_DUMP_CRASH,
        libvirt.VIR_DUMP_CRASH | libvirt.VIR_DUMP_RESET,
    ):  # fmt: skip
        ask(domain.coreDump, "/var/lib/libvirt/images/job.core", flags)
    for form in (0, 1, 2, 3, 4, 5):
        ask(domain.coreDumpWithFormat, "/var/lib/libvirt/images/job.core", form, libvirt.VIR_DUMP_MEMORY_ONLY)
    ask(domain.coreDumpWithFormat, "/var/lib/libvirt/images/job.core", 1, 0)
    ask(domain.suspend)
    ask(domain.coreDump, "/var/lib/libvirt/images/job.core", 0)
    ask(domain.coreDump, "/var/lib/libvirt/images/job.core", libvirt.VIR_DUMP_MEMORY_ONLY)
    ask(domain.resume)
    ask(domain.coreDump, "/var/lib/libvirt/images/job.core", libvirt.VIR_DUMP_CRASH)
