"""A drawing of column lineage: from the columns of one table on the right back to what they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from mlops_assets.lineage.derivation import Derivation, SourceColumn

WIDTH, ROW, GAP, MARGIN, CHARACTER = 60, 20, 90, 16, 7.3
LINE, TEXT, PAPER, HEAD = "#b8c0cc", "#1f2937", "#ffffff", "#6b7280"


@dataclass(frozen=True)
class _Place:
    """Where a column stands, in pixels. right: where its text ends."""

    x: float
    y: float
    right: float


def svg(known: Mapping[str, Mapping[str, Derivation]], table: str) -> str:
    """The columns of ``table`` and of every table below it that they come from, as an SVG drawing.

    known: the lineage of each table by column; a table that is not among them is where paths end.
    """
    layers = _layers(known, [SourceColumn(table, column) for column in known[table]])
    places, width = _places(layers)
    height = max(place.y for place in places.values()) + 2 * MARGIN
    parts = [*_lines(known, places), *_texts(places)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="monospace" font-size="12"><rect width="100%" height="100%" fill="{PAPER}"/>'
        f"{''.join(parts)}</svg>"
    )


def _layers(
    known: Mapping[str, Mapping[str, Derivation]], columns: Sequence[SourceColumn]
) -> list[list[SourceColumn]]:
    """The columns in as many layers as the longest path is long; each as far to the left as paths need."""
    depth: dict[SourceColumn, int] = {}
    pending = [(column, 0) for column in columns]
    while pending:
        column, at = pending.pop(0)
        if depth.get(column, -1) < at:
            depth[column] = at
            pending += [(below, at + 1) for below in sorted(_below(known, column))]
    deepest = max(depth.values(), default=0)
    layers = [[column for column, at in depth.items() if at == layer] for layer in range(deepest + 1)]
    # A table's columns stand together, and tables in one order.
    return [sorted(layer) if index else layer for index, layer in enumerate(layers)][::-1]


def _below(known: Mapping[str, Mapping[str, Derivation]], column: SourceColumn) -> frozenset[SourceColumn]:
    found = known.get(column.table, {}).get(column.column)
    return found.columns if found is not None else frozenset()


def _places(layers: Sequence[Sequence[SourceColumn]]) -> tuple[dict[SourceColumn, _Place], float]:
    places, x = {}, float(MARGIN)
    for layer in layers:
        width = max(len(one.column) for one in layer) * CHARACTER
        width = max(width, *(len(one.table) * CHARACTER for one in layer), WIDTH)
        y, table = float(MARGIN), ""
        for one in layer:
            # A table's name takes a line of its own, above its first column.
            y += ROW if one.table == table else 2.5 * ROW
            table = one.table
            places[one] = _Place(x, y, x + width)
        x += width + GAP
    return places, x - GAP + MARGIN


def _lines(
    known: Mapping[str, Mapping[str, Derivation]], places: Mapping[SourceColumn, _Place]
) -> Iterator[str]:
    for column, end in places.items():
        for below in sorted(_below(known, column)):
            start = places[below]
            bend, left, right = GAP / 2, start.right + 4, end.x - 4
            path = (
                f"M{left:.0f},{start.y - 4:.0f} C{left + bend:.0f},{start.y - 4:.0f} "
                f"{right - bend:.0f},{end.y - 4:.0f} {right:.0f},{end.y - 4:.0f}"
            )
            yield f'<path d="{path}" fill="none" stroke="{LINE}"/>'


def _texts(places: Mapping[SourceColumn, _Place]) -> Iterator[str]:
    titled: set[tuple[float, str]] = set()
    for column, place in places.items():
        if (place.x, column.table) not in titled:
            titled.add((place.x, column.table))
            yield (
                f'<text x="{place.x:.0f}" y="{place.y - ROW:.0f}" fill="{HEAD}" font-weight="bold">'
                f"{escape(column.table)}</text>"
            )
        yield f'<text x="{place.x:.0f}" y="{place.y:.0f}" fill="{TEXT}">{escape(column.column)}</text>'
