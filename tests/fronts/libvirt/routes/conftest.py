import importlib.util
import tempfile

import pytest
from standin import hosts

from pytest_fakehv.fronts.libvirt.routes import Routes, routed

# Asked for by what it has inside: of its own name, there is a folder of tests.
if not importlib.util.find_spec("libvirtmod"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def _silent():
    """Errors are raised; libvirt shall not print them, too."""
    import libvirt

    libvirt.registerErrorHandler(lambda *_: None, None)


@pytest.fixture
def folder():
    """A folder of a short path: that of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="fakehv-") as path:
        yield path


@pytest.fixture
def there(folder):
    """Two hosts of names, which answer."""
    with hosts(folder, {"node1": {"192.0.2.1", "node1"}, "node2": {"Two.Example"}}) as made:
        yield made


@pytest.fixture
def routes(there):
    return Routes(there.nodes)


@pytest.fixture
def led(routes):
    with routed(routes):
        yield routes
