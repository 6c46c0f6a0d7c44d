"""The charts, as Vega-Lite specifications made with Altair.

Colors are those of the site in light mode. On the site, the style sheet replaces them, so that the charts follow the
colors of the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import altair as alt

from posttrainbench.errors import InputError
from posttrainbench.records.units import short_duration
from posttrainbench.report.charts import data, variants
from posttrainbench.report.charts.data import Records
from posttrainbench.report.site.standings import Table

INK, MUTED, LINE = "#22262b", "#5f646b", "#e5e1d8"
AGENT, BASE, INSTRUCT, RESET, FLAGGED, OTHER = "#2d7d78", "#6d7178", "#143f3d", "#974708", "#a3272f", "#6a4fa0"
SERIES = [AGENT, OTHER, RESET, FLAGGED, "#4a78b0", "#8a7a2a", MUTED]
"""Colors of series; they repeat after the last."""
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
WIDTH = 820
ROW = 24
"""Height of an agent's line, in pixels."""
TICKS = 8
"""Most distances between ticks of an axis."""
DURATIONS = [seconds / 3600 for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000)]
"""Distances between ticks of an axis of hours."""
MAX_LABELS = 40
"""Points that are labeled with their name."""


@dataclass(frozen=True)
class Chart:
    """A chart of leaderboards.

    Attributes:
        name: as for `ptb plot`.
        about: what it shows, and how to read it.
        records: its numbers.
        spec: its Vega-Lite specification, with the numbers.
    """

    name: str
    title: str
    about: str
    records: Records
    spec: dict[str, Any]


@dataclass(frozen=True)
class _Definition:
    title: str
    about: str
    missing: str
    records: Callable[[Sequence[Table]], Records]
    draw: Callable[[Records], Any]


def chart(name: str, tables: Sequence[Table]) -> Chart:
    """Return a chart.

    Args:
        name: one of `NAMES`.
        tables: leaderboards; all charts but `budgets` show the first.

    Raises:
        InputError: there is no chart of this name, or the runs have no numbers for it.
    """
    definition = _CHARTS.get(name)
    if definition is None:
        raise InputError(f"Unknown chart `{name}`; choose from {', '.join(NAMES)}.")
    records = definition.records(tables) if tables else []
    if not records:
        raise InputError(f"There is nothing to plot for `{name}`: {definition.missing}.")
    drawn = definition.draw(records).properties(background="transparent").configure(font=FONT)
    drawn = (
        drawn.configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED, titleColor=MUTED, gridColor=LINE, domainColor=LINE, tickColor=LINE, labelLimit=260,
            titleFontWeight="normal", labelFontSize=12, titleFontSize=12,
        )
        .configure_legend(labelColor=INK, titleColor=MUTED, orient="bottom", labelFontSize=12, titleFontSize=12)
        .configure_header(labelColor=INK, labelFontSize=12, titleColor=MUTED)
        .configure_text(fontSize=12)
    )  # fmt: skip
    return Chart(name, definition.title, definition.about, records, drawn.to_dict())


def charts(tables: Sequence[Table]) -> list[Chart]:
    """Return all charts for which there are numbers."""
    found = []
    for name, definition in _CHARTS.items():
        if tables and definition.records(tables):
            found.append(chart(name, tables))
    return found


def _against(unit: str, records: Records, steps: Sequence[float] = (), axis: Mapping[str, str] | None = None) -> Any:
    """Points with labels, and the Pareto front as a line of steps.

    Args:
        unit: unit of the costs, and title of the axis unless `axis` has one.
        records: agents with their scores and costs.
        steps: distances between ticks to choose from; empty for decimal ones.
        axis: properties of the axis of costs.
    """
    source = _labeled(records, lambda r: f"{r['agent']}: {r['score']}% at {r['cost']:g} {unit}")
    front = alt.InlineData(values=sorted((r for r in records if r["front"]), key=lambda r: (r["cost"], r["score"])))
    ticks = tick_values(max(record["cost"] for record in records), steps)
    properties: dict[str, Any] = {"title": unit, "values": ticks, **(axis or {})}
    x = alt.X("cost:Q", scale=alt.Scale(domain=[0, ticks[-1]]), axis=alt.Axis(**properties))
    y = alt.Y("score:Q", title="score, %", scale=alt.Scale(domainMin=0, nice=True), axis=alt.Axis(tickCount=6))
    line = alt.Chart(front).mark_line(interpolate="step-after", color=AGENT, strokeDash=[4, 3], strokeWidth=1.5)
    points = alt.Chart(source).mark_point(filled=True, size=80, opacity=1)
    drawn = line.encode(x=x, y=y) + points.encode(
        x=x,
        y=y,
        color=alt.condition("datum.front", alt.value(AGENT), alt.value(BASE)),
        tooltip="label:N",
        description="label:N",
    )
    if len(records) <= MAX_LABELS:
        labels = _joined_names(records)
        for label in labels:  # the part of the plot where there is more room
            label["left"] = label["cost"] > ticks[-1] / 2
        for left in (False, True):
            if some := [label for label in labels if label["left"] == left]:
                names = alt.Chart(alt.InlineData(values=some))
                text = names.mark_text(
                    align="right" if left else "left", dx=-6 if left else 6, dy=-9, color=INK, limit=WIDTH / 2
                )
                drawn += text.encode(x=x, y=y, text="names:N")
    return drawn.properties(width=WIDTH, height=360)


def tick_values(largest: float, steps: Sequence[float] = ()) -> list[float]:
    """Return values from 0 at which to put ticks; the last is at least `largest`.

    Args:
        largest: the largest value on the axis.
        steps: distances to choose from, ascending; empty, or if all are too small, for 1, 2 or 5 times a power of 10.
    """
    if largest <= 0:
        return [0, 1]
    power = 10.0 ** math.floor(math.log10(largest / TICKS))
    step = next((each for each in (*steps, *(power * each for each in (1, 2, 5, 10))) if largest / each <= TICKS), 1.0)
    return [round(number * step, 9) for number in range(math.ceil(round(largest / step, 9)) + 1)]


def _joined_names(records: Records) -> list[dict[str, Any]]:
    """Return the places of labels with the names of agents; points that nearly coincide share a label."""
    near = {name: 0.015 * max((abs(record[name]) for record in records), default=0.0) for name in ("cost", "score")}
    joined: list[dict[str, Any]] = []
    for record in records:
        for label in joined:
            if all(abs(label[name] - record[name]) <= near[name] for name in near):
                label["names"] += f", {record['agent']}"
                break
        else:
            joined.append({"names": record["agent"], "cost": record["cost"], "score": record["score"]})
    return joined


def _by_benchmark(records: Records) -> Any:
    """A row for each agent and a panel for each benchmark, with base and instruct as lines across the panel."""
    order = list(dict.fromkeys(r["agent"] for r in records if r["kind"] == "agent"))
    source = _labeled(records, lambda r: f"{r['agent']} on {r['benchmark']}: {r['score']}%")
    x = alt.X("score:Q", title="score, %", scale=alt.Scale(domainMin=0, nice=True), axis=alt.Axis(tickCount=4))
    y = alt.Y("agent:N", sort=order, title=None, axis=alt.Axis(grid=True, domain=False, ticks=False))
    kind = alt.datum["kind"]
    base = alt.Chart().transform_filter(kind == "base").mark_rule(color=BASE, strokeDash=[3, 2]).encode(x=x)
    instruct = alt.Chart().transform_filter(kind == "instruct").mark_rule(color=INSTRUCT, strokeWidth=1.5).encode(x=x)
    change = alt.Chart().transform_filter(kind == "agent").mark_rule(color=RESET)
    points = alt.Chart().transform_filter(kind == "agent").mark_point(filled=True, size=60, opacity=1, color=AGENT)
    layers = alt.layer(
        base,
        instruct,
        change.encode(x=x, x2="before:Q", y=y),
        points.encode(x=x, y=y, tooltip="label:N", description="label:N"),
        data=source,
    ).properties(width=_panel_width(min(4, len({record["benchmark"] for record in records}))), height=alt.Step(ROW))
    return layers.facet(
        facet=alt.Facet("benchmark:N", title=None, sort=list(dict.fromkeys(r["benchmark"] for r in records))), columns=4
    ).resolve_scale(x="shared")


def _panel_width(columns: int) -> int:
    """Return the width of each of several panels beside each other."""
    return max(180, (WIDTH - 100) // columns - 20)


def _gap_closed(records: Records) -> Any:
    source = _labeled(records, lambda r: f"{r['agent']}: {r['share']}%, before resets {r['before']}%")
    order = [record["agent"] for record in sorted(records, key=lambda r: -r["share"])]
    x = alt.X("share:Q", title="share of the base-to-instruct gap closed, %", axis=alt.Axis(tickCount=8))
    y = alt.Y("agent:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False))
    bars = alt.Chart(source).mark_bar(color=AGENT, height=14).encode(x=x, y=y, tooltip="label:N", description="label:N")
    removed = alt.Chart(source).transform_filter(alt.datum["before"] > alt.datum["share"])
    rules = removed.mark_rule(color=RESET, strokeDash=[3, 2]).encode(x=x, x2="before:Q", y=y)
    ticks = removed.mark_tick(color=RESET, thickness=2).encode(
        x="before:Q", y=y, tooltip="label:N", description="label:N"
    )
    whole = alt.Chart(alt.InlineData(values=[{"x": 100}])).mark_rule(color=INSTRUCT, strokeDash=[4, 3]).encode(x="x:Q")
    return (bars + rules + ticks + whole).properties(width=WIDTH - 100, height=alt.Step(ROW))


def _flags(records: Records) -> Any:
    source = _labeled(records, lambda r: f"{r['agent']}: {r['rule']} {r['state']} in {r['runs']} of {r['of']} runs")
    totals: dict[tuple[str, str], int] = {}
    for record in records:
        key = record["agent"], record["rule"]
        totals[key] = totals.get(key, 0) + record["runs"]
    ticks = tick_values(max(totals.values()), [1, 2, 5, 10])
    axis = alt.Axis(values=ticks, format="d")
    x = alt.X("runs:Q", title="runs", stack=True, scale=alt.Scale(domain=[0, ticks[-1]]), axis=axis)
    y = alt.Y("agent:N", sort="-x", title=None, axis=alt.Axis(domain=False, ticks=False))
    colors = alt.Scale(domain=["flagged", "suspected"], range=[FLAGGED, RESET])
    bars = (
        alt.Chart(source)
        .mark_bar(height=14)
        .encode(
            x=x,
            y=y,
            color=alt.Color("state:N", scale=colors, title=None),
            tooltip="label:N",
            description="label:N",
        )
    )
    columns = min(2, len({record["rule"] for record in records}))
    return bars.properties(width=_panel_width(columns) - 40, height=alt.Step(ROW)).facet(
        facet=alt.Facet("rule:N", title=None, header=alt.Header(labelLimit=300)), columns=columns
    )


def _budgets(records: Records) -> Any:
    source = _labeled(records, lambda r: f"{r['agent']}: {r['score']}% in {short_duration(3600 * r['hours'])}")
    hours = sorted({record["hours"] for record in records})
    axis = alt.Axis(values=hours, labelExpr=_DURATION)
    x = alt.X("hours:Q", title="time limit", scale=alt.Scale(type="log"), axis=axis)
    y = alt.Y("score:Q", title="score, %", scale=alt.Scale(zero=True, nice=True))
    agents = list(dict.fromkeys(record["agent"] for record in records))
    colors = alt.Scale(domain=agents, range=[SERIES[number % len(SERIES)] for number in range(len(agents))])
    lines = alt.Chart(source).mark_line(point=alt.OverlayMarkDef(size=60, filled=True), strokeWidth=1.5)
    return lines.encode(
        x=x,
        y=y,
        color=alt.Color("agent:N", scale=colors, title=None, legend=alt.Legend(columns=3, labelLimit=260)),
        tooltip="label:N",
        description="label:N",
    ).properties(width=WIDTH, height=320)


def _efforts(records: Records) -> Any:
    order = [effort for effort in variants.EFFORTS if any(record["effort"] == effort for record in records)]
    order += sorted({record["effort"] for record in records} - {*order})
    return _lines(
        records, alt.X("effort:N", sort=order, title="reasoning effort", axis=alt.Axis(labelAngle=0)), "effort"
    )


def _base_sizes(records: Records) -> Any:
    sizes = sorted({record["billions"] for record in records})
    x = alt.X(
        "billions:Q", title="parameters of the base model, billions", scale=alt.Scale(type="log"),
        axis=alt.Axis(values=sizes, format="~r"),
    )  # fmt: skip
    return _lines(records, x, "model")


def _lines(records: Records, x: alt.X, named: str) -> Any:
    """A line for each agent through its scores; `named` is what tells its points apart."""
    source = _labeled(records, lambda r: f"{r['agent']}, {r[named]}: {r['score']}%")
    agents = list(dict.fromkeys(record["agent"] for record in records))
    colors = alt.Scale(domain=agents, range=[SERIES[number % len(SERIES)] for number in range(len(agents))])
    lines = alt.Chart(source).mark_line(point=alt.OverlayMarkDef(size=60, filled=True), strokeWidth=1.5)
    return lines.encode(
        x=x,
        y=alt.Y("score:Q", title="score, %", scale=alt.Scale(zero=True, nice=True)),
        color=alt.Color("agent:N", scale=colors, title=None, legend=alt.Legend(columns=2, labelLimit=340)),
        tooltip="label:N",
        description="label:N",
    ).properties(width=WIDTH, height=320)


def _agent_models(records: Records) -> Any:
    source = _labeled(records, lambda r: f"{r['agent']}, {r['model']}: {r['score']}%")
    x = alt.X("score:Q", title="score, %", scale=alt.Scale(domainMin=0, nice=True))
    y = alt.Y("model:N", sort="-x", title=None, axis=alt.Axis(domain=False, ticks=False))
    bars = alt.Chart(source).mark_bar(color=AGENT, height=14)
    return (
        bars.encode(x=x, y=y, tooltip="label:N", description="label:N")
        .properties(width=WIDTH - 200, height=alt.Step(ROW))
        .facet(row=alt.Row("agent:N", title=None, header=alt.Header(labelAngle=0, labelAlign="left", labelLimit=300)))
        .resolve_scale(y="independent")
    )


def _labeled(records: Records, label: Callable[[dict[str, Any]], str]) -> alt.InlineData:
    """Return the records, each with the text that is shown beside the pointer."""
    return alt.InlineData(values=[{**record, "label": label(record)} for record in records])


_SECONDS = "round(datum.value * 3600)"
_DURATION = (
    f"!datum.value ? '0' : {_SECONDS} < 60 ? {_SECONDS} + 's' : "
    f"{_SECONDS} < 3600 ? floor({_SECONDS} / 60) + 'm' + ({_SECONDS} % 60 ? ' ' + {_SECONDS} % 60 + 's' : '') : "
    f"floor({_SECONDS} / 3600) + 'h' + ({_SECONDS} % 3600 ? ' ' + round({_SECONDS} % 3600 / 60) + 'm' : '')"
)
"""Label of a number of hours on an axis, as a Vega expression."""

_FRONT = "Teal points are on the Pareto front: no other agent reaches their score for less."
_CHARTS = {
    "score-time": _Definition(
        "Score and time",
        f"Overall score against the mean time that an agent worked in a run. {_FRONT}",
        "no agent has an overall score and a recorded time",
        partial(data.against, cost="hours"),
        partial(_against, "hours per run", steps=DURATIONS, axis={"title": "time per run", "labelExpr": _DURATION}),
    ),
    "score-cost": _Definition(
        "Score and cost",
        f"Overall score against the mean cost of an agent's model calls in a run. {_FRONT}",
        "no agent has an overall score and model calls with a known price",
        partial(data.against, cost="dollars"),
        partial(_against, "US dollars per run"),
    ),
    "benchmarks": _Definition(
        "By benchmark",
        "Mean over base models and seeds. The dashed line is the base model, the solid line the instruct model; an "
        "orange line leads to the score before resets.",
        "no agent has a score on a benchmark",
        data.by_benchmark,
        _by_benchmark,
    ),
    "gap": _Definition(
        "Share of the gap closed",
        "0 is the base model, 100 the instruct model. An orange mark shows the share before resets.",
        "no agent has an overall score, or the instruct models do not score higher than the base models",
        data.gap_closed,
        _gap_closed,
    ),
    "flags": _Definition(
        "Flags by rule and agent",
        "Number of runs with a flagged or suspected rule.",
        "no rule is flagged or suspected in any run",
        data.flags,
        _flags,
    ),
    "budgets": _Definition(
        "Time limits",
        "Overall score under several time limits, for agents that ran under more than one.",
        "no agent has an overall score under several time limits",
        data.budgets,
        _budgets,
    ),
    "efforts": _Definition(
        "Reasoning efforts",
        "Overall score of agents that differ only in the reasoning effort.",
        "no agents differ only in the reasoning effort",
        variants.efforts,
        _efforts,
    ),
    "models": _Definition(
        "Models of the agents",
        "Overall score of agents that differ only in their model, such as the sizes of one family.",
        "no agents differ only in their model",
        variants.agent_models,
        _agent_models,
    ),
    "base-sizes": _Definition(
        "Sizes of the base models",
        "Score on each base model, weighted over the benchmarks, by the number of parameters in the model's name.",
        "no agent has scores on base models of several sizes that are named with their size",
        variants.base_sizes,
        _base_sizes,
    ),
}
NAMES = tuple(_CHARTS)
