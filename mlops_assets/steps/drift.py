"""Has the world moved since the champion learned it? A batch of events beside the profile it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.monitoring.checks import in_short, verdicts
from mlops_assets.monitoring.findings import DriftReport, Finding, report
from mlops_assets.monitoring.page import page, pictures, table
from mlops_assets.monitoring.profile import Profile
from mlops_assets.steps.training import one_row
from mlops_assets.steps.training_set import contents_read
from mlops_assets.steps.watching import Sides, both_sides, not_comparable, watched_days, windows
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

# Earlier windows that are looked at.
HISTORY = 26


@dataclass(frozen=True)
class Drifted:
    """What was found of a batch, and between which sides. champion: None when none reigned."""

    champion: Release | None
    report: DriftReport
    sides: Sides
    produced: Produced


def judge_drift(
    stores: Stores, catalog: Catalog, model: Model, events: Pinned, views: Mapping[str, Pinned], as_of: str
) -> Drifted:
    """Compare the window before ``as_of`` with what the champion of that time was trained on.

    Raises NotMaterialized when a day is missing, and GateRefusal when one of a view is of another version of it.
    """
    champion = stores.releases.reigned(model.name, until=as_of)
    if champion is None:
        return _nothing_to_compare_with(
            model, None, as_of, f"no version of {model.name} reigned before {as_of}"
        )
    why = not_comparable(catalog, model, champion, as_of)
    if why is not None:
        return _nothing_to_compare_with(model, champion, as_of, why)
    sides = both_sides(stores, catalog, model, champion, events, views, as_of)
    history = _history(stores, model, champion, as_of)
    found = sides.judged(model.drift, [one for _, one in history])
    horizon = watched_days(catalog, model, as_of)
    read = (
        *contents_read(events, views, horizon),
        *(content for content, _ in history if content is not None),
    )
    return Drifted(champion, found, sides, _produced(model, champion, found, as_of, read))


@dataclass(frozen=True)
class Shown:
    """A finding for people. pictures, table: Markdown. page: where the whole of it is."""

    pictures: str
    table: str
    page: Path
    facts: Mapping[str, str]


def show(stores: Stores, catalog: Catalog, model: Model, found: Drifted, as_of: str) -> Shown:
    """Write the page about a batch, and say the worst of it in short."""
    window, *earlier = windows(catalog, model, as_of)
    facts = {
        "verdict": found.report.verdict,
        "severity": found.report.severity or "none",
        "why": in_short(found.report),
        "compared_with": _compared_with(model, found.champion, len(earlier)),
        "window": " to ".join(window),
        "rows": f"{found.report.rows:,}",
    }
    title = f"{model.name}: drift as of {as_of}"
    about = {name: facts[name] for name in ("compared_with", "window")}
    text = page(title, found.report, found.sides.reference, found.sides.batch, about)
    return Shown(
        pictures=pictures(found.report, found.sides.reference, found.sides.batch),
        table=table(found.report),
        page=stores.reports.save(f"{model.name}/{as_of}/drift.html", text),
        facts=facts,
    )


def _compared_with(model: Model, champion: Release | None, earlier: int) -> str:
    """earlier: how many windows of a season there are."""
    if champion is None:
        return "nothing: no version reigned before"
    season = model.drift.season
    if season is None:
        return f"what version {champion.version}, as of {champion.as_of}, was trained on"
    there = f"{earlier} of {season.periods} earlier windows, {season.every_days} days apart"
    return f"{there}; scores by version {champion.version}"


def _history(
    stores: Stores, model: Model, champion: Release, as_of: str
) -> list[tuple[Content | None, DriftReport]]:
    """Reports on earlier windows that do not overlap, of the same champion and declaration, oldest first.

    A window without such a report is one of which nothing is known, so that "in a row" means it.
    """
    table = f"{model.name}/drift_report"
    end = date.fromisoformat(as_of)
    ends = [
        (end - timedelta(days=model.drift.window_days * age)).isoformat() for age in range(1, HISTORY + 1)
    ]
    if not stores.records.contents(table, partitions=ends):
        return []
    pinned = stores.lake.pin(table, ends)
    rows = stores.engine.rows("SELECT * FROM reports", {"reports": pinned}).to_pylist()
    found = {
        row["as_of"]: (pinned.among([row["as_of"]])[0], DriftReport.from_dict(json.loads(row["report"])))
        for row in rows
        if (row["model_digest"], row["declared"]) == (champion.model_digest, meaning(model.drift))
    }
    unknown = (None, DriftReport(model.drift.policy, 0, "not enough data", None, ()))
    return [found.get(day, unknown) for day in reversed(ends)]


def _nothing_to_compare_with(model: Model, champion: Release | None, as_of: str, why: str) -> Drifted:
    nothing = Sides(Profile(0, {}), Profile(0, {}), (), None)
    lacks = Finding("all columns", "reference", "not enough data", None, "rows", None, why)
    found = report(model.drift.policy, 0, [lacks])
    return Drifted(champion, found, nothing, _produced(model, champion, found, as_of, ()))


def _produced(
    model: Model, champion: Release | None, report: DriftReport, as_of: str, read: tuple[Content, ...]
) -> Produced:
    values: dict[str, Any] = {
        "as_of": as_of,
        "champion_version": champion.version if champion else 0,
        "model_digest": champion.model_digest if champion else "",
        "policy": model.drift.policy,
        "declared": meaning(model.drift),
        "verdict": report.verdict,
        "severity": report.severity or "none",
        "rows": report.rows,
        "report": json.dumps(report.to_dict(), sort_keys=True),
    }
    made = one_row(values, as_of)
    return replace(made, reads={as_of: read}, verdicts={as_of: verdicts(report)})
