"""What Ansible's inventories say."""

import json
import sys

import pytest

INI = """\
# every host
lonely.example.com

[kvm]
hv[01:03].example.com memory=262144 cpus=64
hv04.example.com:2222 memory=262144 cpus=64 ansible_host=192.0.2.4 comment="a b"  # as it is

[vms]
web-[a:c] hypervisor=hv01.example.com
; the data
db1 kvm_host=hv02.example.com memory=16G

[prod:children]
kvm
vms

[vms:vars]
vcpus = 2
memory=4096
"""

YAML = """\
all:
  hosts:
    lonely.example.com:
  children:
    prod:
      children:
        kvm:
          vars: {memory: 262144, cpus: 64}
          hosts:
            hv[01:03].example.com:
            hv04.example.com: {ansible_host: 192.0.2.4}
        vms:
          vars: {vcpus: 2, memory: 4096}
          hosts:
            web-[a:c]: {hypervisor: hv01.example.com}
            db1: {kvm_host: hv02.example.com, memory: 16G}
"""

KVM = [f"hv0{number}.example.com" for number in range(1, 5)]
JSON = {
    "_meta": {
        "hostvars": {
            **{name: {"memory": "lots", "ansible_memtotal_mb": 262144, "cpus": 64} for name in KVM[:3]},
            KVM[3]: {"ansible_memtotal_mb": "262144", "cpus": "64", "ansible_host": "192.0.2.4"},
            **{f"web-{letter}": {"hypervisor": KVM[0]} for letter in "abc"},
            "db1": {"vm_host": KVM[1], "memory": "16G"},
            "lonely.example.com": {},
        }
    },
    "all": {"children": ["ungrouped", "prod"]},
    "ungrouped": {"hosts": ["lonely.example.com"]},
    "prod": {"children": ["kvm", "vms", "prod", "nowhere"]},
    "kvm": {"hosts": KVM},
    "vms": {"hosts": ["web-a", "web-b", "web-c", "db1"], "vars": {"vcpus": 2, "memory": 4096}},
}

NODE = {"memory": 262144, "cpus": 64, "tags": ["prod", "kvm"]}
WEB = {"node": KVM[0], "memory": 4096, "vcpus": 2, "tags": ["prod", "vms"]}


def sorted_tags(tables):
    """The order of groups is not the same everywhere."""
    for table in (*tables["node"], *tables["instance"]):
        table["tags"] = sorted(table.get("tags", []))
    return tables


@pytest.mark.parametrize("content", [INI, YAML, json.dumps(JSON)], ids=["ini", "yaml", "json"])
def test_nodes_and_instances(make, content):
    made = make(content, args=["0", "--node-group=kvm", "--instance-group=vms"])
    assert sorted_tags(made.tables) == sorted_tags(
        {
            "node": [
                *({"name": name, **NODE} for name in KVM[:3]),
                {"name": KVM[3], **NODE, "address": "192.0.2.4"},
            ],
            "instance": [
                *({"name": f"web-{letter}", **WEB} for letter in "abc"),
                {"name": "db1", **WEB, "node": KVM[1], "memory": 16384},
            ],
        }
    )
    assert made.said == [
        "host of no group that is nodes or instances; left out: lonely.example.com",
        "instance whose state is not known; running: db1, web-a, web-b, web-c",
    ]


def test_all_hosts_are_nodes_unless_somebody_says_more(make):
    made = make(INI)
    assert [each["name"] for each in made.tables["node"]] == [
        "lonely.example.com",
        *KVM,
        "web-a",
        "web-b",
        "web-c",
        "db1",
    ]
    assert "instance" not in made.tables


def test_addresses_that_are_no_nodes_own(make):
    made = make(
        "[kvm]\na ansible_host=192.0.2.1\nb ansible_host=192.0.2.1\nc ansible_host=c\nd ansible_host=a\n"
    )
    assert [each.get("address") for each in made.tables["node"]] == ["192.0.2.1", None, None, None]
    assert made.said[0] == "node whose memory is not known; 65536 MiB: a, b, c, d"
    assert "node whose address, 192.0.2.1, is another one's; without one: b" in made.said


def test_without_pyyaml(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert refused(YAML) == (
        "0: to read YAML, PyYAML is needed: pip install pyyaml; or give ansible-inventory --list"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[kvm]\nhv1 memory\n", "0:2: 'memory' is no variable, such as memory=65536"),
        ("[kvm]\nhv1 a='b\n", "0:2: No closing quotation"),
        ("[kvm]\nhv[1:a]\n", "0:2: [1:a] is no range, such as [01:20] or [a:f]"),
        ("[kvm]\nhv[1:9:0]\n", "0:2: [1:9:0] is no range, such as [01:20] or [a:f]"),
        ("[kvm]\nhv[1:900000]\n", "0:2: [1:900000] stands for 900000 hosts, the most is 100000"),
        ('{"kvm": ', "0: it is no JSON: Expecting value: line 1 column 9 (char 8)"),
        ('{"kvm": []}', "0: group 'kvm' is not as ansible-inventory --list has it"),
        ('{"kvm": {"hosts": {}}}', "0: group 'kvm' is not as ansible-inventory --list has it"),
        ('{"_meta": []}', "0: _meta is not as ansible-inventory --list has it"),
        ("all:\n  hosts:\n  - a\n", "0: group 'all' must have hosts, children and vars, each a mapping"),
        ("all:\n  hosts: [\n", "0:3: it is no YAML: expected the node content, but found '<stream end>'"),
        ("all:\n  hosts:\n    a: 5\n", "0: the variables of 'a' must be a mapping, not 5"),
        ("all: &all\n  children:\n    a: *all\n", "0: its groups are nested too deep"),
        ("all:\n  hosts: " + "[" * 5000, "0: it is nested too deep"),
        (
            "all:\n  hosts: \x00\n",
            (
                "0: it is no YAML: unacceptable character #x0000: special characters are not allowed in "
                '"<unicode string>", position 14'
            ),
        ),
        ('{"a": ' + "[" * 100_000, "0: it is nested too deep"),
        ('{"_meta": {"hostvars": {"a": 5}}}', "0: _meta is not as ansible-inventory --list has it"),
        ("- a:\n    hosts: {}\n", "0: groups must be a mapping by name, not [{'a': {'hosts': {}}}]"),
    ],
)
def test_what_can_not_be_read(refused, content, problem):
    assert refused(content) == problem


def test_a_group_that_is_not_there(refused):
    assert refused(INI, args=["0", "--node-group=xen"]) == (
        "0: no group is named 'xen'; there are: kvm, prod, ungrouped, vms"
    )
    assert refused("{}", args=["0", "--node-group=xen"]) == "0: no group is named 'xen'; there are none"
