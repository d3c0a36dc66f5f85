"""What a performance report says, keeps and shows."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from mlops_assets.monitoring.estimates import CAVEAT, Estimate, EstimatedDay, Estimates, audit
from mlops_assets.monitoring.lines import HEIGHT, WIDTH, Line, lines
from mlops_assets.monitoring.performance import Day, PerformanceReport, judged
from mlops_assets.monitoring.performance_page import facts, newest_days, page, pictures

DAYS = (
    Day("2024-03-01", 9, 8, ((1, 6), (3, 2)), 1.0, True, 0.4, 0.1, 0.5),
    Day("2024-03-02", 9, 0, (), 1.0, True),
    Day("2024-03-03", 9, 5, ((1, 5),), 0.7, False),
)
REPORT = PerformanceReport(
    as_of="2024-03-04",
    champion=3,
    model_digest="d",
    verdict="not enough data",
    why="",
    mature_at=0.99,
    mature_after=2,
    arrival=(0.7, 1.0),
    days=DAYS,
    new_labels=13,
    evaluated={"2024-02-28": 0.3, "2024-02-29": 0.32},
    metrics={"log_loss": 0.4},
    intervals={"log_loss": [0.3, 0.5]},
    growth=0.09,
    grown=0.05,
    predecessor=2,
)


def test_a_report_is_the_same_after_it_was_kept():
    assert PerformanceReport.from_dict(json.loads(json.dumps(REPORT.to_dict()))) == REPORT


def test_days_that_were_not_measured_have_no_loss():
    assert REPORT.losses == {"2024-03-01": 0.4}
    assert REPORT.improvement == {"2024-03-01": pytest.approx(0.1)}


@pytest.mark.parametrize(
    ("grown", "limit", "verdict", "said"),
    [
        (0.05, 0.0, "decayed", "at least +0.0500, which is more than 0"),
        (0.05, 0.05, "steady", "not more than 0.05"),
        (-0.2, 0.0, "steady", "at least -0.2000"),
    ],
)
def test_decay_is_a_loss_that_surely_grew_by_more_than_is_allowed(grown, limit, verdict, said):
    found = judged(replace(REPORT, grown=grown), limit=limit, needed=7)
    assert found.verdict == verdict
    assert said in found.why
    check, estimates = found.verdicts()
    assert estimates.passed
    assert (check.check, check.passed, check.blocking, check.error) == (
        "decay",
        verdict == "steady",
        False,
        False,
    )


def test_too_few_days_pass_with_a_sentence_that_counts_them():
    found = judged(replace(REPORT, growth=None, grown=None), limit=0.0, needed=7)
    assert found.verdict == "not enough data"
    assert found.why.startswith("1 day since version 3 was made, and 2 days that it was evaluated on")
    assert found.verdicts()[0].passed


def test_people_see_every_day_and_which_count():
    rows = newest_days(REPORT)
    assert rows[0] == ("2024-03-03", "9", "5", "70.00%, not mature", "–", "–", "–", "–")
    assert rows[-1] == ("2024-03-01", "9", "8", "100.00%", "0.4000", "0.1000", "0.5000", "–")
    assert facts(REPORT)["version before"] == "version 2: +0.1000 nats a day lost less, on 1 days"
    text = page("a <title>", judged(REPORT, limit=0.0, needed=1))
    assert "a &lt;title&gt;" in text
    assert text.count("<svg") == 2
    assert 'class="warn">decayed' in text


def estimated(outside):
    """With fourteen days audited, of which so many did not hold, and one ahead."""
    past = [Estimate(0.4, 0.3, 0.5, 0.9 if number < outside else 0.45) for number in range(14)]
    days = [EstimatedDay(f"2024-02-{10 + at}", 9, "beta", {"log_loss": one}) for at, one in enumerate(past)]
    ahead = EstimatedDay("2024-03-03", 9, "beta", {"log_loss": Estimate(0.42, 0.31, 0.53)})
    told = audit("log_loss", past, [0.4] * 14, level=0.95, worth=14)
    return replace(REPORT, estimates=Estimates(0.95, tuple(days), (ahead,), (told,)))


def test_an_estimate_is_shown_with_its_audit_and_what_it_cannot_know():
    report = estimated(0)
    assert PerformanceReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert newest_days(report)[0][-1] == "0.4200 (0.3100 to 0.5300)"
    said = "log loss 0.4200 (0.3100 to 0.5300) on 2024-03-03; 14 of 14 days fell into their 95% intervals"
    assert facts(report)["estimate"].startswith(said)
    text = page("shown", report)
    assert CAVEAT.replace("'", "&#x27;") in text
    assert text.count("<svg") == 3
    assert text.count('stroke-width="5"') == 15


def test_what_is_switched_off_is_nowhere_shown_and_its_evidence_stays():
    report = estimated(6)
    assert newest_days(report)[0][-1] == "–"
    assert facts(report)["estimate"].startswith("switched off: 8 of 14 days fell into their 95% intervals")
    text = page("off", report)
    assert "0.4200" not in text
    assert "switched off" in text
    assert text.count('stroke-width="5"') == 14
    assert [verdict.passed for verdict in report.verdicts()] == [True, False]


def test_a_report_about_nothing_has_a_page():
    empty = replace(
        REPORT,
        champion=None,
        mature_after=None,
        arrival=(),
        days=(),
        evaluated={},
        metrics={},
        predecessor=None,
    )
    assert pictures(empty) == ""
    assert "no label is known" in page("none", empty)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0.0, 1.0)],
        [(0.0, 1.0), (1.0, 1.0)],
        [(0.0, float("nan")), (1.0, 2.0), (2.0, float("inf"))],
        [(0.0, -1e308), (5.0, 1e308)],
    ],
)
def test_any_values_have_a_picture(points):
    svg = lines('<t> & "x"', [Line("<one>", points), Line("two", [])], [(0.0, "first"), (5.0, "last")])
    ElementTree.fromstring(svg)
    places = [float(one) for one in re.findall(r'c[xy]="([^"]+)"', svg)]
    assert all(0 <= one <= WIDTH for one in places[::2])
    assert all(0 <= one <= HEIGHT for one in places[1::2])
    assert "nan" not in svg
    assert "inf" not in svg


def test_bars_stand_behind_lines_and_inside_the_picture():
    svg = lines("band", [Line("a", [(1.0, 1.0)])], [], bars=[(0.0, -5.0, 5.0), (1.0, float("nan"), 2.0)])
    ElementTree.fromstring(svg)
    assert svg.count('stroke-width="5"') == 1
    low, high = (float(one) for one in re.findall(r'y[12]="([^"]+)" ', svg))
    assert 0 <= high < low <= HEIGHT
    assert svg.index('stroke-width="5"') < svg.index("<circle")


def test_a_greater_value_stands_higher_and_a_later_one_further_right():
    svg = lines("loss", [Line("a", [(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)])], [(0.0, "x"), (2.0, "y")])
    across, down = ([float(one) for one in re.findall(rf'{axis}="([^"]+)"', svg)] for axis in ("cx", "cy"))
    assert across == sorted(across)
    assert down[1] < down[2] < down[0]
