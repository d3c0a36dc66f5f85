"""What has landed is asked for until it is read, whenever and however it came, and nothing is read twice."""

import os
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from mlops_assets.declaration.source import Source
from mlops_assets.steps import landing
from mlops_assets.steps.ingestion import ingest
from mlops_assets.steps.landing import Landed, landed
from mlops_assets.stores.commit import Commit, PartitionRecord, Provenance
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")
DAYS = ["2024-03-29", "2024-03-30", "2024-03-31"]
LONG_AGO = (1_600_000_000, 1_600_000_000)


def source(path="orders/{day}.csv", **more):
    said = {
        "name": "shop",
        "owner": "team:x",
        "timezone": "Europe/Berlin",
        "start": DAYS[0],
        "tables": [
            {
                "name": "orders",
                "reads": {"landing": path},
                "select": "SELECT *, moment AS event_time, moment AS available_at FROM source",
                "key": ["id"],
                "partitions": "daily" if "{day}" in path else "none",
                "columns": {"id": {"type": "integer"}},
            }
        ],
    }
    return Source.model_validate(said | more)


@dataclass
class Landing:
    """A source whose files land, the moment it is asked, and what it remembers between two times."""

    stores: Stores
    source: Source
    since: int = 0
    waiting: tuple[Landed, ...] = ()
    later: float = 0.0

    def path(self, day, pattern=None):
        return self.stores.files.landing / (pattern or self.source.tables[0].reads.landing).replace(
            "{day}", day
        )

    def drop(self, day, rows=3, pattern=None):
        path = self.path(day, pattern)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("id,moment\n" + "".join(f"{n},{day}T12:00Z\n" for n in range(rows)))
        return path

    def ask(self, *, forget=False):
        """What is to be read; without remembering it, as after a crash before the cursor was kept."""
        now = datetime.now(UTC) + timedelta(seconds=self.later)
        found, since = landed(self.stores, self.source, self.since, self.waiting, now=now)
        if not forget:
            self.since, self.waiting = since, tuple(found)
        return [one.partition for one in found]

    def read(self, *days):
        self.stores.lake.write(
            "raw/orders", ingest(self.stores, self.source, self.source.tables[0], days), PROVENANCE
        )


@pytest.fixture
def stores(tmp_path):
    return Stores.open(Places.below(tmp_path))


@pytest.fixture
def shop(stores):
    return Landing(stores, source())


@pytest.fixture
def opened(monkeypatch):
    """The partitions whose file was opened, in order."""
    found, really = [], landing.digest_now

    def noted(stores, reads, day):
        found.append(day or "all")
        return really(stores, reads, day)

    monkeypatch.setattr(landing, "digest_now", noted)
    return found


def test_what_lands_is_asked_for_until_it_is_read(shop):
    assert shop.ask() == []
    for day in reversed(DAYS):
        shop.drop(day)
    assert shop.ask() == DAYS
    assert shop.ask() == DAYS
    shop.read(DAYS[1])
    assert shop.ask() == [DAYS[0], DAYS[2]]
    shop.read(*DAYS)
    assert shop.ask() == []


def test_asked_again_after_a_crash_it_says_the_same(shop):
    shop.drop(DAYS[0])
    assert shop.ask(forget=True) == shop.ask(forget=True) == DAYS[:1]


def test_a_changed_file_is_seen_although_it_keeps_its_dates_and_its_size(shop):
    path = shop.drop(DAYS[0])
    os.utime(path, LONG_AGO)
    shop.ask()
    shop.read(DAYS[0])
    assert shop.ask() == []
    shop.later = 3600
    assert shop.ask() == []
    text = path.read_text()
    path.write_text(text.replace("0,", "7,", 1))
    os.utime(path, LONG_AGO)
    assert shop.ask() == DAYS[:1]


def test_a_file_that_is_as_it_was_before_is_news_each_time(shop):
    path, said = shop.drop(DAYS[0], 3), []
    for rows in (3, 4, 3, 4):
        shop.drop(DAYS[0], rows)
        assert shop.ask() == DAYS[:1]
        said += shop.waiting
        shop.read(DAYS[0])
    assert path.is_file()
    assert len(set(said)) == 4
    assert len({one.digest for one in said}) == 2


def test_a_file_that_is_moved_into_place_is_seen_whatever_its_dates(shop):
    shop.drop(DAYS[0])
    aside = shop.stores.files.landing / "aside"
    shutil.move(shop.path(DAYS[0]), aside)
    os.utime(aside, LONG_AGO)
    shop.later = 3600
    assert shop.ask() == []
    shutil.move(aside, shop.path(DAYS[0]))
    assert shop.ask() == DAYS[:1]


def test_a_folder_of_a_day_that_is_moved_into_place_brings_its_old_files(stores):
    shop = Landing(stores, source("in/{day}/orders.csv"))
    for day, rows in (("aside", 5), (DAYS[0], 3), (DAYS[1], 3)):
        shop.drop(day, rows)
        time.sleep(0.05)
    shop.ask()
    shop.read(*DAYS[:2])
    time.sleep(0.05)
    shop.later = 3600
    assert shop.ask() == []
    folder = shop.path(DAYS[0]).parent
    shutil.rmtree(folder)
    shop.path("aside").parent.rename(folder)
    assert shop.path(DAYS[0]).stat().st_ctime_ns < shop.since
    assert shop.ask() == DAYS[:1]


def test_a_link_that_leads_elsewhere_by_now_is_seen(shop):
    old, new = shop.drop("old", 3, "aside/{day}.csv"), shop.drop("new", 4, "aside/{day}.csv")
    path = shop.path(DAYS[0])
    path.parent.mkdir()
    path.symlink_to(old)
    shop.ask()
    shop.read(DAYS[0])
    time.sleep(0.05)
    shop.later = 3600
    assert shop.ask() == []
    path.unlink()
    path.symlink_to(new)
    assert shop.ask() == DAYS[:1]


def test_a_table_or_a_day_that_is_declared_later_finds_what_was_there_before(shop):
    for day in ("2024-03-01", *DAYS):
        shop.drop(day)
    shop.ask()
    shop.read(*DAYS)
    shop.later = 3600
    assert shop.ask() == []
    shop.source = source(start="2024-03-01")
    assert shop.ask() == ["2024-03-01"]


def test_a_half_written_file_is_asked_for_again_when_it_is_whole(shop):
    whole = shop.drop(DAYS[0]).read_text()
    shop.path(DAYS[0]).write_text(whole[: len(whole) // 2])
    assert shop.ask() == DAYS[:1]
    (half,) = shop.waiting
    shop.read(DAYS[0])
    assert shop.ask() == []
    shop.path(DAYS[0]).write_text(whole)
    assert shop.ask() == DAYS[:1]
    assert shop.waiting[0].digest != half.digest
    shop.read(DAYS[0])
    assert shop.ask() == []


@pytest.mark.parametrize(
    "bad", [b"", b"\xff\xfe\x00", b"id,moment\n1\n2,3,4\n"], ids=["empty", "bytes", "ragged"]
)
def test_a_file_that_cannot_be_read_waits_until_it_is_mended_and_holds_up_no_other(shop, bad):
    for day in DAYS[:2]:
        shop.drop(day)
    shop.path(DAYS[0]).write_bytes(bad)
    assert shop.ask() == DAYS[:2]
    shop.read(*DAYS[:2])
    shop.later = 3600
    assert shop.ask() == DAYS[:1]
    (waiting,) = shop.waiting
    assert shop.ask() == DAYS[:1]
    assert shop.waiting == (waiting,)
    shop.drop(DAYS[0])
    assert shop.ask() == DAYS[:1]
    assert shop.waiting != (waiting,)
    shop.read(DAYS[0])
    assert shop.ask() == []


def test_a_file_that_leads_out_of_the_landing_root_is_asked_for_so_that_the_run_says_why(shop, tmp_path):
    outside = tmp_path / "secret.csv"
    outside.write_text("id,moment\n")
    shop.drop(DAYS[1])
    shop.path(DAYS[0]).symlink_to(outside)
    assert shop.ask() == DAYS[:2]
    assert shop.waiting[0].digest == ""


@pytest.mark.parametrize(
    "name",
    [
        "2024-03-28",
        "2024-02-30",
        "2024-3-29",
        "2024-03-29 (1)",
        "9999-12-31",
        "0000-00-00",
        "٢٠٢٤-٠٣-٢٩",
        "2024-03-29.csv",
        "订单",
        "",
    ],
)
def test_what_is_no_day_of_the_source_costs_nothing(shop, name):
    shop.drop(name)
    shop.drop(DAYS[0])
    assert shop.ask() == DAYS[:1]


def test_a_day_is_read_when_it_is_over_in_the_zone_of_the_source(shop):
    shop.drop("2024-03-31")
    # Midnight in Berlin is 22:00 UTC: on 31 March the clocks went forward.
    for moment, asked in (("2024-03-31T21:59:59", []), ("2024-03-31T22:00:00", ["2024-03-31"])):
        now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        found, _ = landed(shop.stores, shop.source, 0, (), now=now)
        assert [one.partition for one in found] == asked


def test_a_day_after_the_last_is_not_its(stores):
    shop = Landing(stores, source(end=DAYS[1]))
    for day in DAYS:
        shop.drop(day)
    assert shop.ask() == DAYS[:2]


@pytest.mark.parametrize(
    "path",
    [
        "orders [eu]/{day}*+?.csv",
        "a.b/(x|y)^$/{day}.csv",
        "Bestellungen für 退货/{day}.csv",
        "{day}/{day}.csv",
        "{day}{day}0.csv",
        "{day}/1/orders-{day}1.csv",
        "./orders//{day}.csv",
        ".hidden/{day}.csv",
    ],
)
def test_a_path_means_what_it_says_whatever_is_in_it(stores, path):
    shop = Landing(stores, source(path))
    for day in DAYS[:2]:
        shop.drop(day)
    assert shop.ask() == DAYS[:2]
    shop.read(*DAYS[:2])
    assert shop.ask() == []


def test_characters_of_a_path_are_no_wildcards(stores):
    shop = Landing(stores, source("a*/{day}.c.csv"))
    shop.drop(DAYS[0], pattern="abc/{day}.c.csv")
    shop.drop(DAYS[0], pattern="a*/{day}xcxcsv")
    assert shop.ask() == []


def test_of_a_path_that_names_the_day_twice_both_must_be_the_same(stores):
    shop = Landing(stores, source("{day}/{day}.csv"))
    shop.drop(DAYS[0])
    shutil.copytree(shop.path(DAYS[0]).parent, shop.path(DAYS[1]).parent)
    assert shop.ask() == DAYS[:1]


def test_a_folder_that_is_called_like_a_file_is_none(shop):
    shop.path(DAYS[0]).mkdir(parents=True)
    assert shop.ask() == []


def test_a_file_that_is_gone_changes_nothing_and_one_that_goes_meanwhile_neither(shop, monkeypatch):
    for day in DAYS:
        shop.drop(day)
    shop.ask()
    shop.read(DAYS[0])
    shop.path(DAYS[0]).unlink()
    shop.path(DAYS[1]).unlink()
    assert shop.ask() == DAYS[2:]
    really = landing._changed

    def gone(path, own):
        path.unlink(missing_ok=True)
        return really(path, own)

    monkeypatch.setattr(landing, "_changed", gone)
    assert shop.ask() == []


def test_a_snapshot_is_read_when_it_changes_and_when_its_folder_does(stores):
    shop = Landing(stores, source("parts/customers.csv"))
    shop.drop(DAYS[0])
    assert shop.ask() == ["all"]
    shop.read("all")
    shop.later = 3600
    assert shop.ask() == []
    shop.drop(DAYS[0], 5)
    assert shop.ask() == ["all"]


def test_one_file_of_many_days_says_nothing_of_a_single_one(stores):
    said = source().model_dump(mode="json")
    said["tables"][0]["reads"] = {"landing": "orders.csv"}
    shop = Landing(stores, Source.model_validate(said))
    shop.drop(DAYS[0])
    assert not shop.source.tables[0].lands
    assert shop.ask() == []


def test_three_thousand_files_are_cheap_and_nothing_is_opened_again(shop, opened):
    shop.source = source(start="2016-01-01")
    days = [(date(2016, 1, 1) + timedelta(days=n)).isoformat() for n in range(3000)]
    for day in days:
        shop.drop(day, 1)
    assert shop.ask() == opened == days
    # While the run that reads them is at it.
    shop.later = 120
    opened.clear()
    assert shop.ask() == days
    assert shop.ask() == days
    assert len(opened) <= len(days)
    read = {
        one.partition: PartitionRecord(
            1, "rows", (Content("landing:", "all", version=0, rows=0, fingerprint=one.digest),)
        )
        for one in shop.waiting
    }
    shop.stores.records.adopt(1, Commit("raw/orders", PROVENANCE, read))
    shop.ask()
    opened.clear()
    begun = time.process_time()
    assert shop.ask() == []
    assert time.process_time() - begun < 1.5
    assert opened == []
    shop.drop(days[1500], 2)
    assert shop.ask() == days[1500:1501]
    assert opened == days[1500:1501]


def test_files_of_the_last_minute_are_opened_again_in_case_a_clock_was_coarse(shop, opened):
    shop.drop(DAYS[0])
    shop.ask()
    shop.read(DAYS[0])
    opened.clear()
    shop.ask()
    assert opened == DAYS[:1]
    shop.later = 61
    shop.ask()
    opened.clear()
    shop.ask()
    assert opened == []
