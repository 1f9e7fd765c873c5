"""Which kinds of storage pools a host can have, as XML."""

import re

from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, written
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import ALL_KINDS, KINDS
from pytest_fakehv.fronts.libvirt.host.storage.volumexml import FORMATS


def capabilities() -> str:
    """Return what of libvirt's kinds of pools there can be, and in which formats."""
    root = Element("storagepoolCapabilities", {}, tuple(map(_pool, ALL_KINDS)))
    return re.sub("  <pool (.*)/>\n", r"  <pool \1>\n  </pool>\n", written(root))


def _pool(kind: str) -> Element:
    known = KINDS.get(kind)
    options = []
    if known and known.formats:
        options.append(_options("pool", known.default, "source", known.formats))
    if known and kind != "logical":
        options.append(_options("vol", "raw", "target", FORMATS))
    return Element("pool", {"type": kind, "supported": "yes" if known else "no"}, tuple(options))


def _options(of: str, default: str, where: str, formats: tuple[str, ...]) -> Element:
    values = tuple(Element("value", {}, (each,)) for each in formats)
    return Element(
        f"{of}Options",
        {},
        (
            Element("defaultFormat", {"type": default}),
            Element("enum", {"name": f"{where}FormatType"}, values),
        ),
    )
