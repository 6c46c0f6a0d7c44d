"""`ptb status` and `ptb list`."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import RUNS, complete_agents, complete_benchmarks, complete_experiments, distinct_places
from posttrainbench.errors import InputError
from posttrainbench.files import require_directory
from posttrainbench.untrusted import printable

if TYPE_CHECKING:
    from posttrainbench.cli.console import Console
    from posttrainbench.run.summary import RunSummary

WATCH_SECONDS = 2.0
PIPED_WATCH_SECONDS = 60.0
UNFINISHED = ("working", "waiting", "interrupted")
"""States of runs that `--watch` waits for."""
LISTED = 12
"""Values that a message lists."""

Select = Callable[["RunSummary"], bool]


def status(
    given: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="EXPERIMENT...",
            help="Runs, experiments or folders of them, or their names in runs/. Default: all of runs/.",
            callback=lambda paths: distinct_places(paths or [RUNS]),
            autocompletion=complete_experiments,
            show_default=False,
        ),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            help="Only runs of this agent: NAME, or a pattern with *. Repeatable.",
            show_default=False,
            autocompletion=complete_agents,
        ),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            help="Only runs on this benchmark: NAME, or a pattern with *. Repeatable.",
            show_default=False,
            autocompletion=complete_benchmarks,
        ),
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only runs with this status: scored, suspected, base_fallback, infrastructure_error, not_audited, "
            "working, interrupted, waiting, damaged, or unfinished for all without a result. Repeatable.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Refresh until all runs have ended, or no process works on them.")
    ] = False,
    paths: Annotated[bool, typer.Option("--paths", help="Add the directory of each run.")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Discard the index of runs and read all files again.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the status of runs: counts by agent, and one line for each run.

    A score with ~ is the mean over the items that a running evaluation has scored. Dollars with + leave out calls of
    unknown price.

    Example:  [bold]ptb status runs/demo --status working --status waiting[/bold]
    """
    from posttrainbench.cli.console import Console

    if watch and json:
        raise InputError("--watch and --json exclude each other; give one of them.")
    select = _selection(agent, benchmark, state)
    places = given or [RUNS]
    path = common_place(places)
    runs = _summaries(places, rebuild)
    _require_known(runs, ", ".join(map(str, places)), agent, benchmark)
    selected = list(filter(select, runs))
    if json:
        return print_json([run._asdict() for run in selected])
    console = Console(highlight=False)
    if watch:
        selected = _watch(places, select, console, paths)
    if not selected:
        print(f"ptb: {_without_match(runs, ', '.join(map(str, places)), agent, benchmark, state)}", file=sys.stderr)
        return None
    _write(console, _report(selected, path, console, paths))
    if watch and _are_abandoned(selected):
        count = sum(run.state in UNFINISHED for run in selected)
        text = f"No process is working on the {f'{count} unfinished runs' if count > 1 else 'unfinished run'}."
        console.print(f"\n  {text}", markup=False, soft_wrap=True)
    console.print(f"\n  Next: {_next(selected, places, runs)}", markup=False, soft_wrap=True)
    return None


def common_place(places: Sequence[Path]) -> Path:
    """Return the deepest directory that contains all places, relative if all of them are."""
    if len(places) == 1:
        return places[0]
    if not any(place.is_absolute() for place in places):
        common = Path(os.path.commonpath([os.path.normpath(place) for place in places]) or ".")
        if all(place.resolve().is_relative_to(common.resolve()) for place in places):
            return common
    return Path(os.path.commonpath([place.resolve() for place in places]))


def _summaries(places: Sequence[Path], rebuild: bool = False) -> "list[RunSummary]":
    from posttrainbench.run.index import summaries

    return [run for number, place in enumerate(places) for run in summaries(place, rebuild and number == 0)]


def list_experiments(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with experiments.")] = RUNS,
    json: Json = False,
) -> None:
    """List the experiments, the newest first: their runs by status, and when their first run was created.

    Example:  [bold]ptb list[/bold]
    """
    from posttrainbench.cli.console import Console
    from posttrainbench.records.experiment import EXPERIMENT_FILE
    from posttrainbench.report.experiment_table import experiment_lines, experiments
    from posttrainbench.run.index import summaries

    require_directory(path, "a folder with experiments, or start a run with `ptb run`")
    try:
        runs = summaries(path)
    except InputError:
        if not any(path.glob(f"*/{EXPERIMENT_FILE}")):
            raise
        runs = []
    found = experiments(runs, path)
    if json:
        return print_json([asdict(one) for one in found])
    console = Console(highlight=False)
    for line in experiment_lines(found, console.width):
        console.print(line, soft_wrap=True)
    return console.print(f"\n  Next: ptb status {shlex.quote(found[0].path)}", markup=False, soft_wrap=True)


def _selection(agents: list[str] | None, benchmarks: list[str] | None, states: list[str] | None) -> Select:
    """Return whether a run is selected.

    Raises:
        InputError: a status is unknown.
    """
    from posttrainbench.run.summary import STATES, UNFINISHED

    wanted = {name.strip().lower().replace("-", "_").replace(" ", "_") for name in states or ()}
    choices = (*STATES, UNFINISHED)
    for name in wanted.difference(choices):
        raise InputError(f"Unknown status `{name}`; choose from {', '.join(choices)}.")

    def select(run: "RunSummary") -> bool:
        return (
            (not agents or any(_matches(run.agent, name) for name in agents))
            and (not benchmarks or any(_matches(run.benchmark, name) for name in benchmarks))
            and (not wanted or run.state in wanted or run.status in wanted)
        )

    return select


def _require_known(
    runs: "Sequence[RunSummary]", place: str, agents: list[str] | None, benchmarks: list[str] | None
) -> None:
    """Check that each name of an agent or a benchmark matches a run.

    Raises:
        InputError: one does not.
    """
    for agent in agents or ():
        if not any(_matches(run.agent, agent) for run in runs):
            raise InputError(_without_match(runs, place, [agent], None, None))
    for benchmark in benchmarks or ():
        if not any(_matches(run.benchmark, benchmark) for run in runs):
            raise InputError(_without_match(runs, place, None, [benchmark], None))


def _without_match(
    runs: "Sequence[RunSummary]",
    place: str,
    agents: list[str] | None,
    benchmarks: list[str] | None,
    states: list[str] | None,
) -> str:
    """Return a sentence that names the options that no run matches, and the values to choose from."""
    given: dict[str, tuple[list[str] | None, Select, dict[str, None]]] = {
        "agent": (agents, _selection(agents, None, None), dict.fromkeys(run.agent for run in runs if run.agent)),
        "benchmark": (
            benchmarks,
            _selection(None, benchmarks, None),
            dict.fromkeys(run.benchmark for run in runs if run.benchmark),
        ),
        "status": (states, _selection(None, None, states), dict.fromkeys(run.state for run in runs)),
    }
    used = {name: entry for name, entry in given.items() if entry[0]}
    guilty = {name: entry for name, entry in used.items() if not any(map(entry[1], runs))} or used
    options, choices = [], []
    for name, (values, _, present) in guilty.items():
        options += [f"--{name} {printable(value)}" for value in values or ()]
        listed = sorted(map(printable, present))
        more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
        choices.append(f"--{name} from {', '.join(listed[:LISTED])}{more}")
    joined = " with " if guilty == used and len(used) > 1 else " or "
    none = (
        f"None of the {len(runs)} runs in {place} matches"
        if len(runs) > 1
        else f"The only run in {place} does not match"
    )
    return f"{none} {joined.join(options)}; choose {'; '.join(choices)}."


def _matches(name: str, pattern: str) -> bool:
    """Return True if a pattern is the name, its part before `/` or `?`, or matches it with wildcards."""
    return name == pattern or name.startswith((f"{pattern}/", f"{pattern}?")) or fnmatchcase(name, pattern)


def _report(runs: "Sequence[RunSummary]", path: Path, console: "Console", paths: bool = False) -> str:
    from rich.text import Text

    from posttrainbench.report.run_table import count_lines, run_lines

    with console.capture() as capture:
        for line in count_lines(runs, console.width):
            console.print(line, soft_wrap=True)
        console.print(Text())
    color = console.is_terminal and not console.no_color
    return capture.get() + run_lines(runs, path, console.width, color=color, paths=paths)


def _write(console: "Console", text: str) -> None:
    """Write text at once: Rich takes seconds for thousands of lines."""
    console.file.write(text)
    console.file.flush()


def _watch(places: Sequence[Path], select: Select, console: "Console", paths: bool) -> "list[RunSummary]":
    """Show the runs again and again, those at work first. Return the last state.

    Ends when all runs have ended, when no process has worked on the others at two successive looks, or at Ctrl-C.
    """
    from rich.live import Live
    from rich.text import Text

    path = common_place(places)
    selected: list[RunSummary] = []
    abandoned = False
    try:
        with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                selected = list(filter(select, _summaries(places)))
                if not any(run.state in UNFINISHED for run in selected):
                    return selected
                if abandoned and _are_abandoned(selected):
                    return selected
                abandoned = _are_abandoned(selected)
                ordered = sorted(selected, key=lambda run: run.state != "working")
                report = _report(ordered, path, console, paths)
                if console.is_terminal:
                    live.update(Text.from_ansi(report), refresh=True)
                    time.sleep(WATCH_SECONDS)
                else:
                    _write(console, f"{report}\n")
                    time.sleep(WATCH_SECONDS if abandoned else PIPED_WATCH_SECONDS)
    except KeyboardInterrupt:
        return selected


def _are_abandoned(runs: "Sequence[RunSummary]") -> bool:
    """Return True if some runs are unfinished, no process works on them or launches them, and none may be queued."""
    from posttrainbench.launch.job import may_be_queued
    from posttrainbench.run.directory import is_active

    unfinished = [Path(run.path) for run in runs if run.state in UNFINISHED]
    if not unfinished or any(run.live for run in runs):
        return False
    return not any(map(is_active, {path.parent for path in unfinished})) and not any(map(may_be_queued, unfinished))


def _next(runs: "Sequence[RunSummary]", places: Sequence[Path], all_runs: "Sequence[RunSummary]") -> str:
    """Return the most useful next command.

    Args:
        runs: the selected ones.
        places: where the user looks for runs.
        all_runs: all runs there.
    """
    from posttrainbench.report.run_table import display_paths

    given = shlex.join(map(str, places))
    if any(run.live for run in runs):
        return f"ptb status {given} --watch"
    left = [Path(run.path) for run in runs if run.state in ("interrupted", "waiting", "infrastructure_error")]
    if left:
        from posttrainbench.records.experiment import EXPERIMENT_FILE

        place = next(each for each in places if left[0].is_relative_to(each.resolve()))
        is_named = (place / EXPERIMENT_FILE).is_file() and place.parent == RUNS
        return f"ptb launch --name {shlex.quote(place.name)}" if is_named else f"ptb resume {shlex.quote(str(place))}"
    if len(runs) == 1:
        return f"ptb trace {display_paths(runs, common_place(places))[0]}"
    ranked = _rankable(all_runs, places[0]) if len(places) == 1 else None
    return f"ptb report {given}" if ranked is None else f"ptb leaderboard {shlex.quote(ranked)}"


def _rankable(runs: "Sequence[RunSummary]", place: Path) -> str | None:
    """Return the latest experiment whose runs can be ranked together; None if there is none."""
    from posttrainbench.run.summary import DAMAGED

    experiments: dict[str, list[RunSummary]] = {}
    for run in runs:
        experiments.setdefault(os.path.dirname(run.path), []).append(run)  # noqa: PTH120 fast
    if len(experiments) > 1:
        latest = sorted(experiments, key=lambda folder: max(run.created for run in experiments[folder]), reverse=True)
    else:
        latest = list(experiments)
    for folder in latest:
        own = experiments[folder]
        budgets = {(run.agent, run.budget) for run in own}
        one_budget = len(budgets) == len({run.agent for run in own})
        if one_budget and len({run.suite for run in own}) == 1 and all(run.state != DAMAGED for run in own):
            inside = os.path.relpath(folder, place.resolve())
            return str(place) if len(experiments) == 1 else os.path.normpath(place / inside)
    return None
