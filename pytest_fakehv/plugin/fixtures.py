"""The fixtures: what a test asks for by name."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache, partial
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Final, NoReturn, Unpack, cast

import pytest

from pytest_fakehv.plugin.markers import (
    MarkerError,
    check_names,
    declared_faults,
    declared_groups,
    declared_instances,
    declared_limits,
    declared_migrations,
    declared_nodes,
    declared_pools,
    for_test,
)
from pytest_fakehv.plugin.settings import SETTINGS, Settings, read_topology_file, real_filesystem

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from pytest_fakehv.cluster.cluster import ClusterFactory, FakeCluster
    from pytest_fakehv.cluster.hypervisor import FakeHypervisor
    from pytest_fakehv.cluster.node import NodeSpec
    from pytest_fakehv.cluster.topology import Topology
    from pytest_fakehv.fronts.ganeti import FakeCluster as GanetiCluster
    from pytest_fakehv.fronts.libvirt import FakeLibvirt
    from pytest_fakehv.fronts.libvirt.host.storage.declared import DeclaredPool
    from pytest_fakehv.plugin.built import Built
    from pytest_fakehv.plugin.roots import Folders
    from pytest_fakehv.storage.filesystem import Filesystem
    from pytest_fakehv.storage.memory import InMemory
    from pytest_fakehv.storage.root import Root

__tracebackhide__ = True  # what a fixture of the user's own gave wrongly is shown at who asked for it

NAMES: Final = frozenset({"fakehv", "fakehv_cluster", "fakehv_factory", "fakehv_ganeti", "fakehv_libvirt"})

CLUSTER: Final = pytest.StashKey["FakeCluster"]()
"""On a test: the cluster of its function fixtures."""

FRONT: Final = pytest.StashKey[bool]()
"""On a test: whether it has its cluster behind libvirt's interface."""

_LAST_LOADED: Final = (
    "pytest_fakehv.public",
    "pytest_fakehv.plugin.verdict",
    "pytest_fakehv.plugin.sections",
)
"""The module of the engine that imports all others, and those that judge and describe its use."""

BUILT: "Final[pytest.StashKey[Built]]" = pytest.StashKey()
"""On the session, once the factory was asked for: the clusters that it has built."""

FOLDERS: "Final[pytest.StashKey[Folders]]" = pytest.StashKey()
"""On the session: what hands out its folders, which a second time have other names."""

RUNNING: Final = pytest.StashKey[pytest.Item]()
"""On the session: the test that runs."""

ASKING: Final[list[pytest.FixtureRequest]] = []
"""What the fixtures that are being set up ask by, the innermost one's last, of runs within runs, too."""


def load_engine() -> None:
    """Import the engine, and what judges its use, on the real filesystem.

    A patched-in fake filesystem would put itself into what is imported meanwhile, and throw it away
    afterwards; so it is paused.
    """
    if all(name in sys.modules for name in _LAST_LOADED):
        return
    with real_filesystem():
        for name in _LAST_LOADED:
            import_module(name)


# These two ask for nothing, neither ``request`` nor what does: pytest makes that, and looks at its signature,
# for each test anew, even where a fixture has its value.


@pytest.fixture(scope="session", name="_fakehv_folders")
def folders() -> "Folders":
    """What hands out this worker's folders: one for all of a run, which may end all fixtures and go on."""
    load_engine()
    from pytest_fakehv.plugin.roots import Folders

    request = ASKING[-1]
    if known := request.session.stash.get(FOLDERS, None):
        return known
    settings = request.config.stash[SETTINGS]

    @cache
    def find_base() -> str:
        if settings.root is None:
            with real_filesystem():
                return f"{request.getfixturevalue('tmp_path_factory').getbasetemp()}/fakehv"
        worker = getattr(request.config, "workerinput", {"workerid": "main"})["workerid"]
        return f"{settings.root}/{worker}"

    if settings.backend == "tmp_path":
        find_base()  # now: pytest makes its temporary directory by functions that a test may patch
    return request.session.stash.setdefault(FOLDERS, Folders(find_base))


@pytest.fixture(scope="session")
def fakehv_topology() -> "Topology | Mapping[str, object] | str | os.PathLike[str] | None":
    """The nodes and instances beside those of the markers: override it to declare them in code.

    Return a `Topology`, tables such as a topology file has, or such a file's path; this one returns what
    ``--fakehv-topology`` names, and else None.
    """
    return ASKING[-1].config.stash[SETTINGS].topology


@pytest.fixture(scope="session")
def fakehv_factory(request: pytest.FixtureRequest, _fakehv_folders: "Folders") -> "ClusterFactory":
    """Builder of fake clusters, for fixtures of wider scope and for property tests.

    Called as ``fakehv_factory()``, it returns a new `FakeCluster` each time.
    """
    load_engine()
    from pytest_fakehv.cluster.cluster import ClusterFactory, ClusterOptions, FakeCluster
    from pytest_fakehv.keywords import takes
    from pytest_fakehv.plugin import built

    settings = request.config.stash[SETTINGS]
    clusters = request.session.stash[BUILT] = built.Built()

    @takes(FakeCluster)
    def build(*nodes: "NodeSpec", **options: Unpack[ClusterOptions]) -> FakeCluster:
        options.setdefault("seed", settings.seed)
        options = {**settings.limits, **options}
        if not nodes and (topology := _topology_of_asker(request.session)):
            nodes = topology.nodes
            options.setdefault("instances", topology.instances)
        root = _root(settings, lambda: _find_place(settings, _fakehv_folders, "factory"))
        cluster = FakeCluster(root, *nodes, **options)
        clusters.new.append(cluster)
        return cluster

    build.__doc__ = ClusterFactory.__call__.__doc__
    return build


def _topology_of_asker(session: pytest.Session) -> "Topology | None":
    """Return the topology for who calls the factory: a fixture that is being set up, or else the test.

    Raises:
        DeclarationError: it is none; the message says what is wrong.
    """
    asking = [each for each in ASKING if each.config is session.config]
    request = asking[-1] if asking else getattr(session.stash.get(RUNNING, None), "_request", None)
    if request is None:  # a test of a kind that has no fixtures
        return session.config.stash[SETTINGS].topology
    return _topology(session.config, request.getfixturevalue("fakehv_topology"))


def _topology(config: pytest.Config, given: object) -> "Topology | None":
    """Return what the fixture `fakehv_topology` gives as a topology.

    Raises:
        DeclarationError: it is none; the message says what is wrong.
    """
    from pytest_fakehv.checks import DeclarationError
    from pytest_fakehv.cluster.topology import Topology
    from pytest_fakehv.reading import check_path

    if given is None or isinstance(given, Topology):
        return given
    try:
        if isinstance(given, Mapping):
            return Topology.of(given)
        path = check_path("it must return a Topology, tables, or the path of a file", given)
        return read_topology_file(config, config.rootpath, path)
    except DeclarationError as error:
        raise DeclarationError(f"the fixture fakehv_topology: {error}") from None


@pytest.fixture(scope="session")
def fakehv_class() -> "type[FakeHypervisor]":
    """The class of the nodes of `fakehv` and `fakehv_cluster`: override it to test with your own.

    Return a subclass of `FakeHypervisor` from a fixture of this name, in a test module or a conftest.
    """
    load_engine()
    from pytest_fakehv.cluster.hypervisor import FakeHypervisor

    return FakeHypervisor


@pytest.fixture
def fakehv_cluster(
    request: pytest.FixtureRequest,
    fakehv_class: "type[FakeHypervisor]",
    fakehv_topology: object,
    _fakehv_folders: "Folders",
) -> "FakeCluster":
    """A fake cluster: two equal nodes, unless markers or `fakehv_topology` declare others.

    The two are "node1" and "node2". The instances are those of the test's markers and of `fakehv_topology`.
    """
    load_engine()
    if "fakehv_ganeti" in request.fixturenames:
        return cast("FakeCluster", request.getfixturevalue("fakehv_ganeti"))
    from pytest_fakehv.cluster.cluster import FakeCluster

    return _cluster_of_test(request, FakeCluster, fakehv_class, fakehv_topology, _fakehv_folders)


@pytest.fixture
def fakehv_ganeti(
    request: pytest.FixtureRequest,
    fakehv_class: "type[FakeHypervisor]",
    fakehv_topology: object,
    _fakehv_folders: "Folders",
) -> "Iterator[GanetiCluster]":
    """The fake cluster of `fakehv_cluster`, put where Ganeti's own code looks for a fake hypervisor.

    ``with fakehv_ganeti.on("node2"):`` says as which node the following code runs. Ganeti's Python library
    must be importable.
    """
    try:
        kind, hypervisor = _ganeti_classes(fakehv_class)
    except ImportError as error:
        problem = str(error)
    else:
        problem = (
            "fakehv_ganeti comes too late: the test's cluster is made already; request it as an argument"
        )
        if CLUSTER not in request.node.stash:
            cluster = cast(
                "GanetiCluster",
                _cluster_of_test(request, kind, hypervisor, fakehv_topology, _fakehv_folders),
            )
            with cluster.installed():
                yield cluster
            return
    pytest.fail(problem, pytrace=False)


@pytest.fixture
def fakehv_libvirt(request: pytest.FixtureRequest, fakehv_cluster: "FakeCluster") -> "Iterator[FakeLibvirt]":
    """The cluster of `fakehv_cluster` behind libvirt's interface: its clients take the nodes for their hosts.

    ``libvirt.open("qemu+ssh://node1/system")`` leads there in the test, and in subprocesses with
    ``env=fakehv_libvirt.env`` so does virsh. A domain is an instance of the cluster. The marker
    ``fakehv(routes=False)`` leaves libvirt as it is: then connect to ``fakehv_libvirt.uri("node1")``.
    """
    with real_filesystem():
        from pytest_fakehv.checks import DeclarationError
        from pytest_fakehv.fronts.libvirt import FakeLibvirt
    with ExitStack() as left:
        try:
            front = left.enter_context(FakeLibvirt(fakehv_cluster))
        except DeclarationError as error:
            raise pytest.fail.Exception(f"fakehv_libvirt: {error}", pytrace=False) from None
        try:
            for pool in declared_pools(request.node):
                _add_pool(front, pool)
        except MarkerError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        request.node.stash[FRONT] = True
        if for_test(request.node).routes:
            try:
                left.enter_context(front.routed())
            except ImportError as error:
                pytest.fail(f"fakehv_libvirt: {error}; or mark the test fakehv(routes=False)", pytrace=False)
        yield front


def _add_pool(front: "FakeLibvirt", pool: "DeclaredPool") -> None:
    """Let the nodes have a pool that a marker declares.

    Raises:
        MarkerError: they can't.
    """
    from pytest_fakehv.checks import DeclarationError

    try:
        front.add_pool(**vars(pool))
    except DeclarationError as error:
        raise MarkerError(f"fakehv_pool({pool.name!r}): {error}") from None


def _ganeti_classes(
    fakehv_class: "type[FakeHypervisor]",
) -> "tuple[type[GanetiCluster], type[FakeHypervisor]]":
    """Return the classes of the cluster and the nodes for Ganeti's code.

    Raises:
        ImportError: there is no Ganeti; the message says what to do.
    """
    load_engine()
    from pytest_fakehv.cluster.hypervisor import FakeHypervisor

    with real_filesystem():
        from pytest_fakehv.fronts.ganeti import FakeCluster
    return FakeCluster, FakeCluster.node_class if fakehv_class is FakeHypervisor else fakehv_class


def _cluster_of_test(
    request: pytest.FixtureRequest,
    kind: "type[FakeCluster]",
    hypervisor: "type[FakeHypervisor]",
    topology: object,
    folders: "Folders",
) -> "FakeCluster":
    """Make the cluster that a test declares."""
    from pytest_fakehv.checks import DeclarationError

    item: pytest.Item = request.node
    title = "::".join([item.path.name, *item.nodeid.split("::")[1:]])

    def find() -> "tuple[Filesystem, str]":
        if "fs" in request.fixturenames:
            # Once there is a fake filesystem, pytest can't make the temporary directory.
            for name in ("tmp_path", "tmpdir", "fs"):
                if name in request.fixturenames:
                    request.getfixturevalue(name)
        return _find_place(settings, folders, title)

    try:
        check_names(item, NAMES)
        try:
            settings = for_test(item, topology=_topology(item.config, topology))
        except DeclarationError as error:
            raise MarkerError(str(error)) from None
        _check_class(hypervisor, kind.node_class)
        nodes = declared_nodes(item, settings.topology)
        try:
            cluster = kind(
                _root(settings, find),
                *nodes,
                hypervisor=hypervisor,
                clock="manual" if callable(settings.clock) else settings.clock,
                seed=settings.seed,
                **settings.limits,
            )
        except DeclarationError as error:
            raise MarkerError(f"fakehv_node: {error}") from None
        cluster._scope.shared.forbidden |= settings.forbid
        _set_the_scene(cluster, item, settings)
    except MarkerError as error:
        problem = str(error)
    else:
        item.stash[CLUSTER] = cluster
        return cluster
    pytest.fail(problem, pytrace=False)


def _check_class(given: object, needed: "type[FakeHypervisor]") -> None:
    """Refuse what a fixture of the user's own gives for the class of the nodes, and can't be that.

    Raises:
        MarkerError: it is so.
    """
    from pytest_fakehv.text import shown

    if not (isinstance(given, type) and issubclass(given, needed)):
        raise MarkerError(
            f"the fixture fakehv_class must return {needed.__module__}.{needed.__name__} "
            f"or a subclass of it, not {shown(given)}"
        )


def _set_the_scene(cluster: "FakeCluster", item: pytest.Item, settings: Settings) -> None:
    """Declare what the topology and the test's markers have beside nodes.

    Raises:
        MarkerError: something is wrong.
    """
    from pytest_fakehv.checks import DeclarationError

    follow: list[tuple[str, Callable[[], object]]] = []
    if callable(settings.clock):
        follow = [("fakehv()", partial(cluster.clock.follow, settings.clock))]
    of_file = {id(each) for each in settings.topology.instances} if settings.topology else ()
    # One after another: of very many, a list would be looked through for garbage again and again.
    instances: Iterator[tuple[str, Callable[[], object]]] = (
        (
            f"topology: [[instance]] {spec.name!r}"
            if id(spec) in of_file
            else f"fakehv_instance({spec.name!r})",
            partial(cluster.add_instance, **vars(spec)),
        )
        for spec in declared_instances(item, settings.topology)
    )
    others: list[tuple[str, Callable[[], object]]] = [
        *(
            (f"fakehv_migration({spec.instance!r})", partial(cluster._script, spec, place))
            for place, spec in declared_migrations(item)
        ),
        *(
            (label, partial(cluster._scope.inject, spec, place))
            for label, place, spec in declared_faults(item)
        ),
        *(("fakehv_apart", partial(cluster.keep_apart, *names)) for names in declared_groups(item)),
        *(("fakehv_at_most", partial(cluster.keep_at_most, **vars(most))) for most in declared_limits(item)),
    ]
    for label, declare in chain(follow, instances, others):
        try:
            declare()
        except DeclarationError as error:
            raise MarkerError(f"{label}: {error}") from None


@pytest.fixture
def fakehv(fakehv_cluster: "FakeCluster") -> "FakeHypervisor":
    """A fake hypervisor: the first node of the test's cluster.

    It has 64 GiB of memory and 16 CPUs, unless a ``fakehv_node`` marker says otherwise.
    """
    return fakehv_cluster.nodes[0]


def refuse_parameter(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> "Callable[..., NoReturn] | None":
    """Return what fails in the place of one of our fixtures that a test hands a parameter, else None.

    None of them would look at it. A fixture that overrides one of them, and is given one, may ask for it.
    """
    is_ours = fixturedef.func.__module__ == __name__
    name = fixturedef.argname
    if not (is_ours and hasattr(request, "param")):
        return None
    if request._arg2fixturedefs[name][-1] is not fixturedef:  # noqa: SLF001  # nothing else tells of overrides
        return None

    def refuse(**_: object) -> NoReturn:
        pytest.fail(
            f"{name} takes no parameter; give each case its markers: "
            "pytest.param(..., marks=pytest.mark.fakehv_node(...))",
            pytrace=False,
        )

    return refuse


def _root(settings: Settings, find: "Callable[[], tuple[Filesystem, str]]") -> "Root | InMemory":
    """Return what a cluster is given for its root: a directory that is found later, or none."""
    from pytest_fakehv.storage.memory import IN_MEMORY
    from pytest_fakehv.storage.root import Root

    return IN_MEMORY if settings.backend == "memory" else Root(find)


def _find_place(settings: Settings, folders: "Folders", title: str) -> "tuple[Filesystem, str]":
    """Choose the filesystem and the directory for a cluster, when it first needs them.

    Not earlier: a test's own fake filesystem may come up after our fixture, and from then on real
    directories can't be seen; and ``tmp_path`` must not be asked for while it is up.
    """
    from pytest_fakehv.storage.fakedisk import FakeDisk, PrivateDisk
    from pytest_fakehv.storage.root import current_filesystem

    filesystem = current_filesystem()
    if settings.backend == "pyfakefs" and not isinstance(filesystem, FakeDisk):
        from pyfakefs.fake_filesystem import FakeFilesystem
        from pyfakefs.fake_os import FakeOsModule

        filesystem = PrivateDisk(FakeOsModule(FakeFilesystem()))
    if isinstance(filesystem, FakeDisk):
        return filesystem, filesystem.unused("/fakehv")
    return filesystem, folders.new(title)
