"""Select the runs that may be counted together: each run once, under one set of conditions, with a usable baseline.

Two runs were made under the same conditions if they have the same suite, time limit, rule set and prompt. The rule
set is the one that the run was judged by. Runs of one agent under different conditions are never pooled: the caller has
to choose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from posttrainbench.errors import InputError
from posttrainbench.scoring.cells import BaselineScores, Cell

Value = TypeVar("Value", str, float)

PREFIX = 12
"""Digits of a hash that are printed."""
LISTED = 8
"""Values that a message lists."""


@dataclass(frozen=True)
class Conditions:
    """The conditions to keep; None keeps all. `prompt` is the beginning of a prompt's hash."""

    suite: str | None = None
    budget: float | None = None
    rules: str | None = None
    prompt: str | None = None

    def select(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the runs under these conditions.

        Raises:
            InputError: there is none.
        """
        selected = [cell for cell in cells if self._matches(cell)]
        if cells and not selected:
            raise InputError(self._without_match(cells))
        return selected

    def _without_match(self, cells: Sequence[Cell]) -> str:
        """Return a sentence that names the options that no run matches, and the values to choose from."""
        given = {
            "suite": self.suite,
            "budget": _budget(self.budget) if self.budget is not None else None,
            "rules": self.rules,
            "prompt": self.prompt,
        }
        options = {name: value for name, value in given.items() if value is not None}
        alone = {name: Conditions(**{name: getattr(self, name)}) for name in options}
        guilty = [name for name, one in alone.items() if not any(map(one._matches, cells))]
        choices = "; ".join(f"--{name} {' or '.join(_values(cells, name))}" for name in guilty or options)
        named = " and ".join(f"--{name} {options[name]}" for name in guilty or options)
        reason = f"No run matches {named}" if guilty or len(options) == 1 else f"No run matches both {named}"
        return f"{reason}; choose from {choices}, or leave {'it' if len(options) == 1 else 'one'} out."

    def _matches(self, cell: Cell) -> bool:
        spec = cell.spec
        return (
            self.suite in (None, spec.suite)
            and self.budget in (None, spec.budget)
            and self.rules in (None, cell.rules)
            and (self.prompt is None or any(text.startswith(self.prompt) for text in _prompts(cell)))
        )


def _values(cells: Sequence[Cell], name: str) -> list[str]:
    """Return the values of a condition that the runs have, the most frequent first."""
    counts: Counter[str] = Counter()
    for cell in cells:
        spec = cell.spec
        if name == "budget":
            counts[_budget(spec.budget)] += 1
        elif name == "prompt":
            counts.update(text[:PREFIX] for text in _prompts(cell) if text)
        else:
            counts[spec.suite if name == "suite" else cell.rules] += 1
    values = [value for value, _ in counts.most_common()]
    return values if len(values) <= LISTED else [*values[:LISTED], f"{len(values) - LISTED} more"]


def unique(cells: Iterable[Cell]) -> tuple[list[Cell], list[str]]:
    """Keep one directory for each run id, a counted one if there is any. Return also a note about the others."""
    first: dict[str, Cell] = {}
    copies = 0
    for cell in cells:
        kept = first.setdefault(cell.run, cell)
        if kept is not cell:
            copies += 1
            if cell.counted and not kept.counted:
                first[cell.run] = cell
    if not copies:
        return list(first.values()), []
    return list(first.values()), [
        f"{copies} director{'y is a copy' if copies == 1 else 'ies are copies'} of other runs (the same run id) and "
        f"{'does' if copies == 1 else 'do'} not count."
    ]


def require_same_conditions(cells: Sequence[Cell]) -> None:
    """Require that all runs belong to one suite, and those of each agent to one time limit, rule set and prompt.

    Raises:
        InputError: they do not; the message names the option to choose with.
    """
    _require_one(cells, lambda cell: cell.spec.suite, "The runs belong to several suites", "--suite {}")
    agents: dict[str, list[Cell]] = {}
    for cell in cells:
        agents.setdefault(cell.agent, []).append(cell)
    for agent, own in agents.items():
        _require_one(
            own,
            lambda cell: cell.spec.budget,
            f"{agent} has runs with different time limits",
            "--budget {}",
            show=_budget,
        )
        _require_one(own, lambda cell: cell.rules, f"{agent} has runs under different rule sets", "--rules {}")
        prompt = f"{agent} has runs with different prompts"
        _require_one([cell for cell in own if cell.spec.prompt_version], _version, prompt, "--prompt {}")
        rendered: dict[tuple[str, str], list[Cell]] = {}
        for cell in own:
            if cell.spec.sandbox != "process":  # without a sandbox, the prompt contains the paths of the run
                rendered.setdefault((cell.model, cell.benchmark), []).append(cell)
        for group in rendered.values():
            _require_one(group, lambda cell: cell.spec.prompt_sha256[:PREFIX], prompt, "--prompt {}")


def with_gap(
    cells: Sequence[Cell], baselines: Mapping[tuple[str, str], BaselineScores]
) -> tuple[list[Cell], list[str]]:
    """Leave out benchmarks on which the instruct models do not score higher than the base models, with a note each.

    Without such a gap, a benchmark has no weight. If no benchmark has one, all are kept, and computing weights fails.
    """
    notes, without = [], set()
    for benchmark in sorted({cell.benchmark for cell in cells}):
        models = {cell.model for cell in cells if cell.benchmark == benchmark}
        known = [baselines[model, benchmark] for model in models if (model, benchmark) in baselines]
        if not known or len(known) < len(models):
            continue
        base, instruct = (fmean(getattr(pair, name) for pair in known) for name in ("base", "instruct"))
        if not instruct > base:
            without.add(benchmark)
            notes.append(
                f"{benchmark} is left out: it has no weight, because the instruct models ({100 * instruct:.1f}) do not "
                f"score higher than the base models ({100 * base:.1f})."
            )
    kept = [cell for cell in cells if cell.benchmark not in without]
    return (kept, notes) if kept else (list(cells), [])


def _budget(seconds: float) -> str:
    """Return a time limit as `--budget` accepts it."""
    size, unit = next(((size, unit) for size, unit in ((3600, "h"), (60, "m")) if seconds % size == 0), (1, "s"))
    return f"{seconds / size:g}{unit}"


def _prompts(cell: Cell) -> tuple[str, str]:
    return cell.spec.prompt_version, cell.spec.prompt_sha256


def _version(cell: Cell) -> str:
    return cell.spec.prompt_version[:PREFIX]


def _require_one(
    cells: Iterable[Cell], value: Callable[[Cell], Value], problem: str, option: str, show: Callable[[Value], str] = str
) -> None:
    counts = Counter(map(value, cells))
    if len(counts) < 2:
        return
    listed = ", ".join(
        f"{show(each)}: {number} run{'' if number == 1 else 's'}" for each, number in sorted(counts.items())
    )
    most = show(counts.most_common(1)[0][0])
    raise InputError(
        f"{problem} ({listed}), which are not counted together; choose with {option.format(most)}, or leave runs out "
        "with --exclude RUN."
    )
