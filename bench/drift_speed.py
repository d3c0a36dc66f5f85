"""One batch of 25 columns judged against a kept profile: ours, SciPy on rows in memory, and one bare scan.

The scan reads all columns of the batch, as parquet, and sums them. Ours counts the batch in the profile's
cells, block by block, as one query streams it, and judges. SciPy gets both sides loaded. Every contestant is a process
of its own, so that peaks of memory are its own; importing and loading are not timed. Trust the ratios.
"""

import statistics
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.contest import contest
from bench.machine import described

NUMBERS = [f"x{n:02d}" for n in range(20)]
CATEGORIES = [f"c{n}" for n in range(5)]
MAKE = """
    SELECT CAST(i * 32 // {rows} AS INTEGER) AS block, {numbers}, {categories}
    FROM range({rows}) r(i)"""


def main() -> None:
    contest("drift_speed", __doc__, CONTESTANTS, make=make, show=show, without=("SciPy",))


def make(folder: Path, rows: int) -> None:
    import duckdb

    numbers = ", ".join(f"sqrt(-2 * ln(random() + 1e-12)) * cos(6.28318 * random()) AS {n}" for n in NUMBERS)
    categories = ", ".join(f"chr(97 + CAST(floor(random() * 8) AS INT)) AS {c}" for c in CATEGORIES)
    for name, count in (("reference", min(rows, 1_000_000)), ("batch", rows)):
        sql = MAKE.format(rows=count, numbers=numbers, categories=categories)
        duckdb.sql(f"COPY ({sql}) TO '{folder / name}.parquet' (FORMAT parquet)")


def connected(folder: Path):
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    for name in ("reference", "batch"):
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM '{folder / name}.parquet'")
    return connection


def scan(folder: Path) -> Callable[[], None]:
    connection = connected(folder)
    sums = ", ".join([f"sum({n})" for n in NUMBERS] + [f"sum(ascii({c}))" for c in CATEGORIES])
    return lambda: connection.sql(f"SELECT {sums} FROM batch").fetchall()


def ours(folder: Path) -> Callable[[], None]:
    from mlops_assets.monitoring.calibrated import calibrated
    from mlops_assets.monitoring.cells import Watched
    from mlops_assets.monitoring.counting import by_column, cells_from, cells_query, values_query
    from mlops_assets.monitoring.tally import ROWS, tally

    connection = connected(folder)
    watched = [Watched(n, "number") for n in NUMBERS] + [Watched(c, "category") for c in CATEGORIES]
    cells = cells_from(connection.sql(cells_query("reference", watched)).to_arrow_table(), watched)

    def profile(relation: str):
        sql = values_query(relation, cells, block=by_column("block"))
        return tally(connection.sql(sql).to_arrow_reader(ROWS), cells)

    reference = profile("reference")

    def work() -> None:
        assert calibrated(reference, profile("batch")).verdict == "stable"

    return work


def scipy_in_memory(folder: Path) -> Callable[[], None]:
    from scipy.stats import chi2_contingency, ks_2samp

    connection = connected(folder)
    reference, batch = (connection.sql(f"SELECT * FROM {name}").df() for name in ("reference", "batch"))

    def work() -> None:
        for number in NUMBERS:
            ks_2samp(reference[number], batch[number])
        for category in CATEGORIES:
            counts = [side[category].value_counts().sort_index() for side in (reference, batch)]
            chi2_contingency([count.to_numpy() for count in counts])

    return work


CONTESTANTS = {"one scan": scan, "ours": ours, "SciPy": scipy_in_memory}


def show(rows: int, measured: dict[str, list[dict[str, float]]]) -> None:
    table = Table(title=f"25 columns, {rows:,} rows", title_justify="left", caption=described())
    for column in ("", "seconds", "ratio", "CPU seconds", "ratio", "peak GB"):
        table.add_column(column, justify="left" if not column else "right")
    medians = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for name, rounds in measured.items()
    }
    reference = medians["one scan"]
    for name, one in medians.items():
        table.add_row(
            name,
            f"{one['wall']:.2f}",
            f"{one['wall'] / reference['wall']:.1f}",
            f"{one['cpu']:.2f}",
            f"{one['cpu'] / reference['cpu']:.1f}",
            f"{one['peak']:.2f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
