"""Score a table in the official benchmark's CSV form: one row per base model, one column per benchmark.

The header is `model,BENCHMARK,...`. A cell is a fraction 0-1 or a missing-score marker (`MARKS`); the zero-shot base
score of that model and benchmark replaces a missing score, and this is reported. Any other cell, such as `41.0` or
`0,41`, is rejected, because counting it as base would hide a mistake.
"""

import csv
import difflib
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from posttrainbench.errors import InputError
from posttrainbench.files import require_existing
from posttrainbench.records import Baseline, Record
from posttrainbench.scoring.published import PublishedTables, suite_weights
from posttrainbench.scoring.weights import weights

MARKS = ("ERR", "not stored", "not avl.", "")

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

Key = tuple[str, str]


class Fallback(Record):
    """A cell without a score: `text` is its content, `score` the base score used instead."""

    model: str
    benchmark: str
    line: int
    text: str
    score: float


class ScoredTable(Record):
    """A table's scores; all are fractions 0-1.

    Attributes:
        weights: benchmark -> weight.
        benchmarks: benchmark -> mean over the base models.
        overall: weighted sum of these.
        fallbacks: number of cells without a score.
        fallback_cells: these cells, in the order of the file.
        baseline: the file with the base scores, or `published`.
    """

    suite: str
    weights: dict[str, float]
    benchmarks: dict[str, float]
    overall: float
    fallbacks: int
    fallback_cells: list[Fallback]
    baseline: str


@dataclass(frozen=True)
class _Cell:
    line: int
    text: str
    score: float | None


def score_table(path: Path, tables: PublishedTables, baseline: Path | None = None) -> ScoredTable:
    """Score the table of one agent.

    Args:
        path: a CSV file with a row for each base model of the suite and a column for each benchmark, in any order.
        tables: published tables of the suite; its baselines give the weights and replace missing scores.
        baseline: a table of the same form whose scores replace missing ones instead. Every cell must be a number. It
            may also have rows of the instruct counterparts, of all or none; then the weights are computed from it too.

    Raises:
        InputError: a file cannot be read, is malformed, lacks a model or benchmark, or names an unknown one.
    """
    models = [model.name for model in tables.models]
    cells = _read(path, models, tables.benchmarks)
    if baseline is None:
        zero_shot = tables.baselines[Baseline.BASE]
        base = {(m, b): score / 100 for m in models for b, score in tables.named(zero_shot[m]).items()}
        by_benchmark = suite_weights(tables)
    else:
        base, by_benchmark = _baseline(baseline, tables)
    scores = {key: base[key] if cell.score is None else cell.score for key, cell in cells.items()}
    means = _means(scores, models, tables.benchmarks)
    fallbacks = [
        Fallback(model=key[0], benchmark=key[1], line=cell.line, text=cell.text, score=base[key])
        for key, cell in cells.items()
        if cell.score is None
    ]
    return ScoredTable(
        suite=tables.suite,
        weights=by_benchmark,
        benchmarks=means,
        overall=sum(by_benchmark[benchmark] * mean for benchmark, mean in means.items()),
        fallbacks=len(fallbacks),
        fallback_cells=fallbacks,
        baseline="published" if baseline is None else str(baseline),
    )


def _baseline(path: Path, tables: PublishedTables) -> tuple[dict[Key, float], dict[str, float]]:
    """Read base scores and weights from a file."""
    models, instruct = ([getattr(m, field) for m in tables.models] for field in ("name", "instruct_name"))
    scores = {}
    for key, cell in _read(path, models, tables.benchmarks, optional=instruct).items():
        if cell.score is None:
            raise InputError(
                f"{path}, line {cell.line}, column {key[1]}: the baseline has no score ({cell.text!r}) to replace a "
                "missing one; fill it in, or omit --baseline to use the published baselines."
            )
        scores[key] = cell.score
    if not any(model in instruct for model, _ in scores):
        return scores, suite_weights(tables)
    return scores, weights(*(_means(scores, names, tables.benchmarks) for names in (models, instruct)))


def _means(scores: Mapping[Key, float], models: Iterable[str], benchmarks: Iterable[str]) -> dict[str, float]:
    names = list(models)
    return {benchmark: fmean(scores[model, benchmark] for model in names) for benchmark in benchmarks}


def _read(path: Path, models: list[str], benchmarks: Iterable[str], optional: Iterable[str] = ()) -> dict[Key, _Cell]:
    """Return (model, benchmark) -> cell, for all `models` and, if the file has any of them, all of `optional`."""
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path} is empty; its first line must be `model,{','.join(benchmarks)}`.")
    (line, header), *body = rows
    if header[0] != "model":
        raise InputError(
            f"{path}, line {line}, column 1: the first column is {_quoted(header[0])} and must be `model`; "
            "write the header `model,BENCHMARK,...`, separated by commas."
        )
    _check_names(f"{path}, line {line}", "benchmark", header[1:], benchmarks)
    _check_all(path, "column", "benchmark", header[1:], benchmarks)
    cells: dict[Key, _Cell] = {}
    seen: list[str] = []
    for line, row in body:
        if len(row) != len(header):
            raise InputError(
                f"{path}, line {line}: the row has {len(row)} cells and the header {len(header)}; "
                "write one cell per column, and an empty one for a missing score."
            )
        seen.append(row[0])
        _check_names(f"{path}, line {line}, column model", "base model", seen, [*models, *optional])
        for benchmark, text in zip(header[1:], row[1:], strict=True):
            cells[row[0], benchmark] = _Cell(line, text, _score(text, f"{path}, line {line}, column {benchmark}"))
    _check_all(path, "row", "model", seen, models)
    if set(seen) & set(optional):
        _check_all(path, "row", "model", seen, optional)
    return cells


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return line number and stripped cells of each row that is not blank."""
    require_existing(path, "a CSV file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a CSV file.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: the text is not UTF-8; save the file as UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: the line is not valid CSV ({error}); check its quotation marks."
        ) from None
    return [(line, row) for line, row in rows if any(row)]


def _score(text: str, where: str) -> float | None:
    """Return the score in a cell; None for a missing-score marker."""
    if text.lower() in (mark.lower() for mark in MARKS):
        return None
    if not NUMBER.fullmatch(text):
        marks = ", ".join(mark for mark in MARKS if mark)
        raise InputError(
            f"{where}: {_quoted(text)} is neither a number nor a missing-score marker; "
            f"write a fraction 0-1 with a decimal point, one of {marks}, or nothing."
        )
    value = float(text)
    if not 0 <= value <= 1:
        raise InputError(f"{where}: {_quoted(text)} is outside 0-1; write scores as fractions, such as 0.41 for 41%.")
    return value


def _check_names(where: str, kind: str, names: list[str], known: Iterable[str]) -> None:
    """Raise InputError for the first name that is unknown or duplicate."""
    choices = list(known)
    for index, name in enumerate(names):
        if name not in choices:
            near = difflib.get_close_matches(name, choices, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"choose one of: {', '.join(choices)}."
            raise InputError(f"{where}: unknown {kind} {_quoted(name)}; {hint}")
        if name in names[:index]:
            raise InputError(f"{where}: duplicate {kind} {_quoted(name)}; keep one of the two.")


def _check_all(path: Path, what: str, kind: str, names: Iterable[str], needed: Iterable[str]) -> None:
    present = set(names)
    if missing := [name for name in needed if name not in present]:
        raise InputError(
            f"{path} has no {what} for {kind} {', '.join(missing)}; add it, with empty cells for missing scores."
        )


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
