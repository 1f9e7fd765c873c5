"""What ends a test, whatever the code under test catches."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Outcome = BaseException
else:  # pytest goes on with a teardown after what is an `Exception`, or this, and after nothing else
    _Outcome = getattr(sys.modules.get("_pytest.outcomes"), "OutcomeException", BaseException)


class Halt(_Outcome):
    """What ends a test. No ``except Exception`` of the code under test catches it."""

    __str__ = BaseException.__str__
    __repr__ = BaseException.__repr__
