"""What the debugger shows of a test that broke an invariant: the test, though it has returned."""

import inspect
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import pytest


class LastLine:
    """Where a test was when it returned.

    Args:
        item: the test.
    """

    def __init__(self, item: pytest.Item) -> None:
        function = inspect.unwrap(getattr(item, "function", lambda: None))
        self._code = getattr(function, "__code__", None)
        self._frame: FrameType | None = None

    @contextmanager
    def watched(self) -> Generator[None]:
        """Watch for it meanwhile."""
        before = sys.getprofile()
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _see(self, frame: FrameType, event: str, _argument: Any) -> None:  # pragma: no cover  # unseen
        if event == "return" and frame.f_code is self._code:
            self._frame = frame

    def raised_there(self, error: BaseException) -> BaseException:
        """Return an exception as if it had been raised there."""
        frame = self._frame  # None for what is no function
        return error.with_traceback(
            TracebackType(None, frame, frame.f_lasti, frame.f_lineno) if frame else None
        )
