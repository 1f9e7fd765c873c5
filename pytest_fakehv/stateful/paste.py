"""What a state machine has found, as a test function to paste."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any


class Names:
    """How the code under test is named in a test that is pasted into the file where its machine is made.

    What stands there needs no import; what another module has is imported. What has no name, as a lambda, is
    left to whoever pastes the test.

    Args:
        module: the name of the module that makes the machine.
        file: the path of its file.
    """

    def __init__(self, module: str, file: str) -> None:
        self._module = module
        self._file = Path(file).name
        self._here: list[str] = []
        self._imports: list[str] = []

    @property
    def header(self) -> list[str]:
        """The lines that are to stand above the test."""
        here = ", ".join(dict.fromkeys(self._here))
        return [
            *dict.fromkeys(self._imports),
            *([f"# to paste into {self._file}, which has {here}"] if here else []),
        ]

    def of_class(self, cls: type) -> str:
        """Return how a class is written."""
        return self._of(cls.__module__, cls.__qualname__)

    def of_function(self, function: Callable[..., object]) -> str | None:
        """Return how a function is written; None if it has no name."""
        if isinstance(function, MethodType):
            owner = function.__self__
            name = self.of_class(owner if isinstance(owner, type) else type(owner))
            return f"{name}{'' if isinstance(owner, type) else '()'}.{function.__name__}"
        if not isinstance(function, FunctionType) or "<lambda>" in function.__qualname__:
            return None
        return self._of(function.__module__, function.__qualname__)

    def _of(self, module: str, name: str) -> str:
        path = name.rpartition("<locals>.")[2]
        root = path.partition(".")[0]
        is_importable = (
            path == name and all(map(str.isidentifier, module.split("."))) and module != "__main__"
        )
        if is_importable and module != self._module:
            self._imports.append(f"from {module} import {root}")
        else:
            self._here.append(root)
        return path


def drivers(
    names: Names, driver: object, methods: Sequence[str], functions: Mapping[str, Callable[..., object]]
) -> tuple[list[str], dict[str, str]]:
    """Return the lines that make a driver, and how each of its operations is called.

    Args:
        names: how things are named.
        driver: an object or a class with methods; None for none.
        methods: which of those are operations.
        functions: the operations that are functions, by name.
    """
    lines, calls = [], {}
    if methods:
        lines.append(f"driver = {names.of_class(driver if isinstance(driver, type) else type(driver))}()")
        calls = {name: f"driver.{name}" for name in methods}
    for name, function in functions.items():
        written = names.of_function(function)
        if written is None:
            lines.append(f"{name} = ...  # {_place(function)}, which has no name")
        calls[name] = written or name
    return lines, calls


def _place(function: Any) -> str:
    code = getattr(function, "__code__", None)
    return f"the function at {Path(code.co_filename).name}:{code.co_firstlineno}" if code else repr(function)


def as_test(
    header: Sequence[str], contexts: str, making: Sequence[str], script: Sequence[str], **options: str
) -> str:
    """Return a run as a test function.

    Args:
        header: the lines above it.
        contexts: what it enters besides the cluster, as it is written.
        making: the lines that make the driver.
        script: its steps, the nodes among them.
        **options: the cluster's other arguments, as they are written.
    """
    specs = [line for line in script if line.startswith("NodeSpec(")]
    steps = [part for line in script if line not in specs for part in line.split("\n")]
    return "\n".join(
        [
            "from contextlib import suppress",
            "",
            *header,
            "",
            "",
            "def test_the_way_there():",
            *(f"    {line}" for line in making),
            "    with FakeCluster.temporary(",
            *(f"        {line}" for line in specs),
            *(f"        {key}={value}," for key, value in options.items()),
            f"    ) as cluster{contexts}:",
            *(f"        {line}" for line in steps),
        ]
    )
