"""What a domain says of its firmware: what is checked of it, and what a user may leave out."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import attributes_in_order
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, unsupported
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, ranks

_YES_OR_NO: Final = ("yes", "no")
_LOADER: Final = {
    "readonly": _YES_OR_NO,
    "type": ("rom", "pflash"),
    "secure": _YES_OR_NO,
    "stateless": _YES_OR_NO,
}
"""What the attributes of a loader may be."""
_ORDER: Final = ranks("readonly secure type stateless")
_FOLDER: Final = "/var/lib/libvirt/qemu/nvram"
"""Where a host keeps the variables of a domain that doesn't say where."""


def check_loader(os: Element) -> None:
    """Refuse a loader that has a wrong value, or is given to a domain whose host is to find one.

    Raises:
        LibvirtError: There is such a one; or variables of none.
    """
    loader = os.child("loader") or Element("loader")
    for attribute, valid in _LOADER.items():
        check_choice(loader, attribute, valid)
    if os.attributes.get("firmware"):
        given = next((each for each in _LOADER if each in loader.attributes), None)
        given = given or ("type" if loader.text else None)
        if given:
            what = "cannot be specified when firmware autoselection is enabled"
            raise _wrong(f"loader attribute '{given}' {what}")
    elif not loader.text and (os.child("loader") or os.child("nvram")):
        raise _wrong("no loader path specified and firmware auto selection disabled")


def complete_firmware(os: Element, name: str) -> Element:
    """Return what a domain boots from with the kind of its loader, and the path of its variables.

    Args:
        os: As it is written.
        name: The domain's name.
    """
    loader, nvram = os.child("loader"), os.child("nvram")
    if loader is None:
        return os
    os = os.exchanging(loader, _complete_loader(loader))
    path = Element("nvram", nvram.attributes if nvram else {}, (f"{_FOLDER}/{name}_VARS.fd",))
    if nvram is None:
        keeps = loader.attributes.get("type") == "pflash" and loader.attributes.get("readonly") == "yes"
        is_kept = keeps and loader.attributes.get("stateless") != "yes"
        return os.holding(*os.content, path) if is_kept else os
    return os if nvram.content else os.exchanging(nvram, path)


def _complete_loader(loader: Element) -> Element:
    said = loader.defaulting(type="rom")
    return said._replace(attributes=attributes_in_order(said, _ORDER))


def check_machine_suits(os: Element, features: Element | None, *, is_q35: bool) -> None:
    """Refuse firmware that needs of its machine what that doesn't have.

    Args:
        os: What the domain boots from.
        features: Those of its machine, if any are said.
        is_q35: Whether that is the newer of the two that x86 has.

    Raises:
        LibvirtError: It is so.
    """
    loader = os.child("loader") or Element("loader")
    is_uefi = os.attributes.get("firmware") == "efi" or loader.attributes.get("type") == "pflash"
    if is_uefi and (features is None or features.child("acpi") is None):
        raise unsupported("UEFI requires ACPI on this architecture", Origin.QEMU)
    if loader.attributes.get("secure") == "yes":
        if not is_q35:
            raise unsupported("Secure boot is supported with q35 machine types only", Origin.QEMU)
        smm = features.child("smm") if features else None
        if smm is None or smm.attributes.get("state", "on") != "on":
            raise unsupported("Secure boot requires SMM feature enabled", Origin.QEMU)


def _wrong(problem: str) -> LibvirtError:
    return failure(Code.XML_DETAIL, problem, origin=Origin.DOMAIN)
