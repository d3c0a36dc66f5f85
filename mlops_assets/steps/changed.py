"""Which rows of two relations differ: a look at all of them, and column by column only where something does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mlops_assets.data.changes import Change, changes, changes_query, same_rows
from mlops_assets.stores.engine import Session

Roundings = Callable[[], Mapping[str, float]]


def changed(
    session: Session,
    there: str,
    here: str,
    *,
    by: Sequence[str],
    columns: Mapping[str, str],
    roundings: Roundings = dict,
) -> list[Change]:
    """What is not the same. by: the columns that name a row. columns: those compared, each with its type.

    roundings: the numbers that may differ by another share than usual; asked only when one differs.
    """

    def looked(shares: Mapping[str, float]) -> list[Change]:
        query = changes_query(there, here, by=by, columns=columns, roundings=shares)
        return changes(session.rows(query).to_pylist())

    if session.rows(same_rows(there, here, [*by, *columns]))["same"][0].as_py():
        return []
    found = looked({})
    numbers = [one for one in found if one.column and columns[one.column] == "number"]
    shares = roundings() if numbers else {}
    return looked(shares) if shares else found
