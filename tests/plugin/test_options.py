"""The options and ini values: what they do, which one counts, and what is refused at start-up."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from pytest_fakehv.plugin import roots

USES_IT = """
    def test_start(fakehv):
        fakehv.StartInstance(fakehv.instance("web1"), [], False)
        print("root:", fakehv.root)
"""


def refused(result, text):
    """Check that the run stopped at start-up with one line."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.stderr.lines if line.strip()]
    assert lines == [f"ERROR: {text}"]


@pytest.mark.parametrize(
    ("option", "valid"),
    [("backend", "'tmp_path', 'pyfakefs', 'memory'"), ("show", "'failed', 'all', 'none'")],
)
@pytest.mark.parametrize("value", ["nonsense", ""])
def test_unknown_choices(pytester, option, valid, value):
    refused(
        pytester.runpytest(f"--fakehv-{option}={value}"),
        f"--fakehv-{option}: {option} must be one of {valid}, not {value!r}",
    )
    pytester.makeini(f"[pytest]\nfakehv_{option} = {value}")
    refused(
        pytester.runpytest(),
        f"fakehv_{option}: {option} must be one of {valid}, not {value!r}",
    )


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "ALL", "", "²", "9" * 5000, str(2**63)])
def test_a_wrong_number_of_calls(pytester, value):
    refused(
        pytester.runpytest(f"--fakehv-calls={value}"),
        f"--fakehv-calls: calls must be a positive integer or 'all', not {value!r}",
    )
    pytester.makeini(f"[pytest]\nfakehv_calls = {value}")
    refused(
        pytester.runpytest(),
        f"fakehv_calls: calls must be a positive integer or 'all', not {value!r}",
    )


def test_they_are_refused_under_xdist_too(pytester):
    refused(
        pytester.runpytest_subprocess("-n", "2", "--fakehv-backend=x"),
        "--fakehv-backend: backend must be one of 'tmp_path', 'pyfakefs', 'memory', not 'x'",
    )


BACKEND = """
    import pytest

    @pytest.mark.parametrize("expected", [{expected!r}])
    def test_it(fakehv, expected, tmp_path):
        assert ("pyfakefs" if fakehv.root == "/fakehv/node1" else "tmp_path") == expected
"""


@pytest.mark.parametrize(
    ("ini", "option", "marker", "expected"),
    [
        (None, None, None, "tmp_path"),
        ("pyfakefs", None, None, "pyfakefs"),
        ("pyfakefs", "tmp_path", None, "tmp_path"),
        ("tmp_path", "pyfakefs", None, "pyfakefs"),
        (None, "pyfakefs", "tmp_path", "tmp_path"),
        ("tmp_path", "tmp_path", "pyfakefs", "pyfakefs"),
    ],
)
def test_the_marker_counts_more_than_the_command_line_and_that_more_than_the_ini(
    pytester, ini, option, marker, expected
):
    if ini:
        pytester.makeini(f"[pytest]\nfakehv_backend = {ini}")
    mark = f"\n    pytestmark = pytest.mark.fakehv(backend={marker!r})\n" if marker else ""
    pytester.makepyfile(
        BACKEND.format(expected=expected).replace("import pytest\n", f"import pytest\n{mark}")
    )
    args = [f"--fakehv-backend={option}"] if option else []
    pytester.runpytest(*args).assert_outcomes(passed=1)


class TestRootIsKept:
    def test_one_folder_a_test_left_there_afterwards(self, pytester):
        pytester.makepyfile(test_a=USES_IT, test_b=USES_IT)
        result = pytester.runpytest("--fakehv-root=out/deep")
        result.assert_outcomes(passed=2)
        out = pytester.path / "out" / "deep"
        result.stdout.fnmatch_lines([f"fakehv: root directories are kept in {out}"])
        for test in ("test_a.py-test_start", "test_b.py-test_start"):
            assert (out / "main" / test / "node1" / "web1").read_bytes() == b"0\n1024\n1\n"
            assert sorted(os.listdir(out / "main" / test)) == [".pytest-fakehv", "node1"]

    def test_relative_to_the_invocation_directory_on_the_command_line(self, pytester):
        pytester.makepyfile(USES_IT)
        pytester.makeini("[pytest]")
        below = pytester.mkdir("below")
        os.chdir(below)
        pytester.runpytest("--fakehv-root=out", "..").assert_outcomes(passed=1)
        assert (below / "out" / "main").is_dir()

    def test_relative_to_the_rootdir_in_the_ini_file(self, pytester):
        pytester.makepyfile(USES_IT)
        pytester.makeini("[pytest]\nfakehv_root = out")
        below = pytester.mkdir("below")
        os.chdir(below)
        pytester.runpytest("..").assert_outcomes(passed=1)
        assert (pytester.path / "out" / "main").is_dir()
        assert not (below / "out").exists()

    def test_below_the_home_directory(self, pytester, monkeypatch):
        monkeypatch.setenv("HOME", str(pytester.mkdir("home")))
        pytester.makepyfile(USES_IT)
        pytester.runpytest("--fakehv-root=~/out").assert_outcomes(passed=1)
        assert (pytester.path / "home" / "out" / "main").is_dir()
        assert not (pytester.path / "~").exists()

    def test_one_of_odd_bytes_is_said_in_one_line(self, pytester):
        pytester.makepyfile(USES_IT)
        result = pytester.runpytest("--fakehv-root=a\nb\udcff")
        result.assert_outcomes(passed=1)
        kept = f"fakehv: root directories are kept in {pytester.path}/a\\nb\\udcff"
        assert kept in result.outlines

    def test_an_empty_one_is_none(self, pytester):
        pytester.makepyfile(BACKEND.format(expected="pyfakefs"))
        pytester.makeini("[pytest]\nfakehv_root = out")
        args = ["--fakehv-root=", "--fakehv-backend=pyfakefs"]
        pytester.runpytest(*args).assert_outcomes(passed=1)
        assert not (pytester.path / "out").exists()

    def test_the_next_run_empties_it(self, pytester):
        pytester.makepyfile(test_old=USES_IT)
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)
        (pytester.path / "test_old.py").rename(pytester.path / "test_new.py")
        pytester.runpytest("--fakehv-root=out", "--collect-only")
        assert (pytester.path / "out" / "main" / "test_old.py-test_start").is_dir()
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)
        assert os.listdir(pytester.path / "out" / "main") != ["test_old.py-test_start"]
        assert not (pytester.path / "out" / "main" / "test_old.py-test_start").exists()
        assert (pytester.path / "out" / "main" / "test_new.py-test_start").is_dir()

    def test_each_worker_has_its_own(self, pytester):
        pytester.makepyfile(
            """
            import pytest

            @pytest.mark.parametrize("number", range(8))
            def test_start(fakehv, number):
                fakehv.StartInstance(fakehv.instance("web1"), [], False)
            """
        )
        pytester.runpytest_subprocess("--fakehv-root=out", "-n", "2").assert_outcomes(passed=8)
        out = pytester.path / "out"
        assert sorted(os.listdir(out)) == [".pytest-fakehv-root", "gw0", "gw1"]
        tests = [name for each in ("gw0", "gw1") for name in os.listdir(out / each) if name[0] != "."]
        assert sorted(tests) == [f"test_each_worker_has_its_own.py-test_start-{n}" for n in range(8)]

    def test_odd_names_get_folders_of_their_own(self, pytester):
        pytester.makepyfile(
            """
            import pytest

            NAMES = ["a/b", "a b", "a:b", "../..", "é", "x" * 300, "x" * 301, "nul\\0", "A", "a", ""]

            @pytest.mark.parametrize("name", NAMES, ids=NAMES)
            def test_start(fakehv, name):
                fakehv.StartInstance(fakehv.instance("web1"), [], False)
                assert fakehv.ListInstances() == ["web1"]
            """
        )
        for args in (["--fakehv-root=out"], []):
            pytester.runpytest(*args).assert_outcomes(passed=11)
        main = pytester.path / "out" / "main"
        folders = [each for each in os.listdir(main) if each[0] != "."]
        assert len({each.lower() for each in folders}) == 11
        assert all((main / each / "node1" / "web1").is_file() for each in folders)
        assert max(map(len, folders)) < 110

    def test_a_rerun_gets_a_fresh_one(self, pytester):
        pytester.makepyfile(
            """
            RUNS = []

            def test_flaky(fakehv):
                assert fakehv.ListInstances() == []
                fakehv.StartInstance(fakehv.instance("web1"), [], False)
                RUNS.append(fakehv.root)
                assert len(set(RUNS)) == 3
            """
        )
        result = pytester.runpytest("--fakehv-root=out", "--reruns=2")
        result.assert_outcomes(passed=1)
        assert result.parseoutcomes()["rerun"] == 2


@pytest.mark.parametrize("args", [[], ["--fakehv-root=out"], ["--fakehv-backend=pyfakefs"]])
def test_a_run_may_end_all_fixtures_and_go_on(pytester, args):
    """As it does where a teardown fails that is run again, and under what isolates the tests."""
    pytester.makeconftest(
        """
        import pytest
        from _pytest.runner import runtestprotocol

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item):
            runtestprotocol(item, nextitem=None)
            return True
        """
    )
    pytester.makepyfile(
        """
        import pytest

        ROOTS = set()

        @pytest.mark.parametrize("number", range(2))
        @pytest.mark.fakehv(backend="tmp_path")
        def test_start(fakehv_factory, fakehv, number):
            for node in (fakehv, fakehv_factory()["node1"]):
                assert node.ListInstances() == []
                node.StartInstance(node.instance("web1"), [], False)
                assert node.root not in ROOTS or node.root.startswith("/fakehv")
                ROOTS.add(node.root)
        """
    )
    pytester.runpytest(*args).assert_outcomes(passed=2)


class TestRootIsRefused:
    def refused(self, pytester, root, why):
        result = pytester.runpytest(f"--fakehv-root={root}")
        refused(
            result,
            f"--fakehv-root '{root}' can't be used: {why}; "
            "name a new or empty folder, or one that an earlier run left",
        )

    @pytest.fixture(autouse=True)
    def user_file(self, pytester, monkeypatch):
        """A file of the user's, which no refusal may touch."""
        pytester.makepyfile(USES_IT)
        monkeypatch.setenv("HOME", str(pytester.mkdir("home")))
        folder = pytester.mkdir("mine")
        (folder / "notes.txt").write_text("mine")
        before = self.tree(pytester.path)
        yield folder
        assert {name: text for name, text in self.tree(pytester.path).items() if name in before} == before

    @staticmethod
    def tree(path):
        return {
            str(each): each.read_text() if each.is_file() else ""
            for each in Path(path).rglob("*")
            if "__pycache__" not in each.parts
        }

    def test_a_file(self, pytester, user_file):
        path = user_file / "notes.txt"
        self.refused(pytester, path, "it is a file")
        self.refused(pytester, path / "below", f"{str(path)!r} is a file")

    def test_the_filesystems_root(self, pytester):
        self.refused(pytester, "/", "it is /")

    def test_the_home_directory(self, pytester):
        home = pytester.path / "home"
        self.refused(pytester, home, "it is the home directory")
        assert os.listdir(home) == []

    def test_the_rootdir(self, pytester):
        self.refused(pytester, pytester.path, "it is the rootdir")

    def test_by_another_name(self, pytester):
        (pytester.path / "link").symlink_to(pytester.path)
        self.refused(pytester, pytester.path / "link", "it is the rootdir")

    def test_somebodys_folder(self, pytester, user_file):
        self.refused(pytester, user_file, "it holds 'notes.txt', which pytest-fakehv did not put there")
        assert os.listdir(user_file) == ["notes.txt"]

    def test_ours_with_somebodys_file(self, pytester):
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)
        out = pytester.path / "out"
        test = out / "main" / "test_ours_with_somebodys_file.py-test_start"
        for place in (out / "notes.txt", out / "main" / "notes.txt", test / "notes.txt"):
            place.write_text("mine")
            before = self.tree(out)
            name = place.relative_to(out)
            self.refused(pytester, out, f"it holds '{name}', which pytest-fakehv did not put there")
            assert self.tree(out) == before
            place.unlink()

    @pytest.mark.parametrize("where", ["", "main"])
    def test_ours_with_somebodys_folder(self, pytester, where):
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)
        precious = pytester.path / "out" / where / "data" / "node1" / "precious"
        precious.parent.mkdir(parents=True)
        precious.write_text("mine")
        name = os.path.join(where, "data")
        self.refused(
            pytester, pytester.path / "out", f"it holds '{name}', which pytest-fakehv did not put there"
        )
        assert precious.read_text() == "mine"

    @pytest.mark.parametrize("what", ["folder", "large file", "link"])
    def test_ours_with_something_strange_among_the_instances(self, pytester, what):
        """A node's folder has a small file for each instance, and nothing else."""
        pytester.runpytest_subprocess("--fakehv-root=out").assert_outcomes(passed=1)
        (web1,) = (pytester.path / "out").glob("main/*/node1/web1")
        strange = web1.parent / "thesis"
        if what == "folder":
            strange.mkdir()
        elif what == "link":
            strange.symlink_to(web1)
        else:
            strange.write_text("x" * 257)
        result = pytester.runpytest_subprocess("--fakehv-root=out")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        name = strange.relative_to(pytester.path / "out")
        assert f"it holds '{name}', which pytest-fakehv did not put there" in result.stderr.str()
        assert os.path.lexists(strange)

    def test_a_link_to_itself(self, pytester):
        (pytester.path / "loop").symlink_to("loop")
        self.refused(pytester, pytester.path / "loop", "it is a link to nothing")

    @pytest.mark.parametrize("linked", ["folder", "tag"])
    def test_a_link_is_not_followed(self, pytester, user_file, linked):
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)
        out = pytester.path / "out"
        name = "other" if linked == "folder" else ".pytest-fakehv-root"
        (out / name).unlink(missing_ok=True)
        (out / name).symlink_to(user_file if linked == "folder" else user_file / "notes.txt")
        result = pytester.runpytest("--fakehv-root=out")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert (user_file / "notes.txt").read_text() == "mine"

    def test_a_tag_that_is_a_link_to_nothing(self, pytester):
        out = pytester.mkdir("out")
        (out / ".pytest-fakehv-root").symlink_to(pytester.path / "elsewhere")
        self.refused(pytester, out, "it holds '.pytest-fakehv-root', which pytest-fakehv did not put there")
        assert not (pytester.path / "elsewhere").exists()

    def test_a_hard_link_to_somebodys_file(self, pytester, user_file):
        out = pytester.mkdir("out")
        (out / ".pytest-fakehv-root").hardlink_to(user_file / "notes.txt")
        self.refused(pytester, out, "it holds '.pytest-fakehv-root', which pytest-fakehv did not put there")
        assert (user_file / "notes.txt").read_text() == "mine"

    def test_the_root_of_another_run_in_it(self, pytester):
        pytester.runpytest("--fakehv-root=out/inner").assert_outcomes(passed=1)
        self.refused(
            pytester, pytester.path / "out", "it holds 'inner', which pytest-fakehv did not put there"
        )
        pytester.runpytest("--fakehv-root=outer").assert_outcomes(passed=1)
        (pytester.path / "out" / "inner").rename(pytester.path / "outer" / "inner")
        self.refused(
            pytester, pytester.path / "outer", "it holds 'inner', which pytest-fakehv did not put there"
        )

    def test_above_the_rootdir(self, pytester):
        self.refused(pytester, pytester.path.parent, "it holds the rootdir")

    def test_what_comes_into_it_before_the_first_test_stays(self, pytester):
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)
        pytester.makepyfile(
            test_other="""
            from pathlib import Path

            Path("out/main/data").mkdir()
            Path("out/main/data/notes.txt").write_text("mine")

            def test_it(fakehv): pass
            """,
        )
        result = pytester.runpytest("--fakehv-root=out")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        why = "it holds 'main/data', which pytest-fakehv did not put there"
        result.stdout.fnmatch_lines([f"*--fakehv-root '{pytester.path}/out' can't be emptied: {why}*"])
        assert (pytester.path / "out" / "main" / "data" / "notes.txt").read_text() == "mine"

    @pytest.fixture
    def swap(self, pytester, monkeypatch):
        """Run once, and again so that something is done between the last look at the root and emptying it."""
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)
        check = roots._refuse_foreign

        def swap(deed):
            looks = []

            def check_and_swap(path):
                check(path)
                looks.append(path)
                if len(looks) == 2:
                    deed()

            monkeypatch.setattr(roots, "_refuse_foreign", check_and_swap)
            result = pytester.runpytest("--fakehv-root=out")
            assert result.ret == pytest.ExitCode.USAGE_ERROR
            (said,) = [line for line in result.outlines if "can't be emptied" in line]
            _, why = said.split(f"--fakehv-root '{pytester.path}/out' can't be emptied: ")
            return why.strip(" !")

        return swap

    @pytest.mark.parametrize("where", ["main", "main/{test}", "main/{test}/node1"])
    def test_a_link_that_takes_a_folders_place_is_not_followed(self, pytester, user_file, swap, where):
        test = "test_a_link_that_takes_a_folders_place_is_not_followed.py-test_start"
        folder = pytester.path / "out" / where.format(test=test)

        def deed():
            folder.rename(pytester.path / "moved")
            folder.symlink_to(user_file)

        why = swap(deed)
        name = str(folder.relative_to(pytester.path / "out"))
        assert why == f"it holds {name!r}, which pytest-fakehv did not put there"
        assert os.readlink(folder) == str(user_file)

    @pytest.mark.parametrize(
        ("where", "make"),
        [
            ("", Path.touch),
            ("main", os.mkfifo),
            ("main/{test}", Path.touch),
            ("main/{test}/node1", os.mkfifo),
            ("main/{test}/node1", lambda path: path.write_text("x" * 257)),
        ],
    )
    def test_what_comes_at_the_last_moment_stays(self, pytester, swap, where, make):
        test = "test_what_comes_at_the_last_moment_stays.py-test_start"
        path = pytester.path / "out" / where.format(test=test) / "notes.txt"
        why = swap(lambda: make(path))
        name = str(path.relative_to(pytester.path / "out"))
        assert why == f"it holds {name!r}, which pytest-fakehv did not put there"
        assert path.exists()

    def test_it_can_not_be_emptied(self, pytester, swap, monkeypatch):
        folder = f"{pytester.path}/out/main/test_it_can_not_be_emptied.py-test_start/node1"
        rmdir = os.rmdir

        def refuse(path, *, dir_fd=None):
            if dir_fd is not None:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            rmdir(path)

        assert swap(lambda: monkeypatch.setattr(os, "rmdir", refuse)) == f"Permission denied: {folder!r}"

    def test_it_can_not_be_looked_at(self, pytester, swap):
        def deed():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/somewhere")

        assert swap(deed) == "Permission denied: '/somewhere'"

    def test_without_a_home_directory(self, pytester, monkeypatch):
        monkeypatch.setenv("HOME", "~nobody-of-this-name")
        self.refused(pytester, pytester.path / "out", "it may be the home directory, which is unknown")

    def test_a_folder_that_only_looks_like_ours(self, pytester):
        folder = pytester.mkdir("data")
        (folder / "main").mkdir()
        (folder / "main" / "important").mkdir()
        self.refused(pytester, folder, "it holds 'main', which pytest-fakehv did not put there")

    def test_in_use_by_another_run(self, pytester):
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)
        out = pytester.path / "out"
        with open(out / ".pytest-fakehv-root") as tag:
            fcntl.flock(tag, fcntl.LOCK_EX)
            self.refused(pytester, out, "another test run is using it")
        pytester.runpytest("--fakehv-root=out").assert_outcomes(passed=1)

    def test_not_writable(self, pytester):
        if os.geteuid():
            folder = pytester.mkdir("locked")
            folder.chmod(0o555)
            self.refused(pytester, folder, "Permission denied")
        else:  # what nobody can write to, root included
            self.refused(pytester, "/proc/fakehv", "No such file or directory")

    def test_by_the_ini_file(self, pytester):
        pytester.makeini("[pytest]\nfakehv_root = .")
        refused(
            pytester.runpytest(),
            f"fakehv_root '{pytester.path}' can't be used: it is the rootdir; "
            "name a new or empty folder, or one that an earlier run left",
        )

    @pytest.mark.parametrize("where", ["option", "ini"])
    def test_with_a_fake_filesystem(self, pytester, where):
        if where == "ini":
            pytester.makeini("[pytest]\nfakehv_root = out")
        args = ["--fakehv-root=out"] if where == "option" else []
        origin = "--fakehv-root" if where == "option" else "fakehv_root"
        refused(
            pytester.runpytest(*args, "--fakehv-backend=pyfakefs"),
            f"{origin} needs a backend with real files, but the backend is 'pyfakefs'; "
            "choose 'tmp_path', or keep no files with --fakehv-root=",
        )
        assert not (pytester.path / "out").exists()
