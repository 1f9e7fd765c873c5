"""The command itself: what it is given, and what is said of what can't be."""

import io
import subprocess
import sys

import pytest

NODES = "Node  MTotal CTotal\nnode1  64.0G     16\n"


def test_from_the_standard_input(make, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(NODES.encode())))
    assert make(args=["-"]).tables == {"node": [{"name": "node1", "memory": 65536, "cpus": 16}]}


def test_as_people_run_it_and_use_what_it_makes(pytester):
    (pytester.path / "nodes.txt").write_text(NODES)
    command = [sys.executable, "-m", "pytest_fakehv", "topology", "nodes.txt"]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b'[[node]]\nname = "node1"\nmemory = 65536\ncpus = 16\n'
    (pytester.path / "cluster.toml").write_bytes(done.stdout)
    pytester.makepyfile("def test_it(fakehv): assert fakehv.name == 'node1'")
    pytester.runpytest_subprocess("--fakehv-topology=cluster.toml").assert_outcomes(passed=1)


def test_odd_names(make):
    """They are as they were, in what TOML can take."""
    made = make(
        "[kvm]\n'n\"1\\é' memory=1G cpus=1\n",
        '[{"Name": "a\\u007f\\n", "Status": "\\u001b[1m"}]'.replace("\\n", ""),
    )
    assert made.node('n"1\\é')["memory"] == 1024
    assert made.instance("a\x7f")["state"] == "stopped"
    assert "instance whose status is \\x1b[1m; stopped: a\\x7f" in made.said


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "0: there is nothing in it"),
        (
            "hello world\n",
            (
                "0: it looks like no inventory; say of which kind it is: "
                "--gnt-node, --gnt-instance, --virsh, --openstack, --ansible"
            ),
        ),
        (b"\xff", "0: it is not UTF-8: invalid start byte at byte 0"),
        ("[]", "there is neither a node nor an instance in it"),
        (
            "Node MTotal\nn{n} 1.0G\n",
            "[[node]] number 1: name 'n{n}' has a number, which needs a count",
        ),
    ],
)
def test_what_is_refused(refused, content, problem):
    assert refused(content) == problem


def test_what_can_not_be_opened(refused):
    assert refused(args=["none.txt"]) == "none.txt: No such file or directory"
    assert refused(args=["."]) == ".: it is a folder, not a file"


def test_a_node_for_what_names_its_own(refused):
    assert refused(NODES, args=["hv1=0"]) == (
        "0: only what virsh says is of one node, hv1; this is of kind gnt-node"
    )


def test_files_and_options_in_any_order(make):
    others = [NODES.replace("node1", f"node{number}") for number in (2, 3, 4)]
    made = make(NODES, *others, args=["--gnt-node=1", "0", "--gnt-node", "2", "3"])
    assert {each["name"] for each in made.tables["node"]} == {"node1", "node2", "node3", "node4"}


def test_no_file(refused):
    assert refused(args=[]) == "name a file with an inventory, or - for the standard input"


def test_help(capsys):
    from pytest_fakehv.__main__ import main

    with pytest.raises(SystemExit) as caught:
        main(["topology", "--help"])
    assert caught.value.code == 0
    assert "--gnt-node" in capsys.readouterr().out
    for arguments in ([], ["topologies"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        assert "topology" in capsys.readouterr().err
