"""Charts as numbers."""

from __future__ import annotations

from typing import Any

import pytest

from assigntask.web.drawing import HEIGHT, WIDTH, Drawing, draw
from assigntask_sdk.blocks import Chart, Series


def chart(*series: list[float], kind: Any = "bar") -> Drawing:
    named = [Series(f"s{n}", [(f"p{k}", value) for k, value in enumerate(one)]) for n, one in enumerate(series)]
    return draw(Chart(kind, named, "alt"))


def test_bars_stand_on_zero_side_by_side_and_the_highest_reaches_the_top() -> None:
    drawing = chart([2, 4], [1, 0])
    assert drawing.zero == HEIGHT
    assert [(bar.series, bar.y, bar.height) for bar in drawing.bars] == [
        (0, HEIGHT / 2, HEIGHT / 2),
        (0, 0, HEIGHT),
        (1, HEIGHT * 3 / 4, HEIGHT / 4),
        (1, HEIGHT, 0),
    ]
    first, second = drawing.bars[0], drawing.bars[2]
    assert first.x + first.width <= second.x
    assert (drawing.top, drawing.low) == ("4", "0")


def test_what_is_below_zero_hangs_from_the_axis() -> None:
    drawing = chart([3, -1])
    assert drawing.zero == HEIGHT * 3 / 4
    assert [(bar.y, bar.height) for bar in drawing.bars] == [(0, HEIGHT * 3 / 4), (HEIGHT * 3 / 4, HEIGHT / 4)]
    assert (drawing.top, drawing.low) == ("3", "-1")


def test_lines_go_through_the_middle_of_their_places() -> None:
    [line] = chart([0, 2], kind="line").lines
    assert line.points == f"{WIDTH / 4:g},{HEIGHT:g} {WIDTH * 3 / 4:g},0"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 53, 120])
def test_each_label_begins_where_its_point_does(count: int) -> None:
    drawing = chart([1.0] * count)
    assert 1 <= len(drawing.labels) <= 4
    for place, label in enumerate(drawing.labels):
        bar = drawing.bars[int(label.removeprefix("p"))]
        left = WIDTH * place / len(drawing.labels)
        assert left <= bar.x < left + WIDTH / count


@pytest.mark.parametrize("values", [[], [0.0], [1e308, -1e308], [float("nan")], [float("inf"), 1.0], [5e-324]])
def test_everything_stays_inside_whatever_the_numbers_are(values: list[float]) -> None:
    for kind in ("bar", "line"):
        drawing = chart(values, [], kind=kind)
        assert 0 <= drawing.zero <= HEIGHT
        for bar in drawing.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
            assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.01
        assert not {"nan", "inf"} & {word for line in drawing.lines for word in line.points.replace(",", " ").split()}


def test_there_is_room_for_so_much_and_the_rest_is_counted() -> None:
    drawing = chart(*[[1.0] * 200] * 10)
    assert len(drawing.bars) == 6 * 120
    assert drawing.left_out == 2000 - 720
