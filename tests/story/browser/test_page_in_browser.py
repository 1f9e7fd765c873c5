"""The report page in a real browser: real runs, a mouse, a keyboard and an accessibility checker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

if "FAKEHV_AXE" not in os.environ:
    pytest.skip(
        "needs Debian's chromium and chromium-driver, and axe-core: nox -s browser", allow_module_level=True
    )

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

HERE = Path(__file__).parent

ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PHONE, DESK = (390, 844), (1280, 900)

FAILING = """
import pytest
from pytest_fakehv import HypervisorError

@pytest.mark.fakehv_instance("web1", memory=4096, node="node1")
@pytest.mark.fakehv_migration("web1", outcome="failed", at=0.6)
def test_believes_a_status(fakehv_cluster):
    source, target = fakehv_cluster
    web1 = source.instance("web1")
    target.AcceptInstance(web1, "", "node2")
    source.MigrateInstance("cluster", web1, "node2", True)
    while source.GetMigrationStatus(web1).status == "active":
        pass
    source.FinalizeMigrationSource(web1, True, True)
    fakehv_cluster.assert_migrated("web1", target="node2")

@pytest.mark.fakehv_node("node1")
@pytest.mark.fakehv_node("node2")
@pytest.mark.fakehv_node("node3", memory=1000)
def test_drain(fakehv_cluster):
    cluster = fakehv_cluster
    for number in range(1, 6):
        cluster.add_instance(f"web{number}", node="node1")
    cluster.fault("AcceptInstance", node="node2", instance="web3", crash=True)
    cluster.script_migration("web4", dirty_rate=900, bandwidth=1000, times=1)
    for number in range(1, 6):
        result = cluster.migrate(f"web{number}", to="node2" if number % 2 else "node3")
        if result.outcome != "completed":
            cluster.migrate(f"web{number}", to="node3", live=False)
    cluster["node2"].boot()
    cluster["node3"].disconnect()
    cluster["node1"].StartInstance(cluster.instance("web2"), [], False)

NAMES = ["<script>document.title = 'broken'</script>", "<img src=x onerror=alert(1)>"]

@pytest.mark.parametrize("name", NAMES)
def test_attack(fakehv, name):
    fakehv.StartInstance(fakehv.instance(name.replace("/", "|")), [], False)
    raise ValueError(name)

def test_passes(fakehv_cluster):
    fakehv_cluster.add_instance("web1")
    fakehv_cluster.migrate("web1", to="node2")
"""


def run(*args):
    """Run pytest, and return its exit status."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-c",
        os.devnull,
        *map(str, args),
    ]
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of the examples' run and of a failing run, and pytest-html's of the latter."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "test_failing.py").write_text(FAILING)
    examples = sorted((HERE.parents[2] / "examples").glob("test_*.py"))
    assert run(f"--fakehv-report={folder / 'examples.html'}", "-n", "2", *examples) == 0
    theirs = ["--html", folder / "theirs.html", "--self-contained-html"]
    failing = folder / "test_failing.py"
    assert run(f"--fakehv-report={folder / 'failing.html'}", failing) == 1
    # Its own columns hold a test's name as it is, tags and all.
    assert run(*theirs, "-k", "not attack", failing) == 1
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in [*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def show(browser, pages):
    """Open a page, as a reader with these circumstances has it."""

    def open_page(name, *, size=DESK, scheme="light", media="screen", script=True):
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
        browser.get((pages / f"{name}.html").as_uri())
        return browser

    yield open_page
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def all_of(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def shown_tests(browser):
    return [each.text for each in all_of(browser, ".case h3") if each.is_displayed()]


def open_everything(browser):
    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


@pytest.mark.parametrize("name", ["examples", "failing"])
def test_no_errors_and_nothing_fetched(show, name):
    browser = show(name)
    assert browser.get_log("browser") == []
    assert browser.title == "Fake hypervisors: what happened"
    assert (
        browser.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
        == []
    )


@pytest.mark.parametrize("name", ["examples", "failing"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_accessibility_checker_finds_nothing_serious(show, name, scheme, size):
    browser = show(name, scheme=scheme, size=size)
    if name == "failing":
        open_everything(browser)
    browser.execute_script(Path(os.environ["FAKEHV_AXE"]).read_text(encoding="utf-8"))
    found = browser.execute_async_script("axe.run().then(arguments[0])")
    assert len(found["passes"]) > 20
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []


def test_failed_tests_are_first_and_open(show):
    browser = show("failing")
    assert [each.split("::")[1] for each in shown_tests(browser)[2:]] == [
        "test_attack[<script>document.title = 'broken'</script>]",
        "test_attack[<img src=x onerror=alert(1)>]",
        "test_passes",
    ]
    assert [each.get_attribute("open") is not None for each in all_of(browser, ".case")] == [True] * 4 + [
        False
    ]


def test_the_filter(show):
    browser = show("failing")
    (name,), (outcome,), (said,) = (all_of(browser, each) for each in ("input", "select", "output"))
    assert said.text == "5 of 5 shown"
    name.send_keys("DRAIN")
    assert [each.split("::")[1] for each in shown_tests(browser)] == ["test_drain"]
    assert said.text == "1 of 5 shown"
    name.clear()
    name.send_keys("test_ s")
    outcome.send_keys("passed")
    assert [each.split("::")[1] for each in shown_tests(browser)] == ["test_passes"]
    name.send_keys(Keys.ENTER)
    assert [each.split("::")[1] for each in shown_tests(browser)] == ["test_passes"]


def focused(browser):
    return browser.execute_script(
        """
        const own = document.activeElement, tip = own.querySelector(".tip");
        const opacity = tip && getComputedStyle(tip).opacity;
        return [own.className, own.getAttribute("href"), opacity, tip && tip.innerText];
        """
    )


def test_the_keyboard_alone_reaches_every_mark(show):
    browser = show("failing")
    expected = [each.get_attribute("href") for each in all_of(browser, ".case[open] a.mark")]
    assert len(expected) > 40
    reached = {}
    for _ in range(len(expected) + 60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        kind, href, opacity, text = focused(browser)
        if kind == "mark":
            assert opacity == "1"
            reached[href] = text
    assert [href.rpartition("#")[2] for href in expected] == [href.removeprefix("#") for href in reached]
    drained = [text for text in reached.values() if "AcceptInstance('web3'" in text]
    assert "NodeDownError" in drained[0]
    assert "node2: crash()" in drained[0]
    assert "test_failing.py:" in drained[0]


def test_enter_goes_to_the_marks_row(show):
    browser = show("failing")
    mark = all_of(browser, "a.mark")[2]
    mark.send_keys(Keys.ENTER)
    (row,) = all_of(browser, "tr:target")
    assert row.is_displayed()
    assert row.get_attribute("id") == mark.get_attribute("href").rpartition("#")[2]


@pytest.mark.parametrize("script", [True, False])
def test_hovering_shows_what_a_mark_is(show, script):
    browser = show("failing", script=script)
    mark = all_of(browser, "a.mark")[0]
    tip = mark.find_element(By.CLASS_NAME, "tip")
    assert tip.value_of_css_property("opacity") == "0"
    webdriver.ActionChains(browser).move_to_element(mark).perform()
    assert tip.value_of_css_property("opacity") == "1"
    assert "at " in tip.text
    webdriver.ActionChains(browser).move_by_offset(0, -200).perform()


def test_without_javascript_all_but_the_filter_works(show):
    browser = show("failing", script=False)
    (form,) = all_of(browser, "form")
    assert not form.is_displayed()
    test = all_of(browser, ".case")[-1]
    assert not test.find_element(By.TAG_NAME, "svg").is_displayed()
    test.find_element(By.TAG_NAME, "summary").click()
    assert test.find_element(By.TAG_NAME, "svg").is_displayed()


@pytest.mark.parametrize("name", ["examples", "failing"])
def test_on_a_phone_nothing_but_the_timelines_is_too_wide(show, name):
    browser = show(name, size=PHONE)
    open_everything(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("size", [DESK, (2400, 900)])
@pytest.mark.parametrize("name", ["failing", "theirs"])
def test_a_short_timeline_fills_its_frame(show, name, size):
    browser = show(name, size=size)
    frame = all_of(browser, ".fakehv .scroller")[0]
    right = "const box = arguments[0].getBoundingClientRect(); return box.right"
    ends = [browser.execute_script(right, each) for each in frame.find_elements(By.CSS_SELECTOR, "rect.lane")]
    assert min(ends) >= browser.execute_script(right, frame)
    assert browser.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", frame) == 0


def test_on_a_phone_a_timeline_begins_beside_the_nodes_names(show):
    browser = show("failing", size=PHONE)
    edges = [
        browser.execute_script(
            f"return arguments[0].getBoundingClientRect().{side}", all_of(browser, each)[0]
        )
        for each, side in ((".names", "right"), ("rect.bar", "left"))
    ]
    assert edges[0] == pytest.approx(edges[1], abs=1)


def test_on_the_smallest_phone_what_went_wrong_is_seen_first(show):
    browser = show("failing", size=(360, 740))
    seen = browser.execute_script(
        """
        const inside = (own, frame) => own.left >= frame.left && own.right <= frame.right;
        return [...document.querySelectorAll(".case[open] .scroller")]
            .map((frame) => [frame.querySelector(".stage > svg .m.violation"), frame])
            .filter(([mark]) => mark)
            .map(([mark, frame]) => inside(mark.getBoundingClientRect(), frame.getBoundingClientRect()));
        """
    )
    assert seen == [True, True]


def test_a_tables_heads_stay_in_view(show):
    browser = show("failing")
    mark = all_of(browser, ".case")[1].find_elements(By.CSS_SELECTOR, "a.mark")[-1]
    mark.send_keys(Keys.ENTER)
    tops = browser.execute_script(
        """
        const row = document.querySelector("tr:target");
        const head = row.closest("table").querySelector("thead th");
        const boxes = [row, head].map((each) => each.getBoundingClientRect());
        return boxes.flatMap((each) => [each.top, each.bottom]);
        """
    )
    row_top, row_bottom, head_top, head_bottom = tops
    assert 0 <= head_top < head_bottom <= row_top + 1
    assert row_bottom <= DESK[1]


def test_on_paper(show):
    browser = show("failing", media="print", scheme="dark")
    assert not all_of(browser, "form")[0].is_displayed()
    (table, *_) = all_of(browser, "table")
    # The driver takes all in a closed "details" for hidden, whatever the style sheet says.
    assert browser.execute_script("return arguments[0].checkVisibility()", table)
    assert (
        browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )


def test_the_schemes_differ(show):
    grounds = set()
    for scheme in ("light", "dark"):
        browser = show("failing", scheme=scheme)
        grounds.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_in_the_page_of_pytest_html(show):
    browser = show("theirs")
    pictures = all_of(browser, ".fakehv svg[role=img]")
    assert pictures
    assert pictures[0].is_displayed()
    assert [each for each in browser.get_log("browser") if each["level"] == "SEVERE"] == []


def test_a_long_timeline_does_not_widen_the_page_of_pytest_html(show):
    browser = show("theirs")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= DESK[0]
