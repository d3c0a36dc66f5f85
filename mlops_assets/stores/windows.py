"""Feature views on DuckDB, their windows of time from running totals where these are the same to the last digit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa

from mlops_assets.data.range_windows import Frame, TimeLine
from mlops_assets.data.sql import name
from mlops_assets.data.window_sql import Tree, Window, WindowedSelect, mutable, windowed_selects
from mlops_assets.declaration.binding import NotUnderstood, spelled
from mlops_assets.stores.engine import Engine, Session
from mlops_assets.stores.pinned import Pinned

# Counts with their sums that are held at once, at twelve bytes; DuckDB's own windows go beyond memory.
AT_ONCE = 210_000_000
# To sort a row takes as much as so many of them.
SORTED = 8
# With fewer rows, DuckDB's own windows are as soon there.
FEW = 100_000
# Below these, in microseconds since 1970 and as a sum, integers are added without overflow.
NEAR, FITTING = 2**60, 2**62
# Below this doubles are whole numbers, and DuckDB's mean is one division.
EXACT = 2**53
Placed: TypeAlias = tuple[Window, Tree]


@dataclass(frozen=True)
class WindowedEngine:
    """``engine``, with rows equal to its own, sooner where there are many. few: what has fewer rows is left to it."""

    engine: Engine
    few: int = FEW

    def rows(self, sql: str, relations: Mapping[str, Pinned]) -> pa.Table:
        """The result of one query over ``relations``."""
        if sum(pinned.rows for pinned in relations.values()) < self.few:
            return self.engine.rows(sql, relations)
        with self.engine.session(relations) as session:
            return session.rows(with_windows_answered(session, sql).sql)


@dataclass(frozen=True)
class Answered:
    """A query that reads what was computed for it. windows: those that it reads instead, as DuckDB spells them."""

    sql: str
    windows: tuple[str, ...] = ()


def with_windows_answered(session: Session, sql: str) -> Answered:
    """The query, with what running totals answer exactly as DuckDB would in the place of windows.

    What it reads instead is there while the session lasts.
    """
    try:
        statements = mutable(sql)
    except NotUnderstood:
        return Answered(sql)
    found = [
        window
        for number, select in enumerate(windowed_selects(statements))
        for window in _answer(session, select, f"_windowed{number}")
    ]
    return Answered(spelled(statements), tuple(found)) if found else Answered(sql)


def _answer(session: Session, select: WindowedSelect, relation: str) -> list[str]:
    """Compute what windows of a SELECT yield, and let it read that. Which windows these are, as SQL."""
    spoken_of = dict.fromkeys(part for window, _ in select.windows for part in window.parts)
    parts = {part: f"_windowed_part{number}" for number, part in enumerate(spoken_of)}
    spoken = ", ".join(["*", *(f"{part} AS {column}" for part, column in parts.items())])
    try:
        types = _types(session, select.source(spoken))
    except duckdb.Error:
        # It takes more than its source has, an alias of its own say, or all rows for one; or it is wrong, which
        # DuckDB tells.
        return []
    held = [column for column in types if column not in parts.values()]
    windows = [
        (window, tree)
        for window, tree in select.windows
        if window.is_whole({part: types[parts[part]] for part in window.parts})
    ]
    if not windows or not select.takes_only(set(held)):
        return []
    columns = [one for one in held if one.casefold() in select.wanted]
    taken = dict.fromkeys(part for window, _ in windows for part in window.parts)
    spoken = ", ".join([*(name(one) for one in columns), *(f"{part} AS {parts[part]}" for part in taken)])
    session.keep(relation, select.source(spoken))
    windows = _fitting(session, relation, windows, parts)
    if not windows:
        return []
    answers: dict[str, pa.Array] = {}
    answered = [
        expression
        for (keys, moment), group in _grouped(windows, lambda one: (one.keys, one.moment)).items()
        for expression in _along(session, relation, parts, keys, moment, group, answers)
    ]
    session.register(f"{relation}_answers", pa.table(answers))
    select.answer(f"(SELECT * FROM {relation} POSITIONAL JOIN {relation}_answers)", answered)
    return [window.sql for window, _ in windows]


def _fitting(
    session: Session, relation: str, windows: Sequence[Placed], parts: Mapping[str, str]
) -> list[Placed]:
    """The windows whose moments are all there, and whose totals fit into the integers that they are added in."""
    asked = {"rows": "count(*)"}
    for window, _ in windows:
        moment = parts[window.moment]
        # What is infinite has no microseconds.
        asked[f"known{moment}"] = f"count(epoch_us({moment}))"
        asked[f"far{moment}"] = f"max(abs(epoch_us({moment})))"
        if of := parts.get(window.of):
            # The least HUGEINT has no opposite.
            asked[f"far{of}"] = f"greatest(CAST(max({of}) AS DOUBLE), -CAST(min({of}) AS DOUBLE))"
    held = len({(window.keys, window.moment, window.frame, window.of) for window, _ in windows})
    (found,) = session.rows(
        f"SELECT {', '.join(f'CAST({sql} AS DOUBLE) AS {column}' for column, sql in asked.items())} FROM {relation}"
    ).to_pylist()
    far = {one: found.get(f"far{column}") or 0 for one, column in parts.items()}
    limits = {"count": FITTING, "sum": FITTING, "avg": EXACT}
    return [
        (window, tree)
        for window, tree in windows
        if found[f"known{parts[window.moment]}"] == found["rows"]
        and found["rows"] * (held + SORTED) <= AT_ONCE
        and far[window.moment] < NEAR
        and far.get(window.of, 1) * found["rows"] < limits[window.aggregate]
    ]


def _along(
    session: Session,
    relation: str,
    parts: Mapping[str, str],
    keys: Sequence[str],
    moment: str,
    windows: Sequence[Placed],
    answers: dict[str, pa.Array],
) -> Iterator[tuple[Tree, str]]:
    """Add to ``answers`` what windows over the same line yield; each window with what it is of these."""
    summed = {parts[window.of] for window, _ in windows if window.of}
    taken = [
        *(parts[key] for key in keys),
        f"epoch_us({parts[moment]}) AS moment",
        *(f"CAST({column} AS BIGINT) AS value{column}" for column in summed),
    ]
    rows = session.rows(f"SELECT {', '.join(taken)} FROM {relation}")
    line = TimeLine.of([rows[parts[key]] for key in keys], rows["moment"].to_numpy())
    counted: dict[tuple[Frame, str], str] = {}
    for (frame, of), alike in _grouped(windows, lambda one: (one.frame, one.of)).items():
        values = rows[f"value{parts[of]}"] if of else None
        counts_as = (frame, of if values is not None and values.null_count else "")
        if counts_as not in counted:
            counted[counts_as] = f"_windowed_answer{len(answers)}"
            answers[counted[counts_as]] = pa.array(line.counts(frame, values).astype(np.int32))
        count, total = counted[counts_as], f"_windowed_answer{len(answers)}"
        if values is not None and any(window.aggregate != "count" for window, _ in alike):
            answers[total] = pa.array(line.sums(frame, values), mask=answers[count].to_numpy() == 0)
        spelling = {
            "count": f"CAST({count} AS BIGINT)",
            "sum": f"CAST({total} AS HUGEINT)",
            "avg": f"{total} / {count}",
        }
        yield from ((tree, spelling[window.aggregate]) for window, tree in alike)


def _grouped(windows: Sequence[Placed], by: Callable[[Window], Any]) -> dict[Any, list[Placed]]:
    groups: dict[Any, list[Placed]] = {}
    for window, tree in windows:
        groups.setdefault(by(window), []).append((window, tree))
    return groups


def _types(session: Session, sql: str) -> dict[str, str]:
    """The columns of a query, each with DuckDB's type."""
    return {one["column_name"]: one["column_type"] for one in session.rows(f"DESCRIBE {sql}").to_pylist()}
