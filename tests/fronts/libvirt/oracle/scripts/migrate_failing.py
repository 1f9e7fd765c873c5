"""Migrations that are aborted, or lose one of their ends, in the middle."""

from oracle.scripts.migrating import (
    LIVE,
    PERSIST,
    UNDEFINE,
    both,
    cleared,
    looked_at,
    ready,
    under_way,
    unlimited,
)

FLAGS = LIVE | PERSIST | UNDEFINE


def script(ask):
    source, target = both(ask)
    for way in ("led", "p2p"):
        for what in (aborted, suspended_and_done, suspended_and_aborted, destroyed_there, killed_there):
            domain = ready(ask, source, "busy")
            begun = under_way(ask, domain, target, way, FLAGS)
            hastened = what(ask, domain, target)
            ask.end(begun, hastened=hastened, races=what is killed_there, quiet=0.5)
            looked_at(ask, source, target, name="busy")
            cleared(ask, source, target, name="busy")
        for what in (destroyed_here, killed_here):
            for persistent in (True, False):
                domain = ready(ask, source, "busy", persistent=persistent)
                begun = under_way(ask, domain, target, way, FLAGS)
                what(ask, domain, target)
                ask.end(begun, quiet=0.5)
                looked_at(ask, source, target, name="busy")
                cleared(ask, source, target, name="busy")


def aborted(ask, domain, _target):
    """Abort it."""
    ask(domain.abortJob, quiet=0.5)


def suspended_and_done(ask, domain, _target):
    """Pause the domain, and let the migration go on."""
    ask(domain.suspend)
    ask(domain.state)
    return unlimited(domain)


def suspended_and_aborted(ask, domain, _target):
    """Pause the domain, and abort."""
    ask(domain.suspend)
    ask(domain.abortJob, quiet=0.5)


def destroyed_here(ask, domain, _target):
    """Destroy it on the source."""
    ask(domain.destroy, quiet=0.5)


def destroyed_there(ask, _domain, target):
    """Destroy it on the target."""
    ask(ask(target.lookupByName, "busy").destroy, quiet=0.5)


def killed_here(ask, _domain, _target):
    """Let its process end on the source."""
    ask.kill("busy", quiet=1)


def killed_there(ask, _domain, _target):
    """Let its process end on the target."""
    ask.kill("busy", "node2", quiet=1)
