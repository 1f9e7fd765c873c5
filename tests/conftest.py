"""What the tests share: a node on each backend."""

import sys

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from pytest_fakehv import FakeHypervisor, NodeSpec
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.fakedisk import PrivateDisk
from pytest_fakehv.storage.filesystem import Filesystem
from pytest_fakehv.storage.memory import IN_MEMORY, InMemory
from pytest_fakehv.storage.root import Root

pytest_plugins = ["pytester"]

# Where mutants are made, functions are called through one of that tool's: who called them is who called that.
if "mutmut.mutation.trampoline" in sys.modules:
    sys.modules["mutmut.mutation.trampoline"].__name__ = "pytest_fakehv.mutant"

# What these assert is explained as in test modules.
pytest.register_assert_rewrite("calling", "migrating", "pair", "parsed_page", "simulations", "told")


@pytest.fixture(autouse=True)
def as_anywhere(request):
    """Keep out of the runs that tests start what is another on each machine.

    That is pytest-randomly, as out of our own runs, and the variables by which pytest cuts and colours lines.

    Not by `monkeypatch`: what a test patches in a fake filesystem by that would be undone when this is gone.
    """
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # forgets this
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
        for name in "CI", "BUILD_NUMBER", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PY_COLORS":
            patch.delenv(name, raising=False)
        yield


def pytest_generate_tests(metafunc):
    """Run each test of the engine on every backend; one that asks for the files, on those that have any."""
    if "backend" in metafunc.fixturenames:
        has_files = "filesystem" in metafunc.fixturenames
        metafunc.parametrize("backend", ["disk", "pyfakefs"] if has_files else ["disk", "pyfakefs", "memory"])


@pytest.fixture
def filesystem(backend) -> Filesystem:
    """A real filesystem, and a private fake one: for a test that is about the files."""
    if backend == "disk":
        return Disk()
    fake = FakeFilesystem()
    fake.create_dir("/tmp")
    return PrivateDisk(FakeOsModule(fake))


@pytest.fixture
def root(backend, request, tmp_path) -> Root | InMemory:
    if backend == "memory":
        return IN_MEMORY
    # Not among the arguments: it would say of every test that it is about the files.
    filesystem = request.getfixturevalue("filesystem")
    path = str(tmp_path / "root") if backend == "disk" else "/tmp/root"
    return Root(lambda: (filesystem, path))


@pytest.fixture
def hv(root) -> FakeHypervisor:
    """A node of 8192 MiB, of which it keeps 1024, and 4 CPUs."""
    return FakeHypervisor(root, spec=NodeSpec("node1", memory=8192, cpus=4, reserved_memory=1024))


@pytest.fixture
def put(filesystem, hv):
    """Write into the root as somebody else would."""

    def write(name: str, content: bytes) -> None:
        import os

        path = f"{hv.root}/{name}"
        descriptor = filesystem.os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        filesystem.os.write(descriptor, content)
        filesystem.os.close(descriptor)

    return write


@pytest.fixture
def get(filesystem, hv):
    """Read from the root as somebody else would."""

    def read(name: str) -> bytes:
        import os

        descriptor = filesystem.os.open(f"{hv.root}/{name}", os.O_RDONLY)
        try:
            return filesystem.os.read(descriptor, 1000)
        finally:
            filesystem.os.close(descriptor)

    return read
