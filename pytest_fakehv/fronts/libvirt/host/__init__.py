"""What one host does for libvirt's clients: its domains, their definitions, states, jobs and events.

It knows neither bytes nor sockets. `host` is what there is of one; each of the modules above it has some of
libvirt's functions, which it declares by `api`.
"""

from pytest_fakehv.fronts.libvirt.host import (  # noqa: F401  # each declares what it answers
    agent,
    backing_up,
    blocking,
    checkpointing,
    connection,
    devices,
    disk_images,
    dumping,
    figures,
    hostdevices,
    jobs,
    leasing,
    lifecycle,
    listing,
    memory,
    networking,
    pages,
    phases,
    pools,
    processors,
    saving,
    secreting,
    settings,
    singlecpus,
    snapshotting,
    statistics,
    telling,
    throttling,
    tuning,
    vcpus,
    volumes,
    watching,
)
