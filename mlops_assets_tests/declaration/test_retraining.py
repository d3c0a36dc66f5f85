"""When nothing is launched, when a release is looked at again, and which versions such words may not change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.retraining import QuietHours, Retraining, Verification
from mlops_assets.declaration.versions import question
from mlops_assets_tests.sandbox import SHOP, load_project, make_project

CLOCK = st.times().map(lambda one: one.replace(second=0, microsecond=0))


def hours(begin, end, timezone="UTC"):
    return QuietHours(begin=begin, end=end, timezone=timezone)


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("begin", "end", "moment", "held"),
    [
        ("22:00", "06:00", "2024-03-05T21:59:59", False),
        ("22:00", "06:00", "2024-03-05T22:00", True),
        ("22:00", "06:00", "2024-03-05T00:00", True),
        ("22:00", "06:00", "2024-03-05T05:59:59.999999", True),
        ("22:00", "06:00", "2024-03-05T06:00", False),
        ("09:00", "17:30", "2024-03-05T17:29", True),
        ("09:00", "17:30", "2024-03-05T17:30", False),
        ("09:00", "17:30", "2024-03-05T08:59", False),
        ("00:00", "06:00", "2024-03-05T00:00", True),
        ("18:00", "00:00", "2024-03-05T23:59", True),
        ("18:00", "00:00", "2024-03-05T00:00", False),
    ],
)
def test_an_end_before_its_begin_is_on_the_next_day(begin, end, moment, held):
    assert hours(begin, end).hold(at(moment)) is held


@given(begin=CLOCK, end=CLOCK, minutes=st.integers(0, 24 * 60 - 1))
def test_of_two_times_one_way_round_is_the_other_than_the_other_way(begin, end, minutes):
    if begin == end:
        return
    moment = datetime(2024, 3, 5, tzinfo=UTC) + timedelta(minutes=minutes)
    assert hours(begin, end).hold(moment) != hours(end, begin).hold(moment)


@pytest.mark.parametrize(
    ("moment", "held"),
    [
        # The clock jumps from 02:00 to 03:00 at 01:00 UTC: the hour from two to three never is.
        ("2024-03-31T00:59:59", False),
        ("2024-03-31T01:00:00", False),
        # The hour from two to three is twice, from 00:00 to 02:00 UTC; both are quiet.
        ("2024-10-26T23:59:59", False),
        ("2024-10-27T00:00:00", True),
        ("2024-10-27T01:30:00", True),
        ("2024-10-27T02:00:00", False),
    ],
)
def test_hours_are_those_of_the_clock_on_the_wall_when_it_is_changed(moment, held):
    assert hours("02:00", "03:00", "Europe/Berlin").hold(at(moment)) is held


def test_a_moment_of_another_zone_is_the_same_moment():
    quiet = hours("22:00", "06:00", "America/New_York")
    assert quiet.hold(at("2024-07-01T10:30", "Asia/Shanghai"))
    assert not quiet.hold(at("2024-07-01T10:30", "America/New_York"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"begin": "22:00", "end": "22:00"}, "22:00 to 22:00 leave no hour"),
        ({"begin": "22:00", "end": "06:00", "timezone": "Europe/Berln"}, "Did you mean 'Europe/Berlin'"),
        ({"begin": "25:00", "end": "06:00"}, "found '25:00', expected hours and minutes in quotes"),
        ({"begin": "22:00Z", "end": "06:00"}, "found '22:00Z', expected hours and minutes"),
        ({"begin": "22", "end": "06:00"}, "found '22', expected hours and minutes"),
    ],
)
def test_what_are_no_hours_is_told(said, told):
    with pytest.raises(ValidationError, match=told):
        QuietHours(**said)


def test_hours_without_quotes_which_yaml_reads_as_a_number_are_refused():
    """``22:00`` is the number 1320 to YAML 1.1, of which pydantic makes 22 minutes past midnight."""
    said = yaml.safe_load("{begin: 22:00, end: 06:00}")
    with pytest.raises(ValidationError, match="found 1320, expected hours and minutes in quotes"):
        QuietHours(**said)
    assert QuietHours(**yaml.safe_load('{begin: "22:00", end: "06:00"}')).begin == time(22)


@pytest.mark.parametrize("days", [(14, 7), (7, 7), (), (2,), (7.5,), (4000,)])
def test_looks_at_a_release_are_at_more_and_more_days(days):
    with pytest.raises(ValidationError):
        Verification(after_days=days)


def test_quiet_hours_have_a_meaning_and_it_is_their_own():
    night = Retraining(quiet_hours=hours("22:00", "06:00"))
    assert meaning(night) == meaning(Retraining(quiet_hours=hours("22:00", "06:00")))
    assert meaning(night) != meaning(Retraining(quiet_hours=hours("22:00", "06:30")))


QUIET = 'quiet_hours: {begin: "22:00", end: "06:00", timezone: Europe/Berlin}'


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ("drift: warn", set()),
        ("age_days: 30", set()),
        ("looks: 2, of_looks: 3", set()),
        ("cool_down_days: 0, a_month: 9", set()),
        ("changed: false, restated: true", set()),
        (QUIET, set()),
        ("verification: {after_days: [5, 9]}", {"verification"}),
        ("verification: {rollback: false}", {"verification"}),
        ("decay: 0.1", {"performance_report"}),
    ],
)
def test_words_about_training_again_change_no_model_and_no_question(tmp_path, said, changed):
    package = make_project(tmp_path, like=SHOP)
    before = load_project(package)
    declared = package / "defs" / "returned" / "defs.yaml"
    declared.write_text(declared.read_text() + f"  retraining: {{{said}}}\n")
    after = load_project(package)
    name = "returned"
    assert question(before.catalog, before.model(name)) == question(after.catalog, after.model(name))
    graph = after.definitions.resolve_asset_graph()
    keys = [key for key in graph.materializable_asset_keys if key.path[-1] != "retraining_log"]
    assert len(keys) > 15
    differ = {key.path[-1] for key in keys if before.code_version(key) != after.code_version(key)}
    assert differ == changed
