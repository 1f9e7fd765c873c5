"""The state machine for drivers that speak libvirt: what it finds, what it prints, and what it leaves."""

import re
from collections import Counter
from contextlib import suppress

import pytest

pytest.importorskip(
    "libvirtmod", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
)

import libvirt
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pytest_fakehv import DeclarationError, HypervisorError
from pytest_fakehv.stateful import state_machine

ATTEMPTS = 12
"""More than a run has steps, each of which lets at most one call fail."""

ACTIVE = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
LIVE = libvirt.VIR_MIGRATE_LIVE
P2P = LIVE | libvirt.VIR_MIGRATE_PEER2PEER
KEPT = libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE

LEFT_PAUSED = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION]


def connected(node):
    return libvirt.open(f"qemu+ssh://{node}/system")


def insist(call):
    """Make a call that may be repeated, until it works."""
    for _ in range(ATTEMPTS - 1):
        with suppress(libvirt.libvirtError):
            return call()
    return call()


class Careful:
    """Looks where a domain is before it does anything, and again after a migration, whatever came of it."""

    def __init__(self):
        self.wanted = set()
        """What is to run."""
        self.definitions = {}
        self.off = set()
        """The hosts that are off for certain."""

    def start(self, front, domain, node):
        there = self.look(front, domain)
        for each in there.values():
            self.definitions.setdefault(domain, each.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        self.wanted.add(domain)
        if not any(each.isActive() for each in there.values()):
            self.launch(front, domain, node)

    def stop(self, front, domain):
        self.wanted.discard(domain)
        for each in self.look(front, domain).values():
            if each.isActive():
                insist(each.destroy)

    def migrate(self, front, domain, target):
        there = self.look(front, domain)
        (source,) = [node for node, each in there.items() if each.isActive()]
        try:
            self.send(there[source], target)
        finally:
            self.tidy(front, domain)

    def drain(self, front, node):
        other = next(each.name for each in front.cluster if each.name != node)
        for domain in connected(node).listAllDomains(ACTIVE):
            with suppress(libvirt.libvirtError):
                self.migrate(front, domain.name(), other)

    def recover(self, front, node):
        try:
            connected(node)
        except libvirt.libvirtError:
            self.off.add(node)
        else:
            self.off.discard(node)
        for domain in sorted(self.wanted):
            if not any(each.isActive() for each in self.tidy(front, domain).values()):
                self.launch(front, domain, node)

    def send(self, domain, target):
        domain.migrateToURI3(f"qemu+ssh://{target}/system", {}, P2P | KEPT)

    def look(self, front, domain):
        """Return the domain as each host has it where it is known; raise if a host may know it, or not."""
        there = {}
        for node in front.cluster:
            if node.name in self.off:
                continue
            try:
                there[node.name] = connected(node.name).lookupByName(domain)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
        return there

    def tidy(self, front, domain):
        """End what a migration has left paused, and return what is there."""
        there = self.look(front, domain)
        paused = [each for each in there.values() if each.state() == LEFT_PAUSED]
        active = [each for each in there.values() if each.isActive()]
        for each in paused:
            insist(each.destroy if len(active) > len(paused) else each.resume)
        return there

    def launch(self, front, domain, node):
        """Start what runs nowhere: on a host, or where that can't, on another one."""
        names = [each.name for each in front.cluster if each.name not in self.off]
        problem = libvirt.libvirtError("no host is up")
        for name in sorted(names, key=lambda each: each != node):
            try:
                connected(name).defineXML(self.definitions[domain]).create()
            except libvirt.libvirtError as error:
                problem = error
                if any(each.isActive() for each in self.look(front, domain).values()):
                    return
            else:
                return
        raise problem


class LedByTheClient(Careful):
    """The same, by `migrate3`."""

    def send(self, domain, target):
        domain.migrate3(connected(target), {}, LIVE | KEPT)


@pytest.fixture(autouse=True)
def says_nothing_on_stderr():
    libvirt.registerErrorHandler(lambda *_: None, None)


def run(machine, examples=45, steps=10, phases=(Phase.generate, Phase.shrink)):
    """Run a machine, the same way each time."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


def finding(machine, **sizes):
    """Run a machine that finds something; return what it says, without the script, and the script."""
    with pytest.raises(AssertionError) as caught:
        run(machine, **sizes)
    what, script = str(caught.value).split("\n\nThe way there, as a test to paste:\n\n")
    return what, script


@pytest.mark.parametrize("driver", [Careful, LedByTheClient])
def test_a_careful_driver_breaks_nothing(driver):
    done = Counter()

    class Counting(state_machine(driver, front="libvirt")):
        def teardown(self):
            done["steps"] += len(self.script)
            done.update(each.outcome for each in self.cluster.migrations)
            done.update(call.method for call in self.cluster.journal if call.error)
            super().teardown()

    run(Counting)
    assert done["steps"] > 600
    seen = {"completed", "failed", "cancelled", "virDomainMigratePerform3Params"}
    assert seen - done.keys() == set()


class ForgetsToPersist(Careful):
    """Keeps no definition where a domain goes."""

    def send(self, domain, target):
        flags = P2P | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
        domain.migrateToURI3(f"qemu+ssh://{target}/system", {}, flags)


class RetriesBlindly(Careful):
    """Starts on the other side what can't be sent there."""

    def migrate(self, front, domain, target):
        (here,) = [each for each in self.look(front, domain).values() if each.isActive()]
        try:
            self.send(here, target)
        except libvirt.libvirtError:
            connected(target).createXML(here.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE))


class CallsItLost(Careful):
    """Takes what is on a host that doesn't answer for lost."""

    def drain(self, front, node):
        try:
            connected(node)
        except libvirt.libvirtError:
            self.off.add(node)
            self.recover(front, node)
        else:
            super().drain(front, node)


class BelievesSuccess(LedByTheClient):
    """Doesn't look after a migration that has succeeded."""

    def tidy(self, front, domain):
        return self.look(front, domain)


class StopsToMove(Careful):
    """Moves without a migration, and gives it up where a call fails."""

    def send(self, domain, target):
        with suppress(libvirt.libvirtError):
            domain.destroyFlags()
            connected(target).defineXML(domain.XMLDesc()).createWithFlags()


class Believes(Careful):
    """Starts what is said not to run, and asks nobody a second time."""

    migrate = None

    def drain(self, front, node):
        for domain, definition in self.definitions.items():
            if not any(each.isActive() for each in self.look(front, domain).values()):
                connected(node).createXML(definition)


def run_script(script):
    namespace = {**globals()}
    exec(script, namespace)
    namespace["test_the_way_there"]()


def first_words(text):
    return [line for line in text.splitlines() if not line.startswith(" ")]


@pytest.mark.parametrize(
    ("driver", "options", "what"),
    [
        (
            ForgetsToPersist,
            {},
            "forgotten: the definition of vm1 is nowhere any more: its migration undefined it on node",
        ),
        (RetriesBlindly, {"outcomes": ["failed"]}, "double-start: vm"),
        (CallsItLost, {}, "double-start: vm"),
        (BelievesSuccess, {"faulty_methods": ["virDomainMigrateConfirm3Params"]}, "left-paused: vm"),
        (StopsToMove, {"faulty_methods": ["virDomainDestroyFlags"]}, "forgotten: vm"),
        (Believes, {"lying_methods": ["virDomainIsActive"]}, "double-start: vm"),
    ],
)
def test_it_finds_a_naive_driver_and_prints_the_way_there(driver, options, what):
    """Pasted, the way there fails in the same way."""
    machine = state_machine(driver, front="libvirt", **{"faulty_methods": [], "outcomes": [], **options})
    found, script = finding(machine, examples=500, phases=[Phase.generate])
    assert found.startswith(what)
    with pytest.raises(AssertionError) as caught:
        run_script(script)
    if not script.endswith("')"):  # else it ends by an assertion that has its own words
        assert first_words(str(caught.value)) == first_words(found)


def built(driver, **options):
    """Return a machine for which vm1 runs on node1, to be used step by step."""
    machine = state_machine(driver, front="libvirt", **options)()
    machine.build([(4096, True), (4096, True)], [(0, 1024)])
    return machine


def said(machine, step, *arguments):
    """Return what a step of a machine says that finds something, but for the lines of this file."""
    try:
        with pytest.raises(AssertionError) as caught:
            getattr(machine, step)(*arguments)
    finally:
        machine.teardown()
    return re.sub(r" at \S+test_libvirt_machine.py:\d+$", " at HERE", str(caught.value), flags=re.MULTILINE)


WAY_THERE = """

The way there, as a test to paste:

from contextlib import suppress

import libvirt
from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt
# to paste into test_libvirt_machine.py, which has {driver}


def test_the_way_there():
    driver = {driver}()
    with FakeCluster.temporary(
        NodeSpec('node1', memory=4096),
        NodeSpec('node2', memory=4096),
    ) as cluster, FakeLibvirt(cluster) as front, front.routed():
        cluster.add_instance('vm1', node='node1', state='stopped')
        with suppress(libvirt.libvirtError):
            driver.start(front, 'vm1', 'node1')
"""


def test_all_that_it_says_of_a_definition_that_is_gone():
    assert said(built(ForgetsToPersist), "migrate", 0, 0) == (
        "forgotten: the definition of vm1 is nowhere any more: its migration undefined it on node1, and did "
        "not make it persistent where it went\n"
        "  since call 16, virDomainMigratePerform3Params('vm1', 'qemu+ssh://node2/system', [], b'', 19) on "
        "node1 at HERE\n"
        "  a correct program asks for VIR_MIGRATE_PERSIST_DEST where it asks for VIR_MIGRATE_UNDEFINE_SOURCE"
        + WAY_THERE.format(driver="ForgetsToPersist")
        + "        with suppress(libvirt.libvirtError):\n"
        "            driver.migrate(front, 'vm1', 'node2')\n"
        "        cluster.assert_consistent()"
    )


def test_all_that_it_says_of_a_second_start():
    machine = built(RetriesBlindly)
    machine.script_migration(0, 1, 1, dirty_rate=0)
    assert said(machine, "migrate", 0, 0) == (
        "double-start: vm1 was started on node2 while it ran on node1\n"
        "  since call 21, virDomainCreateXML(<definition of vm1>, 0) on node2 at HERE\n"
        "  a correct program starts an instance only once it is confirmed that it is stopped everywhere "
        "else; on a node that does not answer it may run\n"
        "split-brain: vm1 ran on node1 and node2 at once\n"
        "  since call 21, virDomainCreateXML(<definition of vm1>, 0) on node2 at HERE\n"
        "  a correct program starts an instance, or lets it arrive, only where it is known to run nowhere "
        "else"
        + WAY_THERE.format(driver="RetriesBlindly")
        + "        cluster.script_migration('vm1', outcome='failed', polls=1, times=1)\n"
        "        with suppress(libvirt.libvirtError):\n"
        "            driver.migrate(front, 'vm1', 'node2')\n"
        "        cluster.assert_consistent()"
    )


def test_all_that_it_says_of_what_is_called_lost():
    machine = built(CallsItLost)
    machine.lose(0, cut_off=True)
    assert said(machine, "drain", 0) == (
        "double-start: vm1 was started on node2 while it ran on node1\n"
        "  since call 15, virDomainCreate('vm1') on node2 at HERE\n"
        "  a correct program starts an instance only once it is confirmed that it is stopped everywhere "
        "else; on a node that does not answer it may run\n"
        "split-brain: vm1 ran on node1 and node2 at once\n"
        "  since call 15, virDomainCreate('vm1') on node2 at HERE\n"
        "  a correct program starts an instance, or lets it arrive, only where it is known to run nowhere "
        "else" + WAY_THERE.format(driver="CallsItLost") + "        cluster['node1'].disconnect()\n"
        "        with suppress(libvirt.libvirtError):\n"
        "            driver.drain(front, 'node1')\n"
        "        cluster.assert_consistent()"
    )


def test_all_that_it_says_of_what_was_stopped_to_be_moved():
    machine = built(StopsToMove)
    machine.cluster.fault("virDomainDestroyFlags", when="after")
    assert said(machine, "migrate", 0, 0) == (
        "forgotten: vm1 was to run, and migrate() stopped it and didn't start it again"
        + WAY_THERE.format(driver="StopsToMove")
        + "        with suppress(libvirt.libvirtError):\n"
        "            driver.migrate(front, 'vm1', 'node2')\n"
        "        cluster.assert_running('vm1')"
    )


@pytest.mark.parametrize(
    ("lying", "line"),
    [
        ("virConnectListAllDomains", "cluster.fault('virConnectListAllDomains', result=[], "),
        ("virDomainIsActive", "cluster.fault('virDomainIsActive', result=0, "),
        ("virDomainGetState", "cluster.fault('virDomainGetState', result=[5, 0], "),
        ("virDomainShutdown", "cluster.fault('virDomainShutdown', effect=False, "),
    ],
)
def test_what_lies_says_what_libvirts_binding_returns(lying, line):
    machine = built(Careful, lying_methods=[lying])
    machine.lie(0, None)
    assert machine.script[-1] == line + "times=1, optional=True)"
    domain = connected("node1").lookupByName("vm1")
    answers = {
        "virConnectListAllDomains": connected("node1").listAllDomains,
        "virDomainIsActive": domain.isActive,
        "virDomainGetState": domain.state,
        "virDomainShutdown": domain.shutdown,
    }
    assert answers[lying]() in ([], 0, [libvirt.VIR_DOMAIN_SHUTOFF, 0])
    assert domain.isActive()
    machine.teardown()


def test_functions_will_do():
    given = []

    def start(front, domain, node):
        given.append(front)
        connected(node).lookupByName(domain).create()

    machine = state_machine(start=start, front="libvirt")()
    machine.build([(4096, True), (4096, True)], [(1, 1024)])
    assert machine.cluster.placement() == {"vm1": "node2"}
    assert given == [machine.front]
    assert given[0].cluster is machine.cluster
    machine.teardown()


def test_nothing_is_left_of_a_run():
    """That no thread and no socket is, is seen after every test here."""
    opener = libvirt.libvirtmod.virConnectOpen
    machine = built(Careful)
    assert libvirt.libvirtmod.virConnectOpen is not opener
    machine.teardown()
    assert libvirt.libvirtmod.virConnectOpen is opener
    with pytest.raises(DeclarationError, match=r"is closed: it has no sockets any more$"):
        machine.front.uri()


def test_whatever_else_the_driver_raises_is_a_failure():
    def start(front, domain, node):
        raise HypervisorError("which is nothing that libvirt raises")

    machine = state_machine(start=start, front="libvirt")()
    with pytest.raises(HypervisorError):
        machine.build([(4096, True), (4096, True)], [(0, 1024)])
    machine.teardown()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"front": "ganeti"}, "front must be one of None, 'libvirt', not 'ganeti'"),
        ({"front": ["libvirt"]}, "front must be one of None, 'libvirt', not ['libvirt']"),
        (
            {"front": "libvirt", "start": lambda front: None},
            "start must take (front, instance, node): too many positional arguments",
        ),
        (
            {"front": "libvirt", "faulty_methods": ["StartInstance"]},
            "StartInstance is never called with front='libvirt'",
        ),
        ({"faulty_methods": ["virDomainCreate"]}, "virDomainCreate is never called with front=None"),
        (
            {"front": "libvirt", "faulty_methods": ["virDomainCraete"]},
            "libvirt's front has no function 'virDomainCraete'; nearest: virDomainCreate",
        ),
    ],
)
def test_what_is_wrong_is_said(arguments, text):
    with pytest.raises(DeclarationError) as caught:
        state_machine(**{"stop": Careful().stop, **arguments})
    assert str(caught.value) == text


def test_who_can_not_lie_is_refused():
    with pytest.raises(DeclarationError) as caught:
        state_machine(Careful, front="libvirt", lying_methods=["virDomainLookupByName"])
    assert str(caught.value).startswith("lying_methods must be one of 'virDomainAbortJob', ")
    assert str(caught.value).endswith(
        "'virConnectListAllDomains', 'virDomainIsActive', 'virDomainGetState', not 'virDomainLookupByName'"
    )


def test_a_step_of_a_migration_may_fail_inside_of_libvirts():
    state_machine(Careful, front="libvirt", faulty_methods=["FinalizeMigrationDst"])


def test_without_the_binding_it_says_how_to_get_it(pytester):
    pytester.makeconftest("import sys; sys.modules['libvirt'] = None")
    pytester.makepyfile(
        """
        from pytest_fakehv.stateful import state_machine

        TestMine = state_machine(start=print, front="libvirt").TestCase
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    assert [line for line in result.outlines if line.startswith("E ")] == [
        (
            "E   ImportError: leading libvirt's URIs to nodes needs its Python binding: import of libvirt "
            "halted; None in sys.modules; Debian's package python3-libvirt has it; pip install "
            "libvirt-python builds it, which needs Debian's packages libvirt-dev and pkgconf"
        )
    ]
