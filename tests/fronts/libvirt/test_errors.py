"""libvirt's errors, in its words."""

import pickle

import pytest

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure, wrong_argument


def values(error):
    """Return what a client's bindings show."""
    names = ("code", "domain", "message", "level", "str1", "str2", "str3", "int1", "int2")
    return tuple(getattr(error, name) for name in names)


def test_a_template_and_a_detail():
    error = failure(Code.OPERATION_INVALID, "domain is not running", origin=Origin.DOMAIN)
    assert values(error) == (
        55,
        20,
        "Requested operation is not valid: domain is not running",
        2,
        "Requested operation is not valid: %s",
        "domain is not running",
        None,
        -1,
        -1,
    )
    assert str(error) == "Requested operation is not valid: domain is not running"


@pytest.mark.parametrize(
    ("code", "detail", "message", "str1", "str2"),
    [
        (Code.NO_NAME, None, "missing name information", "missing name information", None),
        (Code.XML_DETAIL, "line 1", "line 1", "%s", "line 1"),
        (Code.DRIVER_FULL, None, "error 25", "error 25", None),
        (2000, "new", "new", "%s", "new"),
    ],
)
def test_an_error_that_lacks_one_of_them(code, detail, message, str1, str2):
    error = failure(code, detail)
    assert values(error) == (code, 10, message, 2, str1, str2, None, -1, -1)


def test_an_argument_that_no_host_takes():
    error = wrong_argument("virDomainSetVcpus", "nvcpus", "nvcpus in virDomainSetVcpus must not be zero")
    assert values(error) == (
        8,
        20,
        "nvcpus in virDomainSetVcpus must not be zero",
        2,
        "virDomainSetVcpus",
        "nvcpus",
        None,
        0,
        0,
    )


def test_an_error_passes_to_another_process():
    error = failure(Code.NO_DOMAIN, "no domain with matching name 'x'")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is LibvirtError
    assert values(copy) == values(error)
