"""Clusters on each backend, made by the public names alone: for the programs that look for what hangs."""

import itertools
import os
import re
import shutil
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pyfakefs.fake_filesystem_unittest import Patcher

import pytest_fakehv
from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, HoldError, HypervisorError, NodeSpec

if TYPE_CHECKING:
    from pytest_fakehv.cluster.limits import LimitOptions

BACKENDS: Final = ("files", "memory", "pyfakefs")

REFUSALS: Final = (HypervisorError, DeclarationError, HoldError)
"""What calls may raise that come at a bad moment."""

WELL_FORMED: Final = re.compile(rb"0\n\d+\n\d+\n((paused|migrating)\n)?")

_PACKAGE: Final = os.path.dirname(pytest_fakehv.__file__) + "/"
_SHARED_MEMORY: Final = "/dev/shm"
_DESCRIPTORS: Final = "/proc/self/fd"


class Backend:
    """Makes clusters of one backend, each with nodes of its own; a context manager.

    On pyfakefs all of them are on one fake filesystem, which is patched in meanwhile.
    """

    def __init__(self, name: str, directory: str | None = None) -> None:
        """Take the backend's name, and where real files go; None for the memory's filesystem, if any."""
        self.name = name
        if directory is None and os.path.isdir(_SHARED_MEMORY):
            directory = _SHARED_MEMORY
        self.directory = "/fakehv"
        self._parent = directory
        self._patcher: Patcher | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        """Patch the filesystem in, if it is a fake one; else make room on the real one."""
        if self.has_files:
            self.directory = tempfile.mkdtemp(prefix="hangs-", dir=self._parent)
        if self.name == "pyfakefs":
            self._patcher = Patcher()
            self._patcher.setUp()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind."""
        if self._patcher:
            self._patcher.tearDown()
        if self.has_files:
            shutil.rmtree(self.directory)

    def renew(self) -> None:
        """Leave what hangs alone: what follows has nothing in common with it."""
        if self._patcher:
            self._patcher.tearDown()
            self._patcher = Patcher()
            self._patcher.setUp()

    @property
    def has_files(self) -> bool:
        """Whether other processes see the instances."""
        return self.name == "files"

    def place(self) -> str | None:
        """Return a path for a cluster's roots where nothing is; None if it has none."""
        if self.name == "memory":
            return None
        return f"{self.directory}/{next(self._numbers)}"

    @staticmethod
    def cluster(place: str | None, *nodes: NodeSpec) -> FakeCluster:
        """Make a cluster at a place."""
        limits: LimitOptions = {"max_calls": 10**9, "max_time": 10**18}  # some programs run for hours
        return FakeCluster(place, *nodes, **limits) if place else FakeCluster.in_memory(*nodes, **limits)

    def descriptors(self, place: str | None) -> dict[int, str]:
        """Return what is open of real files and directories at a place: the paths by descriptor."""
        found = {}
        for each in os.listdir(_DESCRIPTORS) if self.has_files else []:
            with suppress(FileNotFoundError):  # that of the listing itself
                found[int(each)] = os.readlink(f"{_DESCRIPTORS}/{each}")
        return {each: path for each, path in found.items() if path.startswith(f"{place}/")}

    @staticmethod
    def files(node: FakeHypervisor) -> dict[str, bytes | Exception]:
        """Read all files in a node's root directory, as any other program would; or say why one can't be."""
        found: dict[str, bytes | Exception] = {}
        for name in os.listdir(node.root):
            try:
                found[name] = Path(node.root, name).read_bytes()
            except Exception as error:  # handed over
                found[name] = error
        return found


def place_of(error: BaseException) -> str | None:
    """Return where in the package an exception came from, as file and line; None if from nowhere there."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        found = _shown(frame, line) or found
    return found


def is_of_others(error: BaseException) -> bool:
    """Tell whether an exception came out of the fake filesystem's own code, or of the standard events'.

    Interrupted, both may leave things half done; the latter then raises that an unlocked lock was released.
    """
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(name == "threading" or name.startswith("pyfakefs.") for name in modules)


def place_of_thread(ident: int | None) -> str:
    """Return where in the package a thread is."""
    frame = sys._current_frames().get(ident or 0)
    while frame:
        if found := _shown(frame, frame.f_lineno):
            return found
        frame = frame.f_back
    return "nowhere in the package"


def _shown(frame: FrameType, line: int) -> str | None:
    code: Any = frame.f_code
    if not code.co_filename.startswith(_PACKAGE):
        return None
    return f"{code.co_filename.removeprefix(_PACKAGE)}:{line} in {code.co_qualname}"
