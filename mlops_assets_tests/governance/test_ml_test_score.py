"""The rubric: a whole point by a machine, half by a person, none without, and the least of four sums."""

import pytest

from mlops_assets.governance.ml_test_score import NAMES, SECTIONS, TESTS, Found, Place, score

NOW, LATER = "2024-04-01T00:00:00+00:00", "2024-06-30T00:00:00+00:00"
PLACE = Place("m/release")


def found(test, by="machine", passed=True, at=NOW, until=None):
    return Found(test, by, passed, at, "said", PLACE, until)


def standing(test, *evidence, at=NOW):
    (one,) = [one for one in score("m", evidence, at=at).standings if one.test.name == test]
    return one.points, one.why


def test_there_are_seven_tests_in_each_of_four_sections():
    assert len(NAMES) == len(set(NAMES)) == 28
    assert [sum(test.section == section for test in TESTS) for section in SECTIONS] == [7, 7, 7, 7]


@pytest.mark.parametrize("name", NAMES)
def test_each_counts_by_who_ran_it_and_not_without_evidence(name):
    assert standing(name) == (0, "absent")
    assert standing(name, found(name)) == (1, "there")
    assert standing(name, found(name, by="person")) == (0.5, "there")
    assert standing(name, found(name), at=LATER) == (0, "expired")
    assert standing(name, found(name, passed=False)) == (0, "not passed")
    assert sum(one.points for one in score("m", [found(name)], at=NOW).standings) == 1


def test_the_newest_evidence_of_a_machine_decides_whatever_a_person_says():
    old, new = found("skew", at="2024-03-01T00:00:00+00:00"), found("skew", passed=False)
    assert standing("skew", new, old, found("skew", by="person")) == (0, "not passed")
    assert standing("skew", old, found("skew", by="person", passed=False)) == (1, "there")


@pytest.mark.parametrize("by", ["machine", "person"])
@pytest.mark.parametrize("at", ["2024-01-01T00:00:00+00:00", "2024-03-30T00:00:00+00:00"])
def test_a_word_heals_nothing_that_ran_and_failed_whoever_asked_for_it_and_whenever_it_was_given(by, at):
    word = found("reproducible", by="person", at=at, until="2025-01-01T00:00:00+00:00")
    ran = found("reproducible", by=by, passed=False, at="2024-03-01T00:00:00+00:00")
    for evidence in ([word, ran], [ran, word]):
        assert standing("reproducible", *evidence) == (0, "not passed")
        assert standing("reproducible", *evidence, at=LATER) == (0.5, "there")


def test_of_what_ran_the_newest_decides():
    failed = found("reproducible", by="person", passed=False, at="2024-03-01T00:00:00+00:00")
    passed = found("reproducible", by="person", at="2024-03-01T01:00:00+02:00")
    assert standing("reproducible", failed, passed) == (0, "not passed")
    assert standing("reproducible", failed, found("reproducible", by="person")) == (0.5, "there")


def test_what_a_machine_found_once_and_has_expired_leaves_the_word_to_a_person():
    old = found("skew", passed=False, at="2023-01-01T00:00:00+00:00")
    assert standing("skew", old, found("skew", by="person")) == (0.5, "there")


def test_an_attestation_ends_when_it_says_so():
    one = found("privacy", by="person", until="2024-04-02T00:00:00+00:00")
    assert standing("privacy", one, at="2024-04-01T23:59:59+00:00") == (0.5, "there")
    assert standing("privacy", one, at="2024-04-02T00:00:00+00:00") == (0, "expired")


def test_days_are_the_same_moment_in_any_offset():
    assert standing("skew", found("skew", at="2024-04-01T02:00:00+02:00"), at=LATER) == (0, "expired")
    assert standing("skew", found("skew", at="2024-03-31T23:00:01-01:00"), at=LATER) == (1, "there")


@pytest.mark.parametrize(
    ("counts", "total", "means"),
    [
        ((7, 7, 7, 0), 0, "research project"),
        ((1, 2, 3, 4), 1, "serious holes"),
        ((2, 2, 2, 2), 2, "first pass"),
        ((3, 7, 7, 7), 3, "reasonably tested"),
        ((5, 5, 5, 6), 5, "mission-critical"),
        ((6, 7, 7, 7), 6, "exceptional"),
        ((7, 7, 7, 7), 7, "exceptional"),
    ],
)
def test_the_score_is_the_least_of_the_sums(counts, total, means):
    of = {section: [test.name for test in TESTS if test.section == section] for section in SECTIONS}
    evidence = [
        found(name) for section, count in zip(SECTIONS, counts, strict=True) for name in of[section][:count]
    ]
    whole = score("m", evidence, at=NOW)
    assert tuple(whole.sections.values()) == counts
    assert whole.total == total
    assert means in whole.means
    assert len(list(whole.missing())) == 28 - sum(counts)


def test_half_a_point_is_of_the_band_that_it_reaches():
    halves = [found(next(t.name for t in TESTS if t.section == section), by="person") for section in SECTIONS]
    whole = score("m", halves, at=NOW)
    assert (whole.total, "serious holes" in whole.means) == (0.5, True)


def test_each_test_names_a_way_to_its_point():
    for one in score("returned", [], at=NOW).standings:
        assert "mlops score returned --attest " + one.test.name in one.way("returned")
        assert "MODEL" not in one.way("returned")


def test_the_way_out_of_a_failed_test_is_no_word_of_a_person():
    (one,) = [s for s in score("m", [found("skew", passed=False)], at=NOW).standings if s.test.name == "skew"]
    assert one.way("m") == "launch m_online"
