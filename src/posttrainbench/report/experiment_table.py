"""The list of experiments: directories with runs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from posttrainbench.records.experiment import EXPERIMENT_FILE
from posttrainbench.report.layout import Paragraph, columns
from posttrainbench.report.run_table import NAMES, STYLES
from posttrainbench.report.text import plain
from posttrainbench.run.summary import STATES, RunSummary


@dataclass(frozen=True)
class Experiment:
    """A directory with runs.

    Attributes:
        path: beginning with the path that the user gave.
        runs: number of runs.
        states: state -> number of runs.
        agents: names of the agents.
        created: creation of the first run, ISO 8601, UTC; empty if no run can be read.
    """

    path: str
    runs: int
    states: dict[str, int]
    agents: list[str]
    created: str


def experiments(runs: Sequence[RunSummary], path: Path) -> list[Experiment]:
    """Group runs by the directory that contains them, latest first. Experiments without runs are included."""
    groups: dict[str, list[RunSummary]] = {}
    for run in runs:
        groups.setdefault(os.path.dirname(run.path), []).append(run)  # noqa: PTH120 fast
    top = path.resolve()
    for place in (top, *sorted(top.iterdir())):
        if (place / EXPERIMENT_FILE).is_file():  # also before its first run
            groups.setdefault(str(place), [])
    result = []
    for folder, own in groups.items():
        times = [run.created for run in own if run.created]
        result.append(
            Experiment(
                path=os.path.normpath(path / os.path.relpath(folder, top)),
                runs=len(own),
                states=dict(Counter(run.state for run in own)),
                agents=sorted({run.agent for run in own if run.agent}),
                created=datetime.fromtimestamp(min(times), UTC).isoformat(timespec="seconds") if times else "",
            )
        )
    return sorted(result, key=lambda one: (one.created, one.path), reverse=True)


def experiment_lines(found: Sequence[Experiment], width: int) -> list[RenderableType]:
    """Return one line for each experiment; its path is the last column.

    If the lines would be wider than the terminal, each experiment has its path on a line of its own instead, above its
    numbers.
    """
    states = [state for state in STATES if any(state in one.states for one in found)]
    header = ["created", "runs", *(NAMES.get(state, state) for state in states), "agents", "experiment"]
    rows = [[Text(name, "bold") for name in header]]
    for one in found:
        row = [Text(_moment(one)), Text(str(one.runs))]
        row += [Text(str(one.states.get(state, "")), STYLES[state]) for state in states]
        rows.append([*row, Text(str(len(one.agents))), Text(plain(one.path, 4000))])
    lines = columns(rows, right=range(1, len(header) - 1))
    if max(line.cell_len for line in lines) <= width:
        return list(lines)
    return [part for one in found for part in (Text(plain(one.path, 4000), "bold"), Paragraph(_numbers(one)))]


def _numbers(one: Experiment) -> Text:
    """Return a line such as `2026-11-30 09:06, 4 agents, 18 runs: 12 scored, 6 base fallback`."""
    agents = f"{len(one.agents)} agent{'s' * (len(one.agents) != 1)}"
    text = Text(", ".join(filter(None, [_moment(one), agents, f"{one.runs} run{'s' * (one.runs != 1)}"])))
    present = [state for state in STATES if state in one.states]
    for number, state in enumerate(present):
        text.append(", " if number else ": ").append(f"{one.states[state]} {NAMES.get(state, state)}", STYLES[state])
    return text


def _moment(one: Experiment) -> str:
    return one.created[:16].replace("T", " ")
