"""From a landed file to good rows and rows set aside: nothing is lost, and every reason is told."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.declaration.source import Source
from mlops_assets.errors import GateRefusal, NotMaterialized, SourceUnreadable
from mlops_assets.steps.ingestion import ingest, restated
from mlops_assets.steps.validation import judge
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")

SOURCE = Source.model_validate(
    {
        "name": "shop",
        "owner": "team:shop",
        "timezone": "Europe/Berlin",
        "start": date(2024, 3, 30),
        "end": date(2024, 4, 1),
        "tables": [
            {
                "name": "orders",
                "reads": {"landing": "orders.csv"},
                "select": "SELECT *, moment AS event_time, moment AS available_at FROM source",
                "key": ["id"],
                "quarantine_at_most": 1.0,
                "columns": {
                    "id": {"type": "integer"},
                    "amount": {"type": "number", "between": [0, 100]},
                    "kind": {"type": "string", "one_of": ["a", "b"], "matches": "[a-z]"},
                },
            },
            {
                "name": "daily",
                "reads": {"landing": "daily/{day}.csv"},
                "select": "SELECT *, moment AS event_time, moment AS available_at FROM source",
                "key": ["id"],
                "columns": {"id": {"type": "integer"}},
            },
            {
                "name": "frozen",
                "reads": {"landing": "frozen.parquet"},
                "select": "SELECT *, now() AS event_time, now() AS available_at FROM source",
                "key": ["id"],
                "partitions": "none",
                "columns": {"id": {"type": "integer"}},
            },
        ],
    }
)
TABLE, DAILY, FROZEN = SOURCE.tables
DAYS = ["2024-03-30", "2024-03-31", "2024-04-01"]


@pytest.fixture
def stores(tmp_path):
    return Stores.open(Places.below(tmp_path))


def land(stores: Stores, text: str | bytes, name: str = "orders.csv") -> None:
    path = stores.files.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))


def bring_in(stores: Stores, text: str | bytes, table=TABLE, days=DAYS):
    """Ingest and validate; the verdict on the rows, as validated and quarantined rows by day."""
    land(stores, text)
    stores.lake.write(f"raw/{table.name}", ingest(stores, SOURCE, table, days), PROVENANCE)
    return judge(stores, SOURCE, table, stores.lake.pin(f"raw/{table.name}", days), days)


def orders(*lines: str, header: str = "id,amount,kind,moment") -> str:
    return "\n".join([header, *lines]) + "\n"


GOOD = "1,5.5,a,2024-03-30T12:00:00+01:00"


def reasons(judged) -> dict[str, list[str]]:
    return {row["id"]: row["reasons"] for row in judged.quarantined.rows.to_pylist()}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2,ten,a,2024-03-30T12:00Z", ["amount: not a number"]),
        ("2,1e999,a,2024-03-30T12:00Z", ["amount: not finite"]),
        ("2,nan,a,2024-03-30T12:00Z", ["amount: not finite"]),
        ("2,-0.1,a,2024-03-30T12:00Z", ["amount: below 0"]),
        ("2,100.1,a,2024-03-30T12:00Z", ["amount: above 100"]),
        ("2,1,c,2024-03-30T12:00Z", ["kind: not in its list"]),
        ("2,1,é,2024-03-30T12:00Z", ["kind: not in its list", "kind: not of its pattern"]),
        ("2.5,1,a,2024-03-30T12:00Z", ["id: not an integer"]),
        ("99999999999999999999,1,a,2024-03-30T12:00Z", ["id: not an integer"]),
        (",1,a,2024-03-30T12:00Z", ["id: missing"]),
        ("2,1,a,", ["event_time: missing", "available_at: missing"]),
        ("2,1,a,yesterday", ["event_time: not a timestamp", "available_at: not a timestamp"]),
        ("2,1,a,2023-03-30T12:00Z", ["event_time: not of its partition's day"]),
        ("2,1,a,2030-03-30T12:00Z", ["event_time: not of its partition's day"]),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reasons_and_the_good_one_is_kept(stores, line, said):
    judged = bring_in(stores, orders(GOOD, line))
    (found,) = judged.quarantined.rows.to_pylist()
    assert found["reasons"][: len(said)] == said
    assert [row["id"] for row in judged.validated.rows.to_pylist()] == [1]


@pytest.mark.parametrize("value", ["5", "5.0", "-0", "1e1", ""])
def test_values_of_the_declared_type_are_kept_whatever_their_spelling(stores, value):
    judged = bring_in(stores, orders(f"1,{value},a,2024-03-30T12:00Z"))
    assert judged.quarantined.rows.num_rows == 0
    (row,) = judged.validated.rows.to_pylist()
    assert row["amount"] == (float(value) if value else None)


def test_a_repeated_row_is_kept_once_and_the_others_are_set_aside(stores):
    judged = bring_in(stores, orders(GOOD, GOOD, GOOD))
    assert judged.validated.rows.num_rows == 1
    assert reasons(judged) == {"1": ["id: repeats an identical row"]}
    assert judged.counts[DAYS[0]].by_reason == {"id: repeats an identical row": 2}


def test_equal_rows_set_aside_for_other_reasons_are_in_the_order_of_these(stores):
    lines = [f"{n},ten,a,2024-03-30T12:00Z" for n in range(3000)]
    judged = bring_in(stores, orders(*lines, *lines[::-1], *lines))
    repeated = ["amount: not a number", "id: repeats an identical row"]
    found = [row["reasons"] for row in judged.quarantined.rows.to_pylist()]
    assert found == [["amount: not a number"], repeated, repeated] * 3000


def test_rows_without_a_key_repeat_nothing(stores):
    judged = bring_in(stores, orders(GOOD, GOOD, *[",5.5,a,2024-03-30T12:00Z"] * 2))
    assert judged.counts[DAYS[0]].by_reason == {"id: missing": 2, "id: repeats an identical row": 1}
    assert judged.validated.rows.num_rows == 1


def test_keys_that_are_spelled_in_other_ways_are_one_key(stores):
    judged = bring_in(stores, orders(GOOD, "0" + GOOD))
    assert judged.counts[DAYS[0]].by_reason == {"id: conflicting rows for one key": 2}


def test_rows_in_are_rows_out_where_memory_is_small(stores):
    small = replace(stores, engine=replace(stores.engine, memory_limit="40MB", threads=1))
    lines = [f"{n},{n % 120},a,2024-03-30T12:00Z" for n in range(200_000)]
    judged = bring_in(small, orders(*lines, *lines[:50_000]))
    aside = sum(n % 120 > 100 for n in range(200_000))
    again = sum(n % 120 <= 100 for n in range(50_000))
    found = sum(n % 120 > 100 for n in range(50_000))
    assert judged.validated.rows.num_rows == 200_000 - aside
    assert judged.quarantined.rows.num_rows == aside + again + found


def test_rows_that_contradict_each_other_are_all_set_aside(stores):
    judged = bring_in(stores, orders(GOOD, GOOD.replace("5.5", "6.5")))
    assert judged.validated.rows.num_rows == 0
    assert judged.counts[DAYS[0]].by_reason == {"id: conflicting rows for one key": 2}


def test_days_begin_at_local_midnight_on_both_sides_of_daylight_saving(stores):
    lines = [
        "1,1,a,2024-03-30T22:59:59Z",
        "2,1,a,2024-03-30T23:00:00Z",
        "3,1,a,2024-03-31T21:59:59Z",
        "4,1,a,2024-03-31T22:00:00Z",
    ]
    judged = bring_in(stores, orders(*lines))
    days = {row["id"]: row["partition"] for row in judged.validated.rows.to_pylist()}
    assert days == {1: "2024-03-30", 2: "2024-03-31", 3: "2024-03-31", 4: "2024-04-01"}


def test_an_empty_file_with_a_header_makes_empty_partitions(stores):
    judged = bring_in(stores, orders())
    assert judged.validated.rows.num_rows == judged.quarantined.rows.num_rows == 0
    assert all(verdict.passed for said in judged.validated.verdicts.values() for verdict in said)


def test_values_that_look_like_paths_or_sql_are_only_data(stores):
    judged = bring_in(
        stores, orders("1,1,../../etc,2024-03-30T12:00Z", "2,1,'; DROP TABLE x; --,2024-03-30T12:00Z")
    )
    assert {row["kind"] for row in judged.quarantined.rows.to_pylist()} == {
        "../../etc",
        "'; DROP TABLE x; --",
    }


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + orders(GOOD),
        orders(GOOD).replace(",", ";"),
        orders(GOOD).replace("\n", "\r\n"),
        orders('1,5.5,"a",2024-03-30T12:00:00+01:00'),
    ],
    ids=["byte order mark", "semicolons", "windows line ends", "quotes"],
)
def test_csv_in_its_common_dialects_reads_the_same(stores, text):
    assert (
        bring_in(stores, text).validated.rows.to_pylist()
        == bring_in(stores, orders(GOOD)).validated.rows.to_pylist()
    )


def test_a_row_of_other_separators_does_not_change_how_a_file_is_read(stores):
    judged = bring_in(stores, orders("\\,;0,a,2024-03-30T12:00Z"))
    (row,) = judged.quarantined.rows.to_pylist()
    assert (row["id"], row["amount"]) == ("\\", ";0")


def test_a_link_out_of_the_landing_root_is_refused(stores, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside.csv"
    outside.write_text(orders(GOOD))
    stores.files.landing.mkdir(parents=True)
    (stores.files.landing / "orders.csv").symlink_to(outside)
    with pytest.raises(SourceUnreadable, match="leads out of the landing root"):
        ingest(stores, SOURCE, TABLE, DAYS)


def test_a_column_that_disappears_blocks_and_one_that_appears_does_not(stores):
    land(stores, "id,moment\n1,2024-03-30T12:00:00+01:00\n", "daily/2024-03-30.csv")
    land(stores, "id,moment,colour\n2,2024-03-31T12:00:00+02:00,red\n", "daily/2024-03-31.csv")
    land(stores, "moment\n2024-04-01T12:00:00+02:00\n", "daily/2024-04-01.csv")
    made = ingest(stores, SOURCE, DAILY, DAYS)
    stores.lake.write("raw/daily", made, PROVENANCE)
    schema = {
        day: next(v for v in said if v.check == "schema").passed
        for day, said in {**made.verdicts, **made.refused}.items()
    }
    assert schema == {DAYS[0]: True, DAYS[1]: True, DAYS[2]: False}
    assert (
        judge(stores, SOURCE, DAILY, stores.lake.pin("raw/daily", DAYS[:2]), DAYS[:2]).validated.rows.num_rows
        == 2
    )
    with pytest.raises(GateRefusal, match="found the columns moment, event_time, available_at; expected id"):
        stores.lake.pin("raw/daily", DAYS)


def test_a_day_that_was_never_ingested_is_refused_by_name(stores):
    land(stores, orders(GOOD))
    stores.lake.write("raw/orders", ingest(stores, SOURCE, TABLE, DAYS[:1]), PROVENANCE)
    with pytest.raises(NotMaterialized, match="raw/orders has no partition 2024-03-31"):
        judge(stores, SOURCE, TABLE, stores.lake.pin("raw/orders", DAYS[:2]), DAYS[:2])


CELL = st.text(
    alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters='\x00"\n\r'), max_size=6
)
ROW = st.tuples(
    st.one_of(st.integers(-3, 5).map(str), CELL),
    st.one_of(st.floats(-10, 200).map(str), CELL),
    st.one_of(st.sampled_from("abc"), CELL),
    st.one_of(st.sampled_from(["2024-03-30T12:00Z", "2024-03-31 03:30:00+02", "", "2019-01-01"]), CELL),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=12))
def test_rows_in_are_rows_validated_and_rows_set_aside_whatever_the_rows(stores, rows):
    judged = bring_in(stores, orders(*(",".join(f'"{cell}"' for cell in row) for row in rows)))
    good, bad = judged.validated.rows, judged.quarantined.rows
    assert good.num_rows + bad.num_rows == len(rows) == sum(c.rows for c in judged.counts.values())
    assert all(row["reasons"] for row in bad.to_pylist())
    keys = [(row["partition"], row["id"]) for row in good.to_pylist()]
    assert len(set(keys)) == len(keys)


def test_a_day_that_lands_later_or_is_restated_is_to_be_read_again(stores):
    def landed(day, text):
        land(stores, text, f"daily/{day}.csv")

    def read():
        stores.lake.write("raw/daily", ingest(stores, SOURCE, DAILY, DAYS), PROVENANCE)
        return restated(stores, DAILY)

    assert restated(stores, DAILY) == set()
    landed(DAYS[0], "id,moment\n1,2024-03-30T12:00Z\n")
    assert read() == set()
    landed(DAYS[1], "id,moment\n2,2024-03-31T12:00Z\n")
    landed(DAYS[0], "id,moment\n9,2024-03-30T12:00Z\n")
    assert restated(stores, DAILY) == {DAYS[0], DAYS[1]}
    assert read() == set()
    (stores.files.landing / "daily" / f"{DAYS[0]}.csv").unlink()
    assert restated(stores, DAILY) == set()


def test_one_file_of_all_days_that_grew_is_to_be_read_again(stores):
    land(stores, orders(GOOD), "orders.csv")
    stores.lake.write("raw/orders", ingest(stores, SOURCE, TABLE, DAYS), PROVENANCE)
    assert restated(stores, TABLE) == set()
    land(stores, orders(GOOD, "2,1,a,2024-03-31T12:00Z"), "orders.csv")
    assert restated(stores, TABLE) == set(DAYS)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20000-01-01 00:00", "0044-03-15 (BC) 12:00"])
def test_a_moment_beyond_what_readers_can_hold_is_set_aside_like_any_other(stores, moment):
    judged = reasons(bring_in(stores, orders("1,10,a,2024-03-30 12:00", f"2,10,a,{moment}")))
    assert list(judged) == ["2"]
    assert any("event_time: not in 0001-01-01 to 9999-12-31" in reason for reason in judged["2"])


def test_a_fraction_beyond_six_digits_is_no_integer(stores):
    judged = reasons(bring_in(stores, orders("3.0000001,10,a,2024-03-30 12:00", "3.0,10,a,2024-03-30 12:00")))
    assert list(judged) == ["3.0000001"]
