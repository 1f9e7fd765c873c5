"""A cluster of three nodes, and what makes the calls of a migration on it."""

import logging

import pytest
from by_hand import Master, small_cluster

from pytest_fakehv import FakeCluster


@pytest.fixture(autouse=True)
def _quiet(caplog):
    """A power cycle leaves a line in the log each time."""
    caplog.set_level(logging.CRITICAL, logger="pytest_fakehv")


@pytest.fixture
def cluster(tmp_path) -> FakeCluster:
    return small_cluster(tmp_path)


@pytest.fixture
def master(cluster) -> Master:
    return Master(cluster)
