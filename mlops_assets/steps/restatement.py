"""Releases that were trained on days which hold other rows by now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from mlops_assets.data.restated_rows import restated_rows
from mlops_assets.data.sql import PARTITION, WHOLE
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.errors import GateRefusal
from mlops_assets.steps.contract import kept_contract
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

VALIDATED = "validated/"
# The version of a content of which no record is left: the table was moved away and begun anew.
GONE = -1


@dataclass(frozen=True)
class RowsRestated:
    """rows: those that differ. known: those of them that were known when the version was made."""

    rows: int
    known: int


def restated_below(stores: Stores, release: Release) -> list[tuple[Content, Content]]:
    """What each restated day of a validated table held when the release was trained on it, and what it holds now.

    By table and day. A day that was written again with the same rows, or with those that it held then, is not
    restated. Tables without days are left out: they hold more each time they are written. What is computed of a
    restated day, as a feature, follows from it and is not told again. A day that landed again with labels that came
    later is among them: ``rows_restated`` tells it from one whose known rows are others.
    Only records are read, and the contract of the release, which names all that it was made from. A write whose
    process died before it was recorded shows once the table was read.
    """
    return list(_restated(stores, release))


def champion_restated(stores: Stores, model: str) -> list[str]:
    """What was restated below the version that reigns, a sentence for each table."""
    champion = stores.releases.champion(model)
    by_table: dict[str, list[str]] = {}
    for _, now in _restated(stores, champion) if champion else ():
        by_table.setdefault(now.table, []).append(now.partition)
    return [_told(champion, table, days) for table, days in by_table.items() if champion]


def rows_restated(
    stores: Stores, catalog: Catalog, release: Release, before: Content, now: Content
) -> RowsRestated | None:
    """How many rows of a day differ; None when either state cannot be read any more, or the table is not declared."""
    declared = catalog.tables.get(now.table.removeprefix(VALIDATED))
    if declared is None or before.version == GONE:
        return None
    known = datetime.combine(date.fromisoformat(release.as_of), time(), declared.source.zone)
    try:
        there, here = (
            stores.lake.pin(one.table, [one.partition], version=one.version) for one in (before, now)
        )
    except GateRefusal:
        return None
    shared = [field.name for field in here.schema if field.name in there.schema.names]
    sql = restated_rows(
        "before",
        "now",
        key=declared.table.key,
        columns=[column for column in shared if column != PARTITION],
        known=known,
    )
    (row,) = stores.engine.rows(sql, {"before": there, "now": here}).to_pylist()
    return RowsRestated(row["rows"], row["known"])


def _restated(stores: Stores, release: Release) -> Iterator[tuple[Content, Content]]:
    for table, trained_on in sorted(_days_trained_on(stores, release).items()):
        newest = stores.records.contents(table, partitions=list(trained_on))
        restated = [one for one in newest if one.fingerprint != trained_on[one.partition]]
        held = stores.records.held(table, {one.partition: trained_on[one.partition] for one in restated})
        for now in restated:
            gone = Content(table, now.partition, GONE, 0, trained_on[now.partition])
            yield held.get(now.partition, gone), now


def _days_trained_on(stores: Stores, release: Release) -> Mapping[str, Mapping[str, str]]:
    """Validated table -> day -> fingerprint of what it held."""
    found: dict[str, dict[str, str]] = {}
    for named, fingerprint in kept_contract(stores, release.contract).training.items():
        table, _, partition = named.rpartition("@")
        if table.startswith(VALIDATED) and partition != WHOLE:
            found.setdefault(table, {})[partition] = fingerprint
    return found


def _told(release: Release, table: str, days: list[str]) -> str:
    one = len(days) == 1
    said = f"1 day of {table} that holds" if one else f"{len(days)} days of {table} that hold"
    which = days[0] if one else f"{days[0]} to {days[-1]}"
    return f"version {release.version} was trained on {said} other rows by now: {which}"
