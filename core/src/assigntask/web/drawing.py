"""Charts, in numbers that a template writes into an SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assigntask_sdk.blocks import Chart

WIDTH, HEIGHT = 480.0, 120.0
MOST_LABELS = 4
MOST_SERIES = 6
MOST_POINTS = 120
GROUP = 0.8
"""Of a place on the axis is for its bars; the rest is the gap to the next."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class Line:
    """`points` as an SVG polyline has them."""

    points: str
    series: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """`zero` is the height of the axis. `labels` stand at equal distances, the first below the first place.

    `top` and `low` are the values at the upper and the lower edge, in words. `left_out` counts points and series
    that there was no room for.
    """

    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    labels: tuple[str, ...]
    zero: float
    top: str
    low: str
    left_out: int


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values between `low` and `top`, both shares of `unit`, the largest value there is."""

    unit: float
    low: float
    top: float

    def y(self, value: float) -> float:
        return round(HEIGHT * (self.top - value / self.unit) / (self.top - self.low), 2)


def draw(chart: Chart) -> Drawing:
    """Points of all series share places, by their order. What is not a number is left out."""
    shown = [series.points[:MOST_POINTS] for series in chart.series[:MOST_SERIES]]
    longest = max(shown, key=len, default=[])
    scale = _scale([value for points in shown for _, value in points])
    step = max(-(-len(longest) // MOST_LABELS), 1)
    places = -(-len(longest) // step) * step  # so that the labels' distances are equal
    slot = WIDTH / max(places, 1)
    bars, lines = [], []
    for number, points in enumerate(shown):
        values = [(place, value) for place, (_, value) in enumerate(points) if math.isfinite(value)]
        if chart.kind == "bar":
            bars += [_bar(place, value, number, len(shown), slot, scale) for place, value in values]
        else:
            at = (f"{round((place + 0.5) * slot, 2):g},{scale.y(value):g}" for place, value in values)
            lines.append(Line(" ".join(at), number))
    return Drawing(
        bars=tuple(bars),
        lines=tuple(lines),
        labels=tuple(str(longest[place][0]) for place in range(0, len(longest), step)),
        zero=scale.y(0),
        top=f"{scale.top * scale.unit:g}",
        low=f"{scale.low * scale.unit:g}",
        left_out=sum(len(series.points) for series in chart.series) - sum(map(len, shown)),
    )


def _bar(place: int, value: float, number: int, series: int, slot: float, scale: _Scale) -> Bar:
    width = slot * GROUP / series
    upper, lower = sorted((scale.y(value), scale.y(0)))
    left = place * slot + slot * (1 - GROUP) / 2 + number * width
    return Bar(round(left, 2), upper, round(width * 0.92, 2), round(lower - upper, 2), number)


def _scale(values: Sequence[float]) -> _Scale:
    """Zero is always on it. Shares keep the largest floats from overflowing."""
    finite = [value for value in values if math.isfinite(value)]
    unit = max(map(abs, finite), default=0.0) or 1.0
    top, low = max([0.0, *finite]) / unit, min([0.0, *finite]) / unit
    return _Scale(unit, low, top if top > low else 1.0)
