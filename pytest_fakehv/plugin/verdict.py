"""The end of a test, and of its teardown: which clusters it used, and whether the invariants hold of them."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from pytest_fakehv.calls.halts import Halt, are_also
from pytest_fakehv.plugin.fixtures import BUILT, CLUSTER
from pytest_fakehv.plugin.markers import MarkerError, for_test
from pytest_fakehv.storage.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_fakehv.cluster.cluster import FakeCluster
    from pytest_fakehv.judgement.violations import Violation
    from pytest_fakehv.plugin.settings import Settings
    from pytest_fakehv.story.timeline import Timeline

_MOST_CLUSTERS: Final = 3
"""How many of a test's clusters are reported on: a property test builds many."""


class Failed(pytest.fail.Exception, AssertionError):  # type: ignore[name-defined, misc]  # noqa: N818  # pytest's is untyped, and has that name
    """What a test fails with whose invariants don't hold: an `AssertionError`, as of `assert_consistent`."""

    __module__ = "builtins"  # as pytest's own, of which it is one


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is to be said of a test.

    Attributes:
        used: the clusters that it used.
        text: which invariants don't hold since the last phase, if any.
        violations: which don't hold in all, by cluster; those of this phase come first.
    """

    used: "list[FakeCluster]"
    text: str
    violations: "Mapping[FakeCluster, list[Violation]]"

    @property
    def clusters(self) -> "list[FakeCluster]":
        """Those to describe in its report."""
        return [*self.violations][:_MOST_CLUSTERS] or self.used[-_MOST_CLUSTERS:]

    @property
    def left_out(self) -> int:
        """How many others it used."""
        return len(self.used) - len(self.clusters)

    def timeline(self, cluster: "FakeCluster") -> "Timeline":
        """Return the picture of one of the clusters, made without touching a file."""
        return cluster._scope.timeline(self.violations.get(cluster, ()))


_VERDICT: Final = pytest.StashKey[Verdict]()
"""On a test, once a phase of it is over."""


def taken_for_failures() -> AbstractContextManager[None]:
    """Let pytest take what ends a test for an error of a teardown.

    Of what is neither an `Exception` nor an outcome of its own, it breaks the teardown off there: the next
    test then gets the fixtures of this one.
    """
    return are_also(pytest.fail.Exception)


def give_up(item: pytest.Item) -> None:
    """Take what is wrong with a test that could not be set up as it is: it is not its teardown's doing."""
    end_of_torn_down(item)
    clusters, used = _clusters(item)
    for cluster in clusters:
        cluster._scope.news()
        cluster._scope.halts()
    before = item.stash.get(_VERDICT, Verdict(used=[], text="", violations={}))
    every = dict.fromkeys([*before.used, *used])
    item.stash[_VERDICT] = Verdict(used=[*every], text=before.text, violations=before.violations)


def end_of_torn_down(item: pytest.Item) -> str:
    """Look at the clusters whose fixtures a test's setup has torn down, and return what to say of them."""
    built = item.session.stash.get(BUILT, None)
    left = built.left if built else []
    return _end(item, left, [each for each in left if each._scope.is_stirred], None) if left else ""


def end(item: pytest.Item, error: BaseException | None) -> str:
    """Look at the clusters that a test may have touched, and return what to say of it.

    Args:
        item: the test, which has run or is torn down.
        error: what that has raised, if it has: it is told of what was to end the test before. A property
            test has raised with its last cluster: what is wrong with others has nothing to do with it.
    """
    clusters, used = _clusters(item)
    if not clusters and _VERDICT not in item.stash:  # as of each test that doesn't use us
        return ""
    return _end(item, clusters, used, error)


def _end(
    item: pytest.Item,
    clusters: "list[FakeCluster]",
    used: "list[FakeCluster]",
    error: BaseException | None,
) -> str:
    before = item.stash.get(_VERDICT, None)
    settings, text = None, ""
    if clusters:
        try:
            settings = for_test(item)
        except MarkerError as problem:  # of a test that uses the factory alone
            text = "" if before else str(problem)
        else:
            for cluster in clusters:
                cluster._scope.shared.forbidden |= settings.forbid
    news = {cluster: found for cluster in clusters if (found := cluster._scope.news())}
    halts = _halts(clusters, error)
    if error and len(used) > _MOST_CLUSTERS:
        news = {cluster: news[cluster] for cluster in used[-1:] if cluster in news}
    faulty = _faulty(settings, news) if settings else {}
    if faulty:
        text = _said(faulty)
    if error:
        for each in halts:
            error.add_note(each)
    text = "\n".join([*halts, *([text] if text else [])])
    earlier = before.violations if before else {}
    violations = {each: [*earlier.get(each, ()), *faulty.get(each, ())] for each in (*faulty, *earlier)}
    every = dict.fromkeys([*(before.used if before else ()), *used, *faulty])
    item.stash[_VERDICT] = Verdict(used=[*every], text=text, violations=violations)
    return text


def _halts(clusters: "list[FakeCluster]", error: BaseException | None) -> list[str]:
    """Return what was to end the test beside an error, in words, each once."""
    ended = (each for cluster in clusters for each in cluster._scope.halts() if each is not error)
    halts = dict.fromkeys(map(str, ended))
    if isinstance(error, Halt):  # what else says, no text of it may be asked for
        halts.pop(str(error), None)
    return [*halts]


def _clusters(item: pytest.Item) -> "tuple[list[FakeCluster], list[FakeCluster]]":
    """Return the clusters that a test may have touched, and those of them that it has used.

    Its own comes first, those that it built last.
    """
    own = [item.stash[CLUSTER]] if CLUSTER in item.stash else []
    built = item.session.stash.get(BUILT, None)
    if built is None:
        return own, own
    wider = built.touched(getattr(item, "fixturenames", ()))
    used = [each for each in wider if each._scope.is_stirred]
    return [*own, *wider, *built.new], [*own, *used, *built.new]


def _faulty(
    settings: "Settings", news: "Mapping[FakeCluster, list[Violation]]"
) -> "dict[FakeCluster, list[Violation]]":
    """Return what the test's settings don't allow, by cluster."""
    if not settings.strict:
        return {}
    judged = {
        cluster: [each for each in found if each.invariant not in settings.allow]
        for cluster, found in news.items()
    }
    return {cluster: found for cluster, found in judged.items() if found}


def _said(faulty: "Mapping[FakeCluster, list[Violation]]") -> str:
    from pytest_fakehv.judgement.messages import violations

    told = [each for found in [*faulty.values()][:_MOST_CLUSTERS] for each in found]
    more = len(faulty) - _MOST_CLUSTERS
    return violations(told) + (f"\nand likewise in {more} more clusters" if more > 0 else "")


def verdict(item: pytest.Item) -> Verdict:
    """Return what is to be said of a test; also before it has run."""
    if _VERDICT in item.stash:
        return item.stash[_VERDICT]
    return Verdict(used=_clusters(item)[1], text="", violations={})


def is_expected(item: pytest.Item) -> bool:
    """Tell whether what is wrong with a test is the failure that `unittest` was to expect of it.

    That believes that the test has passed, as it looks at the test alone.
    """
    if not (isinstance(item, pytest.Function) and item.cls and verdict(item).text):
        return False
    decorated = item.cls, getattr(item.cls, item.name, None)
    return any(getattr(each, "__unittest_expecting_failure__", False) for each in decorated)


def forget(item: pytest.Item) -> None:
    """Let a test's clusters go."""
    if CLUSTER in item.stash:
        del item.stash[CLUSTER]
    if _VERDICT in item.stash:
        del item.stash[_VERDICT]
    if built := item.session.stash.get(BUILT, None):
        built.next_test()
    Disk.forget_idle()
