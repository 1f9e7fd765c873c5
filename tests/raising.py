"""What is said when a call fails."""

import pytest

from pytest_fakehv import DeclarationError


def message(function, *args, error=DeclarationError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return caught.value.args[0]
