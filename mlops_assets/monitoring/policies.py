"""What may be asked to judge a batch, by name: the house's policies, or a function of your own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from mlops_assets.declaration.drift import CALIBRATED, Drift
from mlops_assets.errors import BadRequest
from mlops_assets.monitoring.article import article
from mlops_assets.monitoring.calibrated import Limits, calibrated
from mlops_assets.monitoring.findings import DriftReport
from mlops_assets.monitoring.own_policy import answer_of
from mlops_assets.monitoring.profile import Profile

# Reference, batch, and the reports of earlier windows, oldest first.
Policy: TypeAlias = Callable[[Profile, Profile, Sequence[DriftReport]], DriftReport]

POLICIES: dict[str, Policy] = {"calibrated": calibrated, "article": article}


def declared_policy(drift: Drift) -> Policy:
    """The policy that a model declares, with its limits."""
    if drift.policy != CALIBRATED:
        return policy(drift.policy)
    said = drift.limits.model_dump(exclude={"columns"})
    return partial(calibrated, limits=Limits(**said, column_warn_at=drift.limits.columns))


def policy(named: str) -> Policy:
    """The policy of that name, or the function at a dotted path such as ``package.module.function``.

    Raises BadRequest when there is no such policy or function. One's own raises it too when it is
    asked and fails, or answers what no report can say.

    >>> policy("article") is article
    True
    """
    if named in POLICIES:
        return POLICIES[named]
    module, _, function = named.rpartition(".")
    known = ", ".join(POLICIES)
    if not module:
        raise BadRequest(f"there is no drift policy {named!r}; there are {known}, or a dotted path")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise BadRequest(f"no function at {named!r}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise BadRequest(f"{named!r} is not a function")
    return partial(answer_of, named, found)
