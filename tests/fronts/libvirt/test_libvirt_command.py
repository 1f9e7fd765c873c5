"""The command ``python -m pytest_fakehv libvirt``."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager

import pytest

from pytest_fakehv.text import shown

COMMAND = [sys.executable, "-m", "pytest_fakehv", "libvirt"]

ENDS_WITHIN = 30
"""Seconds of waiting, where something goes wrong."""


@pytest.fixture
def folder():
    """A folder of a short path, as sockets need one."""
    with tempfile.TemporaryDirectory(prefix="fakehv-") as path:
        yield path


@contextmanager
def served(*arguments, nodes=2):
    """Run the command; yield it, with the lines that it has printed."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process, [process.stdout.readline() for _ in range(nodes)]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_the_nodes_are_and_ends_in_silence(folder, number):
    directory = f"{folder}/s"
    with served("--dir", directory) as (process, lines):
        assert lines == [
            f"node1 qemu+unix:///system?socket={directory}/node1\n",
            f"node2 qemu+unix:///system?socket={directory}/node2\n",
        ]
        assert sorted(os.listdir(directory)) == ["node1", "node2"]
        assert os.stat(directory).st_mode & 0o777 == 0o700
        process.send_signal(number)
        assert process.communicate(timeout=ENDS_WITHIN) == ("", "")
        assert process.returncode == 0
    assert os.listdir(folder) == []


def test_a_second_signal_changes_nothing(folder):
    with served("--dir", folder) as (process, _):
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=ENDS_WITHIN) == ("", "")
        assert process.returncode == 0
    assert os.listdir(folder) == []


def test_there_must_be_somebody_to_tell(folder):
    command = " ".join([*COMMAND, "--dir", f"{folder}/s", ">&-"])
    ended = subprocess.run(
        command, shell=True, stderr=subprocess.PIPE, text=True, timeout=ENDS_WITHIN, check=False
    )
    assert (ended.returncode, ended.stderr) == (2, "the nodes can't be said on stdout: Bad file descriptor\n")
    assert os.listdir(folder) == []


def test_a_folder_that_was_there_stays(folder):
    with served("--dir", folder) as (process, _):
        process.terminate()
        process.communicate(timeout=ENDS_WITHIN)
    assert os.listdir(folder) == []


def test_a_temporary_folder_goes(folder, monkeypatch):
    monkeypatch.setenv("TMPDIR", folder)
    with served("--node", "a", nodes=1) as (process, lines):
        (made,) = os.listdir(folder)
        assert lines == [f"a qemu+unix:///system?socket={folder}/{made}/a\n"]
        process.terminate()
        assert process.wait(ENDS_WITHIN) == 0
    assert os.listdir(folder) == []


TOPOLOGY = """
[[node]]
name = "big1"
memory = "128G"

[[instance]]
name = "db1"
memory = 4096
"""


def test_clients_in_other_processes(folder):
    if not shutil.which("virsh"):
        pytest.skip("needs virsh: apt-get install libvirt-clients")
    with open(f"{folder}/t.toml", "w") as file:
        file.write(TOPOLOGY)
    with served("--topology", file.name, "--node", "other", "--clock", "manual") as (process, lines):
        (name, uri), (other, _) = map(str.split, lines)
        assert (name, other) == ("big1", "other")
        command = ["virsh", "-c", uri, "list --name; destroy db1; freecell"]
        run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=ENDS_WITHIN)
        assert run.stdout.split("\n\n") == ["db1", "Domain 'db1' destroyed", "Total: 134217728 KiB", ""]
        process.terminate()
        assert process.wait(ENDS_WITHIN) == 0


def test_it_ends_while_a_client_is_connected(folder):
    if not shutil.which("virsh"):
        pytest.skip("needs virsh: apt-get install libvirt-clients")
    with served("--dir", f"{folder}/s") as (process, lines):
        command = ["virsh", "-c", lines[0].split()[1]]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as client:
            client.stdin.write("hostname\n")
            client.stdin.flush()
            assert any("node1" in line for line in client.stdout)
            process.terminate()
            assert process.wait(ENDS_WITHIN) == 0
    assert os.listdir(folder) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_where_nobody_can_read_it_it_ends(folder):
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [*COMMAND, "--dir", f"{folder}/s"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=ENDS_WITHIN,
        )
    assert (run.returncode, run.stderr) == (2, "the nodes can't be said on stdout: No space left on device\n")
    assert os.listdir(folder) == []


def long_folder(folder):
    path = f"{folder}/{'x' * 60}"
    return ["--dir", path], f"the path of the sockets' folder has at most 60 bytes, not {shown(path)}\n"


def full_folder(folder):
    os.mkdir(f"{folder}/full")
    os.mkdir(f"{folder}/full/of")
    return ["--dir", f"{folder}/full"], f"'{folder}/full' is not empty; name a new or empty folder\n"


def file_for_a_folder(folder):
    open(f"{folder}/file", "w").close()
    return ["--dir", f"{folder}/file"], f"'{folder}/file' can't have the sockets: Not a directory\n"


def nowhere(folder):
    return ["--dir", f"{folder}/no/where"], (
        f"'{folder}/no/where' can't have the sockets: No such file or directory\n"
    )


def wrong_topology(folder):
    with open(f"{folder}/t.toml", "w") as file:
        file.write('[[nodes]]\nname = "node1"\n')
    return [
        "--topology",
        f"{folder}/t.toml",
    ], f"{folder}/t.toml: unknown key 'nodes'; valid: [[node]], [[instance]]\n"


def no_topology(folder):
    return ["--topology", f"{folder}/none.toml"], f"{folder}/none.toml: No such file or directory\n"


def same_name(_folder):
    return ["--node", "a", "--node", "b", "--node", "a"], "two nodes are named 'a'\n"


def wrong_name(_folder):
    return ["--node", "a/b"], "name is invalid: 'a/b': it contains '/'\n"


@pytest.mark.parametrize(
    "wrong",
    [
        long_folder,
        full_folder,
        file_for_a_folder,
        nowhere,
        wrong_topology,
        no_topology,
        same_name,
        wrong_name,
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, wrong):
    arguments, message = wrong(folder)
    before = sorted(os.walk(folder))
    run = subprocess.run(
        [*COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=ENDS_WITHIN
    )
    assert (run.returncode, run.stdout, run.stderr) == (2, "", message)
    assert sorted(os.walk(folder)) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nodes", "a"], "unrecognized arguments: --nodes a"),
        (["a"], "unrecognized arguments: a"),
        (["--node"], "argument --node: expected one argument"),
        (
            ["--clock", "fast"],
            "argument --clock: invalid choice: 'fast' (choose from 'polls', 'manual', 'real')",
        ),
    ],
)
def test_an_unknown_argument_is_named(arguments, message):
    run = subprocess.run(
        [*COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=ENDS_WITHIN
    )
    assert (run.returncode, run.stdout) == (2, "")
    said = run.stderr.splitlines()[-1].replace("'", "")  # a newer Python says choices without them
    assert said == f"python -m pytest_fakehv libvirt: error: {message}".replace("'", "")
