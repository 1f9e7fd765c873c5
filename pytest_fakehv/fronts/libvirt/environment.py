"""The environment for subprocesses, in which URIs lead to nodes as they do in the test itself."""

import shlex
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pytest_fakehv.fronts.libvirt import ssh
from pytest_fakehv.fronts.libvirt.routes import DEFAULT_URI, Routes
from pytest_fakehv.machine import Os

_SSH: Final = """\
#!/bin/sh
case " $* " in
*' -T -e none '*) exec {python} -I -S {program} {hosts} "$@" ;;
esac
folder={folder}
path=:$PATH:
path=${{path%%":$folder:"*}}:${{path#*":$folder:"}}
path=${{path#:}}
PATH=${{path%:}}
exec ssh "$@"
"""
"""The calls by which libvirt reaches a host are ours; all others, whatever the host, are the real ssh's."""

_VIRSH_DEFAULT_URI: Final = "VIRSH_DEFAULT_CONNECT_URI"

_SOCKETS: Final = ("libvirt-sock", "virtqemud-sock")
"""What the daemon of a user who isn't root listens on, by its two names."""


def environment(routes: Routes, folder: str) -> dict[str, str]:
    """Return the environment for subprocesses that drive the nodes.

    It is this process's, but ``qemu+ssh://NODE/...`` leads to that node. What names no host, as ``virsh
    list``, leads to the node as which programs run; so does ``qemu:///session``, unless the user is root. All
    else that calls ``ssh`` has the real one. Nothing leads ``qemu:///system``, or other transports than ssh.

    Args:
        routes: where to, as they are now.
        folder: a directory, of a short path, for nothing but what subprocesses find there.
    """
    programs, hosts, daemon = f"{folder}/bin", f"{folder}/hosts", f"{folder}/libvirt"
    for each in (programs, daemon):
        with suppress(FileExistsError):
            Os.mkdir(each, 0o700)
    _put(hosts, "".join("\t".join((path, *names)) + "\n" for path, names in routes.hosts()), 0o600)
    paths = {"python": sys.executable, "program": ssh.__file__, "hosts": hosts, "folder": programs}
    _put(f"{programs}/ssh", _SSH.format_map({key: shlex.quote(path) for key, path in paths.items()}), 0o700)
    env = {**Os.environ, DEFAULT_URI: routes.direct(None)}
    env["PATH"] = f"{programs}:{env.get('PATH', Os.module.defpath)}"
    if _VIRSH_DEFAULT_URI in env:
        env[_VIRSH_DEFAULT_URI] = routes.direct(env[_VIRSH_DEFAULT_URI])
    env["LIBVIRT_AUTOSTART"] = "0"  # of a real daemon, where nobody listens
    if Os.geteuid():
        env["XDG_RUNTIME_DIR"] = folder
        for each in _SOCKETS:
            _put_in_place(f"{daemon}/{each}", lambda new: Os.symlink(routes.socket(routes.here), new))
    return env


def _put(path: str, text: str, mode: int) -> None:
    def write(new: str) -> None:
        descriptor = Os.open(new, Os.module.O_WRONLY | Os.module.O_CREAT | Os.module.O_TRUNC, mode)
        try:
            Os.write(descriptor, text.encode())
        finally:
            Os.close(descriptor)

    _put_in_place(path, write)


def _put_in_place(path: str, make: Callable[[str], object]) -> None:
    """Make what stands at a path, whole at any time, as another thread's subprocess may look at it."""
    new = f"{path}.{threading.get_ident()}"
    make(new)
    Os.replace(new, path)
