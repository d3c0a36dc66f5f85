"""Values over an axis as lines of a small SVG that needs no library and no network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlops_assets.data.legible import in_html

WIDTH, HEIGHT, HEAD, FOOT, SIDE = 560, 190, 22, 36, 52
COLOURS = ("#8a8f98", "#d1495b", "#2e6f95")
BAR = "#d9dee5"
TITLE, NAME = 70, 30


@dataclass(frozen=True)
class Line:
    """points: x and y; those that are not finite are not drawn."""

    name: str
    points: Sequence[tuple[float, float]]


def lines(
    title: str,
    drawn: Sequence[Line],
    ticks: Sequence[tuple[float, str]],
    *,
    bars: Sequence[tuple[float, float, float]] = (),
) -> str:
    """The lines, each in a colour of its own. ticks: places of the x axis and what is written there.

    bars: behind the lines, each at an x from a y to another; those that are not finite are not drawn.
    """
    upright = [bar for bar in bars if all(map(math.isfinite, bar))]
    shown = [
        Line(one.name, [point for point in one.points if all(map(math.isfinite, point))]) for one in drawn
    ]
    points = [point for one in shown for point in one.points]
    points += [(x, y) for x, low, high in upright for y in (low, high)]
    across = _range([*(x for x, _ in points), *(x for x, _ in ticks)])
    up = _range([y for _, y in points])

    def placed(point: tuple[float, float]) -> tuple[float, float]:
        x, y = (_share(value, ends) for value, ends in zip(point, (across, up), strict=True))
        return SIDE + x * (WIDTH - SIDE - 8), HEIGHT - FOOT - y * (HEIGHT - FOOT - HEAD)

    coloured = [(one, COLOURS[at % len(COLOURS)]) for at, one in enumerate(shown)]
    body = "".join(_bar(placed((x, low)), placed((x, high))) for x, low, high in upright)
    body += "".join(_line([placed(point) for point in one.points], colour) for one, colour in coloured)
    written = [
        _text(placed((x, up[0]))[0], HEIGHT - FOOT + 14, "middle" if 0 < at < len(ticks) - 1 else end, label)
        for at, (x, label) in enumerate(ticks)
        for end in ("start" if at == 0 else "end",)
    ]
    scale = [_text(SIDE - 6, placed((across[0], y))[1] + 4, "end", f"{y:.4g}") for y in sorted(set(up))]
    legend = " ".join(
        f'<tspan fill="{colour}">&#9632; {in_html(one.name, NAME)}</tspan>'
        for one, colour in coloured
        if one.points
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11" fill="#444">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><text x="0" y="11">{in_html(title, TITLE)}</text>'
        f"{body}{''.join(written)}{''.join(scale)}"
        f'<text x="{WIDTH}" y="{HEIGHT - 5}" text-anchor="end">{legend}</text></svg>'
    )


def _range(values: Iterable[float]) -> tuple[float, float]:
    found = list(values) or [0.0]
    return min(found), max(found)


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    # Halves, so that no difference of two finite numbers is infinite.
    return 0.5 if low == high else (value / 2 - low / 2) / (high / 2 - low / 2)


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'


def _bar(low: tuple[float, float], high: tuple[float, float]) -> str:
    ends = f'x1="{low[0]:.1f}" y1="{low[1]:.1f}" x2="{high[0]:.1f}" y2="{high[1]:.1f}"'
    return f'<line {ends} stroke="{BAR}" stroke-width="5"/>'


def _text(x: float, y: float, anchor: str, label: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{in_html(label, NAME)}</text>'
