"""The table of procedures."""

import pytest

from pytest_fakehv.fronts.libvirt.values import DomainRef, NetworkRef, NodeDeviceRef, PoolRef, SecretRef
from pytest_fakehv.fronts.libvirt.wire import table
from pytest_fakehv.fronts.libvirt.wire.procedures import EVENTS, PROCEDURES, Program

LINES = [line for text in (table.REMOTE, table.QEMU) for line in text.split("\n") if line]


def numbers(text):
    """Return the numbers of a list like "1-7 9"."""
    ranges = [each.partition("-") for each in text.split()]
    return [number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)]


# What virsh's basics and Python clients call.
NEEDED = numbers(
    "1-7 9-12 14 15 16 19 22 23 24 27 28 29 31 33 34 35 59 60 66 110 121 122 150 151 157 183 187 196 204 "
    "212 231 234 258 273 298 316 317 344 360 361 426 "
    "17 18 21 25 32 37 51 102 149 163 164 199 200 202 203 228 245 264 265 337 342 350 442"
)


@pytest.mark.parametrize("number", NEEDED)
def test_what_clients_need_has_a_layout(number):
    procedure = PROCEDURES[Program.REMOTE][number]
    assert procedure.is_answered
    assert procedure.arguments.least % 4 == procedure.results.least % 4 == 0


def test_every_layout_is_of_the_notation():
    for procedures in PROCEDURES.values():
        for procedure in procedures.values():
            assert procedure.arguments.least % 4 == procedure.results.least % 4 == 0
    for event in EVENTS.values():
        assert event.message.least >= 8


def test_no_number_and_no_function_stands_there_twice():
    names = [line.split()[1] for line in LINES]
    assert len(names) == sum(map(len, PROCEDURES.values()))
    assert {name for name in names if names.count(name) > 1} == {
        # By connection, and by callback: clients call the newer ones.
        "virConnectDomainEventRegisterAny",
        "virConnectDomainEventDeregisterAny",
    }
    assert all(name.startswith("vir") for name in names)


def test_numbers_ascend():
    found = list(PROCEDURES[Program.REMOTE])
    assert found == sorted(found)
    assert found[-1] == 452


def test_only_what_needs_no_lock_is_answered_at_once():
    at_once = {each.number for each in PROCEDURES[Program.REMOTE].values() if each.at_once}
    assert at_once == {1, 2, 60, 66, 110, 314, 317, 360, 361, 369, 375, 381}


def test_a_procedure_shows_what_it_is():
    assert repr(PROCEDURES[Program.REMOTE][23]) == "<23 virDomainLookupByName>"


def test_the_events_that_a_host_sends():
    assert {key: (event.number, event.name) for key, event in EVENTS.items()} == {
        (DomainRef, 0): (318, "lifecycle"),
        (DomainRef, 1): (319, "reboot"),
        (DomainRef, 4): (322, "io-error"),
        (DomainRef, 6): (324, "io-error-reason"),
        (DomainRef, 8): (326, "block-job"),
        (DomainRef, 10): (328, "tray-change"),
        (DomainRef, 13): (331, "balloon-change"),
        (DomainRef, 15): (333, "device-removed"),
        (DomainRef, 16): (339, "block-job-2"),
        (DomainRef, 18): (348, "agent-lifecycle"),
        (DomainRef, 19): (354, "device-added"),
        (DomainRef, 20): (359, "migration-iteration"),
        (DomainRef, 21): (363, "job-completed"),
        (DomainRef, 22): (367, "device-removal-failed"),
        (DomainRef, 23): (379, "metadata-change"),
        (NetworkRef, 0): (315, "lifecycle"),
        (PoolRef, 0): (370, "lifecycle"),
        (PoolRef, 1): (373, "refresh"),
        (NodeDeviceRef, 0): (376, "lifecycle"),
        (NodeDeviceRef, 1): (377, "update"),
        (SecretRef, 0): (382, "lifecycle"),
        (SecretRef, 1): (383, "value-changed"),
    }
