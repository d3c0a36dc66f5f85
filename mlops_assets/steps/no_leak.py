"""The proof that a training set holds nothing that could not be known when it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import duckdb

from mlops_assets.data.knowledge import ROW
from mlops_assets.data.leaks import Leak, could_not_run, told, verdict
from mlops_assets.data.moments import EARLIEST
from mlops_assets.data.sql import name
from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import PREDICTED_AT
from mlops_assets.errors import GateRefusal, NotMaterialized
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.steps.leak_case import LABEL_ROWS, TRAINING, Case, pinned_rows, stored_rows
from mlops_assets.steps.leaks_in_cuts import Look, Roundings, days_before, look
from mlops_assets.steps.leaks_in_rows import leaking_cells, leaking_labels
from mlops_assets.steps.worlds import CANARY_ROWS, opened
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores

# How often the world is cut.
MOMENTS = 6
ROWS = "_rows"


@dataclass(frozen=True)
class Proof:
    """Every leak that was found, what it was looked for in, and the verdict."""

    verdict: Verdict
    leaks: tuple[Leak, ...] = ()
    notes: tuple[str, ...] = ()


def prove_no_leak(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    made: Produced,
    events: Pinned,
    views: Mapping[str, Pinned],
    as_of: str,
    *,
    lake_tables: Mapping[str, str],
) -> Proof:
    """Look for what a training set could not have known. lake_tables: of each table its name in the lake.

    A version that is gone, or SQL that fails on a world that was cut, makes no proof, and a verdict that says so.
    """
    zone = catalog.tables[model.label.table].source.zone
    horizon = Horizon.of(date.fromisoformat(as_of), model.window, zone)
    read = stores.records.reads_of([one for pinned in views.values() for one in pinned.contents])
    case = Case(stores, catalog, model, events, views, horizon, lake_tables, read)
    try:
        return _proof(case, made)
    except (NotMaterialized, GateRefusal, duckdb.Error) as error:
        return Proof(could_not_run(str(error)))


def _proof(case: Case, made: Produced) -> Proof:
    moments = _moments(case, made)
    days = {(view, at): days_before(case, view, at) for view in case.views for at in moments}
    read = {content for of_moment in days.values() for batch in of_moment for content in batch.read}
    relations = {ROWS: made.rows, LABEL_ROWS: case.events}
    relations |= {pinned_rows(view): pinned for view, pinned in case.views.items()}
    with opened(case.stores, case.catalog, case.lake_tables, read, relations) as worlds:
        session = worlds.session
        session.keep(TRAINING, f"SELECT *, row_number() OVER () AS {ROW} FROM {ROWS}")
        for view in case.views:
            session.keep(stored_rows(view), f"SELECT * FROM {name(pinned_rows(view))}")
        leaks = [*leaking_labels(case, session), *leaking_cells(case, session, made)]
        by_moment = {at: {view: days[view, at] for view in case.views} for at in moments}
        last = max(moments, default=EARLIEST)
        roundings = Roundings(case, worlds, last, by_moment.get(last, {}))
        looks = [look(case, worlds, at, by_moment[at], roundings) for at in moments]
    found = _merged([*leaks, *(leak for look in looks for leak in look.leaks)])
    notes = tuple(dict.fromkeys(note for look in looks for note in look.notes))
    return Proof(verdict(found, _looked_at(case, made, looks)), found, notes)


def _moments(case: Case, made: Produced) -> list[datetime]:
    """Moments at which something was asked, spread evenly over the requests, the last one among them."""
    shares = ", ".join(str((number + 1) / MOMENTS) for number in range(MOMENTS))
    sql = f"SELECT DISTINCT unnest(quantile_disc({PREDICTED_AT}, [{shares}])) AS moment FROM made ORDER BY moment"
    found = case.stores.engine.rows(sql, {"made": made.rows})["moment"].to_pylist()
    return [at for at in found if at is not None]


def _merged(leaks: Sequence[Leak]) -> tuple[Leak, ...]:
    """One for each test and place: the first, with the most rows that were seen at one moment."""
    found: dict[tuple[str, str], Leak] = {}
    for one in leaks:
        first = found.setdefault((one.test, one.where), one)
        found[one.test, one.where] = replace(first, rows=max(first.rows, one.rows))
    return tuple(found.values())


def _looked_at(case: Case, made: Produced, looks: Sequence[Look]) -> str:
    features = len(case.catalog.features.served(case.model.features))
    cut = f"the world cut at {len(looks)} moments"
    if looks:
        cut += f" from {told(looks[0].at)} to {told(looks[-1].at)}"
    return (
        f"{features} features of {made.rows.num_rows:,} rows traced to when they were known; {cut}, "
        f"{sum(look.rows for look in looks):,} feature rows and {sum(look.requests for look in looks):,} requests "
        f"computed again, and again with {CANARY_ROWS} rows planted in the future of each table"
    )
