"""The programs: a module each, whose `script` is given an `oracle.recording.Recording` to speak through."""

import importlib
import pkgutil

SHARED = {"disks", "migrating", "plugging", "states"}
"""What several of them need, which is none itself."""

APART = frozenset({"networks", "stats_domains", "tuning", "virsh_networks"})
"""Those that make bridges, on hosts that have a network each."""


def scripts():
    """Return all programs by name."""
    names = sorted(each.name for each in pkgutil.iter_modules(__path__) if each.name not in SHARED)
    return {name: importlib.import_module(f"{__name__}.{name}").script for name in names}
