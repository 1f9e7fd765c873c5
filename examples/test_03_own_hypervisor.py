"""3. A hypervisor of your own: test a class that extends the fake one.

You learn to

- declare hvparams in ``PARAMETERS``, with the ready-made checks;
- override a method of the interface and call ``super()``;
- have ``fakehv`` be a node of your own class, by overriding the fixture ``fakehv_class``;
- check parameters on the class, where no node is needed, and on a node.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pytest_fakehv import FakeHypervisor, HypervisorError, InstanceLike, Parameters, ParamInSet
from pytest_fakehv.parameters import OPT_CPU_MASK_CHECK, REQ_FILE_CHECK

# The code under test: in your project it is a module of its own.


class PinningHypervisor(FakeHypervisor):
    """Boots instances from a kernel on the node, and can pin them to some of its CPUs."""

    PARAMETERS: ClassVar[Parameters] = {
        **FakeHypervisor.PARAMETERS,
        "kernel_path": REQ_FILE_CHECK,
        "cpu_mask": OPT_CPU_MASK_CHECK,
        "disk_cache": ParamInSet(True, ["none", "writeback"]),
    }

    def StartInstance(
        self, instance: InstanceLike, block_devices: Sequence[Any], startup_paused: bool
    ) -> None:
        """Start an instance, if its parameters are right and this node has the CPUs that it is pinned to."""
        self.CheckParameterSyntax(instance.hvparams)
        self.ValidateParameters(instance.hvparams)
        mask = instance.hvparams["cpu_mask"]
        count = self.GetNodeInfo()["cpu_total"]
        if mask and max(pinned_cpus(mask)) >= count:
            raise HypervisorError(f"{instance.name} is pinned to CPUs {mask}; {self.name} has 0-{count - 1}")
        super().StartInstance(instance, block_devices, startup_paused)


def pinned_cpus(mask: str) -> set[int]:
    """Return the CPUs that a mask such as "0-2,5" names."""
    cpus: set[int] = set()
    for part in mask.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


# The tests


pytestmark = pytest.mark.fakehv_node("node1", cpus=8)


@pytest.fixture
def fakehv_class() -> type[FakeHypervisor]:
    """What `fakehv` is made of in this file: our own class."""
    return PinningHypervisor


@pytest.fixture
def hvparams(tmp_path: Path) -> dict[str, str | None]:
    """Parameters with nothing wrong, for a test to spoil one of them."""
    kernel = tmp_path / "vmlinuz"
    kernel.touch()
    return {
        "migration_mode": "live",  # the one that every fake hypervisor takes
        "kernel_path": str(kernel),
        "cpu_mask": "0-2,5",
        "disk_cache": "none",
    }


def test_starts_a_pinned_instance(fakehv: FakeHypervisor, hvparams: dict[str, str | None]) -> None:
    """Nothing is wrong, so the fake's own `StartInstance` goes on."""
    fakehv.StartInstance(fakehv.instance("web1", hvparams=hvparams), [], startup_paused=False)

    fakehv.assert_running("web1")


def test_starts_an_instance_that_is_not_pinned(
    fakehv: FakeHypervisor, hvparams: dict[str, str | None]
) -> None:
    """An optional parameter must be there, but needs no value."""
    web1 = fakehv.instance("web1", hvparams=hvparams | {"cpu_mask": None})

    fakehv.StartInstance(web1, [], startup_paused=False)

    fakehv.assert_running("web1")


@pytest.mark.parametrize("mask", ["8", "6-8", "0-2,11"])
def test_refuses_cpus_that_the_node_lacks(
    fakehv: FakeHypervisor, hvparams: dict[str, str | None], mask: str
) -> None:
    """The node has CPUs 0 to 7."""
    web1 = fakehv.instance("web1", hvparams=hvparams | {"cpu_mask": mask})

    with pytest.raises(HypervisorError, match=f"^web1 is pinned to CPUs {mask}; node1 has 0-7$"):
        fakehv.StartInstance(web1, [], startup_paused=False)

    fakehv.assert_stopped("web1")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("disk_cache", "always", "'disk_cache' fails syntax check: must be one of: none, writeback"),
        ("kernel_path", "/boot/no-such-kernel", "'kernel_path' fails validation: no such file on this node"),
    ],
)
def test_refuses_to_start_with_a_wrong_parameter(
    fakehv: FakeHypervisor, hvparams: dict[str, str | None], key: str, value: str, message: str
) -> None:
    """The parameters are checked before the instance starts, and it stays stopped."""
    web1 = fakehv.instance("web1", hvparams=hvparams | {key: value})

    with pytest.raises(HypervisorError, match=f"^Parameter {message}"):
        fakehv.StartInstance(web1, [], startup_paused=False)

    fakehv.assert_stopped("web1")


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"kernel_path": "boot/vmlinuz"}, "'kernel_path' fails syntax check: not an absolute path"),
        ({"kernel_path": ""}, "'kernel_path' is required but is currently not defined"),
        ({"cpu_mask": "2-0"}, "'cpu_mask' fails syntax check: not a list of CPUs such as 0-2,5"),
        ({"disk_cache": "always"}, "'disk_cache' fails syntax check: must be one of: none, writeback"),
        ({"disk_cache": None}, "'disk_cache' is required but is currently not defined"),
        ({"migration_mode": "teleport"}, "'migration_mode' fails syntax check: invalid migration mode"),
        ({"acpi": True}, "'acpi' is not supported"),
    ],
)
def test_syntax_is_checked_without_a_node(
    hvparams: dict[str, str | None], spoilt: dict[str, str | bool | None], message: str
) -> None:
    """On the class: a master can do this for any node, before it calls one."""
    PinningHypervisor.CheckParameterSyntax(hvparams)

    with pytest.raises(HypervisorError, match=f"^Parameter {message}"):
        PinningHypervisor.CheckParameterSyntax({**hvparams, **spoilt})


def test_files_are_looked_for_on_the_node(
    fakehv: FakeHypervisor, hvparams: dict[str, str | None], tmp_path: Path
) -> None:
    """A path of the right form passes the syntax check anywhere; on a node, the file must exist."""
    fakehv.ValidateParameters(hvparams)
    (tmp_path / "vmlinuz").unlink()

    fakehv.CheckParameterSyntax(hvparams)
    with pytest.raises(HypervisorError, match="'kernel_path' fails validation: no such file on this node"):
        fakehv.ValidateParameters(hvparams)
