"""What the real pair said, kept beside the scripts: a file a script, a JSON line a call."""

import json
from pathlib import Path

FOLDER = Path(__file__).with_name("records")
PAIR = FOLDER / "pair.json"
"""What the records were made with: the versions, and the size of the machine."""


def read(name):
    """Return the lines of a script's record."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def write(name, lines):
    """Keep the lines of a script's record."""
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    (FOLDER / f"{name}.jsonl").write_text(text)


def pair():
    """Return what the records were made with."""
    return json.loads(PAIR.read_text())


def write_pair(about):
    """Keep what the records are made with."""
    PAIR.write_text(json.dumps(about, indent=2) + "\n")
