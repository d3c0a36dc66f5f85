"""What a replay leaves behind: a clock that never goes back, and days that are there whole or not at all."""

from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.errors import BadEnvironment
from mlops_assets.stores.replays import ReplayedDay, Replays

MOMENT = datetime(2013, 3, 1, 5, tzinfo=UTC)


def test_a_clock_is_set_and_never_goes_back(tmp_path):
    replays = Replays.below(tmp_path, "m")
    assert replays.now() is None
    replays.set_clock(MOMENT)
    replays.set_clock(MOMENT - timedelta(seconds=1))
    assert Replays.below(tmp_path, "m").now() == MOMENT
    replays.set_clock(MOMENT + timedelta(seconds=1))
    assert replays.now() == MOMENT + timedelta(seconds=1)


def test_days_are_read_as_they_were_kept_in_their_order_and_half_written_ones_are_none(tmp_path):
    replays = Replays.below(tmp_path, "m")
    later = ReplayedDay(
        "2013-03-02", {1: 3, 12: 4}, {503: 1}, (1.5, 2.5), 0.2, "warn", 0.1, "é", "promote", 12, 3.5
    )
    for one in (later, ReplayedDay("2013-03-01")):
        replays.keep(one)
    (replays.folder / "days" / "2013-03-03.json.partial").write_text('{"day": "2013')
    assert replays.days() == [ReplayedDay("2013-03-01"), later]
    assert later.requests == 7
    assert Replays.below(tmp_path, "other").days() == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "live").touch()
    with pytest.raises(BadEnvironment, match="cannot be made"):
        Replays.below(tmp_path, "m")
