"""A domain's memory that is plugged into it: its modules."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.others import check_address
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of, parts_in_order
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import (
    check_choice,
    integer,
    memory_kib,
    scaled,
    unsupported,
    wrong,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, ranks, words

_MODELS: Final = words("dimm nvdimm virtio-pmem virtio-mem sgx-epc")
_PARTS: Final = ranks("uuid source target alias")


def check_memory(memory: Element) -> None:
    """Refuse a module that has a wrong value, or none of what is needed."""
    check_choice(memory, "model", _MODELS, is_needed=True)
    target = memory.child("target")
    if target is None:
        raise wrong("missing <target> element for <memory> device")
    if target.child("size") is None:
        raise failure(Code.XML_ERROR, "missing element or attribute './size'", origin=Origin.XML)
    memory_kib(target, "size", "")
    check_address(memory)
    if memory.attributes["model"] != "dimm":
        model = memory.attributes["model"]
        raise unsupported(f"{model} isn't supported by this QEMU binary", Origin.QEMU)


def complete_memory(modules: list[Element]) -> list[Element]:
    """Return modules with their sizes in KiB, each in a slot: the next that is free."""
    taken = {part_of(each, "address", "slot") for each in modules}
    slot, done = 0, []
    for each in modules:
        parts = (_sized(part) if part.name == "target" else part for part in each.children)
        module = parts_in_order(each.holding(*parts), _PARTS)
        if module.child("address") is None:
            while str(slot) in taken:
                slot += 1
            module = module.holding(*module.content, Element("address", {"type": "dimm", "slot": str(slot)}))
            slot += 1
        done.append(module)
    return done


def _sized(target: Element) -> Element:
    size = Element("size", {"unit": "KiB"}, (str(memory_kib(target, "size")),))
    return target.holding(*(size if each.name == "size" else each for each in target.children))


def size_of(memory: Element) -> int:
    """Return how large a completed module is, in KiB."""
    size = memory.at("target/size")
    return int(size.text) if size else 0


def cells_of(cpu: Element) -> list[Element]:
    """Return the parts that a CPU's memory is in."""
    numa = cpu.child("numa")
    return list(numa.named("cell")) if numa else []


def complete_cells(numa: Element) -> Element:
    """Return such parts with their memory in KiB."""
    return numa.holding(*map(_complete_cell, numa.children))


def _complete_cell(cell: Element) -> Element:
    given = cell.attributes.get("memory")
    if given is None:
        return cell
    memory = integer(given, 2**64 - 1)
    if memory is None:
        detail = f"Invalid value for attribute 'memory' in element 'cell': '{given}'."
        raise failure(Code.XML_ERROR, detail, origin=Origin.XML)
    kib = -(-scaled(memory, cell.attributes.get("unit", ""), default="KiB") // 1024)
    return cell.having(memory=str(kib), unit="KiB")


def complete_backing(backing: Element, cpu: Element) -> Element:
    """Return what a domain's memory is made of, with sizes of large pages in KiB.

    Args:
        backing: It, as it is written.
        cpu: The domain's CPU: of whose parts some may have such pages, and not others.

    Raises:
        LibvirtError: A size is none.
    """
    pages = backing.child("hugepages")
    if pages is None:
        return backing
    has_cells = bool(cells_of(cpu))
    sized = (_sized_page(each, has_cells=has_cells) for each in pages.named("page"))
    return backing.exchanging(pages, pages.holding(*sized))


def _sized_page(page: Element, *, has_cells: bool) -> Element:
    said = page.attributes.get("size")
    if said is None:
        detail = "missing element or attribute './@size'"
        raise failure(Code.XML_ERROR, detail, origin=Origin.XML)
    if (size := integer(said)) is None:
        detail = f"Invalid value '{said}' for element or attribute './@size'"
        raise failure(Code.XML_ERROR, detail, origin=Origin.XML)
    kib = scaled(size, page.attributes.get("unit", ""), default="KiB") // 1024
    if not kib:
        raise _detail("hugepage size can't be zero")
    nodes = page.attributes.get("nodeset") if has_cells else None
    return Element("page", {"size": str(kib), "unit": "KiB"}).having(nodeset=nodes)


def memory_of_cells(cpu: Element) -> int:
    """Return how much memory a completed CPU's parts have, in KiB; 0 where there are none."""
    return sum(int(each.attributes.get("memory", "0")) for each in cells_of(cpu))


def check_nodes(cpu: Element, memory: Element) -> None:
    """Refuse a module for a part of a CPU that isn't there.

    Raises:
        LibvirtError: It isn't.
    """
    count, node = len(cells_of(cpu)), memory.at("target/node")
    if not count:
        raise _detail("can't add memory backend as guest has no NUMA nodes configured")
    if node and (integer(node.text) or 0) >= count:
        whose = f"guest node '{node.text}' as the guest has only '{count}' NUMA nodes configured"
        raise _detail(f"can't add memory backend for {whose}")


def _detail(text: str) -> LibvirtError:
    return LibvirtError(Code.XML_DETAIL, Origin.DOMAIN, text, "%s", text)
