"""What a test has an agent answer, and what comes of that."""

import json
import threading

import pytest
from inhabited import GUEST, NO_ANSWER, undone
from told_by_hosts import refusal


def test_a_function_is_given_the_arguments(front, command):
    given = []
    front.agent("web1", {"guest-exec": lambda arguments: given.append(arguments) or {"pid": 7}})
    assert command("guest-exec", path="/bin/true", arg=["ä"]) == {"pid": 7}
    assert given == [{"path": "/bin/true", "arg": ["ä"]}]


def test_what_it_answers_is_what_the_test_has_said_then(front, command):
    said = {"guest-exec-status": {"exited": True}}
    front.agent("web1", said)
    said["guest-exec-status"]["exited"] = False
    assert command("guest-exec-status") == {"exited": True}
    front.agent("web1", {"guest-exec-status": None})
    assert command("guest-exec-status") is None


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (RuntimeError("no such program"), undone("guest-exec", "no such program")),
        (KeyError(), undone("guest-exec", "KeyError")),
        (NotImplementedError(), undone("guest-exec", "The command guest-exec has not been found")),
        (NotImplementedError("it is old"), undone("guest-exec", "it is old")),
        (TimeoutError(), NO_ANSWER),
        (
            lambda _: {1},
            undone(
                "guest-exec",
                "the answer to guest-exec can't be JSON: TypeError: Object of type set is not JSON "
                "serializable",
            ),
        ),
        (lambda _: 1 / 0, undone("guest-exec", "division by zero")),
    ],
)
def test_one_that_fails(front, command, said, error):
    front.agent("web1", {"guest-exec": said})
    assert refusal(command, "guest-exec") == error


def test_what_no_agent_knows(front, command):
    front.agent("web1")
    words = "The command guest-nonsense has not been found"
    assert refusal(command, "guest-nonsense") == undone("guest-nonsense", words)


def test_a_function_may_ask_the_hosts_itself(front, command, connect):
    def answer(_arguments):
        asked = []
        thread = threading.Thread(target=lambda: asked.append(connect().lookupByName("web1").state()))
        thread.start()
        thread.join()
        return asked

    front.agent("web1", {"guest-exec": answer})
    assert command("guest-exec") == [[1, 1]]


def test_an_agent_that_ends_with_its_guest(front, cluster, command):
    front.agent("web1", {"guest-exec": lambda _: cluster.kill("web1", node="node1")})
    disappeared = "Guest agent is not responding: Guest agent disappeared while executing command"
    assert refusal(command, "guest-exec") == (86, 10, disappeared)


def test_one_whose_guest_hangs(front, cluster, domain):
    front.agent("web1")
    cluster.hang("web1", node="node1")
    assert refusal(domain.getTime) == NO_ANSWER


def test_what_is_no_command(front, domain):
    libvirt_qemu = pytest.importorskip("libvirt_qemu")
    front.agent("web1")

    def error_of(text, timeout=5, flags=0):
        return refusal(libvirt_qemu.qemuAgentCommand, domain, text, timeout, flags)

    assert domain.messages() == []
    for text, words in (
        ("[]", "QMP input must be a JSON object"),
        ("{}", "QMP input lacks member 'execute'"),
        ('{"execute": 1}', "QMP input member 'execute' must be a string"),
        (
            '{"execute": "guest-ping", "arguments": []}',
            "QMP input member 'arguments' must be an object",
        ),
    ):
        assert error_of(text) == undone("<unknown>", words)
    assert error_of("x") == (
        1,
        0,
        "internal error: cannot parse json x: Expecting value: line 1 column 1 (char 0)",
    )
    ping = json.dumps({"execute": "guest-ping"})
    assert error_of(ping, 0) == NO_ANSWER
    assert error_of(ping, -3) == (
        8,
        10,
        "invalid argument: guest agent timeout '-3' is less than the minimum '-2'",
    )
    assert domain.messages() == ["tainted: custom guest agent control commands issued"]


def test_how_long_to_wait_changes_nothing(domain):
    assert domain.agentSetResponseTimeout(-2) == 0
    assert refusal(domain.agentSetResponseTimeout, -3) == (
        8,
        10,
        "invalid argument: guest agent timeout '-3' is less than the minimum '-2'",
    )


def test_what_ends_the_test_ends_it(pytester):
    pytester.makeconftest("")
    pytester.makepyfile(
        f"""
        import libvirt
        import pytest


        def test_it(fakehv_libvirt):
            fakehv_libvirt.agent("web1", {{"guest-get-time": lambda _: pytest.fail("not now")}})
            domain = libvirt.open("qemu:///system").createXML({GUEST!r})
            try:
                domain.getTime()
            except libvirt.libvirtError:
                pass
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * Failed: not now"])


def test_a_fault_answers_in_place_of_one(cluster, domain):
    for function, call, result in (
        ("virDomainGetFSInfo", domain.fsInfo, [("/", "vda1", "ext4", ["vda"])]),
        ("virDomainGetGuestInfo", domain.guestInfo, {"hostname": "x"}),
        ("virDomainGetGuestVcpus", domain.guestVcpus, {"vcpus": "0"}),
        ("virDomainGetTime", domain.getTime, {"seconds": 5, "nseconds": 6}),
        ("virDomainAuthorizedSSHKeysGet", lambda: domain.authorizedSSHKeysGet("root"), ["a"]),
    ):
        cluster.fault(function, result=result, times=1)
        assert call() == result
