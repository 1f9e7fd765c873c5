"""The size of the machine that runs the test, for a node that is given no size of its own."""

import re
from contextlib import suppress
from typing import Final

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.interface.objects import NodeInfo
from pytest_fakehv.machine import Os, current_os
from pytest_fakehv.reading import check_path, read_file
from pytest_fakehv.text import printable

__tracebackhide__ = True  # a failed call is shown at the line that made it

_LARGEST_FILE: Final = 2**24
"""Bytes: with room for the processors of the largest machines."""


def read_host(meminfo: str, cpuinfo: str) -> NodeInfo:
    """Read the figures from files as Linux has them under /proc; dom0 has what is not available.

    Under a patched-in fake filesystem a file there comes first, for a test that fakes its machine; what
    is not there is the machine's own.

    Args:
        meminfo: path of the file with MemTotal and MemAvailable, in kB.
        cpuinfo: path of the file with a line for each processor.

    Raises:
        HypervisorError: one is no file, can't be read or lacks a line; the message names it.
    """
    try:
        memory = _read("meminfo", meminfo)
        total, free = (_mebibytes(memory, key, meminfo) for key in ("MemTotal", "MemAvailable"))
        cpus = _processors(_read("cpuinfo", cpuinfo), cpuinfo)
    except DeclarationError as error:
        raise HypervisorError(f"Failed to get node info: {error}") from error.__cause__
    return NodeInfo(
        memory_total=total,
        memory_free=free,
        memory_dom0=total - free,
        cpu_total=cpus,
        cpu_dom0=cpus,
        cpu_nodes=1,
        cpu_sockets=1,
    )


def _read(key: str, given: str) -> str:
    path = check_path(f"{key} must be the path of a file", given)
    try:
        with suppress(FileNotFoundError):
            return _text(current_os(), path)
        return _text(Os, path)
    except OSError as error:
        raise DeclarationError(f"{_shown(path)}: {Os.strerror(error.errno or 0)}") from error
    except DeclarationError as error:
        raise DeclarationError(f"{_shown(path)}: {error}") from None


def _text(os_now: type[Os], path: str) -> str:
    return read_file(os_now, path, _LARGEST_FILE).decode(errors="replace").replace("\r\n", "\n")


def _mebibytes(text: str, key: str, path: str) -> int:
    found = re.search(rf"^{key}:\s*(\d+) kB$", text, re.MULTILINE)
    if not found:
        raise DeclarationError(f"{_shown(path)} has no line '{key}: NUMBER kB'")
    return int(found[1]) // 1024


def _processors(text: str, path: str) -> int:
    found = re.findall(r"^processor\s*:", text, re.MULTILINE)
    if not found:
        raise DeclarationError(f"{_shown(path)} has no line 'processor'")
    return len(found)


def _shown(path: str) -> str:
    return printable(str(path))
