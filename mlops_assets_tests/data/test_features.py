"""The rows of a view are those of its SQL, however that ends."""

import duckdb
import pytest

from mlops_assets.data.features import view_rows
from mlops_assets.declaration.features import FeatureView


@pytest.mark.parametrize(
    "end", ["", "\n", " -- all of them", ";", " -- all of them\n;\n", "; -- all of them", "; /* all */ ;\n"]
)
def test_sql_may_end_in_a_comment_or_a_semicolon(end):
    moments = "TIMESTAMPTZ '2024-03-01 12:00:00+00' AS event_time, event_time AS available_at"
    view = FeatureView.model_validate(
        {
            "name": "delays",
            "owner": "team:x",
            "entities": ["aircraft"],
            "reads": {"flights": "1d"},
            "sql": f"SELECT tailnum, delay, {moments} FROM flights{end}",
            "ttl": "1d",
            "features": {"delay": {"type": "integer"}},
        }
    )
    with duckdb.connect() as engine:
        engine.execute("CREATE TABLE flights AS SELECT 'N1' AS tailnum, 7 AS delay")
        query = view_rows(view, {"tailnum": "string"}, days=["2024-03-01"], timezone="UTC")
        ((day, tailnum, delay, *_),) = engine.execute(query).fetchall()
    assert (str(day), tailnum, delay) == ("2024-03-01", "N1", 7)
