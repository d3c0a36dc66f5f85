"""The default policy: each hurdle alone, then all of them on quiet and moved streams."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mlops_assets.monitoring.calibrated import Limits, calibrated
from mlops_assets.monitoring.cells import Watched
from mlops_assets.monitoring.findings import DriftReport
from mlops_assets_tests.monitoring.counted import autoregression, cells_of, number_profiles, profile

RANDOM_REFERENCE = np.random.default_rng(0).normal(size=20_000)


def judged(batch: np.ndarray, history=(), **limits) -> DriftReport:
    return calibrated(*number_profiles(RANDOM_REFERENCE, batch), history, limits=Limits(**limits))


def moved(shift: float, rows: int = 10_000, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, size=rows)


def test_a_quiet_batch_is_stable():
    report = judged(moved(0))
    assert (report.verdict, report.severity) == ("stable", None)
    assert report.told() == ["2 tests found nothing that moved"]


def test_a_great_shift_is_an_error_with_its_reason():
    report = judged(moved(0.5))
    assert (report.verdict, report.severity) == ("drift", "error")
    assert report.told()[0].startswith("x: Kolmogorov-Smirnov D 0.19")
    assert report.told()[0].endswith("with 95% confidence; above 0.075 is an error")


def test_a_small_shift_warns_and_is_an_error_in_the_second_window():
    first = judged(moved(0.15))
    assert (first.verdict, first.severity) == ("drift", "warn")
    second = judged(moved(0.15, seed=2), [first])
    assert second.severity == "error"
    assert "2 windows in a row" in second.told()[0]
    calm_between = judged(moved(0.15, seed=3), [first, judged(moved(0))])
    assert calm_between.severity == "warn"


def test_a_second_window_is_no_error_where_the_reference_may_lie_apart_itself():
    def twice(weeks: int) -> DriftReport:
        reference = np.random.default_rng(0).normal(size=weeks * 10_000)
        history: list[DriftReport] = []
        for seed in (1, 2):
            sides = number_profiles(reference, moved(0.17, seed=seed), blocks=(7 * weeks, 7))
            history.append(calibrated(*sides, history))
        assert history[0].severity == "warn"
        return history[1]

    short = twice(4)
    assert short.severity == "warn"
    assert short.told()[0].endswith(
        "in 2 windows in a row is a warning: the reference has only 4.0 windows like this one, "
        "and may lie apart itself"
    )
    assert twice(12).severity == "error"


def test_a_single_window_is_an_error_only_beyond_a_smaller_chance():
    batch = moved(0.5, rows=1000)
    (finding,) = [each for each in judged(batch).findings if each.severity == "error"]
    p_value = finding.values["p_value"]
    assert judged(batch, error_false_discovery_rate=p_value / 2).severity == "warn"
    assert judged(batch, false_discovery_rate=p_value, error_false_discovery_rate=0).verdict == "stable"


def test_a_sure_but_tiny_shift_does_not_matter():
    report = judged(moved(0.07, rows=100_000))
    finding = report.of("x", "distribution")
    assert report.verdict == "stable"
    assert finding is not None
    assert finding.values["p_value"] < 1e-4
    assert "above 0.03 matters" in finding.sentence


def test_a_column_may_have_a_floor_of_its_own():
    assert judged(moved(0.15), column_warn_at={"x": 0.2}).verdict == "stable"
    assert judged(moved(0.5), column_warn_at={"x": 0.1}).severity == "error"


def test_what_history_is_used_to_is_no_drift():
    quiet = judged(moved(0))
    finding = quiet.of("x", "distribution")
    wobbly = [
        replace(quiet, findings=(replace(finding, effect=effect),)) for effect in np.linspace(0.02, 0.08, 10)
    ]
    report = judged(moved(0.15), wobbly)
    assert report.verdict == "stable"
    assert "earlier windows suggest up to" in report.findings[0].sentence
    assert judged(moved(0.15), wobbly[:7]).verdict == "drift"
    assert judged(moved(1.0), wobbly).severity == "error"


def test_earlier_drift_does_not_become_usual():
    assert judged(moved(0.5), [judged(moved(0.5, seed=seed)) for seed in range(10)]).severity == "error"


def test_few_rows_are_not_enough():
    report = judged(moved(3, rows=499))
    assert report.verdict == "not enough data"
    assert report.told()[0] == "x: 499 rows with a value, at least 500 are needed"
    assert report.findings[0].effect is None


def test_dependent_rows_that_tell_little_are_not_enough():
    rows = np.repeat(np.random.default_rng(3).normal(size=44), 500)
    report = calibrated(*number_profiles(rows[:20_000], rows[20_000:], blocks=(20, 2)))
    assert report.verdict == "not enough data"
    assert "that depend on each other tell as much as" in report.told()[0]


def test_missing_values_have_their_own_floors():
    def with_missing(share: float) -> np.ndarray:
        return np.where(np.arange(10_000) < share * 10_000, np.nan, moved(0))

    assert judged(with_missing(0.005)).verdict == "stable"
    assert judged(with_missing(0.02)).severity == "warn"
    report = judged(with_missing(0.1))
    assert report.severity == "error"
    assert report.told()[0].startswith("x (missing values): difference of shares 0.100")


def test_an_all_null_batch_is_an_error_of_missing_values():
    report = judged(np.full(1000, np.nan))
    assert [(each.test, each.verdict) for each in report.findings] == [
        ("distribution", "not enough data"),
        ("missing", "drift"),
    ]
    assert report.severity == "error"


def test_a_report_survives_json():
    for report in (judged(moved(0.5)), judged(moved(0, rows=10))):
        assert DriftReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


STREAMS = {
    "independent": lambda random, shape: random.standard_normal(shape),
    "autoregression 0.5": lambda random, shape: autoregression(random, shape, 0.5),
    "autoregression 0.9": lambda random, shape: autoregression(random, shape, 0.9),
    "weekly season": lambda random, shape: (
        random.standard_normal(shape) + 0.4 * (np.arange(shape[0]) // 1000 % 7 >= 5)[:, np.newaxis]
    ),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_quiet_streams_stay_quiet_and_a_great_shift_is_seen(stream):
    columns, windows, size = 10, 28, 1000
    rows = STREAMS[stream](np.random.default_rng(11), ((windows + 42) * size, columns))
    watched = [Watched(f"x{number}", "number") for number in range(columns)]

    def counted(values, blocks, cells):
        return profile(dict(zip(watched, values.T, strict=True)), cells, blocks)

    reference = rows[: windows * size]
    cells = cells_of(dict(zip(watched, reference.T, strict=True)))
    known = counted(reference, windows, cells)
    batches = np.split(rows[windows * size :], 42)
    quiet = [calibrated(known, counted(batch, 1, cells)) for batch in batches]
    assert sum(report.verdict == "drift" for report in quiet) <= 1
    # Were this quiet because nothing can wake it, it would be worth nothing.
    moved_far = [batch + 1.5 * (np.arange(columns) == 3) for batch in batches[:20]]
    found = [calibrated(known, counted(batch, 1, cells)).of("x3", "distribution") for batch in moved_far]
    assert sum(each is not None and each.verdict == "drift" for each in found) >= 19


def weeks_after_four(level: float, random: np.random.Generator, columns: int, shift: float = 0.0):
    """A report of each of two weeks, a month and more after a reference of 28 days, by days as blocks.

    level: the standard deviation of the daily level, an autoregression of 0.7. shift: of column x0.
    """
    rows, days = 200, 28 + 56
    levels = level * autoregression(random, (days, columns), 0.7)
    values = np.repeat(levels, rows, axis=0) + random.standard_normal((days * rows, columns))
    watched = [Watched(f"x{number}", "number") for number in range(columns)]

    def counted(part, blocks, cells):
        return profile(dict(zip(watched, part.T, strict=True)), cells, blocks)

    reference = values[: 28 * rows]
    cells = cells_of(dict(zip(watched, reference.T, strict=True)))
    known, history = counted(reference, 28, cells), []
    for week in np.split(values[-14 * rows :], 2):
        week[:, 0] += shift
        history.append(calibrated(known, counted(week, 7, cells), history))
    return history


def test_a_daily_level_that_wanders_is_no_error_on_a_reference_of_four_weeks():
    random = np.random.default_rng(12)
    reports = [report for _ in range(60) for report in weeks_after_four(0.3, random, columns=10)]
    assert sum(report.severity == "error" for report in reports) <= 1


def test_a_reference_of_four_weeks_sees_a_shift_where_days_are_alike():
    random = np.random.default_rng(13)
    moved = [
        weeks_after_four(0.0, random, columns=10, shift=0.5)[0].of("x0", "distribution") for _ in range(20)
    ]
    assert sum(found.verdict == "drift" for found in moved) >= 19
    assert sum(found.severity == "error" for found in moved) >= 16


@pytest.mark.parametrize("phi", [0.0, 0.9])
@pytest.mark.parametrize("first_bad_day", range(1, 7))
def test_a_column_that_breaks_inside_the_window_is_not_taken_for_a_wobbly_one(phi, first_bad_day):
    random, rows = np.random.default_rng(11), 400
    values = autoregression(random, (52 * rows, 1), phi)[:, 0]
    reference, batch = values[: 45 * rows], values[45 * rows :]
    lost, moved = batch.copy(), batch.copy()
    lost[first_bad_day * rows :] = np.nan
    moved[first_bad_day * rows :] += 10
    found = calibrated(*number_profiles(reference, lost, blocks=(45, 7))).of("x", "missing")
    assert (found.verdict, found.severity) == ("drift", "error")
    found = calibrated(*number_profiles(reference, moved, blocks=(45, 7))).of("x", "distribution")
    assert found.verdict == "drift"
    quiet = calibrated(*number_profiles(reference, batch, blocks=(45, 7)))
    assert quiet.severity is None


def missing_of(before: tuple[int, int], now: tuple[int, int]):
    sides = (np.repeat([np.nan, 1.0], [lost, rows - lost]) for lost, rows in (before, now))
    return calibrated(*number_profiles(*sides)).of("x", "missing")


def test_missing_values_that_are_too_few_to_test_are_not_called_chance():
    found = missing_of((0, 40_000), (14, 1400))
    assert (found.verdict, found.effect) == ("not enough data", None)
    assert "0.0% of the reference and 1.0% of 1,400 rows" in found.sentence
    assert "tell as much as 14.0 independent ones, at least 15 are needed" in found.sentence


@pytest.mark.parametrize("now", [(0, 1400), (3, 1400)])
def test_no_missing_values_or_a_handful_are_calm(now):
    assert missing_of((0, 40_000), now).verdict == "stable"


def test_missing_values_of_few_long_outages_say_that_they_depend_on_each_other():
    calm = np.where(np.arange(3100) // 20 % 47 == 0, np.nan, 1.0)
    worse = np.where(np.arange(2800) // 140 % 20 == 0, np.nan, 1.0)
    found = calibrated(*number_profiles(calm, worse, blocks=(31, 28))).of("x", "missing")
    assert found.verdict == "not enough data"
    assert "tell, as they depend on each other, as much as" in found.sentence
