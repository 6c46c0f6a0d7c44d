"""The run directory. It is the truth: every stage reads files of earlier stages and leaves files for later ones.

A stage is done when its directory exists under its own name. Until then it is `STAGE.partial`, and what a crash left
is kept as `STAGE.attempt-N`. `result.json` is the directory of the last stage.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.files import append_json, fsync_dir, fsync_tree, next_attempt, read_jsonl
from posttrainbench.records import JournalEntry, OutputLine, Result, RunSpec, Stage, Status

TAIL_BYTES = 8192


def now() -> str:
    """The current time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Run:
    """One run directory."""

    def __init__(self, root: Path) -> None:
        """Open an existing run.

        Raises:
            InputError: `root` holds no readable `run.json`.
        """
        self.root = root.resolve()
        if not (self.root / "run.json").is_file():
            raise InputError(f"{root} is no run directory (it holds no run.json); see `ptb status`.")

    @cached_property
    def spec(self) -> RunSpec:
        """What the run is."""
        try:
            return RunSpec.model_validate_json((self.root / "run.json").read_text())
        except (ValidationError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.root / 'run.json'} was not written by this version or is damaged; start a new run. "
                f"{one_line(error)}"
            ) from None

    @property
    def workspace(self) -> Path:
        """The agent's working directory. Hostile once the agent has run."""
        return self.root / "workspace"

    @property
    def kit(self) -> Path:
        """The kit as the agent was given it."""
        return self.root / "prepare" / "kit"

    def stage(self, stage: Stage) -> Path:
        """Where a finished stage's files are."""
        return self.root / stage.folder

    def is_done(self, stage: Stage) -> bool:
        """Whether a stage has finished. Settling with an infrastructure error leaves the run to be continued."""
        if stage is Stage.SETTLE:
            result = self.result()
            return result is not None and result.status is not Status.INFRASTRUCTURE_ERROR
        return self.stage(stage).is_dir()

    def next_stage(self) -> Stage | None:
        """The first stage that has not finished."""
        return next((stage for stage in Stage if not self.is_done(stage)), None)

    def result(self) -> Result | None:
        """The result, where the run has been settled."""
        path = self.root / "result.json"
        try:
            return Result.model_validate_json(path.read_text())
        except FileNotFoundError:
            return None
        except (ValidationError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path} is damaged; `ptb audit {self.root}` computes it again. {one_line(error)}"
            ) from None

    def journal(self) -> list[JournalEntry]:
        """What has happened, oldest first."""
        return [JournalEntry.model_validate(entry) for entry in read_jsonl(self.root / "journal.jsonl")]

    def log(
        self,
        stage: Stage,
        event: Literal["start", "attached", "done", "failed", "interrupted", "again"],
        seconds: float | None = None,
        cause: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Add a line to the journal."""
        entry = JournalEntry(time=now(), stage=stage, event=event, seconds=seconds, cause=cause, detail=detail)
        append_json(self.root / "journal.jsonl", entry)

    def begin(self, stage: Stage) -> Path:
        """An empty `STAGE.partial`; what an earlier attempt left there is kept under another name."""
        partial = self.root / f"{stage.folder}.partial"
        keep(partial)
        partial.mkdir()
        return partial

    def finish(self, stage: Stage) -> None:
        """Give `STAGE.partial` its final name: the stage is done."""
        partial = self.root / f"{stage.folder}.partial"
        fsync_tree(partial)
        partial.rename(self.stage(stage))
        fsync_dir(self.root)

    def attempts(self, stage: Stage) -> list[Path]:
        """What earlier attempts at a stage left, the latest first."""
        found = self.root.glob(f"{stage.folder}.attempt-*")
        return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)

    def again(self, stage: Stage) -> None:
        """Set a finished stage and the result aside, so that they are made anew."""
        keep(self.root / "result.json")  # first, so that no old result ever stands beside a new stage
        keep(self.stage(stage))
        self.log(stage, "again")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run against other processes.

        Raises:
            InputError: another process is working on it.
        """
        with (self.root / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise InputError(
                    f"Process {file.read().strip() or '?'} is working on {self.root}; wait for it, or stop it first."
                ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield


def keep(path: Path) -> None:
    """Rename what is there to its first free `NAME.attempt-N`; nothing is ever deleted."""
    if path.exists():
        path.rename(next_attempt(path))


def find_runs(path: Path) -> list[Run]:
    """The run at `path`, or all runs below it, by name.

    Raises:
        InputError: there is none.
    """
    if (path / "run.json").is_file():
        return [Run(path)]
    found = sorted(file.parent for depth in ("*", "*/*") for file in path.glob(f"{depth}/run.json"))
    if not found:
        raise InputError(f"{path} holds no run; start one with `ptb run`, or see `ptb run --help`.")
    return [Run(root) for root in found]


def last_line(run: Run) -> str:
    """The agent's last line while it is at work, from the end of the recorded output. Hostile text."""
    path = run.root / "solve.partial" / "output.jsonl"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            return OutputLine.model_validate_json(line).line
        except ValidationError:
            continue
    return ""
