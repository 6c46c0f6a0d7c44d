"""Read the trace of one original run, in any of its three forms, into our recorded lines.

`solve_out.jsonl` and `solve_out.txt` have the scaffold's own events with other lines between; the scaffold is known by
its events, not by names. `solve_parsed.txt`, possibly compressed, has a form of its own. Newer events carry the time
`_wall_ts`; other lines have the time of the event before them. Keys in common formats are redacted.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from posttrainbench.records import OutputLine
from posttrainbench.redaction import Redactor
from posttrainbench.report.original.files import OriginalFiles
from posttrainbench.trajectory import FORMATS
from posttrainbench.trajectory.events import Unknown, parse
from posttrainbench.trajectory.original_text import is_original_text
from posttrainbench.untrusted import UnreadableError, open_regular, printable

EVENTS = ("solve_out.jsonl", "solve_out.txt")
TEXTS = ("solve_parsed.txt", "solve_parsed.txt.gz")
TEXT_FORMAT = "original-text"
MAX_BYTES = 2**30
"""Bytes of the longest trace that is imported, uncompressed; the rest of a longer one is left out, and listed."""
MAX_LINE = 2**23
"""Bytes of the longest piece of a line that is read at once."""
EXAMINED = 500
"""First lines by which the format is recognized."""
LATEST = 2**33
"""Times after this many seconds since 1970 are refused."""


@dataclass(frozen=True)
class TraceFile:
    """A file with a trace in a known format.

    Attributes:
        format: a key of `trajectory.FORMATS`.
        working_directory: of the agent, from its first event; empty if unknown.
    """

    name: str
    format: str
    working_directory: str = ""


def find_trace(files: OriginalFiles) -> TraceFile | None:
    """Return the first file whose form is known; others are listed. None if there is none."""
    present = False
    for name in (*EVENTS, *TEXTS):
        if files.locate(name) is None:
            continue
        present = True
        lines = [line for line, _ in islice(_pieces(files, name), EXAMINED)]
        if name in TEXTS:
            if is_original_text([line.rstrip("\r\n") for line in lines]):
                return TraceFile(name, TEXT_FORMAT)
        elif format := _format_of(lines):
            return TraceFile(name, format, _working_directory(lines))
        if not any(entry.path == name for entry in files.unread):
            files.skip(name, "its form is unknown: no known scaffold prints such lines")
    if not present:
        files.skip(EVENTS[1], "the run has no trace")
    return None


def write_lines(files: OriginalFiles, trace: TraceFile, destination: Path) -> float | None:
    """Write a trace as `output.jsonl`.

    Returns:
        Time of the first line with a time, in seconds since 1970; None if no line has one.
    """
    first, t, redactor = None, 0.0, Redactor()
    with destination.open("xb") as file:
        for text, more in _pieces(files, trace.name):
            if "_wall_ts" in text and trace.format != TEXT_FORMAT and (moment := _moment(parse(text))) is not None:
                first = moment if first is None else first
                t = max(t, round(moment - first, 3))
            line = redactor.line(text.rstrip("\r\n"))
            file.write(OutputLine(t=t, stream="stdout", line=line, more=more).model_dump_json().encode() + b"\n")
    return first


def _pieces(files: OriginalFiles, name: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a file, long ones in pieces, and whether the line continues."""
    path, left = files.root / name, MAX_BYTES
    try:
        with open_regular(path) as raw:
            source = cast("IO[bytes]", gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw)
            while data := source.readline(min(MAX_LINE, left)):
                left -= len(data)
                # Half of a character at the end of a piece becomes a replacement character.
                yield data.decode(errors="replace"), len(data) == MAX_LINE and not data.endswith(b"\n")
                if left <= 0:
                    files.skip(name, f"only its first {MAX_BYTES // 2**20:,} MiB were read")
                    return
    except UnreadableError as error:
        files.skip(name, str(error))
    except (OSError, EOFError, zlib.error) as error:
        problem = "it is damaged" if name.endswith(".gz") else "it cannot be read"
        files.skip(name, f"{problem} ({printable(str(error))[:200]}); what was read until then is kept")


def _format_of(lines: list[str]) -> str:
    """Return the format whose events most of the JSON lines are; "" if none or several are."""
    events = [line for line in lines if line.startswith("{")]
    counts = {
        name: sum(_is_known(reader.decoder, line) for line in events)
        for name, reader in FORMATS.items()
        if reader.decoder is not None
    }
    best = max(counts.values(), default=0)
    names = [name for name, count in counts.items() if count == best]
    return names[0] if 2 * best > len(events) and len(names) == 1 else ""


def _is_known(decoder: Any, line: str) -> bool:
    event = decoder.decode(line)
    return event is not None and not isinstance(event, Unknown)


def _working_directory(lines: list[str]) -> str:
    """Return `cwd` of the first event that has one."""
    events = (parse(line) or {} for line in lines if '"cwd"' in line)
    found = next((cwd for event in events if isinstance(cwd := event.get("cwd"), str)), "")
    return found if found.startswith("/") and len(found) <= 1000 and printable(found) == found else ""


def _moment(event: dict[str, Any] | None) -> float | None:
    """Return the time of an event in seconds since 1970: of a number, or of ISO 8601 with a time zone."""
    value = (event or {}).get("_wall_ts")
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        value = parsed.timestamp() if parsed.tzinfo else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 < value < LATEST else None


def iso(moment: float | None) -> str | None:
    """Return a time in ISO 8601, UTC."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
