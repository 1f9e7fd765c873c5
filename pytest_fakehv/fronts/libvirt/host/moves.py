"""What a host remembers of a domain that is moving: from here, or to here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Kind, Parameter
from pytest_fakehv.migration.run import Run

_LONGEST_ANSWER: Final = 1.0
"""How long who asks for figures waits for the thread that migrates, in seconds of the machine's time."""

_MS: Final = 1000
_MIB: Final = 2**20
_PAGE: Final = 4096

Answer = SimpleQueue[list[Parameter] | None]
"""Where who asks for figures waits for them."""

OUTGOING: Final = 5
INCOMING: Final = 4
SAVING: Final = 2
SNAPPING: Final = 6
DUMPING: Final = 8


@dataclass(eq=False, kw_only=True)
class Outgoing:
    """A domain's migration from here, from its beginning until it is confirmed or has failed.

    Attributes:
        flags: how.
        began: when, in seconds of the cluster's clock.
        session: the client that leads it; None where this host does.
        abandon: called when that client is gone.
        name_there: what the domain is called on the target.
        holds_job: whether the domain's job is held for it from the beginning.
        speed: at most how much is sent in a second, in MiB, where its caller has said that; or None.
        has_begun: whether anything of it is sent.
        is_performing: whether a thread follows it, and answers who asks how far it is.
        is_cancelled: whether a client has aborted it.
        is_postcopy: whether it goes on as postcopy.
        is_left_paused: whether the attempt to let the domain run again has failed.
        iterations: how many rounds were told.
        asked: what the thread that follows it is to do next: to take a step and answer, or to look.
    """

    flags: int
    began: float
    name_there: str
    session: Session | None = None
    abandon: Callable[[], None] = lambda: None
    holds_job: bool = True
    speed: int | None = None
    is_performing: bool = False
    has_begun: bool = False
    is_cancelled: bool = False
    is_postcopy: bool = False
    is_left_paused: bool = False
    iterations: int = 0
    asked: "SimpleQueue[Answer | None]" = field(default_factory=SimpleQueue)

    def ask(self) -> list[Parameter] | None:
        """Let the thread that follows it take a step, and return the figures then; None where it doesn't."""
        answer: Answer = SimpleQueue()
        if not self.is_performing:
            return None
        self.asked.put(answer)
        if not self.is_performing:  # it may have looked for the last time
            return None
        try:
            return answer.get(timeout=_LONGEST_ANSWER)
        except Empty:  # it is held, say
            return None

    def stop_answering(self) -> None:
        """Let nobody wait for that thread any more."""
        self.is_performing = False
        while not self.asked.empty():
            if answer := self.asked.get():
                answer.put(None)


@dataclass(eq=False, kw_only=True)
class Incoming:
    """A domain's migration to here, from when it was prepared until it is finished or has failed.

    Attributes:
        flags: how.
        began: when, in seconds of the cluster's clock.
        instance: what the cluster calls the domain until it has arrived.
        definition: by what it is defined here.
        arrives: called, under the lock, when the domain begins to run here.
        keep: called, under the lock, when its definition is to be persistent, if that is asked for.
        session: the client that leads it; None where the source does.
        abandon: called when that client is gone.
        is_postcopy: whether it runs here already.
        is_kept: whether its definition was made persistent.
    """

    flags: int
    began: float
    instance: str
    definition: Definition
    arrives: Callable[[], None]
    keep: Callable[[], None]
    session: Session | None = None
    abandon: Callable[[], None] = lambda: None
    is_postcopy: bool = False
    is_kept: bool = False


def _ullong(field: str, value: float) -> Parameter:
    return Parameter(field, Kind.ULLONG, int(value))


def figures(run: Run | None, elapsed: float, operation: int = OUTGOING) -> list[Parameter]:
    """Return the statistics of a migration's job, as the daemon gives them while it is under way, and after.

    Args:
        run: the migration; None before it has begun.
        elapsed: since its job began, in seconds.
        operation: OUTGOING or INCOMING.
    """
    found = [Parameter("operation", Kind.INT, operation), _ullong("time_elapsed", elapsed * _MS)]
    disks = (run.disks, run.copied) if run and operation == OUTGOING else (0, 0)
    if run is None or run.is_copying:
        return found + _amounts((0, 0, 0), disks) + _memory(0, 0) + _disk(disks)
    record, course = run.snapshot(), run.course
    is_over = run.outcome == "completed"  # what has failed says how far it came
    total = run.total_ram * _MIB
    processed = total if course is None else int(course.sent_at(run.elapsed) * _MIB)
    remaining = 0 if is_over or course is None else int(course.rest_at(run.elapsed) * _MIB)
    bandwidth = 0 if course is None else int(course.model.bandwidth * _MIB)
    dirtied = 0 if course is None or is_over else int(course.writes_at(run.elapsed) * _MIB / _PAGE)
    downtime = record.downtime if is_over else float(course.model.max_downtime) if course else 0.3
    if is_over:
        found.append(_ullong("time_elapsed_net", elapsed * _MS))
    found.append(_ullong("downtime", downtime * _MS))
    if is_over:
        found.append(_ullong("downtime_net", downtime * _MS))
    found.append(_ullong("setup_time", 0))
    found += _amounts((total, processed, remaining), disks)
    found += [
        _ullong("memory_bps", bandwidth),
        _ullong("memory_constant", 0),
        _ullong("memory_normal", processed // _PAGE),
        _ullong("memory_normal_bytes", processed),
    ]
    found += _memory(dirtied, record.rounds + 1)
    found.append(_ullong("memory_page_size", _PAGE))
    return found + _disk(disks)


_WHAT: Final = ("total", "processed", "remaining")


def _amounts(memory: tuple[int, int, int], disks: tuple[int, int]) -> list[Parameter]:
    data = map(sum, zip(memory, _of_disks(disks), strict=True))
    return [
        _ullong(f"{of}_{what}", amount)
        for of, amounts in (("data", data), ("memory", memory))
        for what, amount in zip(_WHAT, amounts, strict=True)
    ]


def written(memory: int, operation: int) -> list[Parameter]:
    """Return the statistics of a job that has written a domain's memory to a file, which takes no time.

    Args:
        memory: how much that is, in bytes.
        operation: SAVING, SNAPPING or DUMPING.
    """
    return [
        Parameter("operation", Kind.INT, operation),
        *(_ullong(each, 0) for each in ("time_elapsed", "downtime", "setup_time")),
        *_amounts((memory, memory, 0), (0, 0)),
        _ullong("memory_constant", 0),
        _ullong("memory_normal", memory // _PAGE),
        _ullong("memory_normal_bytes", memory),
        *_memory(0, 1),
        _ullong("memory_page_size", _PAGE),
    ]


def _memory(dirtied: int, iteration: int) -> list[Parameter]:
    return [
        _ullong("memory_dirty_rate", dirtied),
        _ullong("memory_iteration", iteration),
        _ullong("memory_postcopy_requests", 0),
    ]


def _disk(disks: tuple[int, int]) -> list[Parameter]:
    return [_ullong(f"disk_{what}", amount) for what, amount in zip(_WHAT, _of_disks(disks), strict=True)]


def _of_disks(disks: tuple[int, int]) -> tuple[int, int, int]:
    total, processed = disks
    return total, processed, total - processed
