"""Invariants that are off unless a test, or the run, asks for them."""

import pytest

SOURCE = """
import libvirt
import pytest

def leave(uri):
    connection = libvirt.open(uri)
    pool = connection.storagePoolCreateXML(
        "<pool type='dir'><name>images</name><target><path>/srv/images</path></target></pool>", 1
    )
    pool.createXML("<volume><name>a</name><capacity>1</capacity></volume>", 0)
    connection.close()

{marker}
def test_it(fakehv_libvirt):
    leave("qemu:///system")
    {look}

@pytest.mark.fakehv(allow=["orphaned"])
def test_allowed(fakehv_libvirt):
    leave("qemu:///system")

{marker}
def test_another_cluster(fakehv_factory):
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

    with FakeLibvirt(fakehv_factory()) as front:
        leave(front.uri())
"""
FORBID = '@pytest.mark.fakehv(forbid=["orphaned"])'
WHAT = "orphaned: volume a of pool images on node1 is left: no domain uses it, and nobody has deleted it"


@pytest.mark.parametrize(
    ("marker", "ini", "failed"), [("", "", 0), (FORBID, "", 2), ("", "fakehv_forbid = orphaned", 2)]
)
def test_a_test_or_a_run_asks(pytester, marker, ini, failed):
    pytest.importorskip("libvirtmod", reason="needs libvirt-python")
    pytester.makeini(f"[pytest]\n{ini}")
    look = "assert fakehv_libvirt.cluster.violations()" if failed else ""
    pytester.makepyfile(SOURCE.format(marker=marker, look=look))
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=3 - failed, failed=failed)
    assert result.outlines.count(WHAT) == failed


def test_wrong_ones(pytester):
    pytester.makepyfile("""
        import pytest

        @pytest.mark.fakehv(forbid="orphaned")
        def test_no_list(fakehv): pass

        @pytest.mark.fakehv(forbid=["vanished"])
        def test_always_forbidden(fakehv_factory): fakehv_factory()
    """)
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    assert [line for line in result.outlines if line.startswith("fakehv")] == [
        "fakehv(): forbid must be a list of invariants, not 'orphaned'",
        "fakehv(): forbid has 'vanished'; valid: orphaned",
    ]
    result = pytester.runpytest_subprocess("-o", "fakehv_forbid=unfired")
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        "ERROR: fakehv_forbid: forbid has 'unfired'; valid: orphaned"
    ]
