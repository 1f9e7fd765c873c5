"""libvirt in front of a cluster: each node answers on a socket as a libvirt daemon does."""

from pytest_fakehv.fronts.libvirt.front import FakeLibvirt as FakeLibvirt
