"""Reads the runs of experiments for the site: one `SiteRun` for each, with what the leaderboard does not read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.records import ModelUsage, Outcome, Stage
from posttrainbench.report.site.shell import link_path
from posttrainbench.run import Run
from posttrainbench.run.directory import find_roots, link_to
from posttrainbench.scoring import Cell, load_cells
from posttrainbench.untrusted import UnreadableError, read_below

LINKED = "It is a symbolic link, and links in experiments are not followed; name the run's own experiment instead."
R = TypeVar("R", Outcome, ModelUsage)


@dataclass(frozen=True)
class SiteRun:
    """One run on the site.

    Attributes:
        place: path of its page's directory from the top of the site, such as `runs/EXPERIMENT/RUN`.
        seconds: time that the agent worked; None before its end.
        dollars: cost of its model calls; None if it made none, or if their price is unknown.
        tokens: input and output tokens; None if it made no model calls.
    """

    run: Run
    cell: Cell
    experiment: str
    place: str
    seconds: float | None = None
    dollars: float | None = None
    tokens: int | None = None

    @property
    def href(self) -> str:
        """Link to its page, from the top of the site."""
        return f"{self.place}/index.html"


@dataclass(frozen=True)
class Damaged:
    """A run that cannot be read and therefore does not count."""

    experiment: str
    name: str
    reason: str


@dataclass(frozen=True)
class Experiments:
    """All runs of the site, in the order of their paths."""

    names: list[str]
    runs: list[SiteRun]
    damaged: list[Damaged] = field(default_factory=list)

    @property
    def cells(self) -> list[Cell]:
        """The runs for scoring."""
        return [run.cell for run in self.runs]


def read_experiments(paths: Sequence[Path]) -> Experiments:
    """Read the runs of experiments; those that are damaged are listed with the reason.

    Raises:
        InputError: a directory does not exist or contains no run.
    """
    names = _numbered(path.resolve().name for path in paths)
    runs: list[SiteRun] = []
    damaged: list[Damaged] = []
    for path, name in zip(paths, names, strict=True):
        top = path.resolve()
        links = {root: link_to(top, root) for root in find_roots(path)}
        damaged += [
            Damaged(name, link.relative_to(top).as_posix(), LINKED) for link in sorted({*filter(None, links.values())})
        ]
        found = [Run(root) for root, link in links.items() if link is None]
        places = _numbered(run.root.relative_to(top).as_posix() for run in found)
        for run, place in zip(found, places, strict=True):
            try:
                runs.append(_site_run(run, name, f"runs/{name}/{place}"))
            except (InputError, OSError) as error:
                damaged.append(Damaged(name, run.root.name, one_line(error)))
    return Experiments(names, runs, damaged)


def _site_run(run: Run, experiment: str, place: str) -> SiteRun:
    solve = run.stage(Stage.SOLVE)
    outcome = _read(run.root, solve / "outcome.json", Outcome)
    usage = _read(run.root, solve / "usage.json", ModelUsage)
    return SiteRun(
        run=run,
        cell=load_cells([run.root])[0],
        experiment=experiment,
        place=place,
        seconds=outcome.seconds if outcome else None,
        dollars=usage.cost if usage and usage.requests and not usage.unpriced else None,
        tokens=usage.input + usage.output if usage and usage.requests else None,
    )


def _read(run: Path, path: Path, record: type[R]) -> R | None:
    try:
        return record.model_validate_json(read_below(run, path))
    except FileNotFoundError:
        return None
    except (ValidationError, UnreadableError) as error:
        raise InputError(f"{path} is damaged. {one_line(error)}") from None


def _numbered(names: Iterable[str]) -> list[str]:
    """Return names for directories that need no escaping and are all different."""
    result: list[str] = []
    used: set[str] = set()
    for name in names:
        base = link_path(name)
        number = 1
        chosen = base
        while chosen.lower() in used:
            number += 1
            chosen = f"{base}-{number}"
        used.add(chosen.lower())
        result.append(chosen)
    return result
