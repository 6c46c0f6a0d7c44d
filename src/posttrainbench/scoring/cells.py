"""Read run directories for scoring: one `Cell` per run, checked at the boundary.

A leaderboard is computed from run directories only: the evaluate stage stores a copy of the two baselines in each. The
files of a counted run must be consistent; otherwise an `InputError` names the file, because a leaderboard that silently
drops a run or counts a stale score would be wrong without notice.
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
from posttrainbench.records import EngineChoice, Metrics, Record, Result, RunSpec, Status, Verdict
from posttrainbench.untrusted import UnreadableError, read_below

R = TypeVar("R", bound=Record)

VERDICT = "audit/verdict.json"
COUNTED = (Status.SCORED, Status.BASE_FALLBACK)


@dataclass(frozen=True)
class Cell:
    """One run: an agent on one base model and one benchmark, with one seed.

    Attributes:
        result: None if the run is unfinished.
        base: metrics of the base model, zero-shot; None only if the run is not counted.
        instruct: metrics of the official instruct counterpart; likewise.
        raw_items: item id -> score of the submission itself; None if it was not evaluated.
        path: the run directory.
        judged_by: the rule set of the current verdict; empty without one.
    """

    spec: RunSpec
    result: Result | None = None
    base: Metrics | None = None
    instruct: Metrics | None = None
    raw_items: Mapping[str, float] | None = None
    path: Path | None = None
    judged_by: str = ""

    @property
    def run(self) -> str:
        """The run's id."""
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
    def rules(self) -> str:
        """The rule set that the run was judged by; without a verdict, the one that its prompt states."""
        return self.judged_by or self.spec.rules

    @property
    def engine(self) -> EngineChoice:
        """The engine of the evaluation."""
        if self.result and self.result.changes:
            return self.result.changes[-1].new
        return EngineChoice(engine=self.spec.engine, settings=self.spec.engine_settings)

    @property
    def status(self) -> Status | None:
        """The run's status; None if it is unfinished."""
        return self.result.status if self.result else None

    @property
    def counted(self) -> bool:
        """True if the run enters means."""
        return self.status in COUNTED

    @property
    def reset(self) -> bool:
        """True if the run was reset to the base model's score."""
        return self.status is Status.BASE_FALLBACK

    @property
    def suspected(self) -> bool:
        """True if the run counts although a rule is suspected."""
        return self.status is Status.SCORED and bool(self.result and self.result.suspected)

    @property
    def score(self) -> float | None:
        """The adjusted score; None if the run is not counted."""
        return self.result.score if self.result and self.counted else None

    @property
    def raw_score(self) -> float | None:
        """The submission's own score; None if it was not evaluated."""
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
class BaselineScores:
    """Scores of a base model and its instruct counterpart on a benchmark."""

    base: float
    instruct: float


def load_cells(runs: Iterable[Path]) -> list[Cell]:
    """Read run directories; unfinished runs are included, with `result` None.

    Raises:
        InputError: a directory is not a run, or one of its files is invalid, from another run, missing or stale.
    """
    return [load_cell(path) for path in runs]


def load_cell(path: Path) -> Cell:
    """Read one run directory.

    Raises:
        InputError: as in `load_cells`.
    """
    spec = _read(path, path / "run.json", RunSpec)
    if spec is None:
        raise InputError(f"{path} is not a run directory: it has no run.json.")
    evaluate = path / "evaluate"
    metrics, base, instruct = (
        _metrics(path, evaluate / f"{name}.json", spec) for name in ("metrics", "base", "instruct")
    )
    cell = Cell(
        spec=spec,
        result=_read(path, path / "result.json", Result),
        base=base,
        instruct=instruct,
        raw_items=metrics.items if metrics else None,
        path=path,
        judged_by=judged_by(path),
    )
    _check(cell, metrics, path)
    return cell


def judged_by(path: Path) -> str:
    """Return the rule set of a run's current verdict; empty without one.

    Raises:
        InputError: the verdict is damaged.
    """
    verdict = _read(path, path / VERDICT, Verdict)
    return verdict.rule_set if verdict else ""


def adjusted(cell: Cell) -> float:
    """Return the adjusted score of a counted run.

    Raises:
        InputError: the run is not counted.
    """
    if cell.score is None:
        raise InputError(f"Run {cell.run} has no score to count; settle the run again.")
    return cell.score


def engine_notes(cells: Iterable[Cell]) -> list[str]:
    """Return sentences about counted runs that were not all evaluated with the engines of their `run.json`."""
    counted = [cell for cell in cells if cell.counted]
    notes = []
    names = sorted({cell.engine.engine for cell in counted})
    if len(names) > 1:
        notes.append(f"The runs were evaluated with different engines: {', '.join(names)}.")
    for cell in counted:
        created = EngineChoice(engine=cell.spec.engine, settings=cell.spec.engine_settings)
        if cell.engine != created:
            notes.append(
                f"{cell.agent} on {cell.model}, {cell.benchmark}, seed {cell.seed}: evaluated with engine "
                f"{cell.engine} instead of {created}."
            )
    return notes


def baselines_of(cells: Iterable[Cell]) -> dict[tuple[str, str], BaselineScores]:
    """Return (base model, benchmark) -> its baselines, from the copies in the runs.

    If runs hold different copies (evaluated with another seed or engine), their mean is used, with each distinct copy
    counted once. Base models and benchmarks without a run that has both baselines are left out.
    """
    copies: dict[tuple[str, str], set[BaselineScores]] = {}
    for cell in cells:
        if cell.base and cell.instruct:
            pair = BaselineScores(cell.base.score, cell.instruct.score)
            copies.setdefault((cell.model, cell.benchmark), set()).add(pair)
    return {
        key: BaselineScores(fmean(pair.base for pair in pairs), fmean(pair.instruct for pair in pairs))
        for key, pairs in copies.items()
    }


def _read(run: Path, path: Path, record: type[R]) -> R | None:
    """Read a record from a file of a run; None if the file is missing."""
    try:
        return record.model_validate_json(read_below(run, path))
    except FileNotFoundError:
        return None
    except UnreadableError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            f"{path} is not a valid {record.__name__} of this version ({where}: {first['msg']}); "
            f"run that stage again, or leave the run out with `ptb leaderboard --exclude {run.name}`."
        ) from error


def _metrics(run: Path, path: Path, spec: RunSpec) -> Metrics | None:
    metrics = _read(run, path, Metrics)
    if metrics is None:
        return None
    if metrics.benchmark != spec.benchmark:
        raise InputError(
            f"{path} is for {metrics.benchmark}, but the run is for {spec.benchmark}; evaluate the run again."
        )
    if not 0 <= metrics.score <= 1 or not all(math.isfinite(score) for score in metrics.items.values()):
        raise InputError(f"{path} has scores that are not fractions from 0 to 1; evaluate the run again.")
    return metrics


def _check(cell: Cell, metrics: Metrics | None, path: Path) -> None:
    """Raise InputError if the files of a counted run are inconsistent."""
    result = cell.result
    if result is None:
        return
    file = path / "result.json"
    if result.run != cell.run:
        raise InputError(f"{file} belongs to run {result.run}, but the directory to {cell.run}; settle the run again.")
    if not cell.counted:
        return
    needed = {"base": cell.base, "instruct": cell.instruct}
    if not cell.reset:
        needed["metrics"] = metrics
    for name, record in needed.items():
        if record is None:
            raise InputError(f"{path / 'evaluate' / f'{name}.json'} is missing; evaluate and settle the run again.")
    source = needed["base" if cell.reset else "metrics"]
    if result.score is None or source is None or not math.isclose(result.score, source.score, abs_tol=1e-6):
        raise InputError(
            f"{file} does not have the score in evaluate/{'base' if cell.reset else 'metrics'}.json; "
            "settle the run again."
        )
