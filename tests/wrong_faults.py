"""Faults that are wrongly declared, and what is said of each."""

from pytest_fakehv.interface.constants import COMMANDS
from pytest_fakehv.interface.libvirt import LIBVIRT_COMMANDS


def nothing():
    """Take no argument."""


async def later(call):
    """Be awaited by nobody."""


class Later:
    """The same as an object."""

    async def __call__(self, call):
        """Be awaited by nobody."""

    def __repr__(self):
        return "<Later>"


METHOD = "the interface has no method"
SEVERAL_CALLS = (
    "a migration is several calls: MigrationInfo, AcceptInstance, MigrateInstance, GetMigrationStatus, "
    "FinalizeMigrationSource, FinalizeMigrationDst; through libvirt: virDomainMigrateBegin3Params, "
    "virDomainMigratePrepare3Params, virDomainMigratePerform3Params, virDomainMigrateFinish3Params, "
    "virDomainMigrateConfirm3Params"
)
GIVE = "give what is answered, result=, or a method that has one:"
DO = "do must be a function that takes the call"
ITSELF = "give a function or a method itself, without calling it"
NO_CRASH = "goes without a crash of the called node: what is down doesn't answer"
WRONG = [
    (("StratInstance",), {}, f"{METHOD} 'StratInstance'; nearest: StartInstance"),
    (("start",), {}, f"{METHOD} 'start'; nearest: StartInstance; through libvirt: virDomainCreate"),
    (("StopVM",), {}, f"{METHOD} 'StopVM'; nearest: StopInstance"),
    (("list_vms",), {}, f"{METHOD} 'list_vms'; nearest: ListInstances"),
    (("finalize",), {}, f"{METHOD} 'finalize'; nearest: FinalizeMigrationSource, FinalizeMigrationDst"),
    (("migrate",), {}, f"{METHOD} 'migrate'; {SEVERAL_CALLS}"),
    (("xyz",), {}, f"{METHOD} 'xyz'"),
    (("add_instance",), {}, f"{METHOD} 'add_instance'; nearest: StartInstance"),
    (("conn.getInfo",), {}, f"{METHOD} 'conn.getInfo'; nearest: virDomainGetInfo, virNodeGetInfo"),
    (("getVersion",), {}, f"{METHOD} 'getVersion'; nearest: virConnectGetVersion"),
    (("virGetNodeInfo",), {}, "libvirt's front has no function 'virGetNodeInfo'; nearest: virNodeGetInfo"),
    (("",), {}, f"{METHOD} ''"),
    ((5,), {}, f"{METHOD} 5"),
    (([],), {}, f"{METHOD} []"),
    (("ListInstances",), {"node": "node3"}, "no node is named 'node3'; there are: node1, node2"),
    (("ListInstances",), {"node": 1}, "a node is given by its name or address, or as itself, not as 1"),
    (("StopInstance",), {"instance": ""}, "instance is invalid: '': it is empty"),
    (("StopInstance",), {"instance": 5}, "an instance is given by its name, or as itself, not as 5"),
    (
        ("MigrateInstance",),
        {"phase": "start"},
        "phase must be one of 'prepare', 'transfer', 'finalize', not 'start'",
    ),
    (("MigrateInstance",), {"side": "both"}, "side must be one of 'source', 'target', not 'both'"),
    (("MigrateInstance",), {"side": ["source"]}, "side must be one of 'source', 'target', not ['source']"),
    (
        ("MigrateInstance",),
        {"phase": "finalize"},
        "phase='finalize' can't be: MigrateInstance is of the phase 'transfer'",
    ),
    (
        ("AcceptInstance",),
        {"side": "source"},
        "side='source' can't be: AcceptInstance is of the side 'target'",
    ),
    (
        ("StartInstance",),
        {"phase": "prepare"},
        "phase='prepare' can't be: StartInstance is no part of a migration",
    ),
    (
        ("StartInstance",),
        {"side": "target"},
        "side='target' can't be: StartInstance is no part of a migration",
    ),
    (
        ("*",),
        {"phase": "transfer", "side": "target"},
        "side='target' can't be: nothing of the phase 'transfer' is called there",
    ),
    (
        ("virStorageVolDelete",),
        {"volume": "images/two"},
        "volume='images/two' can't be: no volume's name has a '/'; name its pool by pool=",
    ),
    (("virStorageVolDelete",), {"pool": ""}, "pool must be the name of a pool, not ''"),
    (("virNetworkCreate",), {"network": 1}, "network must be the name of a network, not 1"),
    (
        ("virStorageVolDelete",),
        {"instance": "two"},
        "instance='two' can't be: virStorageVolDelete names no instance; narrow it by pool= or volume=",
    ),
    (
        ("virDomainCreate",),
        {"volume": "two"},
        "volume='two' can't be: virDomainCreate names no volume; narrow it by instance=",
    ),
    (
        ("StartInstance",),
        {"pool": "images"},
        "pool='images' can't be: StartInstance names no pool; narrow it by instance=",
    ),
    (
        ("virStoragePoolRefresh",),
        {"pool": "images", "volume": "two"},
        "volume='two' can't be: virStoragePoolRefresh names no volume; narrow it by pool=",
    ),
    (
        ("virStorageVolLookupByPath",),
        {"pool": "images"},
        "pool='images' can't be: virStorageVolLookupByPath names no pool; narrow it by volume=",
    ),
    (
        ("virConnectGetHostname",),
        {"network": "default"},
        "network='default' can't be: virConnectGetHostname names no network",
    ),
    (
        ("*",),
        {"instance": "web1", "volume": "two"},
        "instance='web1' can't be with volume='two': no call is about both",
    ),
    (
        ("*",),
        {"pool": "images", "network": "default"},
        "pool='images' can't be with network='default': no call is about both",
    ),
    (("ListInstances",), {"when": "during"}, "when must be one of 'before', 'after', not 'during'"),
    (("ListInstances",), {"when": None}, "when must be one of 'before', 'after', not None"),
    (("ListInstances",), {"after": -1}, "after must be an integer that is not negative, not -1"),
    (("ListInstances",), {"after": 1.5}, "after must be an integer that is not negative, not 1.5"),
    (("ListInstances",), {"times": 0}, "times must be a positive integer, not 0"),
    (("ListInstances",), {"times": True}, "times must be a positive integer, not True"),
    (("ListInstances",), {"probability": 1.5}, "probability must be a number from 0 to 1, not 1.5"),
    (("ListInstances",), {"probability": -0.5}, "probability must be a number from 0 to 1, not -0.5"),
    (
        ("ListInstances",),
        {"probability": float("nan")},
        "probability must be a number from 0 to 1, not nan",
    ),
    (("ListInstances",), {"probability": "1"}, "probability must be a number from 0 to 1, not '1'"),
    (("ListInstances",), {"delay": -1}, "delay must be a number that is not negative, not -1"),
    (("ListInstances",), {"delay": None}, "delay must be a number that is not negative, not None"),
    (
        ("ListInstances",),
        {"crash": 1},
        "crash must be True, False or a node, by its name or address or as itself, not 1",
    ),
    (("ListInstances",), {"crash": "node3"}, "no node is named 'node3'; there are: node1, node2"),
    (("ListInstances",), {"effect": 0}, "effect must be one of True, False, not 0"),
    (
        ("GetInstanceInfo",),
        {"effect": False},
        f"effect=False can't be: GetInstanceInfo has none; {GIVE} {', '.join(COMMANDS)}",
    ),
    (
        ("virDomainGetInfo",),
        {"effect": False},
        f"effect=False can't be: virDomainGetInfo has none; {GIVE} {', '.join(LIBVIRT_COMMANDS)}",
    ),
    (
        ("*",),
        {"effect": False},
        f"effect=False can't be: some methods have none; {GIVE} {', '.join(COMMANDS)}",
    ),
    (
        ("StopInstance",),
        {"effect": False, "result": None},
        "effect=False goes without a result: with one, the call has no effect anyway",
    ),
    (
        ("StopInstance",),
        {"effect": False, "error": "no"},
        "effect=False goes without an error: a call answers or raises",
    ),
    (
        ("ListInstances",),
        {"result": None, "error": "no"},
        "result goes without an error: a call answers or raises",
    ),
    (
        ("StopInstance",),
        {"effect": False, "when": "after"},
        "effect=False can't be with when='after': by then the call has had its effect",
    ),
    (("StopInstance",), {"effect": False, "crash": True}, f"effect=False {NO_CRASH}"),
    (("ListInstances",), {"result": [], "crash": True}, f"result {NO_CRASH}"),
    (("ListInstances",), {"result": [], "crash": "node2", "node": "node2"}, f"result {NO_CRASH}"),
    (("ListInstances",), {"do": "crash"}, f"{DO}, not 'crash': {ITSELF}"),
    (
        ("ListInstances",),
        {"do": nothing},
        f"{DO}, not {nothing!r}: too many positional arguments; write lambda call: ...",
    ),
    (
        ("ListInstances",),
        {"do": later},
        f"{DO}, not {later!r}: nobody would await it",
    ),
    (
        ("ListInstances",),
        {"do": Later()},
        f"{DO}, not <Later>: nobody would await it",
    ),
    (("ListInstances",), {"optional": "no"}, "optional must be one of True, False, not 'no'"),
    (
        ("ListInstances",),
        {"error": 5},
        "error must be a text, an exception or a class of exceptions, not 5",
    ),
    (
        ("ListInstances",),
        {"error": int},
        "error must be a text, an exception or a class of exceptions, not <class 'int'>",
    ),
]
