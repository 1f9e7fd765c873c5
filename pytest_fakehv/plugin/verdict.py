"""The end of a test: which clusters it used, and whether the invariants hold of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import pytest

from pytest_fakehv.plugin.fixtures import CLUSTER, FACTORY_CLUSTERS, NEW_CLUSTERS
from pytest_fakehv.plugin.markers import MarkerError, for_test
from pytest_fakehv.storage.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_fakehv.cluster.cluster import FakeCluster
    from pytest_fakehv.judgement.invariants import Violation
    from pytest_fakehv.story.timeline import Timeline

_MOST_CLUSTERS: Final = 3
"""How many of a test's clusters are reported on: a property test builds many."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is to be said of a test.

    Attributes:
        clusters: those to describe in its report.
        text: which invariants don't hold, if any.
        violations: the same, by cluster.
        left_out: how many clusters it used that are not described.
    """

    clusters: "list[FakeCluster]"
    text: str
    violations: "Mapping[FakeCluster, list[Violation]]"
    left_out: int

    def timelines(self) -> "list[Timeline]":
        """Return each cluster's picture, made without touching a file."""
        return [cluster._scope.timeline(self.violations.get(cluster, ())) for cluster in self.clusters]


_VERDICT: Final = pytest.StashKey[Verdict]()
"""On a test, once it has run."""

_LOOKED: Final = pytest.StashKey["WeakKeyDictionary[FakeCluster, tuple[object, set[object]]]"]()
"""On the session: when a factory's cluster was last looked at, by its pulse, and what was wrong then."""


def begin(item: pytest.Item) -> None:
    """Forget an earlier run of a test, and blame it for nothing that was wrong before."""
    forget(item)
    for cluster in item.session.stash.get(FACTORY_CLUSTERS, ()):
        if _has_changed(item.session, cluster):
            _look(item.session, cluster)


def end(item: pytest.Item, *, has_failed: bool) -> str:
    """Look at the clusters that a test used, and return what to say of the invariants.

    Args:
        item: the test.
        has_failed: whether it has raised. A property test has done so with its last cluster: what is wrong
            with others has nothing to do with it.
    """
    used = clusters = _used(item)
    if has_failed and len(used) > _MOST_CLUSTERS:
        clusters = used[-1:]
    faulty: dict[FakeCluster, list[Violation]] = {}
    text = ""
    if clusters:
        try:
            faulty = _judge(item, clusters)
            text = _said(faulty) if faulty else ""
        except MarkerError as error:  # of a test that uses the factory alone
            text = str(error)
    shown = [*faulty][:_MOST_CLUSTERS] or used[-_MOST_CLUSTERS:]
    left_out = len(used) - len(shown)
    item.stash[_VERDICT] = Verdict(clusters=shown, text=text, violations=faulty, left_out=left_out)
    return text


def _said(faulty: "Mapping[FakeCluster, list[Violation]]") -> str:
    from pytest_fakehv.judgement.messages import violations

    told = [each for found in [*faulty.values()][:_MOST_CLUSTERS] for each in found]
    more = len(faulty) - _MOST_CLUSTERS
    return violations(told) + (f"\nand likewise in {more} more clusters" if more > 0 else "")


def verdict(item: pytest.Item) -> Verdict:
    """Return what is to be said of a test; also of one that never got to run."""
    if _VERDICT in item.stash:
        return item.stash[_VERDICT]
    used = _used(item)
    shown = used[-_MOST_CLUSTERS:]
    return Verdict(clusters=shown, text="", violations={}, left_out=len(used) - len(shown))


def forget(item: pytest.Item) -> None:
    """Let a test's clusters go."""
    if CLUSTER in item.stash:
        del item.stash[CLUSTER]
    if _VERDICT in item.stash:
        del item.stash[_VERDICT]
    item.session.stash.get(NEW_CLUSTERS, []).clear()
    Disk.forget_idle()


def _used(item: pytest.Item) -> "list[FakeCluster]":
    """Return a test's own cluster, the factory's that it did something to, and those that it built."""
    session = item.session
    built = session.stash.get(NEW_CLUSTERS, [])
    wider = [each for each in session.stash.get(FACTORY_CLUSTERS, ()) if each not in built]
    used = [each for each in wider if _has_changed(session, each)]
    return [*([item.stash[CLUSTER]] if CLUSTER in item.stash else []), *used, *built]


def _judge(item: pytest.Item, clusters: "list[FakeCluster]") -> "dict[FakeCluster, list[Violation]]":
    """Return what is newly wrong, by cluster."""
    settings = for_test(item)
    faulty: dict[FakeCluster, list[Violation]] = {}
    own = item.stash.get(CLUSTER, None)
    for cluster in clusters:
        # Nobody has looked at a test's own before, and nobody will again.
        found = cluster.violations() if cluster is own else _look(item.session, cluster)
        new = [each for each in found if each.invariant not in settings.allow]
        if new and settings.strict:
            faulty[cluster] = new
    return faulty


def _has_changed(session: pytest.Session, cluster: "FakeCluster") -> bool:
    looked = session.stash.setdefault(_LOOKED, WeakKeyDictionary()).get(cluster)
    return looked is None or looked[0] != cluster._scope.shared.pulse


def _look(session: pytest.Session, cluster: "FakeCluster") -> "list[Violation]":
    """Return what is wrong with a cluster, and was not when it was last looked at."""
    looked = session.stash.setdefault(_LOOKED, WeakKeyDictionary())
    known = looked[cluster][1] if cluster in looked else set()
    found = cluster.violations()
    looked[cluster] = cluster._scope.shared.pulse, {each._identity for each in found}
    return [each for each in found if each._identity not in known]
