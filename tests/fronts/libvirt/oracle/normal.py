"""What two runs of the same hosts say differently, made equal."""

import re

UUID = re.compile(r"\b(?!aaaaaaaa-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
"""One that no script gave."""

ANYWHERE = [
    (UUID, "UUID"),
    (re.compile(r"/[^ '\"?=&<>]*/sock/[^ '\"&<>]*|(?<=socket=)[^ '\"&<>]*"), "SOCKET"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    # Which of these it is, is a race of a real host's.
    (re.compile("qemu unexpectedly closed the monitor"), "process exited while connecting to monitor"),
    (re.compile(r"/tmp/oracle-\w+"), "FOLDER"),
]

UNORDERED = {"virConnectListDomainsID", "virConnectListDefinedDomains"}
"""What a host lists in no order, beside domains."""

# By the API's name, what a path in its result must be for the value there to be a figure of the moment.
MOMENTARY = [
    ("virDomainGetInfo", r"4"),
    ("virDomainGetVcpus", r"0/\d+/[23]"),
    ("virDomainGetCPUStats", r".*(_time|time)"),
    ("virDomainMemoryStats", r"rss|last_update|.*fault.*"),
    (
        "virConnectGetAllDomainStats",
        r"\d+/1/(cpu\.(time|user|system)|balloon\.(rss|last-update)|vcpu\.\d+\.(time|wait|delay|halted.*))",
    ),
    (
        "virDomainListGetStats",
        r"\d+/1/(cpu\.(time|user|system)|balloon\.(rss|last-update)|vcpu\.\d+\.(time|wait|delay|halted.*))",
    ),
    ("virNodeGetFreeMemory", r""),
    ("virNodeGetCellsFreeMemory", r"\d+"),
    ("virNodeGetMemoryStats", r"free|buffers|cached"),
    ("virNodeGetCPUStats", r".*"),
    ("virDomainGetControlInfo", r"2"),
    ("virNodeGetInfo", r"3"),
]

# By virsh's command, what lines of its output look like of which a group has a figure of the moment.
PRINTED = [
    ("dominfo", r"CPU time: +(.*)"),
    (
        "domstats",
        r"  (?:cpu\.(?:time|user|system)|balloon\.(?:rss|last-update)|vcpu\.\d+\.(?:time|wait|delay))=(.*)",
    ),
    ("dommemstat", r"(?:rss|last_update) (.*)"),
    ("vcpuinfo", r"(?:CPU time|CPU): +(.*)"),
    ("cpu-stats", r"\s*\S*time +(.*)"),
    ("freecell", r"Total: (.*)"),
    ("nodememstats", r"(?:free|buffers|cached) *: +(.*)"),
    ("nodecpustats", r"\S+: +(.*)"),
    ("nodeinfo", r"CPU frequency: +(.*)"),
]


def normal(line):
    """Return a line of a recording without what differs from one run to the next."""
    return {key: _plain(_without_moment(line["api"], key, value)) for key, value in line.items()}


def _plain(value):
    if isinstance(value, str):
        for pattern, word in ANYWHERE:
            value = pattern.sub(word, value)
        return value
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _without_moment(api, key, value):
    if key == "result":
        if api in UNORDERED:
            value = sorted(value)
        for name, path in MOMENTARY:
            if name == api:
                value = _replaced(value, re.compile(path), "")
    elif key == "stdout":
        if api == "virsh domstats":
            value = "\n\n".join(sorted(value.strip("\n").split("\n\n"))) + "\n\n"
        for name, pattern in PRINTED:
            if api == f"virsh {name}":
                value = re.sub(rf"^{pattern}$", _masked, value, flags=re.MULTILINE)
    return value


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
