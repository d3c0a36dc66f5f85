"""Broken correlations: what moves between columns while each column alone stays as it was.

Rank correlations of both sides are compared pair by pair, by normal scores of each side's own
ranks (van der Waerden), so that a column that moved as a whole does not count here. Their errors
come from the block jackknife (Kuensch 1989) over contiguous blocks of rows, carried on as a
first-order autoregression where neighbouring blocks resemble each other. Dependence that leaves
rank correlations alone (a bend, a ring) is not seen.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import ndtri, stdtr, stdtrit

from mlops_assets.data.sql import name
from mlops_assets.monitoring.findings import Finding, Severity, Verdict
from mlops_assets.monitoring.multiplicity import rejected

FloatArray = npt.NDArray[np.float64]

CORRELATION = "correlation"
MEASURE = "difference of Fisher's z"
# Rows per side; more cost time and tell little more.
SAMPLE = 20_000
# Contiguous blocks per side, over which the jackknife goes.
BLOCKS = 32
# Correlations of neighbouring blocks beyond this cannot be told from a trend.
MOST_CORRELATION = 0.9
# Closer to one Fisher's z has no end.
MOST_RANK_CORRELATION = 1 - 1e-6


@dataclass(frozen=True)
class CorrelationLimits:
    """False discovery rate over all pairs, floors of the lower bound of the effect, fewest rows.

    A pair of which either side tells less than ``effective_rows_at_least`` independent rows would
    is not tested.
    """

    false_discovery_rate: float = 0.01
    confidence: float = 0.95
    warn_at: float = 0.1
    error_at: float = 0.4
    rows_at_least: int = 500
    effective_rows_at_least: float = 30.0


@dataclass(frozen=True)
class PairComparison:
    """The rank correlation of two columns on both sides.

    effect: the difference in Fisher's z; for weak correlations that is the difference itself.
    standard_error: of the effect, with ``degrees`` of freedom (Welch). effective_rows: of the
    side that tells less.
    """

    first: str
    second: str
    reference: float
    batch: float
    effect: float
    standard_error: float
    degrees: float
    effective_rows: float

    @property
    def p_value(self) -> float:
        return float(2 * stdtr(self.degrees, -self.effect / self.standard_error))

    def at_least(self, confidence: float) -> float:
        margin = float(stdtrit(self.degrees, confidence)) * self.standard_error
        return max(0.0, self.effect - margin)


def sample_query(relation: str, columns: Sequence[str], order_by: str, *, rows: int = SAMPLE) -> str:
    """About ``rows`` rows of numeric columns in the order of time; the same ones every time."""
    source = name(relation)
    inside = "".join(f"CAST({name(column)} AS DOUBLE) AS v{at}, " for at, column in enumerate(columns))
    values = ", ".join(f"v{at} AS {name(column)}" for at, column in enumerate(columns))
    every = f"(SELECT 1 + count(*) // {int(rows)} FROM {source})"
    return (
        f"SELECT {values} FROM (SELECT {inside}row_number() OVER (ORDER BY {name(order_by)}) AS position"
        f" FROM {source}) WHERE hash(position) % {every} = 0 ORDER BY position"
    )


def matrix(rows: pa.Table) -> FloatArray:
    """Shape (rows, columns); NaN for what is missing or not finite."""
    columns = [np.asarray(column.to_numpy(), dtype=np.float64) for column in rows.columns]
    values = np.stack(columns, axis=1) if columns else np.empty((rows.num_rows, 0))
    return np.asarray(np.where(np.isfinite(values), values, np.nan))


def broken_correlations(
    reference: Correlations,
    batch: Correlations,
    names: Sequence[str],
    *,
    limits: CorrelationLimits | None = None,
) -> list[Finding]:
    """One finding per broken pair, worst first; or one that says that nothing broke. names: of the columns."""
    allowed = limits or CorrelationLimits()
    fewest = min(reference.rows, batch.rows)
    if fewest < allowed.rows_at_least:
        sentence = f"correlations: {fewest:,} rows, at least {allowed.rows_at_least:,} are needed"
        return [_finding("all pairs", "not enough data", None, None, sentence, {"rows": float(fewest)})]
    made = pair_comparisons(reference, batch, names)
    pairs = [pair for pair in made if pair.effective_rows >= allowed.effective_rows_at_least]
    if 2 * len(pairs) < len(made):
        sentence = (
            f"correlations: in {len(made) - len(pairs)} of {len(made)} pairs the rows depend on each other so "
            f"much that they tell less than {allowed.effective_rows_at_least:.0f} independent ones"
        )
        return [_finding("all pairs", "not enough data", None, None, sentence, {"rows": float(fewest)})]
    believed = rejected([pair.p_value for pair in pairs], allowed.false_discovery_rate)
    broken = [
        pair
        for pair, sure in zip(pairs, believed, strict=True)
        if sure and pair.at_least(allowed.confidence) > allowed.warn_at
    ]
    if not broken:
        greatest = max((pair.effect for pair in pairs), default=0.0)
        sentence = f"correlations: {len(pairs)} pairs compared, none surely broken"
        values = {"pairs": float(len(pairs))}
        return [_finding("all pairs", "stable", None, greatest, sentence, values)]
    broken.sort(key=lambda pair: -pair.at_least(allowed.confidence))
    return [_broken(pair, allowed) for pair in broken]


def pair_comparisons(
    reference: Correlations, batch: Correlations, names: Sequence[str]
) -> list[PairComparison]:
    """All pairs of columns that vary on both sides."""
    sides = one, other = [reference, batch]
    correlation = _neighbours_correlation(sides)
    variances = [side.variance * (1 + correlation) / (1 - correlation) for side in sides]
    # The longer side knows better how slowly rows forget; the batch is as slow at least.
    variances[1] = np.maximum(variances[1], variances[0] * reference.rows / batch.rows)
    total = variances[0] + variances[1]
    # Each variance has one degree of freedom less than it has blocks.
    degrees = total**2 / sum(variance**2 / (BLOCKS - 1) for variance in variances)
    found = []
    for i, j in combinations(range(len(names)), 2):
        if math.isfinite(total[i, j]):
            found.append(
                PairComparison(
                    first=names[i],
                    second=names[j],
                    reference=math.tanh(one.fisher_z[i, j]),
                    batch=math.tanh(other.fisher_z[i, j]),
                    effect=float(abs(other.fisher_z[i, j] - one.fisher_z[i, j])),
                    standard_error=float(math.sqrt(total[i, j])),
                    degrees=float(degrees[i, j]),
                    effective_rows=float(1 / max(variance[i, j] for variance in variances)),
                )
            )
    return found


@dataclass(frozen=True)
class Correlations:
    """Of one side, for every pair; NaN where a column does not vary. Shapes (columns, columns).

    rows: that they were taken from. deviations: jackknife pseudo-values less their mean, shape
    (blocks, columns, columns), oldest block first. variance: of Fisher's z, never below that of as
    many independent rows.
    """

    rows: int
    fisher_z: FloatArray
    deviations: FloatArray
    variance: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> Correlations:
        """Of values of shape (rows, columns), in the order of time, NaN for missing; two columns or more."""
        present = np.isfinite(values).astype(np.float64)
        scores = np.stack([_normal_scores(column) for column in values.T], axis=1)
        parts = np.array_split(np.arange(len(values)), BLOCKS)
        products = np.stack([scores[part].T @ scores[part] for part in parts])
        squares = np.stack([(scores[part] ** 2).T @ present[part] for part in parts])
        whole = _fisher_z(products.sum(axis=0), squares.sum(axis=0))
        without = _fisher_z(products.sum(axis=0) - products, squares.sum(axis=0) - squares)
        pseudo = BLOCKS * whole - (BLOCKS - 1) * without
        deviations = pseudo - pseudo.mean(axis=0)
        variance = (deviations**2).sum(axis=0) / (BLOCKS - 1) / BLOCKS
        independent = 1 / (np.maximum(present.T @ present, 4) - 3)
        return cls(len(values), whole, deviations, np.asarray(np.maximum(variance, independent)))

    def to_bytes(self) -> bytes:
        """As a file of numpy's (NPZ)."""
        stream = io.BytesIO()
        np.savez_compressed(stream, **vars(self))
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, file: bytes) -> Correlations:
        with np.load(io.BytesIO(file), allow_pickle=False) as stored:
            return cls(int(stored["rows"]), stored["fisher_z"], stored["deviations"], stored["variance"])


def _normal_scores(column: FloatArray) -> FloatArray:
    """Of the ranks, ties at their mean; nought, the middle, where a value is missing."""
    present = np.isfinite(column)
    _, position, counts = np.unique(column[present], return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    scores = np.zeros(len(column))
    scores[present] = ndtri((ranks[position] - 0.5) / max(1, present.sum()))
    return scores


def _fisher_z(products: FloatArray, squares: FloatArray) -> FloatArray:
    """Of each pair over the rows that have both."""
    both = squares * np.swapaxes(squares, -1, -2)
    correlation = np.divide(products, np.sqrt(both), out=np.full_like(products, np.nan), where=both > 0)
    return np.asarray(np.arctanh(np.clip(correlation, -MOST_RANK_CORRELATION, MOST_RANK_CORRELATION)))


def _neighbours_correlation(sides: Sequence[Correlations]) -> FloatArray:
    """Lag-one autocorrelation of the pseudo-values, with the first-order correction of its bias.

    Of each pair, or of the median pair when that is greater: few blocks make single ones unsure.
    """
    lagged = sum((side.deviations[:-1] * side.deviations[1:]).sum(axis=0) / side.variance for side in sides)
    squares = sum((side.deviations**2).sum(axis=0) / side.variance for side in sides)
    raw = np.asarray(lagged / np.where(squares == 0, 1, squares))
    corrected = raw + (1 + 3 * raw) / BLOCKS
    pairs = corrected[np.triu_indices(len(corrected), 1)]
    usual = np.nanmedian(pairs) if np.isfinite(pairs).any() else 0.0
    return np.asarray(np.clip(np.maximum(corrected, usual), 0, MOST_CORRELATION))


def _broken(pair: PairComparison, limits: CorrelationLimits) -> Finding:
    bound = pair.at_least(limits.confidence)
    severity: Severity = "error" if bound > limits.error_at else "warn"
    floor = limits.error_at if severity == "error" else limits.warn_at
    kind = "an error" if severity == "error" else "a warning"
    sentence = (
        f"{pair.first} and {pair.second}: rank correlation {pair.batch:.2f}, it was {pair.reference:.2f}; "
        f"{MEASURE} at least {bound:.2f} with {limits.confidence:.0%} confidence; above {floor:g} is {kind}"
    )
    values = {
        "reference_correlation": pair.reference,
        "batch_correlation": pair.batch,
        "standard_error": pair.standard_error,
        "p_value": pair.p_value,
        "at_least": bound,
    }
    return _finding(f"{pair.first} ~ {pair.second}", "drift", severity, pair.effect, sentence, values)


def _finding(
    column: str,
    verdict: Verdict,
    severity: Severity | None,
    effect: float | None,
    sentence: str,
    values: dict[str, float],
) -> Finding:
    return Finding(column, CORRELATION, verdict, severity, MEASURE, effect, sentence, values)
