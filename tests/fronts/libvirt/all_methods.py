"""Call every method of libvirt-python's classes, and print what the server refused, by which name.

A line each: the method, the C function that it calls, and the function as which the server refuses it. What
asks the server nothing, or is refused by the client itself, is left out.
"""

import inspect
import re
from typing import NamedTuple

import libvirt
from small_host import WEB1, SmallHost, serving

from pytest_fakehv.fronts.libvirt.wire.procedures import PROCEDURES, Procedure, Program

UUID = b"u" * 16
NETWORK = ("n", UUID)


class Given(NamedTuple):
    """A call that is answered, with the results."""

    line: str
    results: tuple


OBJECTS = [
    Given("46 virNetworkLookupByName r name:s -> x:(s,16)", (NETWORK,)),
    Given("84 virStoragePoolLookupByName r name:s -> x:(s,16)", (NETWORK,)),
    Given("95 virStorageVolLookupByName r pool:(s,16) name:s -> x:(s,s,s)", (("p", "v", "k"),)),
    Given("113 virNodeDeviceLookupByName r name:s -> name:s", ("d",)),
    Given("128 virInterfaceLookupByName r name:s -> x:(s,s)", (("i", "52:54:00:00:00:01"),)),
    Given("141 virSecretLookupByUUID r uuid:16 -> x:(16,i,s)", ((UUID, 0, ""),)),
    Given("175 virNWFilterLookupByName r name:s -> x:(s,16)", (NETWORK,)),
    Given("189 virDomainSnapshotLookupByName r dom:D name:s flags:u -> x:(s,D)", (("s", WEB1),)),
    Given("397 virNWFilterBindingLookupByPortDev r name:s -> x:(s,s)", (("vnet0", "f"),)),
    Given("405 virNetworkPortLookupByUUID r net:(s,16) uuid:16 -> x:(s,16,16)", (("n", UUID, UUID),)),
    Given("415 virDomainCheckpointLookupByName r dom:D name:s flags:u -> x:(s,D)", (("c", WEB1),)),
]
"""How one of each class is found."""

COUNTS = [
    Given("25 virConnectNumOfDefinedDomains r -> num:i", (1,)),
    Given("50 virConnectNumOfDefinedNetworks r -> num:i", (1,)),
    Given("51 virConnectNumOfDomains r -> num:i", (1,)),
    Given("52 virConnectNumOfNetworks r -> num:i", (1,)),
    Given("56 virDomainGetSchedulerType r dom:D -> type:s num:i", ("posix", 1)),
    Given("71 virConnectNumOfStoragePools r -> num:i", (1,)),
    Given("73 virConnectNumOfDefinedStoragePools r -> num:i", (1,)),
    Given("91 virStoragePoolNumOfVolumes r pool:(s,16) -> num:i", (1,)),
    Given("111 virNodeNumOfDevices r cap:?s flags:u -> num:i", (1,)),
    Given("116 virNodeDeviceNumOfCaps r name:s -> num:i", (1,)),
    Given("126 virConnectNumOfInterfaces r -> num:i", (1,)),
    Given("137 virConnectNumOfDefinedInterfaces r -> num:i", (1,)),
    Given("139 virConnectNumOfSecrets r -> num:i", (1,)),
    Given("178 virConnectNumOfNWFilters r -> num:i", (1,)),
    Given("187 virDomainSnapshotNum r dom:D flags:u -> num:i", (1,)),
    Given("246 virDomainSnapshotNumChildren r snap:(s,D) flags:u -> num:i", (1,)),
    Given("293 virNodeGetCPUMap r map:i online:i flags:u -> map:o online:u num:i", (b"\1", 1, 1)),
]
"""What clients ask before what is of interest here."""

LEFT_OUT = {"close", "newStream", "c_pointer", "isAlive", "setKeepAlive", "getURI"}


class Refusing(SmallHost):
    """Knows nothing but how to find one of each class, and what clients ask before a call."""

    def __init__(self):
        super().__init__()
        for line, results in OBJECTS + COUNTS:
            procedure = Procedure(line)
            PROCEDURES[Program.REMOTE][procedure.number] = procedure
            self.answers[procedure.api] = lambda *_, results=results: results

    def knows(self, api):
        return api in self.answers or api in {"virDomainLookupByName", "virConnectGetURI"}


def one_of_each(connection):
    """Return an object of each class, by the class's name."""
    domain = connection.lookupByName("web1")
    network = connection.networkLookupByName("n")
    pool = connection.storagePoolLookupByName("p")
    found = [
        connection,
        domain,
        network,
        pool,
        pool.storageVolLookupByName("v"),
        connection.nodeDeviceLookupByName("d"),
        connection.interfaceLookupByName("i"),
        connection.secretLookupByUUID(UUID),
        connection.nwfilterLookupByName("f"),
        connection.nwfilterBindingLookupByPortDev("vnet0"),
        domain.snapshotLookupByName("s"),
        domain.checkpointLookupByName("c"),
        network.portLookupByUUID(UUID),
    ]
    return {type(each).__name__: each for each in found}


ARGUMENTS = [
    ("time:", {"seconds": 1, "nseconds": 0}),
    (".*Dict", {}),
    (r".*(List\[str|xmlCPUs)", ["x"]),
    (".*List", [1]),
    (".*Tuple", (True,)),
    ("(cb:|.*Callable)", print),
    (".*uuid.*str", UUID.hex()),
    (".*str", "x"),
    ("type:", libvirt.VIR_DOMAIN_METADATA_ELEMENT),
    (".*bytes", UUID),
    ("", 1),
]
"""What is given for parameters whose name and annotation look so: the first that fits."""


def argument_of(parameter, objects):
    """Return something that a parameter takes."""
    text = f"{parameter.name}: {parameter.annotation}"
    if re.search(r"\bvirStream\b", text):
        return objects["virConnect"].newStream()
    wanted = [each for name, each in objects.items() if re.search(rf"\b{name}\b", text)]
    if wanted and "Dict" not in text:
        return [wanted[-1]] if "List" in text or parameter.name == "doms" else wanted[-1]
    return next(value for pattern, value in ARGUMENTS if re.match(pattern, text))


def calls(objects):
    """Yield a name, a C function, and what calls it, of every method."""
    for name, each in objects.items():
        for method, function in inspect.getmembers(type(each), inspect.isfunction):
            inner = re.findall(r"libvirtmod\.(vir\w+)\(", inspect.getsource(function))
            if not inner or method.startswith("_") or method in LEFT_OUT:
                continue
            arguments = [
                argument_of(parameter, objects)
                for parameter in list(inspect.signature(function).parameters.values())[1:]
                if "flags" not in parameter.name or parameter.default is inspect.Parameter.empty
            ]
            yield f"{name}.{method}", inner[-1], lambda f=function, e=each, a=arguments: f(e, *a)


def main():
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()
    host = Refusing()
    with serving(host) as server:
        connection = libvirt.open(f"qemu+unix:///system?socket={server.path}")
        for name, function, call in calls(one_of_each(connection)):
            libvirt.virResetLastError()
            try:
                call()
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
                    print(name, function, error.get_str2())
            except (TypeError, LookupError, SystemError):
                pass  # a method that wants something special


if __name__ == "__main__":
    main()
