"""A version is tried beside the one that reigns: people begin and end that."""

from __future__ import annotations

import math

from mlops_assets.declaration.serving import MOST_SHARE, Canary
from mlops_assets.errors import BadRequest
from mlops_assets.governance.rollout import Kind, Limits
from mlops_assets.steps.reigns import require_whole
from mlops_assets.stores.reigns import require_person
from mlops_assets.stores.rollouts import Rollout
from mlops_assets.stores.stores import Stores


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


def limits_of(canary: Canary) -> Limits:
    """When a canary that is declared ends; it reigns when it has passed."""
    seconds = canary.lasts.total_seconds()
    return Limits(at_least=canary.at_least, seconds=seconds, then="promote", apart=canary.apart)


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
