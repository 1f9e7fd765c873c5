"""The agents in guests: which guests have one, and what each answers."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pytest_fakehv.checks import DeclarationError, name_fault
from pytest_fakehv.fronts.libvirt.host.guests.state import Guest
from pytest_fakehv.text import shown, shown_error

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line

Answers = Mapping[str, Any]
"""By the name of a command, what its agent returns: what JSON has, a function that is given the command's
arguments and returns that, or an exception in its place."""

_NOT_FOUND: Final = "CommandNotFound"
_GENERIC: Final = "GenericError"


class NoAnswerError(Exception):
    """An agent says nothing."""


class RefusalError(Exception):
    """An agent says that it doesn't do something.

    Attributes:
        kind: the error's class, as agents call them.
        words: what it says.
    """

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words

    @property
    def is_unknown(self) -> bool:
        """Whether the agent has no such command."""
        return self.kind == _NOT_FOUND


class Agent:
    """An agent of one guest.

    Args:
        answers: what it answers beside what each does by itself.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = dict(answers)

    def reply(self, command: str, arguments: Mapping[str, Any], by_itself: Callable[[], Any]) -> Any:
        """Return what it answers to a command; never called under the cluster's lock.

        Args:
            command: its name.
            arguments: its arguments.
            by_itself: does what an agent does of which no test says anything.

        Raises:
            NoAnswerError: it says nothing.
            RefusalError: it doesn't do that.
        """
        if command not in self._answers:
            return by_itself()
        said = self._answers[command]
        try:
            return _said(command, said, arguments)
        except TimeoutError:
            raise NoAnswerError from None
        except NotImplementedError as error:
            raise unknown(command, str(error)) from None
        except Exception as error:  # the test's function may raise anything
            raise RefusalError(_GENERIC, str(error) or type(error).__name__) from error


def _said(command: str, said: Any, arguments: Mapping[str, Any]) -> Any:
    """Return what a test has an agent say, or raise it."""
    if isinstance(said, Exception):
        raise said
    return as_json(command, said(dict(arguments))) if callable(said) else said


def unknown(command: str, words: str = "") -> RefusalError:
    """Return the error of an agent that has no such command."""
    return RefusalError(_NOT_FOUND, words or f"The command {command} has not been found")


def refused(words: str) -> RefusalError:
    """Return the error of an agent that can't do something."""
    return RefusalError(_GENERIC, words)


def as_json(command: str, said: Any) -> Any:
    """Return what JSON makes of an answer.

    Raises:
        TypeError: it makes nothing of it; the message says of which command that is the answer.
    """
    try:
        return json.loads(json.dumps(said))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"the answer to {command} can't be JSON: {shown_error(error)}") from None


def checked(domain: object, answers: object) -> "tuple[str, Agent | None]":
    """Return what a test has declared of an agent.

    Args:
        domain: the name of its guest's domain.
        answers: what it answers; None for no agent.

    Raises:
        DeclarationError: an argument is wrong; the message says what.
    """
    if (fault := name_fault(domain)) or not isinstance(domain, str):
        raise DeclarationError(f"no domain can be called {shown(domain)}: {fault}")
    if answers is None:
        return domain, None
    if not isinstance(answers, Mapping):
        raise DeclarationError(f"an agent's answers are a dict by command, or None, not {shown(answers)}")
    kept: dict[str, Any] = {}
    for command, said in answers.items():
        if not isinstance(command, str) or not command:
            raise DeclarationError(
                f"a command of an agent is a text such as 'guest-ping', not {shown(command)}"
            )
        is_told = callable(said) or isinstance(said, Exception)
        if isinstance(said, type):
            raise DeclarationError(f"the answer to {command} is an exception itself, not {shown(said)}")
        try:
            kept[command] = said if is_told else as_json(command, said)
        except TypeError as error:
            raise DeclarationError(f"{error}; it may also be a function, or an exception") from None
    return domain, Agent(kept)


class Agents:
    """All agents of a cluster's guests, by the names of their domains; changed under the cluster's lock."""

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}
        self._guests: dict[str, Guest] = {}

    def declare(self, domain: str, agent: Agent | None) -> None:
        """Let the guest of a domain have an agent from now on, wherever it runs; None: none."""
        if agent is None:
            self._agents.pop(domain, None)
        else:
            self._agents[domain] = agent

    def of(self, domain: str) -> Agent | None:
        """Return the agent of a domain's guest; None where it has none."""
        return self._agents.get(domain)

    def guest(self, domain: str) -> Guest:
        """Return what is known of the guest of a domain."""
        return self._guests.setdefault(domain, Guest())

    def boots(self, domain: str) -> None:
        """Note that the guest of a domain begins anew."""
        if domain in self._guests:
            self._guests[domain].boots()
