"""The picture of a timeline as SVG and HTML, and the page of a whole run. Needs the extra ``report``."""

import base64
import hashlib
import itertools
from typing import TYPE_CHECKING, Any, Final

from pytest_fakehv.story.timeline import Mark, Step, Timeline

try:
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup
except ImportError as error:
    raise ImportError(
        f"the picture of a timeline needs the extra 'report': pip install 'pytest-fakehv[report]' ({error})"
    ) from None

from pytest_fakehv.machine import Files, Os
from pytest_fakehv.story.page.layout import BEYOND, GUTTER, draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_fakehv.story.page.content import Test

TAG: Final = "<!doctype html><!-- a report of pytest-fakehv -->"
"""How a page begins: what does not begin so is somebody else's file."""

SVG_TAG: Final = '<svg class="fakehv" '
"""How a picture on its own begins."""

MEANINGS: Final["Mapping[Mark, str]"] = {
    "violation": "an invariant broke here",
    "crash": "a node went down",
    "fault": "a fault struck",
    "raised": "the call raised",
    "hold": "the call was held",
    "test": "what the test did",
    "call": "a call",
    "gap": "calls not shown",
}

WAYS: Final["Mapping[str, str]"] = {
    "arrived": "an instance arrived on the target",
    "arrived bad": "it arrived, though its migration had not completed",
    "arrived bad hidden": "it had moved, though the status said that this had failed",
    "stopped": "a migration completed, and the instance had not arrived",
    "stopped bad": "a migration ended, and the instance had not arrived",
    "under-way": "a migration under way",
}
"""What an arrow says, by its style."""

_LONGEST_NAME: Final = 40

_uids: Final = itertools.count(1)
"""For the pictures that share a notebook."""


def svg(timeline: Timeline) -> str:
    """Draw a timeline as an SVG picture on its own; a mark's title says what it is."""
    return _render("standalone.j2", **_own(timeline))


def fragment(timeline: Timeline) -> str:
    """Draw a timeline as a piece of HTML, with its tables."""
    return _render("single.j2", **_own(timeline), timeline=timeline)


def document(timeline: Timeline) -> str:
    """Draw a timeline as an HTML file on its own."""
    body = Markup(fragment(timeline))  # noqa: S704  # what it has is escaped already
    return _render("document.j2", body=body, title=_title(timeline))


def page(
    *, title: str, about: str, notes: "Sequence[str]", tests: "Sequence[Test]", counts: Any, data: str
) -> str:
    """Make the page of a run; nothing on it but our script may run, and nothing may be fetched.

    Args:
        title: its title.
        about: when the run was, and with what.
        notes: what else is to be said of it.
        tests: what it shows, drawn.
        counts: how many there are, by their outcomes.
        data: the run, for programs.
    """
    digest = hashlib.sha256(_render("script.js").encode()).digest()
    return _render(
        "page.j2",
        title=title,
        about=about,
        notes=notes,
        tests=tests,
        counts=counts,
        data=data,
        script_hash=f"sha256-{base64.b64encode(digest).decode()}",
    )


def told(step: Step) -> str:
    """Say all that is known of a step, in lines."""
    lines = [
        heading(step),
        f"at {step.place}" if step.place else "",
        f"→ {step.result}" if step.result else "",
    ]
    return "\n".join(line for line in [*lines, *step.notes] if line)


def heading(step: Step) -> str:
    """Say which step it is."""
    if step.mark == "gap":
        return step.text
    number = f"call {step.numbers}" if step.count == 1 else f"calls {step.numbers}"
    who = number if step.count else "the test"
    where = f" on {step.node}" if step.node else ""
    return f"{who}, {step.time:g} s: {step.text}{where}"


def _own(timeline: Timeline) -> dict[str, object]:
    return {"drawing": draw(timeline), "uid": f"fakehv{next(_uids)}", "title": _title(timeline)}


def _title(timeline: Timeline) -> str:
    nodes = len(timeline.lanes)
    return f"{nodes} node{'s' * (nodes != 1)}, {timeline.calls} call{'s' * (timeline.calls != 1)}"


def _moment(place: float | None, timeline: Timeline, edge: str) -> str:
    """Say where a place on the axis is, for a table."""
    if place is None:
        return edge
    step = timeline.steps[int(place)]
    what = f"call {step.numbers}" if step.numbers else step.text
    return f"{'after ' if place % 1 else ''}{what}"


def _pixels(number: float) -> float | int:
    """Round to what can be seen."""
    rounded = round(number, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def _seconds(step: Step) -> str:
    return f"{step.time:g} s"


def _wide(name: str) -> str:
    """Return the class of a table's cell that may break in the middle, where its name leaves no other way."""
    return "long" if len(name) > _LONGEST_NAME else ""


def _templates() -> dict[str, str]:
    folder = f"{__file__.rpartition('/')[0]}/templates"
    templates = {}
    for name in Os.listdir(folder):
        with Files.open(f"{folder}/{name}", encoding="utf-8") as file:
            templates[name] = file.read()
    return templates


def _environment() -> Environment:
    environment = Environment(
        # Read now: when a picture is drawn, the test's fake filesystem may be in force.
        loader=DictLoader(_templates()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        px=_pixels, told=told, heading=heading, moment=_moment, seconds=_seconds, wide=_wide
    )
    environment.globals.update(meanings=MEANINGS, gutter=GUTTER, beyond=BEYOND, ways=WAYS)
    return environment


_ENVIRONMENT: Final = _environment()


def _render(template: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(template).render(**values)
