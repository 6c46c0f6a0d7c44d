"""Names of runs, experiments and catalog entries on the command line: how they are found, and their completion."""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from posttrainbench.errors import InputError
from posttrainbench.untrusted import printable

RUNS = Path("runs")
"""Folder of experiments, in the working directory."""
LISTED = 3
"""Similar names that a message lists."""


def find_place(path: Path) -> Path:
    """Return a path that the user gave; `NAME` and `EXPERIMENT/RUN` are also looked up in `runs/`.

    Raises:
        InputError: several experiments have a run of this name.
    """
    if path.is_absolute() or path.exists() or ".." in path.parts:
        return path
    if (RUNS / path).exists():
        return RUNS / path
    found = [place for place in RUNS.glob("*") if len(path.parts) == 1 and (place / path / "run.json").is_file()]
    if len(found) > 1:
        names = ", ".join(sorted(str(place / path) for place in found))
        raise InputError(f"Several experiments have a run {path}; give one of: {names}.")
    return found[0] / path if found else path


def existing_place(path: Path) -> Path:
    """Return a path that the user gave, as `find_place`; refuse one that does not exist if names in `runs/` are near.

    Raises:
        InputError: the path does not exist and is near the names of runs or experiments, which the message lists; or
            several experiments have a run of this name.
    """
    place = find_place(path)
    if not place.exists() and (near := near_places(path)):
        raise InputError(f"{printable(str(path))} does not exist; did you mean {near}?")
    return place


def distinct_places(paths: Iterable[Path]) -> list[Path]:
    """Return the directories that the user gave, each once.

    Raises:
        InputError: one is inside of another, so that its runs would appear twice; or see `existing_place`.
    """
    places = list({place.resolve(): place for place in map(existing_place, paths)}.values())
    for one in places:
        for other in places:
            if one is not other and one.resolve().is_relative_to(other.resolve()):
                raise InputError(f"{one} is a part of {other}, whose runs are all included; leave out one of them.")
    return places


def near_places(path: Path) -> str:
    """Return names of experiments and runs in `runs/` that are similar to a path, in words; "" if there are none."""
    text = path.relative_to(RUNS).as_posix() if path.is_relative_to(RUNS) else path.as_posix()
    runs = {run.name: run for place in _folders(RUNS) for run in _runs(place)}
    if "/" not in text and (near := near_experiments(text)):
        return near
    similar = difflib.get_close_matches(text.rpartition("/")[2], runs, n=LISTED)
    return " or ".join(printable(runs[name].relative_to(RUNS).as_posix()) for name in similar)


def near_experiments(name: str) -> str:
    """Return names of experiments in `runs/` that are similar to a name, in words; "" if there are none."""
    names = sorted(place.name for place in _folders(RUNS))
    begun = [each for each in names if len(name) > 1 and each.startswith(name)]
    near = dict.fromkeys([*difflib.get_close_matches(name, names, n=LISTED), *begun])
    return " or ".join(map(printable, list(near)[:LISTED]))


def named_directory(out: Path | None, name: str | None, *, run: bool) -> Path | None:
    """Return the directory that the options --out and --name choose; None if neither is given.

    Args:
        out: value of --out.
        name: value of --name: `EXPERIMENT`, or for a run `RUN` or `EXPERIMENT/RUN`.
        run: whether it is the directory of a run.

    Raises:
        InputError: both are given, or the name is not valid.
    """
    from posttrainbench.records.experiment import NAME
    from posttrainbench.run.directory import EARLIER

    if name is None:
        return out
    if out is not None:
        raise InputError("Give --out or --name, not both.")
    parts = name.split("/")
    if len(parts) > 1 + run or not all(NAME.fullmatch(part) and not EARLIER.search(part) for part in parts):
        form = "RUN or EXPERIMENT/RUN, each of" if run else "a name of"
        raise InputError(f"`{printable(name[:80])}` is not a valid name; use {form} letters, digits, `.`, `_` and `-`.")
    return Path(RUNS, *(["default"] if run and len(parts) == 1 else []), *parts)


def complete_experiments(incomplete: str) -> list[str]:
    """Return the experiments, and the runs of an experiment whose path is given, that begin with the text."""
    places = [place for place in _folders(RUNS) if _is_experiment(place)]
    inside = [run for place in places if incomplete.startswith((f"{place}/", f"{place.name}/")) for run in _runs(place)]
    return _matching([*places, *inside], incomplete)


def complete_runs(incomplete: str) -> list[str]:
    """Return the runs that begin with the text."""
    return _matching([run for place in _folders(RUNS) for run in _runs(place)], incomplete)


def _matching(places: Iterable[Path], incomplete: str) -> list[str]:
    """Return matching paths; without a match, matching names below `runs/`, else directories anywhere."""
    listed = list(places)
    forms: tuple[Callable[[Path], str], ...] = (
        str,
        lambda place: str(place.relative_to(RUNS)),
        lambda place: place.name,
    )
    for form in forms:
        if found := sorted({text for place in listed if (text := form(place)).startswith(incomplete)}):
            return found
    folder, _, start = incomplete.rpartition("/")
    parent = Path(folder or ("/" if incomplete.startswith("/") else "."))
    return sorted(f"{place}/" for place in _folders(parent) if place.name.startswith(start))


def _runs(place: Path) -> list[Path]:
    return [run for run in _folders(place) if (run / "run.json").is_file()]


def _is_experiment(place: Path) -> bool:
    """Return True for a directory with runs, or with the definition of an experiment."""
    return (place / "experiment.yaml").is_file() or any(True for _ in _runs(place))


def _folders(path: Path) -> list[Path]:
    try:
        return [place for place in path.iterdir() if place.is_dir() and not place.name.startswith(".")]
    except OSError:
        return []


def _catalog(section: str) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        """Return the ids of a catalog section that begin with the text."""
        from posttrainbench import catalog

        return [name for name in getattr(catalog, section)() if name.startswith(incomplete)]

    return complete


complete_agents = _catalog("agents")
complete_models = _catalog("models")
complete_benchmarks = _catalog("benchmarks")
complete_suites = _catalog("suites")

RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="Directory of a run, or its name if it is in runs/.",
        callback=existing_place,
        autocompletion=complete_runs,
    ),
]
ExperimentPath = Annotated[
    Path,
    typer.Argument(
        metavar="EXPERIMENT",
        help="Directory of an experiment, or its name if it is in runs/.",
        callback=existing_place,
        autocompletion=complete_experiments,
    ),
]
RunsPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|EXPERIMENT",
        help="Directory of a run or an experiment, or its name if it is in runs/.",
        callback=existing_place,
        autocompletion=complete_experiments,
    ),
]
