"""Two distributions of a column over each other, as a small SVG that needs no library and no network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mlops_assets.data.legible import in_html
from mlops_assets.monitoring.cells import Edges
from mlops_assets.monitoring.profile import ColumnProfile

FloatArray = npt.NDArray[np.float64]

WIDTH, HEIGHT, FOOT = 420, 150, 34
REFERENCE, BATCH = "#8a8f98", "#d1495b"
BINS, CATEGORIES_SHOWN = 24, 12
# Characters that there is room for, and how wide one of them may be.
TITLE, TICK, CHARACTER = 60, 10, 7
# What lies beyond these quantiles of both sides would squeeze the rest.
SHOWN = (0.005, 0.995)


def overlaid(reference: ColumnProfile, batch: ColumnProfile) -> str:
    """The share of rows per bin (numbers) or category, reference in grey and batch in red."""
    if isinstance(reference.cells, Edges) and reference.cells.edges:
        ticks, first, second = _of_numbers(reference, batch, reference.cells)
    else:
        ticks, first, second = _of_categories(reference, batch)
    return _svg(reference.watched.name, ticks, first, second)


def _of_numbers(
    reference: ColumnProfile, batch: ColumnProfile, cells: Edges
) -> tuple[list[str], FloatArray, FloatArray]:
    edges = np.array(cells.edges)
    known = [_distribution_function(side) for side in (reference, batch)]
    low, high = _shown(edges, known)
    grid = np.linspace(low, high, BINS + 1)
    first, second = (_shares(np.interp(grid, edges, below)) for below in known)
    return [f"≤ {low:.4g}", f"{(low + high) / 2:.4g}", f"≥ {high:.4g}"], first, second


def _shares(below: FloatArray) -> FloatArray:
    """Per bin; what lies beyond the grid is in the outermost ones."""
    shares = np.diff(below)
    shares[0] += below[0]
    shares[-1] += 1 - below[-1]
    return shares


def _distribution_function(column: ColumnProfile) -> FloatArray:
    """The share of usable rows at or below each edge."""
    counts = np.array(column.counts, dtype=np.float64)
    return np.asarray(np.cumsum(counts)[:-1] / max(1.0, counts.sum()))


def _shown(edges: FloatArray, known: Sequence[FloatArray]) -> tuple[float, float]:
    inside = [
        edges[np.clip(np.searchsorted(below, SHOWN), 0, len(edges) - 1)] for below in known if below.any()
    ]
    if not inside:
        return float(edges[0]), float(edges[-1])
    low, high = float(np.min(inside)), float(np.max(inside))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _of_categories(
    reference: ColumnProfile, batch: ColumnProfile
) -> tuple[list[str], FloatArray, FloatArray]:
    names = [*getattr(reference.cells, "values", ()), "others"]
    sides = [np.array(side.counts, dtype=np.float64) for side in (reference, batch)]
    first, second = (side / max(1.0, side.sum()) for side in sides)
    order = np.argsort(-np.maximum(first, second), kind="stable")[:CATEGORIES_SHOWN]
    return [names[at] for at in order], first[order], second[order]


def _svg(title: str, ticks: Sequence[str], first: FloatArray, second: FloatArray) -> str:
    top = max(float(first.max(initial=0)), float(second.max(initial=0))) or 1.0
    step, plot = WIDTH / max(1, len(first)), HEIGHT - FOOT - 16
    bars = []
    for at, (one, other) in enumerate(zip(first / top * plot, second / top * plot, strict=True)):
        left, foot = at * step, HEIGHT - FOOT
        bars.append(_bar(left + step * 0.05, foot - one, step * 0.9, one, REFERENCE))
        bars.append(_bar(left + step * 0.25, foot - other, step * 0.5, other, BATCH))
    places = _places(len(ticks), len(first))
    room = min(TICK, int(step / CHARACTER)) if len(ticks) == len(first) else TICK
    labels = [
        f'<text x="{x:.0f}" y="{HEIGHT - FOOT + 13}" text-anchor="{anchor}">{in_html(tick, room)}</text>'
        for (x, anchor), tick in zip(places, ticks, strict=True)
    ]
    legend = (
        f'<text x="0" y="11">{in_html(title, TITLE)}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 5}" text-anchor="end"><tspan fill="{REFERENCE}">&#9632; reference</tspan>'
        f' <tspan fill="{BATCH}">&#9632; batch</tspan></text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11" fill="#444">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{legend}{"".join(bars)}{"".join(labels)}</svg>'
    )


def _bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}" fill-opacity="0.7"/>'
    )


def _places(ticks: int, bars: int) -> list[tuple[float, str]]:
    """Below every bar, or at the ends and the middle."""
    if ticks == bars:
        return [((at + 0.5) * WIDTH / bars, "middle") for at in range(bars)]
    return [(0, "start"), (WIDTH / 2, "middle"), (WIDTH, "end")]
