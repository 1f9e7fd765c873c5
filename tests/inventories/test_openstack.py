"""What OpenStack's client says."""

import json

import pytest

HYPERVISORS = [
    {
        "ID": 1,
        "Hypervisor Hostname": "compute1.lab.local",
        "Hypervisor Type": "QEMU",
        "Host IP": "192.0.2.31",
        "State": "up",
        "vCPUs Used": 2,
        "vCPUs": 32,
        "Memory MB Used": 4096,
        "Memory MB": 257840,
    },
    {
        "ID": 2,
        "Hypervisor Hostname": "compute2.lab.local",
        "Hypervisor Type": "QEMU",
        "Host IP": "192.0.2.32",
        "State": "down",
    },
]

SERVERS = [
    {"ID": f"{number}05d3d6a-8e5b-4a83-add8-88e6a24d13a3", "Name": name, "Status": status, **more}
    for number, (name, status, more) in enumerate(
        [
            ("web", "ACTIVE", {"Host": "compute1", "Flavor Name": "m1.small", "Power State": 1}),
            ("web", "SHUTOFF", {"Host": "compute2.lab.local", "Flavor": "m1.small", "Power State": 4}),
            ("web", "PAUSED", {"Host": "compute2", "Flavor ID": "2", "Power State": 3}),
            ("a/b", "ERROR", {"Host": None, "Flavor Name": "m1.big", "Power State": 0}),
            ("late", "RESIZE", {"Host": "compute1", "Flavor Name": "m1.small", "Power State": "Running"}),
        ]
    )
]

FLAVORS = [{"ID": "2", "Name": "m1.small", "RAM": 2048, "Disk": 20, "VCPUs": 1, "Is Public": True}]


def table(rows):
    """Show rows as the client does."""
    titles = list(dict.fromkeys(key for row in rows for key in row))
    cells = [titles, *([str(row.get(key, "")) for key in titles] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    line = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    shown = [
        "|" + "|".join(f" {cell:{width}} " for cell, width in zip(row, widths, strict=True)) + "|"
        for row in cells
    ]
    return "\n".join([line, shown[0], line, *shown[1:], line, ""])


@pytest.mark.parametrize("form", [json.dumps, lambda rows: json.dumps(rows, indent=2), table])
def test_hypervisors_servers_and_flavors(make, form):
    made = make(form(HYPERVISORS), form(SERVERS), form(FLAVORS))
    small = {"memory": 2048, "vcpus": 1}
    assert made.tables == {
        "node": [
            {"name": "compute1.lab.local", "memory": 257840, "cpus": 32, "address": "192.0.2.31"},
            {"name": "compute2.lab.local", "address": "192.0.2.32"},
        ],
        "instance": [
            {"name": "web", "node": "compute1.lab.local", **small, "state": "running"},
            {"name": "web-compute2.lab.local", "node": "compute2.lab.local", **small, "state": "stopped"},
            {"name": "web-compute2", "node": "compute2.lab.local", **small, "state": "paused"},
            {"name": "a_b", "state": "stopped"},
            {"name": "late", "node": "compute1.lab.local", **small, "state": "running"},
        ],
    }
    assert made.said == [
        "node whose state is down; as any other: compute2.lab.local",
        "instance whose status is ERROR; stopped: a/b",
        "instance whose status is RESIZE; running: late",
        "instance whose name another one has; web-compute2.lab.local: web",
        "instance whose name another one has; web-compute2: web",
        "instance of which nothing says on which node it is; on the first: a/b",
        "instance whose name can't be that of a file; a_b: a/b",
        "instance whose memory is not known; 1024 MiB: a_b",
        "instance whose CPUs are not known; 1: a_b",
        "node whose memory is not known; 65536 MiB: compute2.lab.local",
        "node whose CPUs are not known; 16: compute2.lab.local",
    ]


def test_flavors_without_their_ids(make):
    flavors = [{key: value for key, value in each.items() if key != "ID"} for each in FLAVORS]
    assert make(json.dumps(SERVERS[:1]), table(flavors)).instance("web")["memory"] == 2048


def test_servers_alone(make):
    made = make(json.dumps(SERVERS[:1]))
    assert made.tables == {
        "node": [{"name": "compute1"}],
        "instance": [{"name": "web", "node": "compute1", "state": "running"}],
    }
    assert "node that is known by its instances alone: compute1" in made.said


@pytest.mark.parametrize(
    ("node", "host", "meant"),
    [
        ("compute1.lab.local", "compute1", "compute1.lab.local"),
        ("compute1", "compute1.lab.local", "compute1"),
        ("192.0.2.1", "192.0.2.10", "192.0.2.10"),
        ("compute1.lab.local", "compute1.other.local", "compute1.other.local"),
        ("compute10", "compute1", "compute1"),
    ],
)
def test_names_with_and_without_a_domain(make, node, host, meant):
    made = make(json.dumps([{"Hypervisor Hostname": node}]), json.dumps([{**SERVERS[0], "Host": host}]))
    assert made.instance("web")["node"] == meant


def test_many_of_one_name_on_one_node(make):
    made = make(json.dumps([{**SERVERS[0], "ID": f"12345678-{each}"} for each in "aabcde"]))
    names = [each["name"] for each in made.tables["instance"]]
    assert names == ["web", "web-compute1", "web-12345678", "web-2", "web-3"]


def test_a_row_that_goes_on(make):
    made = make(
        "+----+-------+--------+---------+\n"
        "| ID | Name  | Status | Host    |\n"
        "+----+-------+--------+---------+\n"
        "| 1  | web-  | ACTIVE | compute |\n"
        "|    | front |        | 1       |\n"
        "+----+-------+--------+---------+\n"
    )
    assert made.instance("web-front")["node"] == "compute1"


def test_a_server_without_a_name(make):
    assert make('[{"ID": "a5", "Name": "", "Status": ""}]').said[0] == (
        "instance whose status is missing; stopped: a5"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"ID": 1}, ', "0: it is no JSON: Expecting value: line 1 column 13 (char 12)"),
        ("[ " * 100_000, "0: it is nested too deep"),
        ("[ 5 ]", "0: it is no list of objects, as openstack ... -f json prints it"),
        (
            '[{"ID": 1}]',
            (
                "0: it is none of the lists of servers, hypervisors and flavors, whose columns have "
                "Name and Status, Hypervisor Hostname, or RAM and VCPUs"
            ),
        ),
        ('[{"Hypervisor Hostname": null}]', "0: a hypervisor has no Hypervisor Hostname"),
        ('[{"Name": "a", "RAM": "big", "VCPUs": 1}]', "0: 'big' is no whole number"),
        (
            "+---+---+\n| Name | Status |\n+---+---+\n| a |\n",
            "0:4: it has 1 columns, not 2: Name, Status",
        ),
    ],
)
def test_what_can_not_be_read(refused, content, problem):
    assert refused(content) == problem
