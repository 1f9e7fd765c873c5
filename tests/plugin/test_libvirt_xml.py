"""A domain's XML of one's own, as the plugin takes it; the front needs no client for that."""

TOPOLOGY = """
[[node]]
name = "node1"

[[instance]]
name = "web{n}"
count = 2
xml = "<domain><title>Shop</title></domain>"
"""

ASKED = """
import pytest
from pytest_fakehv.fronts.libvirt.host.declared import definition_of

pytestmark = pytest.mark.fakehv(routes=False)

def title(cluster, name):
    return definition_of(cluster._shared.declared[name]).title
"""


def test_a_marker_declares_it(pytester):
    pytester.makepyfile(
        ASKED
        + """
@pytest.mark.fakehv_instance("web1", memory=512, xml="<domain><title>Shop</title></domain>")
def test_shop(fakehv_libvirt):
    assert title(fakehv_libvirt.cluster, "web1") == "Shop"
"""
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_topology_declares_it(pytester):
    pytester.makefile(".toml", shop=TOPOLOGY)
    pytester.makepyfile(
        ASKED
        + """
def test_shop(fakehv_libvirt):
    assert title(fakehv_libvirt.cluster, "web2") == "Shop"
"""
    )
    pytester.runpytest_subprocess("--fakehv-topology", "shop.toml").assert_outcomes(passed=1)


def test_a_wrong_one_fails_the_test_by_one_line(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.fakehv_instance("web1", xml="<domain><name>db1</name></domain>")
        def test_shop(fakehv_libvirt):
            pass

        @pytest.mark.fakehv_instance("web1", xml=b"<domain/>")
        def test_bytes(fakehv_cluster):
            pass

        @pytest.mark.fakehv_instance("web1", xml="<nonsense/>")
        def test_nobody_looks(fakehv_cluster):
            pass
        """
    )
    result = pytester.runpytest_subprocess("-W", "ignore")
    result.assert_outcomes(passed=1, errors=2)
    lines = [
        "fakehv_instance('web1'): xml must be a text, not b'<domain/>'",
        "fakehv_libvirt: xml of instance 'web1' is wrong: it says name 'db1', the instance has 'web1'",
    ]
    assert [each for each in sorted(result.outlines) if each in lines] == lines
    result.stdout.no_fnmatch_line("*During handling of*")
