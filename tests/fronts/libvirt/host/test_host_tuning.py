"""What domains may use at most: it is kept in the definitions that a call is about, and said again."""

import pytest
from small_host import Client
from told_by_hosts import domain_xml, refusal, uuid_of

from pytest_fakehv.fronts.libvirt.values import DomainRef, Kind, Parameter

LIVE, CONFIG = 1, 2
UNLIMITED = 9007199254740991
UNSUPPORTED = "unsupported configuration"
OFF = (55, 20, "Requested operation is not valid: domain is not running")
BOTH = (8, 20, "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive")
MAC = "52:54:00:00:00:01"
DEVICES = (
    "<disk type='file' device='disk'><source file='/one.img'/><target dev='vda' bus='virtio'/></disk>"
    f"<interface type='bridge'><mac address='{MAC}'/><source bridge='br0'/></interface>"
    "<interface type='network'><mac address='52:54:00:00:00:02'/><source network='default'/></interface>"
)


@pytest.fixture
def tuned(node1):
    """A domain that runs, and that is defined."""
    domain = node1.defineXML(domain_xml("tuned", devices=DEVICES))
    domain.create()
    return domain


class TestScheduler:
    def test_what_is_not_set(self, web1):
        assert web1.schedulerType() == ("posix", 9)
        assert set(web1.schedulerParameters().values()) == {0}
        web1.create()
        assert web1.schedulerParameters() == {
            "cpu_shares": 1024,
            "vcpu_period": 100000,
            "vcpu_quota": -1,
            "emulator_period": 100000,
            "emulator_quota": -1,
            "global_period": 100000,
            "global_quota": -1,
            "iothread_period": 100000,
            "iothread_quota": -1,
        }

    def test_it_is_set_where_it_is_to_be(self, tuned):
        tuned.setSchedulerParametersFlags({"cpu_shares": 512, "vcpu_quota": 5000}, CONFIG)
        tuned.setSchedulerParameters({"cpu_shares": 2048})
        assert tuned.schedulerParametersFlags(CONFIG)["cpu_shares"] == 512
        assert tuned.schedulerParametersFlags(LIVE)["cpu_shares"] == 2048
        assert "<cputune>\n    <shares>2048</shares>\n  </cputune>" in tuned.XMLDesc()
        kept = "<cputune>\n    <shares>512</shares>\n    <quota>5000</quota>\n  </cputune>"
        assert kept in tuned.XMLDesc(2)
        assert refusal(tuned.schedulerParametersFlags, LIVE | CONFIG) == BOTH

    def test_pins_stay(self, tuned):
        tuned.pinVcpuFlags(0, (True, False, False, False), CONFIG)
        tuned.setSchedulerParametersFlags({"cpu_shares": 512}, CONFIG)
        assert "<shares>512</shares>\n    <vcpupin vcpu='0' cpuset='0'/>" in tuned.XMLDesc(2)

    def test_what_is_out_of_range(self, web1):
        problem = "invalid argument: value of 'vcpu_period' is out of range [1000, 1000000]"
        assert refusal(web1.setSchedulerParameters, {"vcpu_period": 1}) == (8, 10, problem)

    def test_nothing_is_set_where_a_part_of_it_cannot_be(self, tuned):
        before = tuned.XMLDesc(2)
        refusal(tuned.setSchedulerParametersFlags, {"cpu_shares": 7, "vcpu_quota": 1}, CONFIG)
        assert tuned.XMLDesc(2) == before


class TestMemory:
    def test_it_is_kept(self, tuned):
        unlimited = dict.fromkeys(("hard_limit", "soft_limit", "swap_hard_limit"), UNLIMITED)
        assert tuned.memoryParameters() == unlimited
        tuned.setMemoryParameters({"hard_limit": 2000, "soft_limit": 1000}, LIVE)
        assert tuned.memoryParameters(LIVE) == unlimited | {"hard_limit": 2000, "soft_limit": 1000}
        assert tuned.memoryParameters(CONFIG) == unlimited
        tuned.setMemoryParameters({"hard_limit": UNLIMITED}, LIVE)
        tuned.setMemoryParameters({"soft_limit": UNLIMITED}, LIVE)
        assert "memtune" not in tuned.XMLDesc()

    def test_what_is_more_than_with_swap(self, tuned):
        problem = "memory hard_limit tunable value must be lower than or equal to swap_hard_limit"
        refused = (8, 20, f"invalid argument: {problem}")
        assert refusal(tuned.setMemoryParameters, {"hard_limit": 5, "swap_hard_limit": 4}) == refused


class TestBlockDevices:
    FIELDS = ("weight", "read_iops_sec", "write_iops_sec", "read_bytes_sec", "write_bytes_sec")
    NOTHING = dict.fromkeys(map("device_{}".format, FIELDS), "")

    def test_they_are_kept(self, web1):
        assert web1.blkioParameters() == {"weight": 0, **self.NOTHING}
        web1.setBlkioParameters({"weight": 500, "device_weight": "/dev/sda,400,/dev/sdb,300"})
        web1.setBlkioParameters({"device_read_iops_sec": "/dev/sdb,10"})
        assert web1.blkioParameters() == {
            "weight": 500,
            **self.NOTHING,
            "device_weight": "/dev/sda,400,/dev/sdb,300",
            "device_read_iops_sec": "/dev/sdb,10",
        }
        web1.setBlkioParameters({"device_weight": "/dev/sda,0,/dev/sdb,0"})
        assert web1.blkioParameters()["device_weight"] == ""
        assert web1.XMLDesc().count("<path>") == 1

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("/dev/sda", "unable to parse blkio device 'device_weight' '/dev/sda'"),
            ("/dev/sda,x", "invalid value 'x' for parameter 'device_weight' of device '/dev/sda'"),
        ],
    )
    def test_what_cannot_be_read(self, web1, text, problem):
        refused = (8, 20, f"invalid argument: {problem}")
        assert refusal(web1.setBlkioParameters, {"device_weight": text}) == refused


class TestNumaNodes:
    def test_they_are_kept(self, web1):
        assert web1.numaParameters() == {"numa_mode": 0, "numa_nodeset": ""}
        web1.setNumaParameters({"numa_mode": 2, "numa_nodeset": "0-1"})
        assert web1.numaParameters() == {"numa_mode": 2, "numa_nodeset": "0-1"}
        web1.setNumaParameters({"numa_mode": 0})
        assert "<memory mode='strict' nodeset='0-1'/>" in web1.XMLDesc()

    def test_while_it_runs_the_mode_stays(self, tuned):
        tuned.setNumaParameters({"numa_nodeset": "0"}, LIVE)
        assert tuned.numaParameters(LIVE) == {"numa_mode": 0, "numa_nodeset": "0"}
        assert refusal(tuned.numaParameters, LIVE | CONFIG) == BOTH
        words = "Requested operation is not valid: can't change numatune mode for running domain"
        assert refusal(tuned.setNumaParameters, {"numa_mode": 2}, LIVE) == (55, 10, words)

    def test_while_it_runs_only_strict_memory_moves(self, web1):
        web1.setNumaParameters({"numa_mode": 1, "numa_nodeset": "0"})
        web1.create()
        words = "change of nodeset for running domain requires strict numa mode"
        refused = (55, 10, f"Requested operation is not valid: {words}")
        assert refusal(web1.setNumaParameters, {"numa_nodeset": "0-1"}) == refused

    def test_what_there_is_not(self, web1):
        mode = (8, 10, "invalid argument: unsupported numatune mode: '9'")
        nodes = (8, 0, "invalid argument: Failed to parse bitmap 'x'")
        assert refusal(web1.setNumaParameters, {"numa_mode": 9}) == mode
        assert refusal(web1.setNumaParameters, {"numa_nodeset": "x"}) == nodes

    def test_a_mode_that_nobody_knows_counts_as_strict(self, node1):
        domain = node1.defineXML(
            domain_xml("web1").replace("<os>", "<numatune><memory mode='x' nodeset='1'/></numatune><os>")
        )
        assert domain.numaParameters() == {"numa_mode": 0, "numa_nodeset": "1"}


class TestEventsOfTheProcessor:
    def test_none_can_be_counted(self, tuned):
        assert set(tuned.perfEvents().values()) == {False}
        tuned.setPerfEvents({"cmt": False}, LIVE)
        words = "unable to open host cpu perf event for cpu_cycles: No such file or directory"
        assert refusal(tuned.setPerfEvents, {"cpu_cycles": True}, LIVE) == (38, 65, words)

    def test_of_what_is_shut_off_it_is_noted(self, web1):
        web1.setPerfEvents({"cpu_cycles": True, "cmt": False})
        web1.setPerfEvents({"page_faults": True})
        enabled = {name for name, is_enabled in web1.perfEvents().items() if is_enabled}
        assert enabled == {"cpu_cycles", "page_faults"}
        assert "<event name='cmt' enabled='no'/>" in web1.XMLDesc()


class TestDisks:
    def test_they_are_kept(self, tuned):
        assert set(tuned.blockIoTune("vda").values()) == {0, ""}
        tuned.setBlockIoTune("vda", {"total_bytes_sec": 100, "read_iops_sec": 5, "group_name": "g"}, LIVE)
        said = tuned.blockIoTune("/one.img", LIVE)
        assert (said["total_bytes_sec"], said["read_iops_sec"], said["group_name"]) == (100, 5, "g")
        assert set(tuned.blockIoTune("vda", CONFIG).values()) == {0, ""}

    def test_of_what_is_set_together_all_is(self, tuned):
        tuned.setBlockIoTune("vda", {"total_bytes_sec": 100, "size_iops_sec": 7}, CONFIG)
        tuned.setBlockIoTune("vda", {"total_iops_sec": 5, "total_iops_sec_max": 9}, LIVE)
        tuned.setBlockIoTune("vda", {"read_bytes_sec": 9}, CONFIG)
        kept = (
            "<iotune>\n        <read_bytes_sec>9</read_bytes_sec>\n        <size_iops_sec>7</size_iops_sec>"
        )
        assert kept in tuned.XMLDesc(2)
        tuned.setBlockIoTune("vda", {"write_bytes_sec": 0, "size_iops_sec": 0}, CONFIG)
        assert "iotune" not in tuned.XMLDesc(2)

    @pytest.mark.parametrize(
        ("values", "refused"),
        [
            (
                {"total_iops_sec": 5, "read_iops_sec": 5},
                (8, 10, "invalid argument: total and read/write of iops_sec cannot be set at the same time"),
            ),
            (
                {"total_iops_sec_max": 5},
                (67, 10, f"{UNSUPPORTED}: cannot reset 'total_iops_sec' when 'total_iops_sec_max' is set"),
            ),
            (
                {"total_iops_sec": 6, "total_iops_sec_max": 5},
                (
                    67,
                    10,
                    f"{UNSUPPORTED}: value 'total_iops_sec_max' cannot be smaller than 'total_iops_sec'",
                ),
            ),
            ({"x": 5}, (74, 0, "argument unsupported: parameter 'x' not supported")),
        ],
    )
    def test_what_cannot_be(self, tuned, values, refused):
        assert refusal(tuned.setBlockIoTune, "vda", values, LIVE) == refused

    def test_a_disk_that_there_is_not(self, tuned):
        live = (8, 10, "invalid argument: disk 'vdz' not found in domain")
        missing = (8, 10, "invalid argument: missing persistent configuration for disk 'vdz'")
        config = (8, 10, "invalid argument: disk 'vdz' was not found in the domain config")
        assert refusal(tuned.blockIoTune, "vdz", LIVE) == live
        assert refusal(tuned.setBlockIoTune, "vdz", {"size_iops_sec": 1}, LIVE) == live
        assert refusal(tuned.blockIoTune, "vdz", CONFIG) == config
        assert refusal(tuned.setBlockIoTune, "vdz", {"size_iops_sec": 1}, CONFIG) == missing

    def test_a_parameter_of_another_type(self, tuned, front):
        about = DomainRef("tuned", bytes.fromhex(uuid_of("tuned").replace("-", "")), -1)
        given = [Parameter("size_iops_sec", Kind.INT, 5)]
        with Client(front.socket("node1")) as client:
            refused = client.call("virDomainSetBlockIoTune", about, "vda", given, LIVE)
            count = client.call("virDomainGetBlockIoTune", about, None, 0, LIVE)
        words = "invalid argument: invalid type 'int' for parameter 'size_iops_sec', expected 'ullong'"
        assert (refused[:3], count) == ((8, 0, words), ([], 20))


class TestInterfaces:
    def test_they_are_kept(self, tuned):
        assert set(tuned.interfaceParameters(MAC).values()) == {0}
        tuned.setInterfaceParameters("vnet0", {"inbound.average": 100, "outbound.average": 5}, LIVE)
        tuned.setInterfaceParameters(MAC, {"inbound.average": 200, "inbound.peak": 300}, LIVE)
        said = tuned.interfaceParameters("vnet0", LIVE)
        assert (said["inbound.average"], said["inbound.peak"], said["outbound.average"]) == (200, 300, 5)
        assert set(tuned.interfaceParameters(MAC, CONFIG).values()) == {0}
        tuned.setInterfaceParameters(MAC, {"inbound.average": 0, "outbound.average": 0}, LIVE)
        assert "bandwidth" not in tuned.XMLDesc()

    def test_without_an_average_nothing_changes(self, tuned):
        tuned.setInterfaceParameters(MAC, {"inbound.peak": 5}, CONFIG)
        assert "bandwidth" not in tuned.XMLDesc(2)

    def test_a_floor_is_of_networks(self, tuned):
        words = (
            f"Operation not supported: Invalid use of 'floor' on interface with MAC address {MAC} - 'floor' "
            "is only supported for interface type 'network' with forward type 'nat', 'route', 'open' or none"
        )
        assert refusal(tuned.setInterfaceParameters, MAC, {"inbound.floor": 5}, LIVE) == (84, 10, words)
        tuned.setInterfaceParameters("52:54:00:00:00:02", {"inbound.floor": 5}, LIVE)
        assert tuned.interfaceParameters("vnet1", LIVE)["inbound.floor"] == 5

    def test_one_that_there_is_not(self, tuned, web1):
        unknown = (8, 20, "invalid argument: 'vnet9' is not a known interface")
        assert refusal(tuned.interfaceParameters, "vnet9") == unknown
        assert refusal(tuned.interfaceParameters, "vnet0", CONFIG)[2] == (
            "invalid argument: 'vnet0' is not a known interface"
        )
        assert refusal(web1.interfaceParameters, "vnet0", LIVE) == OFF
