"""Where random decisions begin: anew in each example of a property test, some of which are run again."""

import random
import sys
from typing import Any, Final

_MOST: Final = 2**32 - 1


class Example:
    """One run of a property test's body by Hypothesis.

    It runs it again to shrink a failure, and to see whether that is one; then the same must be decided. So
    its seed is drawn like an argument of the test.

    Args:
        context: what Hypothesis knows of the run.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self._seed: int | None = None

    @property
    def seed(self) -> int:
        """The seed of all clusters that are made in it, so that one option brings all of them back."""
        if self._seed is None:
            data = self._context.data
            # One that the test itself gives is not run again, and there is nothing to draw from.
            is_explicit = self._context.is_final and data.max_choices == 0
            self._seed = fresh_seed() if is_explicit else int(data.draw_integer(0, _MOST))
        return self._seed


def current_example() -> Example | None:
    """Return which example this thread is in, if any; who runs one has imported Hypothesis, and we don't."""
    control: Any = sys.modules.get("hypothesis.control")
    if control is None or not control.currently_in_test_context():
        return None
    context = control.current_build_context()
    example: Example = vars(context).setdefault("pytest_fakehv_example", Example(context))
    return example


def fresh_seed() -> int:
    """Return a seed that nobody knows before."""
    return random.SystemRandom().randint(0, _MOST)
