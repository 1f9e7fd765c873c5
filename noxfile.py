"""The suite in environments of its own: every Python, the installed wheel, the lowest versions.

A plain ``pipx install nox`` runs them; where uv is there, too, it makes the environments, which is faster.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True  # what was left out has not passed
nox.options.sessions = ["tests", "lowest", "coverage", "docs"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
AXE = "4.14.1"
"""The accessibility checker's version, on the npm registry."""

NEXT = ("3.14", "3.15")
"""The Pythons that Debian's unstable has and this machine need not have."""


def runs(python: str) -> bool:
    """Tell whether there is such a Python, which a shim of pyenv's alone is not."""
    try:
        command = [python, "-c", "import venv"]
        return not subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603  # ours
    except OSError:
        return False


PYTHONS = [each for each in nox.project.python_versions(PYPROJECT) if each not in NEXT]
PRESENT = [each for each in PYTHONS if runs(f"python{each}")] or PYTHONS
NEWEST = PRESENT[-1]


def groups(*names: str) -> list[str]:
    """Return the requirements of dependency groups."""
    return list(nox.project.dependency_groups(PYPROJECT, *names))


COPIED = ("tests", "examples", "docs", ".github")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")


def run_suite(session: nox.Session, *command: str) -> None:
    """Run the suite where the source tree can't be imported, so that it tests what is installed.

    What stands behind ``--`` on nox's command line is run in its place.
    """
    with tempfile.TemporaryDirectory() as away:
        for name in COPIED:
            shutil.copytree(name, Path(away, name), ignore=shutil.ignore_patterns("_build", "_plots"))
        for name in ("pyproject.toml", *PAGES):
            shutil.copy(name, away)
        with session.chdir(away):
            session.run(*command, "-n", "auto", *(session.posargs or ("tests", "examples")))


def with_ganeti(session: nox.Session) -> dict[str, str]:
    """Return the environment in which Ganeti's Python library can be imported.

    It is Debian's package, unpacked: nothing is installed, and no daemon is started.
    """
    session.install("-e", ".[ganeti]")
    folder = Path(session.cache_dir, "ganeti").resolve()
    if not folder.exists():
        packages = session.run("apt-cache", "pkgnames", "ganeti-3", external=True, silent=True)
        if not packages:  # a machine that has never asked, where this needs root
            session.run("apt-get", "update", "-q", external=True)
            packages = session.run("apt-cache", "pkgnames", "ganeti-3", external=True, silent=True)
        newest = max(str(packages).split(), key=lambda name: [int(part) for part in name[7:].split(".")])
        with tempfile.TemporaryDirectory(dir=folder.parent) as download:
            with session.chdir(download):
                session.run("apt-get", "download", "-q", newest, external=True)
                session.run("dpkg", "-x", str(next(Path(download).glob("*.deb"))), "all", external=True)
            Path(download, "all").rename(folder)
    env = {"PYTHONPATH": str(next(folder.glob("usr/share/ganeti/3.*")))}
    # Else its tests would be skipped.
    session.run("python", "-c", "import ganeti.server.noded, ganeti.cmdlib.instance_migration", env=env)
    return env


def with_libvirt(session: nox.Session) -> None:
    """Install libvirt's clients, and the bindings for the session's Python; Debian's packages need root.

    No daemon is installed, and none is started.
    """
    if not (shutil.which("virsh") and shutil.which("virt-install") and Path("/usr/include/libvirt").exists()):
        session.run("apt-get", "update", "-q", external=True)
        packages = ("libvirt-clients", "libvirt-dev", "pkg-config", "python3-libvirt", "virtinst")
        command = ("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages)
        session.run(*command, external=True, env={"DEBIAN_FRONTEND": "noninteractive"})
    session.install("-e", ".[libvirt]")
    # Else its tests would be skipped.
    session.run("python", "-c", "import libvirt")


def install_chromium(session: nox.Session) -> None:
    """Install what drives Debian's Chromium, and that itself where it is absent, which needs root."""
    session.install("-e", ".", *groups("browser"))
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        session.run("apt-get", "update", "-q", external=True)
        session.run("apt-get", "install", "-q", "-y", "chromium", "chromium-driver", external=True)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The suite and the examples, against the wheel."""
    with tempfile.TemporaryDirectory() as wheel:
        session.install("build")
        session.run("python", "-m", "build", "--wheel", "--outdir", wheel, silent=True)
        session.install(str(next(Path(wheel).glob("*.whl"))), *groups("test"))
    run_suite(session, "pytest")


@nox.session(python=PRESENT[-2:][0])
def lowest(session: nox.Session) -> None:
    """The same with the lowest versions of all that the plugin needs, on the newest Python but one."""
    session.install("uv")  # which knows what the lowest are
    session.run("uv", "pip", "install", "--quiet", "--resolution=lowest-direct", ".", *groups("test"))
    session.run("uv", "pip", "list")
    # What a page shows of a finding is what a newer Hypothesis shrinks it to.
    page = (
        "tests/project/test_docs.py::test_the_commands_on_a_page_print_what_it_shows[how-to/property-tests]"
    )
    run_suite(session, "pytest", "--override-ini=filterwarnings=default", f"--deselect={page}")


@nox.session(python=NEWEST)
def coverage(session: nox.Session) -> None:
    """Every line and branch of the package is run by the suite, on the newest Python, with Ganeti there."""
    session.install("-e", ".", *groups("test"), *groups("coverage"))
    env = with_ganeti(session)
    with_libvirt(session)
    session.run("coverage", "erase")
    profiled = (
        "tests/storage/test_open_directories.py::TestOpenDirectories::"
        "test_none_is_lost_wherever_an_interrupt_comes"
    )
    command = (
        "coverage",
        "run",
        "-m",
        "pytest",
        "-n",
        "auto",
        "tests",
        "examples/ganeti",
        "--ignore=tests/story/browser",
        # What looks at the project, not at the package.
        "--ignore=tests/project",
        # Where lines are counted, its profiler takes thirty times as long.
        f"--deselect={profiled}",
    )
    session.run(*command, *session.posargs, env=env)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python=NEWEST)
def plugins(session: nox.Session) -> None:
    """A small project's suite beside each of the plugins that most have, which ours changes nothing about."""
    session.install("-e", ".", *groups("test", "plugins"))
    command = ("pytest", "-p", "xdist", "-p", "fakehv", "-n", "auto", "tests/neighbours")
    session.run(*command, *session.posargs, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})


@nox.session(venv_backend="none")
def newest(session: nox.Session) -> None:
    """The suite on the newest Pythons, Debian's unstable ones, in a folder; needs root and debootstrap."""
    folder = Path(session.cache_dir, "sid").resolve()
    if not folder.exists():
        making = folder.with_suffix(".new")
        if making.exists():  # with the machine's own folders mounted in it, perhaps
            session.error(f"{making} is half made: see that nothing is mounted in it, and remove it")
        packages = ",".join(f"python{each}{part}" for each in NEXT for part in ("", "-venv"))
        command = ("debootstrap", "--variant=minbase", f"--include={packages}", "sid", str(making))
        session.run(*command, external=True, silent=True)
        making.rename(folder)
    for name in ("etc/hosts", "etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        shutil.copy(Path("/", name), folder / name)  # by which it reaches the network as the machine does
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    for name in (*COPIED, "pytest_fakehv", "benchmarks", ".ci"):
        shutil.copytree(name, source / name, ignore=shutil.ignore_patterns("_build", "_plots", "__pycache__"))
    for name in ("pyproject.toml", "noxfile.py", "LICENSE", *PAGES):
        shutil.copy(name, source)
    mounted = (
        f"mount --bind /proc {folder}/proc && mount --rbind /dev {folder}/dev && "
        f'exec chroot {folder} sh -c "cd /src && $1"'
    )
    tests = " ".join(session.posargs) or "tests examples --ignore=tests/project"
    for version in NEXT:
        commands = (
            f"python{version} -m venv --clear /venv-{version}",
            f"/venv-{version}/bin/pip install -q -U pip",
            f"/venv-{version}/bin/pip install -q -e . --group test",
            f"LC_ALL=C.UTF-8 /venv-{version}/bin/pytest -n auto -p no:cacheprovider {tests}",
        )
        inside = ("unshare", "--mount", "sh", "-c", mounted, "sh", " && ".join(commands))
        session.run(*inside, external=True)


@nox.session(python=NEWEST)
def ganeti(session: nox.Session) -> None:
    """What needs Ganeti's own code."""
    session.install("-e", ".", *groups("test"))
    command = ("pytest", "-n", "auto", "tests/fronts/ganeti", "examples/ganeti")
    session.run(*command, *session.posargs, env=with_ganeti(session))


@nox.session(python="/usr/bin/python3", venv_params=["--system-site-packages"])
def libvirt(session: nox.Session) -> None:
    """What needs libvirt's own clients, with Debian's bindings on Debian's Python."""
    session.install("-e", ".", *groups("test"))
    with_libvirt(session)
    tests = (
        "tests/fronts/libvirt",
        "tests/plugin/test_libvirt_fixture.py",
        *map(str, sorted(Path("examples").glob("test_*_libvirt_*.py"))),
    )
    session.run("pytest", "-n", "auto", *tests, *session.posargs)


@nox.session(python=NEWEST)
def oracle(session: nox.Session) -> None:
    """A real libvirtd with QEMU says what its records have, and the front says the same.

    Installs Debian's packages where they are absent, which needs root, as the real pair itself does. No
    service of the machine's is started. Records are made anew by `nox -s oracle -- record`, and the
    documentation's figures of QEMU's migrations by `nox -s oracle -- measure`.
    """
    programs = ("libvirtd", "qemu-system-x86_64", "qemu-img", "virsh", "dnsmasq", "iptables")
    if not all(map(shutil.which, programs)):
        packages = ("libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients", "libvirt-dev")
        session.run("apt-get", "update", "-q", external=True)
        command = ("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages)
        session.run(*command, "qemu-system-x86", "qemu-utils", "binutils", "gcc", "pkg-config", external=True)
        session.run(*command, "dnsmasq-base", "iptables", external=True)
    session.install("-e", ".", "libvirt-python")
    with session.chdir("tests/fronts/libvirt"):
        for given in [session.posargs] if session.posargs else [["repeat"], ["compare"]]:
            session.run("python", "-m", "oracle", *given)


@nox.session(python=NEWEST)
def docs(session: nox.Session) -> None:
    """Build the documentation, with its plots, into docs/_build; a warning is an error."""
    session.install("-e", ".[hypothesis]", *groups("docs"))
    command = ("sphinx-build", "--fail-on-warning", "--keep-going", "--nitpicky", "--fresh-env", "--quiet")
    session.run(*command, *session.posargs, "docs", "docs/_build")


@nox.session(python=NEWEST)
def links(session: nox.Session) -> None:
    """Follow every link of the documentation; needs the network."""
    session.install("-e", ".[hypothesis]", *groups("docs"))
    session.run("sphinx-build", "--builder=linkcheck", "--quiet", "docs", "docs/_build/links")


@nox.session(python=NEWEST)
def browser(session: nox.Session) -> None:
    """The report page in a real browser, Debian's Chromium, with an accessibility checker; its pictures."""
    install_chromium(session)
    folder = Path(session.cache_dir, "axe").resolve()
    checker = folder / "package" / "axe.min.js"
    if not checker.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with session.chdir(folder):
            session.run("npm", "pack", "--silent", f"axe-core@{AXE}", external=True)
            shutil.unpack_archive(f"axe-core-{AXE}.tgz", filter="data")
    session.run("pytest", "tests/story/browser", *session.posargs, env={"FAKEHV_AXE": str(checker)})
    # That they can be made, and show what they should; what is committed stays.
    session.run("python", "docs/_extensions/screenshots.py", session.create_tmp())


@nox.session(python=NEWEST)
def screenshots(session: nox.Session) -> None:
    """Make the documentation's pictures of the report page and of the terminal anew."""
    install_chromium(session)
    session.run("python", "docs/_extensions/screenshots.py", "docs/_screenshots")


@nox.session
def mutation(session: nox.Session) -> None:
    """Change the package a little, again and again, and see whether a test notices; takes hours."""
    session.install("-e", ".", *groups("mutation"))
    session.run("mutmut", "run", *session.posargs)
    session.run("mutmut", "results")
