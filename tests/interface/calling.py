"""Instances, and what is said of a call that fails."""

import pytest

from pytest_fakehv import HypervisorError, Instance


def make(name="web1", minmem=512, maxmem=1024, vcpus=2):
    return Instance(name, beparams={"minmem": minmem, "maxmem": maxmem, "vcpus": vcpus})


def start(hv, *names, **beparams):
    for name in names:
        hv.StartInstance(make(name, **beparams), [], False)


def message(function, *args, error=HypervisorError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    assert type(caught.value) is error
    return str(caught.value)
