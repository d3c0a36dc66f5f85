"""What becomes of bad input, kind by kind: the check that says so, the reason, the rows set aside, no traceback."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta

import dagster as dg
import pytest

from mlops_assets.graph import keys
from mlops_assets.steps.validation import judge, validate_with_suite
from mlops_assets_tests.sandbox import SHOP, load_project, make_project, sandbox

SOURCE = """
type: mlops_assets.components.GovernedSource

attributes:
  name: hostile
  owner: team:shop
  timezone: Europe/Berlin
  start: 2024-03-01
  tables:
    - name: events
      reads: {landing: "events/{day}.csv"}
      select: SELECT *, moment AS event_time, moment AS available_at FROM source
      key: [id]
      quarantine_at_most: 0.5
      columns:
        id: {type: integer}
        kind: {type: string, required: true, one_of: [a, b]}
        code: {type: string, matches: "[A-Z]{2}[0-9]{3}"}
        amount: {type: number, between: [-1, 1000]}
        pieces: {type: integer}
        paid: {type: boolean}
        started: {type: integer}
        ended: {type: integer}
        place: {type: string}
        note: {type: string}
      expectations:
        - {name: usual, row_count: {history: {days: 28, within: 0.5, at_least: 5}}}
        - {name: bounded, severity: critical, row_count: {between: [null, 1000]}}
        - {name: fresh, freshness: {within: 16h}}
        - {name: noted, completeness: {column: note, missing_at_most: 0.5}}
        - {name: kinds, distinct: {column: kind, between: [0, 2]}}
        - {name: average, mean: {column: amount, between: [1, 100]}}
        - {name: middle, severity: info, quantile: {column: amount, at: 0.5, between: [5, 5]}}
        - {name: forwards, rows: {condition: started <= ended, set_aside: true}}
        - {name: no_template, rows: {condition: "note <> '{batch}'"}}
        - {name: in_the_book, references: {table: places, columns: {place: place}}, severity: warning}
    - name: places
      reads: {landing: places.csv}
      select: SELECT *, TIMESTAMPTZ '2024-01-01' AS event_time, TIMESTAMPTZ '2024-01-01' AS available_at FROM source
      key: [place]
      partitions: none
      columns:
        place: {type: string}
"""
HEADER = "id,kind,code,amount,pieces,paid,started,ended,place,note,moment"
GOOD_DAYS = 7
FIRST = date(2024, 3, 1)
ROWS = 10
ASSETS = (keys.raw("events"), keys.validated("events"), keys.quarantine("events"))


def cells(number: int, **changed: str) -> dict[str, str]:
    """One good row, or one with some cells of another kind. ``{day}`` is the day it lands on."""
    row = dict.fromkeys(HEADER.split(","), "")
    row |= {
        "id": str(number),
        "kind": "ab"[number % 2],
        "code": f"AB{number % 1000:03d}",
        "amount": "5",
        "pieces": "3",
    }
    row |= {"paid": "true", "started": "1", "ended": "2", "place": "Köln", "note": "ok"}
    return row | {"moment": "{day}T13:00:00+01:00"} | changed


def file(*rows: dict[str, str], header: str = HEADER) -> str:
    return (
        "\n".join([header, *(",".join(row[column] for column in header.split(",")) for row in rows)]) + "\n"
    )


def with_last(**changed: str) -> str:
    """Nine good rows and a last one with other cells."""
    return file(*(cells(n) for n in range(1, ROWS)), cells(ROWS, **changed))


def with_all(**changed: str) -> str:
    return file(*(cells(n, **changed) for n in range(1, ROWS + 1)))


GOOD = with_all()


@dataclass(frozen=True)
class Case:
    """text: what lands, None for nothing. failed: the checks that say no, of both tables. aside: rows by reason."""

    what: str
    text: str | None
    failed: set[str] = field(default_factory=set)
    aside: dict[str, int] = field(default_factory=dict)
    rows: int = ROWS
    blocked: bool = False


def lonely(what: str, check: str, reason: str, **changed: str) -> Case:
    return Case(what, with_last(**changed), {check}, {reason: 1})


CASES = [
    Case("nothing wrong", GOOD),
    lonely("mixed types in one column", "types", "amount: not a number", amount="n/a"),
    Case(
        "numbers in several spellings",
        file(*(cells(n, amount=("12", "1e1", "1.50", "-0")[n % 4]) for n in range(1, 11))),
    ),
    lonely("an infinity", "types", "amount: not finite", amount="inf"),
    lonely("not a number", "types", "amount: not finite", amount="NaN"),
    lonely("a number beyond doubles", "types", "amount: not finite", amount="1e999"),
    lonely("the largest double", "validity", "amount: above 1000", amount="1e308"),
    lonely("a huge integer", "types", "pieces: not an integer", pieces="9" * 30),
    lonely("a fraction of an integer", "types", "pieces: not an integer", pieces="2.5"),
    lonely("something like a boolean", "types", "paid: not a boolean", paid="maybe"),
    Case("naive and aware times", with_last(moment="{day} 12:00:00")),
    Case(
        "a naive time that is tomorrow here",
        with_last(moment="{day} 23:30:00"),
        {"validity"},
        {"event_time: not of its partition's day": 1},
    ),
    Case(
        "seconds since 1970",
        with_last(moment="1710936000"),
        {"types"},
        {"event_time: not a timestamp": 1, "available_at: not a timestamp": 1},
    ),
    lonely(
        "a moment of 1970", "validity", "event_time: not of its partition's day", moment="1970-01-01T00:00Z"
    ),
    lonely(
        "a moment of 9999", "validity", "event_time: not of its partition's day", moment="9999-12-30T00:00Z"
    ),
    Case(
        "no moment",
        with_last(moment=""),
        {"completeness"},
        {"event_time: missing": 1, "available_at: missing": 1},
    ),
    Case(
        "identical rows",
        GOOD + GOOD.splitlines()[1] + "\n",
        {"uniqueness"},
        {"id: repeats an identical row": 1},
        11,
    ),
    Case(
        "rows that contradict each other",
        with_last(id="1"),
        {"uniqueness"},
        {"id: conflicting rows for one key": 2},
    ),
    Case(
        "one key in two spellings",
        with_last(id="01"),
        {"uniqueness"},
        {"id: conflicting rows for one key": 2},
    ),
    Case("a column without a value", with_all(note=""), {"completeness"}),
    Case(
        "a required column without a value",
        with_all(kind=""),
        {"completeness", "quarantined_share", "freshness", "distribution"},
        {"kind: missing": 10},
        blocked=True,
    ),
    Case("a header and no rows", HEADER + "\n", {"volume", "freshness", "distribution"}, rows=0),
    Case("no file", None, {"arrival", "volume", "freshness", "distribution"}, rows=0),
    Case("fewer rows than usual", file(*(cells(n) for n in range(1, 5))), {"volume"}, rows=4),
    Case(
        "more rows than are bearable",
        file(*(cells(n) for n in range(1001))),
        {"volume"},
        rows=1001,
        blocked=True,
    ),
    Case("only the small hours", with_all(moment="{day}T01:00:00+01:00"), {"freshness"}),
    Case(
        "text of all the world",
        file(
            *(
                cells(n, note=note)
                for n, note in enumerate(
                    ["é", "e\u0301", "🛫", "שלום", "../../etc", "'; DROP", "{x}", "%s", "$1", "\u200b"]
                )
            )
        ),
    ),
    lonely("an unknown category", "validity", "kind: not in its list", kind="c"),
    Case(
        "the only late row is not good",
        file(
            *(cells(n, moment="{day}T01:00:00+01:00") for n in range(1, ROWS)),
            cells(ROWS, amount="many", moment="{day}T21:00:00+01:00"),
        ),
        {"freshness", "types"},
        {"amount: not a number": 1},
    ),
    Case(
        "the only late row is there twice",
        file(
            *(cells(n, moment="{day}T01:00:00+01:00") for n in range(1, ROWS)),
            *[cells(ROWS, moment="{day}T21:00:00+01:00")] * 2,
        ),
        {"uniqueness"},
        {"id: repeats an identical row": 1},
        rows=11,
    ),
    lonely("a code of another pattern", "validity", "code: not of its pattern", code="AB12"),
    Case("a unit a hundred times smaller", with_all(amount="500"), {"distribution"}),
    lonely("an end before its beginning", "consistency", "forwards: not started <= ended", started="3"),
    Case("a template of the suite", with_last(note="{batch}"), {"consistency"}),
    Case("a place that is not in the book", with_last(place="Atlantis"), {"references"}),
    Case(
        "a row with every fault",
        with_last(kind="", code="x", amount="-5", pieces="many"),
        {"types", "completeness", "validity"},
        {
            "kind: missing": 1,
            "code: not of its pattern": 1,
            "amount: below -1": 1,
            "pieces: not an integer": 1,
        },
    ),
    Case(
        "columns in another order",
        file(*(cells(n) for n in range(1, 11)), header=",".join(HEADER.split(",")[::-1])),
    ),
    Case("a new column", GOOD.replace("moment\n", "moment,colour\n").replace("+01:00\n", "+01:00,red\n")),
    Case(
        "a column of another type",
        with_all(amount="five"),
        {"types", "distribution", "freshness", "quarantined_share"},
        {"amount: not a number": 10},
        blocked=True,
    ),
    Case("a byte order mark and semicolons", "\ufeff" + GOOD.replace(",", ";")),
    Case("a line break in quotes", with_last(note='"two\nlines"')),
]
# What never reaches validation: the raw check or the reader refuses it.
REFUSED = {
    "a column that is gone": (
        file(*(cells(n) for n in range(1, 11)), header=HEADER.replace("code,", "")),
        "missing columns: code",
    ),
    "a column of another name": (GOOD.replace("pieces", "items"), "missing columns: pieces"),
    "bytes that are no text": (b"\xff\xfe\x00bad", "landing:events/"),
    "a table under the wrong name": (b"PAR1garbage", "landing:events/"),
}
DAY_OF = {
    case: (FIRST + timedelta(days=GOOD_DAYS + n)).isoformat()
    for n, case in enumerate([*(case.what for case in CASES), *REFUSED])
}


def land(box, day: str, content: bytes | str | None) -> None:
    path = box.home / "landing" / "events" / f"{day}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.replace("{day}", day).encode())


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A week of good days, then a day for each case, validated in one run where nothing is blocked."""
    folder = tmp_path_factory.mktemp("hostile")
    more = {"PACKAGE/defs/sources/hostile/defs.yaml": SOURCE}
    project = load_project(make_project(folder, like=SHOP, more=more))
    with sandbox(project, folder / "home") as box:
        for n in range(GOOD_DAYS):
            land(box, (FIRST + timedelta(days=n)).isoformat(), GOOD)
        for case in CASES:
            land(box, DAY_OF[case.what], case.text)
        (box.home / "landing" / "places.csv").write_text("place\nKöln\nBonn\n", encoding="utf-8")
        box.run(*keys.of_table("places"))
        box.run(*ASSETS, first=FIRST.isoformat(), last=DAY_OF[CASES[-1].what], raise_on_error=False)
        yield box


def verdicts(box, table: str, day: str):
    (content,) = box.stores.records.contents(table, partitions=[day])
    return {verdict.check: verdict for verdict in box.stores.records.verdicts(content)}


def rows(box, table: str, day: str) -> int:
    (content,) = box.stores.records.contents(table, partitions=[day])
    return content.rows


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_bad_input_fails_the_right_checks_and_loses_no_row(box, case):
    day = DAY_OF[case.what]
    said = verdicts(box, "raw/events", day) | verdicts(box, "validated/events", day)
    assert {check for check, verdict in said.items() if not verdict.passed} == case.failed
    assert any(verdict.blocking and not verdict.passed for verdict in said.values()) is case.blocked
    assert not any("could not run" in verdict.reason for verdict in said.values())
    aside = box.rows("quarantine/events", [day])
    assert Counter(reason for row in aside for reason in row["reasons"]) == case.aside
    assert rows(box, "raw/events", day) == case.rows
    assert rows(box, "validated/events", day) + len(aside) == case.rows


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_every_reason_is_told_by_the_check_of_its_group(box, case):
    said = verdicts(box, "validated/events", DAY_OF[case.what])
    for reason, count in case.aside.items():
        told = [verdict.reason for verdict in said.values() if not verdict.passed]
        assert any(f"{reason} ({count} rows)" in one or reason.split(":")[0] in one for one in told)


def test_each_day_of_the_range_has_its_own_dagster_check(box):
    key = dg.AssetCheckKey(keys.validated("events"), "types")
    records = box.instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    by_day = {r.partition: r.status.value for r in records}
    for case in CASES:
        assert by_day[DAY_OF[case.what]] == ("FAILED" if "types" in case.failed else "SUCCEEDED")


def test_dagster_knows_which_days_failed_the_check(box):
    key = dg.AssetCheckKey(keys.validated("events"), "types")
    infos = box.instance.event_log_storage.get_asset_check_partition_info([key])
    status = {one.partition_key: one.latest_execution_status.value for one in infos if one.is_current}
    for case in CASES:
        assert status[DAY_OF[case.what]] == ("FAILED" if "types" in case.failed else "SUCCEEDED")


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_or_lacks_a_column_is_refused_with_its_reason(box, what):
    content, said = REFUSED[what]
    land(box, DAY_OF[what], content)
    result = box.run(*ASSETS, first=DAY_OF[what], raise_on_error=False)
    assert not result.success
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    told = [reason for event in result.get_asset_check_evaluations() if (reason := event.description)]
    assert said in " ".join([*map(str, errors), *told])
    found = {content.partition for content in box.stores.records.contents("validated/events")}
    assert DAY_OF[what] not in found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Great Expectations and its imports have many
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_great_expectations_says_the_same_of_every_bad_input(box, case):
    day, declared = DAY_OF[case.what], box.project.catalog.tables["events"]
    raw, refers_to = box.stores.lake.pin("raw/events", [day]), {"places": "validated/places"}
    told = (box.stores, declared.source, declared.table, raw)
    _, results = validate_with_suite(*told, day, refers_to=refers_to)
    assert not [result for result in results if result.error]
    failed = {result.check for result in results if not result.passed and result.severity != "info"}
    assert failed == case.failed - {"arrival", "quarantined_share"}
    ours = judge(*told, [day], refers_to=refers_to).outcomes[day]
    theirs = {result.expectation for result in results if not result.passed}
    assert {one.expectation for one in ours if not one.passed} == theirs & {one.expectation for one in ours}


def test_the_missing_values_and_the_outcome_of_each_expectation_are_in_the_metadata(box):
    day = DAY_OF["a column without a value"]
    records = box.instance.fetch_materializations(
        dg.AssetRecordsFilter(keys.validated("events"), asset_partitions=[day]), limit=1
    ).records
    metadata = records[0].asset_materialization.metadata
    assert metadata["missing"].value.splitlines() == [
        "| column | missing | share |",
        "|---|--:|--:|",
        "| note | 10 | 100.00% |",
    ]
    told = metadata["expectations"].value
    assert "| warning | failed | noted: 100.00% of note is missing, expected at most 50.00% |" in told
    assert "| info | passed | middle: quantile 0.5 of amount is 5, expected 5 to 5 |" in told
    assert metadata["raw_rows"].value == ROWS
