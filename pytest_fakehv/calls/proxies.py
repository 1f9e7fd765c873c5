"""What one process has and others use: of a cluster there is one account, whichever process calls.

In a forked child, and wherever they were handed to by pickle, a node, its cluster and what belongs to them
are proxies: whatever is public of them is asked of the process that has the object itself, over a local
socket. So the journal has every call, every fault strikes, and the verdict is as if threads had called, on
each backend. Who makes an object of its own on the same root directory is another program, as ever.
"""

import atexit
import errno
import inspect
import io
import os
import pickle
import select
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import cache
from socket import AF_UNIX, SHUT_WR, SOCK_STREAM, SocketType
from typing import Any, ClassVar, Final, Self

from pytest_fakehv.calls.callers import called_from, caller
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.machine import Os, Time
from pytest_fakehv.storage.locks import Living, found_once
from pytest_fakehv.storage.temporary import temporary_directory
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it

_SPECIAL: Final = ("__contains__", "__getitem__", "__len__", "__repr__")
"""The methods with two underscores that a proxy asks for, where the object has them."""

_ENDED: Final = (FileNotFoundError, ConnectionError)
"""What is raised where the process that is asked has ended, before the question or since."""

_MOST_WAITING: Final = 128

_THREADS: Final = "/proc/self/task"
"""Where Linux has a directory for each thread of the process that looks, by its number."""

_LONGEST_END: Final = 10_000
"""So often is looked there, at most, for a thread that is ending: another may have its number by now."""

_LONGEST_DIRECTORY: Final = 96
"""Bytes that the path of a socket's directory may have: of the whole, systems take 104 and more."""


class Referent:
    """What other processes use through proxies; both are called as in `multiprocessing`."""

    _local: ClassVar[frozenset[str]] = frozenset()
    """The public names that are about the process that uses them: a proxy does them itself."""

    def __init__(self) -> None:
        self._number = _referents.add(self)

    def __copy__(self) -> Self:
        """Return it itself: there is one."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Hand on where it is, and not what it is: in another process it is a proxy."""
        server = _Server.begun()
        server.go_on()
        return _found, (server.address, self._number, _known(type(self)))


_referents: Final[Living[Referent]] = Living()


def _referent(number: int) -> Referent:
    """Return the one of a number.

    Raises:
        DeclarationError: it is there no more.
    """
    found = _referents.find(number)
    if found is None:
        raise DeclarationError(
            "what is asked for is there no more: the test that had it is over; end its processes with it"
        )
    return found


class _Proxy:
    """What stands for an object of another process; its class derives from that object's class, too."""

    _address: str
    _number: int

    def __init_subclass__(cls) -> None:
        """Do nothing of what a base class does when another derives from it: a proxy overrides nothing."""

    def __getattr__(self, name: str) -> Any:
        """Ask for what the object has, and its class has not."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__}.{name} is not to be had from another process")
        return self._ask(name)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _found, (self._address, self._number, _known(type(self).__mro__[2]))

    @property
    def _door(self) -> "_Door":
        """What a call of the interface passes that was bound before the fork."""
        return _Door(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._ask("__iter__", ()))

    def __enter__(self) -> Self:
        self._ask("__enter__", ())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Tell how the block ended; what was raised in it stays here."""
        self._ask("__exit__", (kind and RuntimeError, error and RuntimeError(repr(error)), None))

    def _ask(
        self, name: str, arguments: tuple[Any, ...] | None = None, keywords: dict[str, Any] | None = None
    ) -> Any:
        """Ask for an attribute of the object; given arguments, call it.

        Raises:
            DeclarationError: it can't be asked, or not that.
            BaseException: what the object raises.
        """
        what = f"{type(self).__name__}.{name}"
        try:
            request = pickle.dumps((self._number, name, arguments, keywords, caller(1)))
        except Exception as error:  # whatever it raises of what it can't take
            raise DeclarationError(
                f"{what} was called with what can't be handed to the process that has the cluster: {error}"
            ) from error
        try:
            with closing(SocketType(AF_UNIX, SOCK_STREAM)) as connection:
                connection.connect(self._address)
                connection.sendall(request)
                connection.shutdown(SHUT_WR)
                is_result, value, cause = pickle.loads(_received(connection))  # noqa: S301  # it is ours
        except OSError as error:
            if not self._address:
                problem = "could make no socket before it forked"
            elif isinstance(error, _ENDED):
                problem = "has ended"
            else:  # as where this process has dropped its privileges
                problem = f"can't be reached: {error.strerror}"
            raise DeclarationError(f"{what}: the process that has the cluster {problem}") from error
        if is_result:
            return value
        raise value from cause


@dataclass
class _Door:
    """What asks, where the calls of a node of this process pass its cluster's door."""

    proxy: _Proxy

    def call(
        self,
        _node: object,
        method: Any,
        _function: object,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
    ) -> Any:
        """Let the node's own process make a call."""
        return self.proxy._ask(method.name, arguments, keywords)


_proxies: Final[dict[tuple[str, int], object]] = {}
"""Those that this process uses: what is the same there is the same here."""


@dataclass(frozen=True)
class _AskedMethod:
    """A method of an object in another process; handed on to that one, it is the method itself there."""

    proxy: _Proxy
    name: str

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.proxy._ask(self.name, arguments, keywords)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return getattr, (self.proxy, self.name)


class _Asked:
    """A method or a property of an object in another process."""

    def __init__(self, name: str, inner: Any) -> None:
        self._name = name
        self._inner = inner
        self._is_method = callable(inspect.unwrap(inner))

    def __get__(self, proxy: _Proxy | None, owner: type) -> Any:
        name = self._name
        if proxy is None:
            return self._inner.__get__(None, owner)
        if self._is_method:
            return _AskedMethod(proxy, name)
        value = proxy._ask(name)
        if isinstance(self._inner, found_once):  # it never changes
            vars(proxy)[name] = value
        return value


@cache
def _proxy_class(kind: type[Any]) -> type:
    """Return the class of the proxies for a class's objects: to whoever asks, it is that class."""
    asked = {
        name: _Asked(name, inner)
        for name in {*dir(kind)} - kind._local
        if (name in _SPECIAL or not name.startswith("_"))
        and hasattr(inner := inspect.getattr_static(kind, name), "__get__")
    }
    same = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return types.new_class(kind.__name__, (_Proxy, kind), {}, lambda body: body.update(**asked, **same))


def _known(kind: type) -> type:
    """Return a class, or what it derives from, that another process can find by its name."""
    return next(each for each in kind.__mro__ if "<locals>" not in each.__qualname__)


def _found(address: str, number: int, kind: type[Referent]) -> object:
    """Return an object that was handed on: itself where it is, and a proxy elsewhere."""
    if _Server.current and _Server.current.address == address:
        return _referent(number)
    if (address, number) not in _proxies:
        _become_proxy(object.__new__(kind), address, number)
    return _proxies[address, number]


def _become_proxy(found: Any, address: str, number: int) -> None:
    kind: Any = type(found)
    proxy_class = _proxy_class(kind)
    vars(found).clear()
    object.__setattr__(found, "__class__", proxy_class)
    vars(found).update(_address=address, _number=number)
    _proxies[address, number] = found


# What answers


class _Server:
    """What answers for this process's objects, in threads: each call of another process has one.

    Attributes:
        current: the one of this process; None as long as nobody needed one.
        address: the path of its socket, in a directory that nobody else may enter.
    """

    current: ClassVar["_Server | None"] = None

    def __init__(self) -> None:
        self._left = ExitStack()
        directory = temporary_directory("fakehv-", on=Os, longest=_LONGEST_DIRECTORY)
        self.address = f"{self._left.enter_context(directory)}/socket"
        self._socket = self._left.enter_context(closing(SocketType(AF_UNIX, SOCK_STREAM)))
        self._socket.bind(self.address)
        self._socket.listen(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._answers: list[_Answer] = []
        self._is_paused, self._pause = Os.pipe()
        atexit.register(self._left.close)

    @classmethod
    def begun(cls) -> "_Server":
        """Return this process's."""
        if cls.current is None:
            cls.current = cls()
        return cls.current

    def go_on(self) -> None:
        """Answer from now on."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._accept, name="fakehv", daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Let who asks wait, and have no thread that waits for them, nor one that is done with them."""
        if (thread := self._thread) is None:
            return
        Os.write(self._pause, b"x")
        try:
            thread.join()
        finally:  # also where somebody interrupts it
            self._thread = None
        over = [each for each in self._answers if each.is_over]
        self._answers = [each for each in self._answers if each not in over]
        for each in (thread, *over):
            each.join()
            for _ in range(_LONGEST_END):
                if not _is_there(each):
                    break
                Time.sleep(0)

    def leave(self) -> None:
        """Let it be, in a forked child."""
        atexit.unregister(self._left.close)
        for descriptor in (self._is_paused, self._pause):
            Os.close(descriptor)
        self._socket.close()

    def _accept(self) -> None:
        asked: list[Any] = [self._is_paused, self._socket]
        while self._is_paused not in select.select(asked, [], [])[0]:
            with suppress(OSError):  # who asked has gone already
                descriptor, _ = self._socket._accept()  # type: ignore[attr-defined]  # noqa: SLF001  # as `socket`
                self._answers = [each for each in self._answers if not each.is_over or _is_there(each)]
                self._answers.append(_Answer(SocketType(fileno=descriptor)))
                self._answers[-1].start()
        Os.read(self._is_paused, 1)


class _Answer(threading.Thread):
    """What does for another process what it asks for, and tells it what came of it.

    Attributes:
        is_over: whether nothing is left to do but to end: it is so before the other process goes on.
    """

    def __init__(self, connection: SocketType) -> None:
        super().__init__(name="fakehv's answer", daemon=True)
        self._connection = connection
        self.is_over = False

    def run(self) -> None:
        """Read, do, and tell."""
        with closing(self._connection):
            with suppress(OSError):  # who asks may be gone
                self._connection.sendall(_reply(_received(self._connection)))
            self.is_over = True
            with suppress(OSError):
                self._connection.shutdown(SHUT_WR)  # not just closed: a child forked meanwhile has it, too


def _is_there(thread: threading.Thread) -> bool:
    """Tell whether a thread is there, if only for the system, for which it ends a moment later."""
    if thread.is_alive():
        return True
    try:
        return str(thread.native_id) in Os.listdir(_THREADS)
    except OSError:
        return False


def _reply(request: bytes) -> bytes:
    try:
        number, name, arguments, keywords, place = pickle.loads(request)  # noqa: S301  # it is ours
        with called_from(place):
            value = getattr(_referent(number), name)
            if arguments is not None:
                value = value(*arguments, **(keywords or {}))
        if isinstance(value, Iterator):
            value = list(value)
    except BaseException as error:  # noqa: BLE001  # it is the caller's
        what, reply = "what was raised", (False, error, error.__cause__)
    else:
        what, reply = "the result", (True, value, None)
    try:
        content = pickle.dumps(reply)
        if not reply[0]:
            pickle.loads(content)  # noqa: S301  # for an exception, this may fail alone
    except Exception as error:  # noqa: BLE001  # whatever it raises of what it can't take
        text = f"{what}, {shown(reply[1])}, can't be handed to another process: {error}"
        content = pickle.dumps((False, DeclarationError(text), None))
    return content


def _received(connection: SocketType) -> bytes:
    """Return what the other side sends until it is done.

    Raises:
        OSError: it has gone.
    """
    pieces = list(iter(lambda: connection.recv(io.DEFAULT_BUFFER_SIZE), b""))
    if not pieces:
        raise ConnectionResetError(errno.ECONNRESET, Os.strerror(errno.ECONNRESET))
    return b"".join(pieces)


# What befalls a process that forks


def _expect_fork() -> None:
    """Make sure that the child knows where to ask, and have no thread of ours: Python warns of them."""
    kinds: set[Any] = {type(each) for _, each in _referents.items()}
    for kind in kinds:
        with suppress(Exception):  # whatever a metaclass of the user's own raises
            _proxy_class(kind)
    if kinds or _Server.current:  # which answers on where the last of them has gone
        with suppress(OSError):  # then the child is told
            _Server.begun().pause()


def _go_on() -> None:
    if _Server.current:
        _Server.current.go_on()


def _become_proxies() -> None:
    """Let a forked child have nothing of its own."""
    server, _Server.current = _Server.current, None
    for number, each in _referents.items():
        # One of a class that nothing can derive from, left by any other test, must not keep the others back.
        with suppress(Exception):
            _become_proxy(each, server.address if server else "", number)
    _referents.clear()
    if server:
        server.leave()


os.register_at_fork(before=_expect_fork, after_in_parent=_go_on, after_in_child=_become_proxies)
