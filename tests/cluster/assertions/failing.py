"""What an assertion says when it fails, and at which line a test is."""

import inspect
import os

import pytest


def line():
    """Return the line that calls this, as messages show it."""
    caller = inspect.currentframe().f_back
    return f"{os.path.relpath(caller.f_code.co_filename)}:{caller.f_lineno}"


def failure(function, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        function(*args, **kwargs)
    return str(caught.value)
