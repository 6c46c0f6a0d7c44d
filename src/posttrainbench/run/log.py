"""The log of a run: its stages, the notes of the process that supervises the agent, and what the agent prints.

Each read returns what is new, so that a run can be followed while its stages change directories.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from posttrainbench.records import JournalEntry, OutputLine, SolveNote, Stage
from posttrainbench.run.directory import Run
from posttrainbench.run.solve_supervisor import NOTES

Source = Literal["stage", "host", "agent"]
OTHERS = ("launch.log", "{solve}/process.log", "{solve}/gateway.log", "{solve}/grading.log", "{evaluate}/engine.log")
"""Other logs of a run, relative to its directory."""


@dataclass(frozen=True)
class LogLine:
    """One line.

    Attributes:
        time: seconds since 1970; None if it is not recorded.
        source: `stage`: an event of a stage; `host`: a note of the supervising process; `agent`: the agent's output.
        text: untrusted if the agent is the source.
    """

    time: float | None
    source: Source
    text: str


class RunLog:
    """Reads the log of a run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._positions: dict[tuple[str, int], int] = {}
        self._agent_start = 0.0

    def read(self) -> list[LogLine]:
        """Return the lines that were written since the last call, in order of time as far as it is known."""
        stages = list(self._stages())
        starts = [number for number, (entry, _) in enumerate(stages) if _precedes_output(entry)]
        first = starts[-1] + 1 if starts else 0
        lines = [line for _, line in stages]
        return [*lines[:first], *self._notes(), *self._output(), *lines[first:]]

    def others(self) -> list[Path]:
        """Return the other logs of the run that are not empty."""
        names = {stage: self._folder(Stage(stage)) for stage in ("solve", "evaluate")}
        paths = [self.run.root / name.format(**names) for name in OTHERS]
        return [path for path in paths if path.is_file() and path.stat().st_size]

    def _stages(self) -> Iterator[tuple[JournalEntry, LogLine]]:
        for row in self._rows("journal.jsonl"):
            try:
                entry = JournalEntry.model_validate_json(row)
            except ValidationError:
                continue
            time = datetime.fromisoformat(entry.time).timestamp()
            if entry.stage is Stage.SOLVE and entry.event == "start":
                self._agent_start = time
            seconds = "" if entry.seconds is None else f" after {entry.seconds:.1f} s"
            detail = f": {entry.detail}" if entry.detail else ""
            yield entry, LogLine(time, "stage", f"{entry.stage} {entry.event}{seconds}{detail}")

    def _notes(self) -> Iterator[LogLine]:
        for row in self._rows(f"{self._folder(Stage.SOLVE)}/{NOTES}"):
            try:
                note = SolveNote.model_validate_json(row)
            except ValidationError:
                continue
            if note.kind == "say" or (note.text and note.kind == "end"):
                yield LogLine(None, "host", note.text)

    def _output(self) -> Iterator[LogLine]:
        for row in self._rows(f"{self._folder(Stage.SOLVE)}/output.jsonl"):
            try:
                line = OutputLine.model_validate_json(row)
            except ValidationError:
                continue
            if line.stream != "prompt":
                yield LogLine(self._agent_start + line.t if self._agent_start else None, "agent", line.line)

    def _folder(self, stage: Stage) -> str:
        return stage.folder if self.run.is_done(stage) else f"{stage.folder}.partial"

    def _rows(self, name: str) -> Iterator[bytes]:
        """Yield the complete lines that were added to a file. A new file of the same name is read from its start."""
        try:
            with (self.run.root / name).open("rb") as file:
                key = (Path(name).name, (self.run.root / name).stat().st_ino)
                file.seek(self._positions.get(key, 0))
                for row in file:
                    if not row.endswith(b"\n"):
                        break
                    self._positions[key] = self._positions.get(key, 0) + len(row)
                    yield row
        except FileNotFoundError:
            return


def _precedes_output(entry: JournalEntry) -> bool:
    return entry.stage is Stage.PREPARE or (entry.stage is Stage.SOLVE and entry.event in ("start", "attached"))


def as_json(line: LogLine) -> str:
    """Return a line as JSON in ASCII, so that text of an agent cannot control the terminal."""
    return json.dumps({"time": line.time, "source": line.source, "text": line.text})
