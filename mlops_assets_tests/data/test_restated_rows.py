"""Rows that differ between two states of a table are counted, and those that were known."""

from datetime import UTC, datetime

import duckdb
import pandas as pd
import pytest

from mlops_assets.data.restated_rows import restated_rows

THEN, LATER = pd.Timestamp("2024-03-01", tz="UTC"), pd.Timestamp("2024-03-09", tz="UTC")
KNOWN = datetime(2024, 3, 5, tzinfo=UTC)


def state(*rows):
    return pd.DataFrame(rows, columns=["id", "value", "available_at"]).astype(
        {"id": "Int64", "value": "Float64", "available_at": "datetime64[us, UTC]"}
    )


OLD = state((1, 1.0, THEN), (2, None, None))


@pytest.mark.parametrize(
    ("now", "counted"),
    [
        (OLD, (0, 0)),
        (state((2, None, None), (1, 1.0, THEN)), (0, 0)),
        (state((1, 5.0, THEN), (2, None, None)), (1, 1)),
        # A label that arrived since: nothing that was known has changed.
        (state((1, 1.0, THEN), (2, 7.0, LATER)), (1, 0)),
        (state((2, None, None)), (1, 1)),
        (state((1, 1.0, THEN), (2, None, None), (3, 1.0, LATER)), (1, 0)),
        (state((1, 1.0, LATER), (2, None, None)), (1, 1)),
        (state((1, None, THEN), (2, None, None)), (1, 1)),
        (state(), (2, 1)),
    ],
    ids=["same", "order", "changed", "label", "gone", "added", "later", "null", "nothing"],
)
def test_rows_that_differ_are_counted_once_and_those_that_were_known(now, counted):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("before", OLD)
    connection.register("now", now)
    columns = ["id", "value", "available_at"]
    sql = restated_rows("before", "now", key=["id"], columns=columns, known=KNOWN)
    assert connection.sql(sql).fetchall() == [counted]
