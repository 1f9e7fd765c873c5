"""Every path that an option, an ini value, a marker or a method names: what is there stays as it is.

The table says for each thing that may be at a path what is said of it: where a file is to be written, where a
folder is to be kept for the run (which empties it) or to be a root, and where a file is to be read.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, HypervisorError, read_topology
from pytest_fakehv.machine import Os
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.filesystem import make_directories

pytest.importorskip("jinja2")


@dataclass(frozen=True)
class Said:
    """What is said of a path; None where it will do."""

    write: str | None
    keep: str | None
    root: str | None
    read: str | None


def device(folder, name):
    path = folder / name
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:  # not as root, or not in a container
        return Path("/dev/null")
    return path


def fifo(folder, name):
    os.mkfifo(folder / name)
    return folder / name


def link(folder, name, target):
    (folder / name).symlink_to(target)
    return folder / name


def link_to_file(folder, name):
    (folder / "theirs").write_text("mine")
    return link(folder, name, "theirs")


def link_to_folder(folder, name):
    (folder / "theirs").mkdir()
    return link(folder, name, "theirs")


def made(folder, name):
    (folder / name).mkdir()
    return folder / name


def file(folder, name, text=""):
    (folder / name).write_text(text)
    return folder / name


def below_a_file(folder, name):
    return file(folder, "theirs", "mine") / name


def below_nowhere(folder, name):
    return link(folder, "theirs", "nowhere") / name


NO_SUCH = "No such file or directory"
TOO_LONG = "a name in it has 300 bytes, the most is 255"

ON_EACH = {
    "a folder": (made, Said("it is a folder", None, None, "it is a folder, not a file")),
    "an empty file": (file, Said("it is somebody else's file", "it is a file", "it is a file", None)),
    "a full file": (
        lambda folder, name: file(folder, name, "mine"),
        Said("it is somebody else's file", "it is a file", "it is a file", None),
    ),
    "a link to a file": (link_to_file, Said(*["it is a link to a file"] * 3, None)),
    "a link to a folder": (
        link_to_folder,
        Said(*["it is a link to a folder"] * 2, None, "it is a folder, not a file"),
    ),
    "a link to nowhere": (
        lambda folder, name: link(folder, name, "nowhere"),
        Said(*["it is a link to nothing"] * 3, NO_SUCH),
    ),
    "below a file": (below_a_file, Said(*["'{parent}' is a file"] * 3, "Not a directory")),
    "below a link to nowhere": (
        below_nowhere,
        Said(*["'{parent}' is a link to nothing"] * 3, NO_SUCH),
    ),
    "below a link to itself": (
        lambda folder, name: link(folder, "theirs", "theirs") / "more" / name,
        Said(*["Too many levels of symbolic links"] * 4),
    ),
    "below nothing": (lambda folder, name: folder / "none" / name, Said(None, None, None, NO_SUCH)),
    "a long name": (
        lambda folder, name: folder / name.rjust(300, "x"),
        Said(*[TOO_LONG] * 3, "File name too long"),
    ),
    "a long name below nothing": (
        lambda folder, name: folder / "none" / name.rjust(300, "x"),
        Said(*[TOO_LONG] * 3, NO_SUCH),
    ),
    "a long path": (
        lambda folder, name: Path(f"{folder}{'/n' * 2500}"[: 5000 - len(name)] + f"/{name}"),
        Said(*["it has {size} bytes, the most is 4095"] * 3, "File name too long"),
    ),
}
"""What may be there on each filesystem: how it is made in a folder under a name, and what is said of it."""

ON_DISK = {
    **ON_EACH,
    "a device": (device, Said(*["it is a character device"] * 3, "it is a character device, not a file")),
    "a FIFO": (fifo, Said(*["it is a FIFO"] * 3, "it is a FIFO, not a file")),
}

RULES = {
    "write": "name a new file, or one that pytest-fakehv wrote",
    "keep": "name a new or empty folder, or one that an earlier run left",
    "root": "name a folder, or where one can be made",
}


def tree(folder):
    """Return all that is in a folder, and of what kind, mode, content and age."""
    every = {}
    for each in [folder, *folder.rglob("*")]:
        status = each.lstat()
        content = each.read_bytes() if stat.S_ISREG(status.st_mode) else None
        target = os.readlink(each) if each.is_symlink() else None
        every[str(each)] = (
            status.st_mode,
            getattr(status, "st_rdev", None),
            status.st_mtime_ns,
            content,
            target,
        )
    return every


@pytest.fixture
def theirs(tmp_path):
    """A folder of the user's; nothing in it changes, nor does the machine's own device."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    null = os.stat("/dev/null")
    yield folder
    assert os.stat("/dev/null") == null


def said_of(said, kind, path):
    text = getattr(said, kind)
    return text.replace("{parent}", str(path.parent)).replace("{size}", str(len(str(path))))


OPTIONS = {
    "report": ("write", "it.html", "{origin} '{path}' can't be written: {said}; {rule}"),
    "root": ("keep", "it", "{origin} '{path}' can't be used: {said}; {rule}"),
    "topology": ("read", "it.toml", "{origin}: {path}: {said}"),
}


def refused(thing, entrance):
    """Tell whether something is refused where an option or a method names it."""
    _, all_said = ON_DISK[thing]
    return getattr(all_said, entrance[0]) is not None


@pytest.mark.parametrize("where", ["command line", "ini file"])
@pytest.mark.parametrize(
    ("thing", "option"),
    [(thing, each) for thing in ON_DISK for each in OPTIONS if refused(thing, OPTIONS[each])],
)
def test_an_option(pytester, theirs, where, option, thing):
    make, all_said = ON_DISK[thing]
    kind, name, message = OPTIONS[option]
    path = make(theirs, name)
    said = said_of(all_said, kind, path)
    before = tree(theirs)
    origin = f"--fakehv-{option}"
    if where == "ini file":
        origin = f"fakehv_{option}"
        pytester.makeini(f"[pytest]\n{origin} = {path}")
    result = pytester.runpytest(*[f"{origin}={path}"] * (where == "command line"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    expected = message.format(origin=origin, path=path, said=said, rule=RULES.get(kind))
    assert [line for line in result.errlines if line] == [f"ERROR: {expected}"]
    assert tree(theirs) == before


@pytest.mark.parametrize("thing", ["a device", "a FIFO", "a folder", "a link to nowhere", "below a file"])
def test_the_topology_of_a_marker(pytester, theirs, thing):
    make, all_said = ON_DISK[thing]
    path = make(theirs, "it.toml")
    before = tree(theirs)
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.fakehv(topology={str(path)!r})
        def test_it(fakehv): pass
        """
    )
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    assert f"fakehv(): {path}: {all_said.read}" in result.outlines
    assert tree(theirs) == before


def save(path):
    FakeCluster.in_memory().timeline().save(path)


CAN_NOT = "'{path}' can't be written: {said}; {rule}"
NO_ROOT = "root can't be made: '{path}': {said}; {rule}"
NO_INFO = "Failed to get node info: {path}: {said}"


def processors(path):
    FakeHypervisor.GetLinuxNodeInfo(cpuinfo=path)


METHODS = {
    "save as SVG": ("write", "it.svg", CAN_NOT, save, DeclarationError),
    "save as HTML": ("write", "it.html", CAN_NOT, save, DeclarationError),
    "FakeHypervisor": ("root", "it", NO_ROOT, FakeHypervisor, DeclarationError),
    "FakeCluster": ("root", "it", NO_ROOT, FakeCluster, DeclarationError),
    "read_topology": ("read", "it.toml", "{path}: {said}", read_topology, DeclarationError),
    "meminfo": ("read", "it", NO_INFO, FakeHypervisor.GetLinuxNodeInfo, HypervisorError),
    "cpuinfo": ("read", "it", NO_INFO, processors, HypervisorError),
}


def check_method(folder, method, make, all_said):
    kind, name, message, call, error = METHODS[method]
    path = make(folder, name)
    if call is save and path.suffix != Path(name).suffix:
        pytest.skip("a device of such a name can be made by root alone")
    said = said_of(all_said, kind, path)
    before = tree(folder)
    with pytest.raises(error) as caught:
        call(path)
    text = os.path.normpath(path) if kind == "root" else path
    assert str(caught.value) == message.format(path=text, said=said, rule=RULES.get(kind))
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("thing", "method"),
    [(thing, each) for thing in ON_DISK for each in METHODS if refused(thing, METHODS[each])],
)
def test_a_method(theirs, method, thing):
    check_method(theirs, method, *ON_DISK[thing])


@pytest.mark.parametrize(
    ("thing", "method"),
    [
        (thing, each)
        for thing in ON_EACH
        for each in METHODS
        # A long name is one like others there.
        if refused(thing, METHODS[each])
        and not (thing in {"a long name", "a long path"} and METHODS[each][0] == "read")
    ],
)
def test_a_method_in_a_fake_filesystem(fs, method, thing):
    fs.create_dir("/theirs")
    check_method(Path("/theirs"), method, *ON_EACH[thing])


@pytest.mark.parametrize("is_link", [False, True])
def test_a_stream_of_the_process(theirs, is_link):
    """As `/dev/stdout` is one."""
    ends = os.pipe()
    try:
        path = Path(f"/proc/self/fd/{ends[1]}")
        for name in ("it.svg", "it.html"):
            # By its name, `save` takes a link to it alone.
            with pytest.raises(DeclarationError) as caught:
                save(link(theirs, name, path))
            assert str(caught.value) == (
                f"'{theirs}/{name}' can't be written: it is a link to a FIFO; {RULES['write']}"
            )
        given = link(theirs, "it", path) if is_link else path
        with pytest.raises(DeclarationError) as caught:
            FakeHypervisor(given)
        assert str(caught.value) == f"root can't be made: '{given}': it is a link to a FIFO; {RULES['root']}"
        with pytest.raises(DeclarationError) as caught:
            read_topology(given)
        assert str(caught.value) == f"{given}: it is a FIFO, not a file"
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_the_output_of_the_run(pytester, path):
    """It is a FIFO here, and may be a file or a terminal elsewhere: a link it is in any case."""
    result = pytester.runpytest_subprocess(f"--fakehv-report={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    assert line.startswith(f"ERROR: --fakehv-report '{path}' can't be written: it is a link to a ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a folder that is read-only")
class TestReadOnlyFolder:
    @pytest.fixture
    def folder(self, theirs):
        theirs.chmod(0o555)
        yield theirs
        theirs.chmod(0o755)

    @pytest.mark.parametrize("below", ["", "none/"])
    @pytest.mark.parametrize("option", ["report", "root"])
    def test_an_option(self, pytester, folder, option, below):
        kind, name, message = OPTIONS[option]
        before = tree(folder)
        path = f"{folder}/{below}{name}"
        result = pytester.runpytest(f"--fakehv-{option}={path}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        said = message.format(
            origin=f"--fakehv-{option}", path=path, said="Permission denied", rule=RULES[kind]
        )
        assert [line for line in result.errlines if line] == [f"ERROR: {said}"]
        assert tree(folder) == before

    @pytest.mark.parametrize("method", ["save as SVG", "FakeHypervisor", "FakeCluster"])
    def test_a_method(self, folder, method):
        said = Said(*["Permission denied"] * 4)
        check_method(folder, method, lambda folder, name: folder / name, said)

    @pytest.mark.parametrize("method", ["read_topology", "meminfo", "cpuinfo"])
    def test_a_file_that_may_not_be_read(self, theirs, method):
        def make(folder, name):
            path = file(folder, name)
            path.chmod(0)
            return path

        _, name, message, call, error = METHODS[method]
        path = make(theirs, name)
        with pytest.raises(error) as caught:
            call(path)
        assert str(caught.value) == message.format(path=path, said="Permission denied")


@pytest.mark.parametrize("make", [FakeHypervisor, FakeCluster])
def test_a_root_for_which_there_is_no_room(theirs, monkeypatch, make):
    def refuse(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(Os, "mkdir", staticmethod(refuse))
    with pytest.raises(DeclarationError) as caught:
        make(theirs / "it")
    assert str(caught.value) == (
        f"root can't be made: '{theirs}/it': No space left on device; {RULES['root']}"
    )


def test_the_folder_of_a_picture_must_be_there(theirs):
    with pytest.raises(DeclarationError) as caught:
        save(theirs / "none" / "it.svg")
    assert str(caught.value) == f"'{theirs}/none/it.svg' can't be written: {NO_SUCH}; {RULES['write']}"
    assert os.listdir(theirs) == []


class TestWhatIsOurs:
    @pytest.mark.parametrize(("name", "mode"), [("it.svg", 0o600), ("it.html", 0o460), ("it.svg", 0o406)])
    def test_an_earlier_picture_is_replaced(self, theirs, name, mode):
        save(theirs / name)
        (theirs / name).chmod(mode)
        before = (theirs / name).stat()
        save(theirs / name)
        after = (theirs / name).stat()
        assert (after.st_mode, after.st_ino == before.st_ino) == (before.st_mode, False)
        assert os.listdir(theirs) == [name]

    def test_a_new_one_has_the_mode_of_any_new_file(self, theirs):
        old = os.umask(0o002)
        try:
            save(theirs / "it.svg")
        finally:
            os.umask(old)
        assert stat.S_IMODE((theirs / "it.svg").stat().st_mode) == 0o664

    def test_it_is_hidden_until_it_is_whole(self, theirs, monkeypatch):
        link, seen = Os.link, []

        def look(source, target):
            seen.extend(os.listdir(theirs))
            link(source, target)

        monkeypatch.setattr(Os, "link", staticmethod(look))
        save(theirs / "it.svg")
        assert [name.rpartition("-")[0] for name in seen] == [".pytest-fakehv"]

    def test_in_a_fake_filesystem(self, fs):
        for _ in range(2):
            save("/it.svg")
        assert "it.svg" in os.listdir("/")
        assert not [name for name in os.listdir("/") if name.startswith(".")]

    def test_a_parent_may_be_a_link(self, theirs):
        link_to_folder(theirs, "parent")
        save(theirs / "parent" / "it.svg")
        FakeHypervisor(theirs / "parent" / "root")
        assert sorted(os.listdir(theirs / "theirs")) == ["it.svg", "root"]

    def test_a_relative_path(self, theirs, monkeypatch):
        monkeypatch.chdir(theirs)
        save("it.svg")
        assert os.listdir(theirs) == ["it.svg"]
        Path("it.html").touch()
        with pytest.raises(DeclarationError) as caught:
            save("it.html")
        assert (
            str(caught.value) == f"'./it.html' can't be written: it is somebody else's file; {RULES['write']}"
        )


class TestNoPath:
    @pytest.mark.parametrize("path", [1, None, b"it.svg", "", "a\0b.svg"])
    def test_of_a_picture(self, path):
        with pytest.raises(DeclarationError) as caught:
            save(path)
        assert str(caught.value) == f"path must be the path of a file, not {path!r}"

    @pytest.mark.parametrize("key", ["meminfo", "cpuinfo"])
    @pytest.mark.parametrize("path", [0, None, b"x"])
    def test_of_figures_that_is_no_text(self, path, key):
        with pytest.raises(TypeError) as caught:
            FakeHypervisor.GetLinuxNodeInfo(**{key: path})
        assert str(caught.value) == f"{key} must be the path of a file, not {path!r}"

    @pytest.mark.parametrize("key", ["meminfo", "cpuinfo"])
    @pytest.mark.parametrize("path", ["", "a\0b"])
    def test_of_figures(self, path, key):
        with pytest.raises(HypervisorError) as caught:
            FakeHypervisor.GetLinuxNodeInfo(**{key: path})
        assert str(caught.value) == (
            f"Failed to get node info: {key} must be the path of a file, not {path!r}"
        )

    @pytest.mark.parametrize("name", ["report", "root"])
    def test_of_an_option(self, pytester, name):
        pytester.makeini(f"[pytest]\nfakehv_{name} = a\0b")
        result = pytester.runpytest()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        text = f"ERROR: fakehv_{name}: {name} must be a path, not 'a\\x00b'"
        assert [line for line in result.errlines if line] == [text]

    @pytest.mark.parametrize("name", ["report", "root", "topology"])
    def test_nobodys_home_directory(self, pytester, name):
        path = "~nobody-of-this-name/it"
        result = pytester.runpytest(f"--fakehv-{name}={path}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        text = f"ERROR: --fakehv-{name}: {path!r} begins with a home directory that is not known"
        assert [line for line in result.errlines if line] == [text]

    @pytest.mark.parametrize("make", [FakeHypervisor, FakeCluster])
    def test_a_home_directory_that_is_not_expanded(self, theirs, monkeypatch, make):
        monkeypatch.chdir(theirs)
        with pytest.raises(DeclarationError) as caught:
            make("~/it")
        assert str(caught.value) == (
            "root '~/it': no home directory is looked for here; expand it, or begin with './'"
        )
        assert os.listdir(theirs) == []
        make("./~")
        assert os.listdir(theirs) == ["~"]


def test_odd_bytes_are_shown_in_one_line(theirs):
    path = theirs / "a\nb\udcff.svg"
    path.touch()
    for call, error, message in (
        (save, DeclarationError, "'{}' can't be written: it is somebody else's file; " + RULES["write"]),
        (
            FakeHypervisor,
            DeclarationError,
            "root can't be made: '{}': it is a file; " + RULES["root"],
        ),
        (lambda path: read_topology(f"{path}x"), DeclarationError, "{}x: " + NO_SUCH),
        (
            lambda path: FakeHypervisor.GetLinuxNodeInfo(f"{path}x"),
            HypervisorError,
            "Failed to get node info: {}x: " + NO_SUCH,
        ),
    ):
        with pytest.raises(error) as caught:
            call(path)
        assert str(caught.value) == message.format(f"{theirs}/a\\nb\\udcff.svg")


class TestReading:
    def test_what_becomes_a_pipe_once_it_was_looked_at(self, theirs, monkeypatch):
        path = fifo(theirs, "it.toml")
        status = os.stat(__file__)
        monkeypatch.setattr(Os, "stat", staticmethod(lambda path: status))
        with pytest.raises(DeclarationError) as caught:
            read_topology(path)
        assert str(caught.value) == f"{path}: it is a FIFO, not a file"

    def test_what_says_that_it_is_short(self, theirs, monkeypatch):
        path = theirs / "it"
        with open(path, "wb") as content:
            content.truncate(2**24 + 1)
        status = os.stat(__file__)
        monkeypatch.setattr(Os, "stat", staticmethod(lambda path: status))
        with pytest.raises(HypervisorError) as caught:
            FakeHypervisor.GetLinuxNodeInfo(path)
        assert str(caught.value) == (
            f"Failed to get node info: {path}: it has 16777217 bytes, the most is 16777216"
        )

    def test_a_file_in_a_fake_filesystem_keeps_its_mode(self, fs):
        fs.create_file("/it.toml", contents="[[node]]\nname = 'node1'\n", st_mode=stat.S_IFREG | 0o640)
        assert [node.name for node in read_topology("/it.toml").nodes] == ["node1"]
        assert os.stat("/it.toml").st_mode == stat.S_IFREG | 0o640


def test_folders_that_can_not_all_be_made_are_not_made(theirs):
    with pytest.raises(OSError, match="File name too long"):
        make_directories(Disk.os, f"{theirs}/a/b/{'x' * 300}")
    assert os.listdir(theirs) == []
