"""Find out whether a record is complete, without reading all of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posttrainbench.sandbox.provenance.record import NAME

FOLDER = "provenance"
"""Directory of an agent's records, in that of the stage `solve`."""
FIRST_LINES = 8
TAIL_BYTES = 2**16


@dataclass(frozen=True)
class RecordState:
    """The state of a record.

    Attributes:
        ended: True if the recorder has finished it.
        unavailable: why nothing could be recorded; empty if something was.
        missing: why events are missing; empty if none are.
    """

    ended: bool
    unavailable: str
    missing: str


def record_state(path: Path) -> RecordState:
    """Return the state of a record, from its first and last lines."""
    try:
        with path.open("rb") as file:
            first = [_event(file.readline()) for _ in range(FIRST_LINES)]
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            last = _event(file.read().rstrip(b"\n").rpartition(b"\n")[2])
    except OSError as error:
        return RecordState(False, "", f"it cannot be read ({error.strerror})")
    reasons = (event.get("reason", "unknown reason") for event in first if event.get("op") == "unavailable")
    unavailable = next(reasons, "")
    if last.get("op") != "end":
        return RecordState(False, unavailable, "the recorder did not finish it")
    counts = last["counts"]
    missing = [
        *(["it reached its limit"] if counts.get("limit") else []),
        *([f"the recorder failed at {counts['fault']} calls"] if counts.get("fault") else []),
    ]
    return RecordState(True, unavailable, " and ".join(missing))


def record_files(folder: Path) -> list[Path]:
    """Return the records of one agent, in the order of its starts: one in `folder`, or several in `1`, `2`, ... below.

    Returns an empty list if there are none.
    """
    if (folder / NAME).is_file():
        return [folder / NAME]
    return list(_numbered(folder))


def _numbered(folder: Path) -> Iterator[Path]:
    number = 1
    while (path := folder / str(number) / NAME).is_file():
        yield path
        number += 1


def _event(line: bytes) -> dict[str, Any]:
    """Return an event; an empty one for a line that is cut off."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
