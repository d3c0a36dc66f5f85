"""A trace as a page to walk: a drawing of tables; each materialization with links to what it read and who read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops_assets.data.legible import in_html
from mlops_assets.data.page import section, table, whole
from mlops_assets.steps.trace import Traced, rows_of, span, spelled
from mlops_assets.stores.lineage import Materialized, Reached, Trace, Within

# Links of one materialization that are shown before the rest is folded away.
SHOWN = 12
SHORT = 12
ROW, GAP, CHARACTER, SMALL_CHARACTER = 34, 70, 7.4, 6.2


def page(traced: Traced) -> str:
    """The whole page, in one file that needs no network."""
    graph, tables, files = traced.reached.graph(), traced.reached.tables(), traced.reached.files()
    facts = [
        (name, spelled(value))
        for name, value in traced.facts.items()
        if not rows_of(value) and not isinstance(value, Mapping)
    ]
    tables_of_facts = [_rows(name, rows_of(value)) for name, value in traced.facts.items()]
    parts_of_facts = [
        _parts(name, value) for name, value in traced.facts.items() if isinstance(value, Mapping)
    ]
    released = [
        (one.model, str(one.version), one.as_of, "reigns" if one.reigns else "") for one in traced.releases
    ]
    return whole(
        traced.about,
        f'<div style="overflow-x:auto">{_picture(graph, tables)}</div>',
        section("Recorded", table(["", ""], facts)),
        *tables_of_facts,
        *parts_of_facts,
        section("Released versions", table(["model", "version", "as of", ""], released)),
        section("Files", table(["file", "SHA-256"], files)),
        *_tables(graph),
    )


def picture(reached: Reached) -> str:
    """The tables that a trace reaches, as an SVG drawing."""
    return _picture(reached.graph(), reached.tables())


def _rows(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A fact that is a table."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    return section(name, table(heads, [[spelled(row.get(head, "")) for head in heads] for row in rows]))


def _parts(name: str, parts: Mapping[str, Any]) -> str:
    """A fact of several parts."""
    return section(name, table(["", ""], [(part, spelled(value)) for part, value in parts.items()]))


def _tables(graph: Trace) -> Iterable[str]:
    read, read_by = defaultdict(list), defaultdict(list)
    for by, source in graph.reads:
        read[by].append(source)
        read_by[source].append(by)
    files = defaultdict(list)
    for one in graph.ends:
        files[one.by].append(f"{one.table} {one.fingerprint[:SHORT]}")
    known = graph.materialized
    by_table: dict[str, list[Materialized]] = defaultdict(list)
    for made in sorted(known.values(), key=lambda one: (one.table, one.partition, one.version)):
        by_table[made.table].append(made)
    for name, found in by_table.items():
        rows = "".join(
            f'<tr id="m{one.id}"><td>{in_html(one.partition)}</td><td class="number">{one.version}</td>'
            f'<td class="number">{one.rows}</td><td>{in_html(one.fingerprint[:SHORT])}</td>'
            f"<td>{in_html(one.code_version[:SHORT])}</td><td>{in_html(one.run_id[:SHORT])}</td>"
            f"<td>{in_html(one.written_at)}</td>"
            f"<td>{_links(known, read[one.id])}{in_html('; '.join(files[one.id]))}</td>"
            f"<td>{_links(known, read_by[one.id])}</td></tr>"
            for one in found
        )
        heads = (
            "partition",
            "version",
            "rows",
            "fingerprint",
            "code",
            "run",
            "written",
            "made from",
            "read by",
        )
        head = "".join(f"<th>{one}</th>" for one in heads)
        yield f'<h2 id="{in_html(name)}">{in_html(name)}</h2><table><tr>{head}</tr>{rows}</table>'


def _links(known: Mapping[int, Materialized], ids: Sequence[int]) -> str:
    found = sorted(known[one] for one in set(ids))
    links = [
        f'<a href="#m{one.id}">{in_html(f"{one.table}@{one.partition}")}</a>'
        for one in sorted(found, key=lambda one: (one.table, one.partition))
    ]
    if len(links) <= SHOWN:
        return " ".join(links)
    return f"<details><summary>{len(links)}</summary>{' '.join(links)}</details>"


def _picture(graph: Trace, tables: Sequence[Within]) -> str:
    """The tables in layers, what is made from nothing that is known first, with a line for each that reads another."""
    known = graph.materialized
    edges = {(known[by].table, known[source].table) for by, source in graph.reads}
    edges |= {(known[one.by].table, one.table) for one in graph.ends}
    within = {one.table: one for one in tables}
    names = sorted({*within, *(one for edge in edges for one in edge)})
    depth = _depths(names, edges)
    places: dict[str, tuple[float, float, float]] = {}
    x = 10.0
    for layer in range(max(depth.values(), default=0) + 1):
        here = [name for name in names if depth[name] == layer]
        width = max(_width(within.get(name), name) for name in here)
        places |= {name: (x, 20.0 + ROW * at, width) for at, name in enumerate(here)}
        x += width + GAP
    height = 40 + max(y for _, y, _ in places.values())
    lines = "".join(_line(places[source], places[by]) for by, source in sorted(edges))
    texts = "".join(_name(within.get(name), name, *place[:2]) for name, place in places.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{x:.0f}" '
        f'height="{height:.0f}" font-family="monospace" font-size="12">{lines}{texts}</svg>'
    )


def _width(within: Within | None, name: str) -> float:
    told = "" if within is None else _told(within)
    return max(len(name) * CHARACTER, len(told) * SMALL_CHARACTER)


def _told(within: Within) -> str:
    return f"{within.partitions}: {span(within.first, within.last)}"


def _depths(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """How far from what is made from nothing each table is; tables that read each other are told apart by name."""
    depth, edges = dict.fromkeys(names, 0), sorted(edges)
    for _ in names:
        for by, source in edges:
            if by != source and depth[source] < len(names):
                depth[by] = max(depth[by], depth[source] + 1)
    used = {layer: at for at, layer in enumerate(sorted(set(depth.values())))}
    return {name: used[layer] for name, layer in depth.items()}


def _line(source: tuple[float, float, float], by: tuple[float, float, float]) -> str:
    start, end, y1, y2 = source[0] + source[2] + 4, by[0] - 4, source[1] - 4, by[1] - 4
    middle = (start + end) / 2
    return (
        f'<path d="M{start:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {end:.0f} {y2:.0f}" '
        f'fill="none" stroke="#b8c0cc"/>'
    )


def _name(within: Within | None, name: str, x: float, y: float) -> str:
    if within is None:
        return f'<text x="{x:.0f}" y="{y:.0f}" fill="#6b7280">{in_html(name)}</text>'
    return (
        f'<a href="#{in_html(name)}"><text x="{x:.0f}" y="{y:.0f}" fill="#1f2937">{in_html(name)}</text>'
        f'<text x="{x:.0f}" y="{y + 13:.0f}" fill="#6b7280" font-size="10">'
        f"{in_html(_told(within))}</text></a>"
    )
