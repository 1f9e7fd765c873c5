"""What one sees and hears of a guest: its screen, its consoles, its channels."""

import os
import pty
import shutil
import subprocess
import zlib

import pytest
from inhabited import CHANNEL
from told_by_hosts import domain_xml, refusal

FORCE, SAFE = 1, 2
VIDEO = "<video><model type='vga'/></video>"
LINES = (
    "<serial type='pty'/><console type='pty'/><console type='pty'><target type='virtio'/></console>"
    "<parallel type='file'><source path='/x'/></parallel>"
    "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>"
    "<graphics type='spice' autoport='yes'/>"
)
PROMPT = b"\r\nweb1 login: "
IN_USE = (9, 10, "operation failed: Active console session exists for this domain")


@pytest.fixture
def web1(node1):
    return node1.createXML(domain_xml("web1", devices=VIDEO + LINES + CHANNEL))


@pytest.fixture
def at(node1):
    """Be at a domain's console; return the stream."""

    def at(domain, name=None, flags=0):
        stream = node1.newStream()
        domain.openConsole(name, stream, flags)
        return stream

    return at


def received(stream, size):
    data = b""
    while len(data) < size:
        data += stream.recv(size - len(data))
    return data


def picture(node1, domain, screen=0):
    """Return a picture's kind, its first pixel, its last, and how large it is."""
    stream, data = node1.newStream(), b""
    kind = domain.screenshot(stream, screen, 0)
    while part := stream.recv(65536):
        data += part
    stream.finish()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    size = int.from_bytes(data[33:37], "big")
    pixels = zlib.decompress(data[41 : 41 + size])
    return kind, tuple(pixels[1:4]), tuple(pixels[-3:]), (width, height)


def test_a_picture_says_what_its_domain_does_and_which_one_it_is(node1, web1):
    web2 = node1.createXML(domain_xml("web2", devices=VIDEO))
    kind, state, name, size = picture(node1, web1)
    assert (kind, size) == ("image/png", (64, 48))
    web1.suspend()
    _, paused, same, _ = picture(node1, web1)
    _, runs, other, _ = picture(node1, web2)
    assert (runs, same) == (state, name)
    assert paused != state
    assert other != name


def test_what_has_no_such_screen(node1, web1):
    bare = node1.createXML(domain_xml("bare"))
    for domain, screen, problem in (
        (bare, 0, "no screens to take screenshot from"),
        (web1, 1, "no such screen ID"),
    ):
        error = 55, 10, f"Requested operation is not valid: {problem}"
        assert refusal(domain.screenshot, node1.newStream(), screen, 0) == error


def test_somebody_at_a_console(web1, at):
    stream = at(web1)
    assert received(stream, len(PROMPT)) == PROMPT
    stream.send(b"ro")
    assert received(stream, 2) == b"ro"
    stream.send(b"ot\r")
    assert received(stream, 4 + len(PROMPT)) == b"ot\r\n" + PROMPT
    stream.finish()


def test_one_is_for_one_alone(web1, at):
    first = at(web1)
    assert refusal(at, web1) == refusal(at, web1, "serial0", SAFE) == IN_USE
    other = at(web1, "console1")
    assert received(other, len(PROMPT)) == PROMPT
    second = at(web1, "console0", FORCE)
    assert received(first, len(PROMPT)) == PROMPT
    assert first.recv(5) == b""
    assert refusal(at, web1) == IN_USE
    second.finish()
    at(web1, None, SAFE).abort()
    at(web1).abort()


def test_one_of_a_guest_that_is_paused_says_nothing(web1, at):
    web1.suspend()
    stream = at(web1)
    stream.send(b"lost")
    web1.resume()
    stream.send(b"x")
    assert received(stream, 1) == b"x"
    stream.abort()


def test_it_ends_with_its_domain(web1, at):
    stream = at(web1)
    assert received(stream, len(PROMPT)) == PROMPT
    web1.destroy()
    assert stream.recv(5) == b""


def test_it_ends_with_its_client(web1, at, connect):
    there = connect()
    stream = there.newStream()
    there.lookupByName("web1").openConsole(None, stream, 0)
    there.close()
    del stream
    at(web1, None, FORCE).abort()


def test_what_is_no_console(node1, web1, at):
    bare = node1.createXML(domain_xml("bare"))
    for domain, name, problem in (
        (bare, None, "cannot find character device <null>"),
        (web1, "nosuch", "cannot find character device nosuch"),
        (web1, "parallel0", "character device parallel0 is not using a PTY"),
    ):
        assert refusal(at, domain, name) == (1, 10, f"internal error: {problem}")


def test_a_channel_on_which_nobody_listens(node1, web1):
    def opened(name, flags=0):
        stream = node1.newStream()
        web1.openChannel(name, stream, flags)
        return stream

    stream = opened("org.qemu.guest_agent.0")
    stream.send(b"x")
    busy = (9, 10, "operation failed: Active channel stream exists for this domain")
    assert refusal(opened, "channel1") == busy
    opened("channel1", FORCE).finish()
    assert stream.recv(5) == b""
    for name, problem in (
        (None, "channel <null> is not using a UNIX socket"),
        ("nosuch", "cannot find channel nosuch"),
    ):
        assert refusal(opened, name) == (1, 10, f"internal error: {problem}")


@pytest.mark.skipif(not shutil.which("virsh"), reason="needs virsh: apt-get install libvirt-clients")
class TestVirsh:
    def test_console(self, front, web1):
        assert web1.isActive()
        own, its = pty.openpty()
        command = ["virsh", "-c", front.uri("node1"), "console", "web1"]
        with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, start_new_session=True) as virsh:
            os.close(its)
            seen = b""
            while PROMPT not in seen:
                seen += os.read(own, 1000)
            os.write(own, b"me")
            while b"me" not in seen:
                seen += os.read(own, 1000)
            os.write(own, b"\x1d")
            assert virsh.wait(30) == 0
        os.close(own)

    def test_screenshot(self, front, web1, tmp_path):
        assert web1.isActive()
        path = tmp_path / "web1.png"
        done = subprocess.run(
            ["virsh", "-c", front.uri("node1"), "screenshot", "web1", str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        assert done.stdout.strip() == f"Screenshot saved to {path}, with type of image/png"
        assert path.read_bytes().startswith(b"\x89PNG")
