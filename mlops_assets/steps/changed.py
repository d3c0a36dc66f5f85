"""Which rows of two relations differ: a look at all of them, and column by column only where something does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_assets.data.changes import Change, changes, changes_query, same_rows
from mlops_assets.stores.engine import Session


def changed(
    session: Session, there: str, here: str, *, by: Sequence[str], columns: Mapping[str, str]
) -> list[Change]:
    """What is not the same. by: the columns that name a row. columns: those compared, each with its type."""
    if session.rows(same_rows(there, here, [*by, *columns]))["same"][0].as_py():
        return []
    return changes(session.rows(changes_query(there, here, by=by, columns=columns)).to_pylist())
