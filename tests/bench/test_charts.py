import math
import xml.etree.ElementTree as ElementTree

import pytest

from spikeformers.bench import charts


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 2.31), (-3.0, 17.0), (1.0, 12.0), (0.0, 1e-7)])
def test_ticks_are_round_ascending_and_inside(low: float, high: float) -> None:
    found = charts.ticks(low, high)
    assert found == sorted(found)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in found)


def test_curves_end_beside_their_names_and_names_do_not_overlap() -> None:
    svg = charts.line_chart(
        {"train": [(1, 0.5), (2, 0.91)], "val": [(1, 0.4), (2, 0.9)]}, title="<T>", percent=True, whole=True
    )
    names = [e for e in parse(svg) if (e.get("class") or "").startswith("name")]
    assert {name.text for name in names} == {"train", "val"}
    first, second = (float(name.get("y", "0")) for name in names)
    assert abs(first - second) >= 12
    assert "&lt;T&gt;" in svg


def test_a_better_value_is_drawn_higher() -> None:
    svg = charts.line_chart({"val": [(1, 0.2), (2, 0.9)]}, title="t", percent=True, whole=True)
    path = next(e.get("d", "") for e in parse(svg) if "curve" in (e.get("class") or ""))
    start, end = (float(point.split()[1]) for point in path[1:].split("L"))
    assert end < start


@pytest.mark.parametrize("points", [[], [(1.0, math.nan)]])
def test_no_data_says_so(points: list[tuple[float, float]]) -> None:
    assert "Nothing was recorded" in charts.line_chart({"val": points}, title="t")


def test_one_point_is_a_dot() -> None:
    svg = charts.line_chart({"val": [(1.0, 2.0)]}, title="t", mark=1.0, mark_label="best")
    assert parse(svg).find("circle") is not None


def test_a_raster_draws_every_spike_of_a_small_layer_once() -> None:
    svg = charts.raster([[0, 3], [], [1]], 4, title="t")
    strokes = [e.get("d", "") for e in parse(svg) if e.get("class") == "spike"]
    assert sum(path.count("M") for path in strokes) == 3
    assert parse(svg).get("aria-label") == "t"


def test_a_raster_of_a_large_layer_is_darker_where_more_fire() -> None:
    size = 6600
    svg = charts.raster([list(range(100)), [200]], size, title="t")
    shades = [e.get("stroke-opacity") for e in parse(svg) if e.get("class") == "spike"]
    assert shades == ["0.25", "1"]


def test_pictures_are_gray_or_colored() -> None:
    gray, color = charts.picture([[0.0, 1.0]], title="t"), charts.picture([[[1.0]], [[0.0]], [[0.5]]], title="t")
    assert 'fill="#000000"' in gray
    assert 'fill="#ffffff"' in gray
    assert 'fill="#ff0080"' in color
    parse(gray)


def test_a_large_confusion_matrix_is_a_picture() -> None:
    matrix = [[3 if i == j else i % 2 * (j == 0) for j in range(30)] for i in range(30)]
    kinds = [e.get("class") for e in parse(charts.heat(matrix, title="t"))]
    assert kinds.count("right") == 30
    assert kinds.count("wrong") == 15


def test_rates_over_steps_are_drawn_from_zero_to_one_with_a_level_to_compare() -> None:
    svg = charts.step_chart([[(1, 7.0), (4, 0.5)], [(1, 0.0), (4, 0.0)]], title="<T>", level=0.25, level_label="here")
    found = parse(svg)
    first, second = (e.get("d", "")[1:].split("L") for e in found if "curve" in (e.get("class") or ""))
    top, middle, bottom = (float(point.split()[1]) for point in (first[0], first[1], second[0]))
    assert top < middle < bottom
    assert middle == pytest.approx((top + bottom) / 2), "what lies above 1 is drawn at 1"
    assert {e.text for e in found.iter() if e.text} >= {"1", "4", "steps T", "100 %", "here"}
    mark = next(e.get("d", "") for e in found if e.get("class") == "mark")
    assert float(mark[1:].split("H")[0].split()[1]) == pytest.approx(bottom - 0.25 * (bottom - top), abs=0.1)
    assert "Nothing was recorded" in charts.step_chart([], title="t")
