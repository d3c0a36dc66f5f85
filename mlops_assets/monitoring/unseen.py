"""Values that the reference never held: a model has learned nothing about them, however they came about."""

from __future__ import annotations

from mlops_assets.monitoring.cells import Edges
from mlops_assets.monitoring.findings import Finding
from mlops_assets.monitoring.profile import ColumnProfile

UNSEEN = "unseen"
MEASURE = "share of rows"


def unseen_share(reference: ColumnProfile, batch: ColumnProfile) -> float:
    """The share of the batch's usable rows beyond the outermost cells or of categories that have none.

    Of these the share that the reference has there too is seen: it may be of other rows than the cells.
    """
    if not batch.usable or not reference.usable:
        return 0.0
    return max(0.0, _outside(batch) - _outside(reference))


def _outside(column: ColumnProfile) -> float:
    if not isinstance(column.cells, Edges):
        return column.counts[-1] / column.usable
    return (column.counts[0] + column.counts[-1]) / column.usable if column.cells.edges else 0.0


def unseen(reference: ColumnProfile, batch: ColumnProfile, warn_at: float) -> Finding | None:
    """What there is to say of more than ``warn_at``. Not a test but a fact: no number of rows makes it chance.

    It warns and no more: a summer is unseen to what was trained in winter, and may be predicted well.
    """
    share = unseen_share(reference, batch)
    if share <= warn_at:
        return None
    numbers = isinstance(reference.cells, Edges)
    what = "lie beyond everything" if numbers else "are of categories that were not"
    return Finding(
        column=reference.watched.name,
        test=UNSEEN,
        verdict="drift",
        severity="warn",
        measure=MEASURE,
        effect=share,
        sentence=(
            f"{reference.watched.name}: {share:.1%} of the rows {what} in the reference; "
            f"above {warn_at:g} is a warning"
        ),
        values={"share": share, "floor": warn_at},
    )
