"""The clusters that the factory has built, and which of them a test can have touched."""

from collections.abc import Collection
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fakehv.storage.locks import Living

if TYPE_CHECKING:
    from pytest_fakehv.cluster.cluster import FakeCluster


class Built:
    """The factory's clusters.

    Attributes:
        new: those of the test that runs, kept until it is over.
    """

    def __init__(self) -> None:
        self.new: list[FakeCluster] = []
        self._older: Living[FakeCluster] = Living()
        # By the fixtures of wider scope that are there; and those of fixtures that this test was the last of.
        # They are kept until they are judged, for nobody else has one once its fixture is torn down.
        self._of_fixtures: dict[pytest.FixtureDef[Any], list[FakeCluster]] = {}
        self._left: list[FakeCluster] = []
        self._kept: list[FakeCluster] = []

    def set_up(self, fixture: pytest.FixtureDef[Any], before: int) -> None:
        """Note which fixture has built all clusters of this test but so many."""
        if fixture.scope != "function" and len(self.new) > before:
            self._of_fixtures[fixture] = self.new[before:]

    def torn_down(self, fixture: pytest.FixtureDef[Any]) -> None:
        """Note that no later test can ask for a fixture."""
        self._left += self._of_fixtures.pop(fixture, ())

    def keep(self) -> None:
        """Keep what is there until the test is over, as its teardown may let go of what nobody has judged."""
        self._kept = [*self._older]

    @property
    def left(self) -> "list[FakeCluster]":
        """Those that no later test can ask for."""
        ids = {*map(id, self._left)}
        return [each for each in self._older if id(each) in ids]

    def touched(self, names: Collection[str]) -> "list[FakeCluster]":
        """Return the older clusters that a test may have done something to.

        Of what it does to their files they are not told. So those that it asks for are among them in any
        case, and others only if they know of something.

        Args:
            names: the fixtures that it asks for.
        """
        asked_for = [each for fixture, each in self._of_fixtures.items() if fixture.argname in names]
        ids = {*map(id, chain(self._left, *asked_for))}
        return [each for each in self._older if id(each) in ids or each._scope.is_stirred]

    def next_test(self) -> None:
        """Let a test's clusters go; what lives on counts the next one's calls anew."""
        for cluster in self.new:
            self._older.add(cluster)
        for cluster in self._older:
            cluster._shared.limits.begin()
        self.new.clear()
        self._left.clear()
        self._kept.clear()
