"""What is public on the objects that tests hold is what the reference documents, and nothing else."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import pytest_fakehv
from pytest_fakehv import FakeCluster, HoldError
from pytest_fakehv.fronts.libvirt import FakeLibvirt
from pytest_fakehv.fronts.libvirt.host.apis import APIS
from pytest_fakehv.plugin.markers import with_arguments

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"

CLASS = re.compile(r"^\.\. autoclass:: (\w+)\b(?!\.).*\n((?:   .*\n)*)", re.MULTILINE)
MEMBERS = re.compile(r"^   :members: (.+)$", re.MULTILINE)
MEMBER = re.compile(r"^\.\. auto(?:method|attribute):: (\w+)\.(\w+)$", re.MULTILINE)
SECTION = re.compile(r"^(\w+):\n((?:    .*\n?)+)", re.MULTILINE)
ENTRY = re.compile(r"^    (\w+):", re.MULTILINE)

HELD = [
    "FakeCluster",
    "FakeHypervisor",
    "Instance",
    "Journal",
    "Clock",
    "Hold",
    "Fault",
    "Migration",
    "Violation",
    "Call",
]


def documented():
    """Return what the pages name of each class, and what its docstring says of its attributes."""
    found = {}
    for page in REFERENCE.glob("*.md"):
        text = page.read_text()
        for name, member in MEMBER.findall(text):
            found.setdefault(name, set()).add(member)
        for name, options in CLASS.findall(text):
            members = ",".join(MEMBERS.findall(options)).replace(" ", "").split(",")
            found.setdefault(name, set()).update(filter(None, members))
    return {
        name: members | attributes(getattr(pytest_fakehv, name, object)) for name, members in found.items()
    }


def attributes(cls):
    """Return what a class's docstring says of its attributes; a dataclass's arguments are such."""
    sections = dict(SECTION.findall(inspect.getdoc(cls)))
    titles = ["Attributes", "Args"] if dataclasses.is_dataclass(cls) else ["Attributes"]
    return {name for title in titles for name in ENTRY.findall(sections.get(title, ""))}


@pytest.fixture(scope="module")
def held():
    """One of each kind of object that tests hold, by its class's name."""
    with FakeCluster.temporary() as cluster:
        web1 = cluster.add_instance("web1", node="node1")
        cluster.migrate("web1", to="node2")
        cluster["node1"].StartInstance(web1, [], False)
        with pytest.raises(HoldError), cluster.hold("StartInstance") as hold:
            pass
        objects = [
            cluster,
            cluster["node1"],
            web1,
            cluster.journal,
            cluster.clock,
            hold,
            cluster.fault("StartInstance", optional=True),
            cluster.migrations[0],
            cluster.violations()[0],
            cluster.journal[0],
        ]
        yield {type(each).__name__: each for each in objects}


@pytest.mark.parametrize("name", HELD)
def test_what_is_public_is_documented(held, name):
    cls, everything = type(held[name]), documented()
    public = {each for each in dir(held[name]) if not each.startswith("_")}
    # What a class has from where another one has it, such as a node and a cluster, is documented once.
    shared = {
        member
        for other, members in everything.items()
        for member in members
        if hasattr(cls, member)
        and inspect.getattr_static(cls, member)
        is inspect.getattr_static(getattr(pytest_fakehv, other, None), member, None)
    }
    assert (public - everything[name] - shared, everything[name] - public) == (set(), set())


def test_what_is_documented_of_the_libvirt_front_is_there():
    """What else it has is what the cluster tells it, and no business of a test's."""
    with FakeCluster.temporary() as cluster, FakeLibvirt(cluster) as front:
        assert documented()["FakeLibvirt"] - {*dir(front)} == set()


def test_the_functions_of_libvirts_that_are_answered_are_all_named():
    table = (REFERENCE / "libvirt.md").read_text().partition("\n| area |")[2].partition("\n\n")[0]
    assert {*re.findall(r"`(vir\w+)`", table)} ^ APIS.keys() == set()


def test_each_marker_has_a_table_of_its_arguments_as_pytest_lists_them():
    page = (REFERENCE / "markers.md").read_text()
    tables = dict(re.findall(r"^### (fakehv\w*)\n((?:(?!#).*\n)*)", page, re.MULTILINE))
    row = re.compile(r"^\| `(\*?\w+)` \| `(.+?)` \| (?:`(.+?)`)? \| .+ \|$", re.MULTILINE)
    shown = {
        marker: [
            f"{name}: {kind}" + (f" = {default}" if default else "")
            for name, kind, default in row.findall(table.replace(r"\|", "|"))
        ]
        for marker, table in tables.items()
    }
    listed = dict(re.match(r"(\w+)\((.*?)\): ", line).groups() for line in with_arguments())
    assert shown == {
        marker: [each for each in re.split(r", (?=\*)|, (?=\w+: )", arguments) if each != "*"]
        for marker, arguments in listed.items()
    }
