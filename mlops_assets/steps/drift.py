"""Has the world moved since the champion learned it? A batch of events beside the profile it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

from mlops_assets.data.training_set import USE, Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.errors import NotMaterialized
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.modeling.serialization import PROFILE, from_files
from mlops_assets.modeling.training import score
from mlops_assets.monitoring.findings import DriftReport
from mlops_assets.monitoring.page import page, pictures, table
from mlops_assets.monitoring.policies import declared_policy
from mlops_assets.monitoring.profile import Profile, merge
from mlops_assets.steps.population import RELATIONS, answered, asked, between, came_true, profile
from mlops_assets.steps.training import one_row
from mlops_assets.steps.training_set import contents_read, gathered, with_features
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

# Earlier windows that are looked at.
HISTORY = 26


DRIFT, SHIFT = "drift", "shift"


@dataclass(frozen=True)
class Drifted:
    """What was found of a batch, and between which profiles. champion: None when none reigned."""

    champion: Release | None
    report: DriftReport
    reference: Profile
    batch: Profile
    produced: Produced


def judge_drift(
    stores: Stores, catalog: Catalog, model: Model, events: Pinned, views: Mapping[str, Pinned], as_of: str
) -> Drifted:
    """Compare the window before ``as_of`` with what the champion of that time was trained on.

    Raises NotMaterialized when a day is missing.
    """
    champion = stores.releases.reigned(model.name, until=as_of)
    if champion is None:
        return _nothing_to_compare_with(model, as_of)
    timezone = catalog.table(model.label.table, asked_by=model.name).source.zone
    horizon = Horizon.watched(date.fromisoformat(as_of), model.drift.days, timezone)
    files = stores.artifacts.load(champion.artifact_digest)
    trained_on = trained_profile(champion, files)
    windows = _windows(model, as_of)
    profiles = _profiles(stores, catalog, model, events, views, horizon, files, trained_on, windows)
    batch, *earlier = profiles
    reference = reduce(merge, earlier) if earlier else trained_on
    history = _history(stores, model, champion, as_of)
    found = declared_policy(model.drift)(reference, batch, [one for _, one in history])
    read = (*contents_read(events, views, horizon), *(content for content, _ in history))
    return Drifted(champion, found, reference, batch, _produced(model, champion, found, as_of, read))


@dataclass(frozen=True)
class Shown:
    """A finding for people. pictures, table: Markdown. page: where the whole of it is."""

    pictures: str
    table: str
    page: Path
    facts: Mapping[str, str]


def show(stores: Stores, model: Model, found: Drifted, as_of: str) -> Shown:
    """Write the page about a batch, and say the worst of it in short."""
    facts = {
        "verdict": found.report.verdict,
        "severity": found.report.severity or "none",
        "why": "; ".join(found.report.told()),
        "compared_with": _compared_with(model, found.champion),
        "window": " to ".join(_windows(model, as_of)[0]),
        "rows": f"{found.report.rows:,}",
    }
    title = f"{model.name}: drift as of {as_of}"
    text = page(title, found.report, found.reference, found.batch, facts)
    return Shown(
        pictures=pictures(found.report, found.reference, found.batch),
        table=table(found.report),
        page=stores.reports.save(f"{model.name}/{as_of}/drift.html", text),
        facts=facts,
    )


def trained_profile(release: Release, files: Mapping[str, bytes]) -> Profile:
    """The profile that is kept with a version. Raises NotMaterialized when there is none."""
    if PROFILE not in files:
        raise NotMaterialized(
            f"{release.model} version {release.version} keeps no profile of what it was trained on; "
            f"train it again: mlops run {release.model} --as-of {release.as_of} --again"
        )
    return Profile.from_dict(json.loads(files[PROFILE]))


def verdicts(report: DriftReport) -> tuple[Verdict, ...]:
    """Both checks: one fails on an error only, the other on a warning too."""
    told = "; ".join(report.told())
    return (
        Verdict(DRIFT, report.severity != "error", told),
        Verdict(SHIFT, report.verdict != "drift", told),
    )


def _compared_with(model: Model, champion: Release | None) -> str:
    if champion is None:
        return "nothing: no version reigned before"
    season = model.drift.season
    if season is None:
        return f"what version {champion.version}, as of {champion.as_of}, was trained on"
    return f"{season.periods} earlier windows, {season.every_days} days apart; scores by version {champion.version}"


def _windows(model: Model, as_of: str) -> list[tuple[str, str]]:
    """First and last day of the batch, and then of each earlier window that it is compared with."""
    season = model.drift.season
    ages = [0] if season is None else [season.every_days * period for period in range(season.periods + 1)]
    end = date.fromisoformat(as_of) - timedelta(days=1)
    first = end - timedelta(days=model.drift.window_days - 1)
    return [
        ((first - timedelta(days=age)).isoformat(), (end - timedelta(days=age)).isoformat()) for age in ages
    ]


def _profiles(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    events: Pinned,
    views: Mapping[str, Pinned],
    horizon: Horizon,
    files: Mapping[str, bytes],
    trained_on: Profile,
    windows: Sequence[tuple[str, str]],
) -> list[Profile]:
    """The profile of each window, in the cells of the reference."""
    timezone = catalog.tables[model.label.table].source.timezone
    champion = from_files(files)
    with gathered(stores.engine, catalog, model, events, views, horizon) as session:
        session.keep("requests", f"SELECT * FROM events WHERE {USE} <> 'unlabelled'")
        session.keep("watched", with_features(catalog, model, views, "requests"))
        rows = session.rows("SELECT * FROM watched ORDER BY event_time").to_pandas()
        scored = answered(rows, score(champion.model, champion.inputs, rows), timezone)
        session.keep("all_asked", asked(catalog, model, "watched", timezone))
        known = f"(SELECT * FROM watched WHERE {USE} = 'evaluate')"
        session.keep("all_came_true", came_true(known, timezone))
        session.register("all_answered", scored)
        profiles = []
        for window in windows:
            for relation in RELATIONS.values():
                session.keep(relation, between(f"all_{relation}", window))
            profiles.append(profile(session, trained_on.cells))
    return profiles


def _history(
    stores: Stores, model: Model, champion: Release, as_of: str
) -> list[tuple[Content, DriftReport]]:
    """Reports on earlier windows that do not overlap, of the same champion by the same policy, oldest first."""
    table = f"{model.name}/drift_report"
    end = date.fromisoformat(as_of)
    ends = [
        (end - timedelta(days=model.drift.window_days * age)).isoformat() for age in range(1, HISTORY + 1)
    ]
    if not stores.records.contents(table, partitions=ends):
        return []
    pinned = stores.lake.pin(table, ends)
    rows = stores.engine.rows("SELECT * FROM reports ORDER BY as_of", {"reports": pinned}).to_pylist()
    return [
        (pinned.among([row["as_of"]])[0], DriftReport.from_dict(json.loads(row["report"])))
        for row in rows
        if (row["model_digest"], row["policy"]) == (champion.model_digest, model.drift.policy)
    ]


def _nothing_to_compare_with(model: Model, as_of: str) -> Drifted:
    empty = Profile(0, {})
    sentence = f"no version of {model.name} reigned before {as_of}"
    found = DriftReport(model.drift.policy, 0, "not enough data", None, ())
    made = _produced(model, None, found, as_of, ())
    said = tuple(Verdict(check, True, sentence) for check in (DRIFT, SHIFT))
    return Drifted(None, found, empty, empty, replace(made, verdicts={as_of: said}))


def _produced(
    model: Model, champion: Release | None, report: DriftReport, as_of: str, read: tuple[Content, ...]
) -> Produced:
    values: dict[str, Any] = {
        "as_of": as_of,
        "champion_version": champion.version if champion else 0,
        "model_digest": champion.model_digest if champion else "",
        "policy": model.drift.policy,
        "verdict": report.verdict,
        "severity": report.severity or "none",
        "rows": report.rows,
        "report": json.dumps(report.to_dict(), sort_keys=True),
    }
    made = one_row(values, as_of)
    return replace(made, reads={as_of: read}, verdicts={as_of: verdicts(report)})
