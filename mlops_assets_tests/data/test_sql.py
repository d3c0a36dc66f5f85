"""Whatever the text, it is one name, one literal, one day."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.data.sql import local_day, name, names, text
from mlops_assets.declaration.sql import SQL_TYPES
from mlops_assets.stores.engine import Engine

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(word=WORDS)
def test_a_literal_says_exactly_the_text(word):
    assert duckdb.execute(f"SELECT {text(word)}").fetchone() == (word,)


@given(word=WORDS)
def test_a_name_names_exactly_the_column(word):
    assert duckdb.sql(f"SELECT 1 AS {name(word)}").columns == [word]


def test_names_are_told_apart():
    sql = f"SELECT {names(['a b', 'c'], of='t')} FROM (SELECT 1 AS {name('a b')}, 2 AS c) t"
    assert duckdb.execute(sql).fetchone() == (1, 2)


@pytest.mark.parametrize("kind", SQL_TYPES)
def test_every_declared_type_is_a_type_of_the_engine(kind):
    assert duckdb.execute(f"SELECT CAST(NULL AS {SQL_TYPES[kind]})").fetchone() == (None,)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine(tmp_path_factory.mktemp("spill"))


@given(
    moment=st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),
    timezone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
)
def test_the_local_day_is_the_day_on_the_wall(engine, moment, timezone):
    rows = pa.table({"event_time": pa.array([moment], pa.timestamp("us", tz="UTC"))})
    found = engine.rows(f"SELECT {local_day('event_time', timezone)} AS day FROM rows", {"rows": rows})
    assert found["day"].to_pylist() == [moment.astimezone(ZoneInfo(timezone)).date().isoformat()]
