"""Reports: the worst finding decides, and what is not known is not called calm."""

from dataclasses import replace

import pytest

from mlops_assets.monitoring.checks import in_short
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


def test_errors_are_told_before_warnings_and_then_what_could_not_be_told():
    assert made("sw?e").told() == ["e3", "w1", "1 test had not enough data: x2"]


def test_what_is_not_known_is_told_beside_calm_and_alone_where_it_decides():
    assert made("s?").told() == ["?1"]
    assert made("ss").told() == ["2 tests found nothing that moved"]
    assert made("sss?").told() == ["3 tests found nothing that moved", "1 test had not enough data: x3"]


def test_few_of_many_unknown_columns_are_named():
    said = made("s" * 20 + "?" * 11).told()[-1]
    assert said.startswith("11 tests had not enough data: x20, ")
    assert said.endswith("x27, … and 3 more")


def test_a_check_says_what_could_not_be_told_however_much_it_has_to_say():
    said = in_short(made("e" * 9 + "??")).split("; ")
    assert said[-3:] == ["e5", "and 3 more in the report", "2 tests had not enough data: x9, x10"]


def test_a_finding_is_found_by_its_column_and_test():
    report_of_two = made("sw")
    assert report_of_two.of("x1", "distribution") is report_of_two.findings[1]
    assert report_of_two.of("x1", "missing") is None


def test_a_check_says_little_of_a_sentence_of_any_length_and_something_of_no_findings():
    endless = replace(made("e").findings[0], sentence="x" * 100_000)
    assert len(in_short(report("own", 100, [endless]))) == 300
    assert in_short(made("")) == "the policy own made no test"
