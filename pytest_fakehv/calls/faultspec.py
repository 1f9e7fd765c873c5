"""What a fault is: which calls it is about, and what it does to them; checked when it is declared."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.calls.selection import ANY, Phase, Selection, SelectionOptions, Side
from pytest_fakehv.checks import DeclarationError, check_amount, check_choice, check_function, check_number
from pytest_fakehv.interface.constants import ALL_COMMANDS, COMMANDS, MethodName
from pytest_fakehv.interface.contract import BaseHypervisor, check_method, name_of_node
from pytest_fakehv.interface.libvirt import LIBVIRT_COMMANDS, LIBVIRT_NAMES
from pytest_fakehv.interface.libvirt_codes import Code
from pytest_fakehv.text import nearest, shown, shown_arguments

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it

When = Literal["before", "after"]


class _NotGiven:
    """What stands for no answer: any value may be one, None too."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "<not given>"

    def __reduce__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = _NotGiven()


class FaultOptions(SelectionOptions, total=False):
    """The keywords of `FaultSpec` but which node and instance it is about, for what hands them on to it."""

    error: str | BaseException | type[BaseException] | None
    code: int | str | None
    result: object
    effect: bool
    do: Callable[[Call], object] | None
    when: When
    after: int
    times: int | None
    probability: float
    delay: float
    crash: bool | str | BaseHypervisor
    optional: bool


@dataclass(frozen=True)
class FaultSpec:
    """What goes wrong with which calls.

    Args:
        method: the interface method's name; "*" for every one.
        node: as in `Selection`, and so all down to ``network``.
        instance: see there.
        phase: see there.
        side: see there.
        pool: see there.
        volume: see there.
        network: see there.
        error: what the call raises: a text for a `HypervisorError`, an exception, or its class. None for
            a `HypervisorError` that says where the fault is from, if there is nothing else that it does.
        code: with which of libvirt's errors one of its functions fails: ``libvirt.VIR_ERR_NO_DOMAIN``, say,
            or that name; its text is ``error``, if there is one. None for ``VIR_ERR_OPERATION_FAILED``.
        result: what the call answers in place of its effect; after it, in place of its result. Any value,
            as it is: a function, too, is not called. Of a coroutine or a generator, what that returns; of a
            function of libvirt's, what libvirt-python returns of it.
        effect: False for a call that does nothing and says that it worked.
        do: a function of the test's, called with the `Call`. It may look, raise what the call then raises, or
            let things befall the cluster, as the test itself would; what it returns doesn't matter.
        when: "before" the call has its effect, which after an error it hasn't; or "after" it.
        after: how many such calls pass first.
        times: how many are struck then; None for all.
        probability: how likely each of those is struck, from 0 to 1.
        delay: how long the call takes first, in seconds of the clock.
        crash: a node that goes down: True for the one that is called, which then raises `NodeDownError`,
            unless there is an error; or another one, by its name or address or as itself.
        optional: whether it may never fire.

    Raises:
        DeclarationError: an argument is wrong, or two contradict each other; the message names them.
    """

    method: MethodName
    _: dataclasses.KW_ONLY
    node: str | None = None
    instance: str | None = None
    phase: Phase | None = None
    side: Side | None = None
    pool: str | None = None
    volume: str | None = None
    network: str | None = None
    error: str | BaseException | type[BaseException] | None = None
    code: int | str | None = None
    result: object = NOT_GIVEN
    effect: bool = True
    do: Callable[[Call], object] | None = None
    when: When = "before"
    after: int = 0
    times: int | None = None
    probability: float = 1
    delay: float = 0
    crash: bool | str | BaseHypervisor = False
    optional: bool = False

    def __post_init__(self) -> None:
        """Check every argument."""
        for key in ("node", "instance"):
            object.__setattr__(self, key, getattr(self.selection, key))  # which checks them
        if isinstance(self.error, type) and issubclass(self.error, BaseException):
            made(self.error, "")
        elif not isinstance(self.error, str | BaseException | None):
            raise DeclarationError(
                f"error must be a text, an exception or a class of exceptions, not {shown(self.error)}"
            )
        self._check_code()
        check_choice("when", self.when, get_args(When))
        check_amount("after", self.after, least=0)
        if self.times is not None:
            check_amount("times", self.times)
        check_number("probability", self.probability, most=1)
        check_number("delay", self.delay)
        for key in ("effect", "optional"):
            check_choice(key, getattr(self, key), (True, False))
        if not isinstance(self.crash, bool | str | BaseHypervisor):
            raise DeclarationError(
                f"crash must be True, False or a node, by its name or address or as itself, "
                f"not {shown(self.crash)}"
            )
        if not isinstance(self.crash, bool):
            object.__setattr__(self, "crash", name_of_node(self.crash))
        if self.do is not None:
            check_function("do", self.do, "a function that takes the call", None)
        if not self.effect:
            self._check_effect()
        self._check_lie()

    def _check_code(self) -> None:
        """Refuse what is no code of libvirt's, and one where no client of libvirt's is told it."""
        if self.code is None:
            return
        name = str(self.code).removeprefix("VIR_ERR_")
        names = [each for each in Code.__members__ if each != Code.OK.name]
        is_number = isinstance(self.code, int) and not isinstance(self.code, bool)
        if not (self.code in [Code[each] for each in names] if is_number else name in names):
            close = "".join(f"; nearest: VIR_ERR_{each}" for each in nearest(name, names))
            raise DeclarationError(
                f"code must be the number or the name of an error of libvirt's, not {shown(self.code)}{close}"
            )
        if self.method != ANY and self.method not in LIBVIRT_NAMES:
            check_method(self.method)
            raise DeclarationError(
                f"code={shown(self.code)} goes with a function of libvirt's, not {self.method}"
            )
        if not isinstance(self.error, str | None):
            raise DeclarationError("code goes with a text as the error: an exception has its own")

    @property
    def number(self) -> int | None:
        """The number of the code; None for none."""
        if isinstance(self.code, str):
            return Code[self.code.removeprefix("VIR_ERR_")]
        return self.code

    def _check_effect(self) -> None:
        """Refuse that a call says that it did what it never does."""
        if self.method in ALL_COMMANDS:
            return
        if self.method != ANY:
            check_method(self.method)
        why = "some methods have none" if self.method == ANY else f"{self.method} has none"
        raise DeclarationError(
            f"effect=False can't be: {why}; give what is answered, result=, or a method that has one: "
            f"{', '.join(LIBVIRT_COMMANDS if self.method in LIBVIRT_NAMES else COMMANDS)}"
        )

    def _check_lie(self) -> None:
        """Refuse a lie beside what keeps the call from answering, or from lying."""
        if not self.is_lie:
            return
        lie = "result" if self.effect else "effect=False"
        if not self.effect and self.result is not NOT_GIVEN:
            raise DeclarationError(
                "effect=False goes without a result: with one, the call has no effect anyway"
            )
        if self.error is not None or self.code is not None:
            raise DeclarationError(f"{lie} goes without an error: a call answers or raises")
        if self.when == "after" and not self.effect:
            raise DeclarationError(
                "effect=False can't be with when='after': by then the call has had its effect"
            )
        if self.crash in (True, self.node):
            raise DeclarationError(
                f"{lie} goes without a crash of the called node: what is down doesn't answer"
            )

    @property
    def is_lie(self) -> bool:
        """Whether it lets a call answer what isn't so."""
        return self.result is not NOT_GIVEN or not self.effect

    @property
    def answer(self) -> object:
        """What a call answers then."""
        return self.result if self.effect else None

    @property
    def selection(self) -> Selection:
        """Which calls it is about."""
        return Selection(**{each.name: getattr(self, each.name) for each in dataclasses.fields(Selection)})

    def __str__(self) -> str:
        """Show it as it was declared."""
        return f"fault({shown_arguments(self)})"


def made(cls: type[BaseException], text: str) -> BaseException:
    """Make an exception of a class, with a text where it takes one."""
    for arguments in ((text,), ()):
        try:
            return cls(*arguments)
        except TypeError:
            continue
    raise DeclarationError(f"error: a {cls.__name__} needs arguments; give one that is made already")
