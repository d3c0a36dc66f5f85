"""What was refused is noted once a day for each person and action, and fills nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from mlops_assets.governance.changes import spelled
from mlops_assets.stores import ledger
from mlops_assets.stores.database import denial, open_database
from mlops_assets.stores.denials import LONGEST, Denial, Denials
from mlops_assets_tests.stores.ledger_world import found, opened

RUN = Denial("zoë", "run", "model:churn", "zoë may not run model:churn")


@pytest.fixture
def denials(database_url):
    return Denials(open_database(database_url))


def entries(database_url, tmp_path):
    return opened(tmp_path / "home", database_url).ledger.newest(99)


def test_the_first_of_a_day_is_noted_and_the_ledger_tells_it(denials, database_url, tmp_path):
    assert denials.note(RUN)
    assert not denials.note(RUN)
    assert not denials.note(Denial("zoë", "run", "model:other", "another reason"))
    assert denials.note(Denial("zoë", "rollback", "model:churn", "no"))
    assert denials.note(Denial("", "run", "model:churn", "nobody is known"))
    assert not denials.note(Denial("", "run", "model:x", "nobody is known"))
    assert next(one for _, one in denials.all()) == RUN
    told = entries(database_url, tmp_path)
    assert [(one.kind, one.by) for one in told] == [
        ("denial", "platform"),
        ("denial", "zoë"),
        ("denial", "zoë"),
    ]
    assert found(opened(tmp_path / "home", database_url)) == ()


def test_the_next_day_is_another_and_a_clock_that_is_set_back_makes_no_new_one(denials, monkeypatch):
    denials.note(RUN)
    tomorrow = spelled(datetime.fromisoformat(ledger.clock()) + timedelta(days=1))
    with monkeypatch.context() as later:
        later.setattr(ledger, "clock", lambda: tomorrow)
        assert denials.note(RUN)
    assert not denials.note(RUN)
    assert len(denials.all()) == 2


def test_of_many_at_once_one_is_noted(denials):
    with ThreadPoolExecutor(12) as pool:
        noted = list(pool.map(lambda _: denials.note(RUN), range(24)))
    assert noted.count(True) == 1
    assert len(denials.all()) == 1


def test_what_a_stranger_says_is_kept_short_on_one_line_and_takes_no_database_down(denials):
    wild = "model:\udcff\x00\n\x1b[31m" + "x" * 100_000
    assert denials.note(Denial("", "run", wild, wild))
    ((_, kept),) = denials.all()
    assert len(kept.resource) == LONGEST
    assert kept.resource.startswith("model:?\ufffd \ufffd[31mxx")
    assert kept.resource.isprintable() or "\ufffd" in kept.resource


def test_the_database_keeps_it(denials, database_url):
    denials.note(RUN)
    for written in (sa.update(denial).values(who="ada"), sa.delete(denial)):
        with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
            connection.execute(written)
