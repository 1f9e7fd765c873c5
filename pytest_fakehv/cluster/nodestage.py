"""What a test does to one node: it looks, sets the scene, and lets things befall it."""

from dataclasses import replace
from typing import Unpack, get_args

from pytest_fakehv.checks import DeclarationError, check_choice
from pytest_fakehv.cluster.assertions import Assertions
from pytest_fakehv.cluster.inner import InnerNode
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.cluster.stage import Stage
from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.interface.objects import (
    ByInstance,
    DeclaredState,
    Instance,
    InstanceInfo,
    InstanceLike,
    InstanceOptions,
    InstanceSpec,
    name_of,
)
from pytest_fakehv.keywords import takes
from pytest_fakehv.storage.locks import found_once

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


class NodeStage(Stage, Assertions):
    """The test's side of one node."""

    _inner: InnerNode
    _shared: Shared

    @found_once  # every call asks for it
    def name(self) -> str:
        """The node's name; "localhost" for one that has the machine's own size."""
        return self._inner.name

    @property
    def root(self) -> str:
        """The path of the directory with the instance files; made now if it wasn't needed before.

        In a private fake filesystem it can't be reached from outside.

        Raises:
            HypervisorError: it can't be made, or there is none, since the node keeps its instances in memory.
        """
        with self._inner.doing("make the root directory"):
            return self._inner.store.make()

    @property
    def address(self) -> str:
        """Where the other nodes reach it."""
        return self._inner.address

    @property
    def tags(self) -> tuple[str, ...]:
        """The texts that it was declared with, for the test's own use."""
        return self._inner.spec.tags if self._inner.spec else ()

    @property
    def instances(self) -> dict[str, InstanceInfo]:
        """The running and the paused instances' figures, by name; web2 comes before web10.

        Raises:
            HypervisorError: an instance's file is malformed or unreadable.
        """
        return ByInstance(self._inner.instances, self._scope.why_not)

    @property
    def instance_names(self) -> list[str]:
        """The running and the paused instances' names; web2 comes before web10. Reads no instance's file."""
        return self._inner.instance_names

    def instance_info(self, name: str | InstanceLike) -> InstanceInfo | None:
        """Return one instance's figures, or None if it neither runs nor is paused.

        Args:
            name: the instance, by name or as the object that the interface takes.

        Raises:
            HypervisorError: its file is malformed or unreadable; other files don't matter.
        """
        return self._inner.instance_info(name_of(name))

    def runs(self, name: str | InstanceLike) -> bool:
        """Tell whether an instance runs or is paused here, whatever its file says of it.

        Args:
            name: the instance, by name or as the object that the interface takes.
        """
        return self._inner.runs(name_of(name))

    @property
    def is_down(self) -> bool:
        """Whether it crashed and has not booted since, or left its cluster."""
        return self._inner.is_down

    @property
    def is_cut_off(self) -> bool:
        """Whether it was disconnected and not reconnected since."""
        return self._inner.is_cut_off

    @property
    def unreachable(self) -> str | None:
        """Why no call reaches the node, to stand behind its name; None if calls do."""
        return self._inner.unreachable

    @takes(InstanceSpec)
    def add_instance(
        self,
        name: str | InstanceLike,
        *,
        state: DeclaredState = "running",
        **options: Unpack[InstanceOptions],
    ) -> Instance:
        """Set the scene: put an instance on this node, without a call of the interface.

        No method of a subclass is asked, so that a test can set up what the class would refuse.

        Args:
            name: as in `instance`.
            state: as in `InstanceSpec`.
            **options: as in `instance`.

        Returns:
            What the interface's methods take.

        Raises:
            DeclarationError: an argument is wrong, the instance runs here already or does not fit, or the
                node is down.
        """
        check_choice("state", state, get_args(DeclaredState))
        instance = self.instance(name, **options)
        inner, shared, name = self._inner, self._shared, instance.name
        if state != "stopped":
            if inner.why_nothing_runs:
                raise DeclarationError(f"{self.name} {inner.why_nothing_runs}")
            try:
                with inner.doing(f"place {name} on {self.name}"):
                    inner.start(instance, paused=state == "paused")
            except HypervisorError as error:
                raise DeclarationError(str(error)) from error.__cause__
        shared.declared[name] = replace(shared.declared[name], node=self.name, state=state)
        shared.placed += 1
        if state != "stopped":
            shared.chronicle.did("add_instance", node=self.name, instance=name)
        return instance

    # What befalls it

    def crash(self) -> None:
        """Let the node go down at once: its instances are gone, migrations from and to it have failed.

        From then on every call raises `NodeDownError`, until `boot`. A malformed file stays.
        """
        with self._inner.doing(f"crash {self.name}"):
            self._inner.crash()

    def boot(self) -> None:
        """Let a node that is down come up again, with nothing running on it; cut off, it stays so.

        Only behind libvirt's front, what is marked there to start with its host runs then.
        """
        if self._inner.end("down", "boot"):
            for each in self._shared.fronts:
                each.booted(self.name)

    def disconnect(self) -> None:
        """Cut the node off: every call raises `NodeDownError`, until `reconnect`.

        Its instances run on, and so do the migrations from and to it.
        """
        self._inner.begin("cut off", "disconnect")

    def reconnect(self) -> None:
        """Let calls reach a node again that was cut off; down, it stays so."""
        self._inner.end("cut off", "reconnect")
