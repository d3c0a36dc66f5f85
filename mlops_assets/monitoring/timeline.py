"""What happened to a model over time, as a small SVG that needs no library and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

from mlops_assets.data.legible import in_html

WIDTH, LEFT, RIGHT, ROW, TOP, FOOT = 860, 120, 40, 30, 34, 26
MARK = 5
COLOURS = {"grey": "#8a8f98", "amber": "#d9902f", "red": "#d1495b", "green": "#2f8f5b", "blue": "#3b6fb6"}
REIGNS = ("#3b6fb6", "#7fa6d6")
TICKS = 6

Colour: TypeAlias = Literal["grey", "amber", "red", "green", "blue"]


@dataclass(frozen=True)
class Mark:
    """Something that happened on a day. row: the name of the line it stands on. told: what the pointer shows."""

    day: str
    row: str
    colour: Colour
    told: str


@dataclass(frozen=True)
class Stretch:
    """Days from ``first`` to before ``until`` on a line of bars. label: what is written into it."""

    first: str
    until: str
    label: str


def timeline(
    title: str, rows: Sequence[str], marks: Sequence[Mark], bars: str, stretches: Sequence[Stretch]
) -> str:
    """Marks on named lines over the days, and below them a line of bars. Days are ISO dates.

    rows: the names of the lines, from the top. bars: the name of the line of stretches. Without any day there is a
    sentence that says so.
    """
    days = [*(one.day for one in marks), *(day for one in stretches for day in (one.first, one.until))]
    height = TOP + ROW * (len(rows) + 1) + FOOT
    if not days:
        return _svg(title, height, '<text x="20" y="60">nothing has happened yet</text>')
    scale = _Scale(date.fromisoformat(min(days)), date.fromisoformat(max(days)))
    places = {row: TOP + ROW * index + ROW // 2 for index, row in enumerate([*rows, bars])}
    names = "".join(f'<text x="8" y="{y + 4}">{in_html(row)}</text>' for row, y in places.items())
    drawn = "".join(_mark(one, scale.x(one.day), places[one.row]) for one in marks)
    barred = "".join(
        _bar(one, scale, places[bars], REIGNS[index % len(REIGNS)]) for index, one in enumerate(stretches)
    )
    return _svg(title, height, names + _axis(scale, height) + barred + drawn)


@dataclass(frozen=True)
class _Scale:
    first: date
    last: date

    def x(self, day: str) -> float:
        whole = max(1, (self.last - self.first).days)
        return LEFT + (WIDTH - LEFT - RIGHT) * (date.fromisoformat(day) - self.first).days / whole

    def ticks(self) -> list[str]:
        whole = (self.last - self.first).days
        places = sorted({round(whole * index / (TICKS - 1)) for index in range(TICKS)})
        return [(self.first + timedelta(days=place)).isoformat() for place in places]


def _axis(scale: _Scale, height: int) -> str:
    y = height - FOOT
    return "".join(
        f'<line x1="{scale.x(day):.1f}" y1="{TOP}" x2="{scale.x(day):.1f}" y2="{y}" stroke="#e3e5e8"/>'
        f'<text x="{scale.x(day):.1f}" y="{y + 16}" text-anchor="middle" fill="#666">{day}</text>'
        for day in scale.ticks()
    )


def _mark(one: Mark, x: float, y: int) -> str:
    colour = COLOURS[one.colour]
    return f'<circle cx="{x:.1f}" cy="{y}" r="{MARK}" fill="{colour}"><title>{in_html(one.told)}</title></circle>'


def _bar(one: Stretch, scale: _Scale, y: int, colour: str) -> str:
    x, end = scale.x(one.first), scale.x(one.until)
    return (
        f'<rect x="{x:.1f}" y="{y - 9}" width="{max(2.0, end - x):.1f}" height="18" fill="{colour}"/>'
        f'<text x="{x + 4:.1f}" y="{y + 4}" fill="white">{in_html(one.label)}</text>'
    )


def _svg(title: str, height: int, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="8" y="20" font-size="13">{in_html(title)}</text>{inside}</svg>'
    )
