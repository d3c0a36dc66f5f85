"""What the rows of a training set show by themselves: cells and labels that could not be known in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlops_assets.data.knowledge import (
    ROW,
    audited,
    likely_source,
    sources,
    why_wrong,
    wrong_cells,
    wrong_rows,
)
from mlops_assets.data.label_overlap import misused_labels, other_labels, repeated_events, telling_columns
from mlops_assets.data.leaks import Leak
from mlops_assets.declaration.training_columns import LABEL, PREDICTED_AT
from mlops_assets.steps.leak_case import LABEL_ROWS, TRAINING, Case, count, request, row_of, stored_rows
from mlops_assets.stores.engine import Session
from mlops_assets.stores.produced import Produced

SOURCES, WRONG, AUDIT = "_sources", "_wrong", "_audit"


def leaking_cells(case: Case, session: Session, made: Produced) -> Iterator[Leak]:
    """Every cell held against the row it must have come from."""
    for view, joined in case.joins():
        # What only transforms need is not there.
        columns = {of: column for of, column in joined.columns.items() if column in made.rows.column_names}
        if not columns:
            continue
        stored = replace(joined, relation=stored_rows(view), columns=columns)
        session.keep(SOURCES, sources(TRAINING, PREDICTED_AT, stored))
        session.keep(WRONG, wrong_rows(TRAINING, SOURCES, stored))
        if not count(session, WRONG):
            continue
        session.keep(AUDIT, audited(TRAINING, SOURCES, WRONG, stored))
        for wrong in session.rows(wrong_cells(AUDIT, stored)).to_pylist():
            feature, row = wrong["feature"], wrong["row"]
            nearest = session.rows(likely_source(TRAINING, row, PREDICTED_AT, stored, feature)).to_pylist()
            asked = row_of(session, row)[PREDICTED_AT]
            why = why_wrong(asked, nearest[0] if nearest else None, stored.ttl)
            reason = (
                f"{request(case, session, row)} holds {wrong['here']}, and {wrong['there']} was the newest "
                f"known: {why}"
            )
            yield Leak("knowledge", stored.columns[feature], wrong["rows"], reason)


def leaking_labels(case: Case, session: Session) -> Iterator[Leak]:
    """Labels and events held against the start of evaluation."""
    for reason, sql in misused_labels(TRAINING, ROW, case.model, case.horizon):
        found = session.rows(sql)[ROW].to_pylist()
        if found:
            yield Leak("label", LABEL, len(found), f"{request(case, session, found[0])}: {reason}")
    found = session.rows(
        other_labels(TRAINING, ROW, LABEL_ROWS, case.key, case.model, case.horizon)
    ).to_pylist()
    if found:
        first = min(found, key=lambda one: one[ROW])
        said = f"its label is {first['here']}, and what was known by then says {first['there']}"
        yield Leak("label", LABEL, len(found), f"{request(case, session, first[ROW])}: {said}")
    found = session.rows(repeated_events(TRAINING, ROW, case.key)).to_pylist()
    if found:
        first = next((one for one in found if one["both_sides"]), found[0])
        where = "trained on and evaluated on" if first["both_sides"] else "there more than once"
        yield Leak(
            "label", ", ".join(case.key), len(found), f"{request(case, session, first[ROW])} is {where}"
        )
    types = {column: case.catalog.input_types(case.model)[column] for column in case.model.request}
    numbers = [column for column, kind in types.items() if kind in ("integer", "number")]
    for one in session.rows(telling_columns(TRAINING, list(types), numbers)).to_pylist():
        reason = "what is asked with tells the label of every row, without one exception"
        yield Leak("label", one["column"], count(session, TRAINING), reason)
