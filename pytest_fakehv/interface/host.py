"""The size of the machine that runs the test, for a node that is given no size of its own."""

import re
from contextlib import suppress

from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.interface.objects import NodeInfo
from pytest_fakehv.machine import Files, Os, current_files

__tracebackhide__ = True  # a failed call is shown at the line that made it


def read_host(meminfo: str, cpuinfo: str) -> NodeInfo:
    """Read the figures from files as Linux has them under /proc; dom0 has what is not available.

    Under a patched-in fake filesystem a file there comes first, for a test that fakes its machine; what
    is not there is the machine's own.

    Args:
        meminfo: path of the file with MemTotal and MemAvailable, in kB.
        cpuinfo: path of the file with a line for each processor.

    Raises:
        HypervisorError: a file can't be read or lacks a line; the message names it.
    """
    memory = _read(meminfo)
    total, free = (_mebibytes(memory, key, meminfo) for key in ("MemTotal", "MemAvailable"))
    cpus = len(re.findall(r"^processor\s*:", _read(cpuinfo), re.MULTILINE))
    if not cpus:
        raise HypervisorError(f"Failed to get node info: {cpuinfo} has no line 'processor'")
    return NodeInfo(
        memory_total=total,
        memory_free=free,
        memory_dom0=total - free,
        cpu_total=cpus,
        cpu_dom0=cpus,
        cpu_nodes=1,
        cpu_sockets=1,
    )


def _read(path: str) -> str:
    try:
        with suppress(FileNotFoundError):
            return _text(current_files(), path)
        return _text(Files, path)
    except OSError as error:
        raise HypervisorError(f"Failed to get node info: {path}: {Os.strerror(error.errno or 0)}") from error


def _text(files: type[Files], path: str) -> str:
    with files.open(path, encoding="utf-8", errors="replace") as file:
        return str(file.read())


def _mebibytes(text: str, key: str, path: str) -> int:
    found = re.search(rf"^{key}:\s*(\d+) kB$", text, re.MULTILINE)
    if not found:
        raise HypervisorError(f"Failed to get node info: {path} has no line '{key}: NUMBER kB'")
    return int(found[1]) // 1024
