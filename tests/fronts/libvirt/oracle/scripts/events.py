"""Events by connection and by domain, and no more once they are deregistered."""

import libvirt

from oracle.definitions import xml

LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE


def ignore(*_):
    """Take an event for nothing."""


def script(ask):
    connection = ask.connect()
    second = ask.connect()
    elsewhere = ask.connect("node2")
    web1 = ask(connection.defineXML, xml("web1"))
    db1 = ask(second.defineXML, xml("db1"))
    number = ask(connection.domainEventRegisterAny, web1, LIFECYCLE, ignore, None)
    ask(connection.domainEventRegisterAny, db1, LIFECYCLE, ignore, None)
    again = ask(
        connection.domainEventRegisterAny, ask(connection.lookupByName, "db1"), LIFECYCLE, ignore, None
    )
    for kind in range(26):
        ask(connection.domainEventRegisterAny, None, kind, ignore, None)
    ask(connection.domainEventRegisterAny, None, 999, ignore, None)
    ask(web1.create)
    ask(db1.create)
    ask.await_guest("web1")
    ask(web1.setMemory, 32 * 1024, until="balloon")
    ask(web1.reset, 0, until="reboot")
    ask(connection.domainEventDeregisterAny, number)
    ask(connection.domainEventDeregisterAny, number)
    ask(connection.domainEventDeregisterAny, 9999)
    ask(web1.setMetadata, libvirt.VIR_DOMAIN_METADATA_TITLE, "t", None, None, 3)
    ask(web1.suspend)
    ask(db1.suspend)
    ask(connection.domainEventDeregisterAny, again)
    ask(second.close)
    ask(db1.resume)
    ask(elsewhere.defineXML, xml("web1"))
    ask(web1.undefine)
    ask(web1.destroy)
    db1 = ask(connection.lookupByName, "db1")
    ask(db1.destroy)
