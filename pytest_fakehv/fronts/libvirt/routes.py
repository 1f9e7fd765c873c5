"""Which URI leads to which node.

In this process, the functions by which libvirt's Python binding asks the C library for a connection are led.
So it makes no difference where, when, and by which name the code under test imported ``libvirt.open``. What
they return is an ordinary connection to the node's socket, with the program's own URI as its URI's fragment.
"""

import errno
import importlib
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from socket import AF_UNIX
from socket import socket as new_socket
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.fronts.libvirt import ssh
from pytest_fakehv.machine import Os
from pytest_fakehv.text import listed, shown

__tracebackhide__ = True  # a refused connection is shown at the line that asked for it

DEFAULT_URI: Final = "LIBVIRT_DEFAULT_URI"
"""The variable that says what a program opens that names nothing."""

_SYSTEM: Final = "qemu:///system"

_DRIVERS: Final = frozenset({"qemu", "kvm", "remote"})
"""What is led. By the last, the host chooses; the second is for the host to refuse, as a real one does."""

_EMBEDDED: Final = "/embed"
"""The path for a driver inside the program itself."""

_PORTS: Final = {"ssh": 22, "libssh": 22, "libssh2": 22, "tcp": 16509, "tls": 16514}
"""The transports that reach a host, and its ports unless a URI has one."""

_ITSELF: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""What each machine calls itself."""

_LED: Final = "qemu+unix:///system?name="
"""How the URIs begin that programs' own have become."""

_OPENERS: Final = ("virConnectOpen", "virConnectOpenReadOnly", "virConnectOpenAuth")

_GET_URI: Final = "virConnectGetURI"


class _Asked(NamedTuple):
    """What a URI asks for.

    Attributes:
        uri: as it was given.
        transport: libvirt's name of it.
        host: "" for the machine itself.
        port: where the host listens.
        name: what the host is told that a client opens.
    """

    uri: str
    transport: str
    host: str
    port: int
    name: str


class Routes:
    """Which URI leads to which node.

    Args:
        nodes: by name, what else each node is called, and its socket's path. It is looked at whenever
            something is asked for. A node can't be reached while nobody listens there.
        here: the node as which programs run: where a URI without a host leads. None for the first one.
        serve: called with a node's name before its socket is told; None where all are there already.

    Raises:
        DeclarationError: there is no such node.
    """

    def __init__(
        self,
        nodes: Mapping[str, tuple[Collection[str], str]],
        here: str | None = None,
        serve: Callable[[str], object] | None = None,
    ) -> None:
        self._nodes = nodes
        self._serve = serve
        self._here = here if here is None else self._known(here)

    @property
    def here(self) -> str:
        """The node as which programs run: where a URI without a host leads. It may be set."""
        if self._here is not None:
            return self._known(self._here)
        for first in self._nodes:
            return first
        raise DeclarationError("there is no node to run as")

    @here.setter
    def here(self, node: str) -> None:
        self._here = self._known(node)

    def uri(self, node: str) -> str:
        """Return a URI that leads to a node without any help, in every language and every process.

        It is good for connections that only read, too.

        Raises:
            DeclarationError: there is no such node.
        """
        return f"qemu+unix:///system?socket={quote(self.socket(node))}"

    def socket(self, node: str) -> str:
        """Return the path of a node's socket.

        Raises:
            DeclarationError: there is no such node.
        """
        _, path = self._nodes[self._known(node)]
        if self._serve:
            self._serve(node)
        return path

    def node_of(self, place: str) -> str | None:
        """Return the node of a URI that names one, of a socket's path, or of its file's name.

        Of a path, the file's name counts: whoever gave it may see the folder of the sockets elsewhere.

        Args:
            place: any of these.

        Returns:
            None for what names no node, such as ``qemu:///system``.
        """
        if "://" in place:
            parts = _parts(place)
            if parts is None:
                return None
            if parts.hostname:
                return self._called(parts.hostname)
            place = parse_qs(parts.query).get("socket", [""])[-1]
        file = posixpath.basename(place)
        return next((n for n, (_, path) in self._nodes.items() if file == posixpath.basename(path)), None)

    def hosts(self) -> Iterator[tuple[str, list[str]]]:
        """Yield sockets' paths, each with what URIs call the node, in lower case; what comes later counts."""
        yield self.socket(self.here), sorted(_ITSELF)
        for name, (addresses, _) in self._nodes.items():
            yield self.socket(name), sorted({each.lower() for each in (name, *addresses)})

    def direct(self, uri: str | None) -> str:
        """Return what leads where a URI does, but without any help; the URI itself where it leads to no node.

        Args:
            uri: what a program asks for; None or "" for nothing.
        """
        uri = uri or Os.environ.get(DEFAULT_URI) or _SYSTEM
        asked = _asked(uri)
        node = asked and self._asked_for(asked)
        return self.uri(node) if node else uri

    def open(self, libvirt: Any, opener: Callable[..., Any], uri: Any, *rest: Any) -> Any:
        """Open a connection to the node to which a URI leads.

        Args:
            libvirt: the binding.
            opener: the function of the C library that does so.
            uri: what the program asks for.
            rest: what else the function takes.

        Returns:
            What the function does.

        Raises:
            libvirt.libvirtError: there is no such host, or it can't be reached; as libvirt words it.
        """
        given = uri or Os.environ.get(DEFAULT_URI) or _SYSTEM
        asked = _asked(given)
        if asked is None:
            return opener(uri, *rest)
        node = self._asked_for(asked)
        if node is None:
            raise _refusal(libvirt, asked, is_known=False)
        path = self.socket(node)
        connection = opener(f"{_LED}{quote(asked.name)}&socket={quote(path)}#{quote(given)}", *rest)
        if connection is None and asked.host and not _is_listening(path):
            raise _refusal(libvirt, asked, is_known=True)
        return connection

    def _asked_for(self, asked: _Asked) -> str | None:
        if not asked.host:
            return self.here
        return self._called(asked.host) or (self.here if asked.host in _ITSELF else None)

    def _called(self, host: str) -> str | None:
        """Find a node by what a URI calls it, in lower case."""
        if host in self._nodes:
            return host
        for name, (addresses, _) in self._nodes.items():
            if host in {each.lower() for each in (name, *addresses)}:
                return name
        return None

    def _known(self, node: str) -> str:
        if node not in self._nodes:
            raise DeclarationError(f"no node is named {shown(node)}; there are: {listed(self._nodes)}")
        return node


def binding() -> Any:
    """Return libvirt's Python binding.

    Raises:
        ImportError: it is not there; the message says how to get it.
    """
    try:
        libvirt: Any = importlib.import_module("libvirt")
        _ = libvirt.libvirtmod
    except (ImportError, AttributeError) as error:  # or it is a folder of that name
        raise ImportError(
            f"leading libvirt's URIs to nodes needs its Python binding: {error}; Debian's package "
            "python3-libvirt has it; pip install libvirt-python builds it, which needs Debian's packages "
            "libvirt-dev and pkgconf"
        ) from None
    return libvirt


@contextmanager
def routed(routes: Routes) -> Iterator[None]:
    """Lead what this process opens by libvirt's Python binding, until the ``with`` block ends.

    Led are ``libvirt.open``, ``openReadOnly`` and ``openAuth``, under whichever name they were imported.
    ``getURI`` of what they opened answers the URI that the program gave, or ``qemu:///system`` where it gave
    none. Other hypervisors' URIs, and those that name a ``socket`` or a program, are not led. Of several such
    blocks, the last one counts.

    Args:
        routes: where to.

    Raises:
        ImportError: the binding is not there.
    """
    libvirt = binding()
    library = libvirt.libvirtmod  # where all of its functions look for the C library's, at each call
    before = {name: getattr(library, name) for name in (*_OPENERS, _GET_URI)}

    def get_uri(connection: Any) -> Any:
        uri = before[_GET_URI](connection)
        return unquote(urlsplit(uri).fragment) if uri and uri.startswith(_LED) else uri

    for name in _OPENERS:
        setattr(library, name, partial(routes.open, libvirt, before[name]))
    setattr(library, _GET_URI, get_uri)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(library, name, function)


def _parts(uri: str) -> SplitResult | None:
    """Take a URI apart; None for one of which libvirt shall say what is wrong with it."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _asked(uri: Any) -> _Asked | None:
    """Return what a URI asks for; None for one that isn't led."""
    parts = _parts(uri) if isinstance(uri, str) else None
    if parts is None or parts.path == _EMBEDDED:
        return None
    driver, _, transport = parts.scheme.partition("+")
    host = parts.hostname or ""
    transport = transport or ("tls" if host else "unix")
    parameters = parse_qs(parts.query, keep_blank_values=True)
    # What is neither leads nowhere, or names a program or a socket of its own.
    is_own_machine = transport == "unix" and not host and "socket" not in parameters
    if driver not in _DRIVERS or not (is_own_machine or transport in _PORTS):
        return None
    name = "" if driver == "remote" else f"{driver}://{parts.path}"
    return _Asked(
        uri, transport, host, parts.port or _PORTS.get(transport, 0), parameters.get("name", [name])[-1]
    )


def _is_listening(path: str) -> bool:
    with new_socket(AF_UNIX) as connection:
        return not connection.connect_ex(path)


def _refusal(libvirt: Any, asked: _Asked, *, is_known: bool) -> Exception:
    """Return what libvirt raises where there is no such host, or a known one can't be reached."""
    host, port, number = asked.host, asked.port, -1
    if asked.transport == "ssh":
        said = ssh.unreachable(host, port) if is_known else ssh.unknown(host)
        text, number = f"Cannot recv data: {said}: Connection reset by peer", errno.ECONNRESET
    elif is_known:
        text, number = f"unable to connect to server at '{host}:{port}': No route to host", errno.EHOSTUNREACH
    else:
        text = f"Unable to resolve address '{host}' service '{port}': Name or service not known"
    libvirt.virResetLastError()  # whose text an exception would have in place of ours
    error: Any = libvirt.libvirtError(text)
    code, domain, level = libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_ERROR
    error.err = (code, domain, text, level, "%s", text, None, number, -1)
    return error  # type: ignore[no-any-return]
