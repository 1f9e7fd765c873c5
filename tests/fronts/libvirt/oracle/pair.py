"""A real pair of hosts: libvirtd with QEMU, emulated, in namespaces of their own.

It needs root and Debian's packages: `nox -s oracle` installs them. A host's daemon sees folders of its own
where the machine's would be, and its processes end with the first of them, and that with us: whatever
happens, nothing is left behind.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import libvirt

UUIDS = {
    "node1": "11111111-1111-4111-8111-111111111111",
    "node2": "22222222-2222-4222-8222-222222222222",
}

HOSTS = """\
127.0.0.1 localhost
127.0.0.11 node1
127.0.0.12 node2
"""
"""How they find each other, when a domain's memory goes from one to the other."""

GUESTS = {"guest": [], "busy": ["TICKS=1398"]}
"""By the name of its source and of its floppy, with what a guest is assembled: this one writes to 2560 pages
a second, which are 10 MiB."""

DAEMON = """\
unix_sock_dir = "{folder}/sock"
unix_sock_rw_perms = "0777"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
listen_tls = 0
log_level = 3
log_outputs = "3:file:{folder}/libvirtd.log"
"""

DRIVER = """\
security_driver = "none"
user = "root"
group = "root"
cgroup_controllers = []
namespaces = []
remember_owner = 0
dynamic_ownership = 0
stdio_handler = "file"
migration_port_min = {first}
migration_port_max = {last}
"""

# It waits for the daemon, and reaps what the daemon leaves.
INIT = """\
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/libvirt /run/lock
mount --bind {folder}/run /run/libvirt
mount --bind {folder}/lib /var/lib/libvirt
mount --bind {folder}/cache /var/cache/libvirt
mount --bind {folder}/log /var/log/libvirt
mount --bind {folder}/etc /etc/libvirt
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
mount --bind {folder}/hosts /etc/hosts
mkdir -p /run/libvirt/usr/bin
ln -s /usr/lib /usr/share /run/libvirt/usr/
touch /run/libvirt/usr/bin/qemu-system-x86_64
mount --bind /usr/bin/qemu-system-x86_64 /run/libvirt/usr/bin/qemu-system-x86_64
mount --bind {qemu} /usr/bin/qemu-system-x86_64
hostname {name}
/usr/sbin/libvirtd --config {folder}/etc/libvirtd.conf --pid-file {folder}/libvirtd.pid &
while true; do wait; sleep 3600 & done
"""

COUNTED = 0x7F00
"""Where the guest counts how often it has woken up, in two bytes."""


class Host:
    """One real host.

    Args:
        name: The host's name.
        folder: A folder of its own, with a short path.
        cache: Where the daemon keeps what it found out about QEMU.
        ports: The first and the last port for incoming migrations.
        apart: Whether it has a network of its own, so that the machine's gets no bridge of its.
    """

    def __init__(self, name, folder, cache, ports, *, apart):
        self.name = name
        self.folder = folder
        self.uri = f"qemu+unix:///system?socket={folder}/sock/libvirt-sock"
        self.read_only_uri = f"{self.uri}-ro"
        for part in ("sock", "run", "lib/images", "log", "etc"):
            (folder / part).mkdir(parents=True)
        (folder / "cache").symlink_to(cache)
        for guest in GUESTS:
            shutil.copy(cache / f"{guest}.img", folder / "lib" / "images")
        (folder / "etc" / "libvirtd.conf").write_text(DAEMON.format(folder=folder, uuid=UUIDS[name]))
        first, last = ports
        (folder / "etc" / "qemu.conf").write_text(DRIVER.format(first=first, last=last))
        shutil.copy("/etc/libvirt/libvirt.conf", folder / "etc")
        # The driver wants this user, even if it is to run QEMU as root.
        passwd = Path("/etc/passwd").read_text() + "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false\n"
        (folder / "passwd").write_text(passwd)
        (folder / "group").write_text(Path("/etc/group").read_text() + "libvirt-qemu:x:64055:\n")
        (folder / "hosts").write_text(HOSTS)
        (folder / "init.sh").write_text(INIT.format(folder=folder, name=name, qemu=folder / "qemu"))
        shutil.copy(Path(__file__).with_name("qemu.py"), folder / "qemu")
        (folder / "qemu").chmod(0o755)
        self._seen = 0
        self._apart = apart
        self._process = None

    def __enter__(self):
        """Start it, and wait until it answers."""
        namespaces = ["--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
        if self._apart:
            namespaces.append("--net")
        with (self.folder / "output").open("w") as output:
            self._process = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    "unshare",
                    *namespaces,
                    "/bin/bash",
                    self.folder / "init.sh",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                libvirt.open(self.uri).close()
            except libvirt.libvirtError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.__exit__()
                    log = "".join(
                        each.read_text()
                        for each in (self.folder / "output", self.folder / "libvirtd.log")
                        if each.exists()
                    )
                    raise RuntimeError(f"libvirtd did not start:\n{log}") from None
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_):
        """End all that runs on it."""
        self._process.kill()
        self._process.wait()

    def signal(self, number, pid_file):
        """Send a signal to a process of this host, of which a file there has the number."""
        init = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().strip()
        pid = Path(self.folder, pid_file).read_text().strip()
        subprocess.run(["nsenter", "-t", init, "-p", "kill", f"-{number}", pid], check=True)

    def kill(self, name):
        """Kill a domain's QEMU behind the daemon's back."""
        self.signal("KILL", f"run/qemu/{name}.pid")

    def agent(self, name, answers):
        """Let the agent of a domain's guest answer so; None: there is none."""
        path = self.folder / "lib" / "images" / f"{name}.agent"
        if answers is None:
            path.unlink(missing_ok=True)
        else:
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(answers))
            fresh.rename(path)

    def asked(self):
        """Return what agents of guests here were asked since this was last called."""
        path = self.folder / "lib" / "images" / "asked"
        asked = path.read_text().splitlines() if path.exists() else []
        seen, self._seen = self._seen, len(asked)
        return [json.loads(each) for each in asked[seen:]]

    def let_pass(self):
        """Do nothing: time passes by itself."""

    def await_guest(self, name):
        """Wait until a domain's guest has come up."""
        with contextlib.closing(libvirt.open(self.uri)) as connection:
            domain = connection.lookupByName(name)
            count = domain.memoryPeek(COUNTED, 2, libvirt.VIR_MEMORY_PHYSICAL)
            deadline = time.monotonic() + 30
            while domain.memoryPeek(COUNTED, 2, libvirt.VIR_MEMORY_PHYSICAL) == count:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the guest of {name} does not come up")
                time.sleep(0.02)


class Pair:
    """Makes pairs of real hosts, one after another, each as new as the first.

    Args:
        folder: A folder with a short path, for all that the pairs need.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self._made = 0
        self._caches = {name: self.folder / f"cache-{name}" for name in UUIDS}
        for cache in self._caches.values():
            cache.mkdir()
            for name, given in GUESTS.items():
                build_guest(name, cache / f"{name}.img", given)

    @contextlib.contextmanager
    def hosts(self, *names, apart=False):
        """Give hosts by name, started; they end with the block. Those apart can't reach each other."""
        self._made += 1
        with contextlib.ExitStack() as stack:
            found = {}
            for name in names:
                folder = self.folder / f"{self._made}-{name}"
                ports = (49152, 49170) if name == "node1" else (49252, 49270)
                found[name] = stack.enter_context(Host(name, folder, self._caches[name], ports, apart=apart))
            yield found


@contextlib.contextmanager
def real_pair():
    """Give a maker of real pairs, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lv-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        yield Pair(folder)


def build_guest(name, image, given=()):
    """Assemble a guest, and write the floppy that it boots from."""
    source = Path(__file__).with_name(f"{name}.s")
    symbols = [part for each in given for part in ("--defsym", each)]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["as", "--32", *symbols, "-o", f"{folder}/guest.o", source], check=True)
        link = ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary"]
        subprocess.run([*link, "-o", f"{folder}/guest", f"{folder}/guest.o"], check=True)
        image.write_bytes(Path(folder, "guest").read_bytes().ljust(1_474_560, b"\0"))
