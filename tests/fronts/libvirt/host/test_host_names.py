"""The lists of libvirt's functions: what a host answers, what faults can name, and what is a procedure."""

from inspect import CO_VARARGS

import pytest_fakehv.fronts.libvirt.host  # noqa: F401  # where each declares what it answers
from pytest_fakehv.fronts.libvirt.host.apis import APIS
from pytest_fakehv.fronts.libvirt.wire.procedures import PROCEDURES
from pytest_fakehv.interface.libvirt import LIBVIRT_COMMANDS, LIBVIRT_NAMES

OF_THE_SERVER = {
    "virConnectAuthList",
    "virConnectClose",
    "virConnectRegisterCloseCallback",
    "virConnectSupportsFeature",
    "virConnectUnregisterCloseCallback",
}
"""What is answered without the host."""


def test_what_a_host_answers_is_what_faults_can_name():
    free = {name for name, api in APIS.items() if api.is_free}
    assert free == {
        "virConnectGetURI",
        "virConnectDomainEventDeregisterAny",
        "virConnectNetworkEventDeregisterAny",
        "virConnectNodeDeviceEventDeregisterAny",
        "virConnectSecretEventDeregisterAny",
        "virConnectStoragePoolEventDeregisterAny",
    }
    assert APIS.keys() - free == LIBVIRT_NAMES
    assert set(LIBVIRT_COMMANDS) <= LIBVIRT_NAMES


def test_what_a_host_answers_is_what_the_table_has_arguments_of():
    answered = {each.api for program in PROCEDURES.values() for each in program.values() if each.is_answered}
    assert answered - OF_THE_SERVER == APIS.keys()


def test_flags_are_the_last_argument():
    codes = [api.function.__code__ for api in APIS.values() if api.flags is not None]
    names = [each.co_varnames[each.co_argcount - 1] for each in codes if not each.co_flags & CO_VARARGS]
    assert {each.strip("_") for each in names} == {"flags"}
