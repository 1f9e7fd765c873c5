"""Domains whose process ends behind the host's back."""

from oracle.definitions import xml


def script(ask):
    connection = ask.connect()
    domain = ask(connection.defineXML, xml("web1"))
    ask(domain.create)
    ask.kill("web1")
    for method in (
        domain.state,
        domain.info,
        domain.isActive,
        domain.ID,
        domain.suspend,
        domain.destroy,
        domain.shutdown,
    ):
        ask(method)
    ask(domain.create)
    ask(domain.state)
    ask(domain.suspend)
    ask.kill("web1")
    ask(domain.resume)
    ask(connection.listAllDomains, 64)
    ask(connection.createXML, xml("job1"), 0)
    transient = ask(connection.lookupByName, "job1")
    ask.kill("job1")
    ask(transient.state)
    ask(transient.info)
    ask(transient.destroy)
    ask(connection.listAllDomains)
    ask(connection.createXML, xml("job1"), 0)
    ask(transient.state)
    ask(transient.ID)
    ask(domain.setAutostart, 1)
    ask(domain.create)
    ask.kill("web1")
    ask(domain.autostart)
    ask(domain.isPersistent)
    ask(domain.undefine)
