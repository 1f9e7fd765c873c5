"""The bridge itself: whose types it speaks, as which node code runs, and that all is undone."""

import pytest

pytest.importorskip("pytest_fakehv.bridges.ganeti", exc_type=ImportError)

from ganeti import hypervisor, objects


def make(name="web1", **beparams):
    return objects.Instance(
        name=name,
        hypervisor="fake",
        hvparams={"migration_mode": "live"},
        beparams={"minmem": 512, "maxmem": 1024, "vcpus": 2, **beparams},
    )


def test_ganetis_map_gives_the_node_that_the_code_runs_as(fakehv_ganeti):
    web1 = make()
    with fakehv_ganeti.on("node1"):
        hypervisor.GetHypervisor("fake").StartInstance(web1, [], False)
        with fakehv_ganeti.on("node2") as node2:
            assert hypervisor.GetHypervisor("fake") is node2
            assert hypervisor.GetHypervisor("fake").ListInstances() == []
        assert hypervisor.GetHypervisor("fake").ListInstances() == ["web1"]
    fakehv_ganeti.assert_running("web1", on="node1", memory=1024)
