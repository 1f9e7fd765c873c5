"""What a migration's caller asks for that doesn't go together, or can't be."""

from typing import Final
from urllib.parse import urlsplit

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.asked import Asked
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.words import Migrate

__tracebackhide__ = True  # a failed call is shown at the line that made it

_COMPRESSIONS: Final = {"xbzrle": "xbzrle", "mt": "multithread"}
"""How RAM can be compressed, and what a daemon calls that."""

_FASTEST_POSTCOPY: Final = 2**44
"""In MiB a second: more than a number of bytes can say."""

_CONNECTIONS: Final = range(1, 256)
_THROTTLES: Final = {
    "auto_converge.initial": "cpu_throttle_initial",
    "auto_converge.increment": "cpu_throttle_increment",
}
"""What QEMU calls by how much a CPU is slowed down, which is from 1 to 99."""
_SCHEMES: Final = ("tcp", "rdma", "unix")
_TRANSPORTS: Final = ("tls", "unix", "ssh", "ext", "tcp", "libssh2", "libssh")
_DRIVER: Final = "qemu"


def _invalid(detail: str) -> LibvirtError:
    return failure(Code.OPERATION_INVALID, detail)


def _unsupported(detail: str) -> LibvirtError:
    return failure(Code.ARGUMENT_UNSUPPORTED, detail)


def _wrong(detail: str) -> LibvirtError:
    return failure(Code.INVALID_ARG, detail)


def check(asked: Asked) -> None:
    """Refuse flags and parameters that don't go together.

    Raises:
        LibvirtError: some don't.
    """
    if asked.has(Migrate.POSTCOPY):
        if asked.has(Migrate.TUNNELLED):
            raise _unsupported("post-copy is not supported with tunnelled migration")
        if asked.has(Migrate.PAUSED) or not asked.has(Migrate.LIVE):
            raise _unsupported("post-copy migration is not supported with non-live or paused migration")
    elif asked.has(Migrate.POSTCOPY_RESUME):
        raise _unsupported("resuming failed post-copy migration requires post-copy to be enabled")
    if asked.has(Migrate.TUNNELLED) and asked.uri is not None:
        raise _unsupported("migration URI is not supported by tunnelled migration")
    if asked.has(Migrate.ZEROCOPY) and not asked.has(Migrate.PARALLEL):
        raise _invalid("zero-copy is only available for parallel migration")
    _check_compression(asked)
    for prefix, flag, what in (
        ("parallel.", Migrate.PARALLEL, "parallel migration"),
        ("auto_converge.", Migrate.AUTO_CONVERGE, "auto convergence"),
    ):
        if not asked.has(flag) and any(each.field.startswith(prefix) for each in asked.tuning):
            raise _wrong(f"Turn {what} on to tune it")
    if asked.tuned("bandwidth.postcopy", 0) >= _FASTEST_POSTCOPY:
        limit = f"must be less than {_FASTEST_POSTCOPY}"
        raise failure(Code.OVERFLOW, f"migration parameter 'bandwidth.postcopy' {limit}")


def _check_compression(asked: Asked) -> None:
    methods: list[str] = []
    for each in asked.tuning:
        if each.field == "compression":
            if each.value not in _COMPRESSIONS:
                raise _wrong(f"Unsupported compression method '{each.value}'")
            if each.value in methods:
                raise _wrong(f"Compression method '{each.value}' is specified twice")
            methods.append(each.value)
    for method, called in _COMPRESSIONS.items():
        tunes = any(each.field.startswith(f"compression.{method}.") for each in asked.tuning)
        if tunes and method not in methods:
            raise _wrong(f"Turn {called} compression on to tune it")


def _wrong_for_qemu(parameter: str, expected: str) -> LibvirtError:
    told = f"'migrate-set-parameters': Parameter '{parameter}' expects {expected}"
    return failure(Code.INTERNAL_ERROR, f"unable to execute QEMU command {told}")


def check_on_target(asked: Asked) -> None:
    """Refuse what the target's QEMU refuses, once it is there.

    Raises:
        LibvirtError: a figure is none that it takes.
    """
    connections = asked.tuned("parallel.connections", 1)
    if connections not in _CONNECTIONS:
        if connections:
            raise _wrong_for_qemu("multifd-channels", "uint8_t")
        raise _wrong_for_qemu("multifd_channels", "a value between 1 and 255")
    if asked.tuned("compression.mt.level", 0) not in range(10):
        raise _wrong_for_qemu("compress_level", "a value between 0 and 9")
    cache = asked.tuned("compression.xbzrle.cache", 4096)
    if cache < 4096 or cache & (cache - 1):  # noqa: PLR2004  # a page
        raise _wrong_for_qemu("xbzrle_cache_size", "a power of two no less than the target page size")


def check_on_source(asked: Asked) -> None:
    """Refuse what the source's QEMU refuses, as sending begins.

    Raises:
        LibvirtError: a figure is none that it takes.
    """
    for name, parameter in _THROTTLES.items():
        if asked.tuned(name, 1) not in range(1, 100):
            raise _wrong_for_qemu(parameter, "an integer in the range of 1 to 99")


# Where it goes


def check_uri(uri: str | None, definition: Definition) -> None:
    """Refuse a URI to which no memory can be sent.

    Args:
        uri: it; None where the target chooses.
        definition: by what the domain comes.

    Raises:
        LibvirtError: it can't.
    """
    if uri is None:
        return
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  # which is read only now
    except ValueError:
        raise failure(Code.INTERNAL_ERROR, f"Unable to parse URI {uri}", origin=Origin.URI) from None
    if not parts.scheme:
        raise _wrong(f"missing scheme in migration URI: {uri}")
    if parts.scheme not in _SCHEMES:
        raise _unsupported(f"unsupported scheme {parts.scheme} in migration URI {uri}")
    if parts.scheme != "unix" and not (parts.hostname or parts.path):  # "tcp:host:port" is old
        raise _wrong(f"missing host in migration URI: {uri}")
    if parts.scheme == "rdma" and definition.root.at("memtune/hard_limit") is None:
        raise _invalid("cannot start RDMA migration with no memory hard limit set")


def check_driver(uri: str) -> None:
    """Refuse a URI that leads to no host with QEMU, wherever it leads.

    Raises:
        LibvirtError: it doesn't.
    """
    parts = urlsplit(uri)
    driver, _, transport = parts.scheme.partition("+")
    if transport and transport not in _TRANSPORTS:
        known = "|".join(_TRANSPORTS)
        detail = f"remote_open: transport in URL not recognised (should be {known})"
        raise failure(Code.INVALID_ARG, detail, origin=Origin.REMOTE)
    if driver != _DRIVER:
        text = "no connection driver available for %s"
        name = f"{driver}://{parts.path or '/'}"
        raise LibvirtError(Code.NO_CONNECT, Origin.NONE, text % name, text, name)
    if parts.path not in ("/system", "/session"):
        detail = f"unexpected qemu URI path '{parts.path}', try qemu:///system"
        raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.NONE)
