"""What a daemon's errors about a network's XML have in common."""

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure


def refused(detail: str, code: Code = Code.XML_ERROR) -> LibvirtError:
    """Return the error that a network's XML says something wrong."""
    return failure(code, detail, origin=Origin.NETWORK)


def unsupported(detail: str) -> LibvirtError:
    """Return the error that it asks for what there isn't."""
    return refused(detail, Code.CONFIG_UNSUPPORTED)


def malformed(detail: str) -> LibvirtError:
    """Return the error that something that is needed is missing, or can't be read."""
    return refused(detail, Code.XML_DETAIL)
