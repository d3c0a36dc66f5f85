"""A version is tried beside the one that reigns; people begin and end that, and requests decide."""

from __future__ import annotations

import math
from typing import Protocol

from mlops_assets.errors import BadRequest
from mlops_assets.governance.rollout import MOST_SHARE, Judged, Kind, Limits
from mlops_assets.steps.reigns import require_whole
from mlops_assets.steps.standing import Standings, asked_for, waits_for
from mlops_assets.stores.reigns import ROLLOUT, require_person
from mlops_assets.stores.releases import Releases
from mlops_assets.stores.rollouts import Follows, Rollout, Rollouts, ask_to_reign, let_reign
from mlops_assets.stores.stores import Stores


class Trying(Standings, Protocol):
    """What of the stores is needed to carry a judgement out."""

    @property
    def releases(self) -> Releases: ...
    @property
    def rollouts(self) -> Rollouts: ...


def start(
    stores: Stores,
    model: str,
    version: int,
    kind: Kind,
    share: float,
    limits: Limits,
    *,
    by: str,
    reason: str,
) -> Rollout:
    """Begin to try a version: one that reigned, or that was released and waits. Services notice by themselves.

    Raises BadRequest when there is no such version, it reigns, another is tried, or something is out of its range, and
    ArtifactMismatch when its files are not the ones that were released.
    """
    _require_signed(by, reason)
    _require_sensible(kind, share, limits)
    release = stores.releases.version(model, version)
    if release is None:
        known = ", ".join(str(one.version) for one in stores.releases.versions(model)) or "none"
        raise BadRequest(f"{model} has no version {version}; released ones: {known}")
    require_whole(stores, release)
    return stores.rollouts.start(model, version, kind, share, limits, by=by.strip(), reason=reason.strip())


def change_share(stores: Stores, model: str, share: float, *, by: str, reason: str) -> Rollout:
    """Let a canary answer another share of the requests. Raises BadRequest when none is open."""
    _require_signed(by, reason)
    found = open_rollout(stores, model)
    if found.kind != "canary":
        raise BadRequest(f"rollout {found.number} of {model} is a shadow, which sees all requests")
    _require_sensible(found.kind, share, found.limits)
    return stores.rollouts.go_on(found, "share changed", share=share, by=by.strip(), reason=reason.strip())


def stop(stores: Stores, model: str, *, by: str, reason: str) -> Rollout:
    """End a rollout. Raises BadRequest when none is open."""
    _require_signed(by, reason)
    return stores.rollouts.go_on(open_rollout(stores, model), "stopped", by=by.strip(), reason=reason.strip())


def open_rollout(stores: Stores, model: str) -> Rollout:
    """The one that is open. Raises BadRequest when none is."""
    found = stores.rollouts.current(model)
    if found is None:
        raise BadRequest(f"no rollout of {model} is open; `mlops rollout start {model} VERSION` begins one")
    return found


def settle(stores: Trying, rollout: Rollout, judged: Judged) -> Rollout:
    """Write down that a rollout failed or passed, once, and do what follows in the same transaction.

    Raises RolloutConflict when it went on or ended meanwhile, and ReleaseConflict when another version reigns by now.
    """
    if judged.answer == "passed" and rollout.limits.then == "promote":
        follows, told = _promotion(stores, rollout, judged.sentence)
        reason = f"{judged.sentence}; {told}"
    else:
        follows, reason = None, judged.sentence
    return stores.rollouts.go_on(
        rollout,
        "passed" if judged.answer == "passed" else "failed",
        by=ROLLOUT,
        reason=reason,
        evidence=judged.evidence,
        follows=follows,
    )


def _promotion(stores: Trying, rollout: Rollout, why: str) -> tuple[Follows | None, str]:
    """What lets a version that passed reign, or asks for it; and that in words.

    As of any version: who reigned before needs nobody, of others the policy is asked.
    """
    model, version = rollout.model, rollout.version
    reigned = any(one.version == version for one in stores.reigns.history(model))
    tier = None if reigned else asked_for(stores, "promote", f"model:{model}")
    if tier is None:
        return let_reign(rollout, by=ROLLOUT, reason=why), f"version {version} reigns"
    release = stores.releases.version(model, version)
    assert release is not None
    waits = waits_for(stores, release)
    if waits is not None:
        return None, f"version {version} waits for {waits}"
    asks = ask_to_reign(rollout, release, tier, by=ROLLOUT, reason=why)
    return asks, f"version {version} waits for the request that was made"


def _require_signed(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        raise BadRequest(
            "a rollout needs the name of who asks for it and the reason; found one of them empty"
        )
    require_person(by)


def _require_sensible(kind: Kind, share: float, limits: Limits) -> None:
    if kind == "canary" and not 0 < share <= MOST_SHARE:
        raise BadRequest(
            f"found a share of {share:g}, expected one above 0 and at most {MOST_SHARE:g}; what answers more reigns"
        )
    if limits.at_least < 1 or not (math.isfinite(limits.seconds) and limits.seconds >= 0):
        raise BadRequest(
            f"found at least {limits.at_least} requests for {limits.seconds:g} s, expected 1 and 0 s or more"
        )
