"""Ganeti's master, over fake nodes."""

import pytest


@pytest.fixture
def master(fakehv_ganeti, monkeypatch, tmp_path):
    from master import Master

    return Master(fakehv_ganeti, monkeypatch, tmp_path)
