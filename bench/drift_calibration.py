"""How often drift policies cry wolf on quiet batches, and how much of true drift they see.

Twenty-five columns, one of which is changed. The reference is 28 windows, each as large as the batch and a
block of its own; or, of the streams so called, four weeks, whose days are the blocks and with which weeks
are compared, and there are many such references, with a few batches each. Quiet batches are judged one after
the other, with the last twenty reports as history; a changed batch is judged alone after a quiet history.

The constants of the default policy were fixed elsewhere: on Gaussian columns with references of 1, 4,
10 and 20 windows, and on the autoregressions of this file, with seeds 1, 7, 77, 20260 and 31415. What is
printed comes from another seed; season and correlated features were never used to fix anything. With
a reference of the same weekdays only, the stream with a season is the first one.

`--peers` adds the defaults of Evidently and NannyML, run for real in a throw-away environment.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from bench.drift_peers import PEERS, Judged, measured
from bench.drift_streams import CATEGORIES, NUMBERS, STREAMS, Stream, Window, Windows
from bench.machine import described
from mlops_assets.monitoring.article import article
from mlops_assets.monitoring.calibrated import calibrated
from mlops_assets.monitoring.cells import Cells, Watched
from mlops_assets.monitoring.counting import cells_from, cells_query, values_query
from mlops_assets.monitoring.findings import DriftReport
from mlops_assets.monitoring.multivariate import SAMPLE, Correlations, broken_correlations
from mlops_assets.monitoring.profile import Profile, merge
from mlops_assets.monitoring.tally import ROWS, tally

WATCHED = [
    *(Watched(name, "number") for name in NUMBERS),
    *(Watched(name, "category") for name in CATEGORIES),
]
CHANGES = ("shift 0.1", "shift 0.25", "shift 0.5", "category 0.05", "category 0.1", "missing 0.03")
HISTORY = 20
# size -> quiet batches, changed batches.
QUICK = {1_000: (100, 20), 10_000: (100, 20)}
FULL = {1_000: (400, 100), 10_000: (400, 100), 100_000: (100, 40), 1_000_000: (10, 10)}


def main() -> None:
    arguments = _arguments()
    sizes = FULL if arguments.full else QUICK
    sizes = {size: sizes.get(size, (100, 20)) for size in arguments.sizes or sizes}
    started = time.perf_counter()
    results = []
    for stream in STREAMS:
        if not arguments.streams or stream.name in arguments.streams:
            for size, (quiet, changed) in sizes.items():
                results.append(run(stream, size, quiet, changed, arguments.seed))
                _say(f"{stream.name}, {size:,} rows: {time.perf_counter() - started:.0f} s")
    console = Console(width=170)
    console.print(described())
    console.print(quiet_table(results))
    console.print(detection_table(results))
    if arguments.peers:
        console.print(peers_table(arguments.seed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", help=f"rows per batch (default: {list(QUICK)})")
    parser.add_argument("--streams", nargs="+", choices=[stream.name for stream in STREAMS])
    parser.add_argument("--full", action="store_true", help=f"more batches, and a million rows: {FULL}")
    parser.add_argument("--seed", type=int, default=27_182, help="default: %(default)s")
    parser.add_argument(
        "--peers", action="store_true", help="run Evidently and NannyML, if pip can fetch them"
    )
    return parser.parse_args()


def _say(line: str) -> None:
    Console(stderr=True).print(line)


@dataclass(frozen=True)
class Result:
    """Counts of batches. quiet: of rule -> alarms. seen: change -> (errors, errors and warnings, article)."""

    stream: str
    size: int
    batches: int
    quiet: dict[str, int]
    changed: int
    seen: dict[str, tuple[int, int, int]]


def run(stream: Stream, size: int, quiet: int, changed: int, seed: int) -> Result:
    alarms = dict.fromkeys(("warn", "error", "article", "correlation warn", "correlation error"), 0)
    seen = dict.fromkeys((*CHANGES, "correlation"), (0, 0, 0))
    batches, moved = (max(1, number // stream.references) for number in (quiet, min(quiet, changed)))
    with duckdb.connect(config={"threads": 2}) as connection:
        for drawn in range(stream.references):
            windows = Windows(stream, size, [seed + size, drawn] if drawn else seed + size)
            judge(Counter(connection), windows, batches, moved, alarms, seen)
    return Result(stream.name, size, batches * stream.references, alarms, moved * stream.references, seen)


def judge(
    counter: "Counter",
    windows: Windows,
    quiet: int,
    changed: int,
    alarms: dict[str, int],
    seen: dict[str, tuple[int, int, int]],
) -> None:
    """Of one reference and the batches after it; adds to ``alarms`` and ``seen``."""
    reference, known = referenced(counter, windows)
    history: list[DriftReport] = []
    for number in range(quiet):
        window = windows.next()
        batch = counter.counts(window.table(), reference.cells, window.blocks())
        report = calibrated(reference, batch, history[-HISTORY:])
        alarms["warn"] += report.severity == "warn"
        alarms["error"] += report.severity == "error"
        alarms["article"] += article(reference, batch).verdict == "drift"
        broken = {
            finding.severity
            for finding in broken_correlations(known, Correlations.of(sampled(window)), NUMBERS)
        }
        alarms["correlation error"] += "error" in broken
        alarms["correlation warn"] += "warn" in broken and "error" not in broken
        if number >= quiet - changed:
            for change, answer in judged_changes(counter, reference, known, batch, window, windows, history):
                seen[change] = tuple(np.add(seen[change], answer).tolist())
        history.append(report)


def judged_changes(
    counter: "Counter",
    reference: Profile,
    known: Correlations,
    batch: Profile,
    window: Window,
    windows: Windows,
    history: list[DriftReport],
) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """For each change: is it an error, is it an error or a warning, and what does the article say?"""
    for change in CHANGES:
        name, values = window.changed(change)
        cells = {watched: cells for watched, cells in reference.cells.items() if watched.name == name}
        column = counter.counts(pa.table({name: values}), cells, window.blocks()).columns[name]
        moved = Profile(batch.rows, {**batch.columns, name: column})
        found = [
            finding
            for finding in calibrated(reference, moved, history[-HISTORY:]).findings
            if finding.column == name and finding.verdict == "drift"
        ]
        said = article(reference, moved).of(name, "distribution")
        wrong = any(finding.severity == "error" for finding in found)
        yield change, (wrong, bool(found), said is not None and said.verdict == "drift")
    other = Windows(windows.stream, windows.rows, windows.number).next()
    numbers = sampled(window)
    numbers[:, 1] = sampled(other)[:, 1]
    found = broken_correlations(known, Correlations.of(numbers), NUMBERS)
    yield "correlation", (found[0].severity == "error", found[0].verdict == "drift", 0)


class Counter:
    """The product's own SQL over rows in memory."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def cells(self, rows: pa.Table) -> dict[Watched, Cells]:
        return cells_from(self._ask(cells_query("rows", WATCHED), rows).to_arrow_table(), WATCHED)

    def counts(self, rows: pa.Table, cells: dict[Watched, Cells], blocks: pa.Array) -> Profile:
        asked = self._ask(values_query("rows", cells, block="block"), rows.append_column("block", blocks))
        return tally(asked.to_arrow_reader(ROWS), cells)

    def _ask(self, sql: str, rows: pa.Table) -> duckdb.DuckDBPyRelation:
        self.connection.register("rows", rows)
        return self.connection.sql(sql)


def referenced(counter: Counter, windows: Windows) -> tuple[Profile, Correlations]:
    """The profile of a reference, and the correlations of its numbers."""
    length = windows.stream.reference
    first = [windows.next() for _ in range(min(length, max(7, 100_000 // windows.rows)))]
    cells = counter.cells(pa.concat_tables([window.table() for window in first]))
    profile, samples = None, []
    for number in range(length):
        window = first[number] if number < len(first) else windows.next()
        counted = counter.counts(window.table(), cells, window.blocks())
        profile = counted if profile is None else merge(profile, counted)
        samples.append(sampled(window, SAMPLE // length))
    return profile, Correlations.of(np.concatenate(samples))


def sampled(window: Window, rows: int = SAMPLE) -> np.ndarray:
    numbers = window.numbers()
    return numbers[:: 1 + len(numbers) // (rows + 1)].copy()


def quiet_table(results: list[Result]) -> Table:
    table = Table(title="false alarms per 100 quiet batches")
    for heading in (
        "stream",
        "rows",
        "batches",
        "ERROR",
        "WARN",
        "correlation ERROR",
        "WARN",
        "any KS p<0.05",
    ):
        table.add_column(heading, justify="left" if heading == "stream" else "right")
    for result in results:
        rates = [
            f"{100 * result.quiet[rule] / result.batches:.1f}"
            for rule in ("error", "warn", "correlation error", "correlation warn", "article")
        ]
        table.add_row(result.stream, f"{result.size:,}", str(result.batches), *rates)
    return table


def detection_table(results: list[Result]) -> Table:
    table = Table(
        title="seen in the first window, %: ERROR / ERROR or WARN (that column's KS or chi-square p<0.05)"
    )
    for heading in ("stream", "rows", "batches", *CHANGES, "correlation"):
        table.add_column(heading, justify="left" if heading == "stream" else "right")
    for result in results:
        shares = [
            " / ".join(f"{100 * count / result.changed:.0f}" for count in counts[:2])
            + (f" ({100 * counts[2] / result.changed:.0f})" if change != "correlation" else "")
            for change, counts in result.seen.items()
        ]
        table.add_row(result.stream, f"{result.size:,}", str(result.changed), *shares)
    return table


def peers_table(seed: int) -> Table:
    """The peers' defaults on the same kind of batches; one that cannot be installed is left out."""
    table = Table(title="peers' defaults, 10,000 rows: % of batches with any alarm")
    for heading in ("peer", "stream", "quiet batches", "quiet", "shifted batches", "shift 0.25"):
        table.add_column(heading)
    for peer in PEERS:
        for stream in (STREAMS[0], STREAMS[2]):
            answer = measured(peer, stream, seed)
            if isinstance(answer, Judged):
                quiet, shifted = answer.quiet, answer.shifted
                rates = (f"{100 * sum(each) / len(each):.0f}" for each in (quiet, shifted))
                table.add_row(peer, stream.name, str(len(quiet)), next(rates), str(len(shifted)), next(rates))
            else:
                table.add_row(peer, stream.name, f"left out: {answer}", "", "", "")
    return table


if __name__ == "__main__":
    main()
