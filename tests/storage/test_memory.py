"""The backend without files: what differs there from the others. All else is tested on every backend."""

import os

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, Instance, InstanceSpec, NodeSpec

NO_ROOT = "there is no root directory: the backend 'memory' keeps no files"


def make(name="web1", memory=1024):
    return Instance(name, beparams={"minmem": memory, "maxmem": memory, "vcpus": 2})


@pytest.fixture
def hv():
    return FakeHypervisor.in_memory(spec=NodeSpec("node1", memory=4096, overcommit=False))


def test_a_node_on_its_own(hv):
    hv.StartInstance(make(), [], True)
    hv.assert_paused("web1", memory=1024)
    assert FakeHypervisor.in_memory(seed=7).seed == 7


def test_a_cluster(tmp_path, monkeypatch):
    class Own(FakeHypervisor):
        pass

    monkeypatch.chdir(tmp_path)
    cluster = FakeCluster.in_memory(
        NodeSpec("a"), instances=[InstanceSpec("web1")], hypervisor=Own, clock="manual", seed=7
    )
    assert cluster.placement() == {"web1": "a"}
    assert type(cluster.add_node("b")) is Own
    assert cluster.migrate("web1", to="b").outcome == "completed"
    assert (cluster.clock.mode, cluster.seed) == ("manual", 7)
    assert os.listdir(tmp_path) == []


def test_it_has_no_root_directory(hv):
    with pytest.raises(HypervisorError) as caught:
        hv.root  # noqa: B018
    assert str(caught.value) == NO_ROOT
    assert hv.Verify() is None


def test_a_class_of_the_users_own_is_told_the_name_for_the_path():
    asked = []

    class Own(FakeHypervisor):
        def _InstanceFile(self, instance_name):
            place = super()._InstanceFile(instance_name)
            asked.append(place)
            return place

    hv = Own.in_memory()
    hv.StartInstance(make(), [], False)
    hv.BalloonInstanceMemory(make(), 5)
    assert hv.GetInstanceInfo("web1").memory == 5
    hv.StopInstance(make())
    assert set(asked) == {"web1"}


def test_a_name_that_no_file_could_have_is_refused_all_the_same(hv):
    for call in (lambda: hv.StartInstance(make("a/b"), [], False), lambda: hv.GetInstanceInfo("a/b")):
        with pytest.raises(HypervisorError) as caught:
            call()
        assert str(caught.value) == "Invalid instance name 'a/b': it contains '/'"


def test_a_name_that_is_a_text_of_a_kind_of_its_own(hv):
    class Own(str):
        __slots__ = ()
        __hash__ = None

        def __str__(self):
            return "other"

    hv.StartInstance(make(Own("web1")), [], False)
    assert hv.ListInstances() == ["web1"]
    hv.StopInstance(make("web1"))


def test_an_interrupted_start_is_counted_as_it_ended(hv):
    """Ctrl-C may come between the instance and the sum."""

    class Interrupted(int):
        interrupts = True

        def __radd__(self, other):
            if self.interrupts:
                Interrupted.interrupts = False
                raise KeyboardInterrupt
            return other + int(self)

    with pytest.raises(KeyboardInterrupt):
        hv.StartInstance(make("web1", Interrupted(1000)), [], False)
    hv.StartInstance(make("web2", 2000), [], False)
    hv.BalloonInstanceMemory(make("web2"), 3000)
    with pytest.raises(HypervisorError, match="1097 MiB are needed, 96 MiB are free"):
        hv.StartInstance(make("web3", 1097), [], False)
    hv.StopInstance(make("web1"))
    hv.StartInstance(make("web3", 1096), [], False)


@pytest.mark.parametrize("operation", ["start", "balloon", "stop"])
def test_an_interrupt_of_a_change_leaves_the_sum_to_be_counted(operation):
    hv = FakeHypervisor.in_memory(spec=NodeSpec("node1", memory=4096))
    interrupts = []

    class Interrupted(int):
        def __radd__(self, other):
            if not interrupts:
                interrupts.append(other)
                raise KeyboardInterrupt
            return other + int(self)

    with pytest.raises(KeyboardInterrupt):
        hv.StartInstance(make("web1", Interrupted(1000)), [], False)
    match operation:
        case "start":
            hv.StartInstance(make("web2", 96), [], False)
        case "balloon":
            hv.BalloonInstanceMemory(make("web1"), 1096)
        case "stop":
            hv.StopInstance(make("web1"))
    wish = Instance("web3", beparams={"minmem": 1, "maxmem": 9999, "vcpus": 1})
    hv.StartInstance(wish, [], False)
    assert hv.instances["web3"].memory == (4096 if operation == "stop" else 3000)


class TestByTheFixtures:
    ROOTLESS = f"""
    import pytest

    def test_it(fakehv, fakehv_factory, tmp_path{{also}}):
        for hv in (fakehv, fakehv_factory()["node1"]):
            hv.StartInstance(hv.instance("web1"), [], False)
            with pytest.raises(Exception) as caught:
                hv.root
            assert str(caught.value) == {NO_ROOT!r}
            hv.assert_running("web1")
    """

    @pytest.mark.parametrize("also", ["", ", fs"])
    @pytest.mark.parametrize("where", ["option", "ini"])
    def test_also_in_a_test_with_a_fake_filesystem(self, pytester, where, also):
        if where == "ini":
            pytester.makeini("[pytest]\nfakehv_backend = memory")
        pytester.makepyfile(self.ROOTLESS.format(also=also))
        args = ["--fakehv-backend=memory"] if where == "option" else []
        pytester.runpytest(*args).assert_outcomes(passed=1)

    def test_by_the_marker_and_against_it(self, pytester):
        pytester.makepyfile(
            """
            import pytest

            @pytest.mark.fakehv(backend="memory")
            @pytest.mark.fakehv_instance("web1")
            def test_in_memory(fakehv):
                fakehv.assert_running("web1")
                with pytest.raises(Exception, match="no root directory"):
                    fakehv.root

            @pytest.mark.fakehv(backend="tmp_path")
            def test_in_files(fakehv, tmp_path):
                assert str(tmp_path.parent) in fakehv.root
            """
        )
        pytester.runpytest("--fakehv-backend=memory").assert_outcomes(passed=2)

    def test_it_keeps_no_files(self, pytester):
        result = pytester.runpytest("--fakehv-backend=memory", "--fakehv-root=out")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                (
                    "*--fakehv-root needs a backend with real files, but the backend is 'memory'; "
                    "choose 'tmp_path', or keep no files with --fakehv-root="
                )
            ]
        )
