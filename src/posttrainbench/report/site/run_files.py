"""The files of a run: the tree of the workspace and of the host's records, with bounded previews of texts.

The agent's last process has ended, but names, kinds and contents of its files are hostile: links are not followed,
only regular files are opened, reads are bounded, and names are data of the page, never part of a link.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from posttrainbench.redaction import Redactor
from posttrainbench.report.site.run_data import visible, write_data
from posttrainbench.untrusted import Entry, UnreadableError, open_below, walk

LISTED = 4000
PREVIEW_BYTES = 48 * 1024
"""Bytes of a file's beginning that are shown."""
TOTAL_BYTES = 4 * 2**20
"""Bytes of all previews of a run, without those of quoted files."""
AROUND = 4
"""Lines shown before and after a quoted line that is not at the beginning."""
QUOTED_BYTES = 256 * 2**20
"""Bytes of a quoted file in which its lines are looked for."""
LINE = 2000
REDACTOR = Redactor()
SKIPPED_FOLDERS = ("workspace/.venv/", "workspace/venv/", "workspace/.git/", "workspace/.cache/")
"""Listed last, since they hide the agent's own files."""
RECORDS = (
    "result.json",
    "journal.jsonl",
    "solve/prompt.md",
    "solve/outcome.json",
    "solve/evaluations.jsonl",
    "solve/egress.jsonl",
    "solve/downloads.json",
    "solve/integrity.json",
    "solve/usage.json",
    "submission/manifest.json",
    "audit/verdict.json",
    "audit/findings.jsonl",
    "audit/coverage.json",
    "audit/canaries.json",
    "evaluate/metrics.json",
    "evaluate/engine.log",
    "imported.json",
)
"""Records of the host. `run.json` is left out: it contains the key of the canaries."""


@dataclass
class FileIndex:
    """The written files.

    Attributes:
        files: number of files in the workspace.
        size: their bytes.
        complete: False if the workspace has more files than are listed.
        previews: number of files with a preview.
        numbers: path in the run -> number of the file in the page.
    """

    files: int = 0
    size: int = 0
    complete: bool = True
    previews: int = 0
    numbers: dict[str, int] = field(default_factory=dict)

    def link(self, path: str, line: int | None) -> str:
        """Return the link to a file from the run's page; "" if it is not listed."""
        number = self.numbers.get(path)
        if number is None:
            return ""
        return f"files.html#file-{number}" + (f":{line}" if line is not None else "")


def write_files(run: Path, directory: Path, quoted: Iterable[tuple[str, int | None]]) -> FileIndex:
    """Write the data files `files/index.js` and `files/N.js`.

    Args:
        run: the run directory.
        directory: of the run's page.
        quoted: (path in the run, line) of the places to which the page links.
    """
    lines: dict[str, set[int]] = {}
    for path, line in quoted:
        lines.setdefault(path, set()).update([line] if line else [])
    index = FileIndex()
    rows: list[list[object]] = []
    left = TOTAL_BYTES
    for name, entry in _entries(run, index):
        number = len(rows)
        index.numbers[name] = number
        reason, chunks = entry.reason, None
        if not reason:
            wanted = lines.get(name)
            if wanted is None and left <= 0:
                reason = "the previews of this run are as large as they may be"
            else:
                try:
                    chunks = _preview(run, entry.path, wanted or set())
                except FileNotFoundError:
                    reason = "it no longer exists"
                except UnreadableError as error:
                    reason = str(error)
            if chunks is not None:
                written = write_data(directory / "files" / f"{number}.js", f"file-{number}", chunks)
                index.previews += 1
                left -= written if wanted is None else 0
        rows.append([visible(name, 400).replace("\n", " "), entry.size, visible(reason, 200)])
    write_data(directory / "files" / "index.js", "files", rows)
    return index


def _entries(run: Path, index: FileIndex) -> Iterator[tuple[str, Entry]]:
    """Yield the files with their path in the run; the agent's own first."""
    workspace = run / "workspace"
    late: list[tuple[str, Entry]] = []
    listed = 0
    entries = walk(workspace) if workspace.is_dir() and not workspace.is_symlink() else iter(())
    for entry in islice(entries, 5 * LISTED):
        index.files += 1
        index.size += entry.size
        name = f"workspace/{entry.relative}"
        if name.startswith(SKIPPED_FOLDERS):
            late.append((name, entry))
        elif listed < LISTED:
            listed += 1
            yield name, entry
    index.complete = next(entries, None) is None and index.files <= LISTED
    yield from late[: max(0, LISTED - listed)]
    for name in RECORDS:
        try:
            with open_below(run, run / name) as file:
                yield name, Entry(run / name, name, os.fstat(file.fileno()).st_size)
        except FileNotFoundError:
            continue
        except UnreadableError as error:
            yield name, Entry(run / name, name, reason=str(error))


def _preview(run: Path, path: Path, wanted: set[int]) -> list[list[object]]:
    """Return chunks of a text file, each [number of its first line, its text].

    Raises:
        FileNotFoundError: it has been removed.
        UnreadableError: it is not a regular file, or not text.
    """
    with open_below(run, path) as file:
        start = file.read(PREVIEW_BYTES)
        text = _decoded(start)
        rest = file.read(1)
    whole = not rest
    if not whole and "\n" in text:
        text = text[: text.rindex("\n")]
    lines = text.split("\n")
    chunks: list[list[object]] = [[1, _bounded(lines)]]
    beyond = sorted(number for number in wanted if number > len(lines))
    if beyond and not whole:
        chunks += _windows(run, path, beyond)
    elif not whole:
        chunks.append([0, ""])
    return chunks


def _windows(run: Path, path: Path, wanted: list[int]) -> list[list[object]]:
    """Return the lines around some lines further down, and the mark that others are left out."""
    near = {number for line in wanted[:40] for number in range(line - AROUND, line + AROUND + 1)}
    chunks: list[list[object]] = []
    current: list[str] = []
    first = last = size = 0
    with open_below(run, path) as file:
        for number, line in enumerate(iter(lambda: file.readline(QUOTED_BYTES + 1), b""), 1):
            size += len(line)
            if number > max(near) or size > QUOTED_BYTES:
                break
            if number not in near:
                continue
            if current and number != last + 1:
                chunks.append([first, _bounded(current)])
                current = []
            if not current:
                first = number
            current.append(line.decode(errors="replace").rstrip("\n"))
            last = number
    if current:
        chunks.append([first, _bounded(current)])
    return [*chunks, [0, ""]]


def _bounded(lines: Iterable[str]) -> str:
    """Return lines that are not too long, without what looks like a key."""
    return REDACTOR.line("\n".join(visible(line, LINE).replace("\n", " ") for line in lines))


def _decoded(data: bytes) -> str:
    if b"\0" in data:
        raise UnreadableError("it is not text")
    for cut in range(4):  # the end may be in the middle of a character
        try:
            return data[: len(data) - cut].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start < len(data) - 4:
                break
    raise UnreadableError("it is not text")
