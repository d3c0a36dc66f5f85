"""Was the release right? Later days decide whether it is kept, or the version before reigns again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlops_assets.declaration.model import Model
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.governance.verification import CHECK, Verified, verified
from mlops_assets.monitoring.performance import PerformanceReport
from mlops_assets.steps.mirror import show
from mlops_assets.steps.performance import recorded_performance
from mlops_assets.steps.reigns import require_whole
from mlops_assets.steps.training import one_row
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.reigns import GATE, ROLLOUT, SERVICE, VERIFICATION, Reign
from mlops_assets.stores.releases import Release
from mlops_assets.stores.retrainings import VerifiedRelease
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

# Answers beside those of the days: there was no comparison to make.
NOTHING = "nothing to verify"


def verify(
    stores: Stores, tracking: Tracking, model: Model, report: Pinned, as_of: str, *, at: str, run_id: str
) -> Produced:
    """What the days that a performance report knows say of the current reign; acted upon and written down.

    A version that the gate or a rollout released and that surely loses more than the one before is taken back, if the
    declaration allows it; the one that it was compared with reigns again at once. What a person released is told of,
    and stays until a person says so. Asked again it does nothing again. Raises ArtifactMismatch when the files of the
    version before are not the ones that were released, ReleaseConflict when another reign began meanwhile; then nothing
    is taken back, nor said to be.
    """
    reign = stores.reigns.current(model.name)
    found = recorded_performance(stores, model, [as_of])[as_of]
    why_not = _why_not(stores, model, reign, found)
    if reign is None or why_not is not None:
        return _produced(as_of, report, Verified("waiting", why_not or NOTHING), 0, NOTHING)
    daily = _since(stores, model, reign, found)
    said = verified(list(daily.values()), model.retraining.verification)
    acts = said.answer == "worse" and reign.by in (GATE, ROLLOUT) and model.retraining.verification.rollback
    answer = "rolled back" if acts else said.answer
    told = VerifiedRelease(
        model.name, reign.number, reign.version, as_of, answer, said.sentence, daily, at, run_id
    )
    if acts:
        _take_back(stores, tracking, told, _version(stores, model.name, found.predecessor))
    else:
        stores.retrainings.add_verification(told)
    return _produced(as_of, report, said, reign.version, answer)


def _take_back(stores: Stores, tracking: Tracking, told: VerifiedRelease, before: Release) -> None:
    require_whole(stores, before)
    stores.retrainings.take_back(told, before.version)
    show(stores, tracking, before)


def _why_not(stores: Stores, model: Model, reign: Reign | None, found: PerformanceReport) -> str | None:
    """Why there is nothing to verify; None when there is."""
    if reign is None:
        return f"no version of {model.name} reigns"
    if found.champion != reign.version:
        about = "no version" if found.champion is None else f"version {found.champion}"
        return f"the report is about {about}, and version {reign.version} reigns"
    if reign.by in (VERIFICATION, SERVICE):
        return f"version {reign.version} reigns again since {reign.since}, because the one after it was worse"
    if found.predecessor is None:
        return f"version {reign.version} has none before it to be compared with{_because(found.without)}"
    done = [one for one in stores.retrainings.verifications(model.name) if one.reign == reign.number]
    if any(one.answer == "kept" for one in done):
        return f"version {reign.version} was kept for good"
    return None


def _version(stores: Stores, model: str, number: int | None) -> Release:
    release = None if number is None else stores.releases.version(model, number)
    assert release is not None
    return release


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _since(stores: Stores, model: Model, reign: Reign, newest: PerformanceReport) -> Mapping[str, float]:
    """The improvements of the days since the version was made, which nobody knew then, oldest first.

    A report knows the days of its window, so those of earlier ones are added; of two that know a day the later counts.
    """
    release = _version(stores, reign.model, reign.version)
    table = f"{reign.model}/performance_report"
    since = [
        one.partition
        for one in stores.records.contents(table)
        if release.as_of < one.partition <= newest.as_of
    ]
    reports = recorded_performance(stores, model, since)
    same = [
        one
        for one in reports.values()
        if (one.champion, one.predecessor) == (newest.champion, newest.predecessor)
    ]
    found: dict[str, float] = {}
    for report in sorted(same, key=lambda one: one.as_of):
        lost = report.losses
        found |= {day: other - lost[day] for day, other in report.predecessors.items() if day in lost}
    return {day: value for day, value in sorted(found.items()) if day >= release.as_of}


def _produced(as_of: str, report: Pinned, said: Verified, version: int, answer: str) -> Produced:
    values = {"as_of": as_of, "version": version, "answer": answer, "sentence": said.sentence}
    verdict = Verdict(CHECK, said.answer != "worse", said.sentence, error=said.answer == "worse")
    return replace(one_row(values, as_of, report), verdicts={as_of: (verdict,)})
