"""Broken correlations are found, quiet ones are not, and columns that move alone do not count."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from mlops_assets.monitoring.multivariate import (
    Correlations,
    broken_correlations,
    matrix,
    pair_comparisons,
    sample_query,
)
from mlops_assets_tests.monitoring.counted import autoregression

NAMES = [f"x{number}" for number in range(8)]


def sides(reference, batch):
    return Correlations.of(reference), Correlations.of(batch)


def rows_of(random: np.random.Generator, rows: int, phi: float = 0.0, loading: float = 0.7) -> np.ndarray:
    """Eight columns, of which the first four share a factor; each is standard normal."""
    own = autoregression(random, (rows, 8), phi)
    shared = autoregression(random, (rows, 1), phi)
    weights = np.where(np.arange(8) < 4, loading, 0.0)
    return own * np.sqrt(1 - weights**2) + shared * weights


def with_first_broken(values: np.ndarray, random: np.random.Generator, phi: float = 0.0) -> np.ndarray:
    changed = values.copy()
    changed[:, 0] = autoregression(random, (len(values),), phi)
    return changed


def test_correlations_are_those_of_normal_scores():
    values = rows_of(np.random.default_rng(1), 2000)
    scores = stats.norm.ppf((stats.rankdata(values, axis=0) - 0.5) / 2000)
    expected = np.corrcoef(scores.T)[0, 1]
    assert np.tanh(Correlations.of(values).fisher_z[0, 1]) == pytest.approx(expected, abs=1e-9)


def test_the_jackknife_error_of_independent_rows_is_fishers():
    values = rows_of(np.random.default_rng(2), 20_000)
    assert np.sqrt(np.median(Correlations.of(values).variance)) == pytest.approx(
        1 / np.sqrt(20_000), rel=0.15
    )


@pytest.mark.parametrize(("phi", "severities"), [(0.0, {"error"}), (0.9, {"warn", "error"})])
def test_a_broken_correlation_with_unmoved_marginals_is_found(phi, severities):
    random = np.random.default_rng(3)
    reference, batch = (
        rows_of(random, 10_000, phi),
        with_first_broken(rows_of(random, 5000, phi), random, phi),
    )
    found = broken_correlations(*sides(reference, batch), NAMES)
    assert {finding.severity for finding in found} <= severities
    assert {finding.column for finding in found} == {"x0 ~ x1", "x0 ~ x2", "x0 ~ x3"}
    assert "it was 0.4" in found[0].sentence or "it was 0.5" in found[0].sentence


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.98])
def test_quiet_batches_stay_quiet(phi):
    random = np.random.default_rng(4)
    alarms = 0
    for _ in range(40):
        found = broken_correlations(
            Correlations.of(rows_of(random, 5000, phi)), Correlations.of(rows_of(random, 1000, phi)), NAMES
        )
        alarms += found[0].verdict == "drift"
    assert alarms <= 1


def test_columns_that_move_alone_do_not_count():
    random = np.random.default_rng(5)
    reference, batch = rows_of(random, 10_000), rows_of(random, 5000)
    found = broken_correlations(*sides(reference, np.exp(3 * batch + 7)), NAMES)
    assert [finding.verdict for finding in found] == ["stable"]


def test_missing_values_leave_their_pairs_only():
    random = np.random.default_rng(6)
    reference, batch = rows_of(random, 10_000), rows_of(random, 5000)
    batch[random.random(batch.shape) < 0.3] = np.nan
    assert broken_correlations(*sides(reference, batch), NAMES)[0].verdict == "stable"
    batch[:, 7] = np.nan
    assert len(pair_comparisons(*sides(reference, batch), NAMES)) == 21


def test_constant_columns_have_no_correlation():
    values = rows_of(np.random.default_rng(7), 1000)
    values[:, 1] = 3.0
    assert all(
        "x1" not in (pair.first, pair.second) for pair in pair_comparisons(*sides(values, values), NAMES)
    )


def test_copies_of_a_column_are_alike():
    values = rows_of(np.random.default_rng(8), 2000)
    values[:, 1] = values[:, 0]
    assert broken_correlations(*sides(values[:1000], values[1000:]), NAMES)[0].verdict == "stable"


def test_few_rows_are_not_enough():
    values = rows_of(np.random.default_rng(9), 499)
    assert broken_correlations(*sides(values, values), NAMES)[0].verdict == "not enough data"


def test_a_sample_keeps_the_order_of_time_and_is_the_same_every_time():
    random = np.random.default_rng(10)
    times = random.permutation(50_000)
    rows = pa.table({"at": times, "x": times.astype(float), "flag": times % 2 == 0})
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        sql = sample_query("rows", ["x", "flag"], "at", rows=5000)
        once, again = (connection.sql(sql).to_arrow_table() for _ in range(2))
    assert once.equals(again)
    values = matrix(once)
    assert 4000 < len(values) < 6000
    assert (np.diff(values[:, 0]) > 0).all()


def test_what_is_missing_or_infinite_is_nan():
    values = matrix(pa.table({"x": [1.0, None, float("inf")]}))
    assert np.isnan(values[:, 0]).tolist() == [False, True, True]


def test_correlations_are_kept_in_a_file_to_the_last_bit():
    kept = Correlations.of(rows_of(np.random.default_rng(3), 2000))
    read = Correlations.from_bytes(kept.to_bytes())
    assert read.rows == kept.rows
    for part in ("fisher_z", "deviations", "variance"):
        assert np.array_equal(getattr(read, part), getattr(kept, part), equal_nan=True)
