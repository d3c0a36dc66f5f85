"""What the compiled suite says at its limits, in the arithmetic of Great Expectations."""

from decimal import Decimal

import pytest

from mlops_assets.data.suites import share_present


def ours(missing: int, rows: int, at_most: float) -> bool:
    return missing / rows <= at_most


def theirs(missing: int, rows: int, at_most: float) -> bool:
    """As Great Expectations does it."""
    return (rows - missing) / rows >= share_present(at_most)


@pytest.mark.parametrize("rows", [*range(1, 131), 1000, 4096, 99_991])
def test_a_share_of_rows_is_too_many_for_both_or_for_neither(rows):
    for limit in range(min(rows, 400) + 1):
        for missing in {max(limit - 1, 0), limit, min(limit + 1, rows)}:
            assert (
                theirs(missing, rows, limit / rows) is ours(missing, rows, limit / rows) is (missing <= limit)
            )


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_a_limit_in_decimals_is_met_by_exactly_that_share(digits):
    rows = 10**digits
    for limit in range(rows + 1):
        declared = float(Decimal(limit) / rows)
        assert theirs(limit, rows, declared)
        assert limit == rows or not theirs(limit + 1, rows, declared)


@pytest.mark.parametrize(
    ("declared", "present"),
    [(0, 1), (1, 0), (0.1, 0.9), (0.3, 0.7), (0.7, 0.3), (0.07, 0.93), (0.999, 0.001)],
)
def test_what_must_be_there_reads_as_what_may_miss(declared, present):
    assert share_present(declared) == present


def test_a_number_of_many_digits_is_meant_as_it_is():
    assert share_present(0.123456789012345) == 1 - 0.123456789012345
