"""The bridges where what they lead to is not there; with it, see the folder of its name."""

import pytest

TEXT = (
    "pytest_fakehv.fronts.ganeti needs Ganeti's Python library, 3.0 or newer, and what it imports: "
    "No module named 'ganeti'; Debian's package ganeti-3.0 has it in /usr/share/ganeti/3.0, which must be on "
    "PYTHONPATH; pip install 'pytest-fakehv[ganeti]' installs what it imports"
)


@pytest.fixture(autouse=True)
def without_ganeti(pytester):
    pytester.makeconftest("""
        import sys

        class Absent:
            asked_for = []

            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "ganeti":
                    self.asked_for.append(name)
                    raise ModuleNotFoundError(f"No module named {name!r}")

        sys.meta_path.insert(0, Absent())
    """)


def test_the_fixture_says_what_is_missing(pytester):
    pytester.makepyfile("def test_it(fakehv_ganeti): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    assert f"\n{TEXT}\n" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_so_does_the_import(pytester):
    pytester.makepyfile("""
        import pytest

        def test_it():
            with pytest.raises(ImportError) as caught:
                import pytest_fakehv.fronts.ganeti
            print(caught.value)
    """)
    result = pytester.runpytest_subprocess("-s")
    result.assert_outcomes(passed=1)
    assert f"{TEXT}\n" in result.stdout.str()


def test_nothing_else_asks_for_it(pytester):
    pytester.makepyfile("""
        import importlib, pkgutil, sys
        import pytest_fakehv

        def test_it(fakehv, fakehv_cluster, fakehv_factory):
            fakehv.add_instance("web1")
            assert fakehv_cluster.migrate("web1", to="node2").outcome == "completed"

        def test_modules():
            for module in pkgutil.walk_packages(pytest_fakehv.__path__, "pytest_fakehv."):
                if module.name != "pytest_fakehv.fronts.ganeti":
                    importlib.import_module(module.name)
            assert sys.meta_path[0].asked_for == []
    """)
    result = pytester.runpytest_subprocess("--fakehv-show=all")
    result.assert_outcomes(passed=2)
