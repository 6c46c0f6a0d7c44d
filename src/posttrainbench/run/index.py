"""A derived index of run summaries, so that thousands of runs are listed without reading their files.

The index is a SQLite file in the user's cache directory and can be deleted at any time. Each entry is used only while
the run's files are the same as when they were read (by inode, change time and size) and no process works on the run.
Without a usable index, all files are read.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from posttrainbench import __version__
from posttrainbench.records import Stage, Status
from posttrainbench.run.directory import ABSENT, LOCK, is_run, run_paths, state_of
from posttrainbench.run.solve_supervisor import NOTES
from posttrainbench.run.summary import DAMAGED, RunSummary, summarize

FILES = ("run.json", "result.json", "journal.jsonl")
"""Files whose change makes an entry invalid, as does a change of the run directory's own entries."""
UNSETTLED_NS = 50_000_000
"""Files that changed less than this ago are not trusted to have a new change time at their next change."""
LOCK_SECONDS = 2.0
FINAL = (Status.SCORED, Status.BASE_FALLBACK, Status.NOT_AUDITED)
READER = 2
"""Raised when the same files give another summary."""
VERSION = hashlib.sha256(repr((__version__, READER, RunSummary._fields)).encode()).hexdigest()[:16]


def index_folder() -> Path:
    """Return the directory of derived files: `$XDG_CACHE_HOME/posttrainbench`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posttrainbench"


def index_path() -> Path:
    """Return the path of the index: `runs-VERSION.sqlite` in `index_folder`."""
    return index_folder() / f"runs-{VERSION}.sqlite"


def summaries(path: Path, rebuild: bool = False) -> list[RunSummary]:
    """Return a summary of the run at `path`, or of each run up to two levels below it, sorted by path.

    Args:
        rebuild: discard the index and read all files again.

    Raises:
        InputError: `path` does not exist or contains no run.
    """
    top = os.path.realpath(path)
    if rebuild:
        index_path().unlink(missing_ok=True)
    known = _read(top)
    place = Path(top) if Path(path).exists() else path
    result, changed = [], {}
    for name in run_paths(place, lambda folder: (folder in known and folder != top) or is_run(folder)):
        signature = _signature(name)
        entry = known.get(name)
        summary = _indexed(name, signature, entry)
        if summary is None:
            if entry is not None and not is_run(name):
                continue  # its files were removed
            summary = summarize(Path(name))
            if not summary.live and summary.state != DAMAGED and is_settled(signature):
                changed[name] = (signature, summary.to_json())
        known.pop(name, None)
        result.append(summary)
    if not result:
        run_paths(place)  # says what is wrong
    if changed or known:
        _write(changed, list(known))
    return result


def _indexed(root: str, signature: str, entry: tuple[str, RunSummary] | None) -> RunSummary | None:
    """Return the summary in the index if it is still that of the run."""
    if entry is None or entry[0] != signature:
        return None
    summary = entry[1]
    final = summary.status in FINAL and summary.stage == "done"
    return summary if final or not _is_live(root) else None


def _signature(root: str) -> str:
    return " ".join(state_of(f"{root}/{name}") for name in (".", *FILES))


def is_settled(signature: str) -> bool:
    """Return True if the next change of these states, separated by spaces, will be seen in them."""
    newest = max((int(part.split(".")[1]) for part in signature.split() if part != ABSENT), default=0)
    return time.time_ns() - newest > UNSETTLED_NS


def _is_live(root: str) -> bool:
    """Return True if a process works on a run or its agent, which means that it holds a lock."""
    return any(map(_is_locked, (f"{root}/{LOCK}", f"{root}/{Stage.SOLVE.folder}.partial/{NOTES}")))


def _is_locked(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _read(top: str) -> dict[str, tuple[str, RunSummary]]:
    """Return path -> (signature, summary) of the run at `top` and of the runs below it; empty without an index."""
    try:
        with _opened() as database:
            below = f"{top.rstrip('/')}/", f"{top.rstrip('/')}0"  # `0` follows `/`
            query = "SELECT path, signature, summary FROM runs WHERE path = ? OR (path > ? AND path < ?)"
            rows = database.execute(query, (top, *below)).fetchall()
        values = json.loads(f"[{','.join(row[2] for row in rows)}]")
        return {row[0]: (row[1], RunSummary(*each)) for row, each in zip(rows, values, strict=True)}
    except (sqlite3.Error, OSError, TypeError, ValueError):
        return {}


def _write(changed: Mapping[str, tuple[str, str]], gone: list[str]) -> None:
    """Store entries and remove those of runs that no longer exist. A failure costs only time."""
    with contextlib.suppress(sqlite3.Error, OSError), _opened() as database:
        database.executemany("DELETE FROM runs WHERE path = ?", [(path,) for path in gone])
        rows = [(path, *entry) for path, entry in changed.items()]
        database.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", rows)
        database.commit()


@contextlib.contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    """Open the index; create it if it is missing, and replace it if it is damaged."""
    path = index_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        database = _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # busy, read-only
            raise
        path.unlink(missing_ok=True)
        database = _connect(path)
    try:
        yield database
    finally:
        database.close()


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=LOCK_SECONDS)
    try:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TABLE IF NOT EXISTS runs (path TEXT PRIMARY KEY, signature TEXT, summary TEXT)")
    except sqlite3.Error:
        database.close()
        raise
    return database
