"""Values that the reference never held: a model has learned nothing about them, however they came about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops_assets.monitoring.cells import Edges
from mlops_assets.monitoring.findings import Finding
from mlops_assets.monitoring.profile import ColumnProfile, IntArray

UNSEEN = "unseen"
MEASURE = "share of rows"


@dataclass(frozen=True)
class Unseen:
    """Shares of usable rows. share: of the batch, with values that the reference never held.

    usual: of the reference itself: numbers beyond its own cells, which were chosen on a sample; or
    categories that were new in its last days, as every value of a column that names rows is.
    """

    share: float = 0.0
    usual: float = 0.0

    @property
    def beyond_usual(self) -> float:
        return max(0.0, self.share - self.usual)


def unseen_shares(reference: ColumnProfile, batch: ColumnProfile) -> Unseen:
    """Nought where a side has no usable rows. Of categories that are sampled, what is sure."""
    if not batch.usable or not reference.usable:
        return Unseen()
    if reference.others is not None and batch.others is not None:
        new = batch.others.rows_not_in(reference.others)
        return Unseen(min(new, batch.counts[-1]) / batch.usable, _new_of_late(reference, batch.usable))
    return Unseen(batch.outside, reference.outside)


def unseen(reference: ColumnProfile, batch: ColumnProfile, warn_at: float) -> Finding | None:
    """What there is to say of more than ``warn_at`` beyond the usual. Not a test but a fact.

    It warns and no more: a summer is unseen to what was trained in winter, and may be predicted well.
    """
    found = unseen_shares(reference, batch)
    if found.beyond_usual <= warn_at:
        return None
    numbers = isinstance(reference.cells, Edges)
    what = (
        "lie beyond everything in the reference"
        if numbers
        else "are of categories that were not in the reference"
    )
    where = "there too" if numbers else "new in its own last days"
    usual = f" ({found.usual:.1%} are {where})" if found.usual else ""
    return Finding(
        column=reference.watched.name,
        test=UNSEEN,
        verdict="drift",
        severity="warn",
        measure=MEASURE,
        effect=found.share,
        sentence=(
            f"{reference.watched.name}: {found.share:.1%} of the rows {what}{usual}; "
            f"more than {warn_at:g} beyond the usual is a warning"
        ),
        values={"share": found.share, "usual": found.usual, "floor": warn_at},
    )


def _new_of_late(reference: ColumnProfile, rows: int) -> float:
    """The share of new categories in the last blocks of the reference: about ``rows`` rows, at most half of it.

    Nought when there is one block only: then nothing is known of what is usual.
    """
    names, counts = sorted(reference.blocks), reference.block_counts()[:, :-1]
    start = _late(counts.sum(axis=1), rows)
    late, early = counts[start:].sum(axis=0), counts[:start].sum(axis=0)
    if reference.others is None or not early.sum() or not late.sum():
        return 0.0
    listed = late[:-1][early[:-1] == 0].sum()
    others = min(reference.others.rows_first_seen_from(names[start]), late[-1])
    return float((listed + others) / late.sum())


def _late(sizes: IntArray, rows: int) -> int:
    """Where the last blocks begin that have this many rows together, in the second half at the earliest."""
    half = (len(sizes) + 1) // 2
    from_here = np.cumsum(sizes[::-1])[::-1]
    enough = np.flatnonzero(from_here >= rows)
    return max(half, int(enough[-1]) if len(enough) else 0)
