"""What follows where requests have decided about a version that was tried. Without what trains, for the service."""

from __future__ import annotations

from typing import Protocol

from mlops_assets.governance.rollout import Judged
from mlops_assets.steps.standing import Standings, asked_for, waits_for_people
from mlops_assets.stores.reigns import ROLLOUT
from mlops_assets.stores.releases import Releases
from mlops_assets.stores.rollouts import Follows, Rollout, ask_to_reign, let_reign


class Trying(Standings, Protocol):
    """What of the stores is needed to carry a judgement out."""

    @property
    def releases(self) -> Releases: ...


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
    waits = waits_for_people(stores, release)
    if waits is not None:
        return None, f"version {version} waits for {waits}"
    asks = ask_to_reign(rollout, release, tier, by=ROLLOUT, reason=why)
    return asks, f"version {version} waits for the request that was made"
