"""A day whose file cannot be read, among others of one run: it fails in sight, and the others are judged."""

from datetime import date, timedelta
from itertools import count

import dagster as dg
import pytest

from mlops_assets.graph import keys
from mlops_assets_tests.sandbox import SHOP, load_project, make_project, sandbox

SOURCE = """
type: mlops_assets.components.GovernedSource

attributes:
  name: visits
  owner: team:shop
  start: 2024-03-01
  tables:
    - name: visits
      reads: {landing: "visits/{day}.csv"}
      select: SELECT *, moment AS event_time, moment AS available_at FROM source
      key: [id]
      columns:
        id: {type: integer}
        word: {type: string}
    - name: places
      reads: {landing: places.csv}
      select: SELECT *, TIMESTAMPTZ '2024-01-01' AS event_time, TIMESTAMPTZ '2024-01-01' AS available_at FROM source
      key: [place]
      partitions: none
      columns:
        place: {type: string}
"""
WAITS = """
import warnings

import dagster as dg

DAYS = dg.DailyPartitionsDefinition(start_date="2024-03-01", timezone="UTC")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)
    together = {"partitions_def": DAYS, "backfill_policy": dg.BackfillPolicy.single_run()}

    @dg.asset(deps=[dg.AssetKey(["raw", "visits"])], **together)
    def waits() -> None:
        pass
"""
FIRST, NUMBERS = date(2024, 3, 1), count()
RAW, VALIDATED, QUARANTINE = keys.of_table("visits")
ALL = (RAW, VALIDATED, QUARANTINE)
GOOD, EMPTY = "id,word,moment\n1,a,{day}T12:00Z\n2,b,{day}T13:00Z\n", ""
LACKING = "id,moment\n1,{day}T12:00Z\n"


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("visits")
    more = {"PACKAGE/defs/sources/visits/defs.yaml": SOURCE}
    with sandbox(load_project(make_project(folder, like=SHOP, more=more)), folder / "home") as box:
        yield box


@pytest.fixture
def days():
    """Three days that no other test has."""
    begins = FIRST + timedelta(days=4 * next(NUMBERS))
    return [(begins + timedelta(days=n)).isoformat() for n in range(3)]


def land(box, day: str, text: str) -> None:
    path = box.home / "landing" / "visits" / f"{day}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("{day}", day))


def land_all(box, days, *texts: str) -> None:
    for day, text in zip(days, texts, strict=True):
        land(box, day, text)


def run(box, days, *assets: dg.AssetKey):
    return box.run(*assets, first=days[0], last=days[-1], raise_on_error=False)


def written(box, table: dg.AssetKey, days) -> dict[str, str]:
    """The days that a table holds, with the run that made each."""
    records = box.instance.fetch_materializations(
        dg.AssetRecordsFilter(table, asset_partitions=days), limit=100
    )
    return {one.partition_key: one.run_id for one in reversed(records.records)}


def shown(box, table: dg.AssetKey, check: str, days) -> dict[str, str]:
    """What Dagster shows of a check, day by day."""
    key = dg.AssetCheckKey(table, check)
    infos = box.instance.event_log_storage.get_asset_check_partition_info([key])
    return {
        one.partition_key: one.latest_execution_status.value for one in infos if one.partition_key in days
    }


def told(result) -> str:
    return "\n".join(str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure)


def test_the_others_of_the_range_are_judged_and_the_run_fails_in_sight(box, days):
    land_all(box, days, GOOD, EMPTY, GOOD)
    result = run(box, days, *ALL)
    assert not result.success
    for table in ALL:
        assert set(written(box, table, days)) == {days[0], days[2]}
    assert shown(box, RAW, "schema", days) == {days[0]: "SUCCEEDED", days[1]: "FAILED", days[2]: "SUCCEEDED"}
    types = shown(box, VALIDATED, "types", days)
    assert (types[days[0]], types[days[2]]) == ("SUCCEEDED", "SUCCEEDED")
    assert types[days[1]] != "SUCCEEDED"
    assert "1 of 3 partitions were not judged" in told(result)
    assert f"partition {days[1]}: schema: landing:visits/{days[1]}.csv, read for table" in told(result)


def test_what_was_there_stays_and_is_used_again_when_the_file_is_mended(box, days):
    land_all(box, days, GOOD, GOOD, GOOD)
    before = run(box, days, *ALL).run_id
    land(box, days[1], EMPTY)
    again = run(box, days, *ALL)
    assert not again.success
    for table in ALL:
        made = written(box, table, days)
        assert made == {days[0]: again.run_id, days[1]: before, days[2]: again.run_id}
    assert len(box.rows("validated/visits", [days[1]])) == 2
    assert shown(box, RAW, "schema", days)[days[1]] == "FAILED"
    alone = box.run(VALIDATED, QUARANTINE, first=days[1], raise_on_error=False)
    assert "found no line" in told(alone)
    land(box, days[1], GOOD)
    assert run(box, days, *ALL).success
    assert shown(box, RAW, "schema", days)[days[1]] == "SUCCEEDED"


def test_a_day_that_lacks_a_column_costs_the_others_no_verdict(box, days):
    land_all(box, days, GOOD, LACKING, GOOD)
    result = run(box, days, *ALL)
    assert not result.success
    assert set(written(box, RAW, days)) == set(days)
    assert set(written(box, VALIDATED, days)) == {days[0], days[2]}
    assert f"partition {days[1]}: schema: missing columns: word" in told(result)


@pytest.mark.parametrize("texts", [(GOOD, EMPTY, GOOD), (EMPTY, EMPTY, EMPTY)])
def test_a_run_that_only_reads_fails_by_itself(box, days, texts):
    land_all(box, days, *texts)
    result = run(box, days, RAW)
    assert not result.success
    assert "SourceUnreadable" in told(result)
    assert f"landing:visits/{days[1]}.csv" in told(result)
    assert set(written(box, RAW, days)) == {day for day, text in zip(days, texts, strict=True) if text}


def test_where_no_day_can_be_read_nothing_is_judged(box, days):
    land_all(box, days, EMPTY, EMPTY, EMPTY)
    result = run(box, days, *ALL)
    assert not result.success
    assert [event.step_key for event in result.all_events if event.is_step_failure] == ["raw__visits"]
    assert not written(box, VALIDATED, days)
    assert shown(box, RAW, "schema", days) == dict.fromkeys(days, "FAILED")


def test_a_table_without_days_keeps_what_it_held(box):
    file, assets = box.home / "landing" / "places.csv", keys.of_table("places")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("place\nBonn\n")
    assert box.run(*assets).success
    file.write_text("\n")
    result = box.run(*assets, raise_on_error=False)
    assert not result.success
    assert "landing:places.csv, read for table 'places': found no line in 1 bytes" in told(result)
    assert [row["place"] for row in box.rows("validated/places")] == ["Bonn"]
    key = dg.AssetCheckKey(keys.raw("places"), "schema")
    (newest,) = box.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert newest.status.value == "FAILED"
    assert "found no line" in told(box.run(keys.validated("places"), raise_on_error=False))
    file.write_text("place\nBonn\nKöln\n")
    assert box.run(*assets).success
    assert len(box.rows("validated/places")) == 2


def test_who_else_reads_the_table_in_the_run_is_stopped_with_it(box, days, tmp_path):
    """An asset of one's own that only waits for the rows does not ask whether it may read them."""
    more = {"PACKAGE/defs/sources/visits/defs.yaml": SOURCE, "PACKAGE/defs/waiting/waits.py": WAITS}
    with sandbox(load_project(make_project(tmp_path, like=SHOP, more=more)), tmp_path / "home") as other:
        land_all(other, days, GOOD, EMPTY, GOOD)
        result = run(other, days, *ALL, dg.AssetKey("waits"))
        assert not result.success
        assert "waits" not in {event.step_key for event in result.all_events if event.is_step_success}
