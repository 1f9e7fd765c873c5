"""The functions of the machine that runs the test, as they were when this was imported.

Our own plumbing uses these alone, so that a test which patches `os`, `time` or `open` patches its own code
and not ours. They are attributes of classes, since what replaces functions for a test (pyfakefs, freezegun)
looks for them among the globals of modules. None of them is written in Python: such a one would call others
as a test has patched them.
"""

import fcntl
import os
import sys
import time
from typing import Any, ClassVar, Final, cast

LOCK: Final = fcntl.LOCK_EX
UNLOCK: Final = fcntl.LOCK_UN


class Os:
    """The functions of `os` that we use, the environment, and the module itself."""

    module = os

    chmod = staticmethod(os.chmod)
    close = staticmethod(os.close)
    environ = os.environ
    flock = staticmethod(fcntl.flock)
    fspath: ClassVar[Any] = staticmethod(os.fspath)
    fstat = staticmethod(os.fstat)
    getcwd = staticmethod(os.getcwd)
    geteuid = staticmethod(os.geteuid)
    getpid = staticmethod(os.getpid)
    link = staticmethod(os.link)
    listdir = staticmethod(os.listdir)
    lstat = staticmethod(os.lstat)
    mkdir = staticmethod(os.mkdir)
    normpath: ClassVar[Any] = staticmethod(os.path.normpath)
    open = staticmethod(os.open)
    pipe = staticmethod(os.pipe)
    pread = staticmethod(os.pread)
    read = staticmethod(os.read)
    replace = staticmethod(os.replace)
    rmdir = staticmethod(os.rmdir)
    scandir: ClassVar[Any] = staticmethod(os.scandir)
    stat = staticmethod(os.stat)
    strerror = staticmethod(os.strerror)
    symlink = staticmethod(os.symlink)
    unlink = staticmethod(os.unlink)
    utime = staticmethod(os.utime)
    write = staticmethod(os.write)


class Files:
    """The function that opens files as Python has them."""

    open: ClassVar[Any] = staticmethod(open)


class Time:
    """The functions of `time` that we use."""

    localtime = staticmethod(time.localtime)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    strftime = staticmethod(time.strftime)
    time_ns = staticmethod(time.time_ns)


def current_os() -> type[Os]:
    """Return the functions of `os` in use now: the machine's, or those of a patched-in fake filesystem."""
    # Among the loaded modules, where pyfakefs puts its own: so it is found without importing it.
    now: Any = sys.modules[Os.module.__name__]
    # Made anew: of the fake module, too, a test may have patched functions.
    return Os if now is Os.module else cast("type[Os]", type(now)(now.filesystem))
