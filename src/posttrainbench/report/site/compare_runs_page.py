"""Writes the page that compares two runs item by item, and finds the runs that a run's page offers.

There are too many pairs of runs for a page each: `compare-runs.html` loads the items of the two runs in its URL and
computes the same test as `ptb compare RUN RUN`; see `scoring.item_comparison`. The page loads data of listed runs only,
whatever its URL says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from posttrainbench.report.site.run_data import visible, write_data
from posttrainbench.report.site.runs import SiteRun
from posttrainbench.report.site.shell import write_page
from posttrainbench.report.text import plain

PAGE = "compare-runs.html"
OFFERED = 8
"""Runs that a run's page offers to compare with."""


def write_run_comparison(runs: Sequence[SiteRun], out: Path) -> None:
    """Write `compare-runs.html` and the list of runs that it offers: finished ones with scores of single items."""
    listed = sorted(
        (run for run in runs if _is_comparable(run)),
        key=lambda run: (run.cell.benchmark, run.cell.model, run.cell.agent, run.cell.seed, run.place),
    )
    write_data(out / "compare" / "runs.js", "runs", [_entry(run) for run in listed])
    write_page(out / PAGE, "compare_runs.html.jinja", title="Compare two runs", depth=0, active="compare", runs=listed)


def runs_alike(runs: Sequence[SiteRun]) -> dict[str, list[SiteRun]]:
    """Return place of each run -> the first runs to compare it with.

    They are finished runs of the same suite, base model and benchmark: first those of the same agent with other seeds,
    then those of other agents with the same seed, then the others. A run without scores of single items has none.
    """
    cells: dict[tuple[str, str, str], list[SiteRun]] = {}
    for run in runs:
        if _is_comparable(run):
            cells.setdefault((run.cell.spec.suite, run.cell.model, run.cell.benchmark), []).append(run)
    found: dict[str, list[SiteRun]] = {run.place: [] for run in runs}
    for own in cells.values():
        for run in own:
            others = sorted((other for other in own if other is not run), key=lambda other: _distance(run, other))
            found[run.place] = others[:OFFERED]
    return found


def run_comparison_link(a: SiteRun, b: SiteRun) -> str:
    """Return the link to the comparison of two runs, from the top of the site."""
    return f"{PAGE}#a={quote(a.place, safe='/')}&b={quote(b.place, safe='/')}"


def peer_name(run: SiteRun, other: SiteRun) -> str:
    """Return a name for another run on the page of a run."""
    who = "the same agent" if other.cell.agent == run.cell.agent else plain(other.cell.agent)
    return f"{who}, seed {other.cell.seed}"


def _is_comparable(run: SiteRun) -> bool:
    return bool(run.cell.raw_items) and run.cell.status is not None


def _distance(run: SiteRun, other: SiteRun) -> tuple[bool, bool, str, int, str]:
    a, b = run.cell, other.cell
    return a.agent != b.agent, a.agent != b.agent and a.seed != b.seed, b.agent, b.seed, other.place


def _entry(run: SiteRun) -> list[object]:
    """Return what the page states of a run: place, agent, base model, benchmark, seed, run, status, engine."""
    cell = run.cell
    texts = (cell.agent, cell.model, cell.benchmark)
    shown = [visible(text, 200) for text in texts]
    return [run.place, *shown, cell.seed, visible(cell.run, 200), str(cell.status), visible(str(cell.engine), 300)]
