"""What time it is for a service."""

from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.errors import BadEnvironment
from mlops_assets.serving.clock import begun_at, told_by, true_time

MOMENT = datetime(2013, 3, 2, 12, tzinfo=UTC)


def test_a_clock_that_begins_in_the_past_goes_on_from_there():
    for moment in (MOMENT, MOMENT.replace(tzinfo=None)):
        clock = begun_at(moment)
        assert MOMENT <= clock() < MOMENT + timedelta(seconds=5)
        assert clock() <= clock()
    assert true_time().tzinfo is UTC


def test_a_clock_that_is_moved_shows_what_it_is_told(tmp_path):
    path = tmp_path / "clock"
    path.write_text(f"{MOMENT.isoformat()}\n")
    clock = told_by(path)
    assert clock() == clock() == MOMENT
    path.write_text("2013-03-03T07:00:00")
    assert clock() == datetime(2013, 3, 3, 7, tzinfo=UTC)


@pytest.mark.parametrize("said", [None, b"", b"soon", b"2013-02-30T00:00:00", b"\xff"])
def test_a_clock_that_says_no_moment_is_refused(tmp_path, said):
    path = tmp_path / "clock"
    if said is not None:
        path.write_bytes(said)
    with pytest.raises(BadEnvironment, match="does not say what time it is"):
        told_by(path)
