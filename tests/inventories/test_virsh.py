"""What virsh says."""

import pytest

NODEINFO = """\
CPU model:           x86_64
CPU(s):              40
CPU frequency:       1200 MHz
CPU socket(s):       1
Core(s) per socket:  10
Thread(s) per core:  2
NUMA cell(s):        2
Memory size:         264037316 KiB
"""

LIST = """\
 Id   Name    State
------------------------
 1    web1    running
 2    web2    paused
 -    db1     shut off      My title
 -    db2     crashed
"""

DOMINFO = """\
Id:             1
Name:           web1
UUID:           7c7fadc2-53f0-4b26-a382-c1d0b04d9fc2
OS Type:        hvm
State:          running
CPU(s):         2
CPU time:       262.8s
Max memory:     2097152 KiB
Used memory:    1048576 KiB
Persistent:     yes
Managed save:   no
Security model: none
"""

NODE = {"name": "hv1", "memory": 257848, "cpus": 40, "cpu_nodes": 2, "cpu_sockets": 1}
INSTANCES = [
    {"name": "web1", "node": "hv1", "memory": 2048, "vcpus": 2, "state": "running"},
    {"name": "web2", "node": "hv1", "state": "paused"},
    {"name": "db1", "node": "hv1", "state": "stopped"},
    {"name": "db2", "node": "hv1", "state": "stopped"},
]


@pytest.mark.parametrize(
    "contents",
    [(NODEINFO, LIST, DOMINFO), (NODEINFO + "\n" + LIST + "\n" + DOMINFO,), (LIST + DOMINFO + NODEINFO,)],
)
def test_of_a_node(make, contents):
    made = make(*contents, args=[f"hv1={number}" for number in range(len(contents))])
    assert made.tables == {"node": [NODE], "instance": INSTANCES}
    assert made.said == [
        "instance whose state is 'crashed'; stopped: db2",
        "instance whose memory is not known; 1024 MiB: db1, db2, web2",
        "instance whose CPUs are not known; 1: db1, db2, web2",
    ]


def test_of_a_node_that_nothing_names(make):
    made = make(NODEINFO, DOMINFO)
    assert made.tables == {
        "node": [{**NODE, "name": "node1"}],
        "instance": [{"name": "web1", "memory": 2048, "vcpus": 2, "state": "running"}],
    }
    assert made.said == [
        "node that nothing names; say NODE=FILE: node1",
        "instance of which nothing says on which node it is; on the first: web1",
    ]


def test_a_domain_of_one_name_on_two_nodes(make):
    made = make(LIST, LIST, args=["hv1=0", "hv2=1"])
    assert made.instance("web1")["node"] == "hv1"
    assert made.instance("web1-hv2")["node"] == "hv2"
    assert "instance whose name another one has; web1-hv2: web1" in made.said


@pytest.mark.parametrize(
    ("memory", "mib"), [("8388608 KiB", 8192), ("8388608 kB", 8192), ("32768 MiB", 32768), ("8 GiB", 8192)]
)
def test_units(make, memory, mib):
    made = make(f"CPU model: x86_64\nMemory size: {memory}\n", args=["--virsh=hv1=0"])
    assert made.node("hv1")["memory"] == mib


def test_names_with_spaces(make):
    listed = " Id   Name      State\n---\n 3    my  vm    in shutdown   Mine\n -    win 10   shut off\n"
    domain = "Id:  3\nName:           my  vm\nState:          running\nMax memory:     1024 KiB\n"
    assert make(listed + domain, args=["hv1=0"]).tables["instance"] == [
        {"name": "my  vm", "node": "hv1", "memory": 1, "state": "running"},
        {"name": "win 10", "node": "hv1", "state": "stopped"},
    ]


def test_an_unknown_state(make):
    made = make(" Id Name State\n---\n 1  web1 beaming\n")
    assert "instance whose state is 'beaming'; running: web1" in made.said


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("CPU model: x86_64\nMemory size: much\n", "0:2: 'much' is no memory, such as '8388608 KiB'"),
        ("CPU model: x86_64\nCPU(s): many\n", "0:2: 'many' is no number"),
        (
            " Id Name State\n\n 1 web1 running\nerror: failed\n",
            "0:4: it is neither a line of virsh list, nor one of nodeinfo or dominfo, in English (LC_ALL=C)",
        ),
        (
            "OS Type: hvm\nwhat is that\n",
            "0:2: it is neither a line of virsh list, nor one of nodeinfo or dominfo, in English (LC_ALL=C)",
        ),
    ],
)
def test_what_can_not_be_read(refused, content, problem):
    assert refused(content) == problem
