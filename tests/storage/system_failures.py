"""A filesystem whose every system call may fail, one after another."""

import errno
import fcntl
import os
import re
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from unittest import mock

from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from pytest_fakehv import FakeCluster, FakeHypervisor, NodeSpec
from pytest_fakehv.machine import UNLOCK, Os
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.fakedisk import PrivateDisk
from pytest_fakehv.storage.root import Root

WELL_FORMED = re.compile(rb"0\n\d+\n\d+\n((paused|migrating)\n)?")

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES)

CALLS = (
    *("open", "read", "pread", "write", "close", "link", "replace", "unlink", "lstat", "stat", "utime"),
    *("listdir", "mkdir", "rmdir", "chmod"),
)
"""What the storage asks of a filesystem's `os`; beside it, of the machine's: these."""

OF_THE_MACHINE = ("flock", "fstat", "scandir")

WRITING = frozenset({"write", "link", "replace", "utime", "mkdir", "chmod"})
"""What goes on failing; what was made can be removed again, else nobody could leave no trace."""

OPENING = frozenset({"open", "scandir", "listdir"})


class Failure:
    """Lets a system call fail; or, from it on, each that writes, or opens where too many files are open.

    Attributes:
        calls: the system calls so far, by name.
        raised: what was raised.
    """

    def __init__(self, number, error, *, lasts=False):
        self._number = number
        self._errno = error
        self._lasts = lasts
        self.calls = []
        self.raised = []

    def wrap(self, name, function):
        def call(*args, **keywords):
            if name == "flock" and args[1] == UNLOCK:  # which fails only of what is no descriptor
                return function(*args, **keywords)
            self.calls.append(name)
            if not self._strikes(name, args):
                return function(*args, **keywords)
            if name == "close":  # it fails, and the descriptor is gone all the same
                function(*args)
            path = args[0] if args and isinstance(args[0], str) else None
            self.raised.append(OSError(self._errno, os.strerror(self._errno), path))
            raise self.raised[-1]

        return call

    def _strikes(self, name, args):
        if len(self.calls) == self._number:
            return True
        if len(self.calls) < self._number or not self._lasts:
            return False
        if self._errno == errno.EMFILE:
            return name in OPENING
        return name in WRITING or (name == "open" and args[1] & (os.O_WRONLY | os.O_CREAT))


class Place:
    """Clusters of one backend, of whose filesystem any call may fail."""

    def __init__(self, kind, directory, fs=None):
        self.kind = kind
        self._number = 0
        self._directory = directory
        self._fake = fs or (FakeFilesystem() if kind == "private" else None)
        self._disk = PrivateDisk(FakeOsModule(self._fake)) if kind == "private" else None

    def cluster(self, *nodes, hypervisor=FakeHypervisor):
        """Make a cluster whose root is another one each time."""
        self._number += 1
        path = f"{self._directory}/{self._number}"
        disk = self._disk
        root = Root(lambda: (disk, path)) if disk else path
        cluster = FakeCluster(root, *(nodes or [NodeSpec("node1"), NodeSpec("node2")]), hypervisor=hypervisor)
        self._root = cluster._root
        return cluster

    @property
    def _filesystem(self):
        return self._root._found[0]

    @contextmanager
    def failing(self, failure):
        """Let it fail as is said."""
        owner = Disk if self._fake is None else self._filesystem
        real = owner.os
        failing = SimpleNamespace(**{name: failure.wrap(name, getattr(real, name)) for name in CALLS})
        with mock.patch.object(owner, "os", failing):
            if self._fake is not None:
                yield
                return
            wrapped = {name: staticmethod(failure.wrap(name, getattr(Os, name))) for name in OF_THE_MACHINE}
            with mock.patch.multiple(Os, **wrapped):
                yield

    # What is left

    def files(self, node):
        """Read every file in a node's root, as any other program would."""
        system, found = self._filesystem.os, {}
        for name in system.listdir(node.root):
            found[name] = self._filesystem.read(f"{node.root}/{name}", 1000)
        return found

    def open_files(self):
        """Count what is open."""
        if self._fake is not None:
            return sum(each is not None for each in self._fake.open_files)
        Disk.forget_idle()
        return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0

    def check_unlocked(self, node):
        """Take a lock that somebody would still hold."""
        if self._fake is None:
            descriptor = os.open(node.root, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(descriptor)
