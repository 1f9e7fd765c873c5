"""Some thousands of garbled messages; `benchmarks/soak_garbled.py` sends a million."""

import garbled
import pytest

from pytest_fakehv.fronts.libvirt.server import connection
from pytest_fakehv.fronts.libvirt.wire.frames import framed
from pytest_fakehv.fronts.libvirt.wire.procedures import Program


@pytest.mark.parametrize("seed", [1, 2])
def test_every_message_is_answered_and_nobody_else_is_harmed(seed, capfd):
    found = garbled.send(4000, seed)
    assert found["results"] > 1000
    assert found["errors"] > 1000
    assert found["pongs"] > 100
    assert found["connections that it ended"] > 5
    assert capfd.readouterr() == ("", "")


def test_a_server_that_answers_wrongly_is_found(monkeypatch):
    monkeypatch.setattr(garbled, "PATIENCE", 0.1)
    monkeypatch.setattr(connection, "_PONG", framed(Program.KEEPALIVE, 2, 2, 7, 0, b""))
    with pytest.raises(garbled.WrongError) as error:
        garbled.send(4000, 1)
    assert "did not come" in str(error.value)
