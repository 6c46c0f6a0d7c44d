"""Read run directories for scoring: one `Cell` per run, checked at the boundary.

A leaderboard needs nothing but the run directories: the evaluate stage leaves in each a copy of the two
baselines. The files of a counted run must agree with each other; where they do not, an `InputError` names the
file, since a leaderboard that quietly leaves a run out, or counts a stale score, would be wrong without a
trace.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from pydantic import ValidationError

from posttrainbench.errors import InputError
from posttrainbench.records import Metrics, Record, Result, RunSpec, Status

R = TypeVar("R", bound=Record)

COUNTED = (Status.SCORED, Status.BASE_FALLBACK)


@dataclass(frozen=True)
class Cell:
    """One run: an agent on one base model and one benchmark, with one seed.

    Attributes:
        result: None while the run is unfinished.
        base: of the base model, zero-shot; None only where the run is not counted.
        instruct: of the official instruct counterpart; likewise.
        raw_items: item id -> score of the submission itself; None when it was not evaluated.
        path: the run directory.
    """

    spec: RunSpec
    result: Result | None = None
    base: Metrics | None = None
    instruct: Metrics | None = None
    raw_items: Mapping[str, float] | None = None
    path: Path | None = None

    @property
    def run(self) -> str:
        """The run's identity."""
        return self.spec.run

    @property
    def agent(self) -> str:
        """The agent's name, settings included."""
        return self.spec.agent.name

    @property
    def model(self) -> str:
        """The base model."""
        return self.spec.model

    @property
    def benchmark(self) -> str:
        """The benchmark."""
        return self.spec.benchmark

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.spec.seed

    @property
    def status(self) -> Status | None:
        """None while the run is unfinished."""
        return self.result.status if self.result else None

    @property
    def counted(self) -> bool:
        """Whether the run enters any mean."""
        return self.status in COUNTED

    @property
    def reset(self) -> bool:
        """Whether the base model's score stands in for the submission's."""
        return self.status is Status.BASE_FALLBACK

    @property
    def score(self) -> float | None:
        """The adjusted score; None when the run is not counted."""
        return self.result.score if self.result and self.counted else None

    @property
    def raw_score(self) -> float | None:
        """The submission's own score; None when it was not evaluated."""
        return self.result.raw_score if self.result else None

    @property
    def items(self) -> Mapping[str, float] | None:
        """The item scores behind `score`: the submission's, or the base model's after a reset."""
        if not self.counted:
            return None
        if self.reset:
            return self.base.items if self.base else None
        return self.raw_items


@dataclass(frozen=True)
class Baseline:
    """The two scores of a base model on a benchmark between which agents are measured."""

    base: float
    instruct: float


def load_cells(runs: Iterable[Path]) -> list[Cell]:
    """Read run directories; unfinished runs are included, with `result` None.

    Raises:
        InputError: a directory is no run, or one of its files is torn, foreign, missing or stale.
    """
    return [load_cell(path) for path in runs]


def load_cell(path: Path) -> Cell:
    """Read one run directory. Raises as `load_cells`."""
    spec = _read(path / "run.json", RunSpec)
    if spec is None:
        raise InputError(f"{path} is no run directory, since it has no run.json.")
    evaluate = path / "evaluate"
    metrics, base, instruct = (_metrics(evaluate / f"{name}.json", spec) for name in ("metrics", "base", "instruct"))
    cell = Cell(
        spec=spec,
        result=_read(path / "result.json", Result),
        base=base,
        instruct=instruct,
        raw_items=metrics.items if metrics else None,
        path=path,
    )
    _check(cell, metrics, path)
    return cell


def adjusted(cell: Cell) -> float:
    """The score that a counted run enters means with. Raises InputError where it has none."""
    if cell.score is None:
        raise InputError(f"Run {cell.run} has no score that could be counted; settle the run again.")
    return cell.score


def baselines_of(cells: Iterable[Cell]) -> dict[tuple[str, str], Baseline]:
    """(base model, benchmark) -> its baselines, from the copies in the runs.

    Where runs hold different copies (evaluated with another seed or engine), each distinct copy counts once.
    Pairs none of whose runs has both baselines are left out.
    """
    copies: dict[tuple[str, str], set[Baseline]] = {}
    for cell in cells:
        if cell.base and cell.instruct:
            pair = Baseline(cell.base.score, cell.instruct.score)
            copies.setdefault((cell.model, cell.benchmark), set()).add(pair)
    return {
        key: Baseline(fmean(pair.base for pair in pairs), fmean(pair.instruct for pair in pairs))
        for key, pairs in copies.items()
    }


def _read(path: Path, record: type[R]) -> R | None:
    """The record in a file, or None where there is no file."""
    try:
        return record.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            f"{path} is no valid {record.__name__} of this version ({where}: {first['msg']}); "
            "run that stage again, or leave the run out."
        ) from error


def _metrics(path: Path, spec: RunSpec) -> Metrics | None:
    metrics = _read(path, Metrics)
    if metrics is None:
        return None
    if metrics.benchmark != spec.benchmark:
        raise InputError(
            f"{path} is of {metrics.benchmark}, but the run is of {spec.benchmark}; evaluate the run again."
        )
    if not 0 <= metrics.score <= 1 or not all(math.isfinite(score) for score in metrics.items.values()):
        raise InputError(f"{path} holds scores that are no fractions from 0 to 1; evaluate the run again.")
    return metrics


def _check(cell: Cell, metrics: Metrics | None, path: Path) -> None:
    """Refuse a counted run whose files do not agree."""
    result = cell.result
    if result is None:
        return
    file = path / "result.json"
    if result.run != cell.run:
        raise InputError(f"{file} is of run {result.run}, but the directory is of {cell.run}; settle the run again.")
    if not cell.counted:
        return
    needed = {"base": cell.base, "instruct": cell.instruct}
    if not cell.reset:
        needed["metrics"] = metrics
    for name, found in needed.items():
        if found is None:
            raise InputError(f"{path / 'evaluate' / f'{name}.json'} is missing; evaluate and settle the run again.")
    behind = needed["base" if cell.reset else "metrics"]
    if result.score is None or behind is None or not math.isclose(result.score, behind.score, abs_tol=1e-6):
        raise InputError(
            f"{file} does not carry the score in evaluate/{'base' if cell.reset else 'metrics'}.json; "
            "settle the run again."
        )
