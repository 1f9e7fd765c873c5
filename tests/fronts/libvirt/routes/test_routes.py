"""Which URI leads to which node, in the test's own process."""

import sys
import threading
import types

import libvirt
import pytest
from libvirt import open as imported_before
from standin import hosts

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.fronts.libvirt.routes import Routes, routed

OPENERS = {
    "open": libvirt.open,
    "openReadOnly": libvirt.openReadOnly,
    "openAuth": lambda uri: libvirt.openAuth(uri, [[libvirt.VIR_CRED_AUTHNAME], None, None], 0),
}


def reached(uri, opener=libvirt.open):
    """Return the name of the host to which a URI leads."""
    connection = opener(uri)
    try:
        return connection.getHostname()
    finally:
        connection.close()


def error(uri, opener=libvirt.open):
    with pytest.raises(libvirt.libvirtError) as caught:
        opener(uri)
    return caught.value


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
@pytest.mark.parametrize(
    ("uri", "node"),
    [
        ("qemu+ssh://node2/system", "node2"),
        ("qemu+ssh://root@node2:2222/system?no_verify=1&keyfile=/root/key", "node2"),
        ("qemu+ssh://node2/session", "node2"),
        ("qemu+ssh://node2", "node2"),
        ("qemu+ssh://NODE2/system", "node2"),
        ("qemu+ssh://two.example/system", "node2"),
        ("qemu+ssh://192.0.2.1/system", "node1"),
        ("qemu+libssh2://node2/system", "node2"),
        ("qemu+libssh://node2/system", "node2"),
        ("qemu+tcp://node2/system", "node2"),
        ("qemu+tls://node2/system", "node2"),
        ("qemu://node2/system", "node2"),
        ("remote+ssh://node2/", "node2"),
        ("qemu+ssh://node2/system?socket=/run/libvirt/libvirt-sock", "node2"),
        ("qemu:///system", "node1"),
        ("qemu:///session", "node1"),
        ("qemu+unix:///system", "node1"),
        ("qemu+ssh:///system", "node1"),
        ("qemu+ssh://localhost/system", "node1"),
        ("qemu+tcp://127.0.0.1/system", "node1"),
        ("qemu+ssh://[::1]/system", "node1"),
    ],
)
def test_a_uri_leads_to_a_node(led, uri, node, opener):
    assert reached(uri, opener) == node


@pytest.mark.parametrize("uri", [None, ""])
def test_no_uri_leads_to_the_first_node(led, monkeypatch, uri):
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    assert reached(uri) == "node1"
    assert reached(uri, libvirt.openReadOnly) == "node1"


@pytest.mark.parametrize("uri", [None, ""])
def test_or_where_the_default_uri_leads(led, monkeypatch, uri):
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu+ssh://node2/system")
    assert reached(uri) == "node2"
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
    connection = libvirt.open(uri)
    assert connection.getURI() == "test:///default"
    connection.close()


def test_what_names_no_host_leads_to_the_node_that_programs_run_as(there, led):
    assert led.here == "node1"
    led.here = "node2"
    assert led.here == "node2"
    assert reached("qemu:///system") == "node2"
    assert Routes(there.nodes, here="node2").here == "node2"


def test_a_node_by_the_name_of_every_machine_is_found_by_it(folder):
    with hosts(folder, {"node1": set(), "node2": {"127.0.0.1"}}) as two, routed(Routes(two.nodes)):
        assert reached("qemu+tcp://127.0.0.1/system") == "node2"
        assert reached("qemu+tcp://localhost/system") == "node1"


def test_nodes_come_and_go(there, led):
    assert error("qemu+ssh://web/system").get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR
    there.nodes["web"] = (set(), there["node2"].path)
    assert reached("qemu+ssh://web/system") == "node2"
    del there.nodes["web"]
    assert error("qemu+ssh://web/system").get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("qemu+ssh://root@node1/system?no_verify=1", "qemu:///system"),
        ("qemu+tcp://node1/session", "qemu:///session"),
        ("qemu+ssh://node1/system?name=qemu:///session", "qemu:///session"),
        ("kvm+ssh://node1/system", "kvm:///system"),
        ("remote+ssh://node1/", ""),
        (None, "qemu:///system"),
    ],
)
def test_a_host_is_told_what_a_real_one_would_be(there, led, monkeypatch, uri, name):
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    reached(uri)
    assert there["node1"].opened == [name]


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        (
            "qemu+ssh://root@node1:2222/system?no_verify=1&x=%20",
            "qemu+ssh://root@node1:2222/system?no_verify=1&x=%20",
        ),
        ("qemu+tls://Two.Example/session", "qemu+tls://Two.Example/session"),
        ("qemu:///session", "qemu:///session"),
        (None, "qemu:///system"),
    ],
)
def test_a_connection_tells_the_uri_that_the_program_gave(led, monkeypatch, uri, told):
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    connection = libvirt.open(uri)
    assert type(connection) is libvirt.virConnect
    assert connection.getURI() == told
    connection.close()


SSH = "Cannot recv data: ssh: {}: Connection reset by peer"


@pytest.mark.parametrize(
    ("uri", "number", "text"),
    [
        ("ssh://nosuch", 104, SSH.format("Could not resolve hostname nosuch: Name or service not known")),
        ("tcp://nosuch", -1, "Unable to resolve address 'nosuch' service '16509': Name or service not known"),
        ("tls://nosuch", -1, "Unable to resolve address 'nosuch' service '16514': Name or service not known"),
        (
            "libssh2://nosuch:7",
            -1,
            "Unable to resolve address 'nosuch' service '7': Name or service not known",
        ),
    ],
)
@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_an_unknown_host_is_refused_as_libvirt_refuses_it(led, uri, number, text, opener):
    error("test:///nowhere")  # which is not told again

    refused = error(f"qemu+{uri}/system", opener)

    assert str(refused) == text
    assert refused.err == (38, 7, text, 2, "%s", text, None, number, -1)


@pytest.mark.parametrize(
    ("uri", "number", "text"),
    [
        ("ssh://node2", 104, SSH.format("connect to host node2 port 22: No route to host")),
        ("ssh://two.example:7", 104, SSH.format("connect to host two.example port 7: No route to host")),
        ("tcp://node2", 113, "unable to connect to server at 'node2:16509': No route to host"),
        ("tls://node2", 113, "unable to connect to server at 'node2:16514': No route to host"),
    ],
)
def test_so_is_a_node_that_is_down(there, led, uri, number, text):
    there["node2"].crash()

    refused = error(f"qemu+{uri}/system")

    assert str(refused) == text
    assert refused.err == (38, 7, text, 2, "%s", text, None, number, -1)
    there["node2"].boot()
    assert reached(f"qemu+{uri}/system") == "node2"


def test_where_no_host_is_named_libvirt_names_the_socket(there, led):
    there["node1"].crash()
    text = f"Failed to connect socket to '{there['node1'].path}': No such file or directory"
    assert str(error("qemu:///system")) == text


def test_what_a_host_refuses_is_told_as_it_says(there, led):
    there["node2"].refuses = True
    assert str(error("qemu+ssh://node2/system")) == "no such driver here"


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("qemu+unix://node1/system", "using unix socket and remote server 'node1' is not supported"),
        ("qemu+telnet://node1/system", "transport in URL not recognised"),
        ("qemu+ext://node1/system", "for 'ext' transport, command is required"),
        ("qemu+ssh://[node1/system", "Unable to parse URI"),
        ("qemu+tcp://node1:x/system", "Unable to parse URI"),
        ("node1", "no connection driver available for URI 'node1' does not include a driver name"),
        ("qemu+unix:///system?socket=/nowhere/socket", "Failed to connect socket to '/nowhere/socket'"),
        ("qemu:///embed", ""),
    ],
)
def test_libvirt_refuses_as_ever_what_it_needs_nobody_for(there, led, uri, text):
    assert text in str(error(uri))
    assert there["node1"].opened == []


def test_so_it_refuses_what_is_no_text(led):
    with pytest.raises(TypeError):
        libvirt.open(5)


def test_other_hypervisors_are_left_alone(there, led):
    connection = libvirt.open("test:///default")
    assert connection.getURI() == "test:///default"
    assert connection.listDomainsID() == [1]
    connection.close()
    assert there["node1"].opened == []


def test_a_nodes_own_uri_needs_no_help(there, routes):
    assert routes.uri("node2") == f"qemu+unix:///system?socket={there['node2'].path}"
    assert reached(routes.uri("node2")) == "node2"
    assert reached(routes.uri("node2"), libvirt.openReadOnly) == "node2"
    with routed(routes):
        connection = libvirt.open(routes.uri("node2"))
        assert connection.getURI() == routes.uri("node2")
        connection.close()


def test_a_path_with_characters_that_uris_give_a_meaning(folder):
    with hosts(folder, {"a&b? #c%20": {"node1"}}) as made, routed(routes := Routes(made.nodes)):
        assert reached(routes.uri("a&b? #c%20")) == "a&b? #c%20"
        assert reached("qemu+ssh://node1/system") == "a&b? #c%20"


def test_what_was_imported_before_is_led_too(led):
    assert reached("qemu+ssh://node2/system", imported_before) == "node2"


def test_so_is_what_is_imported_later(led):
    program = types.ModuleType("program")
    exec("def opened():\n from libvirt import open as o\n return o('qemu+ssh://node2/system')", vars(program))
    connection = program.opened()
    assert connection.getHostname() == "node2"
    connection.close()


def test_all_is_undone_afterwards(routes):
    names = ("virConnectOpen", "virConnectOpenReadOnly", "virConnectOpenAuth", "virConnectGetURI")
    before = [getattr(libvirt.libvirtmod, name) for name in names]
    with pytest.raises(ZeroDivisionError), routed(routes):
        raise ZeroDivisionError
    assert [getattr(libvirt.libvirtmod, name) for name in names] == before
    assert error("qemu+ssh://node1/system?command=/nowhere/ssh")


def test_of_several_the_last_one_counts(there, folder):
    with routed(Routes(there.nodes)):
        with routed(Routes({"node1": (set(), there["node2"].path)})):
            assert reached("qemu+ssh://node1/system") == "node2"
            assert error("qemu+ssh://node2/system").get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR
        assert reached("qemu+ssh://node1/system") == "node1"


def test_threads_are_led_too(led):
    found = []
    threads = [
        threading.Thread(target=lambda name=name: found.append(reached(f"qemu+ssh://{name}/system")))
        for name in ("node1", "node2") * 4
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == ["node1"] * 4 + ["node2"] * 4


@pytest.mark.parametrize(
    ("place", "node"),
    [
        ("qemu+ssh://root@node2:22/system", "node2"),
        ("qemu+tls://TWO.example/session", "node2"),
        ("qemu+unix:///system?socket={folder}/node2", "node2"),
        ("qemu+unix:///system?socket=/mounted/elsewhere/node2", "node2"),
        ("{folder}/node1", "node1"),
        ("node1", "node1"),
        ("qemu:///system", None),
        ("qemu+ssh://nosuch/system", None),
        ("qemu+unix:///system?socket=/run/libvirt/libvirt-sock", None),
        ("qemu+ssh://[node1/system", None),
        ("", None),
    ],
)
def test_the_node_of_a_place(routes, folder, place, node):
    assert routes.node_of(place.format(folder=folder)) == node


def test_and_of_what_a_connection_became(routes):
    """The C library hands it on as the target of a migration from peer to peer."""
    get_uri = libvirt.libvirtmod.virConnectGetURI
    with routed(routes):
        connection = libvirt.open("qemu+ssh://two.example/system")
    assert routes.node_of(get_uri(connection._o)) == "node2"
    connection.close()


@pytest.mark.parametrize(
    "ask", [lambda r: r.uri("node3"), lambda r: setattr(r, "here", "node3"), lambda r: r.socket("node3")]
)
def test_an_unknown_node_is_an_error(routes, ask):
    with pytest.raises(DeclarationError) as caught:
        ask(routes)
    assert str(caught.value) == "no node is named 'node3'; there are: node1, node2"


def test_so_it_is_where_programs_are_to_run(there):
    with pytest.raises(DeclarationError) as caught:
        Routes(there.nodes, here="node3")
    assert str(caught.value) == "no node is named 'node3'; there are: node1, node2"


def test_so_it_is_where_the_node_has_gone(there, led):
    led.here = "node2"
    del there.nodes["node2"]
    with pytest.raises(DeclarationError) as caught:
        libvirt.open("qemu:///system")
    assert str(caught.value) == "no node is named 'node2'; there are: node1"


def test_so_it_is_that_there_is_none():
    with routed(Routes({})), pytest.raises(DeclarationError) as caught:
        libvirt.open("qemu:///system")
    assert str(caught.value) == "there is no node to run as"


@pytest.mark.parametrize(
    ("there_is", "why"),
    [
        (None, "import of libvirt halted; None in sys.modules"),
        (types.ModuleType("libvirt"), "module 'libvirt' has no attribute 'libvirtmod'"),
    ],
    ids=["nothing", "something else"],
)
def test_without_the_binding_the_error_says_how_to_get_it(routes, monkeypatch, there_is, why):
    monkeypatch.setitem(sys.modules, "libvirt", there_is)
    with pytest.raises(ImportError) as caught, routed(routes):
        pass
    assert str(caught.value) == (
        f"leading libvirt's URIs to nodes needs its Python binding: {why}; Debian's package python3-libvirt "
        "has it; pip install libvirt-python builds it, which needs Debian's packages libvirt-dev and pkgconf"
    )
