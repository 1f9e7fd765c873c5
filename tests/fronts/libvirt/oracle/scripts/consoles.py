"""Screenshots of domains, and their consoles."""

import libvirt

from oracle.definitions import xml

VIDEO = "<video><model type='vga'/></video>"
CONSOLE = "<serial type='pty'/><console type='pty'/>"
CHANNEL = "<channel type='unix'><target type='virtio' name='org.example.0'/></channel>"

SAFE = libvirt.VIR_DOMAIN_CONSOLE_SAFE
FORCE = libvirt.VIR_DOMAIN_CONSOLE_FORCE


def script(ask):
    connection = ask.connect()
    off = ask(connection.defineXML, xml("off", devices=VIDEO + CONSOLE))
    photographed(ask, connection, off)
    opened(ask, connection, off)
    bare = ask(connection.createXML, xml("bare"))
    photographed(ask, connection, bare)
    opened(ask, connection, bare)
    web1 = ask(connection.createXML, xml("web1", devices=VIDEO + CONSOLE + CHANNEL))
    ask.await_guest("web1")
    photographed(ask, connection, web1)
    opened(ask, connection, web1)
    ask(web1.suspend)
    photographed(ask, connection, web1)
    ask(web1.openConsole, None, ask.stream(connection), 0)
    reader = ask.connect(read_only=True)
    read = ask(reader.lookupByName, "web1")
    photographed(ask, reader, read)
    ask(read.openConsole, None, ask.stream(reader), 0)
    ask(web1.destroy)
    ask(bare.destroy)


def photographed(ask, connection, domain):
    """Take pictures of a domain."""
    for screen, flags in ((0, 0), (1, 0), (0, 1)):
        stream = ask.stream(connection)
        if ask(domain.screenshot, stream, screen, flags):
            data = b""
            while part := stream.recv(65536):
                data += part
            ask.note("picture", data[:8].hex())
            ask(stream.finish)


def opened(ask, connection, domain):
    """Open a domain's consoles."""
    for name, flags in (
        (None, 0), (None, SAFE), ("serial0", 0), ("console0", 0), ("channel0", 0), ("nosuch", 0), ("net0", 0),
        (None, 4),
    ):  # fmt: skip
        stream = ask.stream(connection)
        ask(domain.openConsole, name, stream, flags)
        if (name, flags) == (None, 0):
            for other in (0, SAFE, FORCE):
                again = ask.stream(connection)
                ask(domain.openConsole, None, again, other)
                ask(again.abort)
        ask(stream.abort)
    for name, flags in ((None, 0), ("org.example.0", 0), ("channel0", 0), ("nosuch", 0), (None, 2)):
        stream = ask.stream(connection)
        ask(domain.openChannel, name, stream, flags)
        ask(stream.abort)
