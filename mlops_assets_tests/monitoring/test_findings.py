"""Reports: the worst finding decides, and what is not known is not called calm."""

import pytest

from mlops_assets.monitoring.findings import Finding, report

SEVERITY = {"w": "warn", "e": "error"}
VERDICT = {"s": "stable", "?": "not enough data", "w": "drift", "e": "drift"}


def made(letters: str):
    return report(
        "own",
        100,
        [
            Finding(f"x{at}", "distribution", VERDICT[each], SEVERITY.get(each), "D", 0.1, f"{each}{at}")
            for at, each in enumerate(letters)
        ],
    )


@pytest.mark.parametrize(
    ("letters", "verdict", "severity"),
    [
        ("ss", "stable", None),
        ("ss?", "stable", None),
        ("s?", "not enough data", None),
        ("", "not enough data", None),
        ("??w", "drift", "warn"),
        ("swe", "drift", "error"),
    ],
)
def test_the_verdict_of_a_batch(letters, verdict, severity):
    assert (made(letters).verdict, made(letters).severity) == (verdict, severity)


def test_errors_are_told_before_warnings_and_nothing_else_beside_them():
    assert made("sw?e").told() == ["e3", "w1"]


def test_what_is_not_known_is_told_before_calm():
    assert made("s?").told() == ["?1"]
    assert made("ss").told() == ["2 tests found nothing that moved"]


def test_a_finding_is_found_by_its_column_and_test():
    report_of_two = made("sw")
    assert report_of_two.of("x1", "distribution") is report_of_two.findings[1]
    assert report_of_two.of("x1", "missing") is None
