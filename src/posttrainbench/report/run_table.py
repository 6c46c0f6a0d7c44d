"""Tables of many runs for the terminal: counts by agent on top, then one line per run.

Names and reasons may be written by an agent or a user: they go through `plain`. Lines are built as text, since Rich
would take seconds for thousands of them.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text

from posttrainbench.records.units import short_duration
from posttrainbench.report.layout import columns
from posttrainbench.report.text import percent, plain
from posttrainbench.run.summary import DAMAGED, STATES, RunSummary

NAMES = {
    "scored": "scored",
    "base_fallback": "base fallback",
    "infrastructure_error": "infra error",
    "not_audited": "not audited",
}
SHORT_NAMES = {
    "base_fallback": "fallback",
    "infrastructure_error": "infra",
    "not_audited": "unaudited",
    "interrupted": "stopped",
}
"""Headings on a narrow terminal."""
STYLES = {
    "scored": "green",
    "suspected": "yellow",
    "base_fallback": "yellow",
    "infrastructure_error": "magenta",
    "not_audited": "magenta",
    "working": "cyan",
    "interrupted": "magenta",
    "waiting": "dim",
    DAMAGED: "red",
}
USUAL_ENDS = ("exited", "not started", "finished", "deadline")
"""States of an agent that are not worth a remark."""
IDENTITY = ("agent", "model", "benchmark", "seed", "experiment", "budget", "suite", "directory")
RIGHT = ("seed", "elapsed", "left", "tokens", "$", "score")
SHRINKABLE = {"agent": 12, "model": 8, "benchmark": 8, "experiment": 8, "directory": 12}
"""Columns whose names may be shortened on a narrow terminal, and their minimum widths."""


def count_lines(runs: Sequence[RunSummary], width: int) -> list[Text]:
    """Return the number of runs in each state, by agent if there are several, and what they have used.

    The first form is chosen that fits the width of the terminal: two spaces between the columns, one, short headings
    and names of agents, sentences.
    """
    states = [state for state in STATES if any(run.state == state for run in runs)]
    spent = [name for name in ("tokens", "$") if any(run.tokens is not None for run in runs)]
    groups: dict[str, list[RunSummary]] = {}
    for run in runs:
        groups.setdefault(run.agent or "?", []).append(run)
    names = {agent: plain(agent) for agent in sorted(groups)}
    counts = {agent: _counts(groups[agent], states, bool(spent)) for agent in names}
    all_runs = [[Text("all", "bold"), *_counts(runs, states, bool(spent))]] if len(groups) > 1 else []
    headings = [NAMES.get(state, state) for state in states]
    short = [SHORT_NAMES.get(state, state) for state in states]

    def table(heads: Sequence[str], agents: dict[str, str], gap: int) -> list[Text]:
        header = [Text(name, "bold") for name in ("agent", "runs", *heads, *spent)]
        rows = [[Text(agents[agent]), *cells] for agent, cells in counts.items()]
        return columns([header, *rows, *all_runs], right=range(1, len(header)), gap=gap)

    for heads, gap in ((headings, 2), (headings, 1), (short, 1)):
        lines = table(heads, names, gap)
        if _width(lines) <= width:
            return lines
    room = max(map(cell_len, names.values())) - (_width(lines) - width)
    if room >= SHRINKABLE["agent"]:
        forms = _shortened(set(names.values()), room)
        lines = table(short, {agent: forms[name] for agent, name in names.items()}, 1)
        if _width(lines) <= width:
            return lines
    labels = ["runs", *headings, *spent]
    sentences = [(Text(names[agent]), cells) for agent, cells in counts.items()]
    sentences += [(row[0], row[1:]) for row in all_runs]
    return [line for name, cells in sentences for line in _sentence(name, cells, labels, width)]


def _width(lines: Sequence[Text]) -> int:
    return max(line.cell_len for line in lines)


def _sentence(name: Text, cells: Sequence[Text], labels: Sequence[str], width: int) -> list[Text]:
    """Return a name, and below it, indented and wrapped, the cells that are not empty, each after its label."""
    lines = [name.copy()]
    for label, cell in zip(labels, cells, strict=True):
        if not cell.plain:
            continue
        part = Text.assemble(f"{label} ", cell)
        if len(lines) > 1:
            lines[-1].append(",")
        if len(lines) > 1 and lines[-1].cell_len + 1 + part.cell_len < width:  # with room for a comma
            lines[-1].append(" ").append_text(part)
        else:
            lines.append(Text("  ").append_text(part))
    return lines


def _counts(runs: Sequence[RunSummary], states: Sequence[str], spent: bool) -> list[Text]:
    counts = Counter(run.state for run in runs)
    cells = [Text(str(len(runs)))]
    cells += [Text(str(counts[state] or ""), STYLES[state]) for state in states]
    if spent:
        cells.append(Text(_number(sum(run.tokens or 0 for run in runs))))
        cells.append(Text(_dollars(sum(run.dollars or 0.0 for run in runs), sum(run.unpriced for run in runs))))
    return cells


@dataclass(frozen=True)
class Layout:
    """The columns that fit a width: shared values are said once, above the table.

    Attributes:
        shared: (column, value) of the columns in which all runs are alike.
        names: the columns.
        widths: their widths.
        gap: spaces between them.
        grouped: agents are headings instead of a column.
    """

    shared: list[tuple[str, str]]
    names: list[str]
    widths: list[int]
    gap: int
    grouped: bool


def run_lines(runs: Sequence[RunSummary], path: Path, width: int, *, color: bool = False, paths: bool = False) -> str:
    """Return a line for each run, that fits the width, and a line with the reason for each damaged run.

    Args:
        runs: their summaries.
        path: the directory as the user gave it, with which the printed paths begin.
        width: of the terminal. Paths are never broken or shortened.
        color: mark states with terminal colors.
        paths: add the path of each run.
    """
    intact = [run for run in runs if run.state != DAMAGED]
    clean = cache(plain)
    table = [_cells(run, clean) for run in intact]
    lines: list[str] = []
    if table:
        places = display_paths(intact, path)
        layout = _layout(table, places, width, paths)
        if "run" not in layout.names and (told_apart := _told_apart(intact, table, path)):
            table = told_apart
            layout = _layout(table, places, width, paths)
        if layout.shared:
            lines.append(f"All runs: {', '.join(f'{name} {value}' for name, value in layout.shared)}")
        lines += _table(intact, table, places, layout, color)
    damaged = [run for run in runs if run.state == DAMAGED]
    for run, place in zip(damaged, display_paths(damaged, path), strict=True):
        lines.append(f"damaged: {place}: {plain(run.problem, 300)}")
    return "".join(f"{line}\n" for line in lines)


def display_paths(runs: Sequence[RunSummary], path: Path) -> list[str]:
    """Return the paths of runs as the user can give them again, beginning with the path that the user gave."""
    top, given = os.path.realpath(path), os.path.normpath(path)
    start = "" if given == "." else f"{given}/"
    return [
        plain(shlex.quote(given if run.path == top else start + run.path[len(top) + 1 :]), 4000)  # all are below it
        for run in runs
    ]


def state_text(run: RunSummary) -> str:
    """Return what a run is at: its status, or its stage and who works on it."""
    if run.state == "working":
        if run.stage == "solve":
            return "solve" if run.busy else "solve, detached"
        of = f"/{run.total}" if run.total else ""
        return f"{run.stage} {run.items}{of}" if run.items else run.stage
    if run.state == "interrupted":
        failed = "" if run.agent_state in (*USUAL_ENDS, "running") else f", {run.agent_state}"
        return f"stopped in {run.stage}{failed if run.stage == 'solve' else ''}"
    if run.state == "infrastructure_error":
        return f"infra error in {run.stage}"
    text = NAMES.get(run.state, run.state)
    return text if run.agent_state in USUAL_ENDS or run.state == "waiting" else f"{text} ({run.agent_state})"


def _cells(run: RunSummary, clean: Callable[[str], str]) -> dict[str, str]:
    started = run.begun
    score = percent(run.score) if run.score is not None else ""
    if run.accuracy is not None:
        score = f"~{percent(run.accuracy)}"
    return {
        "agent": clean(run.agent),
        "model": clean(run.model),
        "benchmark": clean(run.benchmark),
        "seed": str(run.seed),
        "state": state_text(run),
        "elapsed": short_duration(run.elapsed) if started else "",
        "left": short_duration(run.left) if run.left is not None else "",
        "tokens": _number(run.tokens) if run.tokens is not None else "",
        "$": _dollars(run.dollars, run.unpriced) if run.dollars is not None else "",
        "score": score,
    }


def _told_apart(runs: Sequence[RunSummary], table: Sequence[dict[str, str]], path: Path) -> list[dict[str, str]] | None:
    """Return the cells with columns in which runs of the same agent, model, benchmark and seed differ.

    Args:
        runs: their summaries.
        table: their cells.
        path: the directory that the user gave.

    Returns:
        None if there are no such runs.
    """
    top = os.path.realpath(path)
    keys = [tuple(row[name] for name in ("agent", "model", "benchmark", "seed")) for row in table]
    added: dict[str, list[str]] = {}
    candidates: tuple[tuple[str, Callable[[RunSummary], str]], ...] = (
        ("experiment", lambda run: os.path.relpath(os.path.dirname(run.path), top)),  # noqa: PTH120 fast
        ("budget", lambda run: short_duration(run.budget)),
        ("suite", lambda run: run.suite),
        ("directory", lambda run: os.path.basename(run.path)),  # noqa: PTH119 fast
    )
    for name, value in candidates:
        if len(set(keys)) == len(keys):
            break
        values = [plain(value(run), 4000) for run in runs]
        longer = [(*key, each) for key, each in zip(keys, values, strict=True)]
        if len(set(longer)) > len(set(keys)):
            keys, added[name] = longer, values
    if not added:
        return None
    rows = []
    for number, row in enumerate(table):
        items = list(row.items())
        extra = [(name, values[number]) for name, values in added.items()]
        rows.append(dict([*items[:4], *extra, *items[4:]]))
    return rows


def _layout(table: Sequence[dict[str, str]], places: Sequence[str], width: int, paths: bool) -> Layout:
    """Choose the first layout that fits: every column, without shared values, with agents as headings."""
    used = [name for name in table[0] if any(row[name] for row in table)]
    shared = [name for name in used if name in IDENTITY and len({row[name] for row in table}) == 1]
    widths = {name: max(map(cell_len, {name, *(row[name] for row in table)})) for name in used}
    full = [widths[name] for name in used]
    if paths or (max(map(len, places)) <= width and _total([*full, max(map(cell_len, places))], 2) <= width):
        return Layout([], [*used, "run"], [*full, 0], 2, False)
    for gap in (2, 1):
        if _total(full, gap) <= width:
            return Layout([], used, full, gap, False)
    said = [(name, table[0][name]) for name in shared]
    names = [name for name in used if name not in shared]
    for gap in (2, 1):
        if _total([widths[name] for name in names], gap) <= width:
            return Layout(said, names, [widths[name] for name in names], gap, False)
    grouped = "agent" in names
    names = [name for name in names if name != "agent"]
    return Layout(said, names, _shrunk(names, [widths[name] for name in names], width - grouped), 1, grouped)


def _total(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _shrunk(names: Sequence[str], widths: Sequence[int], width: int) -> list[int]:
    """Narrow the widest columns of names until the table fits, or all have their minimum width."""
    result = list(widths)
    while _total(result, 1) > width:
        possible = [i for i, name in enumerate(names) if name in SHRINKABLE and result[i] > SHRINKABLE[name]]
        if not possible:
            break
        result[max(possible, key=lambda i: result[i])] -= 1
    return result


def _table(
    runs: Sequence[RunSummary], table: Sequence[dict[str, str]], places: Sequence[str], layout: Layout, color: bool
) -> list[str]:
    short = {
        name: _shortened({row[name] for row in table}, width)
        for name, width in zip(layout.names, layout.widths, strict=True)
        if name in SHRINKABLE
    }
    indent, heading, lines = " " if layout.grouped else "", None, []
    gap = " " * layout.gap
    header = gap.join(map(_padded, layout.names, layout.names, layout.widths)).rstrip()
    lines.append(_styled(indent + header, "bold", color))
    order = list(zip(runs, table, places, strict=True))
    if layout.grouped:
        order.sort(key=lambda pair: pair[1]["agent"])
    columns_of_cells = []
    for name, width in zip(layout.names, layout.widths, strict=True):
        values = [place if name == "run" else row[name] for _, row, place in order]
        forms = short.get(name) or dict.fromkeys(values, "")
        padded = {value: _padded(name, forms[value] or value, width) for value in forms}
        if name == "state" and color:
            cells = zip(order, values, strict=True)
            columns_of_cells.append(
                [_styled(padded[each], STYLES.get(run.state, ""), color) for (run, *_), each in cells]
            )
        else:
            columns_of_cells.append([padded[value] for value in values])
    for (_, row, _), cells_of_row in zip(order, zip(*columns_of_cells, strict=True), strict=True):
        if layout.grouped and row["agent"] != heading:
            heading = row["agent"]
            lines.append(heading)
        lines.append(indent + gap.join(cells_of_row).rstrip())
    return lines


def _padded(name: str, value: str, width: int) -> str:
    if value.isascii():
        return value.rjust(width) if name in RIGHT else value.ljust(width)
    padding = " " * (width - cell_len(value))
    return padding + value if name in RIGHT else value + padding


def _styled(text: str, style: str, color: bool) -> str:
    codes = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "magenta": 35, "cyan": 36}
    return f"\x1b[{codes[style]}m{text}\x1b[0m" if color and style in codes else text


def _shortened(names: set[str], width: int) -> dict[str, str]:
    """Return name -> a form of at most `width` characters that no other name has; the whole name if there is none."""

    def start(name: str) -> str:
        return name if len(name) <= width else f"{name[: width - 1]}…"

    def end(name: str) -> str:
        return name if len(name) <= width else f"…{name[1 - width :]}"

    def middle(name: str) -> str:
        tail = (width - 1) // 2
        return name if len(name) <= width else f"{name[: width - 1 - tail]}…{name[-tail:]}"

    forms = [{name: form(name) for name in names} for form in (middle, start, end)]
    best = max(forms, key=lambda form: len(set(form.values())))
    counts = Counter(best.values())
    return {name: short if counts[short] == 1 else name for name, short in best.items()}


def _number(count: int) -> str:
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def _dollars(dollars: float, unpriced: int) -> str:
    """Return US dollars; `+` if calls of unknown price are left out."""
    return f"{dollars:.2f}{'+' if unpriced else ''}"
