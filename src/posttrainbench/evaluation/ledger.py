"""`items.jsonl`: the scored items of an evaluation, each written immediately, so that an interruption loses none."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from posttrainbench.benchmarks import Grade
from posttrainbench.files import read_jsonl

SYNC_SECONDS = 1.0
"""Maximum interval between syncs to disk. A line survives a crash of the process immediately."""


class Ledger:
    """The scores of one configuration. Lines of other configurations are kept but ignored."""

    def __init__(self, path: Path, configuration: str, total: int = 0) -> None:
        """Read the existing lines.

        Args:
            path: the file; created if missing.
            configuration: hash of everything that a score depends on.
            total: number of items over all seeds, recorded for those who follow the evaluation; 0 if unknown.
        """
        self.total = total
        self.configuration = configuration
        self.grades: dict[tuple[int, str], Grade] = {
            (row["seed"], row["item"]): Grade(float(row["score"]), float(row["weight"]))
            for row in read_jsonl(path)
            if row.get("configuration") == configuration
        }
        torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        self._file = path.open("ab")
        self._synced = time.monotonic()
        if torn:
            self._file.write(b"\n")

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sync()
        self._file.close()

    def of_seed(self, seed: int) -> dict[str, Grade]:
        """Return item id -> grade for one evaluation seed."""
        return {item: grade for (of, item), grade in self.grades.items() if of == seed}

    def add(self, seed: int, item: str, grade: Grade) -> None:
        """Record a grade."""
        self.grades[seed, item] = grade
        row = {"configuration": self.configuration, "seed": seed, "item": item} | asdict(grade)
        if self.total:
            row["total"] = self.total
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()
