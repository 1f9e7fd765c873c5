"""What Ganeti's node code gives a hypervisor, and what it gets."""

import pytest
from ganeti import constants, errors, hypervisor, objects


def make(name="web1", **beparams):
    return objects.Instance(
        name=name,
        hypervisor="fake",
        hvparams={"migration_mode": "live"},
        beparams={"minmem": 512, "maxmem": 1024, "vcpus": 2, **beparams},
    )


def here():
    return hypervisor.GetHypervisor(constants.HT_FAKE)


def failure(function, *args):
    with pytest.raises(errors.HypervisorError) as caught:
        function(*args)
    return caught.value
