"""The documentation's pictures of the report page and of the terminal, made from a real run.

``nox -s screenshots`` makes them anew, with Debian's Chromium. They are committed, so that the documentation
is built without a browser. ``python docs/_extensions/screenshots.py FOLDER`` makes them elsewhere. It fails
where the run no longer shows what the pictures are to show.
"""

import base64
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from PIL import Image
from rich.console import Console
from rich.padding import Padding
from rich.terminal_theme import MONOKAI
from rich.text import Text
from selenium import webdriver

PAGE: Final = Path(__file__).parent.parent / "how-to" / "report.md"
MODULE: Final = "test_evacuation.py"
"""The test that is run: it stands on that page."""

REPORT: Final = "fakehv.html"
SCHEMES: Final = ("light", "dark")
DESK_WIDTH: Final = 1080
PHONE: Final = (390, 800)

TOO_LIKE: Final = 8
"""Which colours are the same to the eye: those whose parts, of 255, differ by no more."""

ARGUMENTS: Final = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")

# As rich has it, but that nothing is fetched: a picture on a page may not, and a README's neither.
TERMINAL: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px "DejaVu Sans Mono", Menlo, Consolas, monospace; \
line-height: {line_height}px }}
.{unique_id}-title {{ font: 16px system-ui, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/>\
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def make(folder: Path) -> None:
    """Make every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as where:
        output = run(Path(where))
        (folder / "terminal.svg").write_text(drawn(section(output)), encoding="utf-8")
        with browser() as driver:
            for scheme in SCHEMES:
                emulate(driver, scheme, DESK_WIDTH, 1200, scale=1.5)
                driver.get(Path(where, REPORT).as_uri())
                check(driver)
                point_at_a_violation(driver)
                save(shot(driver, ".case"), folder / f"page-{scheme}.png")
                emulate(driver, scheme, *PHONE, scale=2)
                driver.get(Path(where, REPORT).as_uri())
                scroll_to_the_crash(driver)
                save(shot(driver, ".case"), folder / f"phone-{scheme}.png")


def run(folder: Path) -> str:
    """Run the test as its reader would, with a report, and return what the terminal shows."""
    found = re.search(rf"```python as {MODULE}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        raise SystemExit(f"{PAGE} has no {MODULE}")
    (folder / MODULE).write_text(found[1], encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if key not in {"CI", "NO_COLOR"}}
    command = [sys.executable, "-m", "pytest", "-q", "--color=yes", f"--fakehv-report={REPORT}"]
    done = subprocess.run(  # noqa: S603  # what it runs stands on our page
        command,
        cwd=folder,
        env={**kept, "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 1:
        raise SystemExit(f"the test was to fail, and did not:\n{done.stdout}")
    return done.stdout


def section(output: str) -> Text:
    """Cut out what is said of the failed test, but for the list of its calls."""
    lines = output.splitlines()
    plain = [Text.from_ansi(line).plain for line in lines]
    begin = next(index for index, line in enumerate(plain) if " FAILURES " in line)
    end = next(index for index, line in enumerate(plain) if line.startswith("calls"))
    return Text.from_ansi("\n".join(lines[begin:end]))


def drawn(text: Text) -> str:
    """Draw a terminal with a text in it."""
    width = max(len(line) for line in text.plain.splitlines())
    console = Console(width=width + 2, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Padding(text, (0, 1, 1, 1)))
    return console.export_svg(title="pytest", theme=MONOKAI, code_format=TERMINAL, unique_id="terminal")


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Have Debian's Chromium for a time."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as profile:
        for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        try:
            yield driver
        finally:
            driver.quit()


def emulate(driver: webdriver.Chrome, scheme: str, width: int, height: int, *, scale: float) -> None:
    """Be the screen of a reader with a scheme of colours."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def check(driver: webdriver.Chrome) -> None:
    """See that the page shows what the pictures' descriptions say."""
    wanted = (
        ".case.bad",
        ".troubles li",
        "path.m.violation",
        "path.m.crash",
        ".sent.bad",
        ".period.down",
    )
    missing = [each for each in wanted if not driver.find_elements("css selector", each)]
    if missing:
        raise SystemExit(f"the page lacks {', '.join(missing)}")


def point_at_a_violation(driver: webdriver.Chrome) -> None:
    """Let the page say what the mark of the second call that broke an invariant is."""
    driver.execute_script(
        """
        const marks = [...document.querySelectorAll("a.mark")];
        marks.filter((each) => each.textContent.includes("unearned"))[1].focus({preventScroll: true});
        """
    )


def scroll_to_the_crash(driver: webdriver.Chrome) -> None:
    """Let a small screen show the middle of the timeline."""
    driver.execute_script(
        """
        const frame = document.querySelector(".scroller");
        const moved = document.querySelector(".stage .m.crash").getBoundingClientRect().right;
        frame.scrollLeft += moved - frame.getBoundingClientRect().right + 20;
        """
    )


def shot(driver: webdriver.Chrome, selector: str) -> Image.Image:
    """Photograph an element, with a little of what is around it."""
    box: Any = driver.execute_script(
        """
        const own = document.querySelector(arguments[0]).getBoundingClientRect();
        return {x: own.x + scrollX, y: own.y + scrollY, width: own.width, height: own.height};
        """,
        selector,
    )
    margin = 8
    clip = {
        "x": box["x"] - margin,
        "y": box["y"] - margin,
        "width": box["width"] + 2 * margin,
        "height": box["height"] + 2 * margin,
        "scale": 1,
    }
    taken = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
    )
    return Image.open(io.BytesIO(base64.b64decode(taken["data"])))


def save(image: Image.Image, path: Path) -> None:
    """Save a picture, small: in its commonest colours, as they are; the others are between these."""
    image = image.convert("RGB")
    colors: Any = image.getcolors(image.width * image.height)
    chosen: list[Sequence[int]] = []
    for _, color in sorted(colors, reverse=True):
        if all(
            max(abs(one - other) for one, other in zip(color, each, strict=True)) > TOO_LIKE
            for each in chosen
        ):
            chosen.append(color)
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for color in chosen[:256] for part in color])
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
