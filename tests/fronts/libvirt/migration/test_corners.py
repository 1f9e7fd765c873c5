"""What happens rarely: lies, answers that come late, and clients that ask for what no library asks for."""

import subprocess

import pytest
from moving import NEEDS_VIRSH, Begun, libvirt, refused

from pytest_fakehv.fronts.libvirt.crossing import Crossing
from pytest_fakehv.fronts.libvirt.errors import ConnectionLost, LibvirtError
from pytest_fakehv.fronts.libvirt.host import moves
from pytest_fakehv.fronts.libvirt.host.waiting import acquired
from pytest_fakehv.fronts.libvirt.values import DomainRef, Kind, Parameter

LIVE, P2P, PERSIST = libvirt.VIR_MIGRATE_LIVE, libvirt.VIR_MIGRATE_PEER2PEER, libvirt.VIR_MIGRATE_PERSIST_DEST

MOVED = [5, 4, True], [1, 2, False]

PROTECTED = libvirt.VIR_MIGRATE_CHANGE_PROTECTION

INVALID = "Requested operation is not valid: "


class Client:
    """One that calls the phases by itself."""

    is_read_only, peer = False, 0

    def __init__(self, pair):
        self._pair = pair
        for name in ("A", "B"):
            pair.front.socket(name)

    def call(self, name, function, *arguments):
        """Call a function of a host; where it is refused, return the error's code and message."""
        host = self._pair.front._hosts[name]
        if not host.audience.find(self):
            host.audience.add(self)
        try:
            return host.answer(self, function, arguments)
        except LibvirtError as error:
            return error.code, error.message

    def goes(self):
        """Be gone."""
        for name in ("A", "B"):
            self._pair.front._hosts[name].closed(self)


def ref(domain):
    return domain.name(), domain.UUID(), domain.ID()


def known(domain):
    """Return what a client holds of a domain."""
    return DomainRef(*ref(domain))


def test_a_migration_that_in_truth_never_began(pair):
    domain = pair.domain()
    pair.cluster.fault("MigrateInstance", effect=False)
    pair.move(domain, "managed", LIVE, {"bandwidth": 8})
    assert pair.ends == MOVED


@pytest.mark.parametrize("flags", [0, libvirt.VIR_MIGRATE_LIVE])
def test_phases_without_protection_from_changes(pair, flags):
    domain = known(pair.domain())
    client = Client(pair)
    cookie, xml = client.call("A", "virDomainMigrateBegin3Params", domain, [], flags)
    named = [
        Parameter("destination_name", Kind.STRING, "web1"),
        Parameter("destination_xml", Kind.STRING, xml),
    ]
    cookie, _ = client.call("B", "virDomainMigratePrepare3Params", named, cookie, flags)
    assert client.call("A", "virDomainMigratePerform3Params", domain, None, named, cookie, flags) == (b"",)
    client.call("B", "virDomainMigrateFinish3Params", named, b"", flags, 0)
    assert client.call("A", "virDomainMigrateConfirm3Params", domain, [], b"", flags, 0) == ()
    assert client.call("A", "virDomainMigrateConfirm3Params", domain, [], b"", flags, 0) == ()
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


def test_a_client_that_is_gone_before_anything_is_sent(pair):
    domain = known(pair.domain())
    client = Client(pair)
    cookie, xml = client.call("A", "virDomainMigrateBegin3Params", domain, [], LIVE | PROTECTED)
    named = [
        Parameter("destination_name", Kind.STRING, "web1"),
        Parameter("destination_xml", Kind.STRING, xml),
    ]
    client.call("B", "virDomainMigratePrepare3Params", named, cookie, LIVE)
    assert pair.on(pair.b) == [3, 2, False]
    client.goes()
    assert pair.ends == ([1, 1, True], None)
    pair.move(pair.a.lookupByName("web1"))
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("is_there", [False, True], ids=["new there", "defined there"])
@pytest.mark.parametrize(
    "held", ["virDomainMigrateBegin3Params", "virDomainMigratePrepare3Params", "AcceptInstance"]
)
def test_a_client_that_is_gone_while_its_call_waits(pair, held, is_there):
    domain = known(pair.domain())
    if is_there:
        pair.b.defineXML(pair.a.lookupByName("web1").XMLDesc())
    client = Client(pair)

    def prepare():
        cookie, xml = client.call("A", "virDomainMigrateBegin3Params", domain, [], LIVE | PROTECTED)
        xml = Parameter("destination_xml", Kind.STRING, xml)
        client.call("B", "virDomainMigratePrepare3Params", [xml], cookie, LIVE)

    def told():
        with pytest.raises(ConnectionLost) as caught:
            prepare()
        return str(caught.value)

    with pair.cluster.hold(held) as stop:
        begun = Begun(told)
        stop.wait()
        client.goes()
        stop.release()
        begun.wait()
    assert begun.result == "the client is gone that was to migrate 'web1'"
    assert pair.ends == ([1, 1, True], [5, 0, True] if is_there else None)
    pair.cluster.assert_consistent()
    pair.move(pair.a.lookupByName("web1"))
    assert pair.ends == ([5, 4, True], [1, 2, is_there])
    pair.cluster.assert_consistent()


LEFT_PAUSED = "web1 ran on A before its migration, which left it paused there"


def phases(client, domain):
    """Go through a migration's phases; stop before the last two as one likes."""
    flags = LIVE | PROTECTED
    cookie, xml = client.call("A", "virDomainMigrateBegin3Params", domain, [], flags)
    named = [
        Parameter("destination_name", Kind.STRING, "web1"),
        Parameter("destination_xml", Kind.STRING, xml),
    ]
    cookie, _ = client.call("B", "virDomainMigratePrepare3Params", named, cookie, LIVE)
    yield client.call("A", "virDomainMigratePerform3Params", domain, None, named, cookie, flags)
    yield client.call("B", "virDomainMigrateFinish3Params", named, b"", LIVE, 0)
    yield client.call("A", "virDomainMigrateConfirm3Params", domain, [], b"", flags, 0)


def goes_in(pair, held):
    """Let a client go while a call is held that one of its phases makes."""
    domain, client = known(pair.domain()), Client(pair)

    def move_until_it_is_gone():
        for _ in phases(client, domain):
            if gone:
                break

    gone = []
    with pair.cluster.hold(held) as stop:
        begun = Begun(move_until_it_is_gone)
        stop.wait()
        client.goes()
        gone.append(client)
        stop.release()
        begun.wait()


@pytest.mark.parametrize(
    ("held", "ends", "wrong"),
    [
        ("MigrateInstance", ([1, 1, True], None), []),
        ("GetMigrationStatus", ([1, 1, True], None), []),
        ("FinalizeMigrationDst", ([3, 2, True], [1, 2, False]), [LEFT_PAUSED]),
        ("FinalizeMigrationSource", MOVED, []),
    ],
)
def test_a_client_that_is_gone_in_the_middle_of_a_phase(pair, held, ends, wrong):
    """Nothing is left that nobody could end, and no phase is blamed for what became of it meanwhile."""
    goes_in(pair, held)
    assert pair.ends == ends
    assert [each.what for each in pair.cluster.violations()] == wrong


def test_what_such_a_client_has_left_paused_splits_the_machine_once_it_is_resumed(pair):
    goes_in(pair, "FinalizeMigrationDst")
    pair.a.lookupByName("web1").resume()
    (split,) = pair.cluster.violations()
    assert (split.what, split.call.method) == ("web1 ran on A and B at once", "virDomainResume")


def test_a_client_that_is_gone_in_the_middle_of_a_last_phase_that_fails(pair):
    domain, client = known(pair.domain()), Client(pair)
    pair.cluster.fault("FinalizeMigrationSource", do=lambda _call: client.goes(), error="it can't be")
    *_, last = phases(client, domain)
    assert last == (9, "operation failed: it can't be")
    assert pair.ends == ([3, 2, True], [1, 2, False])
    assert [each.what for each in pair.cluster.violations()] == [LEFT_PAUSED]
    pair.a.lookupByName("web1").destroy()
    pair.cluster.assert_consistent()


def test_a_client_that_is_gone_when_all_was_sent(pair):
    domain = known(pair.domain())
    client = Client(pair)
    cookie, xml = client.call("A", "virDomainMigrateBegin3Params", domain, [], LIVE | PROTECTED)
    named = [
        Parameter("destination_name", Kind.STRING, "web1"),
        Parameter("destination_xml", Kind.STRING, xml),
    ]
    cookie, _ = client.call("B", "virDomainMigratePrepare3Params", named, cookie, LIVE)
    client.call("A", "virDomainMigratePerform3Params", domain, None, named, cookie, LIVE | PROTECTED)
    client.goes()
    assert pair.ends == ([3, 2, True], None)
    assert [each.invariant for each in pair.cluster.violations()] == ["left-paused"]
    pair.a.lookupByName("web1").resume()
    pair.cluster.assert_consistent()


def test_a_client_that_is_gone_while_it_is_sent(pair_of):
    pair = pair_of("manual")
    domain = known(pair.domain())
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    client = Client(pair)
    cookie, xml = client.call("A", "virDomainMigrateBegin3Params", domain, [], LIVE | PROTECTED)
    named = [
        Parameter("destination_name", Kind.STRING, "web1"),
        Parameter("destination_xml", Kind.STRING, xml),
    ]
    cookie, _ = client.call("B", "virDomainMigratePrepare3Params", named, cookie, LIVE)
    with pair.cluster.hold("GetMigrationStatus") as held:
        arguments = domain, None, named, cookie, LIVE | PROTECTED
        sending = Begun(client.call, "A", "virDomainMigratePerform3Params", *arguments)
        held.wait()
        client.goes()
    sending.wait()
    assert pair.ends == ([1, 1, True], None)
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("persistent", [True, False])
def test_the_target_goes_down_with_what_is_on_its_way_there(pair_of, persistent):
    pair = pair_of("manual")
    domain = pair.domain()
    if persistent:
        pair.b.defineXML(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        moving = Begun(pair.move, domain)
        held.wait()
        pair.cluster["B"].crash()
    assert moving.wait()
    pair.cluster["B"].boot()
    assert pair.on(pair.a) == [1, 1, True]
    assert pair.on(pair.connect("B")) == ([5, 0, True] if persistent else None)


@NEEDS_VIRSH
def test_a_program_that_is_killed_in_the_middle(pair_of):
    pair = pair_of("manual")
    pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        command = ["virsh", "-c", pair.front.uri("A"), "migrate", "--live", "web1", pair.front.uri("B")]
        program = subprocess.Popen(command, env=pair.front.env, stderr=subprocess.DEVNULL)
        held.wait()
    program.kill()
    program.wait()
    domain = pair.a.lookupByName("web1")
    while domain.jobStats()["type"] or pair.on(pair.b):
        pass
    assert pair.ends == ([1, 1, True], None)
    pair.cluster.assert_consistent()


def test_phases_out_of_order(pair):
    domain = known(pair.domain())
    client = Client(pair)
    named = [Parameter("destination_name", Kind.STRING, "web1")]
    assert client.call("B", "virDomainMigratePrepare3Params", [], b"no cookie", 0) == (
        1,
        "internal error: no domain XML passed",
    )
    assert client.call("B", "virDomainMigrateFinish3Params", named, b"", 0, 0) == (
        42,
        "Domain not found: no domain with matching name 'web1'",
    )
    assert client.call("A", "virDomainMigratePerform3Params", domain, None, [], b"[]", 0) == (
        55,
        f"{INVALID}domain is not being migrated",
    )
    tunnelled = libvirt.VIR_MIGRATE_OFFLINE | libvirt.VIR_MIGRATE_TUNNELLED | PERSIST
    pair.a.lookupByName("web1").destroy()
    assert client.call("A", "virDomainMigrateBegin3Params", domain, [], tunnelled) == (
        55,
        f"{INVALID}tunnelled offline migration does not make sense",
    )
    assert pair.ends == ([5, 2, True], None)


def test_an_abort_before_anything_is_sent(pair):
    domain = known(pair.domain())
    client = Client(pair)
    cookie, _ = client.call("A", "virDomainMigrateBegin3Params", domain, [], LIVE)
    abandon = pair.front._hosts["A"].by_name("web1").outgoing.abandon
    assert pair.a.lookupByName("web1").jobStats()["type"] == libvirt.VIR_DOMAIN_JOB_UNBOUNDED
    pair.a.lookupByName("web1").abortJob()
    code, _ = client.call("A", "virDomainMigratePerform3Params", domain, None, [], cookie, LIVE)
    assert code == libvirt.VIR_ERR_OPERATION_ABORTED
    client.goes()  # it has nothing to leave any more
    abandon()  # as by a client whose end is noticed only now
    assert pair.ends == ([1, 1, True], None)


def test_a_definition_that_is_turned_away(pair):
    domain = pair.domain(running=False)
    pair.cluster.fault("virDomainMigrateFinish3Params", error="no")
    flags = libvirt.VIR_MIGRATE_OFFLINE | PERSIST
    assert refused(pair.move, domain, "managed", flags)[0] == 9
    assert pair.ends == ([5, 0, True], None)


def test_a_definition_that_is_turned_away_where_there_was_one(pair):
    domain = pair.domain(running=False)
    pair.b.defineXML(domain.XMLDesc())
    pair.cluster.fault("virDomainMigrateFinish3Params", error="no")
    assert refused(pair.move, domain, "managed", libvirt.VIR_MIGRATE_OFFLINE | PERSIST)[0] == 9
    assert pair.ends == ([5, 0, True], [5, 0, True])


def test_an_abort_that_comes_too_late(pair):
    domain = pair.domain()
    with pair.cluster.hold("virDomainMigrateFinish3Params") as held:
        begun = Begun(pair.move, domain)
        held.wait()
        pair.connect("A").lookupByName("web1").abortJob()
    assert begun.wait() is None
    assert pair.ends == MOVED


def test_a_source_that_in_truth_is_not_ended(pair):
    domain = pair.domain()
    pair.cluster.fault("FinalizeMigrationSource", effect=False)
    pair.move(domain, "managed", LIVE | PERSIST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE)
    assert pair.ends == ([3, 2, False], [1, 2, True])


def test_nothing_is_left_paused_that_has_ended(pair):
    domain = pair.domain()
    pair.cluster.fault(
        "virDomainMigrateConfirm3Params", error="no", do=lambda _call: pair.cluster.kill("web1", node="A")
    )
    pair.move(domain)
    assert pair.ends == ([5, 3, True], [1, 2, False])
    assert "left-paused" not in [each.invariant for each in pair.cluster.violations()]


class Slow:
    """A job that another call gives up when others have moved the clock a little."""

    def __init__(self, clock):
        self._clock = clock
        self._left = 3

    def acquire(self, timeout):
        assert timeout < 1
        self._clock.advance(1)
        self._left -= 1
        return not self._left


def test_a_change_waits_while_others_move_the_clock(pair_of):
    pair = pair_of("manual")
    pair.domain()
    host = pair.front._hosts["A"]
    domain = host.by_name("web1")
    domain.job, domain.outgoing = (
        Slow(pair.cluster.clock),
        moves.Outgoing(flags=0, began=0, name_there="web1", holds_job=False),
    )
    assert acquired(domain, host.machine)
    assert pair.cluster.clock.now == 3
    Crossing(host.machine, "web1").let_pass(1)  # only the test moves this clock
    assert pair.cluster.clock.now == 3


def test_what_no_idle_domain_can_do(pair):
    domain = pair.domain()
    assert domain.jobInfo() == [0] * 12
    assert refused(domain.abortJobFlags, 1) == (
        55,
        10,
        f"{INVALID}current job is not outgoing migration in post-copy mode",
    )
    assert refused(domain.migrateStartPostCopy)[2] == (
        f"{INVALID}post-copy can only be started while outgoing migration is in progress"
    )
    domain.migrateSetMaxSpeed(6)
    assert domain.migrateGetMaxSpeed() == 6
    assert refused(domain.migrateSetMaxSpeed, 2**43) == (
        82,
        10,
        "numerical overflow: bandwidth must be less than 8796093022208",
    )


def test_parameters_that_count_for_nothing_here(pair):
    domain = pair.domain()
    pair.move(domain, "managed", LIVE, {"compression": "mt", "bandwidth": 8, "migrate_disks": ["vda"]})
    assert pair.ends == MOVED


def test_a_definition_of_its_own_from_peer_to_peer(pair):
    domain = pair.domain()
    own = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)
    other = own.replace("<vcpu", "<title>kept</title><vcpu")
    pair.move(domain, "p2p", LIVE | PERSIST, {"persistent_xml": other, "destination_xml": own})
    assert "<title>kept</title>" in pair.b.lookupByName("web1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_a_source_that_can_not_be_let_run_again_is_left_paused(pair):
    domain = pair.domain()
    pair.cluster.script_migration("web1", outcome="failed")
    pair.cluster.fault("FinalizeMigrationSource", error="it can't be")
    assert refused(pair.move, domain, "managed", 0)[0] == 9
    assert pair.ends == ([3, 2, True], None)
    assert [each.invariant for each in pair.cluster.violations()] == ["left-paused"]
    domain.resume()
    pair.cluster.assert_consistent()


def test_a_question_is_answered_though_nobody_follows(pair, monkeypatch):
    monkeypatch.setattr(moves, "_LONGEST_ANSWER", 0.01)
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=4)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain)
        held.wait()
        other = pair.connect("A").lookupByName("web1")
        assert other.jobStats()["time_elapsed"] == 0
        other.suspend()
        other.suspend()
    assert begun.wait() is None
    assert pair.ends == MOVED


class Last:
    """A queue at which nobody looks any more."""

    def __init__(self, outgoing):
        self._outgoing = outgoing

    def put(self, _answer):
        self._outgoing.is_performing = False


def test_a_target_that_only_says_that_it_is_ready(pair):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16, postcopy=1)
    ready = (b'{"node": "B"}', "tcp:B:49152")
    pair.cluster.fault("virDomainMigratePrepare3Params", result=ready)
    problem = "operation failed: job 'migration out' failed: Unable to write to socket: Bad file descriptor"
    assert refused(pair.move, domain) == (9, 10, problem)
    assert pair.ends == ([1, 1, True], None)
    pair.cluster.assert_consistent()


def test_a_target_that_is_told_too_early_that_all_is_there(pair_of):
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16, postcopy=1)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE | libvirt.VIR_MIGRATE_POSTCOPY)
        held.wait()
        named = [Parameter("destination_name", Kind.STRING, "web1")]
        Client(pair).call("B", "virDomainMigrateFinish3Params", named, b"", LIVE, 0)
        pair.cluster.clock.advance(10)
        assert type(pair)(pair.cluster, pair.front).ends == ([3, 12, True], [1, 2, False])
    pair.cluster.clock.advance(100)
    assert begun.wait() == (42, 10, "Domain not found: no domain with matching name 'web1'")
    assert pair.ends == ([3, 13, True], [1, 2, False])


def test_a_question_that_comes_too_late_is_not_waited_for():
    late = moves.Outgoing(flags=0, began=0, name_there="web1")
    assert late.ask() is None
    late.is_performing = True
    late.asked = Last(late)
    assert late.ask() is None
    late.asked = moves.SimpleQueue()
    late.asked.put(answer := moves.Answer())
    late.asked.put(None)
    late.stop_answering()
    assert answer.get_nowait() is None


def test_what_has_arrived_is_destroyed_before_it_is_finished(pair):
    domain = known(pair.domain())
    client = Client(pair)
    cookie, xml = client.call("A", "virDomainMigrateBegin3Params", domain, [], LIVE)
    named = [
        Parameter("destination_name", Kind.STRING, "web1"),
        Parameter("destination_xml", Kind.STRING, xml),
    ]
    cookie, _ = client.call("B", "virDomainMigratePrepare3Params", named, cookie, LIVE)
    client.call("A", "virDomainMigratePerform3Params", domain, None, named, cookie, LIVE)
    pair.b.lookupByName("web1").destroy()
    code, _ = client.call("B", "virDomainMigrateFinish3Params", named, b"", LIVE, 0)
    assert code == libvirt.VIR_ERR_NO_DOMAIN
    assert client.call("A", "virDomainMigrateConfirm3Params", domain, [], b"", LIVE, 1) == ()
    assert pair.ends == ([1, 6, True], None)


class Busy:
    """A domain that something else changes, and soon no more, on a clock that somebody else moves."""

    incoming, name = None, "web1"

    def __init__(self, outgoing):
        self.outgoing = outgoing
        self.job = self
        self._times = iter(range(9))
        self._answers = iter([False, False, True])

    def acquire(self, *, timeout):
        return next(self._answers)

    @property
    def now(self):
        return next(self._times)


@pytest.mark.parametrize("is_migrating", [True, False])
def test_who_waits_leaves_a_clock_alone_that_somebody_else_moves(is_migrating):
    busy = Busy(is_migrating)
    assert acquired(busy, busy)


def test_what_the_source_has_given_away_is_not_turned_away(pair):
    pair.move(pair.domain())
    Crossing(pair.front._hosts["B"].machine, "web1").turn_away("web1")
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()
