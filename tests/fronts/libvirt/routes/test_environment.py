"""Which URI leads to which node in subprocesses."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from standin import hosts

from pytest_fakehv.fronts.libvirt.environment import environment
from pytest_fakehv.fronts.libvirt.routes import Routes

pytestmark = pytest.mark.skipif(not shutil.which("virsh"), reason="virsh isn't there")

# By its name it is measured, too; then the package imports it before.
PROGRAM = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", "pytest_fakehv.fronts.libvirt.ssh"]

UNKNOWN = "ssh: Could not resolve hostname nosuch: Name or service not known"
DOWN = "ssh: connect to host node2 port {}: No route to host"

FAILED = "error: failed to connect to the hypervisor\nerror: {}\n"


@pytest.fixture
def own(folder):
    os.mkdir(path := f"{folder}/~")
    return path


@pytest.fixture
def env(routes, own, monkeypatch):
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    return environment(routes, own)


def virsh(env, *arguments, **options):
    command = ["virsh", "-q", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, **options)


def reached(env, *arguments, **options):
    """Return the name of the host that a command of virsh reaches."""
    done = virsh(env, *arguments, "hostname", **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("only_reads", [(), ("-r",)], ids=["", "only reads"])
@pytest.mark.parametrize(
    ("uri", "node"),
    [
        ("qemu+ssh://node1/system", "node1"),
        ("qemu+ssh://root@node2:2222/system?no_tty=1&no_verify=1&keyfile=/root/key", "node2"),
        ("qemu+ssh://NODE2/session", "node2"),
        ("qemu+ssh://two.example/system?mode=legacy", "node2"),
        ("qemu+ssh://node2/system?proxy=netcat&netcat=nc&socket=/run/libvirt/libvirt-sock", "node2"),
        ("qemu+ssh://192.0.2.1/system", "node1"),
        ("qemu+ssh:///system", "node1"),
        ("qemu+ssh://[::1]/system", "node1"),
    ],
)
def test_ssh_leads_to_a_node(env, only_reads, uri, node):
    assert reached(env, *only_reads, "-c", uri) == node


def test_a_connection_tells_the_uri_that_the_program_gave(env):
    assert virsh(env, "-c", "qemu+ssh://root@node2/system", "uri").stdout == "qemu+ssh://root@node2/system\n"


def test_much_passes_through(there, env):
    there["node2"].name = "n" * 3_000_000
    assert reached(env, "-c", "qemu+ssh://node2/system") == there["node2"].name


def test_what_names_nothing_reaches_the_node_that_programs_run_as(routes, own, env):
    assert reached(env) == "node1"
    routes.here = "node2"
    assert reached(environment(routes, own)) == "node2"
    assert reached(environment(routes, own), "-c", "qemu+ssh://localhost/system") == "node2"


def test_or_where_the_default_uri_leads(there, routes, own, monkeypatch):
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu+tls://node2/system")
    env = environment(routes, own)
    assert env["LIBVIRT_DEFAULT_URI"] == routes.uri("node2")
    assert reached(env) == "node2"
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
    assert environment(routes, own)["LIBVIRT_DEFAULT_URI"] == "test:///default"


def test_so_it_is_with_virshs_own_default(there, routes, own, monkeypatch):
    assert "VIRSH_DEFAULT_CONNECT_URI" not in environment(routes, own)
    monkeypatch.setenv("VIRSH_DEFAULT_CONNECT_URI", "qemu+tcp://node2/system")
    assert reached(environment(routes, own)) == "node2"


def test_an_unknown_host_is_refused_as_ssh_refuses_it(env):
    done = virsh(env, "-c", "qemu+ssh://nosuch/system", "hostname")
    assert done.stderr == FAILED.format(f"Cannot recv data: {UNKNOWN}: Connection reset by peer")


def test_so_is_a_node_that_is_down(there, env):
    there["node2"].crash()
    done = virsh(env, "-c", "qemu+ssh://node2:2222/system", "hostname")
    assert done.stderr == FAILED.format(f"Cannot recv data: {DOWN.format(2222)}: Connection reset by peer")
    there["node2"].boot()
    assert reached(env, "-c", "qemu+ssh://node2:2222/system") == "node2"


def test_a_node_that_came_later_is_found_from_the_next_environment_on(there, routes, own, env):
    there.nodes["web"] = (set(), there["node2"].path)
    assert "nosuch" not in virsh(env, "-c", "qemu+ssh://web/system", "hostname").stdout
    assert reached(environment(routes, own), "-c", "qemu+ssh://web/system") == "node2"


@pytest.mark.parametrize("uid", [0, 1000])
def test_only_a_user_who_is_not_root_needs_another_folder_for_sockets(routes, own, monkeypatch, uid):
    monkeypatch.setattr("pytest_fakehv.machine.Os.geteuid", staticmethod(lambda: uid))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    assert environment(routes, own)["XDG_RUNTIME_DIR"] == (own if uid else "/run/user/0")


def test_a_users_session_leads_there_too(there, routes, folder, own, monkeypatch):
    user = {}
    if os.geteuid() == 0:
        user = {"user": 65534, "group": 65534, "extra_groups": []}
        monkeypatch.setattr("pytest_fakehv.machine.Os.geteuid", staticmethod(lambda: 65534))
    env = {**environment(routes, own), "HOME": folder, "XDG_CACHE_HOME": folder, "XDG_CONFIG_HOME": folder}
    routes.here = "node2"
    for _ in range(2):  # what stands there is replaced
        environment(routes, own)
    for path in (folder, own, f"{own}/libvirt", there["node2"].path):
        os.chmod(path, 0o777)

    assert reached(env, "-c", "qemu:///session", **user) == "node2"

    there["node2"].crash()
    done = virsh(env, "-c", "qemu:///session", "hostname", **user)  # and no daemon is begun
    socket = f"{own}/libvirt/{'virtqemud' if 'virtqemud' in done.stderr else 'libvirt'}-sock"
    assert done.stderr == FAILED.format(f"Failed to connect socket to '{socket}': No such file or directory")


def real_ssh(folder):
    """Return a folder of a program `ssh` that says how it was called, and where else it would look."""
    os.mkdir(path := f"{folder}/real")
    program = Path(path, "ssh")
    program.write_text('#!/bin/sh\necho "$PATH" "$@"\nexit 3\n')
    program.chmod(0o700)
    return path


@pytest.mark.parametrize("arguments", [("node1", "true"), ("nosuch", "true"), ("-T", "a b")])
@pytest.mark.parametrize(
    "path", ["{bin}:{real}:/bin", "{real}:{bin}:/bin", "/nowhere:{bin}:{real}", "{bin}:{bin}:{real}"]
)
def test_all_other_uses_of_ssh_reach_the_real_one(env, folder, own, arguments, path):
    env["PATH"] = path.format(bin=f"{own}/bin", real=real_ssh(folder))
    done = subprocess.run(
        [f"{own}/bin/ssh", *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stdout.partition(" ")[2] == " ".join(arguments) + "\n"
    assert done.stderr == ""


def test_where_there_is_none_the_shell_says_so(env, own):
    env["PATH"] = f"{own}/bin"
    done = subprocess.run([f"{own}/bin/ssh", "nosuch"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "ssh: not found" in done.stderr


def test_without_a_path_there_is_one(routes, own, monkeypatch):
    monkeypatch.delenv("PATH")
    assert environment(routes, own)["PATH"] == f"{own}/bin:{os.defpath}"


def test_only_the_user_sees_what_is_there(env, own):
    modes = {
        path.name: stat.S_IMODE(path.lstat().st_mode)
        for path in Path(own).rglob("*")
        if not path.is_symlink()
    }
    assert modes == {"bin": 0o700, "ssh": 0o700, "hosts": 0o600, "libvirt": 0o700}


def test_folders_whose_names_a_shell_would_take_apart(folder, monkeypatch):
    path = f"{folder}/a b'*$x"
    os.mkdir(path)
    os.mkdir(f"{path}/~")
    with hosts(path, {"node1": set()}) as made:
        env = environment(Routes(made.nodes), f"{path}/~")
        assert reached(env, "-c", "qemu+ssh://node1/system") == "node1"
        assert reached(env) == "node1"
        env["PATH"] = f"{path}/~/bin:{real_ssh(folder)}:/bin"
        command = ["ssh", "node1"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.stdout == f"{folder}/real:/bin node1\n"


def test_an_interpreter_in_a_strange_folder(folder, own, routes, monkeypatch):
    os.mkdir(f"{folder}/a b'$x")
    os.symlink(os.path.realpath(sys.executable), f"{folder}/a b'$x/python")
    monkeypatch.setattr(sys, "executable", f"{folder}/a b'$x/python")
    assert reached(environment(routes, own), "-c", "qemu+ssh://node2/system") == "node2"


# The program itself, as far as virsh can't tell.


def call(own, *arguments, **options):
    command = [*PROGRAM, f"{own}/hosts", *arguments, "sh -c true"]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_program_refuses_with_sshs_own_status(there, env, own):
    there["node2"].crash()
    for arguments, text in (
        (("-T", "--", "NOSUCH"), UNKNOWN),
        (("-T", "--", "node2"), DOWN.format(22)),
        (("-p", "7", "-T", "--", "Node2"), DOWN.format(7)),
    ):
        done = call(own, *arguments, input="")
        assert (done.returncode, done.stdout, done.stderr) == (255, "", f"{text}\n")


def test_the_program_ends_with_its_input(env, own):
    done = call(own, "--", "node1", input="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_program_passes_on_what_is_longer_than_a_pipe(there, env, own):
    there["node1"].greets = b"x" * 300_000
    command = [*PROGRAM, f"{own}/hosts", "--", "node1", "sh -c true"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as begun:
        assert begun.stdout.read(300_000) == there["node1"].greets
        begun.stdin.close()
        assert begun.wait() == 0


def test_the_program_ends_with_the_connection(there, env, own):
    command = [*PROGRAM, f"{own}/hosts", "--", "node1", "sh -c true"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as begun:
        there["node1"].wait_for_a_client()
        there["node1"].crash()
        assert begun.stdout.read() == b""
        assert begun.wait() == 0


def test_the_program_ends_where_nobody_reads_what_it_writes(there, env, own):
    command = [*PROGRAM, f"{own}/hosts", "--", "node1", "sh -c true"]
    there["node1"].greets = b"x"
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as begun:
        begun.stdout.close()
        there["node1"].wait_for_a_client()
        assert begun.wait() == 255
        assert begun.stderr.read() == b""


@pytest.fixture
def ctrl_c():
    """The signal, which what a test begins heeds: also in a run in the background, which may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.SIGINT
    signal.signal(signal.SIGINT, before)


def test_the_program_ends_in_silence_with_ctrl_c(there, env, own, ctrl_c):
    there["node1"].greets = b"x"
    command = [*PROGRAM, f"{own}/hosts", "--", "node1", "sh -c true"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes) as begun:
        assert begun.stdout.read(1) == b"x"
        begun.send_signal(ctrl_c)
        assert begun.wait() == 255
        assert begun.stderr.read() == b""
