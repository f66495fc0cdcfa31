"""Charts as bars, in numbers that a template writes into an SVG. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from assigntask_sdk.blocks import Chart

WIDTH, HEIGHT, TOP, FOOT = 480.0, 150.0, 14.0, 18.0
MOST_LABELS = 9


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class AxisLabel:
    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """`top` is the largest value, which the highest bar stands for."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    labels: tuple[AxisLabel, ...]
    top: str


def draw(chart: Chart) -> Drawing:
    """Points of all series stand side by side, by their order. Values below zero are drawn as zero."""
    length = max((len(series.points) for series in chart.series), default=0)
    top = max((value for series in chart.series for _, value in series.points), default=0.0)
    if length == 0:
        return Drawing(WIDTH, HEIGHT, (), (), "0")
    slot = WIDTH / length
    width = slot * 0.8 / max(len(chart.series), 1)
    room = HEIGHT - TOP - FOOT
    bars = tuple(
        Bar(
            x=round(place * slot + slot * 0.1 + number * width, 2),
            y=round(HEIGHT - FOOT - height, 2),
            width=round(width * 0.92, 2),
            height=round(height, 2),
            series=number,
        )
        for number, series in enumerate(chart.series)
        for place, (_, value) in enumerate(series.points)
        if (height := room * max(value, 0.0) / top if top > 0 else 0.0) > 0
    )
    longest = max(chart.series, key=lambda series: len(series.points))
    step = -(-length // MOST_LABELS)
    labels = tuple(
        AxisLabel(round(place * slot + slot / 2, 2), str(name)[:12])
        for place, (name, _) in enumerate(longest.points)
        if place % step == 0
    )
    return Drawing(WIDTH, HEIGHT, bars, labels, f"{top:g}")
