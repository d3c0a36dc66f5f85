"""A day of a service judged: from what it answered, what its windows say, and what was known when it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import USE
from mlops_assets.errors import ArtifactMismatch, NotMaterialized
from mlops_assets.governance.contract import Contract
from mlops_assets.governance.served_prediction import TABLE, ServedPrediction
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.made import Made
from mlops_assets.monitoring.service import Answered, ServiceReport, verdicts
from mlops_assets.monitoring.service_day import report
from mlops_assets.steps.contract import kept_contract
from mlops_assets.steps.evaluation import loaded_model
from mlops_assets.steps.predictions import served
from mlops_assets.steps.served_parity import compare_served
from mlops_assets.steps.served_windows import windows_of
from mlops_assets.steps.training import one_row
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores


@dataclass(frozen=True)
class Judged:
    """What was found of a day, and as what it is written."""

    report: ServiceReport
    produced: Produced


def judge_service(stores: Stores, catalog: Catalog, model: Model, day: str) -> Judged:
    """Judge what was answered on a day, as ``<model>/predictions`` has it. Raises NotMaterialized when it has not."""
    pinned = stores.lake.pin(f"{model.name}/{TABLE}", [day])
    pinned.require(pinned.absent)
    said = served(stores, model.name, [day]).get(day, [])
    versions = {one.version for one in said}
    releases = {one.version: one for one in stores.releases.versions(model.name) if one.version in versions}
    thresholds = dict(_thresholds(stores, releases))
    expected, read = _expected(stores, releases, thresholds)
    parity, of_views = compare_served(stores, catalog, model, said, releases)
    zone = catalog.tables[model.label.table].source.zone
    found = report(
        day,
        list(_answered(said, thresholds)),
        windows_of(stores, model.name, zone, day),
        expected,
        parity,
    )
    values = {
        "day": day,
        "requests": found.requests,
        "rows": found.rows,
        "failed": found.failed,
        "report": json.dumps(found.to_dict(), sort_keys=True),
    }
    contents = dict.fromkeys((*pinned.contents, *read, *of_views))
    said_of = verdicts(found, model.contract.objectives, model.serving)
    made = replace(one_row(values, day), reads={day: tuple(contents)}, verdicts={day: said_of})
    return Judged(found, made)


def _answered(said: Sequence[ServedPrediction], thresholds: Mapping[int, float]) -> Iterator[Answered]:
    """Each request. said: in order of time, the rows of a request together. thresholds: of versions that are known."""
    for _, rows in groupby(said, key=attrgetter("predicted_at", "request_id")):
        first, *more = rows
        positive = sum(
            one.probability >= thresholds.get(one.version, Contract.threshold) for one in (first, *more)
        )
        yield Answered(first.predicted_at, first.version, first.milliseconds, 1 + len(more), positive)


def _thresholds(stores: Stores, releases: Mapping[int, Release]) -> Iterator[tuple[int, float]]:
    """Version -> from which probability a row of it is of the positive class."""
    for version, release in releases.items():
        # Who moved a contract away is told by other checks; here nothing is known of that version.
        with suppress(ArtifactMismatch):
            yield version, kept_contract(stores, release.contract).threshold


def _expected(
    stores: Stores, releases: Mapping[int, Release], thresholds: Mapping[int, float]
) -> tuple[dict[int, float], list[Content]]:
    """Version -> the share of the positive class it answered when it was evaluated, and what that was read from."""
    shares: dict[int, float] = {}
    read: list[Content] = []
    for version, threshold in thresholds.items():
        try:
            shares[version], contents = _share(stores, releases[version], threshold)
        except (ArtifactMismatch, NotMaterialized):
            # Who moved it away is told by other checks; here nothing is known of that version.
            continue
        read += contents
    return shares, read


def _share(stores: Stores, release: Release, threshold: float) -> tuple[float, tuple[Content, ...]]:
    """Of the rows that were kept from training, and their partition."""
    made = Made.of(stores.artifacts.load(release.artifact_digest)).rows
    pinned = stores.lake.pin(made.table, [made.partition], version=made.version)
    rows = stores.engine.rows(
        f"SELECT * FROM training_set WHERE {USE} = 'evaluate'", {"training_set": pinned}
    )
    if not len(rows):
        raise NotMaterialized(f"{made.table} of {made.partition} has no row to evaluate on")
    loaded = loaded_model(stores, release.artifact_digest)
    scores = score(loaded.model, loaded.inputs, rows.to_pandas())
    return float((scores >= threshold).mean()), pinned.contents
