"""What a fault of a test lets a client's call answer, or raise."""

import pytest

from pytest_fakehv import DeclarationError

pytest.importorskip(  # which no folder is named as
    "libvirtmod", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
)
import libvirt

pytestmark = pytest.mark.fakehv_instance("web1", memory=2048)


@pytest.fixture(autouse=True)
def quiet():
    """What fails is not printed on stderr, as libvirt does by itself."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)


@pytest.fixture
def cluster(fakehv_libvirt):
    return fakehv_libvirt.cluster


@pytest.fixture
def connection(fakehv_libvirt):
    return libvirt.open("qemu+ssh://node1/system")


@pytest.fixture
def web1(connection):
    return connection.lookupByName("web1")


LIES = [
    ("virDomainGetState", lambda dom: dom.state(), [libvirt.VIR_DOMAIN_SHUTOFF, 1]),
    ("virDomainGetInfo", lambda dom: dom.info(), [5, 1024, 1024, 1, 0]),
    ("virDomainIsActive", lambda dom: dom.isActive(), 0),
    ("virDomainGetXMLDesc", lambda dom: dom.XMLDesc(), "<domain/>"),
    ("virDomainCreate", lambda dom: dom.create(), 0),
    ("virDomainCreateWithFlags", lambda dom: dom.createWithFlags(0), 0),
    ("virDomainMemoryStats", lambda dom: dom.memoryStats(), {"actual": 5, "rss": 7}),
    ("virDomainGetBlockInfo", lambda dom: dom.blockInfo("vda"), [3, 2, 1]),
    ("virDomainBlockPeek", lambda dom: dom.blockPeek("vda", 0, 4), b"boot"),
    ("virDomainGetPerfEvents", lambda dom: dom.perfEvents(), {"cmt": True}),
    ("virDomainGetJobStats", lambda dom: dom.jobStats(), {"type": 2, "data_total": 5, "auto_converge": 1}),
    ("virDomainGetBlockJobInfo", lambda dom: dom.blockJobInfo("vda"), {}),
    (
        "virDomainGetBlockJobInfo",
        lambda dom: dom.blockJobInfo("vda"),
        {"type": 2, "bandwidth": 0, "cur": 1, "end": 9},
    ),
    ("virDomainListAllCheckpoints", lambda dom: dom.listAllCheckpoints(), []),
    ("virDomainGetDiskErrors", lambda dom: dom.diskErrors(), {}),
    (
        "virDomainGetVcpus",
        lambda dom: dom.vcpus(),
        ([(0, 1, 5, 2)], [(False, False, True) + (False,) * 13]),
    ),
    ("virDomainGetVcpuPinInfo", lambda dom: dom.vcpuPinInfo(), [(True,) + (False,) * 14 + (True,)]),
    ("virDomainGetEmulatorPinInfo", lambda dom: dom.emulatorPinInfo(), (False,) * 9 + (True,) * 7),
    ("virDomainGetIOThreadInfo", lambda dom: dom.ioThreadInfo(), [(3, [True] + [False] * 15)]),
    ("virNodeGetCPUMap", lambda dom: dom.connect().getCPUMap(), (3, [True, False, True], 2)),
    ("virNodeGetFreePages", lambda dom: dom.connect().getFreePages([4, 2048], 0, 1), {0: {4: 9, 2048: 8}}),
    (
        "virConnectGetCPUModelNames",
        lambda dom: dom.connect().getCPUModelNames("x86_64"),
        ["qemu64", "my-own"],
    ),
    ("virNodeGetInfo", lambda dom: dom.connect().getInfo(), ["x86_64", 1024, 1, 2400, 1, 1, 1, 1]),
    ("virConnectListDomains", lambda dom: dom.connect().listDomainsID(), [7]),
    ("virConnectGetHostname", lambda dom: dom.connect().getHostname(), "other"),
    ("virConnectListAllDomains", lambda dom: dom.connect().listAllDomains(), []),
    ("virDomainInterfaceAddresses", lambda dom: dom.interfaceAddresses(0), {}),
    (
        "virDomainInterfaceAddresses",
        lambda dom: dom.interfaceAddresses(0),
        {"vnet0": {"hwaddr": "52:54:00:00:00:01", "addrs": [{"type": 0, "addr": "10.1.0.9", "prefix": 24}]}},
    ),
    (
        "virNetworkGetDHCPLeases",
        lambda dom: dom.connect().networkLookupByName("default").DHCPLeases(),
        [
            {
                "iface": "virbr0",
                "expirytime": 60,
                "type": 0,
                "mac": "52:54:00:00:00:01",
                "iaid": None,
                "ipaddr": "192.168.122.9",
                "prefix": 24,
                "hostname": "web1",
                "clientid": None,
            }
        ],
    ),
]


@pytest.mark.parametrize(("function", "call", "result"), LIES, ids=[each[0] for each in LIES])
def test_a_lie_is_what_the_binding_returns(cluster, web1, function, call, result):
    cluster.fault(function, result=result, times=1)
    assert call(web1) == result
    (said,) = cluster.journal.calls(function)
    assert said.lie is not None


def test_a_lie_may_have_figures_of_which_the_binding_asks_first_how_many_there_are(cluster, web1):
    for function, call, result in (
        ("virDomainBlockStatsFlags", lambda: web1.blockStatsFlags("vda"), {"rd_bytes": 5}),
        ("virDomainGetMemoryParameters", web1.memoryParameters, {"hard_limit": 5}),
        ("virDomainGetSchedulerParameters", web1.schedulerParameters, {"vcpu_quota": -1}),
        ("virDomainGetDiskErrors", web1.diskErrors, {"vda": libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE}),
        ("virNodeGetCPUStats", lambda: web1.connect().getCPUStats(-1), {"kernel": 5, "user": 7}),
        ("virNodeGetMemoryStats", lambda: web1.connect().getMemoryStats(-1), {"total": 5, "free": 2}),
        ("virDomainGetCPUStats", lambda: web1.getCPUStats(True), [{"cpu_time": 7, "user_time": 5}]),
    ):
        cluster.fault(function, result=result)
        assert call() == result


def test_a_lie_may_have_figures_of_each_cpu(cluster, web1):
    each = [{"cpu_time": 7, "vcpu_time": 6}, {"cpu_time": 5, "vcpu_time": 4}]
    cluster.fault("virDomainGetCPUStats", result=each)
    assert web1.getCPUStats(False) == each


def test_a_lie_may_have_networks(cluster, connection):
    default = connection.networkLookupByName("default")
    cluster.fault("virNetworkLookupByName", result=default, times=1)
    assert connection.networkLookupByName("lan").UUIDString() == default.UUIDString()
    cluster.fault("virConnectListAllNetworks", result=[default, "default"], times=1)
    assert [each.name() for each in connection.listAllNetworks()] == ["default", "default"]


def test_a_lie_may_have_domains(cluster, connection, web1):
    cluster.fault("virDomainLookupByName", result=web1, times=1)
    assert connection.lookupByName("db1").name() == "web1"
    cluster.fault("virConnectListAllDomains", result=[web1, "web1"], times=1)
    assert [each.ID() for each in connection.listAllDomains()] == [1, 1]
    cluster.fault("virConnectGetAllDomainStats", result=[(web1, {"state.state": 5, "x": "y"})], times=1)
    ((domain, figures),) = connection.getAllDomainStats()
    assert (domain.name(), figures) == ("web1", {"state.state": 5, "x": "y"})


@pytest.mark.parametrize(
    ("function", "call", "result"),
    [
        ("virDomainIsActive", lambda dom: dom.isActive(), "yes"),
        ("virDomainDestroy", lambda dom: dom.destroy(), 1),
        ("virDomainGetState", lambda dom: dom.state(), 5),
        ("virConnectListAllDomains", lambda dom: dom.connect().listAllDomains(), ["db1"]),
        ("virDomainGetJobStats", lambda dom: dom.jobStats(), {"data_total": 5}),
        ("virDomainMemoryStats", lambda dom: dom.memoryStats(), {"ram": 5}),
    ],
)
def test_a_lie_that_the_binding_never_returns_is_refused(cluster, web1, function, call, result):
    cluster.fault(function, result=result, times=1)
    with pytest.raises(libvirt.libvirtError) as caught:
        call(web1)
    mistake = f"a fault's result for {function} must be what libvirt-python returns of it, not {result!r}"
    assert caught.value.get_error_message() == f"internal error: {mistake}"
    assert list(map(str, cluster._scope.halts())) == [mistake]  # else it would fail this test, too


def test_a_lie_that_no_message_can_hold_fails_the_test(cluster, connection):
    cluster.fault("virNodeGetInfo", result=["x86_64", 1], times=1)
    with pytest.raises(libvirt.libvirtError, match="internal error: ValueError: not enough values to unpack"):
        connection.getInfo()
    (mistake,) = map(str, cluster._scope.halts())
    assert mistake == (
        "virNodeGetInfo on node1 could not be answered: ValueError: not enough values to unpack "
        "(expected 8, got 2); a fault's result must be what libvirt-python returns"
    )


def test_an_effect_that_never_came(cluster, web1):
    cluster.fault("virDomainShutdown", effect=False, times=1)
    cluster.fault("virDomainCreateWithFlags", effect=False, times=1)
    assert web1.shutdown() == 0
    assert web1.isActive()
    assert web1.createWithFlags(0) == 0


def test_a_result_after_the_effect(cluster, web1):
    cluster.fault("virDomainIsActive", result=0, when="after", times=1)
    assert (web1.isActive(), web1.isActive()) == (0, 1)


def test_an_error_of_the_binding_that_is_made_by_hand(cluster, web1):
    cluster.fault("virDomainDestroy", error=libvirt.libvirtError("no"), times=1)
    with pytest.raises(libvirt.libvirtError, match=r"^operation failed: no$") as caught:
        web1.destroy()
    assert caught.value.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED


def test_an_error_that_the_binding_has_raised_before_is_told_as_it_was(cluster, connection, web1):
    with pytest.raises(libvirt.libvirtError) as first:
        connection.lookupByName("db1")
    cluster.fault("virDomainDestroy", error=first.value, times=1)
    with pytest.raises(libvirt.libvirtError) as again:
        web1.destroy()
    assert again.value.err == first.value.err


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"error": "no"}, libvirt.VIR_ERR_OPERATION_FAILED, "operation failed: no"),
        (
            {},
            libvirt.VIR_ERR_OPERATION_FAILED,
            "operation failed: Injected fault: virDomainDestroy on node1",
        ),
        ({"error": "no", "code": "NO_DOMAIN"}, libvirt.VIR_ERR_NO_DOMAIN, "Domain not found: no"),
        (
            {"error": KeyError("no")},
            libvirt.VIR_ERR_INTERNAL_ERROR,
            "internal error: KeyError: 'no'",
        ),
    ],
)
def test_errors_of_faults(cluster, web1, given, code, message):
    cluster.fault("virDomainDestroy", times=1, **given)
    with pytest.raises(libvirt.libvirtError) as caught:
        web1.destroy()
    assert (caught.value.get_error_code(), caught.value.get_error_message()) == (code, message)
    assert web1.isActive()


def test_the_journal_shows_domains_by_their_names(cluster, web1):
    assert repr(cluster.journal.calls("virDomainLookupByName")[0].result) == "<domain web1>"


@pytest.mark.fakehv(strict=False)
@pytest.mark.parametrize(
    ("method", "called"),
    [
        ("virDomainDestroyFlags", "virDomainDestroy"),
        ("StopInstance", "virDomainDestroy"),
        ("virDomainSetVcpusFlags", "virDomainSetVcpus"),
    ],
)
def test_a_fault_that_never_fired_names_the_call_that_came_instead(cluster, web1, method, called):
    cluster.fault(method, error="no")
    web1.setVcpus(1)
    web1.destroy()
    (violation,) = cluster.violations()
    assert violation.what.endswith(
        f"never fired: no such call came, though {called} was called about web1 on node1"
    )


@pytest.mark.fakehv(strict=False)
@pytest.mark.parametrize(
    ("method", "called"),
    [
        ("virDomainSetMemoryFlags", "virDomainSetMemory"),
        ("virDomainSetMemory", "virDomainSetMemoryFlags"),
    ],
)
def test_a_fault_that_never_fired_names_the_function_that_differs_in_flags_alone(
    cluster, web1, method, called
):
    cluster.fault(method, error="no")
    {"virDomainSetMemory": web1.setMemory, "virDomainSetMemoryFlags": web1.setMemoryFlags}[called](65536)
    (violation,) = cluster.violations()
    assert violation.what.endswith(
        f"never fired: no such call came, though {called} was called about web1 on node1"
    )


PHASES = (
    "; a migration is several calls: virDomainMigrateBegin3Params, virDomainMigratePrepare3Params, "
    "virDomainMigratePerform3Params, virDomainMigrateFinish3Params, virDomainMigrateConfirm3Params"
)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("create", "the interface has no method 'create'; nearest: virDomainCreate"),
        ("dom.create", "the interface has no method 'dom.create'; nearest: virDomainCreate"),
        ("virDomainMigrate3", f"libvirt's front has no function 'virDomainMigrate3'{PHASES}"),
        ("migrateToURI3", f"the interface has no method 'migrateToURI3'{PHASES}"),
        ("getInfo", "the interface has no method 'getInfo'; nearest: virDomainGetInfo, virNodeGetInfo"),
        ("virDomainStart", "libvirt's front has no function 'virDomainStart'; nearest: virDomainCreate"),
        ("virDomainCreat", "libvirt's front has no function 'virDomainCreat'; nearest: virDomainCreate"),
    ],
)
def test_a_name_that_is_none_hints_at_the_right_one(cluster, method, message):
    with pytest.raises(DeclarationError) as caught:
        cluster.fault(method)
    assert str(caught.value) == message


def test_a_definition_is_shown_by_its_name_and_kept_whole(cluster, connection, web1):
    xml = "<domain type='kvm'><name>db1</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    connection.defineXML(xml)
    (defined,) = cluster.journal.calls("virDomainDefineXML")
    assert str(defined) == "virDomainDefineXML(<definition of db1>)"
    assert (defined.instance, defined.arguments) == ("db1", (xml,))
    assert web1.XMLDesc() == cluster.journal.calls("virDomainGetXMLDesc")[0].result
    with pytest.raises(libvirt.libvirtError):
        connection.defineXML("<domain/>")
    assert str(cluster.journal[-1]) == "virDomainDefineXML('<domain/>')"


def test_what_the_cluster_has_is_found_there(fakehv_libvirt):
    with pytest.raises(AttributeError) as caught:
        fakehv_libvirt.fault("virDomainCreate")
    assert str(caught.value) == (
        "'FakeLibvirt' object has no attribute 'fault'; its cluster has: .cluster.fault"
    )
    with pytest.raises(AttributeError, match=r"^'FakeLibvirt' object has no attribute 'nothing'$"):
        fakehv_libvirt.nothing()
