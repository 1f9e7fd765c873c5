"""The definition of an instance that the cluster has, and that no client of libvirt's defined."""

from functools import lru_cache
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.fronts.libvirt.errors import LibvirtError
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.completion import MOST_VCPUS, completed
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import LARGEST_KIB
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read
from pytest_fakehv.interface.objects import InstanceSpec
from pytest_fakehv.text import shown

_OS: Final = Element("os", {}, (Element("type", {}, ("hvm",)),))


def definition_of(spec: InstanceSpec) -> Definition:
    """Make the definition of an instance that a test has declared.

    Raises:
        DeclarationError: Its XML is wrong, or says something else than the rest.
    """
    return declared(spec.name, memory=spec.memory, vcpus=spec.vcpus, min_memory=spec.min_memory, xml=spec.xml)


@lru_cache(maxsize=1024)  # each test declares the same ones anew
def declared(
    name: str, *, memory: int, vcpus: int, min_memory: int | None = None, xml: str | None = None
) -> Definition:
    """Make the definition of an instance; its uuid, unless the XML has one, follows from its name.

    Args:
        name: The instance's.
        memory: What it may have, in MiB; of more than libvirt has words for, that much.
        vcpus: Its virtual CPUs, a count.
        min_memory: What it starts with, in MiB; None: all it may have.
        xml: What its domain has besides, as a domain's XML; what the instance says may be left out of it.

    Raises:
        DeclarationError: The XML is wrong, or says something else than the instance.
    """
    uuid = uuid5(NAMESPACE_URL, f"pytest-fakehv:instance:{name}")
    kib = min(memory * 1024, LARGEST_KIB)
    try:
        root = read(xml) if xml is not None else Element("domain")
        given = {each.name for each in root.children}
        filled = _filled(root, name, kib, min(vcpus, MOST_VCPUS))
        definition = Definition(completed(filled, uuid.bytes))
    except LibvirtError as error:
        raise DeclarationError(f"xml of instance {shown(name)} is wrong: {error}") from error
    for key, said, true, unit in (
        ("name", definition.name, name, ""),
        ("memory", -(-definition.memory // 1024) * 1024, kib, " KiB"),
        ("vcpu", definition.most_vcpus, vcpus, ""),
    ):
        if key in given and said != true:
            what = f"it says {key} {shown(said)}{unit}, the instance has {shown(true)}{unit}"
            raise DeclarationError(f"xml of instance {shown(name)} is wrong: {what}")
    # An instance may have more of them than a domain of libvirt's; it is not the XML that is wrong then.
    if "vcpu" not in given:
        definition = definition.with_most_vcpus(vcpus).with_vcpus(vcpus)
    if "currentMemory" not in given and min_memory is not None:
        definition = definition.with_current_memory(min(min_memory * 1024, kib))
    return definition


def _filled(root: Element, name: str, kib: int, vcpus: int) -> Element:
    """Return a domain with what is missing of what every domain needs."""
    implied = (
        Element("name", {}, (name,)),
        Element("memory", {"unit": "KiB"}, (str(kib),)),
        Element("vcpu", {}, (str(vcpus),)),
        _OS,
    )
    missing = (each for each in implied if root.child(each.name) is None)
    return root.defaulting(type="kvm").holding(*root.content, *missing)
