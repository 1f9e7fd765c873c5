"""The functions of the machine that runs the test, as they were when this was imported.

Our own plumbing uses these alone, so that a test which patches `os`, `time` or `open` patches its own code,
not ours. They are attributes of classes, since what replaces functions for a test (pyfakefs, freezegun) looks
for them among the globals of modules.
"""

import fcntl
import os
import time
from typing import Any, ClassVar, Final

LOCK: Final = fcntl.LOCK_EX
UNLOCK: Final = fcntl.LOCK_UN


class Os:
    """The functions of `os` that we use, and the module itself."""

    module = os

    chmod = staticmethod(os.chmod)
    close = staticmethod(os.close)
    flock = staticmethod(fcntl.flock)
    getpid = staticmethod(os.getpid)
    link = staticmethod(os.link)
    listdir = staticmethod(os.listdir)
    lstat = staticmethod(os.lstat)
    mkdir = staticmethod(os.mkdir)
    open = staticmethod(os.open)
    pread = staticmethod(os.pread)
    read = staticmethod(os.read)
    replace = staticmethod(os.replace)
    rmdir = staticmethod(os.rmdir)
    scandir: ClassVar[Any] = staticmethod(os.scandir)
    stat = staticmethod(os.stat)
    strerror = staticmethod(os.strerror)
    unlink = staticmethod(os.unlink)
    utime = staticmethod(os.utime)
    write = staticmethod(os.write)


class Files:
    """The function that opens files as Python has them."""

    open = staticmethod(open)


class Time:
    """The functions of `time` that we use."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    time_ns = staticmethod(time.time_ns)
