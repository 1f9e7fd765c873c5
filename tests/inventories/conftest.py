"""The command that makes a topology, run on files with contents."""

import tomllib
from dataclasses import dataclass

import pytest

from pytest_fakehv import FakeCluster, Topology
from pytest_fakehv.__main__ import main


@dataclass
class Made:
    """What came of it: the topology's tables, and what is not known."""

    tables: dict
    comments: list
    said: list

    def node(self, name):
        return next(each for each in self.tables.get("node", ()) if each["name"] == name)

    def instance(self, name):
        return next(each for each in self.tables.get("instance", ()) if each["name"] == name)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command; files are named in braces, such as "{0}" for the first content."""

    def run(*contents, args=None):
        monkeypatch.chdir(tmp_path)
        for number, content in enumerate(contents):
            (tmp_path / f"{number}").write_bytes(content if isinstance(content, bytes) else content.encode())
        status = main(["topology", *(args if args is not None else map(str, range(len(contents))))])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def make(run):
    """Run it, and return what a run of tests would have of what it makes."""

    def make(*contents, args=None):
        status, out, err = run(*contents, args=args)
        assert (status, err.count("\n")) == (0, out.count("# ")), err
        topology = Topology.of(tomllib.loads(out))
        FakeCluster.in_memory(*topology.nodes, instances=topology.instances)
        lines = out.splitlines()
        return Made(
            tomllib.loads(out), [each[2:] for each in lines if each.startswith("# ")], err.splitlines()
        )

    return make


@pytest.fixture
def refused(run):
    """Run it on what it can't read, and return the one line that it says."""

    def refused(*contents, args=None):
        status, out, err = run(*contents, args=args)
        assert (status, out, err.count("\n")) == (2, "", 1)
        return err.rstrip("\n")

    return refused
