"""The plots of the explanation, made from real runs whenever the documentation is built.

``python docs/_extensions/plots.py FOLDER`` makes them alone.
"""

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sphinx.application import Sphinx

from pytest_fakehv import FakeCluster, Migration, NodeSpec
from pytest_fakehv.migration.precopy import Precopy

RAM: Final = 8192
BANDWIDTH: Final = 1024
MAX_DOWNTIME: Final = 0.3
DIRTY_RATES: Final = (0, 256, 512, 768, 1024)
LONGEST: Final = 32
HEIGHT: Final = 0.55
COLORS: Final = ("#0072b2", "#009e73", "#e69f00", "#cc79a7", "#d55e00")
"""Those of Okabe and Ito, which the colour-blind tell apart; each curve is labelled besides."""

MEASURED: Final = Path(__file__).parents[1] / "_measured" / "precopy.json"
"""What QEMU's own migrations took. ``nox -s oracle -- measure`` takes those figures anew."""

SETTINGS: Final[dict[Any, Any]] = {
    "svg.hashsalt": "pytest-fakehv",  # else each build would have other ids
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.figsize": (8, 4),
    "figure.facecolor": "white",
}


def migrate(dirty_rate: int) -> Migration:
    """Migrate an instance, or try to for so long, and return the record of it."""
    nodes = (NodeSpec("node1"), NodeSpec("node2"))
    with FakeCluster.temporary(*nodes, clock="manual") as cluster:
        cluster.add_instance("db1", node="node1", memory=RAM)
        cluster.script_migration("db1", bandwidth=BANDWIDTH, dirty_rate=dirty_rate, max_downtime=MAX_DOWNTIME)
        cluster.migrate("db1", to="node2", timeout=LONGEST)
        (migration,) = cluster.migrations
        return migration


def model(dirty_rate: int) -> Precopy:
    """Return the plugin's own model of the same migration."""
    return Precopy(
        ram=Fraction(RAM),
        bandwidth=Fraction(BANDWIDTH),
        dirty_rate=Fraction(dirty_rate),
        max_downtime=Fraction(str(MAX_DOWNTIME)),
        link=Fraction(BANDWIDTH),
    )


def plot_what_is_left(path: Path) -> None:
    """Draw what is left to send over time, each round's end as a dot, and the downtime thick."""
    figure, axes = plt.subplots(layout="constrained")
    for dirty_rate, color in zip(DIRTY_RATES, COLORS, strict=True):
        course, run = model(dirty_rate), migrate(dirty_rate)
        over = [course.time_of(number) for number in range(99) if number <= (course.rounds or 99)]
        ends = [time for time in over if time <= run.duration]
        last = Fraction(run.duration)
        corners = [*ends, last]
        rests = [float(course.rest_at(time)) for time in corners]
        axes.plot([float(time) for time in corners], rests, color=color)
        rests = [float(course.rest_after(number)) for number in range(len(ends))]
        axes.plot([float(time) for time in ends], rests, ".", color=color)
        if run.outcome == "completed":
            stopped = last - Fraction(run.downtime)
            rests = [float(course.rest_at(time)) for time in (stopped, last)]
            axes.plot([float(stopped), float(last)], rests, color=color, linewidth=5)
            axes.annotate(f"{dirty_rate}", (float(last), 0), (0, 9), textcoords="offset points", color=color)
        else:
            axes.annotate(
                f"{dirty_rate}: no end", (LONGEST, RAM), (-60, -14), textcoords="offset points", color=color
            )
    axes.set(xlabel="seconds", ylabel="MiB left to send", xlim=(0, LONGEST), ylim=(0, RAM * 1.05))
    _save(figure, path)


def plot_rounds(path: Path) -> None:
    """Draw each migration as a bar of its rounds, with what it sent."""
    figure, axes = plt.subplots(layout="constrained")
    for row, (dirty_rate, color) in enumerate(zip(DIRTY_RATES, COLORS, strict=True)):
        course, run = model(dirty_rate), migrate(dirty_rate)
        for number in range(run.rounds + (run.outcome != "completed")):
            began, ended = float(course.time_of(number)), float(course.time_of(number + 1))
            shade = 0.75 if number % 2 else 0.4
            axes.barh(
                row, min(ended, run.duration) - began, left=began, height=HEIGHT, color=color, alpha=shade
            )
        axes.barh(row, run.downtime, left=run.duration - run.downtime, height=HEIGHT, color="black")
        end = f"stopped for {run.downtime:.3g} s" if run.outcome == "completed" else "given up"
        text = f"rounds: {run.rounds}; {run.transferred_ram} MiB sent; {end}"
        axes.text(0.1, row - HEIGHT / 2 - 0.03, text, va="bottom")
    axes.set(
        xlabel="seconds",
        ylabel="dirty rate, MiB a second",
        yticks=range(len(DIRTY_RATES)),
        yticklabels=map(str, DIRTY_RATES),
        xlim=(0, LONGEST * 1.02),
    )
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    _save(figure, path)


def plot_what_was_measured(path: Path) -> None:
    """Draw what QEMU's own migrations took beside what the model says of each."""
    figures = json.loads(MEASURED.read_text())
    measured = figures["migrations"]
    models = [
        Precopy(
            ram=Fraction(str(each["ram"])),
            bandwidth=Fraction(each["bandwidth"]),
            dirty_rate=Fraction(each["dirty_rate"]),
            max_downtime=Fraction(str(each["max_downtime"])),
            link=Fraction(str(figures["link"])),
        )
        for each in measured
    ]
    rounds = [each.rounds or 0 for each in models]
    drawn = {
        "seconds until it is stopped": (
            [sum(each["rounds"]) for each in measured],
            [float(model.time_of(number)) for model, number in zip(models, rounds, strict=True)],
        ),
        "MiB sent": (
            [each["transferred"] for each in measured],
            [
                float(model.time_of(number) * model.bandwidth + model.rest_after(number))
                for model, number in zip(models, rounds, strict=True)
            ],
        ),
        "ms for which it is stopped": (
            [each["downtime"] * 1000 for each in measured],
            [float(model.downtime or 0) * 1000 for model in models],
        ),
        "rounds": ([len(each["rounds"]) for each in measured], rounds),
    }
    figure, grid = plt.subplots(1, len(drawn), sharey=True, layout="constrained")
    places = range(len(measured))
    for axes, (title, (theirs, ours)) in zip(grid, drawn.items(), strict=True):
        axes.barh([place - 0.2 for place in places], theirs, height=0.4, color=COLORS[0], label="QEMU")
        axes.barh([place + 0.2 for place in places], ours, height=0.4, color=COLORS[2], label="the model")
        axes.set(xlabel=title)
        axes.grid(visible=False, axis="y")
    labels = [f"{each['bandwidth']}, {each['dirty_rate']}" for each in measured]
    grid[0].set(yticks=places, yticklabels=labels, ylabel="bandwidth, dirty rate: MiB a second")
    grid[0].invert_yaxis()
    grid[0].legend(loc="lower right")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def make(folder: Path) -> None:
    """Make every plot."""
    folder.mkdir(exist_ok=True)
    with plt.rc_context(SETTINGS):
        plot_what_is_left(folder / "left.svg")
        plot_rounds(folder / "rounds.svg")
        plot_what_was_measured(folder / "measured.svg")


def setup(app: Sphinx) -> dict[str, bool]:
    """Make them before a page is read that shows one."""
    app.connect("builder-inited", lambda app: make(Path(app.srcdir, "_plots")))
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    make(Path(sys.argv[1]))
