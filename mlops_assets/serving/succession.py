"""The version before, kept while the one that took over is watched: it answers where that fails, and may come back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from mlops_assets.errors import ReleaseConflict
from mlops_assets.governance.contract import breaches
from mlops_assets.serving.released import Current, reigning
from mlops_assets.serving.shelves import Shelves
from mlops_assets.serving.watch import Watch
from mlops_assets.stores.reigns import SERVICE, Reign


class Succession:
    """One watch after another. watch: that of the version that answers; None where nothing is watched."""

    def __init__(self, shelves: Shelves, model: str) -> None:
        self._shelves, self._model = shelves, model
        self.watch: Watch | None = None

    def watched(self, current: Current) -> Watch | None:
        """The watch of a version, if it is watched."""
        return self.watch if self.watch is not None and self.watch.is_of(current) else None

    def loaded(self, version: int) -> Current | None:
        """The version before, if it is that one, so that it need not be loaded again."""
        former = self.watch.former if self.watch is not None else None
        return former if former is not None and former.released.release.version == version else None

    def watch_of(self, successor: Current, former: Current, reign: Reign) -> Watch | None:
        """How a version that takes over is watched: where it is new, and the one before can answer what it is asked.

        What reigned before is not new: somebody, or a watch, let it reign again, and what it follows was taken back.
        """
        before, after = former.released.contract, successor.released.contract
        able = before.edition == after.edition and not breaches(after, before)
        return Watch(successor, former) if able and self._is_new(reign) else None

    async def judge(self) -> None:
        """Let the version before reign again where the one that took over surely fails."""
        watch = self.watch
        if watch is None:
            return
        why = watch.verdict()
        if why is not None:
            await asyncio.to_thread(self._take_back, watch, why)
        elif watch.is_over:
            self.watch = None

    def _is_new(self, reign: Reign) -> bool:
        return all(
            one.version != reign.version or one.number >= reign.number
            for one in self._shelves.reigns.history(self._model)
        )

    def _take_back(self, watch: Watch, why: str) -> None:
        """Of several services that watch one does."""
        reign = reigning(self._shelves, self._model)
        if reign.version != watch.current.released.release.version:
            return
        version, at = watch.former.released.release.version, self._shelves.ledger.now()
        with suppress(ReleaseConflict):
            self._shelves.reigns.begin(
                self._model, version, after=reign.number, by=SERVICE, reason=why, at=at, run_id=""
            )
