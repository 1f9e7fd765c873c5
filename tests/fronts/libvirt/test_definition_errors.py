"""What a daemon says of XML that defines no domain."""

import itertools
import json
from pathlib import Path

import pytest

from pytest_fakehv.fronts.libvirt.errors import LibvirtError
from pytest_fakehv.fronts.libvirt.host.definition import Definition

RECORDED = json.loads((Path(__file__).parent / "refused.json").read_text())
"""What a real daemon with QEMU said: [what is wrong, the XML, code, origin, message, str1, str2, int1]."""


def refusal(xml: str) -> LibvirtError:
    with pytest.raises(LibvirtError) as caught:
        Definition.parse(xml, lambda: bytes(16))
    return caught.value


@pytest.mark.parametrize(("xml", "told"), [pytest.param(row[1], row[2:], id=row[0]) for row in RECORDED])
def test_it_is_refused_in_a_daemons_words(xml, told):
    error = refusal(xml)
    assert [error.code, error.domain, error.message, error.str1, error.str2, error.int1] == told
    assert (error.str3, error.level, error.int2) == (None, 2, -1)


MISTAKES = {
    "missing name information": {"name": ""},
    "internal error: malformed uuid element": {"uuid": "<uuid>1</uuid>"},
    "unsupported configuration: invalid domain type bogus": {"type": "bogus"},
    "unsupported configuration: unknown OS type 'x'": {"os": "<os><type>x</type></os>"},
    "XML error: Domain title can't contain newlines": {"title": "<title>a\nb</title>"},
    "XML error: Invalid value 'x' for element or attribute './memory[1]'": {"memory": "<memory>x</memory>"},
    "XML error: Invalid value 'x' for element or attribute './currentMemory[1]'": {
        "current": "<currentMemory>x</currentMemory>"
    },
    "XML error: maximum vcpus count must be an integer": {"vcpu": "<vcpu>x</vcpu>"},
    "unsupported configuration: Invalid mode attribute 'x'": {"cpu": "<cpu mode='x'/>"},
    "internal error: CPU IDs in <numa> exceed the <vcpu> count": {"vcpu": "<vcpu>0</vcpu>"},
    "unsupported configuration: unexpected feature 'x'": {"features": "<features><x/></features>"},
    "unsupported configuration: unknown on_crash action: x": {"on": "<on_crash>x</on_crash>"},
    "unsupported configuration: unknown clock offset 'x'": {"clock": "<clock offset='x'/>"},
    "XML error: Invalid value for attribute 'dev' in element 'boot': 'x'.": {
        "os": "<os><type>hvm</type><boot dev='x'/></os>"
    },
    "XML error: Invalid value for attribute 'type' in element 'disk': 'x'.": {"disk": "<disk type='x'/>"},
    "XML error: Invalid value for attribute 'type' in element 'controller': 'x'.": {
        "controller": "<controller type='x'/>"
    },
    "XML error: unable to parse mac address 'x'": {"interface": "<interface><mac address='x'/></interface>"},
    "unsupported configuration: unknown type presented to host for character device: x": {
        "serial": "<serial type='x'/>"
    },
    "unsupported configuration: unknown input device type 'x'": {"input": "<input type='x'/>"},
    "XML error: Invalid value for attribute 'type' in element 'graphics': 'x'.": {
        "graphics": "<graphics type='x'/>"
    },
    "unsupported configuration: unknown video model 'x'": {"video": "<video><model type='x'/></video>"},
    "XML error: Invalid value for attribute 'model' in element 'memballoon': 'x'.": {
        "balloon": "<memballoon model='x'/>"
    },
    "Cannot check QEMU binary /x: No such file or directory": {"emulator": "<emulator>/x</emulator>"},
    "unsupported configuration: No emulator found for arch 'aarch64'": {
        "os": "<os><type arch='aarch64'>hvm</type></os>"
    },
    "unsupported configuration: vcpu 0 can't be offline": {"vcpu": "<vcpu current='0'>2</vcpu>"},
    "XML error: Unknown disk name 'x' and no address specified": {
        "disk": "<disk><source file='/x'/><target dev='x'/></disk>"
    },
    "XML error: Memory size must be specified via <memory> or in the <numa> configuration": {"memory": ""},
    "XML error: both maximum memory size and memory slot count must be specified": {
        "most": "<maxMemory>131072</maxMemory>"
    },
    "XML error: No PCI buses available": {"os": "<os><type machine='x'>hvm</type></os>"},
    "XML error: name a/b cannot contain '/'": {"name": "<name>a/b</name>"},
    "unsupported configuration: Emulator '/usr/bin/qemu-system-x86_64' does not support virt type 'xen'": {
        "type": "xen"
    },
    "unsupported configuration: qemu driver doesn't support the 'preserve' action for "
    "'on_reboot'/'on_poweroff'": {"on": "<on_reboot>preserve</on_reboot>"},
    "unsupported configuration: Maximum CPUs greater than specified machine type limit 255": {
        "vcpu": "<vcpu>300</vcpu>"
    },
    "unsupported configuration: CPU topology doesn't match maximum vcpu count": {
        "cpu": "<cpu><topology sockets='2' cores='2' threads='1'/></cpu>"
    },
    "missing source information for device vda": {"disk": "<disk><target dev='vda'/></disk>"},
    "invalid char in name: \n": {"name": "<name>a\nb</name>"},
}
"""One mistake each, in the order in which a real daemon finds them."""


def domain(**parts: str) -> str:
    parts = {
        "type": "qemu",
        "name": "<name>a</name>",
        "memory": "<memory>65536</memory>",
        "os": "<os><type>hvm</type></os>",
        **parts,
    }
    kind = parts.pop("type")
    devices = (
        "emulator",
        "disk",
        "controller",
        "interface",
        "serial",
        "input",
        "graphics",
        "video",
        "balloon",
    )
    inner = "".join(parts.pop(each, "") for each in devices)
    return f"<domain type='{kind}'>{''.join(parts.values())}<devices>{inner}</devices></domain>"


@pytest.mark.parametrize("message", MISTAKES)
def test_of_two_mistakes_the_one_is_told_that_a_daemon_finds_first(message):
    first = MISTAKES[message]
    assert refusal(domain(**first)).message == message
    later = itertools.dropwhile(lambda each: each[0] != message, MISTAKES.items())
    told = {
        refusal(domain(**{**second, **first})).message for _, second in later if not first.keys() & second
    }
    assert told <= {message}


class TestWhatNoDaemonTakesSoHere:
    def test_a_document_type_is_refused_where_it_stands(self):
        error = refusal("<?xml version='1.0'?>\n<!DOCTYPE domain>\n<domain/>")
        assert (error.code, error.domain) == (35, 20)
        assert error.message == (
            "(domain_definition):2: a document type declaration is not allowed\n<!DOCTYPE domain>\n^"
        )

    def test_an_entity_is_never_replaced(self):
        laughs = "".join(f"<!ENTITY l{n + 1} '{f'&l{n};' * 10}'>" for n in range(1, 30))
        error = refusal(f"<!DOCTYPE d [<!ENTITY l1 'lol'>{laughs}]><domain><name>&l30;</name></domain>")
        assert error.message.startswith(
            "(domain_definition):1: a document type declaration is not allowed\n<!DOCTYPE d ["
        )

    def test_a_file_is_never_read(self, tmp_path):
        (tmp_path / "secret").write_text("hush")
        error = refusal(
            f"<!DOCTYPE d [<!ENTITY x SYSTEM '{tmp_path}/secret'>]><domain><name>&x;</name></domain>"
        )
        assert "a document type declaration is not allowed" in error.message
        assert "hush" not in error.message

    def test_a_document_of_more_bytes_than_a_message_takes(self):
        error = refusal(f"<domain><description>{'x' * 20 * 2**20}</description></domain>")
        assert (error.code, error.domain) == (27, 10)
        assert error.message == "XML error: the document has 20971564 bytes, the most is 4194304"

    def test_what_no_utf_8_can_say(self):
        error = refusal("<domain><name>a\udc80</name></domain>")
        assert (error.code, error.domain) == (35, 20)
        assert error.message == (
            "(domain_definition):1: not well-formed (invalid token)\n<domain><name>a���</name></domain>\n"
            "---------------^"
        )


class TestMuchOfSomething:
    """None of it takes long, which a test with a time limit shows."""

    def test_a_long_name_of_a_disk(self):
        name = "vd" + "z" * 10**6
        error = refusal(domain(disk=f"<disk><source file='/x'/><target dev='{name}'/></disk>"))
        assert error.message == f"XML error: Unknown disk name '{name}' and no address specified"

    def test_a_long_name_of_an_emulator(self):
        name = f"/{'qemu' * 250_000}/x"
        error = refusal(domain(emulator=f"<emulator>{name}</emulator>"))
        assert error.message == f"Cannot check QEMU binary {name}: No such file or directory"

    @pytest.mark.parametrize("piece", ["<a/>", "\n<a/>", "&amp;", "]", "x", "<a b='xxxxx'/>", "<!-- x -->"])
    def test_what_is_malformed_at_its_end(self, piece):
        xml = f"<domain>{piece * (2**20 // len(piece))}"
        error = refusal(xml)
        assert (error.code, error.domain) == (35, 20)
        line = xml.rpartition("\n")[2]
        told = f"(domain_definition):{xml.count(chr(10)) + 1}: no element found\n{line}\n{'-' * len(line)}^"
        assert error.message == told


def test_elements_may_be_in_one_another():
    deep = "<a>" * 252
    inner = f"<x xmlns='urn:x'>{deep}t{deep.replace('<', '</')}</x>"
    definition = Definition.parse(domain(metadata=f"<metadata>{inner}</metadata>"), lambda: bytes(16))
    assert definition.metadata("urn:x").count("<a>") == 252
    assert Definition.parse(definition.xml(), lambda: b"") == definition


def test_a_document_ends_at_a_nul_as_for_a_daemon():
    assert refusal("<domain>\0</domain>").message == (
        "(domain_definition):1: Premature end of data in tag domain line 1\n<domain>\n--------^"
    )


def test_elements_in_one_another_are_limited():
    deep = "<a>" * 255
    xml = domain(metadata=f"<metadata>{deep}{deep.replace('<', '</')}</metadata>")
    told = refusal(xml).message.partition("\n")[0]
    assert told == "(domain_definition):1: Excessive depth in document: 256 use XML_PARSE_HUGE option"
