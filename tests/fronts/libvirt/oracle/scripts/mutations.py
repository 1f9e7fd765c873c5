"""A definition with one thing left out, written twice, or given another value; a thing after the other."""

from xml.etree import ElementTree as ET

from oracle.definitions import xml
from oracle.recording import Definition

VALUES = ("", "0", "-1", "nonsense")


def script(ask):
    connection = ask.connect()
    for definition in mutations(xml("web1", vcpus=1, maximum=2, head="<title>t</title>")):
        domain = ask(connection.defineXML, definition)
        if domain is not None:
            ask(domain.XMLDesc)
            ask(domain.undefine)


def mutations(text):
    """Give the definitions."""
    count = len(list(ET.fromstring(text).iter()))
    for number in range(1, count):
        for what, change in (("without", leave_out), ("twice", double)):
            root = ET.fromstring(text)
            yield named(root, f"{what} {change(root, number)}")
        for name in [None, *list(ET.fromstring(text).iter())[number].attrib]:
            for value in VALUES:
                root = ET.fromstring(text)
                element = list(root.iter())[number]
                if name is None and not (element.text or "").strip():
                    continue
                if (element.tag, value) == ("vcpu", "-1"):
                    continue  # a real daemon doesn't survive it
                path = element.tag
                if name is None:
                    element.text = value
                else:
                    element.set(name, value)
                    path += f"/@{name}"
                yield named(root, f"{path} {value!r}")


def named(root, shown):
    """Return a definition with what is shown of it."""
    definition = Definition(ET.tostring(root, "unicode"))
    definition.shown = shown
    return definition


def leave_out(root, number):
    """Take an element away, and return its name."""
    element = list(root.iter())[number]
    parents = {child: parent for parent in root.iter() for child in parent}
    parents[element].remove(element)
    return element.tag


def double(root, number):
    """Write an element twice, and return its name."""
    element = list(root.iter())[number]
    parents = {child: parent for parent in root.iter() for child in parent}
    parent = parents[element]
    parent.insert(list(parent).index(element), element)
    return element.tag
