"""Small line charts as SVG without text: labels are HTML beside them, so that they keep their size on a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from posttrainbench.records.units import short_duration
from posttrainbench.report.site.shell import count

POINTS = 400
"""Most points of a line; of more, the highest of each interval is drawn."""
WIDTH, HEIGHT = 1000, 100


@dataclass(frozen=True)
class Chart:
    """A line over time.

    Attributes:
        title: name with the unit.
        points: of an SVG polyline in a box of `WIDTH` x `HEIGHT`.
        area: the same, closed along the bottom.
        dots: the single values, as (x, y), if there are few.
        top: text of the highest value of the axis.
        first, last: texts of the ends of the time axis.
        summary: the values in a sentence, for readers who do not see the picture.
    """

    title: str
    points: str
    area: str
    dots: list[tuple[float, float]]
    top: str
    first: str
    last: str
    summary: str


def line_chart(
    title: str, values: Sequence[tuple[float, float]], unit: str, *, end: float | None = None, dots: bool = False
) -> Chart | None:
    """Return a chart of (seconds, value); None if there are fewer than two values.

    Args:
        title: name of the quantity.
        values: in order of time; values are not negative.
        unit: `%`, `B` for bytes, or "" for a number.
        end: right end of the time axis; the last value's time by default.
        dots: mark each value.
    """
    if len(values) < 2:
        return None
    last = max(end or 0.0, values[-1][0], 1e-9)
    highest = max(value for _, value in values)
    top = _round_up(highest)
    scaled = [(_x(seconds, last), HEIGHT * (1 - value / top)) for seconds, value in _thinned(values, last)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in scaled)
    return Chart(
        title=title,
        points=points,
        area=f"{scaled[0][0]:.1f},{HEIGHT} {points} {scaled[-1][0]:.1f},{HEIGHT}",
        dots=[(round(x, 1), round(y, 1)) for x, y in scaled] if dots else [],
        top=_text(top, unit),
        first="0s",
        last=short_duration(last),
        summary=(
            f"{title}: highest {_text(highest, unit)}, at the end {_text(values[-1][1], unit)}, over "
            f"{short_duration(last)}."
        ),
    )


def _x(seconds: float, last: float) -> float:
    return WIDTH * min(1.0, max(0.0, seconds / last))


def _thinned(values: Sequence[tuple[float, float]], last: float) -> Sequence[tuple[float, float]]:
    """Return at most `POINTS` values: the highest of each interval."""
    if len(values) <= POINTS:
        return values
    highest: dict[int, tuple[float, float]] = {}
    for seconds, value in values:
        interval = int(POINTS * min(0.9999, max(0.0, seconds / last)))
        if interval not in highest or value > highest[interval][1]:
            highest[interval] = (seconds, value)
    return [highest[interval] for interval in sorted(highest)]


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten; 1 for zero."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999)


def _text(value: float, unit: str) -> str:
    if unit == "B":
        return f"{count(value)}B"
    return f"{value:,.0f}%" if unit == "%" else f"{value:,.3g}"
