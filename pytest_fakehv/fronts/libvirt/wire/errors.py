"""How an error is bytes."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import LibvirtError
from pytest_fakehv.fronts.libvirt.wire.xdr import Codec, codec, encode, record

ERROR: Final[Codec] = record(
    [codec(each) for each in ("i", "i", "?s", "i", "?D", "?s", "?s", "?s", "i", "i", "?N")]
)
"""Code, origin, message, level, domain, str1, str2, str3, int1, int2, network."""


def error_bytes(error: LibvirtError) -> bytes:
    """Return an error as a client reads it; raises what Python raises where it has values of other types."""
    return encode(
        ERROR,
        (
            error.code,
            error.domain,
            error.message,
            error.level,
            None,
            error.str1,
            error.str2,
            error.str3,
            error.int1,
            error.int2,
            None,
        ),
    )
