"""What one more day costs with 10, 100 or 365 days behind it: CPU milliseconds of each part; it should not grow.

A table of 2,000 rows a day is written day by day, each day a commit of its own, as it is when days come one
after the other; a view counts over thirty days of it. A day is: commit the table's partition, pin the days that
the windows reach, compute, commit the view's partition with what it read, ask what is out of date. Medians
of the ten days before each mark.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.machine import described

FIRST = date(2024, 1, 1)
REACH, ROWS, LOOKED_AT = 30, 2_000, 10
PARTS = ("commit rows", "pin", "compute", "commit features", "ask what is outdated")
DAY = """
    SELECT '{day}' AS partition, i % 500 AS customer, i AS amount,
           TIMESTAMPTZ '{day} 00:00:00+00' + to_seconds(i) AS event_time, event_time AS available_at
    FROM range({rows}) r(i)"""
VIEW = """
    SELECT * FROM (
        SELECT partition, customer, count(*) OVER month AS orders, CAST(sum(amount) OVER month AS BIGINT) AS spent,
               event_time, available_at
        FROM rows
        WINDOW month AS (PARTITION BY customer ORDER BY event_time
                         RANGE BETWEEN INTERVAL 2592000 SECONDS PRECEDING AND CURRENT ROW))
    WHERE partition = '{day}' ORDER BY customer, event_time"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench incremental",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--days", type=int, nargs="+", default=[10, 100, 365])
    marks = sorted(parser.parse_args().days)
    with tempfile.TemporaryDirectory() as home:
        spent = list(days(Path(home), marks[-1]))
    table = Table(title=f"CPU ms for one more day, median of {LOOKED_AT}")
    for column in ("days behind it", *PARTS, "together"):
        table.add_column(column, justify="right")
    for mark in marks:
        looked_at = spent[max(mark - LOOKED_AT, 0) : mark]
        medians = [statistics.median(day[part] for day in looked_at) for part in PARTS]
        together = statistics.median(sum(day.values()) for day in looked_at)
        table.add_row(str(mark), *(f"{value:.1f}" for value in (*medians, together)))
    console = Console()
    console.print(table)
    console.print(described())


def days(home: Path, count: int) -> Iterator[dict[str, float]]:
    """CPU milliseconds of every part of every day."""
    from mlops_assets.stores.commit import Provenance
    from mlops_assets.stores.produced import Produced
    from mlops_assets.stores.stores import Places, Stores

    stores = Stores.open(Places.below(home))
    lake, records = stores.lake, stores.records
    for number in range(count):
        reached = [iso(one) for one in range(max(number - REACH, 0), number + 1)]
        day, provenance = reached[-1], Provenance("bench", f"run {number}", reached[-1])
        rows = stores.engine.rows(DAY.format(day=day, rows=ROWS), {})
        spent = dict.fromkeys(PARTS, 0.0)
        with timed(spent, "commit rows"):
            lake.write("validated/rows", Produced(rows, [day]), provenance)
        with timed(spent, "pin"):
            pinned = lake.pin("validated/rows", reached)
        with timed(spent, "compute"):
            made = stores.view_engine.rows(VIEW.format(day=day), {"rows": pinned})
        with timed(spent, "commit features"):
            lake.write("features/orders", Produced(made, [day], {day: pinned.among(reached)}), provenance)
        with timed(spent, "ask what is outdated"):
            assert not records.outdated("features/orders")
            records.code_versions("features/orders")
        yield spent


@contextmanager
def timed(spent: dict[str, float], part: str) -> Iterator[None]:
    began = time.process_time()
    yield
    spent[part] = (time.process_time() - began) * 1000


def iso(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


if __name__ == "__main__":
    main()
