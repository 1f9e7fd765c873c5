"""The fixture `fakehv_libvirt`, in runs of its own."""

from importlib.util import find_spec

import pytest

needs_libvirt = pytest.mark.skipif(
    not find_spec("libvirtmod"),  # which no folder is named as
    reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python",
)

QUIET = """
import libvirt
libvirt.registerErrorHandler(lambda *_: None, None)
"""
"""Of a conftest.py: errors are raised; libvirt shall not print them, too."""

TOPOLOGY = """
[[node]]
name = "big1"
memory = "128G"

[[instance]]
name = "db1"
memory = 4096
node = "big1"
"""


@pytest.fixture
def run(pytester):
    """Run one module in a process of its own; return what came of it."""
    pytester.makeconftest(QUIET)

    def run(source, *options):
        pytester.makepyfile(test_vm=source)
        return pytester.runpytest_subprocess("-W", "ignore::DeprecationWarning", *options)

    return run


@needs_libvirt
def test_markers_declare_domains(run):
    result = run(
        """
        import libvirt
        import pytest

        @pytest.mark.fakehv_node("node1", memory=8192, cpus=4)
        @pytest.mark.fakehv_node("node2", address="192.0.2.2")
        @pytest.mark.fakehv_instance("web1", memory=1024, vcpus=2)
        @pytest.mark.fakehv_instance("web2", state="paused")
        @pytest.mark.fakehv_instance("db1", node="node2", state="stopped")
        def test_it(fakehv_libvirt, fakehv_cluster):
            assert fakehv_libvirt.cluster is fakehv_cluster
            node1 = libvirt.open("qemu:///system")
            assert node1.getInfo()[1:3] == [8192, 4]
            assert {each.name(): each.state()[0] for each in node1.listAllDomains()} == {
                "web1": libvirt.VIR_DOMAIN_RUNNING,
                "web2": libvirt.VIR_DOMAIN_PAUSED,
            }
            assert node1.lookupByName("web1").info()[1:4] == [1048576, 1048576, 2]
            (db1,) = libvirt.open("qemu+tcp://192.0.2.2/system").listAllDomains()
            assert (db1.name(), db1.isActive(), db1.isPersistent()) == ("db1", 0, 1)
        """
    )
    result.assert_outcomes(passed=1)


@needs_libvirt
def test_a_topology_declares_domains(run, pytester):
    pytester.makefile(".toml", cluster=TOPOLOGY)
    result = run(
        """
        import libvirt

        def test_it(fakehv_libvirt):
            (db1,) = libvirt.open("qemu+ssh://big1/system").listAllDomains()
            assert db1.maxMemory() == 4194304
        """,
        "--fakehv-topology=cluster.toml",
    )
    result.assert_outcomes(passed=1)


@needs_libvirt
def test_faults_of_markers(run):
    result = run(
        """
        import libvirt
        import pytest

        @pytest.mark.fakehv_instance("web1", state="stopped")
        @pytest.mark.fakehv_fault("virDomainCreate", code="VIR_ERR_NO_DOMAIN", error="gone", times=1)
        @pytest.mark.fakehv_fault("virDomainDestroy", code=libvirt.VIR_ERR_OPERATION_TIMEOUT)
        def test_it(fakehv_libvirt):
            web1 = libvirt.open("qemu:///system").lookupByName("web1")
            with pytest.raises(libvirt.libvirtError, match="^Domain not found: gone$") as caught:
                web1.create()
            assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN
            web1.create()
            with pytest.raises(libvirt.libvirtError, match="Injected fault: virDomainDestroy on node1"):
                web1.destroy()

        @pytest.mark.fakehv_fault("virNetworkDestroy", network="default", times=1)
        def test_narrowed(fakehv_libvirt):
            default = libvirt.open("qemu:///system").networkLookupByName("default")
            with pytest.raises(libvirt.libvirtError, match="Injected fault: virNetworkDestroy on node1"):
                default.destroy()
            default.destroy()

        @pytest.mark.fakehv_fault("virDomainCreate", code="NO_DOMAN")
        def test_unknown_code(fakehv_libvirt):
            pass

        @pytest.mark.fakehv_fault("StartInstance", code="NO_DOMAIN")
        def test_code_of_another_interface(fakehv_libvirt):
            pass

        @pytest.mark.fakehv(routes="no")
        def test_no_choice(fakehv_libvirt):
            pass
        """
    )
    result.assert_outcomes(passed=2, errors=3)
    assert [line for line in result.outlines if line.startswith("fakehv")] == [
        (
            "fakehv_fault('virDomainCreate'): code must be the number or the name of an error of libvirt's, "
            "not 'NO_DOMAN'; nearest: VIR_ERR_NO_DOMAIN"
        ),
        (
            "fakehv_fault('StartInstance'): code='NO_DOMAIN' goes with a function of libvirt's, "
            "not StartInstance"
        ),
        "fakehv(): routes must be one of True, False, not 'no'",
    ]


@needs_libvirt
def test_routes_are_there_for_a_test_that_has_the_fixture_and_wants_them(run):
    result = run(
        """
        import libvirt
        import pytest

        OWN = libvirt.open
        BEFORE = {name: getattr(libvirt.libvirtmod, name) for name in dir(libvirt.libvirtmod)}

        def is_as_before():
            now = {name: getattr(libvirt.libvirtmod, name) for name in dir(libvirt.libvirtmod)}
            return now == BEFORE and libvirt.open is OWN

        def test_led(fakehv_libvirt):
            assert OWN("qemu+ssh://node2/system").getHostname() == "node2"
            assert libvirt.openReadOnly(None).getHostname() == "node1"
            fakehv_libvirt.here = "node2"
            assert libvirt.open("qemu:///system").getHostname() == "node2"

        def test_left_alone_afterwards():
            assert is_as_before()

        @pytest.mark.fakehv(routes=False)
        def test_not_led(fakehv_libvirt):
            assert is_as_before()
            assert libvirt.open(fakehv_libvirt.uri("node2")).getHostname() == "node2"

        def test_not_without_the_fixture(fakehv):
            assert is_as_before()
        """
    )
    result.assert_outcomes(passed=4)


@needs_libvirt
def test_two_tests_share_nothing(run):
    result = run(
        """
        import os
        import threading

        import libvirt
        import pytest

        LEFT = []

        @pytest.mark.parametrize("_", [1, 2])
        def test_it(fakehv_libvirt, _):
            connection = libvirt.open("qemu:///system")
            assert connection.listAllDomains() == []
            xml = "<domain type='kvm'><name>a</name><memory>1024</memory><os><type>hvm</type></os></domain>"
            connection.defineXML(xml).create()
            assert connection.lookupByName("a").ID() == 1
            LEFT.append((connection, os.path.dirname(fakehv_libvirt.socket())))

        def test_what_is_left():
            for connection, folder in LEFT:
                assert not os.path.exists(folder)
                with pytest.raises(libvirt.libvirtError):
                    connection.getHostname()
                assert not connection.isAlive()
            assert [each.name for each in threading.enumerate() if each.name.startswith("fakehv")] == []
        """
    )
    result.assert_outcomes(passed=3)


@needs_libvirt
def test_the_verdict_and_the_report_are_in_libvirts_words(run):
    result = run(
        """
        import libvirt

        XML = "<domain type='kvm'><name>web1</name><memory>1024</memory><os><type>hvm</type></os></domain>"

        def test_it(fakehv_libvirt):
            for host in "node1", "node2":
                libvirt.open(f"qemu+ssh://{host}/system").createXML(XML)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "double-start: web1 was started on node2 while it ran on node1",
            "  since call 4, virDomainCreateXML(<definition of web1>, 0) on node2 at test_vm.py:7",
            "node1: 65535 of 65536 MiB free, 16 CPUs",
            "  0 s web1 virDomainCreateXML",
            "> 4 node2 virDomainCreateXML(<definition of web1>, 0) at test_vm.py:7 -> <domain web1>",
        ]
    )


SOME = """
import libvirt
import pytest

@pytest.mark.fakehv_instance("web1")
@pytest.mark.parametrize("number", range(6))
def test_it(fakehv_libvirt, number):
    web1 = libvirt.open("qemu+ssh://node1/system").lookupByName("web1")
    assert number or not web1.destroy()
    fakehv_libvirt.cluster.assert_running("web1")
"""


@needs_libvirt
def test_under_xdist(run):
    result = run(SOME, "-n2")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["  web1, since call 3, virDomainDestroy('web1') on node1 at test_vm.py:8"])


@needs_libvirt
def test_on_the_page(run, pytester):
    pytest.importorskip("jinja2")
    run(SOME, "--fakehv-report=page.html")
    page = (pytester.path / "page.html").read_text()
    assert "virDomainDestroy" in page
    assert "virDomainLookupByName" in page


@needs_libvirt
@pytest.mark.parametrize("name", ["tmp_path", "pyfakefs", "memory"])
def test_on_every_backend(run, name):
    run(SOME, f"--fakehv-backend={name}").assert_outcomes(passed=5, failed=1)


@needs_libvirt
@pytest.mark.parametrize("order", ["fs, fakehv_libvirt", "fakehv_libvirt, fs"])
def test_with_a_fake_filesystem_of_the_tests_own(run, order):
    result = run(
        f"""
        import os
        import subprocess

        import libvirt
        import pytest

        @pytest.mark.fakehv_instance("web1")
        def test_it({order}):
            connection = libvirt.open("qemu+ssh://node1/system")
            connection.lookupByName("web1").reboot()
            assert os.listdir("/fakehv/node1") == ["web1"]
            assert fakehv_libvirt.env["LIBVIRT_DEFAULT_URI"]
        """
    )
    result.assert_outcomes(passed=1)


HIDDEN = """
import sys

sys.modules["libvirt"] = None
"""


def test_without_the_binding_it_says_how_to_get_it(pytester):
    pytester.makeconftest(HIDDEN)
    pytester.makepyfile(
        """
        import pytest

        def test_it(fakehv_libvirt):
            pass

        @pytest.mark.fakehv(routes=False)
        def test_without_routes(fakehv_libvirt):
            assert fakehv_libvirt.uri("node2").startswith("qemu+unix:///system?socket=/")
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    assert [line for line in result.outlines if line.startswith("fakehv_libvirt")] == [
        (
            "fakehv_libvirt: leading libvirt's URIs to nodes needs its Python binding: import of libvirt "
            "halted; None in sys.modules; Debian's package python3-libvirt has it; pip install "
            "libvirt-python builds it, which needs Debian's packages libvirt-dev and pkgconf; or mark the "
            "test fakehv(routes=False)"
        )
    ]


def test_the_plugin_loads_nothing_of_it_for_others(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_it(fakehv):
            assert "pytest_fakehv.fronts.libvirt" not in sys.modules
            assert "libvirt" not in sys.modules
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


ENDLESS = """
import libvirt
import pytest

@pytest.mark.fakehv_instance("web1")
@pytest.mark.fakehv(max_calls=20)
def test_a_loop_that_ignores_errors(fakehv_libvirt):
    web1 = libvirt.open("qemu:///system").lookupByName("web1")
    while True:
        try:
            if web1.info()[0] == libvirt.VIR_DOMAIN_SHUTOFF:
                break
        except libvirt.libvirtError:
            pass

@pytest.mark.fakehv_instance("web1")
def test_a_fault_that_fails_the_test(fakehv_libvirt):
    def refuse(call):
        pytest.fail(f"{call.method} must not come")

    fakehv_libvirt.cluster.fault("virDomainDestroy", do=refuse)
    try:
        libvirt.open("qemu:///system").lookupByName("web1").destroy()
    except libvirt.libvirtError:
        pass
"""


@needs_libvirt
def test_what_ends_a_test_is_no_error_that_a_client_ignores(run):
    result = run(ENDLESS)
    result.assert_outcomes(failed=2)
    assert [line for line in result.outlines if line.startswith("E  ")] == [
        (
            "E       pytest_fakehv.LimitError: 20 calls came in this test, which is max_calls: "
            "it waits for what never comes"
        ),
        (
            "E         18 times virDomainGetInfo('web1') on node1 at test_vm.py:10, the last time "
            "(1, 1048576, 1048576, 1, 100000000)"
        ),
        "E         once virConnectOpen('qemu:///system', 0) on node1 at test_vm.py:7 -> None",
        "E         once virDomainLookupByName('web1') on node1 at test_vm.py:7 -> <domain web1>",
        "E         a test that takes more says so: fakehv(max_calls=...), or --fakehv-max-calls",
        "E       Failed: virDomainDestroy must not come",
    ]


SWALLOWED = """
import threading

import libvirt
import pytest

def refuse(call):
    pytest.fail(f"{call.method} must not come")

def hosts():
    return map(libvirt.open, ["qemu+ssh://node1/system", "qemu+ssh://node2/system"])

@pytest.mark.fakehv_instance("web1")
def test_by_the_library(fakehv_libvirt):
    fakehv_libvirt.cluster.fault("virDomainMigrateConfirm3Params", do=refuse, when="after")
    node1, node2 = hosts()
    node1.lookupByName("web1").migrate3(node2, {}, libvirt.VIR_MIGRATE_LIVE)
    with pytest.raises(libvirt.libvirtError, match="no domain with matching name"):
        node1.lookupByName("web2")

@pytest.mark.fakehv_instance("web1")
def test_though_another_thread_calls_too(fakehv_libvirt):
    node1, node2 = hosts()
    web1 = node1.lookupByName("web1")
    asked, over = threading.Event(), threading.Event()

    def poll():
        while not over.is_set():
            web1.info()
            asked.set()

    def refuse_when_asked(call):
        asked.clear()
        asked.wait(10)
        refuse(call)

    poller = threading.Thread(target=poll)
    poller.start()
    fakehv_libvirt.cluster.fault("virDomainMigratePerform3Params", do=refuse_when_asked)
    try:
        web1.migrate3(node2, {}, libvirt.VIR_MIGRATE_LIVE)
    except libvirt.libvirtError:
        pass
    finally:
        over.set()
        poller.join()

@pytest.mark.fakehv_instance("web1")
def test_by_another_process(fakehv_libvirt):
    import subprocess
    import sys

    fakehv_libvirt.cluster.fault("virDomainDestroy", do=refuse)
    program = "import libvirt; libvirt.open('qemu:///system').lookupByName('web1').destroy()"
    env = fakehv_libvirt.env | {"LIBVIRT_DEFAULT_URI": fakehv_libvirt.uri("node1")}
    program = program.replace("'qemu:///system'", "None")
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert "internal error: Failed: virDomainDestroy must not come" in done.stderr
"""


@needs_libvirt
def test_what_ends_a_test_is_not_lost_in_the_library(run):
    result = run(SWALLOWED)
    result.assert_outcomes(failed=3)
    assert [line for line in result.outlines if line.endswith("must not come")] == [
        "virDomainMigrateConfirm3Params must not come",
        "E       Failed: virDomainMigratePerform3Params must not come",
        "virDomainDestroy must not come",
    ]


@needs_libvirt
def test_markers_declare_pools(run):
    result = run(
        """
        import libvirt
        import pytest

        pytestmark = pytest.mark.fakehv_pool("isos", nodes=["node2"])

        VOLUME = "<volume><name>a</name><capacity>1</capacity></volume>"

        @pytest.mark.fakehv_pool("images", capacity="20G", path="/srv/images")
        def test_it(fakehv_libvirt):
            node1, node2 = (libvirt.open(f"qemu+ssh://{name}/system") for name in ("node1", "node2"))
            assert node1.listStoragePools() == ["images"]
            assert node2.listStoragePools() == ["images", "isos"]
            images = node1.storagePoolLookupByName("images")
            assert images.info()[1] == 20 * 2**30
            images.createXML(VOLUME)
            shared = node2.storagePoolLookupByName("images")
            shared.refresh()
            assert shared.listVolumes() == ["a"]

        def test_without_pools_of_its_own(fakehv_libvirt):
            assert libvirt.open("qemu:///system").listStoragePools() == []
        """
    )
    result.assert_outcomes(passed=2)


WRONG_POOLS = {
    "fakehv_pool()": "fakehv_pool(): missing argument 'name'; valid: name, nodes, path, capacity",
    "fakehv_pool('a', capacity='x')": (
        "fakehv_pool('a'): capacity must be a positive integer, of MiB, or a text like '512M', '24G' or "
        "'1.5 TiB', not 'x'"
    ),
    "fakehv_pool('a', nodes=['node9'])": (
        "fakehv_pool('a'): no node is named 'node9'; there are: node1, node2"
    ),
    "fakehv_pool('a', path='/b')\n@mark.fakehv_pool('c', path='/b')": (
        "fakehv_pool('c'): node1 can't have pool 'c': operation failed: Storage source conflict with "
        "pool: 'a'"
    ),
    "fakehv_pool('a')\n@mark.fakehv_pool('a')": "fakehv_pool('a'): there are two of this name",
}


@needs_libvirt
def test_a_pool_that_can_not_be(run):
    result = run(
        "from pytest import mark\n\n"
        + "".join(
            f"@mark.{each}\ndef test_{number}(fakehv_libvirt): pass\n\n"
            for number, each in enumerate(WRONG_POOLS)
        )
    )
    result.assert_outcomes(errors=len(WRONG_POOLS))
    result.stdout.fnmatch_lines([each.replace("[", "[[]") for each in WRONG_POOLS.values()])


def test_a_pool_of_a_cluster_without_libvirt(pytester):
    """Nobody would see it."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.fakehv_pool("images")
        def test_it(fakehv_cluster): pass

        @pytest.mark.fakehv_pool("images")
        def test_without_a_cluster(): pass
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=2)
    problem = "fakehv_pool('images') acts on nothing: it is for the cluster of fakehv_libvirt; request that"
    result.stdout.fnmatch_lines([problem, "*", problem])
