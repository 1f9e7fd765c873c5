#!/usr/bin/python3
"""Stands before QEMU, and plays the agent of its guest, as a file beside the domain's images says.

No guest here has an operating system. The daemon talks to this process where it would to the guest's channel,
and is told in QEMU's words when something in the guest opens that.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

QEMU = "/run/libvirt/usr/bin/qemu-system-x86_64"
ANSWERS = "/var/lib/libvirt/images/{}.agent"
"""Where the answers of a domain's agent are: by the command's name, what it returns, or an error, or None for
no answer at all. Without the file, there is no agent."""

ASKED = Path("/var/lib/libvirt/images/asked")
"""Gets a line for all that an agent is asked."""

PR_SET_PDEATHSIG = 1

CHANNEL = "org.qemu.guest_agent.0"


def listening(arguments, kind):
    """Return the place of a character device's argument, and the socket that the daemon has given it."""
    for place, each in enumerate(arguments):
        parts = dict(part.partition("=")[::2] for part in each.split(","))
        if each.startswith("socket,") and parts.get("id") == kind and "fd" in parts:
            return place, socket.socket(fileno=int(parts["fd"]))
    return None, None


def channel_of(arguments):
    """Return the names of the agent's channel and of its character device; None where there is none."""
    for each in arguments:
        if CHANNEL in each and "virtserialport" in each:
            if each.startswith("{"):
                parts = json.loads(each)
            else:
                parts = dict(part.partition("=")[::2] for part in each.split(","))
            return parts["id"], parts["chardev"]
    return None


class Agent:
    """The agent of one domain."""

    def __init__(self, name):
        self._path = Path(ANSWERS.format(name))

    @property
    def answers(self):
        """What it answers; None where there is none."""
        try:
            return json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def serve(self, listener):
        """Answer whoever connects."""
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        for line in connection.makefile("rb"):
            if answer := self._heard(line.lstrip(b"\xff")):
                try:
                    connection.sendall(json.dumps(answer).encode() + b"\n")
                except OSError:
                    return

    def _heard(self, line):
        try:
            call = json.loads(line)
        except ValueError:
            return refused("JSON parse error, invalid keyword")
        if not isinstance(call, dict):
            return refused("QMP input must be a JSON object")
        if "execute" not in call:
            return refused("QMP input lacks member 'execute'")
        if not isinstance(call["execute"], str):
            return refused("QMP input member 'execute' must be a string")
        return self._answer(call)

    def _answer(self, call):
        answers, command = self.answers, call["execute"]
        if command != "guest-sync":
            log(call)
        if answers is None:
            return None
        if command in answers:
            said = answers[command]
            return said if said is None or "error" in said else {"return": said["return"]}
        if command == "guest-sync":
            return {"return": call["arguments"]["id"]}
        return refused(f"The command {command} has not been found", "CommandNotFound")


def refused(why, kind="GenericError"):
    """Return what an agent says that doesn't do as it was told."""
    return {"error": {"class": kind, "desc": why}}


def log(call):
    """Note what the daemon asks."""
    with ASKED.open("a") as file:
        file.write(f"{json.dumps(call)}\n")


class Monitor:
    """What the daemon and QEMU say to each other, and what is said between."""

    def __init__(self, listener, inner):
        self._listener, self._inner = listener, inner
        self._lock = threading.Lock()
        self._daemon = None
        self.has_begun = False

    def run(self):
        self._daemon, _ = self._listener.accept()
        threading.Thread(target=self._copy, args=(self._daemon, self._inner), daemon=True).start()
        for line in self._inner.makefile("rb"):
            self._say(line)
            if b'"event": "RESUME"' in line:
                self.has_begun = True
        self._daemon.shutdown(socket.SHUT_RDWR)

    def _copy(self, source, target):
        while True:
            data, descriptors, *_ = socket.recv_fds(source, 65536, 8)
            if not data:
                break
            socket.send_fds(target, [data], descriptors)
            for each in descriptors:
                os.close(each)
        target.shutdown(socket.SHUT_WR)

    def _say(self, line):
        with self._lock:
            self._daemon.sendall(line)

    def tell(self, port, is_open):
        now = time.time()
        stamp = {"seconds": int(now), "microseconds": int(now % 1 * 1e6)}
        event = {"event": "VSERPORT_CHANGE", "data": {"open": is_open, "id": port}, "timestamp": stamp}
        self._say(json.dumps(event).encode() + b"\r\n")


def main():
    """Run QEMU, and be its guest's agent if it has a channel for one."""
    arguments = sys.argv[1:]
    found = channel_of(arguments)
    if not found:
        os.execv(QEMU, [QEMU, *arguments])
    port, device = found
    name = arguments[arguments.index("-name") + 1].removeprefix("guest=").partition(",")[0]
    agent = Agent(name)
    place, listener = listening(arguments, device)
    arguments[place] = f"null,id={device}"
    place, outer = listening(arguments, "charmonitor")
    ours, theirs = socket.socketpair()
    os.set_inheritable(theirs.fileno(), True)
    arguments[place] = f"socket,id=charmonitor,fd={theirs.fileno()}"
    child = os.fork()
    if not child:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.execv(QEMU, [QEMU, *arguments])
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    theirs.close()
    monitor = Monitor(outer, ours)
    threading.Thread(target=agent.serve, args=(listener,), daemon=True).start()
    threading.Thread(target=monitor.run, daemon=True).start()
    was_open = False
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            time.sleep(0.05)
            os._exit(os.waitstatus_to_exitcode(status) & 255)
        is_open = monitor.has_begun and agent.answers is not None
        if is_open != was_open:
            was_open = is_open
            monitor.tell(port, is_open)
        time.sleep(0.02)


main()
