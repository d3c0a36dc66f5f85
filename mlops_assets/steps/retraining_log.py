"""The loop as one table: why was looked, what was trained, what was decided of it, and whether that was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from mlops_assets.monitoring.timeline import Colour, Mark, Stretch, timeline
from mlops_assets.stores.retrainings import VerifiedRelease
from mlops_assets.stores.stores import Stores

BY_HAND = "by hand"
LOOKED, TRAINED, JUDGED, VERIFIED, REIGNS = "looked", "trained", "judged", "verified", "reigns"
HEADS = ("as of", "by", "why", "trained", "verdict", "version", "later days said")


@dataclass(frozen=True)
class Turn:
    """One reason to look and all that came of it; empty where nothing has come yet.

    asks: whether a challenger was to be trained; trained: whether it is there. verdict: of its gate. version: that
    it became. verified: the newest that later days said of it, and as of which date. run_id: of the Dagster run
    that judged it.
    """

    as_of: str
    at: str
    by: str
    reason: str
    asks: bool
    trained: bool = False
    verdict: str = ""
    version: int | None = None
    verified: str = ""
    verified_as_of: str = ""
    run_id: str = ""

    def told(self) -> list[str]:
        """Its cells, as ``HEADS`` names them."""
        trained = "yes" if self.trained else "not yet" if self.asks else "no"
        version = "" if self.version is None else str(self.version)
        return [self.as_of, self.by, self.reason, trained, self.verdict, version, self.verified]


def turns(stores: Stores, model: str) -> list[Turn]:
    """Every answer of the loop, and every training that nobody asked the loop for; by as-of date."""
    outcomes = _Outcomes.of(stores, model)
    decided = stores.retrainings.history(model)
    asked = [Turn(one.as_of, one.at, one.by, one.reason, one.trains) for one in decided]
    of_the_loop = {one.as_of for one in decided if one.trains}
    unasked = [
        Turn(as_of, at, BY_HAND, "", asks=False)
        for as_of, at in outcomes.trained.items()
        if as_of not in of_the_loop
    ]
    found = [outcomes.of_turn(turn) for turn in [*asked, *unasked]]
    return sorted(found, key=lambda turn: (turn.as_of, turn.at))


def drawn(stores: Stores, model: str, log: Sequence[Turn]) -> str:
    """The timeline as an SVG: what happened for which as-of date, and who reigned from which on."""
    marks = [mark for turn in log for mark in _marks(turn)]
    versions = {one.version: one.as_of for one in stores.releases.versions(model)}
    said = stores.retrainings.verifications(model)
    begun: list[tuple[str, str]] = []
    for one in stores.reigns.history(model):
        first = versions[one.version]
        if begun and first <= begun[-1][0]:
            # A version that reigns again does so from the newest date on that anything was known of by then.
            looked = [turn.as_of for turn in log if turn.at <= one.since]
            spoken = [found.as_of for found in said if found.reign == one.number - 1]
            first = max([begun[-1][0], *looked, *spoken])
        begun.append((first, f"version {one.version}"))
    newest = max([*(mark.day for mark in marks), *(day for day, _ in begun)], default="")
    end = (date.fromisoformat(newest) + timedelta(days=1)).isoformat() if newest else ""
    stretches = [Stretch(first, until, label) for (first, label), (until, _) in pairwise([*begun, (end, "")])]
    rows = (LOOKED, TRAINED, JUDGED, VERIFIED)
    return timeline(f"{model}: what led to training, and what came of it", rows, marks, REIGNS, stretches)


@dataclass(frozen=True)
class _Outcomes:
    """What came of trainings. trained: as-of date -> when. judged: as-of date -> the newest verdict."""

    trained: Mapping[str, str]
    judged: Mapping[str, Mapping[str, Any]]
    verified: Mapping[int, VerifiedRelease]

    @classmethod
    def of(cls, stores: Stores, model: str) -> _Outcomes:
        return cls(
            trained=stores.records.written_at(f"{model}/model"),
            judged={one["as_of"]: one for one in stores.releases.history(model)},
            verified={one.version: one for one in stores.retrainings.verifications(model)},
        )

    def of_turn(self, turn: Turn) -> Turn:
        there = self.trained.get(turn.as_of, "") >= turn.at
        if not there or (turn.by != BY_HAND and not turn.asks):
            return turn
        judged = self.judged.get(turn.as_of)
        if judged is None:
            return replace(turn, trained=True)
        made = replace(
            turn, trained=True, verdict=judged["verdict"], version=judged["version"], run_id=judged["run_id"]
        )
        said = self.verified.get(made.version) if made.version is not None else None
        if said is None:
            return made
        return replace(made, verified=f"{said.answer}: {said.sentence}", verified_as_of=said.as_of)


def _marks(turn: Turn) -> list[Mark]:
    told = f"{turn.as_of}: {turn.reason or BY_HAND}"
    found = []
    if turn.by != BY_HAND:
        found.append(Mark(turn.as_of, LOOKED, "amber" if turn.asks else "grey", told))
    if turn.trained:
        found.append(Mark(turn.as_of, TRAINED, "blue", told))
    if turn.verdict:
        promoted = turn.verdict == "promote"
        found.append(
            Mark(turn.as_of, JUDGED, "green" if promoted else "grey", f"{turn.as_of}: {turn.verdict}")
        )
    if turn.verified:
        bad = turn.verified.startswith(("worse", "rolled back"))
        waits = turn.verified.startswith("waiting")
        colour: Colour = "red" if bad else "grey" if waits else "green"
        found.append(Mark(turn.verified_as_of, VERIFIED, colour, turn.verified))
    return found
