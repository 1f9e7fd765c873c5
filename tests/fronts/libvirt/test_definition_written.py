"""How a daemon writes a domain's XML, with what it adds to what a user wrote."""

import difflib
import json
import re
from pathlib import Path

import pytest
from documents import OF_PROGRAMS, PLAIN, parsed

from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read

RECORDED = json.loads((Path(__file__).parent / "written.json").read_text())
"""What is special, the XML as a user wrote it, and how what a real daemon made of it differs from `PLAIN`."""


def test_the_least_that_a_user_can_write():
    xml = "<domain type='qemu'><name>plain</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    assert parsed(xml).xml() == PLAIN


def lines(xml: str) -> list[str]:
    """Return the lines without what is another for each domain."""
    xml = re.sub(r"<(name|uuid)>.*?</\1>", r"<\1/>", xml)
    return re.sub(r"52:54:00(:\w\w){3}|(?<=interfaceid=')[^']*", "_", xml).split("\n")


@pytest.mark.parametrize(("xml", "differs"), [pytest.param(row[1], row[2], id=row[0]) for row in RECORDED])
def test_it_is_written_as_a_daemon_writes_it(xml, differs):
    found = difflib.unified_diff(lines(PLAIN), lines(parsed(xml).xml()), n=0, lineterm="")
    assert [line for line in found if not line.startswith(("@@", "---", "+++"))] == differs


IN_OTHER_WORDS = {
    "memory",  # in KiB
    "maxMemory",
    "os/type",  # the machine's whole name
    "title",  # an empty one says nothing
    "os/kernel",  # like these
    "os/initrd",
    "os/cmdline",
    "channel/source",  # nor does one without a path
    "interface/target",  # nor a name such as vnet0, which a daemon gives itself
}


LOST = {"nova": ["cpu"]}
"""What of a program's is written without something: of a host's model it is not said how it matches."""


def missing(user: Element, found: Element, where: str = "") -> list[str]:
    """Return what a user wrote in an element that isn't in another."""
    lost = [
        f"{where} {name}='{value}'"
        for name, value in user.attributes.items()
        if not name.startswith("xmlns:") and found.attributes.get(name, "").lower() != value.lower()
    ]
    if user.text.strip() and not user.children and user.text != found.text:
        lost.append(f"{where} {user.text}")
    left = found.children
    for each in user.children:
        path = each.name if where in {"", "devices"} else f"{where}/{each.name}"
        kept = [other for other in left if other.name == each.name and not missing(each, other, path)]
        if kept:
            left.remove(kept[0])
        elif path not in IN_OTHER_WORDS:
            lost.append(path)
    return lost


@pytest.mark.parametrize("program", OF_PROGRAMS)
def test_all_comes_back_that_a_program_wrote(program):
    xml = OF_PROGRAMS[program]
    assert missing(read(xml), read(parsed(xml).xml(flags=1))) == LOST.get(program, [])


@pytest.mark.parametrize("program", OF_PROGRAMS)
def test_what_was_written_is_read_as_the_same(program):
    definition = parsed(OF_PROGRAMS[program])
    assert parsed(definition.xml(flags=1)) == definition
