"""Who reigned when: added to one at a time, and never rewritten."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from mlops_assets.errors import ReleaseConflict
from mlops_assets.stores.database import open_database
from mlops_assets.stores.database import release as releases
from mlops_assets.stores.reigns import Reigns


@pytest.fixture
def reigns(database_url):
    database = open_database(database_url)
    empty = {
        column.name: "" for column in releases.columns if column.name not in ("version", "view_versions")
    } | {"made_from": []}
    with database.begin() as connection:
        for version in (1, 2, 3):
            row = empty | {"model": "model", "version": version, "as_of": f"{version}", "view_versions": {}}
            connection.execute(sa.insert(releases).values(**row))
    return Reigns(database)


def begin(reigns, version, after, at="2024-01-01T00:00:00+00:00"):
    return reigns.begin("model", version, after=after, by="Ada", reason="because", at=at, run_id="run")


def test_who_reigned_at_a_moment_is_answered_from_the_whole_history(reigns):
    begin(reigns, 1, 0, "2024-05-01T00:00:00+00:00")
    begin(reigns, 2, 1, "2024-05-03T10:00:00+00:00")
    begin(reigns, 1, 2, "2024-05-03T12:00:00+00:00")
    asked = ("2024-04-30T00:00:00+00:00", "2024-05-03T09:59:59+00:00", "2024-05-03T10:00:00+00:00", "2025")
    found = [reigns.at("model", moment) for moment in asked]
    assert [one and one.version for one in found] == [None, 1, 2, 1]
    assert [one.version for one in reigns.history("model")] == [1, 2, 1]
    assert reigns.current("model").number == 3


def test_a_reign_that_ends_another_one_than_was_seen_is_refused(reigns):
    begin(reigns, 1, 0)
    begin(reigns, 2, 1)
    for after in (0, 1, 3):
        with pytest.raises(ReleaseConflict):
            begin(reigns, 3, after)
    assert reigns.current("model").version == 2


def test_of_twelve_that_begin_at_once_one_does(reigns):
    begin(reigns, 1, 0)

    def attempt(_):
        try:
            begin(reigns, 2, 1)
        except ReleaseConflict:
            return "refused"
        return "reigns"

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(attempt, range(12))) == ["refused"] * 11 + ["reigns"]


def test_a_clock_that_was_set_back_does_not_reorder_history(reigns):
    begin(reigns, 1, 0, "2024-05-02T00:00:00+00:00")
    begin(reigns, 2, 1, "2024-05-01T00:00:00+00:00")
    assert reigns.at("model", "2024-05-01T12:00:00+00:00") is None
    assert reigns.at("model", "2024-05-02T00:00:00+00:00").version == 2


def test_a_version_that_is_none_cannot_reign(reigns):
    with pytest.raises(ReleaseConflict):
        begin(reigns, 9, 0)


def test_only_the_reign_that_lasts_waits_to_be_shown(reigns):
    begin(reigns, 1, 0)
    begin(reigns, 2, 1)
    (waiting,) = reigns.not_shown()
    assert waiting.version == 2
    reigns.set_shown(waiting)
    assert reigns.not_shown() == []
