"""A user's own subclass: what it may override, and what its nodes then do."""

import functools
import threading

import pytest
from calling import make, message, start

from pytest_fakehv import (
    BaseHypervisor,
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    NodeDownError,
    NodeSpec,
)


class TestSubclass:
    """A user's own hypervisor, with the inner methods that such classes override."""

    def test_own_start_passes_the_door_once(self, root):
        class Own(FakeHypervisor):
            def StartInstance(self, instance, block_devices, startup_paused):
                if not block_devices:
                    raise HypervisorError("no disks")
                self.GetNodeInfo()
                super().StartInstance(instance, block_devices, startup_paused)

        hv = Own(root, spec=NodeSpec("node1"))
        assert message(hv.StartInstance, make(), [], False) == "no disks"
        hv.StartInstance(make(), ["/dev/vda"], False)
        assert [(call.method, str(call.error)) for call in hv.journal] == [
            ("StartInstance", "no disks"),
            ("StartInstance", "None"),
        ]

    def test_mixin_and_class_method_pass_the_door(self, root):
        class Mixin:
            def RebootInstance(self, instance):
                return "mixed in"

        class Own(Mixin, FakeHypervisor):
            @classmethod
            def AssessParameters(cls, hvparams):
                return [f"{cls.__name__} doubts {sorted(hvparams)}", *super().AssessParameters(hvparams)]

        hv = Own(root, spec=NodeSpec("node1"))
        assert hv.RebootInstance(make()) == "mixed in"
        assert hv.AssessParameters({"a": 1}) == ["Own doubts ['a']"]
        assert Own.AssessParameters({}) == ["Own doubts []"]
        assert [call.method for call in hv.journal] == ["RebootInstance", "AssessParameters"]

    @pytest.mark.parametrize(
        ("hook", "calls"),
        [
            ("_MarkUp", 2),
            ("_MarkDown", 1),
            ("_IsAlive", 3),
            ("_InstanceStartupMemory", 1),
            ("_InstanceFile", 8),
        ],
    )
    def test_inner_methods_of_one_node_alone(self, root, monkeypatch, hook, calls):
        """As a test patches them."""
        seen = []
        hv = FakeHypervisor(root, spec=NodeSpec("node1"))
        own = getattr(hv, hook)

        def asked(*arguments):
            seen.append(arguments)
            return own(*arguments)

        monkeypatch.setattr(hv, hook, asked)
        web1 = make()
        hv.StartInstance(web1, [], False)
        hv.BalloonInstanceMemory(web1, 5)
        hv.StopInstance(web1)
        assert len(seen) == calls

    def test_an_own_mark_up_on_a_node_that_does_not_overcommit(self, root):
        """What fits is seen again when it is made: nobody is locked out while the class is asked."""

        class Own(FakeHypervisor):
            def _MarkUp(self, instance, memory):
                super()._MarkUp(instance, 2 * memory)

            def _IsAlive(self, instance_name):
                return super()._IsAlive(instance_name) and instance_name != "web2"

        hv = Own(root, spec=NodeSpec("node1", memory=5500, overcommit=False))
        start(hv, "web1", "web2")
        assert [info.memory for info in hv.instances.values()] == [2048, 2048]
        for name, why in (
            ("web2", "already running"),
            ("web3", "node1 does not overcommit: 2048 MiB are needed, 1404 MiB are free"),
            ("web1", "already running"),
        ):
            assert (
                message(hv.StartInstance, make(name), [], False) == f"Failed to start instance {name}: {why}"
            )
        hv.StopInstance(make("web1"))
        assert message(hv.StopInstance, make("web1")) == "Failed to stop instance web1: not running"
        assert message(hv.BalloonInstanceMemory, make("web1"), 5) == (
            "Failed to balloon memory for web1: not running"
        )

    def test_a_balloon_on_a_node_that_does_not_overcommit(self, root):
        """What fits is seen before the class is asked, and again when its memory changes."""

        class Own(FakeHypervisor):
            def _MarkUp(self, instance, memory):
                if memory == 900:
                    self.add_instance("web2", memory=300)
                super()._MarkUp(instance, memory)

        hv = Own(root, spec=NodeSpec("node1", memory=1000, overcommit=False))
        start(hv, "web1", minmem=600, maxmem=600)
        hv.BalloonInstanceMemory(make("web1"), 700)
        assert hv.instances["web1"].memory == 700
        for memory, why in (
            (1001, "node1 does not overcommit: 301 MiB are needed, 300 MiB are free"),
            (900, "node1 does not overcommit: 200 MiB are needed, 0 MiB are free"),
            (0, "memory must be a positive integer, not 0"),
        ):
            assert message(hv.BalloonInstanceMemory, make("web1"), memory) == (
                f"Failed to balloon memory for web1: {why}"
            )
        assert {name: info.memory for name, info in hv.instances.items()} == {"web1": 700, "web2": 300}

    def test_an_own_startup_memory_that_is_none(self, root):
        class Own(FakeHypervisor):
            def _InstanceStartupMemory(self, instance, hvparams=None):
                return 0

        hv = Own(root, spec=NodeSpec("node1"))
        assert message(hv.StartInstance, make(), [], False) == (
            "Failed to start instance web1: memory must be a positive integer, not 0"
        )
        assert hv.ListInstances() == []

    def test_an_own_mark_up_of_what_arrives(self, root):
        class Own(FakeHypervisor):
            def _MarkUp(self, instance, memory):
                super()._MarkUp(instance, memory)

        cluster = FakeCluster(root, hypervisor=Own)
        cluster.add_instance("web1", memory=300)
        assert cluster.migrate("web1", to="node2").outcome == "completed"
        cluster.assert_running("web1", on="node2", memory=300)

    def test_an_own_mark_up_of_what_was_stopped_meanwhile(self, root):
        """A balloon makes no instance."""

        class Own(FakeHypervisor):
            def _MarkUp(self, instance, memory):
                if memory == 5:
                    self._MarkDown(instance.name)
                super()._MarkUp(instance, memory)

        hv = Own(root, spec=NodeSpec("node1"))
        start(hv, "web1")
        assert message(hv.BalloonInstanceMemory, make(), 5) == (
            "Failed to balloon memory for web1: not running"
        )
        assert hv.ListInstances() == []

    def test_the_root_under_the_name_that_they_know(self, backend, root):
        class Own(FakeHypervisor):
            def place(self):
                return self._ROOT_DIR

        hv = Own(root, spec=NodeSpec("node1"))
        if backend == "memory":
            with pytest.raises(HypervisorError, match="there is no root directory"):
                hv.place()
        else:
            assert hv.place() == hv.root

    def test_inner_methods(self, root):
        seen = []

        class Own(FakeHypervisor):
            def _InstanceFile(self, instance_name):
                seen.append("file")
                return super()._InstanceFile(f"{instance_name}.vm")

            def _IsAlive(self, instance_name):
                seen.append("alive")
                return super()._IsAlive(instance_name)

            def _InstanceStartupMemory(self, instance, hvparams=None):
                return 77

            def _MarkUp(self, instance, memory):
                seen.append("up")
                super()._MarkUp(instance, memory)

            def _MarkDown(self, instance_name):
                seen.append("down")
                super()._MarkDown(instance_name)

        hv = Own(root, spec=NodeSpec("node1"))
        hv.StartInstance(make(), [], True)
        assert hv.GetInstanceInfo("web1") == ("web1", "0", 77, 2, 0, 0)
        assert hv.ListInstances() == ["web1.vm"]
        assert set(seen) == {"file", "alive", "up"}
        hv.assert_paused("web1")
        seen.clear()
        hv.BalloonInstanceMemory(make(), 78)
        assert hv.GetInstanceInfo("web1") == ("web1", "0", 78, 2, 0, 0)
        assert set(seen) == {"file", "alive", "up"}
        hv.assert_paused("web1")
        seen.clear()
        hv.StopInstance(make())
        assert hv.ListInstances() == []
        assert set(seen) == {"file", "alive", "down"}

    def test_none_is_asked_where_the_test_sets_the_scene(self, root):
        class Own(FakeHypervisor):
            def _InstanceFile(self, instance_name):
                raise HypervisorError("refused")

        hv = Own(root, spec=NodeSpec("node1"))
        hv.add_instance("web1")
        assert hv.ListInstances() == ["web1"]

    def test_a_node_that_goes_down_while_one_is_asked_starts_nothing(self, root):
        class Own(FakeHypervisor):
            def _InstanceStartupMemory(self, instance, hvparams=None):
                memory = super()._InstanceStartupMemory(instance, hvparams)
                crash = threading.Thread(target=self.crash)
                crash.start()
                crash.join()
                return memory

        hv = Own(root, spec=NodeSpec("node1"))
        refusal = message(hv.StartInstance, make(), [], False, error=NodeDownError)
        assert refusal == "node1 does not answer"
        assert hv.instance_names == []

    def test_own_node_info_decides_what_a_start_gets(self, root):
        class Own(FakeHypervisor):
            def GetNodeInfo(self, hvparams=None):
                return {**super().GetNodeInfo(hvparams), "memory_free": 600}

        class Heir(Own):
            pass

        hv = Heir(root, spec=NodeSpec("node1"))
        start(hv, "web1")
        assert hv.instances["web1"].memory == 600
        hv.add_instance("web2")
        assert hv.instances["web2"].memory == 1024
        assert [call.method for call in hv.journal] == ["StartInstance"]

    def test_own_node_info_is_asked_with_the_hvparams_that_count(self, root):
        """Those that are given, or else the instance's."""
        seen = []

        class Own(FakeHypervisor):
            def GetNodeInfo(self, hvparams=None):
                seen.append(hvparams)
                return super().GetNodeInfo(hvparams)

        hv = Own(root, spec=NodeSpec("node1"))
        web1 = hv.instance("web1", hvparams={"a": 1})
        hv.StartInstance(web1, [], False)
        assert hv._InstanceStartupMemory(web1, {"b": 2}) == 1024
        assert seen == [{"a": 1}, {"b": 2}]

    def test_overrides_of_other_kinds(self, root):
        class Own(FakeHypervisor):
            RebootInstance = functools.partialmethod(FakeHypervisor.StopInstance, force=True)
            HotplugSupported = None

        hv = Own(root, spec=NodeSpec("node1"))
        hv.add_instance("web1")
        hv.RebootInstance(make())
        assert hv.ListInstances() == []
        assert hv.HotplugSupported is None
        assert [(call.method, call.instance) for call in hv.journal] == [
            ("RebootInstance", "web1"),
            ("ListInstances", None),
        ]

    def test_arguments_by_other_names(self, root):
        class Own(FakeHypervisor):
            def StartInstance(self, *args, **kwargs):
                super().StartInstance(*args, **kwargs)

            def RebootInstance(self, vm):
                return vm.name

        hv = Own(root, spec=NodeSpec("node1"))
        start(hv, "web1")
        assert hv.RebootInstance(make("web2")) == "web2"
        assert [call.instance for call in hv.journal] == ["web1", "web2"]

    def test_a_part_of_the_contract_in_a_class_of_its_own(self, root):
        class Part(BaseHypervisor):
            def MigrationInfo(self, instance):
                return "part"

        class First(Part, FakeHypervisor):
            pass

        class Last(FakeHypervisor, Part):
            pass

        for cls in (First, Last):
            hv = cls(root, spec=NodeSpec("node1"))
            assert hv.MigrationInfo(make()) == "part"
            assert [call.method for call in hv.journal] == ["MigrationInfo"]

    def test_a_class_of_the_bare_contract(self):
        class Own(BaseHypervisor):
            name = "own"
            StartInstance = StopInstance = RebootInstance = BalloonInstanceMemory = lambda self, *args: args
            ListInstances = GetInstanceInfo = GetAllInstancesInfo = GetNodeInfo = lambda self, *args: args
            GetInstanceConsole = Verify = MigrateInstance = GetMigrationStatus = lambda self, *args: args

            def __repr__(self):
                return "<Own>"

        hv = Own()
        assert hv.unreachable is None
        assert hv.ListInstances(5) == (5,)
        assert hv.VerifyInstance(make()) is True
        assert hv.AcceptInstance(make(), "", "own") is None
        assert hv.FinalizeMigrationSource(make(), True, True) is None
        assert hv.FinalizeMigrationDst(make(), "", True) is None
        assert hv.PowercycleNode() is None
        with pytest.raises(DeclarationError) as caught:
            FakeCluster.in_memory().assert_running("web1", on=hv)
        assert str(caught.value) == "<Own> is a node of another cluster"

    def test_inner_methods_called_alone_raise_hypervisor_errors(self, hv):
        with pytest.raises(HypervisorError) as caught:
            hv._MarkDown("web1")
        assert str(caught.value) == "not running"
        hv._MarkUp(make(), 5)
        hv._MarkUp(make(), 6)
        assert hv.GetInstanceInfo("web1") == ("web1", "0", 6, 2, 0, 0)
