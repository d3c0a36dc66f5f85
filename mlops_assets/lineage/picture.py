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
        f'font-family="monospace" font-size="12" paint-order="stroke">'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>'
        f"{''.join(parts)}</svg>"
    )


def _layers(
    known: Mapping[str, Mapping[str, Derivation]], columns: Sequence[SourceColumn]
) -> list[list[SourceColumn]]:
    """The columns in layers, the tables that are furthest below first; each table is in one of them.

    Within a layer tables, and within a table columns, stand in the order in which they are found.
    """
    found, depth = dict.fromkeys(columns), {column.table: 0 for column in columns}
    pending = list(columns)
    for column in pending:
        for below in sorted(_below(known, column)):
            deeper = depth.get(below.table, 0) < depth[column.table] + 1
            depth[below.table] = max(depth.get(below.table, 0), depth[column.table] + 1)
            if deeper or below not in found:
                found[below] = None
                pending.append(below)
    tables = dict.fromkeys(column.table for column in found)
    return [
        [column for table in tables if depth[table] == layer for column in found if column.table == table]
        for layer in sorted(set(depth.values()), reverse=True)
    ]


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
        # A rim as white as the paper keeps what passes behind from crossing the letters.
        yield (
            f'<text x="{place.x:.0f}" y="{place.y:.0f}" fill="{TEXT}" stroke="{PAPER}" stroke-width="4">'
            f"{escape(column.column)}</text>"
        )
