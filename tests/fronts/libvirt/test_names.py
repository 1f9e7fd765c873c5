"""Which function each number is of: what libvirt-python's methods call is refused by its own name."""

import os
import subprocess
import sys

import pytest

pytest.importorskip(  # by what it has inside: of its own name, there is this folder
    "libvirtmod", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
)

ELSEWHERE = {
    "virConnectIsEncrypted": "virConnectIsSecure",
    "virDomainCreateLinux": "virDomainCreateXML",
    "virDomainGetVcpuPinInfo": "virDomainGetInfo",  # which the client asks first
    "virDomainGetVcpus": "virDomainGetInfo",
    "virDomainListGetStats": "virConnectGetAllDomainStats",
    "virConnectDomainEventRegister": "virConnectDomainEventRegisterAny",
    "virConnectListDomainsID": "virConnectListDomains",
}
"""What a function calls that has no number of its own, or that asks something else before."""

AT_LEAST = 290
"""Of libvirt-python 9.0.0; later ones have more."""


def test_every_method_of_libvirt_python_is_refused_by_the_name_of_what_it_calls():
    folder = os.path.dirname(__file__)
    run = subprocess.run(
        [sys.executable, os.path.join(folder, "all_methods.py")],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    refused = [line.split() for line in run.stdout.splitlines()]
    assert len(refused) >= AT_LEAST
    wrong = [
        (method, function, name)
        for method, function, name in refused
        if name != ELSEWHERE.get(function, function.removesuffix("String")) and name != function
    ]
    assert wrong == []
    assert run.stderr == ""
