"""A fake hypervisor for tests, and a pytest plugin that hands it to them.

The public names are loaded when one of them is first used, so that a test run that uses none of them doesn't
pay for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_fakehv.public import *  # noqa: F403  # their one list


def __getattr__(name: str) -> Any:
    """Load the public names when one of them is first used (PEP 562)."""
    if name == "__all__":
        return __dir__()
    if not name.startswith("_"):
        public = import_module(f"{__name__}.public")
        if hasattr(public, name):
            return getattr(public, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    # What pytest's rewriting of asserts puts into a module is no identifier.
    names = vars(import_module(f"{__name__}.public"))
    return sorted(name for name in names if name.isidentifier() and not name.startswith("_"))
