"""Secrets come, have values that some may know, and go."""

import base64
import shutil
import subprocess
import uuid

import pytest
from small_host import OF_EVENTS, Client
from told_by_hosts import refusal

from pytest_fakehv.fronts.libvirt.values import SecretRef
from pytest_fakehv.fronts.libvirt.wire.frames import Type
from pytest_fakehv.fronts.libvirt.wire.xdr import decode

CEPH = "<usage type='ceph'><name>client.admin</name></usage>"


def key_of(name):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def secret(name, inner="", *, ephemeral="no", private="no"):
    """Return a secret's XML."""
    return f"<secret ephemeral='{ephemeral}' private='{private}'><uuid>{key_of(name)}</uuid>{inner}</secret>"


def error(problem, code=1):
    return code, 30, problem


def test_what_was_defined_comes_back(node1):
    given = node1.secretDefineXML(secret("a", f"<description>x &amp; y</description>{CEPH}", private="yes"))
    assert (given.UUIDString(), given.usageType(), given.usageID()) == (key_of("a"), 2, "client.admin")
    assert given.XMLDesc() == (
        "<secret ephemeral='no' private='yes'>\n"
        f"  <uuid>{key_of('a')}</uuid>\n"
        "  <description>x &amp; y</description>\n"
        "  <usage type='ceph'>\n"
        "    <name>client.admin</name>\n"
        "  </usage>\n"
        "</secret>\n"
    )
    plain = node1.secretDefineXML("<secret><usage type='none'/></secret>")
    assert plain.XMLDesc() == (
        f"<secret ephemeral='no' private='no'>\n  <uuid>{plain.UUIDString()}</uuid>\n</secret>\n"
    )


def test_they_are_found(node1):
    for name, inner in (("a", ""), ("b", CEPH)):
        node1.secretDefineXML(secret(name, inner))
    assert node1.secretLookupByUUIDString(key_of("a")).UUIDString() == key_of("a")
    assert node1.secretLookupByUsage(2, "client.admin").UUIDString() == key_of("b")
    for kind, usage in ((1, "client.admin"), (2, "nosuch"), (0, "")):
        problem = f"Secret not found: no secret with matching usage '{usage}'"
        assert refusal(node1.secretLookupByUsage, kind, usage) == error(problem, 66)
    nobody = f"Secret not found: no secret with matching uuid '{key_of('c')}'"
    assert refusal(node1.secretLookupByUUIDString, key_of("c")) == error(nobody, 66)


def test_they_are_listed(node1):
    for name, ephemeral, private in (("a", "no", "no"), ("b", "yes", "no"), ("c", "yes", "yes")):
        node1.secretDefineXML(secret(name, ephemeral=ephemeral, private=private))
    names = {key_of(name): name for name in "abc"}
    assert node1.numOfSecrets() == 3
    assert {names[each] for each in node1.listSecrets()} == {"a", "b", "c"}
    for flags, found in ((0, "abc"), (1, "bc"), (2, "a"), (4, "c"), (8, "ab"), (9, "b"), (3, "abc"), (6, "")):
        listed = {names[each.UUIDString()] for each in node1.listAllSecrets(flags)}
        assert listed == set(found)


def test_a_value_is_for_those_who_may_know_it(node1, connect):
    a = node1.secretDefineXML(secret("a"))
    none = f"Secret not found: secret '{key_of('a')}' does not have a value"
    assert refusal(a.value) == error(none, 66)
    empty = "value in virSecretSetValue must not be NULL"
    assert refusal(a.setValue, b"") == error(empty, 8)
    a.setValue(b"\0open")
    assert a.value() == b"\0open"
    node1.secretDefineXML(secret("a", "<description>anew</description>"))
    assert a.value() == b"\0open"
    node1.secretDefineXML(secret("a", private="yes"))
    assert refusal(a.value) == error("Invalid secret: secret is private", 65)
    reader = connect(read_only=True).secretLookupByUUIDString(key_of("a"))
    assert "private='yes'" in reader.XMLDesc()
    assert refusal(reader.undefine)[0] == 29


def test_what_is_undefined_is_no_more(node1):
    a = node1.secretDefineXML(secret("a"))
    a.undefine()
    nobody = error(f"Secret not found: no secret with matching uuid '{key_of('a')}'", 66)
    for call in (a.undefine, a.XMLDesc, a.value, lambda: a.setValue(b"x")):
        assert refusal(call) == nobody


def test_what_outlives_its_host(cluster, connect):
    node1 = connect()
    for name, ephemeral in (("a", "no"), ("b", "yes")):
        node1.secretDefineXML(secret(name, ephemeral=ephemeral)).setValue(b"x")
    cluster["node1"].crash()
    cluster["node1"].boot()
    (left,) = connect().listAllSecrets()
    assert (left.UUIDString(), left.value()) == (key_of("a"), b"x")


def test_a_host_has_its_own(node1, connect):
    node1.secretDefineXML(secret("a"))
    assert connect("node2").listAllSecrets() == []


@pytest.mark.parametrize(
    ("xml", "problem"),
    [
        (
            secret("a", CEPH.replace("admin", "user")),
            (1, "internal error: a secret with UUID {a} is already defined for use with client.admin"),
        ),
        (
            secret("b", CEPH),
            (1, "internal error: a secret with UUID {a} already defined for use with client.admin"),
        ),
        (secret("p"), (1, "internal error: cannot change private flag on existing secret")),
        (
            secret("b", "<usage type='x'/>"),
            (67, "unsupported configuration: unknown secret usage type x"),
        ),
        (secret("b", "<usage/>"), (27, "XML error: unknown secret usage type")),
        (
            secret("b", "<usage type='volume'/>"),
            (1, "internal error: volume usage specified, but volume path is missing"),
        ),
        (
            secret("b", "<usage type='iscsi'><target/></usage>"),
            (1, "internal error: iSCSI usage specified, but target is missing"),
        ),
        (secret("b", private="maybe"), (27, "XML error: invalid value of 'private'")),
        (secret("b", ephemeral="maybe"), (27, "XML error: invalid value of 'ephemeral'")),
        ("<secret><uuid>x</uuid></secret>", (1, "internal error: malformed uuid element")),
    ],
)
def test_what_is_refused(node1, xml, problem):
    node1.secretDefineXML(secret("a", CEPH))
    node1.secretDefineXML(secret("p", private="yes"))
    code, text = problem
    assert refusal(node1.secretDefineXML, xml) == error(text.format(a=key_of("a")), code)
    assert node1.numOfSecrets() == 2


def test_clients_are_told(front, node1):
    client = Client(front.socket("node1"))
    names = {
        number: name
        for kind, name in enumerate(("lifecycle", "changed"))
        for number in client.call("virConnectSecretEventRegisterAny", kind, None)
    }
    a = node1.secretDefineXML(secret("a", CEPH))
    a.setValue(b"x")
    a.undefine()
    told = []
    while len(told) < 3:
        header, payload = client.receive()
        if header.type == Type.EVENT:
            number, ref, *details = decode(OF_EVENTS[header.procedure].message, payload)
            told.append((names[number], ref, *details))
    ref = SecretRef(uuid.UUID(key_of("a")).bytes, 2, "client.admin")
    assert told == [("lifecycle", ref, 0, 0), ("changed", ref), ("lifecycle", ref, 1, 0)]
    client.call("virConnectSecretEventDeregisterAny", min(names))
    client.socket.close()


def test_faults_answer_for_them(cluster, node1):
    a = node1.secretDefineXML(secret("a"))
    cluster.fault("virSecretGetValue", result=b"other", times=1)
    assert a.value() == b"other"
    cluster.fault("virConnectListAllSecrets", result=[key_of("a"), a], times=1)
    assert [each.UUIDString() for each in node1.listAllSecrets()] == [key_of("a")] * 2
    assert repr(SecretRef(a.UUID(), 2, "client.admin")) == "<secret client.admin>"
    assert repr(SecretRef(a.UUID(), 0, "")) == f"<secret {key_of('a')}>"


@pytest.mark.skipif(not shutil.which("virsh"), reason="needs virsh: apt-get install libvirt-clients")
def test_virsh(front, tmp_path):
    def virsh(*words):
        done = subprocess.run(
            ["virsh", "-c", front.uri("node1"), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        return done.stdout.strip() or done.stderr.strip()

    (tmp_path / "a.xml").write_text(secret("a", CEPH))
    assert virsh("secret-define", str(tmp_path / "a.xml")) == f"Secret {key_of('a')} created"
    coded = base64.b64encode(b"open sesame").decode()
    assert virsh("secret-set-value", key_of("a"), coded).endswith("Secret value set")
    assert virsh("secret-get-value", key_of("a")) == coded
    assert key_of("a") in virsh("secret-list", "--no-private")
    assert virsh("secret-undefine", key_of("a")) == f"Secret {key_of('a')} deleted"
