"""Every code block of the README and of the documentation does what it says."""

import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET

import pages
import pytest
from pages import PAGES, TOP, blocks, commands, environment, merged, same, text_of, title

import pytest_fakehv
from pytest_fakehv import read_topology
from pytest_fakehv.interface.contract import INTERFACE
from pytest_fakehv.judgement.violations import INVARIANTS
from pytest_fakehv.stateful import OPERATIONS
from pytest_fakehv.stateful.interfaces import Interface, Libvirt

TITLED = pytest.mark.parametrize("page", PAGES, ids=title)

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")

REFERENCE = "\n".join(text_of(page) for page in PAGES if title(page).startswith("reference/"))


def run(command, folder):
    """Run a command as a reader would, and return its output."""
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def outcomes(report):
    """Return the outcomes of each module's tests, from a JUnit report."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        problems = {each.tag for each in case} - {"properties", "system-out", "system-err"}
        found.setdefault(case.get("classname").split(".")[0], set()).add(
            problems.pop() if problems else "passed"
        )
    return found


@TITLED
def test_every_block_is_of_a_kind_that_is_tested(page):
    assert {block.kind for block in blocks(page)} - pages.KINDS == set()


def anchors(page):
    """Return the anchors of a page's headings, as GitHub and the builder make them."""
    headings = re.findall(r"^#+ (.*)", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(page):
    """Return a page's text without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@TITLED
def test_every_link_within_the_documentation_leads_somewhere(page):
    links = re.findall(r"\]\((?![a-z]+:)([^)#\s]*)#?([^)\s]*)\)", prose(page))
    targets = [((page.parent / path if path else page), anchor) for path, anchor in links]
    assert [str(path) for path, _ in targets if not path.exists()] == []
    assert [anchor for path, anchor in targets if anchor and anchor not in anchors(path)] == []


def test_the_readme_names_every_how_to():
    readme = (TOP / "README.md").read_text()
    folder = TOP / "docs/how-to"
    pages = {str(page.relative_to(TOP)) for page in (*folder.glob("*.md"), *folder.glob("*/index.md"))}
    assert {page for page in pages if f"({page}" not in readme} == {"docs/how-to/index.md"}


def is_module(block):
    """Tell whether a block is run for itself, as a test module."""
    return block.kind == "python fails" or (block.kind == "python" and block.file is None)


def module_names(page):
    """Return a page's modules by the names under which they are run."""
    stem = re.sub(r"\W", "_", title(page).lower())
    modules = [block for block in blocks(page) if is_module(block)]
    return {
        (block.file or f"test_{stem}_{number}.py").removesuffix(".py"): block
        for number, block in enumerate(modules)
    }


@pytest.fixture(scope="session")
def run_of_all_modules(tmp_path_factory):
    """Run the modules of all pages at once, and return each one's outcomes, and the output."""
    folder = tmp_path_factory.mktemp("modules")
    for page in PAGES:
        for name, block in module_names(page).items():
            path = folder / f"{name}.py"
            assert not path.exists(), f"two modules are named {name}"
            path.write_text(block.text)
    output = run([*PYTEST, "--strict-markers", "--junitxml=report.xml"], folder)
    return outcomes(folder / "report.xml"), output


@TITLED
def test_the_modules_on_a_page_pass_or_fail_as_it_says(page, run_of_all_modules):
    of_all, output = run_of_all_modules
    modules = module_names(page)
    expected = {
        name: {"failure" if block.kind == "python fails" else "passed"} for name, block in modules.items()
    }
    assert {name: of_all.get(name) for name in modules} == expected, output


@TITLED
def test_a_failing_module_prints_what_the_text_after_it_shows(page, run_of_all_modules):
    _of_all, output = run_of_all_modules
    own = blocks(page)
    failing = [number for number, block in enumerate(own) if block.kind == "python fails"]
    assert [own[number].file for number in failing if own[number + 1].kind != "text"] == []
    assert [own[number].file for number in failing if own[number + 1].text.strip() not in output] == [], (
        output
    )


@TITLED
def test_the_commands_on_a_page_print_what_it_shows(page, tmp_path):
    """Its files are written, and its commands run, in the order in which they stand there."""
    for block in blocks(page):
        if block.goes_into:
            path = tmp_path / block.file
            path.write_text(merged(path.read_text(), block.text))
        elif block.file and not is_module(block):
            (tmp_path / block.file).write_text(block.text)
        elif block.kind == "console":
            for command, shown in commands(block.text):
                output = run(command, tmp_path)
                assert same(shown, output), f"$ {command}\n{output}"


@TITLED
def test_shell_commands_are_well_formed(page):
    for block in blocks(page):
        if block.kind == "sh":
            subprocess.run(["sh", "-n", "-c", block.text], check=True)
        if block.kind == "toml":
            tomllib.loads(block.text)


@pytest.mark.parametrize(
    "source",
    [block.text for page in PAGES for block in blocks(page) if block.kind == "python ganeti"],
)
def test_a_block_for_ganeti_passes(pytester, source):
    pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)
    pytester.makepyfile(source)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def blocks_for_libvirt():
    """Return those of all pages, each with the output that the page shows after it, if it shows one."""
    for page in PAGES:
        own = blocks(page)
        for number, block in enumerate(own):
            if block.kind in pages.LIBVIRT:
                shown = own[number + 1].text if block.kind.endswith(" fails") else ""
                yield pytest.param(block, shown, id=f"{title(page)}-{number}")


@pytest.mark.parametrize(("block", "shown"), [*blocks_for_libvirt()])
def test_a_block_for_libvirt_passes_or_fails_as_it_says(tmp_path, block, shown):
    pytest.importorskip(  # which no folder is named as
        "libvirtmod", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
    )
    if "virsh" in block.text and not shutil.which("virsh"):
        pytest.skip("needs virsh: apt-get install libvirt-clients")
    path = tmp_path / (block.file or "test_page.py")
    path.write_text(block.text)
    output = run([*PYTEST, "--strict-markers", "--junitxml=report.xml"], tmp_path)
    expected = "failure" if block.kind.endswith(" fails") else "passed"
    assert outcomes(tmp_path / "report.xml") == {path.stem: {expected}}, output
    assert shown.strip() in output


SCREENSHOTS = TOP / "docs" / "_screenshots"


def test_the_screenshots_are_shown_and_said_in_words_and_small():
    directive = re.compile(r"^```\{image\} \S*_screenshots/(\S+)\n(?::.*\n)*?:alt: (.*)$", re.MULTILINE)
    shown = {name: alt for page in PAGES for name, alt in directive.findall(text_of(page))}
    assert sorted(shown) == sorted(path.name for path in SCREENSHOTS.iterdir())
    assert [name for name, alt in shown.items() if len(alt) < 80] == []
    assert [path.name for path in SCREENSHOTS.iterdir() if path.stat().st_size > 150_000] == []
    of_readme = re.findall(r'"docs/_screenshots/(\S+)"', text_of(TOP / "README.md"))
    assert sorted(of_readme) == ["page-dark.png", "page-light.png"]


def test_the_terminals_screenshot_shows_what_is_printed(tmp_path):
    """Where it no longer does, all of them are old: `nox -s screenshots` makes them anew."""
    page = blocks(TOP / "docs/how-to/report.md")
    (module,) = [block for block in page if block.file == "test_evacuation.py"]
    (tmp_path / module.file).write_text(module.text)
    picture = ET.parse(SCREENSHOTS / "terminal.svg").iter("{http://www.w3.org/2000/svg}text")
    shown = {word for each in picture if each.get("clip-path") for word in each.text.split()}
    assert len(shown) > 50
    assert shown - {*run([*PYTEST, "-q"], tmp_path).split()} == set()


def only(name, kind):
    (text,) = [block.text for block in blocks(TOP / name) if block.kind == kind]
    return text


def test_the_settings_are_accepted(pytester):
    pytester.makeini(only("docs/reference/options.md", "ini"))
    pytester.makepyfile("def test_it(fakehv): assert fakehv.root == '/fakehv/node1'")
    result = pytester.runpytest_subprocess("--strict-config")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*- fakehv: test_*"])


def test_the_topology_is_accepted(tmp_path):
    (tmp_path / "t.toml").write_text(only("docs/how-to/topology.md", "toml"))
    topology = read_topology(tmp_path / "t.toml")
    assert (len(topology.nodes), len(topology.instances)) == (20, 400)
    assert topology.instances[20].name == "web0021"
    assert topology.instances[20].node == "node1"


def test_the_first_commands_do_their_own_set_up():
    """They are run, as they stand here, by .ci/run."""
    commands = [block for block in blocks(TOP / "README.md") if block.kind == "sh"]
    for block in commands[:2]:
        assert block.text.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_the_tables_name_every_fixture_option_and_method():
    names = ["`fakehv`", "`fakehv_cluster`", "`fakehv_factory`", "`fakehv_class`", "`fakehv_ganeti`"]
    names += [f"`--fakehv-{option}" for option in ("root", "backend", "show", "calls", "topology", "seed")]
    assert [name for name in names if f"\n| {name}" not in REFERENCE] == []
    assert [name for name in sorted(INTERFACE) if f"`{name}`" not in REFERENCE] == []
    assert [name for name in (*Interface.faulty, *Libvirt.faulty) if f"`{name}`" not in REFERENCE] == []


def test_the_invariants_are_all_explained():
    text = text_of(TOP / "docs/explanation/invariants.md")
    assert [name for name in INVARIANTS if f"\n| `{name}`" not in text or f"\n### `{name}`" not in text] == []


def test_the_operations_of_a_driver_are_all_named():
    text = text_of(TOP / "docs/how-to/property-tests.md")
    assert [name for name in OPERATIONS if f"\n| `{name}(" not in text] == []


def test_the_reference_has_every_public_name():
    """Every one, and every method of the interface and every helper, from its docstring."""
    described = set()
    for line in REFERENCE.splitlines():
        if line.startswith(".. auto") and "::" in line:
            described.add(line.partition(":: ")[2].partition("(")[0])
    assert [name for name in pytest_fakehv.__all__ if name not in described] == []
    assert [name for name in INTERFACE if f"FakeHypervisor.{name}" not in described] == []
    helpers = [name for name in dir(pytest_fakehv.FakeCluster) if name.startswith("assert_")]
    assert [name for name in helpers if f"FakeCluster.{name}" not in described] == []
