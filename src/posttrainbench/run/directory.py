"""The run directory, the only state of a run: each stage reads the files of earlier stages and writes its own.

A stage is finished if its directory exists. An unfinished stage writes to `STAGE.partial`, which is renamed to
`STAGE.attempt-N` after a crash. The last stage, `settle`, writes the file `result.json` instead of a directory.
"""

import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from posttrainbench.errors import InputError, one_line, shell_quoted
from posttrainbench.files import append_json, fsync_dir, fsync_tree, next_attempt, require_directory
from posttrainbench.records import (
    Change,
    EngineChoice,
    JournalEntry,
    Outcome,
    OutputLine,
    Result,
    RunSpec,
    Stage,
    Status,
)
from posttrainbench.records.experiment import EXPERIMENT_FILE
from posttrainbench.untrusted import UnreadableError, read_lines_below, read_text_below

TAIL_BYTES = 8192
EARLIER = re.compile(r"\.attempt-\d+$")
"""End of the name of a directory with an earlier attempt."""
ABSENT = "-"
"""State of a file that does not exist or cannot be reached."""
CHANGES = "changes.jsonl"
LOCK = "lock"
FLOCK_ATTEMPTS, FLOCK_PAUSE = 3, 0.02
"""Attempts to take a lock and seconds between them: a process that only looks holds it for a moment."""
READ_ONLY = (
    "{root} is read-only for this user; copy the run to a writable directory with `cp -a`, and use the copy "
    "(`ptb audit --out DIR` needs no copy)."
)
RESTORE = "restore it from a copy, or start a new run"
BUSY_RUN = "Process {process} is working on {root}; wait for it, or stop it first."
BUSY_EXPERIMENT = "Another ptb is already working on {root} (process {process}); watch it with `ptb status {root}`."

Record = TypeVar("Record", bound=BaseModel)


class BusyError(InputError):
    """Another process is working on a run or an experiment."""


def now() -> str:
    """Return the current time in ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Run:
    """A run directory."""

    def __init__(self, root: Path) -> None:
        """Open an existing run.

        Raises:
            InputError: `root` does not exist or does not contain `run.json`.
        """
        require_directory(root, "the directory of a run; `ptb status` lists runs")
        self.root = root.resolve()
        if not (self.root / "run.json").is_file():
            if several := [*self.root.glob("*/run.json")]:
                raise InputError(f"{root} contains {len(several)} runs; give the directory of one of them.")
            raise InputError(f"{root} is not a run directory (it has no run.json); see `ptb status`.")

    @cached_property
    def spec(self) -> RunSpec:
        """The content of `run.json`."""
        try:
            return RunSpec.model_validate_json(read_text_below(self.root, self.root / "run.json"))
        except (ValidationError, UnreadableError) as error:
            raise InputError(
                f"{self.root / 'run.json'} was not written by this version or is damaged; start a new run. "
                f"{one_line(error)}"
            ) from None

    @property
    def workspace(self) -> Path:
        """The agent's working directory. Untrusted once the agent has run."""
        return self.root / "workspace"

    @property
    def kit(self) -> Path:
        """The kit directory that the agent uses."""
        return self.root / "prepare" / "kit"

    def stage(self, stage: Stage) -> Path:
        """Return the directory of a finished stage."""
        return self.root / stage.folder

    def is_done(self, stage: Stage) -> bool:
        """Return True if a stage has finished. `settle` is not finished if the result is an infrastructure error."""
        if stage is Stage.SETTLE:
            result = self.result()
            return result is not None and result.status is not Status.INFRASTRUCTURE_ERROR
        return self.stage(stage).is_dir()

    def next_stage(self) -> Stage | None:
        """Return the first unfinished stage, or None."""
        return next((stage for stage in Stage if not self.is_done(stage)), None)

    def result(self) -> Result | None:
        """Return the result, or None if there is none yet."""
        path = self.root / "result.json"
        try:
            return Result.model_validate_json(read_text_below(self.root, path))
        except FileNotFoundError:
            return None
        except (ValidationError, UnreadableError) as error:
            raise InputError(
                f"{path} is damaged; recompute it with `ptb audit {shell_quoted(self.root)}`. {one_line(error)}"
            ) from None

    def outcome(self) -> Outcome:
        """Return how the agent's work ended.

        Raises:
            InputError: the file is missing or damaged.
        """
        return read_record(self.stage(Stage.SOLVE) / "outcome.json", Outcome, RESTORE)

    def changes(self) -> list[Change]:
        """Return the changes of the evaluation's engine, oldest first.

        Raises:
            InputError: their file is damaged.
        """
        path = self.root / CHANGES
        try:
            return [Change.model_validate_json(line) for line in read_text_below(self.root, path).splitlines()]
        except FileNotFoundError:
            return []
        except (ValidationError, UnreadableError) as error:
            raise InputError(f"{path} is damaged; restore it: {one_line(error)}") from None

    @property
    def engine(self) -> EngineChoice:
        """The engine of the evaluation: that of `run.json`, unless it was changed."""
        if changes := self.changes():
            return changes[-1].new
        return EngineChoice(engine=self.spec.engine, settings=self.spec.engine_settings)

    @property
    def evaluated_spec(self) -> RunSpec:
        """The content of `run.json` with the engine of the evaluation."""
        chosen = self.engine
        return self.spec.model_copy(update={"engine": chosen.engine, "engine_settings": chosen.settings})

    def journal(self) -> list[JournalEntry]:
        """Return the journal entries, oldest first.

        Raises:
            InputError: the journal is damaged.
        """
        path = self.root / "journal.jsonl"
        try:
            return [JournalEntry.model_validate(entry) for entry in read_lines_below(self.root, path)]
        except (ValidationError, UnreadableError) as error:
            raise InputError(f"{path} is damaged; restore it, or start a new run. {one_line(error)}") from None

    def log(
        self,
        stage: Stage,
        event: Literal["start", "attached", "done", "failed", "interrupted", "again"],
        seconds: float | None = None,
        cause: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Append an entry to the journal."""
        entry = JournalEntry(time=now(), stage=stage, event=event, seconds=seconds, cause=cause, detail=detail)
        append_json(self.root / "journal.jsonl", entry)

    def begin(self, stage: Stage) -> Path:
        """Create an empty `STAGE.partial`. The directory of an earlier attempt is set aside."""
        partial = self.root / f"{stage.folder}.partial"
        set_aside(partial)
        partial.mkdir()
        return partial

    def finish(self, stage: Stage) -> None:
        """Rename `STAGE.partial` to its final name, which marks the stage as finished."""
        partial = self.root / f"{stage.folder}.partial"
        fsync_tree(partial)
        partial.rename(self.stage(stage))
        fsync_dir(self.root)

    def attempts(self, stage: Stage) -> list[Path]:
        """Return the directories of earlier attempts at a stage, latest first."""
        attempts = self.root.glob(f"{stage.folder}.attempt-*")
        return sorted(attempts, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)

    def set_aside(self, stage: Stage) -> None:
        """Set a finished stage and the result aside, so that they are computed again."""
        set_aside(self.root / "result.json")  # first, so that an old result never exists beside a new stage
        set_aside(self.stage(stage))
        self.log(stage, "again")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run against other processes.

        Raises:
            BusyError: another process is working on it.
            InputError: the directory is read-only.
        """
        with _locked(self.root, BUSY_RUN):
            yield


def read_record(path: Path, model: type[Record], fix: str) -> Record:
    """Read a file of a finished stage.

    Args:
        path: the file.
        model: of its content.
        fix: what a user can do if the file is damaged.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} is missing; {fix}.") from None
    except (OSError, ValidationError) as error:
        raise InputError(f"{path} is damaged; {fix}. {one_line(error)}") from None


@contextmanager
def lock_experiments(runs: Iterable[Run]) -> Iterator[None]:
    """Lock the directories that contain these runs, so that only one process at a time launches them.

    Raises:
        BusyError: another process launches runs of one of these directories.
        InputError: a directory is read-only.
    """
    with ExitStack() as stack:
        for root in sorted({run.root.parent for run in runs}):
            stack.enter_context(lock_experiment(root))
        yield


@contextmanager
def lock_experiment(root: Path) -> Iterator[None]:
    """Lock a directory, so that only one process at a time launches runs in it. Errors as for `lock_experiments`."""
    with _locked(root, BUSY_EXPERIMENT):
        yield


def require_idle(experiment: Path) -> None:
    """Check that no process launches the runs of a directory. Nothing is changed.

    Raises:
        BusyError: a process does.
    """
    with suppress(FileNotFoundError), (experiment / LOCK).open() as file:
        _flock(file, fcntl.LOCK_SH, experiment, BUSY_EXPERIMENT)


@contextmanager
def _locked(root: Path, busy: str) -> Iterator[None]:
    """Lock a directory by the file `lock` in it, which contains the id of the process that holds the lock."""
    if not os.access(root, os.W_OK):
        raise InputError(READ_ONLY.format(root=root))
    with (root / LOCK).open("a+") as file:
        _flock(file, fcntl.LOCK_EX, root, busy)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _flock(file: IO[str], operation: int, root: Path, busy: str) -> None:
    for attempt in range(FLOCK_ATTEMPTS):
        if attempt:
            time.sleep(FLOCK_PAUSE)
        with suppress(BlockingIOError):
            return fcntl.flock(file, operation | fcntl.LOCK_NB)
    file.seek(0)
    raise BusyError(busy.format(process=file.read().strip() or "?", root=root))


def is_busy(run: Run) -> bool:
    """Return True if another process is working on a run. Nothing is changed."""
    return is_active(run.root)


def is_active(root: Path) -> bool:
    """Return True if another process is working on a run, or launches the runs of an experiment. Nothing is changed."""
    with suppress(FileNotFoundError), (root / LOCK).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # once: other processes that look do not prevent it
        except BlockingIOError:
            return True
    return False


def is_attended(run: Run) -> bool:
    """Return True if another process is working on a run, or launches the runs of its experiment."""
    return is_active(run.root) or is_active(run.root.parent)


def set_aside(path: Path) -> None:
    """Rename `path` to the first unused `NAME.attempt-N`, if it exists. Nothing is ever deleted."""
    if path.exists():
        path.rename(next_attempt(path))


def find_runs(path: Path) -> list[Run]:
    """Return the run at `path`, or all runs up to two levels below it, sorted by path; see `run_directories`.

    Raises:
        InputError: `path` does not exist or contains no run.
    """
    return [Run(root) for root in find_roots(path)]


def find_roots(path: Path) -> list[Path]:
    """Return the directories of the runs that `find_runs` returns, with absolute paths.

    Raises:
        InputError: `path` does not exist or contains no run.
    """
    return list(map(Path, root_states(path)))


def root_states(path: Path) -> dict[str, str]:
    """Return what `find_roots` returns, as texts, each with the state of its `run.json`; see `state_of`.

    Raises:
        InputError: as there.
    """
    states: dict[str, str] = {}

    def look(folder: str) -> bool:
        try:
            found = os.stat(f"{folder}/run.json")  # noqa: PTH116 fast
        except OSError:
            return is_run(folder)
        if stat.S_ISREG(found.st_mode):
            states[folder] = _state(found)
        return True

    roots = run_paths(path.resolve() if path.exists() else path, look)
    if not any(root in states for root in roots):
        raise InputError(
            f"{path} contains no run with a run.json; `ptb status {shell_quoted(path)}` shows what is wrong."
        )
    return {root: states[root] for root in roots if root in states}


def state_of(path: str) -> str:
    """Return a text without spaces that changes when a file or directory is replaced or written."""
    try:
        return _state(os.stat(path))  # noqa: PTH116 fast
    except OSError:
        return ABSENT


def _state(found: os.stat_result) -> str:
    return f"{found.st_ino}.{found.st_ctime_ns}.{found.st_size}"


def link_to(top: Path, root: Path) -> Path | None:
    """Return the first symbolic link on the way from `top` to a run below it; None without one.

    A directory that somebody received can contain a link to any run on this machine, so what is published leaves these
    out.
    """
    parts = root.relative_to(top).parts
    places = (top.joinpath(*parts[: number + 1]) for number in range(len(parts)))
    return next((place for place in places if place.is_symlink()), None)


def run_directories(path: Path) -> list[Path]:
    """Return the run at `path`, or all runs up to two levels below it, sorted by path, also those without `run.json`.

    Earlier attempts at a run that was repeated, `RUN.attempt-N`, are left out, and so is everything inside a run: an
    agent can write a `run.json` into its workspace.

    Raises:
        InputError: `path` does not exist or contains no run.
    """
    return list(map(Path, run_paths(path)))


def is_run(folder: str | Path) -> bool:
    """Return True if a directory is that of a run."""
    return any(os.path.exists(f"{folder}/{name}") for name in ("run.json", "journal.jsonl"))  # noqa: PTH110 fast


def run_paths(path: Path, is_run: Callable[[str], bool] = is_run) -> list[str]:
    """Return what `run_directories` returns, as texts, which is faster for thousands of runs.

    Args:
        path: as there.
        is_run: says whether a directory is that of a run.

    Raises:
        InputError: as there.
    """
    require_directory(path, "the directory of a run or an experiment, or start a run with `ptb run`")
    if is_run(str(path)):
        return [str(path)]
    roots: list[str] = []
    for folder in _folders(path):
        roots += [folder] if is_run(folder) else filter(is_run, _folders(folder))
    roots = [root for root in roots if ".attempt-" not in root or not EARLIER.search(root)]
    if not roots:
        if (path / EXPERIMENT_FILE).is_file():
            raise InputError(f"{path} has an {EXPERIMENT_FILE} and no runs yet; start them with `ptb launch`.")
        raise InputError(f"{path} contains no run; start one with `ptb run`, see `ptb run --help`.")
    return sorted(roots)


def _folders(path: str | Path) -> list[str]:
    """Return the directories in a directory; none if it cannot be read."""
    try:
        with os.scandir(path) as entries:
            return [entry.path for entry in entries if entry.is_dir()]
    except OSError:
        return []


def last_output_line(run: Run, stream: Literal["stdout", "stderr"] | None = None) -> str:
    """Return the last recorded output line of an agent, or an empty string. The text is untrusted.

    Args:
        stream: only lines of this stream.
    """
    folder = "solve" if run.is_done(Stage.SOLVE) else "solve.partial"
    for line in reversed(last_lines(run.root / folder / "output.jsonl")):
        try:
            output = OutputLine.model_validate_json(line)
        except ValidationError:
            continue
        if stream in (None, output.stream):
            return output.line
    return ""


def last_lines(path: Path) -> list[bytes]:
    """Return the lines in the last `TAIL_BYTES` of a file, the first possibly cut off; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().splitlines()
    except OSError:
        return []
