"""Events of the past become requests at their moments, and the log of them becomes a day."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.errors import NotMaterialized
from mlops_assets.graph import keys
from mlops_assets.steps.replay import Question, answered, day_begins, in_slots, questions
from mlops_assets.stores.replays import ReplayedDay
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

DAY, A_DAY = date(2024, 3, 30), timedelta(days=1)
BEGINS = datetime(2013, 3, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP))


def test_a_day_begins_in_the_zone_of_the_events_and_may_have_other_than_24_hours(project):
    found = [day_begins(project.catalog, project.model("returned"), DAY + n * A_DAY) for n in range(3)]
    assert found[0] == datetime(2024, 3, 29, 23, tzinfo=UTC)
    assert [later - one for one, later in pairwise(found)] == [A_DAY, timedelta(hours=23)]


def test_without_a_version_nothing_can_be_asked(project, tmp_path):
    land_orders(tmp_path, DAY, 1)
    with sandbox(project, tmp_path) as box:
        box.run(*keys.of_table("orders"), first=DAY.isoformat())
        with pytest.raises(NotMaterialized, match="no version of returned reigns; run mlops run returned"):
            questions(box.stores, project.catalog, project.model("returned"), DAY)


@given(st.lists(st.integers(0, 25 * 3600), max_size=50).map(sorted), st.integers(1, 24))
def test_each_question_is_in_the_slot_before_it_and_all_stay_in_order(seconds, hours):
    asked = [Question(BEGINS + timedelta(seconds=one), f"{number}", {}) for number, one in enumerate(seconds)]
    every = timedelta(hours=hours)
    found = in_slots(asked, BEGINS, every)
    assert [one for _, of_slot in found for one in of_slot] == asked
    for moment, of_slot in found:
        assert (moment - BEGINS) % every == timedelta()
        assert of_slot
        assert all(moment <= one.at < moment + every for one in of_slot)
    assert len({moment for moment, _ in found}) == len(found)


def record(name, hour, version, milliseconds, *scores):
    at = (BEGINS + timedelta(hours=hour)).isoformat()
    return {
        "id": name,
        "at": at,
        "version": version,
        "milliseconds": milliseconds,
        "probability": list(scores),
    }


def test_a_day_has_what_was_answered_in_it_each_request_once():
    records = [
        record("before", -0.1, 1, 9.0, 0.9),
        record("a", 0, 1, 2.0, 0.2),
        record("b", 3, 2, 1.0, 0.4, 0.6),
        record("a", 5, 2, 100.0, 0.9),
        record("after", 24, 2, 9.0, 0.9),
    ]
    found = answered(records, ReplayedDay("2013-03-01", refused={503: 2}), BEGINS, BEGINS + A_DAY)
    assert found == ReplayedDay("2013-03-01", {1: 1, 2: 1}, {503: 2}, (2.0, 2.0), pytest.approx(0.4))
    empty = answered([], ReplayedDay("2013-03-01"), BEGINS, BEGINS + A_DAY)
    assert empty == ReplayedDay("2013-03-01")


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=60))
def test_the_shares_of_times_are_shares(took):
    records = [record(f"{number}", 1, 1, one, 0.5) for number, one in enumerate(took)]
    found = answered(records, ReplayedDay("2013-03-01"), BEGINS, BEGINS + A_DAY)
    half, most = found.milliseconds
    assert half <= most
    assert sum(one <= half for one in took) >= len(took) / 2
    assert sum(one <= most for one in took) >= 0.95 * len(took)
