"""The parameter checks of the interface, on the class and on the node."""

from typing import ClassVar

import pytest

from pytest_fakehv import FakeHypervisor, HypervisorError, NodeSpec
from pytest_fakehv.interface import parameters
from pytest_fakehv.interface.parameters import ParameterCheck, ParamInSet


def message(function, *args):
    with pytest.raises(HypervisorError) as caught:
        function(*args)
    return str(caught.value)


@pytest.fixture(params=["class", "node"])
def hypervisor(request, tmp_path):
    """The class itself, and a node of that class."""
    return FakeHypervisor if request.param == "class" else FakeHypervisor(tmp_path, spec=NodeSpec("n"))


@pytest.mark.parametrize("mode", ["live", "non-live"])
def test_the_one_parameter_of_the_fake(hypervisor, mode):
    assert hypervisor.CheckParameterSyntax({"migration_mode": mode}) is None
    assert hypervisor.ValidateParameters({"migration_mode": mode}) is None
    assert hypervisor.AssessParameters({"migration_mode": mode}) == []


@pytest.mark.parametrize(
    ("hvparams", "text"),
    [
        ({"migration_mode": "live", "kernel": ""}, "Parameter 'kernel' is not supported"),
        ({}, "Parameter 'migration_mode' is missing"),
        ({"migration_mode": None}, "Parameter 'migration_mode' is required but is currently not defined"),
        ({"migration_mode": ""}, "Parameter 'migration_mode' is required but is currently not defined"),
        (
            {"migration_mode": []},
            "Parameter 'migration_mode' fails syntax check: invalid migration mode (current value: '[]')",
        ),
        (
            {"migration_mode": "warp"},
            "Parameter 'migration_mode' fails syntax check: invalid migration mode (current value: 'warp')",
        ),
    ],
)
def test_syntax(hypervisor, hvparams, text):
    assert message(hypervisor.CheckParameterSyntax, hvparams) == text


@pytest.mark.parametrize(
    ("hvparams", "text"),
    [
        ({}, "Parameter 'migration_mode' is missing"),
        ({"migration_mode": ""}, "Parameter 'migration_mode' is required but is currently not defined"),
    ],
)
def test_validation_asks_for_the_same_values(hypervisor, hvparams, text):
    assert message(hypervisor.ValidateParameters, hvparams) == text


class Kvm(FakeHypervisor):
    """A user's class, with a plain tuple among its parameters."""

    PARAMETERS: ClassVar = {
        **FakeHypervisor.PARAMETERS,
        "kernel": parameters.OPT_FILE_CHECK,
        "cpus": (False, lambda value: value > 1, "too few", lambda value: value < 9, "too many here"),
        "anything": parameters.NO_CHECK,
        "something": parameters.REQUIRED_CHECK,
    }


GOOD = {"migration_mode": "live", "kernel": "", "cpus": 4, "anything": None, "something": 0}


def test_a_subclass_with_parameters_of_its_own(tmp_path):
    for hypervisor in (Kvm, Kvm(tmp_path, spec=NodeSpec("n"))):
        hypervisor.CheckParameterSyntax(GOOD)
        hypervisor.ValidateParameters(GOOD)
        assert message(hypervisor.CheckParameterSyntax, {**GOOD, "cpus": 1}) == (
            "Parameter 'cpus' fails syntax check: too few (current value: '1')"
        )
        assert message(hypervisor.ValidateParameters, {**GOOD, "cpus": 9}) == (
            "Parameter 'cpus' fails validation: too many here (current value: '9')"
        )
        assert message(hypervisor.CheckParameterSyntax, {**GOOD, "something": ""}) == (
            "Parameter 'something' is required but is currently not defined"
        )
        kernel = str(tmp_path / "vmlinuz")
        hypervisor.CheckParameterSyntax({**GOOD, "kernel": kernel})
        assert message(hypervisor.ValidateParameters, {**GOOD, "kernel": kernel}) == (
            f"Parameter 'kernel' fails validation: no such file on this node (current value: '{kernel}')"
        )


def test_entries_are_plain_five_tuples():
    assert parameters.NO_CHECK == (False, None, None, None, None)
    assert parameters.REQUIRED_CHECK == (True, None, None, None, None)
    assert isinstance(parameters.MIGRATION_MODE_CHECK, ParameterCheck)
    assert parameters.MIGRATION_MODE_CHECK.required


PATHS = (["/etc/fstab", "/", "/a b/c"], ["etc/fstab", "/etc/../x", "/etc/./x", "/etc/", "//etc", "", 5, None])
CPUS = (["0", "0-3", "1,3-5,7", "4-4"], ["", "3-1", "1-", "-1", "a", "1,,2", "1-2-3", "all", "²", 3])


@pytest.mark.parametrize(
    ("name", "text", "good", "bad"),
    [
        ("FILE_CHECK", "not an absolute path in its shortest form", *PATHS),
        ("DIR_CHECK", "not an absolute path in its shortest form", *PATHS),
        (
            "FILE_OR_URL_CHECK",
            "not an absolute path in its shortest form, nor an http, https or ftp URL",
            [*PATHS[0], "http://host/x.iso", "https://h", "ftp://h/"],
            [*PATHS[1], "http:", "file:///etc/x", "http://[::1", "host/x"],
        ),
        (
            "NET_PORT_CHECK",
            "not a port number from 1 to 65535",
            [1, 5900, 65535],
            [0, -1, 65536, "80", 1.0, True, None],
        ),
        ("CPU_MASK_CHECK", "not a list of CPUs such as 0-2,5", *CPUS),
        (
            "MULTI_CPU_MASK_CHECK",
            "not a list of CPUs per virtual CPU such as 0-2,5:all:7",
            [*CPUS[0], "all", "0-1:2,3:all"],
            ["", ":", "0:", "a:all", "3-1:all", 3],
        ),
        (
            "NONNEGATIVE_INT_CHECK",
            "not an integer of 0 or more",
            [0, 1, 2**62],
            [-1, True, 1.0, "1", None],
        ),
    ],
)
def test_ready_made_syntax_checks(name, text, good, bad):
    for prefix, required in (("REQ_", True), ("OPT_", False)):
        check = getattr(parameters, prefix + name)
        assert check.required is required
        assert check.syntax_text == text
        assert [value for value in good if not check.syntax(value)] == []
        assert [value for value in bad if check.syntax(value)] == []


def test_ready_made_node_checks(tmp_path):
    file = tmp_path / "file"
    file.touch()
    folder, absent = str(tmp_path), str(tmp_path / "absent")
    for check, good, bad in (
        (parameters.REQ_FILE_CHECK, [str(file)], [folder, absent]),
        (parameters.REQ_DIR_CHECK, [folder], [str(file), absent]),
        (parameters.REQ_FILE_OR_URL_CHECK, [str(file), "http://host/"], [folder, absent]),
    ):
        assert [check.node(value) for value in good] == [True] * len(good)
        assert [check.node(value) for value in bad] == [False] * len(bad)
    assert parameters.OPT_DIR_CHECK.node_text == "no such directory on this node"
    assert parameters.OPT_FILE_CHECK.node_text == "no such file on this node"
    assert parameters.OPT_FILE_OR_URL_CHECK.node_text == "no such file on this node"
    for name in ("NET_PORT", "CPU_MASK", "MULTI_CPU_MASK", "NONNEGATIVE_INT"):
        assert getattr(parameters, f"REQ_{name}_CHECK")[3:] == (None, None)


def test_param_in_set():
    check = ParamInSet(False, ["ide", "scsi"])
    assert not check.required
    assert ParamInSet(True, {"a"}).required
    assert check.syntax("ide")
    assert not check.syntax("sata")
    assert not ParamInSet(True, {"a"}).syntax(["a"])
    assert check.syntax_text == "must be one of: ide, scsi"
