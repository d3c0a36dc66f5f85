"""Fifteen expectations on a table of 20 columns: ours, peers and one bare scan, in turns; trust the ratios.

The scan reads the columns the expectations are about, as parquet, and sums them.
Every contestant is a process of its own; importing is not timed.
`ours, typed` measures all expectations of typed rows; `ours, judged` reads the same
rows as text, as they are found, casts them, measures, and gives every failing row all its reasons.
"""

import statistics
import time
from collections.abc import Callable
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.contest import contest
from bench.machine import described

DAY = "2024-03-30"
# What the platform's measures read beside the values: no row of these is set aside.
REASONS = "[]::VARCHAR[] AS reasons"
NUMBERS = [f"x{n}" for n in range(8)]
COLUMNS: dict[str, dict[str, Any]] = {
    "id": {"type": "integer"},
    **{column: {"type": "number"} for column in NUMBERS},
    "low": {"type": "integer"},
    "high": {"type": "integer"},
    "kind": {"type": "string"},
    "country": {"type": "string"},
    "code": {"type": "string"},
    "flag": {"type": "boolean"},
    **{f"unused{n}": {"type": "number"} for n in range(3)},
}  # with both times, twenty
RULES: dict[str, dict[str, Any]] = {
    "x0": {"between": [-10, 10]},
    "x1": {"between": [-10, 10]},
    "x2": {"between": [-10, 10]},
    "kind": {"required": True, "one_of": ["a", "b", "c"]},
    "country": {"one_of": ["DE", "FR", "US", "CN"]},
    "code": {"matches": "[A-Z]{2}[0-9]{4}"},
}
EXPECTATIONS = [
    {"name": "enough", "row_count": {"between": [1, None]}},
    {"name": "x3_told", "completeness": {"column": "x3", "missing_at_most": 0.05}},
    {"name": "x4_mean", "mean": {"column": "x4", "between": [-1, 1]}},
    {"name": "x5_median", "quantile": {"column": "x5", "at": 0.5, "between": [-1, 1]}},
    {"name": "kinds", "distinct": {"column": "kind", "between": [3, 3]}},
    {"name": "ordered", "rows": {"condition": "low <= high"}},
    {"name": "fresh", "freshness": {"within": "1d"}},
]
MAKE = """
    SELECT i AS id, {numbers}, CAST(i % 100 AS BIGINT) AS low, CAST(i % 100 + 5 AS BIGINT) AS high,
           chr(97 + CAST(i % 3 AS INT)) AS kind, ['DE', 'FR', 'US', 'CN'][i % 4 + 1] AS country,
           printf('AB%04d', i % 10000) AS code, i % 2 = 0 AS flag,
           random() AS unused0, random() AS unused1, random() AS unused2,
           TIMESTAMPTZ '{day} 00:00:00+00' + to_seconds(i % 80000) AS event_time,
           TIMESTAMPTZ '{day} 00:00:00+00' + to_seconds(i % 80000) AS available_at
    FROM range({rows}) r(i)"""


def main() -> None:
    contest("quality", __doc__, CONTESTANTS, make=make, show=show, without=("GX on pandas",))


def make(folder: Path, rows: int) -> None:
    import duckdb

    numbers = ", ".join(f"random() * 2 - 1 AS {column}" for column in NUMBERS)
    query = MAKE.format(numbers=numbers, day=DAY, rows=rows)
    with duckdb.connect() as connection:
        connection.execute(f"SET temp_directory = '{folder}'; SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({query}) TO '{folder}/typed.parquet' (COMPRESSION zstd)")
        text = f"SELECT '{DAY}' AS partition, '{DAY}' AS event_day, CAST(COLUMNS(*) AS VARCHAR)"
        copy = f"COPY ({text} FROM '{folder}/typed.parquet') TO '{folder}/text.parquet' (COMPRESSION zstd)"
        connection.execute(copy)


def declared():
    from mlops_assets.declaration.source import Source

    columns = {name: {**column, **RULES.get(name, {})} for name, column in COLUMNS.items()}
    table = {
        "name": "rows",
        "reads": {"landing": "rows.csv"},
        "select": "",
        "key": ["id"],
        "columns": columns,
    }
    said = {
        "name": "bench",
        "owner": "team:bench",
        "start": DAY,
        "tables": [{**table, "expectations": EXPECTATIONS}],
    }
    return Source.model_validate(said).tables[0]


def setting():
    from mlops_assets.data.expectations import Setting

    return Setting(date.fromisoformat(DAY))


def scan(folder: Path) -> Callable[[], None]:
    """One pass over the columns that are asked about."""
    import duckdb

    # Sums: the greatest and the count stand in the file's footer and would be answered without a scan.
    numbers = ("id", "low", "high", *NUMBERS[:6])
    sums = [f"sum({name})" for name in numbers] + [
        f"sum(strlen({name}))" for name in ("kind", "country", "code")
    ]
    sums.append("sum(epoch_us(event_time))")
    connection = duckdb.connect(config={"threads": 2})
    return lambda: connection.execute(f"SELECT {', '.join(sums)} FROM '{folder}/typed.parquet'").fetchall()


def scan_of_text(folder: Path) -> Callable[[], None]:
    """One pass over the same rows as they are found, all of them text."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    query = f"SELECT sum(strlen(COLUMNS(*))) FROM '{folder}/text.parquet'"
    return lambda: connection.execute(query).fetchall()


def ours_typed(folder: Path) -> Callable[[], None]:
    """Column rules as expectations too, so that one query measures all but that keys name one row."""
    from mlops_assets.data.expectations import measured as measure
    from mlops_assets.stores.engine import Engine

    table = declared()
    conditions = [
        "x0 BETWEEN -10 AND 10",
        "x1 BETWEEN -10 AND 10",
        "x2 BETWEEN -10 AND 10",
        "kind IS NOT NULL",
    ]
    conditions += ["kind IN ('a', 'b', 'c')", "country IN ('DE', 'FR', 'US', 'CN')"]
    conditions += ["regexp_full_match(code, '[A-Z]{2}[0-9]{4}')"]
    measures = [f"count(*) FILTER (NOT ({condition}))" for condition in conditions]
    measures += [measure(one) for one in table.expectations]
    named = ", ".join(f"{one} AS measure{place}" for place, one in enumerate(measures))
    rows = f"(SELECT '{DAY}' AS partition, {REASONS}, * FROM '{folder}/typed.parquet')"
    engine = Engine(folder / "spill")

    def work() -> None:
        with engine.session({}) as session:
            session.rows(f"SELECT {named} FROM {rows} GROUP BY partition")
            session.rows(f"SELECT id FROM {rows} GROUP BY id HAVING count(*) > 1")

    return work


def ours_judged(folder: Path) -> Callable[[], None]:
    from mlops_assets.data.validation import checked_rows, counts_query, reasons_query, repeated_keys
    from mlops_assets.stores.engine import Engine
    from mlops_assets.stores.files import SourceFile

    table, engine = declared(), Engine(folder / "spill")
    raw = SourceFile(folder / "text.parquet", "text.parquet", missing=())
    present = [*table.columns, "event_time", "available_at"]

    def work() -> None:
        with engine.session({"raw": raw}) as session:
            session.keep("repeated", repeated_keys(table, "raw", present))
            session.keep("checked", checked_rows(table, "raw", present, repeated="repeated"))
            session.rows(counts_query(table, "checked"))
            session.rows(reasons_query("checked"))

    return work


def gx_on_duckdb(folder: Path) -> Callable[[], None]:
    import duckdb
    import great_expectations  # noqa: F401 (imported before the clock starts)

    from mlops_assets.stores.suites import run_suite

    with duckdb.connect(f"{folder}/gx-{time.time_ns()}.duckdb") as connection:
        database = Path(
            connection.execute("SELECT path FROM duckdb_databases() WHERE NOT internal").fetchone()[0]
        )
        good = 'COLUMNS(*) AS "good \\0"'
        connection.execute(f"CREATE VIEW batch AS SELECT *, {good}, {REASONS} FROM '{folder}/typed.parquet'")
    return lambda: expect(run_suite(of_values(), database))


def gx_on_pandas(folder: Path) -> Callable[[], None]:
    import great_expectations as gx
    import pandas as pd

    suite = of_values()
    # pandas has no queries; what they ask has expectations of its own. Every row is good.
    kept = [one for one in suite["expectations"] if one["type"] != "unexpected_rows_expectation"]
    for one in kept:
        if "column" in one["kwargs"]:
            one["kwargs"]["column"] = one["kwargs"]["column"].removeprefix("good ")
    ranges = {"quantiles": [0.5], "value_ranges": [[-1, 1]]}
    asked = {
        "column_values_to_match_regex": {"column": "code", "regex": "^[A-Z]{2}[0-9]{4}$"},
        "column_pair_values_a_to_be_greater_than_b": {
            "column_A": "high",
            "column_B": "low",
            "or_equal": True,
        },
        "column_mean_to_be_between": {"column": "x4", "min_value": -1, "max_value": 1},
        "column_quantile_values_to_be_between": {"column": "x5", "quantile_ranges": ranges},
    }
    kept += [{"type": f"expect_{what}", "kwargs": kwargs} for what, kwargs in asked.items()]
    rows = pd.read_parquet(folder / "typed.parquet")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": rows})
    of_pandas = gx.ExpectationSuite(name="rows", expectations=kept)

    def work() -> None:
        validated = batch.validate(of_pandas, result_format="BOOLEAN_ONLY")
        assert validated.success, [one for one in validated.results if not one.success]

    return work


def pandera_on_polars(folder: Path) -> Callable[[], None]:
    import pandera.polars as pa
    import polars as pl

    schema = pa.DataFrameSchema(
        {
            "id": pa.Column(pl.Int64, unique=True),
            **{f"x{n}": pa.Column(pl.Float64, pa.Check.in_range(-10, 10)) for n in range(3)},
            "kind": pa.Column(pl.String, pa.Check.isin(["a", "b", "c"]), nullable=False),
            "country": pa.Column(pl.String, pa.Check.isin(["DE", "FR", "US", "CN"])),
            "code": pa.Column(pl.String, pa.Check.str_matches("^[A-Z]{2}[0-9]{4}$")),
        }
    )
    rows = pl.read_parquet(folder / "typed.parquet")
    return lambda: schema.validate(rows)


def of_values() -> dict[str, Any]:
    """The compiled suite without what is asked of text, which typed rows do not have."""
    from mlops_assets.data.suites import suite

    compiled = suite(declared(), [], setting(), partition=DAY)
    wanted = [
        one for one in compiled["expectations"] if one["meta"]["check"] not in ("types", "completeness")
    ]
    wanted = [one for one in wanted if "partition" not in one["kwargs"].get("unexpected_rows_query", "")]
    wanted += [one for one in compiled["expectations"] if one["meta"]["expectation"] == "x3_told"]
    required = {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "kind"},
        "severity": "warning",
    }
    wanted.append({**required, "meta": {"check": "completeness", "expectation": "kind: missing"}})
    return {**compiled, "expectations": wanted}


def expect(results: list[Any]) -> None:
    assert all(result.passed for result in results), [result for result in results if not result.passed]


CONTESTANTS: dict[str, Callable[[Path], Callable[[], None]]] = {
    "one scan": scan,
    "ours, typed": ours_typed,
    "GX on DuckDB": gx_on_duckdb,
    "GX on pandas": gx_on_pandas,
    "one scan of text": scan_of_text,
    "ours, judged": ours_judged,
}
# What a contestant is compared with; the others with the scan of typed columns.
READS_TEXT = ("one scan of text", "ours, judged")
if find_spec("pandera") and find_spec("polars"):
    CONTESTANTS["pandera on polars"] = pandera_on_polars


def show(rows: int, measured: dict[str, list[dict[str, float]]]) -> None:
    title = f"15 expectations, {rows:,} rows of 20 columns, validated"
    table = Table(title=title, title_justify="left", caption=described())
    for column in ("", "median s", "CPU s", "peak GB", "ratio to its scan", "of CPU"):
        table.add_column(column, justify="left" if not column else "right")
    medians = {
        name: {what: statistics.median(one[what] for one in rounds) for what in ("wall", "cpu", "peak")}
        for name, rounds in measured.items()
    }
    for name, found in medians.items():
        limit = medians["one scan of text" if name in READS_TEXT else "one scan"]
        ratios = (f"{found[what] / limit[what]:.1f}" for what in ("wall", "cpu"))
        cells = (*(f"{found[what]:.2f}" for what in ("wall", "cpu", "peak")), *ratios)
        table.add_row(name, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
