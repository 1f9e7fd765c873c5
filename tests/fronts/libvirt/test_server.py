"""The server, by a client that has nothing but the codec."""

import _socket
import errno
import gc
import os
import socket
import struct
import subprocess
import sys
import threading
from unittest import mock

import pytest
from small_host import BOOTED, OF_EVENTS, STARTED_AT_MOST, WEB1, Client, SmallHost, serving, wait_for_end

from pytest_fakehv.fronts.libvirt.errors import ConnectionLost, LibvirtError
from pytest_fakehv.fronts.libvirt.server import connection, outgoing, workers
from pytest_fakehv.fronts.libvirt.server.server import Server
from pytest_fakehv.fronts.libvirt.values import DomainRef, Notice
from pytest_fakehv.fronts.libvirt.wire.frames import LARGEST, VERSION, Header, Type, framed
from pytest_fakehv.fronts.libvirt.wire.procedures import Program
from pytest_fakehv.fronts.libvirt.wire.xdr import codec, decode, encode


@pytest.fixture
def host():
    return SmallHost()


@pytest.fixture
def server(host):
    with serving(host) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.path) as client:
        yield client


@pytest.fixture
def listener(client):
    """A client that has asked to be told of events."""
    client.listen()
    return client


def refused(code, origin, message, str1, str2):
    """Return the values of an error."""
    return (code, origin, message, 2, None, str1, str2, None, -1, -1, None)


class TestHandshake:
    def test_a_client_opens_and_closes(self, host, server):
        with Client(server.path, "qemu:///system", flags=1) as client:
            assert host.opened == [("qemu:///system", 1)]
            assert host.sessions[0].is_read_only
            assert client.call("virConnectClose") == ()
            assert client.is_lost()
        assert host.ended.acquire(timeout=STARTED_AT_MOST)
        assert host.sessions == []

    def test_the_uri_may_be_the_hosts_choice(self, host, server):
        with Client(server.path, None) as client:
            assert host.opened == [(None, 0)]
            assert client.call("virConnectGetURI") == ("qemu:///system",)

    def test_the_clients_process_is_known(self, host, client):
        assert host.sessions[0].peer == os.getpid()

    def test_it_is_not_where_the_system_does_not_tell(self, host, server, monkeypatch):
        monkeypatch.delattr(socket, "SO_PEERCRED", raising=False)
        with Client(server.path):
            assert host.sessions[0].peer == 0

    def test_features(self, client):
        told = [each for each in range(20) if client.call("virConnectSupportsFeature", each) == (1,)]
        assert told == [2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16]

    def test_close_callbacks_are_the_clients_own(self, client):
        assert client.call("virConnectRegisterCloseCallback") == ()
        assert client.call("virConnectUnregisterCloseCallback") == ()

    def test_before_it_nothing_is_answered(self, server):
        with Client(server.path, opened=False) as client:
            assert client.call("virConnectGetHostname") == refused(
                1,
                7,
                "internal error: hypervisor connection not open",
                "internal error: %s",
                "hypervisor connection not open",
            )

    def test_a_second_one_is_refused(self, client):
        client.begin("virConnectOpen", None, 0)
        assert client.answer()[1][:3] == (1, 7, "internal error: connection already open")
        assert client.is_alive()

    def test_the_host_may_refuse_it(self, host, server):
        with Client(server.path, opened=False) as client:
            client.begin("virConnectOpen", "nosuch:///", 0)
            assert client.answer()[1][:3] == (5, 10, "no connection driver available for nosuch:///")
        with Client(server.path):
            pass
        assert host.ended.acquire(timeout=STARTED_AT_MOST)  # of the second one alone
        assert not host.ended.acquire(blocking=False)

    def test_a_host_that_is_down_breaks_it(self, server):
        with Client(server.path, opened=False) as client:
            client.begin("virConnectOpen", "down:///", 0)
            assert client.is_lost()


class TestCalls:
    def test_results(self, client):
        assert client.call("virDomainLookupByName", "web1") == (WEB1,)
        assert client.call("virDomainGetInfo", WEB1) == (1, 1048576, 1048576, 2, 0)

    def test_an_error_of_libvirts(self, client):
        assert client.call("virDomainLookupByName", "db") == refused(
            42,
            10,
            "Domain not found: no domain with matching name 'db'",
            "Domain not found: %s",
            "no domain with matching name 'db'",
        )

    def test_what_the_host_does_not_know_is_refused_by_its_name(self, client):
        assert client.call("virDomainShutdown", WEB1) == refused(
            3,
            20,
            "this function is not supported by the connection driver: virDomainShutdown",
            "this function is not supported by the connection driver: %s",
            "virDomainShutdown",
        )
        assert client.refusal(211, b"of any layout") == (
            3,
            20,
            "this function is not supported by the connection driver: virDomainScreenshot",
        )
        assert client.refusal(1, program=Program.QEMU) == (
            3,
            20,
            "this function is not supported by the connection driver: virDomainQemuMonitorCommand",
        )

    def test_what_nobody_knows_is_refused_by_its_number(self, client):
        assert client.refusal(9999) == (
            3,
            20,
            "this function is not supported by the connection driver: procedure 9999",
        )

    def test_a_read_only_connection_refuses_what_changes_something(self, server):
        with Client(server.path, flags=1) as client:
            assert client.call("virDomainGetInfo", WEB1)[0] == 1
            assert client.call("virDomainDestroy", WEB1) == refused(
                29,
                20,
                "operation forbidden: read only access prevents virDomainDestroy",
                "operation forbidden: %s",
                "read only access prevents virDomainDestroy",
            )

    def test_of_another_program(self, host, client):
        asked = []
        host.answers["virDomainQemuAgentCommand"] = lambda *all_: asked.append(all_[1:]) or ("{}",)
        payload = b"".join(
            [encode(codec("D"), WEB1), encode(codec("s"), "guest-ping"), struct.pack(">iI", -2, 0)]
        )
        client.send(3, payload, program=Program.QEMU)
        assert client.answer()[1] == ("{}",)
        assert asked == [(WEB1, "guest-ping", -2, 0)]


class TestDefects:
    """What nobody foresaw is told to the client, which would wait for ever."""

    def test_an_exception(self, host, client):
        host.answers["virDomainDestroy"] = lambda *_: 1 / 0
        assert client.call("virDomainDestroy", WEB1) == refused(
            1,
            7,
            "internal error: ZeroDivisionError: division by zero",
            "internal error: %s",
            "ZeroDivisionError: division by zero",
        )
        assert client.is_alive()

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_one_that_ends_programs(self, host, client, kind):
        def raise_it(*_):
            raise kind("now")

        host.answers["virDomainDestroy"] = raise_it
        assert client.call("virDomainDestroy", WEB1)[2] == f"internal error: {kind.__name__}: now"
        assert client.is_alive()

    def test_results_of_other_types(self, host, client):
        host.answers["virDomainLookupByName"] = lambda *_: ("web1",)
        assert client.call("virDomainLookupByName", "web1")[2].startswith("internal error: ValueError: ")
        assert client.is_alive()

    def test_more_results_than_a_message_holds(self, host, client):
        host.answers["virConnectGetHostname"] = lambda *_: ("x" * LARGEST,)
        assert client.call("virConnectGetHostname")[:3] == (39, 7, "Unable to encode message payload")

    def test_the_question_whether_it_blocks(self, host, client):
        with mock.patch.object(SmallHost, "may_block", side_effect=RuntimeError("odd")):
            assert client.call("virDomainDestroy", WEB1)[2] == "internal error: RuntimeError: odd"
        assert client.is_alive()

    @pytest.mark.parametrize("code", ["NO_DOMAIN", 2**40])
    def test_an_error_that_no_message_can_hold(self, host, client, code):
        def refuse(*_):
            raise LibvirtError(code, 10, "no")

        host.answers["virDomainDestroy"] = refuse
        assert client.call("virDomainDestroy", WEB1)[2].startswith("internal error: error: ")
        assert client.is_alive()

    def test_a_text_that_no_message_can_hold(self, host, client):
        def refuse(*_):
            raise ValueError("lone \ud800\n\0")

        host.answers["virDomainDestroy"] = refuse
        assert client.call("virDomainDestroy", WEB1)[2] == "internal error: ValueError: lone \\ud800 \\x00"

    @pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
    def test_the_end_of_a_connection(self, host, kind, monkeypatch):
        told = []
        monkeypatch.setattr(threading, "excepthook", told.append)
        with serving(host) as server, mock.patch.object(SmallHost, "closed", side_effect=kind("odd")):
            with Client(server.path):
                pass
            wait_for_end()
            assert not server._connections
        (defect,) = told
        assert str(defect.exc_value) == "odd"


class TestCallsThatWait:
    def test_others_are_answered_meanwhile(self, host, client):
        waiting = client.begin("virDomainSuspend", WEB1)
        assert host.began.acquire(timeout=STARTED_AT_MOST)
        assert client.is_alive()
        assert client.call("virDomainLookupByName", "web1") == (WEB1,)
        host.going_on.set()
        assert client.answer() == (waiting, ())

    def test_a_ping_is_answered_meanwhile(self, host, client):
        client.begin("virDomainSuspend", WEB1)
        assert host.began.acquire(timeout=STARTED_AT_MOST)
        client.send(1, program=Program.KEEPALIVE, kind=Type.EVENT)
        assert client.receive() == (Header(28, Program.KEEPALIVE, VERSION, 2, Type.EVENT, 0, 0), b"")

    def test_many_at_once_need_a_thread_each_and_later_ones_none(self, host, client):
        serials = {client.begin("virDomainSuspend", WEB1) for _ in range(10)}
        for _ in range(10):
            assert host.began.acquire(timeout=STARTED_AT_MOST)
        host.going_on.set()
        assert {client.answer()[0] for _ in range(10)} == serials
        before = threading.active_count()
        for _ in range(5):
            assert client.call("virDomainSuspend", WEB1) == ()
        assert threading.active_count() == before

    def test_beyond_as_many_threads_they_stand_in_line(self, host, client, monkeypatch):
        monkeypatch.setattr(connection, "MOST_WORKERS", 2)
        serials = {client.begin("virDomainSuspend", WEB1) for _ in range(7)}
        for _ in range(2):
            assert host.began.acquire(timeout=STARTED_AT_MOST)
        assert client.is_alive()
        host.going_on.set()
        assert {client.answer()[0] for _ in range(7)} == serials

    def test_who_has_too_many_in_line_is_dropped(self, host, server, client, monkeypatch):
        monkeypatch.setattr(connection, "MOST_WORKERS", 2)
        monkeypatch.setattr(workers, "MOST_IN_LINE", 3)
        with Client(server.path) as greedy:
            for _ in range(6):
                greedy.begin("virDomainSuspend", WEB1)
            assert greedy.is_lost()
        assert client.is_alive()
        host.going_on.set()

    def test_where_the_system_has_no_more_threads_the_client_is_dropped(self, host, client, monkeypatch):
        monkeypatch.setattr(threading.Thread, "start", mock.Mock(side_effect=RuntimeError))
        client.begin("virDomainSuspend", WEB1)
        assert client.is_lost()

    def test_a_client_may_be_gone_before_the_answer(self, host, server):
        with Client(server.path) as client:
            client.begin("virDomainSuspend", WEB1)
            assert host.began.acquire(timeout=STARTED_AT_MOST)
        assert host.ended.acquire(timeout=STARTED_AT_MOST)
        host.going_on.set()
        wait_for_end()

    def test_the_host_may_go_down_meanwhile(self, host, client):
        def crash(session, domain):
            raise ConnectionLost

        host.answers["virDomainSuspend"] = crash
        client.begin("virDomainSuspend", WEB1)
        assert client.is_lost()

    def test_whose_call_was_on_its_way_as_the_host_fell_silent_is_cut_off_once_it_speaks(self, host, client):
        looked = threading.Semaphore(0)

        class Watched(threading.Event):
            def is_set(self):
                looked.release()
                return super().is_set()

        def fall_silent(session, domain):
            session.silence()
            session._hears = Watched()  # asked once more, when there is no answer to give
            raise ConnectionLost

        client.call("virConnectSupportsFeature", 10)  # keepalives, by which it would notice
        host.answers["virDomainResume"] = fall_silent
        client.begin("virDomainResume", WEB1)
        assert looked.acquire(timeout=STARTED_AT_MOST)
        host.sessions[0].speak()
        assert client.is_lost()

    def test_a_client_is_nudged_meanwhile(self, host, client):
        waiting = client.begin("virDomainSuspend", WEB1)
        for _ in range(3):
            header, payload = client.next()
            assert (header.procedure, header.type) == (318, Type.EVENT)
            values = decode(OF_EVENTS[318].message, payload)
            assert values == (0x7FFFFFFF, DomainRef("nobody", bytes(16), -1), 0, 0)
        host.going_on.set()
        assert client.answer() == (waiting, ())
        client.socket.settimeout(0.02)
        with pytest.raises(TimeoutError):  # not after the answer
            client.next()


class TestEvents:
    def test_they_come_in_their_order(self, host, listener):
        events = [
            BOOTED,
            Notice(1, WEB1),
            Notice(13, WEB1, (524288,)),
            Notice(20, WEB1, (2,)),
            Notice(21, WEB1, ([],)),
            Notice(23, WEB1, (2, "urn:x")),
        ]
        for event in events:
            host.sessions[0].send_event(7, event)
        for event in events:
            assert listener.answer() == (0, (7, WEB1, *event.details))

    def test_those_of_a_call_come_before_its_answer(self, host, listener):
        host.answers["virDomainDestroy"] = lambda session, _: session.send_event(7, BOOTED) or ()
        serial = listener.begin("virDomainDestroy", WEB1)
        assert listener.answer() == (0, (7, WEB1, 2, 0))
        assert listener.answer() == (serial, ())

    def test_one_that_the_table_does_not_have_is_its_callers_mistake(self, host, listener):
        with pytest.raises(KeyError):
            host.sessions[0].send_event(7, Notice(99, WEB1))
        with pytest.raises(ValueError, match="not enough values"):
            host.sessions[0].send_event(7, Notice(0, WEB1))
        assert listener.is_alive()

    def test_a_client_that_no_longer_wants_to_know_is_told_nothing(self, host, listener):
        """It may be about to end, and libvirt's library breaks by what comes then."""
        session = host.sessions[0]
        session.send_event(8, BOOTED)  # of a callback that it doesn't have
        session.send_event(7, BOOTED)
        assert listener.answer() == (0, (7, WEB1, 2, 0))
        assert listener.call("virConnectDomainEventDeregisterAny", 7) == ()
        session.send_event(7, BOOTED)
        assert listener.is_alive()

    def test_a_client_that_is_gone_is_told_nothing(self, host, server):
        with Client(server.path):
            session = host.sessions[0]
        assert host.ended.acquire(timeout=STARTED_AT_MOST)
        session.send_event(7, BOOTED)


class TestClientsThatDoNotRead:
    """What is sent to them is kept, up to a limit, and nobody waits for them."""

    LARGE = Notice(23, WEB1, (2, "x" * 2**20))

    def test_what_they_are_told_is_kept(self, host, listener):
        for index in range(10):
            host.sessions[0].send_event(7, Notice(23, WEB1, (index, "x" * 2**20)))
        serial = listener.begin("virConnectGetHostname")
        for index in range(10):
            assert listener.answer()[1][2] == index
        assert listener.answer() == (serial, ("node1",))

    def test_they_are_dropped_when_that_is_too_much(self, host, server, listener, monkeypatch):
        monkeypatch.setattr(outgoing, "MOST_UNSENT", 2**21)
        with Client(server.path) as other:
            session = host.sessions[0]
            for _ in range(10):
                session.send_event(7, self.LARGE)
            assert host.ended.acquire(timeout=STARTED_AT_MOST)
            assert other.is_alive()

    def test_a_close_waits_until_they_have_read(self, host, listener):
        for _ in range(3):
            host.sessions[0].send_event(7, self.LARGE)
        serial = listener.begin("virConnectClose")
        assert [listener.answer()[0] for _ in range(4)] == [0, 0, 0, serial]
        assert listener.is_lost()

    def test_where_the_system_has_no_more_threads_they_are_dropped(self, host, listener, monkeypatch):
        monkeypatch.setattr(threading.Thread, "start", mock.Mock(side_effect=RuntimeError))
        session = host.sessions[0]
        for _ in range(3):
            session.send_event(7, self.LARGE)
        assert listener.is_lost()


class TestHostsThatFail:
    def test_a_connection_is_dropped(self, host, listener):
        host.sessions[0].drop()
        assert listener.is_lost()
        assert host.ended.acquire(timeout=STARTED_AT_MOST)

    def test_one_that_a_forked_child_has_a_copy_of_is_dropped(self, host, server):
        with Client(server.path) as client:
            read, write = os.pipe()
            child = os.fork()
            if not child:
                os.close(write)
                os.read(read, 1)
                os._exit(0)
            host.sessions[0].drop()
            assert client.is_lost()
            os.close(write)
            os.waitpid(child, 0)
            os.close(read)

    def test_silence_holds_everything_back_until_it_is_over(self, host, listener):
        session = host.sessions[0]
        listener.call("virConnectSupportsFeature", 10)  # keepalives
        session.silence()
        session.send_event(7, BOOTED)
        listener.send(1, program=Program.KEEPALIVE, kind=Type.EVENT)
        listener.begin("virConnectGetHostname")
        listener.socket.settimeout(0.01)
        with pytest.raises(TimeoutError):
            listener.receive()
        listener.socket.settimeout(STARTED_AT_MOST)
        session.speak()
        assert listener.answer() == (0, (7, WEB1, 2, 0))
        assert listener.receive()[0].program == Program.KEEPALIVE
        assert listener.answer()[1] == ("node1",)

    def test_who_could_not_notice_silence_is_cut_off(self, host, client):
        host.sessions[0].silence()
        client.begin("virConnectGetHostname")
        assert client.is_lost()

    @pytest.mark.parametrize("when", ["before", "with it", "behind it"])
    def test_who_sends_keepalives_is_waited_for(self, host, client, when, monkeypatch):
        monkeypatch.setattr(connection, "_FIRST_PING", 0.01)
        ping = framed(Program.KEEPALIVE, 1, Type.EVENT, 0, 0, b"")
        client.call("virConnectSupportsFeature", 10)
        if when == "before":
            client.socket.sendall(ping)
            assert client.receive()[0].program == Program.KEEPALIVE
        host.sessions[0].silence()
        call = framed(Program.REMOTE, 59, Type.CALL, 99, 0, b"")
        client.socket.sendall(call if when == "before" else call + ping)
        if when == "behind it":
            client.socket.sendall(ping)
        client.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.receive()
        client.socket.settimeout(STARTED_AT_MOST)
        host.sessions[0].speak()
        assert client.answer()[1] == ("node1",)

    def test_who_only_could_send_some_is_not(self, host, client, monkeypatch):
        monkeypatch.setattr(connection, "_FIRST_PING", 0.01)
        client.call("virConnectSupportsFeature", 10)
        host.sessions[0].silence()
        client.begin("virConnectGetHostname")
        assert client.is_lost()

    def test_silence_stops_what_is_being_sent(self, host, listener):
        session = host.sessions[0]
        for _ in range(4):
            session.send_event(7, TestClientsThatDoNotRead.LARGE)
        session.silence()
        session.speak()
        assert [listener.answer()[1][0] for _ in range(4)] == [7] * 4
        session.silence()
        session.speak()  # with nothing to say
        assert listener.is_alive()

    def test_silence_ends_when_the_connection_breaks(self, host, server):
        with Client(server.path) as client:
            client.call("virConnectSupportsFeature", 10)  # keepalives
            host.sessions[0].silence()
            client.begin("virConnectGetHostname")
            host.sessions[0].drop()
            assert host.ended.acquire(timeout=STARTED_AT_MOST)


class TestBadInput:
    @pytest.mark.parametrize(
        ("number", "payload", "keywords", "error"),
        [
            (23, b"", {}, "Unable to decode message payload"),
            (23, b"\0\0\1\0web1", {}, "Unable to decode message payload"),
            (23, b"\0\0\0\4\xff\xfe\xfd\xfc", {}, "Unable to decode message payload"),
            (59, b"more", {}, "Unable to decode message payload"),
            (344, b"\xff\xff\xff\xff" + bytes(8), {}, "Unable to decode message payload"),
            (316, bytes(4) + b"\0\0\0\2", {}, "Unable to decode message payload"),
            (23, b"", {"program": 0x12345678}, "Cannot find program 305419896 version 1"),
            (1, b"", {"program": Program.LXC}, "Cannot find program 536903816 version 1"),
            (1, b"", {"program": Program.KEEPALIVE}, "Cannot find program 1801807216 version 1"),
            (23, b"", {"version": 2}, "Cannot find program 536903814 version 2"),
            (59, b"", {"status": 1}, "Unexpected message status 1"),
        ],
    )
    def test_a_call_that_is_none_is_refused_as_by_a_real_daemon(
        self, host, client, number, payload, keywords, error
    ):
        host.answers["virConnectGetAllDomainStats"] = pytest.fail
        assert client.refusal(number, payload, **keywords) == (39, 7, error)
        assert client.is_alive()

    @pytest.mark.parametrize("kind", [1, 2, 3, 5, 6, 77, -1])
    def test_what_is_no_call_is_ignored_as_by_a_real_daemon(self, client, kind):
        client.send(23, b"whatever", kind=kind)
        assert client.is_alive()

    @pytest.mark.parametrize("number", [2, 9])
    def test_so_is_a_keepalive_message_that_is_no_ping(self, client, number):
        client.send(number, program=Program.KEEPALIVE, kind=Type.EVENT)
        assert client.is_alive()

    def test_file_descriptors_are_refused(self, client):
        assert client.refusal(310, struct.pack(">I", 1), kind=4) == (
            84,
            7,
            "Operation not supported: file descriptors",
        )
        assert client.is_lost()

    @pytest.mark.parametrize("size", [0, 27, LARGEST + 1, 2**32 - 1])
    def test_a_frame_that_is_none_ends_the_connection(self, server, client, size):
        with Client(server.path) as other:
            client.socket.sendall(struct.pack(">I", size) + b"more")
            assert client.is_lost()
            assert other.is_alive()

    def test_a_large_text_is_refused(self, host, client):
        host.answers["virDomainDefineXML"] = pytest.fail
        assert client.refusal(11, encode(codec("s"), "x" * (20 * 2**20))) == (
            39,
            7,
            "Unable to decode message payload",
        )
        assert client.is_alive()

    @pytest.mark.parametrize("sent", [1, 4, 20, 30])
    def test_a_client_may_stop_in_the_middle(self, host, server, sent):
        with Client(server.path) as client:
            client.socket.sendall(framed(Program.REMOTE, 23, 0, 9, 0, b"\0\0\0\4web1")[:sent])
        assert host.ended.acquire(timeout=STARTED_AT_MOST)
        wait_for_end()

    def test_a_client_may_be_killed(self, host, server):
        code = (
            "import os, signal, socket, sys;"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            "s.sendall(b'\\0\\0\\0\\x1c' + bytes(9));"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        subprocess.run([sys.executable, "-c", code, server.path], check=False)
        with Client(server.path) as client:
            assert client.is_alive()

    def test_500_connections_at_once(self, server):
        clients = [Client(server.path) for _ in range(500)]
        assert clients[0].is_alive()
        assert clients[-1].is_alive()
        for client in clients:
            client.socket.close()
        wait_for_end()

    def test_where_the_system_has_no_more_threads_a_connection_is_refused(self, server, client):
        with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError):
            refused = Client(server.path, opened=False)
            assert refused.is_lost()
            refused.socket.close()
        assert client.is_alive()

    def test_where_there_are_no_descriptors_it_waits(self, host, monkeypatch):
        failing = [OSError(errno.EMFILE, "Too many open files")] * 2

        class Socket(_socket.socket):
            def _accept(self):
                if failing:
                    raise failing.pop()
                return super()._accept()

        monkeypatch.setattr(_socket, "socket", Socket)
        with serving(host) as server, Client(server.path) as client:
            assert client.is_alive()


class TestTestsThatReplaceThings:
    """What a test does to `socket` is about its own sockets."""

    def test_the_class(self, server):
        client = Client(server.path, opened=False, connected=False)
        with mock.patch("socket.socket"), client:
            client.connect()
            assert client.call("virConnectAuthList") == ([0],)

    def test_how_long_they_wait(self, host, monkeypatch):
        socket.setdefaulttimeout(0)
        try:
            with serving(host) as server, Client(server.path) as client:
                assert client.is_alive()
        finally:
            socket.setdefaulttimeout(None)


class TestEnd:
    def test_the_socket_is_gone_and_every_connection_broken(self, host):
        with serving(host) as server:
            clients = [Client(server.path) for _ in range(3)]
            clients[0].begin("virDomainSuspend", WEB1)
            assert host.began.acquire(timeout=STARTED_AT_MOST)
            host.going_on.set()
            server.close()
            assert not os.path.exists(server.path)
            for client in clients:
                while not client.is_lost():
                    pass  # an answer that came before
                client.socket.close()
            late = socket.socket(socket.AF_UNIX)
            assert late.connect_ex(server.path) == errno.ENOENT
            late.close()

    def test_a_host_that_goes_down_lets_nobody_in(self, host, server, client):
        server.go_down()
        assert client.is_lost()
        with pytest.raises(ConnectionRefusedError):
            Client(server.path)
        assert os.path.exists(server.path)

    @pytest.mark.parametrize("blocking", [True, False])
    def test_a_call_may_lead_to_it(self, host, blocking):
        ended = []

        def destroy(session, domain):
            server.close()
            ended.append(True)
            return ()

        host.answers["virDomainDestroy"] = destroy
        host.blocking = {"virDomainDestroy"} if blocking else set()
        with serving(host) as server, Client(server.path) as client:
            client.begin("virDomainDestroy", WEB1)
            assert client.is_lost()
            server._readers.join()
        assert ended == [True]

    def test_the_socket_may_be_gone_before(self, host):
        with serving(host) as server:
            os.unlink(server.path)

    def test_it_does_not_wait_for_ever(self, host, monkeypatch):
        monkeypatch.setattr("pytest_fakehv.fronts.libvirt.server.server._AT_MOST", 0.01)
        with serving(host) as server, Client(server.path) as client:
            client.begin("virDomainSuspend", WEB1)
            assert host.began.acquire(timeout=STARTED_AT_MOST)
            server.close()
            (left,) = [each for each in threading.enumerate() if each.name == "fakehv-libvirt node1"]
            host.going_on.set()
            left.join(STARTED_AT_MOST)

    def test_a_place_where_no_socket_can_be_leaves_nothing_behind(self, host, tmp_path):
        with pytest.raises(OSError, match="No such file"):
            Server(str(tmp_path / "nowhere" / "socket"), host, "node1")
        with pytest.raises(OSError, match="too long"):
            Server("/tmp/" + "x" * 107, host, "node1")
        gc.collect()  # an open socket would be a warning

    def test_a_forked_child_has_no_part_in_it(self, host, server):
        with Client(server.path) as client:
            session = host.sessions[0]
            child = os.fork()
            if not child:
                try:
                    session.send_event(7, BOOTED)
                    session.drop()
                    server.close()
                    assert os.path.exists(server.path)
                finally:
                    gc.collect()
                    os._exit(sys.exc_info()[0] is not None)
            assert os.waitpid(child, 0)[1] == 0
            assert client.is_alive()

    def test_a_forked_child_may_be_a_client(self, server):
        child = os.fork()
        if not child:
            with Client(server.path) as client:
                os._exit(not client.is_alive())
        assert os.waitpid(child, 0)[1] == 0

    def test_the_interpreter_may_end_with_connections_open(self, tmp_path):
        code = (
            "import small_host, os\n"
            "from pytest_fakehv.fronts.libvirt.server.server import Server\n"
            "server = Server(os.path.abspath('s'), small_host.SmallHost(), 'node1')\n"
            "client = small_host.Client(server.path)\n"
            "print(client.is_alive())\n"
        )
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
        }
        run = subprocess.run(
            [sys.executable, "-c", code],
            check=False,
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=STARTED_AT_MOST,
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, "True\n", "")
        assert not (tmp_path / "s").exists()
