"""Measures what QEMU's precopy takes, for the model of it to be compared with."""

import json
import threading
import time
from pathlib import Path

import libvirt

from oracle.definitions import xml
from oracle.pair import build_guest

FIGURES = Path(__file__).parents[4] / "docs" / "_measured" / "precopy.json"

TICKS = 3_579_545
"""How often ACPI's timer ticks in a second."""

PAGE = 4096
MIB = 2**20
MAX_DOWNTIME = 0.3

SETTINGS = [(8, 1), (8, 2), (8, 4), (16, 1), (16, 4), (16, 8), (32, 1), (32, 8), (32, 16), (64, 16)]
"""What is sent at most, and what the guest writes to, in MiB a second."""


def measured(pair):
    """Return the figures of a migration for each setting, and how fast it goes where nothing limits it."""
    with pair.hosts("node1", "node2") as hosts:
        unlimited, *migrations = list(each_setting(hosts))
    link = unlimited["transferred"] / sum(unlimited["rounds"])
    return {"link": round(link, 1), "migrations": migrations}


def each_setting(hosts):
    """Give the figures of a migration without a limit, and of one for each setting."""
    for bandwidth, dirty_rate in [(0, 1), *SETTINGS]:
        ticks = round(TICKS * PAGE / (dirty_rate * MIB))
        for host in hosts.values():
            build_guest("busy", host.folder / "lib" / "images" / "busy.img", [f"TICKS={ticks}"])
        source, target = (libvirt.open(host.uri) for host in hosts.values())
        domain = source.defineXML(xml("busy"))
        domain.create()
        hosts["node1"].await_guest("busy")
        domain.migrateSetMaxDowntime(round(MAX_DOWNTIME * 1000))
        figures = migrated(source, domain, target, bandwidth)
        yield {"bandwidth": bandwidth, "dirty_rate": dirty_rate, "max_downtime": MAX_DOWNTIME, **figures}
        target.lookupByName("busy").destroy()
        domain.undefine()


def migrated(source, domain, target, bandwidth):
    """Migrate a domain, and return what that took: RAM in MiB, times in seconds."""
    began, seen = [], []
    source.domainEventRegisterAny(
        domain,
        libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
        lambda *_: began.append(time.monotonic()),
        None,
    )
    kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
    source.domainEventRegisterAny(domain, kind, lambda *_: seen.append(time.monotonic()), None)
    going = threading.Thread(
        target=domain.migrate3, args=(target, {"bandwidth": bandwidth}, libvirt.VIR_MIGRATE_LIVE)
    )
    timer = libvirt.virEventAddTimeout(20, lambda *_: None, None)
    going.start()
    while going.is_alive() or len(seen) < 2:
        libvirt.virEventRunDefaultImpl()
    going.join()
    libvirt.virEventRemoveTimeout(timer)
    statistics = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    starts = [each for each in began if each < seen[0]]
    zero = statistics["memory_constant"] * PAGE
    return {
        "ram": round((statistics["memory_total"] - zero) / MIB, 2),
        "rounds": [round(end - start, 3) for start, end in zip(starts, [*starts[1:], seen[0]], strict=True)],
        "downtime": statistics["downtime"] / 1000,
        "transferred": round(statistics["memory_processed"] / MIB, 2),
    }


def write(figures):
    """Keep the figures where the documentation has them, a line a migration."""
    FIGURES.parent.mkdir(exist_ok=True)
    lines = ",\n".join(f"    {json.dumps(each)}" for each in figures["migrations"])
    FIGURES.write_text(f'{{\n  "link": {figures["link"]},\n  "migrations": [\n{lines}\n  ]\n}}\n')
