"""Finds what differs between what was said there and here."""

from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from xml.etree import ElementTree as ET

ERROR = ("code", "domain", "message", "level", "str1", "str2", "str3", "int1", "int2")
ABSENT = "(absent)"

TELLING = {"controller": "type", "input": "type", "feature": "name", "enum": "name", "mode": "name"}
"""Which attribute tells elements of a name apart."""

TELLING_TEXT = {"model", "value", "machine"}
"""Which elements are told apart by their text."""


@dataclass(frozen=True)
class Difference:
    """One thing that is said otherwise.

    Args:
        script: The script's name.
        number: Which of its calls, from 0.
        call: The call, as it stands in the record.
        api: Its API's name.
        where: Where in what it led to ("events", "error/str1", "result/domain/devices/disk/@type").
        there: What the real pair says.
        here: What the front says.
    """

    script: str
    number: int
    call: str
    api: str
    where: str
    there: str
    here: str


def compared(script, there, here):
    """Give what differs between two recordings of a script."""
    calls = [[line["call"] for line in side] for side in (there, here)]
    for kind, a, b, c, d in SequenceMatcher(None, *calls, autojunk=False).get_opcodes():
        if kind == "equal":
            for number in range(b - a):
                left = there[a + number]
                for where, one, other in lines(left, here[c + number]):
                    yield Difference(script, a + number, left["call"], left["api"], where, one, other)
        else:
            for number, left in enumerate(there[a:b], a):
                yield Difference(script, number, left["call"], left["api"], "call", "is made", "is not made")
            for right in here[c:d]:
                yield Difference(script, a, right["call"], right["api"], "call", "is not made", "is made")


def lines(there, here):
    """Give what differs between two lines of recordings: where, there, here."""
    if ("error" in there, there.get("status")) != ("error" in here, here.get("status")):
        yield "outcome", outcome(there), outcome(here)
    elif "error" in there:
        yield from errors(there["error"], here["error"])
    else:
        for key in ("result", "stdout", "stderr"):
            if key in there:
                yield from values(there[key], here[key], key)
    if there.get("state") != here.get("state"):
        yield "state", str(there.get("state")), str(here.get("state"))
    if there.get("events") != here.get("events"):
        yield (
            "events",
            "; ".join(there.get("events", [])) or ABSENT,
            "; ".join(here.get("events", [])) or ABSENT,
        )


def outcome(line):
    """Return how a call or a command ended."""
    if "status" in line:
        said = line["stderr"].strip().splitlines()[-1:] or line["stdout"].splitlines()[:1]
        return f"exit {line['status']}, {''.join(said)}"
    return shown_error(line["error"]) if "error" in line else shown(line.get("result"))


def shown_error(error):
    """Return an error's code, domain and message."""
    return f"{error[0]}/{error[1]} {error[2]}" if len(error) > 1 else error[0]


def errors(there, here):
    """Give what differs between two errors."""
    if shown_error(there) != shown_error(here):
        yield "error", shown_error(there), shown_error(here)
        return
    for name, one, other in zip(ERROR, there, here, strict=False):
        if one != other:
            yield f"error/{name}", shown(one), shown(other)


def values(there, here, where):
    """Give what differs between two results."""
    if there == here:
        return
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(each for each in here if each not in there)]:
            if key not in there or key not in here:
                yield f"{where}/{key}", shown(there.get(key, ABSENT)), shown(here.get(key, ABSENT))
            else:
                yield from values(there[key], here[key], f"{where}/{key}")
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for number, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from values(one, other, f"{where}/{number}")
    elif isinstance(there, str) and isinstance(here, str):
        yield from texts(there, here, where)
    else:
        yield where, shown(there), shown(here)


def texts(there, here, where):
    """Give what differs between two texts, which may be XML."""
    one, other = parsed(there), parsed(here)
    if one is not None and other is not None:
        found = list(elements(one, other, f"{where}/{one.tag}"))
        yield from found or [(f"{where}/layout", *first_lines(there, here))]
    elif "\n" in there.strip() or "\n" in here.strip():
        yield from printed(there.splitlines(), here.splitlines(), where)
    else:
        yield where, there.strip("\n"), here.strip("\n")


def parsed(text):
    """Return a text as XML, or None."""
    if not text.lstrip().startswith("<"):
        return None
    try:
        return ET.fromstring(text)
    except ET.ParseError:
        return None


def elements(there, here, where):
    """Give what differs between two elements of XML, the highest that does."""
    if there.tag != here.tag:
        yield where, there.tag, here.tag
        return
    for name in [*there.attrib, *(each for each in here.attrib if each not in there.attrib)]:
        one, other = there.attrib.get(name, ABSENT), here.attrib.get(name, ABSENT)
        if one != other:
            yield f"{where}/@{name}", one, other
    one, other = (there.text or "").strip(), (here.text or "").strip()
    if one != other:
        yield where, one or ABSENT, other or ABSENT
    left, right = numbered(there), numbered(here)
    for name in [*left, *(each for each in right if each not in left)]:
        if name not in left or name not in right:
            yield f"{where}/{name}", written(left.get(name)), written(right.get(name))
        else:
            yield from elements(left[name], right[name], f"{where}/{name}")
    if set(left) == set(right) and list(left) != list(right):
        yield f"{where}/order", " ".join(left), " ".join(right)


def numbered(element):
    """Return an element's children by name, with what tells them apart, or a number from the second on."""
    seen, found = Counter(), {}
    for child in element:
        name = child.tag
        if name in TELLING:
            name += f"[{child.get(TELLING[name], '')}]"
        elif name in TELLING_TEXT:
            name += f"[{child.text}]"
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name}[{seen[name]}]"] = child
    return found


def written(element):
    """Return an element on one line."""
    if element is None:
        return ABSENT
    return " ".join(ET.tostring(element, "unicode").split()).replace("> <", "><")


def printed(there, here, where):
    """Give what differs between two programs' output, line by line."""
    for kind, a, b, c, d in SequenceMatcher(None, there, here, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        left, right = there[a:b], here[c:d]
        for number in range(max(len(left), len(right))):
            one = left[number] if number < len(left) else ABSENT
            other = right[number] if number < len(right) else ABSENT
            yield where, one, other


def first_lines(there, here):
    """Return the first lines in which two texts differ."""
    left, right = there.splitlines(), here.splitlines()
    for one, other in zip(left, right, strict=False):
        if one != other:
            return one, other
    return f"{len(left)} lines, {there[-20:]!r}", f"{len(right)} lines, {here[-20:]!r}"


def shown(value):
    """Return a value as a report shows it."""
    return value if isinstance(value, str) else str(value)
