"""What two runs say differently, be it on another machine, made equal."""

import re

import libvirt

UUID = re.compile(r"\b(?!aaaaaaaa-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
"""One that no script gave."""

ANYWHERE = [
    (UUID, "UUID"),
    (re.compile(r"/[^ '\"?=&<>]*/sock/[^ '\"&<>]*|(?<=socket=)[^ '\"&<>]*"), "SOCKET"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    # Which of these it is, is a race of a real host's.
    (re.compile("qemu unexpectedly closed the monitor"), "process exited while connecting to monitor"),
    # Whether what was to arrive still has its number when its end is told, likewise.
    (re.compile(r"(lifecycle stopped, failed: \w+) (?:-1|\d+)(?= on node2)"), r"\1 #"),
    # virsh says so anew each half a second for which it waits, which depends on the machine.
    (re.compile(r"(\nBlock \w+: \[[^\]]*\])\1+"), r"\1"),
    (re.compile(r"/dev/pts/\d+"), "/dev/pts/#"),
    (re.compile(r"(?<=on process )\d+"), "#"),
    (re.compile(r"/tmp/oracle-\w+"), "FOLDER"),
    (re.compile(r"(?<=<[acm]time>)[\d.]+(?=</)"), "TIME"),
    (re.compile(r"(?<=<creationTime>)\d+"), "TIME"),
]

UNORDERED = {
    "virConnectListDomainsID", "virConnectListDefinedDomains", "virConnectListStoragePools",
    "virConnectListDefinedStoragePools", "virStoragePoolListVolumes", "virConnectListNetworks",
    "virConnectListDefinedNetworks", "virDomainSnapshotListNames", "virDomainSnapshotListChildrenNames",
    "virConnectListSecrets",
}  # fmt: skip
"""What a host lists in no order, beside domains."""

ALL = (
    r"\d+/1/(cpu\.(time|user|system)|balloon\.(rss|last-update)|vcpu\.\d+\.(time|wait|delay|halted.*)"
    r"|block\.\d+\.(rd|wr|fl)\..*|net\.\d+\.[rt]x\..*|dirtyrate\.calc_start_time)"
)
"""The figures of the moment among those of a domain."""

# By the API's name, what a path in its result must be for the value there to be a figure of the moment.
MOMENTARY = [
    ("virDomainGetInfo", r"4"),
    ("virDomainGetVcpus", r"0/\d+/[23]"),
    ("virDomainGetCPUStats", r".*(_time|time)"),
    ("virDomainMemoryStats", r"rss|last_update|.*fault.*"),
    ("virConnectGetAllDomainStats", ALL),
    ("virDomainListGetStats", ALL),
    ("virDomainBlockStats", r"[0123]"),
    ("virDomainBlockStatsFlags", r".*"),
    ("virDomainInterfaceStats", r"\d"),
    # The page's size, the operation and the disks that there are not are the same always.
    (
        "virDomainGetJobStats",
        r"(?:time|downtime|setup|data|memory_(?!page_size)).*",
    ),
    ("virDomainGetBlockJobInfo", r"cur"),
    ("virNodeGetFreeMemory", r""),
    ("virNodeGetCellsFreeMemory", r"\d+"),
    ("virNodeGetMemoryStats", r"total|free|buffers|cached"),
    ("virNodeGetFreePages", r"-?\d+/4"),
    ("virNodeGetCPUStats", r".*"),
    ("virDomainGetControlInfo", r"2"),
    ("virNodeGetInfo", r"[13]"),
    ("virStoragePoolGetInfo", r"[123]"),
]

FLEETING = {"memory_bps", "downtime_net"}
"""The figures of a job that a real host has only where that took long enough."""

FLEETING_LINES = re.compile(r"^(?:Memory bandwidth|Downtime w/o network): .*\n", re.MULTILINE)
"""The same as virsh shows them."""

# By virsh's command, what lines of its output look like of which a group has a figure of the moment.
PRINTED = [
    ("dominfo", r"CPU time: +(.*)"),
    (
        "domstats",
        (
            r"  (?:cpu\.(?:time|user|system)|balloon\.(?:rss|last-update)|vcpu\.\d+\.(?:time|wait|delay)"
            r"|block\.\d+\.(?:rd|wr|fl)\.\w+|net\.\d+\.[rt]x\.\w+|dirtyrate\.calc_start_time)=(.*)"
        ),
    ),
    ("domjobinfo", r"(?:Time|Total|Expected|Setup|Data|Memory|Constant|Normal|Dirty|Iteration).*?: +(.*)"),
    ("dommemstat", r"(?:rss|last_update) (.*)"),
    ("vcpuinfo", r"(?:CPU time|CPU): +(.*)"),
    ("cpu-stats", r"\s*\S*time +(.*)"),
    ("domblkstat", r".* (?:\w+_(?:req|bytes|operations|times)|.*: ) *(\d+)"),
    ("domifstat", r"\S+ [rt]x_\w+ (\d+)"),
    ("freecell", r"(?:Total|\s*\d+): +(.*)"),
    ("freepages", r"4KiB: (.*)"),
    ("nodememstats", r"(?:total|free|buffers|cached) *: +(.*)"),
    ("nodecpustats", r"\S+: +(.*)"),
    ("nodeinfo", r"(?:CPU frequency|Memory size): +(.*)"),
    ("pool-info", r"(?:Capacity|Allocation|Available): +(.*)"),
]

MACHINES = [
    (re.compile(r"(?<=</arch>\n)      <model>.*?(?=      <topology )", re.DOTALL), ""),
    (re.compile(r"      <(?:maxphysaddr|feature) .*\n"), ""),
    (re.compile(r"    <cache>.*?</cache>\n", re.DOTALL), ""),
    (re.compile(r"(?<=<memory unit='KiB'>)\d+|(?<=<pages unit='KiB' size='4'>)\d+"), "#"),
]
"""What in the capabilities is the machine's: its processor, its caches, its memory."""


DRAWN = [(re.compile(r"(?<=<mac address=')52:54:00:[0-9a-f:]*"), "MAC")]
"""What in a network's XML a host draws."""

FREE = [
    (re.compile(r"(?<=<capacity unit='bytes'>)[1-9]\d*"), "#"),
    (re.compile(r"(?<=<allocation unit='bytes'>)\d+|(?<=<available unit='bytes'>)\d+"), "#"),
]
"""What in a storage pool's XML is of the disk that it is on."""


def normal(line):
    """Return a line of a recording without what differs from one run to the next."""
    return {key: _plain(_without_moment(line["api"], key, value)) for key, value in line.items()}


def _without(patterns, text):
    for pattern, word in patterns:
        text = pattern.sub(word, text)
    return text


def _plain(value):
    if isinstance(value, str):
        return _without(ANYWHERE, value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _without_moment(api, key, value):
    if key == "result":
        return _result(api, value)
    if key == "stdout":
        return _printed(api, value)
    return value


def _result(api, value):
    if api in UNORDERED:
        return sorted(value)
    if api == "virConnectGetCapabilities":
        return _without(MACHINES, value)
    if api == "virNetworkGetXMLDesc":
        return _without(DRAWN, value)
    if api == "virStoragePoolGetXMLDesc":
        return _without(FREE, value)
    if api == "virDomainGetJobInfo" and value and value[0]:
        return [each if place in {0, 2, 9, 10, 11} else "#" for place, each in enumerate(value)]
    if api == "virDomainGetJobStats":
        value = {key: each for key, each in value.items() if key not in FLEETING}
        is_fleeting = (
            value.get("type") == libvirt.VIR_DOMAIN_JOB_UNBOUNDED
            or value.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP
        )
        if is_fleeting and value.get("disk_total"):
            value |= dict.fromkeys(("disk_processed", "disk_remaining"), "#")
    for name, path in MOMENTARY:
        if name == api:
            value = _replaced(value, re.compile(path), "")
    return value


def _printed(api, text):
    if api == "virsh capabilities":
        return _without(MACHINES, text)
    if api == "virsh net-dumpxml":
        return _without(DRAWN, text)
    if api == "virsh pool-dumpxml":
        return _without(FREE, text)
    if api == "virsh domstats":
        text = "\n\n".join(sorted(text.strip("\n").split("\n\n"))) + "\n\n"
    if api == "virsh domjobinfo":
        text = FLEETING_LINES.sub("", text)
    for name, pattern in PRINTED:
        if api == f"virsh {name}":
            text = re.sub(rf"^{pattern}$", _masked, text, flags=re.MULTILINE)
    return text


def _masked(match):
    whole, figure = match.group(0), match.group(1)
    label = whole[: len(whole) - len(figure)].rstrip()
    return f"{label}#" if label.endswith("=") else f"{label} #"


def _replaced(value, pattern, path):
    if isinstance(value, dict):
        items = value.items()
        return {key: _replaced(each, pattern, f"{path}/{key}".lstrip("/")) for key, each in items}
    if isinstance(value, list):
        return [_replaced(each, pattern, f"{path}/{key}".lstrip("/")) for key, each in enumerate(value)]
    return "#" if pattern.fullmatch(path) else value
