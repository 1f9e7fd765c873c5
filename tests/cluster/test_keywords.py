"""Sets of keywords that functions hand on: said once, shown and refused everywhere."""

import pydoc
from dataclasses import fields
from inspect import Parameter, signature
from typing import get_type_hints

import pytest

from pytest_fakehv import (
    ClusterFactory,
    ClusterOptions,
    FakeCluster,
    FakeHypervisor,
    FaultOptions,
    FaultSpec,
    InstanceOptions,
    InstanceSpec,
    MigrationOptions,
    MigrationSpec,
    NodeOptions,
    NodeSpec,
)
from pytest_fakehv.calls.selection import Selection, SelectionOptions


def keywords(function):
    """Return a function's keywords with their defaults."""
    parameters = signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is Parameter.KEYWORD_ONLY}


TAKE_MORE = {"memory", "min_memory", "reserved_memory", "tags", "vcpus"}
"""What is declared in more ways than it is kept."""


@pytest.mark.parametrize(
    ("options", "spec", "others"),
    [
        (NodeOptions, NodeSpec, {"name"}),
        (InstanceOptions, InstanceSpec, {"name", "node", "state"}),
        (SelectionOptions, Selection, {"method", "node", "instance"}),
        (FaultOptions, FaultSpec, {"method", "node", "instance"}),
        (MigrationOptions, MigrationSpec, {"instance"}),
    ],
)
def test_a_set_has_the_names_and_the_types_of_what_it_is_for(options, spec, others):
    types = get_type_hints(spec)
    expected = {each.name: types[each.name] for each in fields(spec) if each.name not in others}
    for name in TAKE_MORE & expected.keys():
        expected[name] = get_type_hints(options)[name]
        assert expected[name] != types[name]
    assert get_type_hints(options) == expected


def test_so_has_the_set_for_clusters():
    types = get_type_hints(FakeCluster.__init__)
    assert get_type_hints(ClusterOptions) == {name: types[name] for name in keywords(FakeCluster)}


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (FakeCluster.add_node, keywords(NodeSpec)),
        (FakeCluster.add_instance, keywords(InstanceSpec)),
        (FakeHypervisor.add_instance, {k: v for k, v in keywords(InstanceSpec).items() if k != "node"}),
        (
            FakeCluster.instance,
            {k: v for k, v in keywords(InstanceSpec).items() if k not in {"node", "state"}},
        ),
        (FakeCluster.fault, keywords(FaultSpec)),
        (
            FakeCluster.hold,
            {k: v for k, v in keywords(Selection).items() if k != "method"} | {"timeout": 10.0},
        ),
        (
            FakeCluster.assert_called,
            dict.fromkeys(("node", "instance", "times", "pool", "volume", "network")),
        ),
        (FakeCluster.script_migration, keywords(MigrationSpec)),
        (FakeCluster.temporary, keywords(FakeCluster)),
        (FakeCluster.in_memory, keywords(FakeCluster)),
        (ClusterFactory.__call__, keywords(FakeCluster)),
    ],
)
def test_the_signature_has_them_with_their_defaults(function, shown):
    assert keywords(function) == shown


def test_the_factory_shows_what_its_type_does(fakehv_factory):
    assert keywords(fakehv_factory) == keywords(ClusterFactory.__call__)


def test_help_shows_them():
    """What each means stands where they are from, and only there."""
    _title, _, text = pydoc.plain(pydoc.render_doc(FakeCluster.add_node)).partition("\n")
    expected = """
        add_node(self, name: str, *, memory: int | str = 65536, cpus: int = 16,
            reserved_memory: int | str = 0, overcommit: bool = True, max_migrations: int | None = None,
            address: str | None = None, version: str | None = None, cpu_nodes: int = 1,
            cpu_sockets: int = 1, tags: collections.abc.Collection[str] = ())
            -> pytest_fakehv.FakeHypervisor
        Add a node; the cluster may be in full swing.
        Args:
            name: its name.
            **options: as in `NodeSpec`.
        Raises:
            DeclarationError: an argument is wrong, or another node has the name or the address.
    """
    assert "".join(text.split()) == "".join(expected.split())  # Pythons break the lines in different places


@pytest.mark.parametrize(
    ("entrance", "name"),
    [
        (lambda cluster: cluster.add_node, "FakeCluster.add_node"),
        (lambda cluster: cluster.add_instance, "FakeCluster.add_instance"),
        (lambda cluster: cluster["node1"].add_instance, "FakeHypervisor.add_instance"),
        (lambda cluster: cluster.instance, "FakeCluster.instance"),
        (lambda cluster: cluster.fault, "FakeCluster.fault"),
        (lambda cluster: cluster.hold, "FakeCluster.hold"),
        (lambda cluster: cluster.script_migration, "FakeCluster.script_migration"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_unknown_one_is_refused_as_python_does(entrance, name):
    cluster = FakeCluster.in_memory()
    with pytest.raises(TypeError) as info:
        entrance(cluster)("web1", memory_=5, odds=1)
    assert str(info.value) == f"{name}() got an unexpected keyword argument 'memory_'"
    assert (cluster.placement(), cluster.faults, len(cluster)) == ({}, [], 2)


class Own(FakeCluster):
    """One of a test's own."""


@pytest.mark.parametrize("cls", [FakeCluster, Own])
@pytest.mark.parametrize("name", ["temporary", "in_memory"])
def test_so_it_is_for_a_cluster_before_there_is_any(name, cls):
    with pytest.raises(TypeError) as info:
        getattr(cls, name)(sed=1)
    assert str(info.value) == f"{cls.__name__}.{name}() got an unexpected keyword argument 'sed'"


def test_so_it_is_for_the_factory(fakehv_factory):
    with pytest.raises(TypeError) as info:
        fakehv_factory(sed=1)
    assert str(info.value) == "fakehv_factory.<locals>.build() got an unexpected keyword argument 'sed'"


def test_a_mistake_is_shown_at_the_line_of_the_test(pytester):
    pytester.makepyfile(
        """
        def test_it(fakehv_cluster):
            fakehv_cluster.add_node("node3", mem=5)
        """
    )
    result = pytester.runpytest_subprocess("--tb=short")
    result.stdout.fnmatch_lines(
        [
            "test_a_mistake_is_shown_at_the_line_of_the_test.py:2: in test_it",
            '    fakehv_cluster.add_node("node3", mem=5)',
            "E   TypeError: FakeCluster.add_node() got an unexpected keyword argument 'mem'",
        ],
        consecutive=True,
    )


class TestNone:
    """It is as if it were not given, where what is not given is as it was."""

    @pytest.mark.parametrize("key", ["memory", "min_memory", "vcpus", "hvparams"])
    def test_an_instance_stays_as_it_was(self, key):
        hv = FakeHypervisor.in_memory(spec=NodeSpec("node1"))
        web1 = hv.instance("web1", memory=2048, min_memory=512, vcpus=3, hvparams={"a": 1})
        assert hv.instance("web1", **{key: None}) == web1
        assert hv.add_instance("web1", **{key: None}) == web1

    def test_of_a_spec_it_is_what_is_usual(self):
        assert InstanceSpec("web1", memory=None, vcpus=None) == InstanceSpec("web1", memory=1024, vcpus=1)
