"""What the documentation claims to have been measured is no more than what was."""

import json
import re
from pathlib import Path

from pytest_fakehv.fronts.libvirt.host.apis import APIS

TOP = Path(__file__).parents[2]
FRONTS = TOP / "tests" / "fronts"
PAGE = (TOP / "docs" / "explanation" / "fidelity.md").read_text(encoding="utf-8")
RECORDS = {
    path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for path in (FRONTS / "libvirt" / "oracle" / "records").glob("*.jsonl")
}
LINES = [line for lines in RECORDS.values() for line in lines]
ROW = re.compile(r"^\|[^|]+\| ([\d,]+) \| ([^|]+) \|$", re.MULTILINE)


def number(text):
    return int(text.replace(",", ""))


def claimed(pattern):
    """Return the number that the page has in the place of a group, however its lines are broken."""
    (found,) = re.findall(pattern.replace(" ", r"\s+"), PAGE)
    return number(found)


def test_no_more_calls_are_claimed_than_were_recorded():
    functions = {line["api"] for line in LINES if re.fullmatch(r"vir[A-Z]\w+", line["api"])}
    commands = {line["call"] for line in LINES if line["api"].startswith("virsh ")}
    assert claimed(r"more than ([\d,]+) questions") <= len(LINES)
    assert claimed(r"more than ([\d,]+) of the library's functions") <= len(functions)
    assert claimed(r"more than ([\d,]+) commands of virsh") <= len(commands)
    assert claimed(r"More than ([\d,]+) of the answers are errors") <= sum("error" in line for line in LINES)


def test_no_more_calls_of_an_area_are_claimed_than_were_recorded():
    areas = {names: number(calls) for calls, names in ROW.findall(PAGE)}
    recorded = {names: sum(len(RECORDS[name]) for name in re.findall(r"`(\w+)`", names)) for names in areas}
    assert [names for names in areas if areas[names] > recorded[names]] == []
    assert {name for names in areas for name in re.findall(r"`(\w+)`", names)} == {*RECORDS}


def test_what_is_answered_and_in_no_record_by_its_name_is_named():
    names = APIS.keys() - {line["api"] for line in LINES}
    assert sorted(names - {*re.findall(r"`(vir\w+)`", PAGE)}) == []


def test_no_more_calls_are_claimed_than_are_compared_with_ganetis():
    source = (FRONTS / "ganeti" / "test_side_by_side.py").read_text(encoding="utf-8")
    sequences, steps, least = map(
        number,
        re.findall(r"^(?:SEQUENCES|STEPS|LEAST_COMPARED) = ([\d_]+)", source, re.MULTILINE),
    )
    assert claimed(r"([\d,]+) sequences of") == sequences
    assert claimed(r"sequences of ([\d,]+) calls") == steps
    assert claimed(r"More than ([\d,]+) calls are compared") <= least
