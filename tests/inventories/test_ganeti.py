"""What Ganeti's lists say."""

import pytest

NODES = """\
$ gnt-node list
Node              DTotal DFree MTotal MNode MFree Pinst Sinst
node1.example.org 223.4G 96.4G  64.0G  5.4G 52.7G     2     0
node2.example.org 223.4G 96.4G   1.9T  186M  587M     0     2
node3.example.org      *     *      *     *     *     0     0
node4.example.org      ?     ?      ?     ?     ?     0     0
"""

INSTANCES = """\
Instance  Hypervisor OS          Primary_node      Status     Memory
web1      kvm        debootstrap node1.example.org running      128M
web2      kvm        debootstrap node1.example.org ADMIN_down      -
db1       kvm        debootstrap node2.example.org ERROR_down      -
"""


def test_the_default_columns(make):
    made = make(NODES, INSTANCES)
    assert made.tables == {
        "node": [
            {"name": "node1.example.org", "memory": 65536},
            {"name": "node2.example.org", "memory": 1992294},
            {"name": "node3.example.org"},
            {"name": "node4.example.org"},
        ],
        "instance": [
            {"name": "web1", "node": "node1.example.org", "memory": 128, "state": "running"},
            {"name": "web2", "node": "node1.example.org", "state": "stopped"},
            {"name": "db1", "node": "node2.example.org", "state": "stopped"},
        ],
    }
    assert made.comments == made.said
    assert made.said == [
        "node that is offline; as any other: node3.example.org",
        "instance whose status is ERROR_down; stopped: db1",
        "instance whose CPUs are not known; 1: db1, web1, web2",
        "instance whose memory is not known; 1024 MiB: db1, web2",
        (
            "node whose CPUs are not known; 16: node1.example.org, node2.example.org, node3.example.org, "
            "node4.example.org"
        ),
        "node whose memory is not known; 65536 MiB: node3.example.org, node4.example.org",
    ]


def without_titles(text):
    return "".join(each for each in text.splitlines(keepends=True) if each.split()[0] not in "$NodeInstance")


def test_without_titles(make):
    assert make(without_titles(NODES), without_titles(INSTANCES)) == make(NODES, INSTANCES)


@pytest.mark.parametrize("separator", [":", "|", ",", ";", "\t", "@"])
def test_with_a_separator(make, separator):
    nodes, instances = (
        "".join(separator.join(line.split()) + "\n" for line in text.splitlines() if line[0] != "$")
        for text in (NODES, INSTANCES)
    )
    option = [f"--separator={separator}"] if separator == "@" else []
    expected = make(NODES, INSTANCES)
    assert make(nodes, instances, args=["0", "1", *option]) == expected
    bare = [text.partition("\n")[2] for text in (nodes, instances)]
    assert make(*bare, args=["--gnt-node=0", "--gnt-instance=1", *option]) == expected


def test_other_columns(make):
    made = make(
        "Node  MTotal CTotal CNodes CSockets PrimaryIP  Role Tags\n"
        "node1 257840     40      2        2 192.0.2.1  M    rack1,ssd\n"
        "node2 257840     40      2        2 192.0.2.2  O\n",
        "Instance Primary_node ConfigMaxMem ConfigMinMem ConfigVCPUs Status       Tags\n"
        "web1     node1                4.0G         2.0G           2 ERROR_up     web\n"
        "web2     node2                4.0G         8.0G           2 ADMIN_strange\n",
    )
    assert made.tables["node"] == [
        {
            "name": "node1",
            "memory": 257840,
            "cpus": 40,
            "address": "192.0.2.1",
            "cpu_nodes": 2,
            "cpu_sockets": 2,
            "tags": ["rack1", "ssd"],
        },
        {
            "name": "node2",
            "memory": 257840,
            "cpus": 40,
            "address": "192.0.2.2",
            "cpu_nodes": 2,
            "cpu_sockets": 2,
        },
    ]
    assert made.tables["instance"] == [
        {
            "name": "web1",
            "node": "node1",
            "memory": 4096,
            "min_memory": 2048,
            "vcpus": 2,
            "state": "running",
            "tags": ["web"],
        },
        {"name": "web2", "node": "node2", "memory": 4096, "vcpus": 2, "state": "running"},
    ]
    assert made.said == [
        "node that is offline; as any other: node2",
        "instance whose status is ERROR_up; running: web1",
        "instance whose status is ADMIN_strange; running: web2",
    ]


def test_other_columns_without_titles(make):
    made = make(
        "node1:65536:8\n",
        "web1:node1:4096:running\n",
        args=[
            *("--gnt-node=0", "--node-fields=name,mtotal,ctotal"),
            *("--gnt-instance=1", "--instance-fields=name,pnode,be/memory,status"),
        ],
    )
    assert made.tables == {
        "node": [{"name": "node1", "memory": 65536, "cpus": 8}],
        "instance": [{"name": "web1", "node": "node1", "memory": 4096, "state": "running"}],
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("Node  MTotal\nnode1 64.0G\nnode2 many\n", "0:3: 'many' is no memory, such as '64.0G' or '65536'"),
        ("Node  CTotal\nnode1 1.5\n", "0:2: '1.5' is no number of CPUs"),
        ("Node  MTotal CTotal\nnode1 64.0G\n", "0:2: it has 2 columns, not 3: Node, MTotal, CTotal"),
    ],
)
def test_what_can_not_be_read(refused, content, problem):
    assert refused(content) == problem


def test_columns_without_the_name(refused):
    said = refused("64.0G 5\n", args=["--gnt-node=0", "--node-fields=mtotal,pinst_cnt"])
    assert said == "0:1: no column has the name; there are: mtotal, pinst_cnt"
