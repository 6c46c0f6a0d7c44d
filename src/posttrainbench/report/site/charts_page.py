"""Writes the page of the charts, and their specifications and drawings for download."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from posttrainbench.report.site.shell import write_file, write_page
from posttrainbench.report.site.standings import Table

if TYPE_CHECKING:
    from posttrainbench.report.charts.specs import Chart

MAX_ROWS = 400
"""Lines of the table below a chart."""


@dataclass(frozen=True)
class Figure:
    """A chart on the page. `svg` was cleaned by `charts.render`."""

    chart: Chart
    svg: Markup
    file: str
    columns: list[str]
    rows: list[list[object]]


def has_charts() -> bool:
    """Return True if the packages that draw charts are installed."""
    return find_spec("altair") is not None and find_spec("vl_convert") is not None


def write_charts(tables: Sequence[Table], out: Path, draw: bool = True) -> None:
    """Write `charts.html` and `charts/`.

    Args:
        tables: leaderboards, each with its own charts.
        out: top of the site.
        draw: whether to draw; without, the page names the command.
    """
    parts: list[tuple[Table, list[Figure]]] = []
    if draw and has_charts():
        parts = [(table, _figures(tables, number, out / "charts")) for number, table in enumerate(tables)]
    write_page(
        out / "charts.html",
        "charts.html.jinja",
        title="Charts",
        depth=0,
        active="charts",
        parts=parts,
        installed=has_charts(),
        limit=MAX_ROWS,
    )


def _figures(tables: Sequence[Table], number: int, folder: Path) -> list[Figure]:
    from posttrainbench.report.charts.render import inline_svg
    from posttrainbench.report.charts.specs import charts

    figures = []
    ordered = [tables[number], *tables[:number], *tables[number + 1 :]]
    for chart in charts(ordered):
        if chart.name == "budgets" and any(_same_limits(tables[number], other) for other in tables[:number]):
            continue  # shown with the first table of its suite and rules
        svg = inline_svg(chart.spec, f"{chart.title}. {chart.about}")
        name = f"{tables[number].group.id}-{chart.name}"
        write_file(folder / f"{name}.vl.json", json.dumps(chart.spec, indent=1).encode())
        write_file(folder / f"{name}.svg", svg.encode())
        columns = list(dict.fromkeys(key for record in chart.records for key in record))
        rows = [[record.get(column, "") for column in columns] for record in chart.records[:MAX_ROWS]]
        figures.append(Figure(chart, Markup(svg), f"charts/{name}", columns, rows))  # noqa: S704 cleaned
    return figures


def _same_limits(one: Table, other: Table) -> bool:
    return (one.group.suite, one.group.rules) == (other.group.suite, other.group.rules)
