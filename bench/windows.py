"""Count, sum and mean of 1, 7 and 30 days before every transaction, of two entities; trust the ratios.

`range windows` is the SQL as people write it, on DuckDB. `ours` is the same text as a view of ours runs: its windows
answered from one sort and running totals, the same to the last digit. `running sums` is the idea in SQL: counts and
sums from an entity's first row on, less what they were before the window began, found with an ASOF join. Polars has
its rolling aggregates. Every contestant reads the same Parquet file, yields Arrow and is a process of its own;
importing is not timed.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.contest import contest
from bench.machine import described

ENTITIES = {"customer": 200, "terminal": 1000}  # rows of each, on average
DAYS = (1, 7, 30)
MAKE = """
    SELECT i AS id, CAST(floor(random() * {rows} / 200) AS BIGINT) AS customer,
           CAST(floor(random() * {rows} / 1000) AS BIGINT) AS terminal,
           CAST(floor(random() * 20000) AS BIGINT) AS cents,
           TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(CAST(i * (120 * 86400.0 / {rows}) AS BIGINT)) AS event_time
    FROM range({rows}) r(i)"""


def main() -> None:
    contest("windows", __doc__, CONTESTANTS, make=make, show=show, without=("running sums",))


def make(folder: Path, rows: int) -> None:
    connected().execute(f"COPY ({MAKE.format(rows=rows)}) TO '{folder}/rows.parquet'")


def connected(folder: Path | None = None) -> Any:
    import duckdb

    settings = {"threads": 2, "memory_limit": "4GB"} | (
        {"temp_directory": f"{folder}/spill"} if folder else {}
    )
    connection = duckdb.connect(config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    if folder:
        connection.execute(f"CREATE VIEW rows AS SELECT * FROM '{folder}/rows.parquet'")
    return connection


def range_windows(folder: Path) -> Callable[[], object]:
    connection = connected(folder)
    return lambda: connection.sql(windows("rows")).to_arrow_table()


def ours(folder: Path) -> Callable[[], object]:
    import pyarrow.compute  # noqa: F401 (as every import: not timed)

    from mlops_assets.stores.engine import Engine
    from mlops_assets.stores.windows import WindowedEngine

    engine = WindowedEngine(Engine(folder / "spill", memory_limit="2GB"), few=0)
    return lambda: engine.rows(windows(f"'{folder}/rows.parquet'"), {})


def windows(rows: str) -> str:
    columns, windows = [], []
    for entity in ENTITIES:
        for days in DAYS:
            window = f"{entity}_{days}"
            columns.append(
                f"count(*) OVER {window} AS {window}_count, sum(cents) OVER {window} AS {window}_sum, "
                f"avg(cents) OVER {window} AS {window}_mean"
            )
            windows.append(
                f"{window} AS (PARTITION BY {entity} ORDER BY event_time "
                f"RANGE BETWEEN INTERVAL {days * 86400} SECONDS PRECEDING AND CURRENT ROW)"
            )
    return f"SELECT id, {', '.join(columns)} FROM {rows} WINDOW {', '.join(windows)}"


def running_sums(folder: Path) -> Callable[[], object]:
    sql = (
        "SELECT * FROM "
        + " JOIN ".join(f"({running(entity)}) {entity}" for entity in ENTITIES)
        + " USING (id)"
    )
    connection = connected(folder)
    return lambda: connection.sql(sql).to_arrow_table()


def running(entity: str) -> str:
    columns, joins = [], []
    for days in DAYS:
        window, before = f"{entity}_{days}", f"before_{days}"
        count, total = (f"r.{one} - coalesce({before}.{one}, 0)" for one in ("rows", "total"))
        columns.append(
            f"{count} AS {window}_count, {total} AS {window}_sum, ({total}) / ({count}) AS {window}_mean"
        )
        joins.append(
            f"ASOF LEFT JOIN so_far {before} ON r.{entity} = {before}.{entity} "
            f"AND r.event_time - INTERVAL {days * 86400} SECONDS > {before}.event_time"
        )
    return f"""
        WITH so_far AS (
            SELECT id, {entity}, event_time, count(*) OVER w AS rows, CAST(sum(cents) OVER w AS BIGINT) AS total
            FROM rows WINDOW w AS (PARTITION BY {entity} ORDER BY event_time))
        SELECT r.id, {", ".join(columns)} FROM so_far r {" ".join(joins)}"""


def polars_rolling(folder: Path) -> Callable[[], object]:
    import polars as pl

    def work() -> object:
        rows = pl.read_parquet(f"{folder}/rows.parquet").sort("event_time")
        for entity in ENTITIES:
            for days in DAYS:
                window = f"{entity}_{days}"
                by = {"by": "event_time", "window_size": f"{days}d", "closed": "both"}
                cents = pl.col("cents")
                rows = rows.with_columns(
                    cents.is_not_null()
                    .cast(pl.Int64)
                    .rolling_sum_by(**by)
                    .over(entity)
                    .alias(f"{window}_count"),
                    cents.rolling_sum_by(**by).over(entity).alias(f"{window}_sum"),
                    cents.rolling_mean_by(**by).over(entity).alias(f"{window}_mean"),
                )
        return rows.to_arrow()

    return work


CONTESTANTS = {
    "range windows": range_windows,
    "ours": ours,
    "running sums": running_sums,
    "Polars rolling": polars_rolling,
}


def show(rows: int, measured: dict[str, list[dict[str, float]]]) -> None:
    table = Table(title=f"{rows:,} rows, median of {len(measured['range windows'])}")
    for column in ("contestant", "seconds", "CPU seconds", "CPU / range windows", "peak GB"):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    medians = {
        name: {what: statistics.median(one[what] for one in rounds) for what in ("wall", "cpu", "peak")}
        for name, rounds in measured.items()
    }
    for name, median in medians.items():
        ratio = median["cpu"] / medians["range windows"]["cpu"]
        table.add_row(
            name, f"{median['wall']:.1f}", f"{median['cpu']:.1f}", f"{ratio:.2f}", f"{median['peak']:.2f}"
        )
    console = Console()
    console.print(table)
    console.print(described())


if __name__ == "__main__":
    main()
