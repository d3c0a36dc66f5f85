"""Two named sets of rows compared: a version with the events before a date, or a table with itself on other days."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from mlops_assets.data.sql import PARTITION
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.errors import BadRequest, UnknownName
from mlops_assets.monitoring.cells import Kind, Watched
from mlops_assets.monitoring.counting import by_column, cells_from, cells_query, values_query
from mlops_assets.monitoring.findings import DriftReport, Finding, report
from mlops_assets.monitoring.policies import policy
from mlops_assets.monitoring.profile import Profile
from mlops_assets.monitoring.tally import ROWS, tally
from mlops_assets.steps.question import pinned_question
from mlops_assets.steps.watching import both_sides, not_comparable, watched_days
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

SPELLINGS = (
    "MODEL or MODEL:VERSION with a batch that is an as-of date (2013-04-01), or TABLE@DAY or "
    "TABLE@FIRST..LAST on both sides (validated/flights@2013-02-01..2013-02-28)"
)
_VERSION = re.compile(r"^(?P<model>[a-z][a-z0-9_]*)(:(?P<version>\d+))?$")
_ROWS = re.compile(r"^(?P<table>[\w/]+)(@(?P<first>[^.@]+?)(\.\.(?P<last>[^.@]+))?)?$")


@dataclass(frozen=True)
class Skew:
    """What was found between two sets of rows."""

    report: DriftReport
    reference: Profile
    batch: Profile


def skew_of_version(stores: Stores, catalog: Catalog, model: Model, number: int | None, as_of: str) -> Skew:
    """The events before an as-of date beside what a version (default: the champion) was trained on.

    Judged as the model declares, without history: the answer depends on these two only.
    """
    try:
        date.fromisoformat(as_of)
    except ValueError as error:
        raise BadRequest(
            f"the batch of a model is an as-of date, found {as_of!r}, expected one such as 2013-04-01"
        ) from error
    version = _version(stores, model, number)
    why = not_comparable(catalog, model, version, as_of)
    if why is not None:
        raise BadRequest(f"{model.name} has nothing to be compared with: {why}")
    events, views = pinned_question(stores, catalog, model, watched_days(catalog, model, as_of))
    sides = both_sides(stores, catalog, model, version, events, views, as_of)
    return Skew(sides.judged(model.drift), sides.reference, sides.batch)


def skew_of_rows(stores: Stores, catalog: Catalog, baseline: str, batch: str, *, named: str) -> Skew:
    """Rows of a table beside other rows of it, or of another one with the same columns.

    Moments and keys are left out: they name rows, and are new in every batch.
    """
    before, after = _rows(stores, baseline), _rows(stores, batch)
    columns = _comparable(before.schema, after.schema, _key(catalog, before.table))
    if not columns:
        raise BadRequest(f"{before.table} and {after.table} have no column in common to compare")
    with stores.engine.session({"before": before, "after": after}) as session:
        cells = cells_from(session.rows(cells_query("before", columns)), columns)
        reference, current = (
            tally(session.batches(values_query(side, cells, block=by_column(PARTITION)), ROWS), cells)
            for side in ("before", "after")
        )
    found = policy(named)(reference, current, ())
    gone = list(_gone(before.schema, after.schema))
    return Skew(report(found.policy, found.rows, [*found.findings, *gone]), reference, current)


def version_named(baseline: str) -> tuple[str, int | None] | None:
    """The model and version that a baseline names; None when it names rows."""
    found = _VERSION.match(baseline)
    return None if found is None else (found["model"], int(found["version"]) if found["version"] else None)


def _version(stores: Stores, model: Model, number: int | None) -> Release:
    """A version by its number, or the one that reigns."""
    champion = stores.releases.champion(model.name)
    if champion is None:
        raise BadRequest(
            f"{model.name} has no released version to compare with; run mlops run {model.name} first"
        )
    if number is None:
        return champion
    versions = {release.version: release for release in stores.releases.versions(model.name)}
    if number not in versions:
        what = f"version of {model.name}"
        raise UnknownName.among(str(number), map(str, versions), what=what, asked_by="the baseline")
    return versions[number]


def _rows(stores: Stores, said: str) -> Pinned:
    found = _ROWS.match(said)
    if found is None:
        raise BadRequest(f"found {said!r}, expected {SPELLINGS}")
    first, last = found["first"], found["last"] or found["first"]
    if "/" not in found["table"]:
        raise BadRequest(
            f"found the table {found['table']!r}, expected its stage too: validated/{found['table']}"
        )
    table = found["table"]
    if first is None:
        return stores.lake.pin(table)
    # Of no partition, so that a day that nobody asked for and that is blocked refuses nothing.
    version = stores.lake.pin(table, ()).version
    there = [one.partition for one in stores.records.contents(table, up_to=version)]
    for end in (first, last):
        if end not in there and not _is_day(end):
            raise BadRequest(
                f"found {end!r} in {said!r}, expected a whole partition's name: a day such as 2013-02-01"
            )
    inside = [partition for partition in there if first <= partition <= last]
    if not inside:
        raise BadRequest(f"{table} has no partition in {said!r}; it has {there[0]} to {there[-1]}")
    return stores.lake.pin(table, inside, version=version)


def _is_day(said: str) -> bool:
    """Whether it is a day as partitions are named: of ISO 8601's spellings the one whose text sorts as time."""
    try:
        return date.fromisoformat(said).isoformat() == said
    except ValueError:
        return False


def _key(catalog: Catalog, lake_table: str) -> tuple[str, ...]:
    """The columns that name a row, where the table is one that a source declares."""
    stage, _, declared = lake_table.partition("/")
    known = stage in ("raw", "validated") and declared in catalog.tables
    return catalog.tables[declared].table.key if known else ()


def _comparable(before: pa.Schema, after: pa.Schema, key: tuple[str, ...]) -> list[Watched]:
    """The columns of both that have a distribution: no moments, no partition, no lists, no key."""
    found = []
    for field in before:
        shared = field.name in after.names and field.name not in (PARTITION, *key)
        kind = _kind(field.type)
        if shared and kind is not None and kind == _kind(after.field(field.name).type):
            found.append(Watched(field.name, kind))
    return found


def _gone(before: pa.Schema, after: pa.Schema) -> Iterator[Finding]:
    """The columns that the batch lacks, or has as something else: no distribution tells of these."""
    for field in before:
        if field.name not in after.names:
            why = f"{field.name}: {field.type} in the baseline, and not in the batch"
        elif _kind(field.type) != _kind(after.field(field.name).type):
            why = f"{field.name}: {field.type} in the baseline, {after.field(field.name).type} in the batch"
        else:
            continue
        yield Finding(field.name, "schema", "drift", "error", "type", None, why)


def _kind(stored: pa.DataType) -> Kind | None:
    if pa.types.is_integer(stored) or pa.types.is_floating(stored) or pa.types.is_decimal(stored):
        return "number"
    if pa.types.is_string(stored) or pa.types.is_large_string(stored) or pa.types.is_boolean(stored):
        return "category"
    return None
