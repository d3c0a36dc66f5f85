"""An expectation that cannot be evaluated is an error of its own check, and costs no other verdict."""

from datetime import date

import pytest

from mlops_assets.data import validation
from mlops_assets.declaration.source import Source
from mlops_assets.steps.ingestion import ingest
from mlops_assets.steps.validation import judge
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")
SELECT = "SELECT *, moment AS event_time, moment AS available_at FROM source"
DAY = "2024-03-30"
ROWS = f"id,word,moment\n1,5,{DAY}T12:00Z\n2,x,{DAY}T12:00Z\nthree,7,{DAY}T12:00Z\n"


def source(*, of: str = "string", **expectation) -> Source:
    usual = {"name": "enough", "row_count": {"between": [3, None]}}
    table = {
        "name": "words",
        "reads": {"landing": "words.csv"},
        "select": SELECT,
        "key": ["id"],
        "quarantine_at_most": 1.0,
        "columns": {"id": {"type": "integer"}, "word": {"type": of}},
        "expectations": [usual, {"name": "it", **expectation}],
    }
    other = {**table, "name": "others", "partitions": "none", "expectations": []}
    said = {"name": "shop", "owner": "team:x", "start": DAY, "end": DAY, "tables": [table, other]}
    return Source.model_validate(said)


@pytest.fixture
def stores(tmp_path):
    opened = Stores.open(Places.below(tmp_path))
    opened.files.landing.mkdir(parents=True)
    (opened.files.landing / "words.csv").write_text(ROWS)
    return opened


def judged(stores: Stores, source: Source, *, without: str = ""):
    """What is made of the rows, and the verdicts by check. without: a column that the raw rows lack."""
    table = source.table("words")
    made = ingest(stores, source, table, [DAY])
    if without:
        made = type(made)(made.rows.drop_columns([without]), made.partitions)
    stores.lake.write("raw/words", made, PROVENANCE)
    raw = stores.lake.pin("raw/words", [DAY])
    found = judge(stores, source, table, raw, [DAY], refers_to={"others": "validated/others"})
    return found, {verdict.check: verdict for verdict in found.validated.verdicts[DAY]}


@pytest.mark.parametrize("set_aside", [True, False])
@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("CAST(word AS INTEGER) > 1", "Conversion Error: Could not convert string 'x' to INT32"),
        ("strptime(word, '%Y') > TIMESTAMP '2013-01-01'", "Invalid Input Error"),
    ],
)
def test_sql_that_cannot_run_is_an_error_with_the_reason(stores, condition, why, set_aside):
    found, said = judged(stores, source(rows={"condition": condition, "set_aside": set_aside}))
    verdict = said["consistency"]
    assert (verdict.passed, verdict.blocking, verdict.error) == (False, False, True)
    assert verdict.reason.startswith(f"could not run: it: {why}")
    assert said["volume"].passed
    assert not said["types"].passed
    assert (found.validated.rows.num_rows, found.quarantined.rows.num_rows) == (2, 1)


def test_a_table_that_was_never_made_is_an_error(stores):
    references = {"table": "others", "columns": {"word": "word"}, "set_aside": True}
    found, said = judged(stores, source(references=references))
    assert said["references"].reason.startswith(
        "could not run: it: nothing has been written to validated/others"
    )
    assert (said["references"].blocking, said["references"].error) == (False, True)
    assert found.validated.rows.num_rows == 2


def test_a_column_that_the_raw_rows_lack_is_an_error(stores):
    condition = {"condition": "length(word) > 0", "set_aside": True}
    found, said = judged(stores, source(rows=condition), without="word")
    assert said["consistency"].reason == "could not run: it: the raw rows have no column word"
    assert said["types"].reason.startswith(
        "could not run: the raw rows have no column word; id: not an integer"
    )
    assert said["types"].blocking
    assert found.quarantined.rows.num_rows == 1


def test_what_is_only_measured_has_no_check(stores):
    found, said = judged(stores, source(severity="info", rows={"condition": "word = '5'"}))
    assert "consistency" not in said
    (_, told) = found.outcomes[DAY]
    assert (told.passed, told.sentence) == (
        False,
        "it: 66.67% of rows fail word = '5', expected at most 0.00%",
    )
    assert found.quarantined.rows.num_rows == 1


@pytest.mark.parametrize(("severity", "blocking"), [("critical", True), ("warning", False)])
def test_the_severity_says_whether_a_failure_blocks(stores, severity, blocking):
    found, said = judged(stores, source(severity=severity, rows={"condition": "word <> '5'"}))
    assert (said["consistency"].passed, said["consistency"].blocking) == (False, blocking)
    aside = {tuple(row["reasons"]) for row in found.quarantined.rows.to_pylist()}
    assert (("it: not word <> '5'",) in aside) is blocking


def test_a_row_has_the_reasons_of_its_columns_and_of_its_conditions(stores):
    found, _ = judged(stores, source(rows={"condition": "word <> '7'", "set_aside": True}))
    (row,) = found.quarantined.rows.to_pylist()
    assert row["reasons"] == ["id: not an integer", "it: not word <> '7'"]


@pytest.mark.parametrize(("severity", "blocking"), [("critical", True), ("warning", False)])
def test_what_cannot_run_blocks_what_its_failure_would(stores, severity, blocking):
    condition = {"condition": "CAST(word AS INTEGER) > 1"}
    _, said = judged(stores, source(severity=severity, rows=condition))
    verdict = said["consistency"]
    assert (verdict.passed, verdict.blocking, verdict.error) == (False, blocking, True)


@pytest.mark.parametrize(
    ("expectation", "check"),
    [
        # The table has a check of volume, which tells of it, and none of consistency.
        ({"rows": {"condition": "CAST(word AS INTEGER) > 1"}}, "quarantined_share"),
        ({"completeness": {"column": "word", "missing_at_most": 0.1}}, "completeness"),
    ],
)
def test_what_was_to_be_measured_only_and_cannot_be_is_told_and_fails_nothing(stores, expectation, check):
    declared = source(severity="info", **expectation)
    without = "word" if check == "completeness" else ""
    _, said = judged(stores, declared, without=without)
    assert "could not run: it:" in said[check].reason
    assert said[check].passed
    assert sum("could not run: it:" in verdict.reason for verdict in said.values()) == 1


def test_a_condition_that_fails_while_running_costs_the_others_of_its_check_nothing(stores):
    declared = source(severity="critical", rows={"condition": "CAST(word AS INTEGER) > 1"})
    table = declared.tables[0]
    other = table.expectations[1].model_validate(
        {"name": "other", "severity": "warning", "rows": {"condition": "word <> '7'", "set_aside": True}}
    )
    more = table.model_copy(update={"expectations": [*table.expectations, other]})
    found, said = judged(stores, declared.model_copy(update={"tables": [more, *declared.tables[1:]]}))
    assert "could not run: it:" in said["consistency"].reason
    assert "other: 33.33% of rows fail" in said["consistency"].reason
    (row,) = found.quarantined.rows.to_pylist()
    assert row["reasons"] == ["id: not an integer", "other: not word <> '7'"]


def test_a_day_that_cannot_be_evaluated_costs_the_other_days_of_the_range_nothing(stores):
    days = [DAY, "2024-03-31"]
    calm = ROWS.replace("2,x,", "2,6,").replace(DAY, days[1]).splitlines()[1:]
    (stores.files.landing / "words.csv").write_text(
        ROWS + "\n".join([*calm, f"9,-1,{days[1]}T12:00Z"]) + "\n"
    )
    condition = {"condition": "CAST(word AS INTEGER) > 0", "set_aside": True}
    declared = source(severity="critical", rows=condition).model_copy(update={"end": date(2024, 3, 31)})
    table = declared.table("words")
    stores.lake.write("raw/words", ingest(stores, declared, table, days), PROVENANCE)
    found = judge(stores, declared, table, stores.lake.pin("raw/words", days), days)
    bad, good = (
        {verdict.check: verdict for verdict in found.validated.verdicts[day]}["consistency"] for day in days
    )
    assert (bad.passed, bad.blocking) == (False, True)
    assert bad.reason.startswith("could not run: it:")
    assert "could not run" not in good.reason
    aside = [row for row in found.quarantined.rows.to_pylist() if row["partition"] == days[1]]
    assert {row["word"] for row in aside} >= {"-1"}


@pytest.mark.parametrize(
    "found",
    [
        "TIMESTAMPTZ '290000-01-01'",
        "TIMESTAMP 'infinity'",
        "TIMESTAMPTZ '0044-03-15 (BC)'",
        "DATE '-infinity'",
    ],
)
@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_a_value_that_python_cannot_hold_costs_its_own_expectation_only(stores, monkeypatch, found, severity):
    ours = validation.measured
    monkeypatch.setattr(validation, "measured", lambda one: found if one.name == "it" else ours(one))
    judgement, said = judged(stores, source(severity=severity, freshness={"within": "2h"}))
    verdict = said["freshness"]
    assert verdict.reason.startswith("could not run: it: what was measured cannot be held: ")
    assert (verdict.passed, verdict.blocking, verdict.error) == (False, severity == "critical", True)
    assert said["volume"].passed
    assert judgement.validated.rows.num_rows == 2


@pytest.mark.parametrize("between", [[None, 1], [0, None]])
def test_a_mean_beyond_doubles_is_an_error_and_one_at_their_end_is_not(stores, between):
    declared = source(of="number", mean={"column": "word", "between": between})

    def said_of(*values: str):
        lines = [f"{n},{value},{DAY}T12:00Z" for n, value in enumerate(values)]
        (stores.files.landing / "words.csv").write_text("\n".join(["id,word,moment", *lines]) + "\n")
        return judged(stores, declared)[1]

    said = said_of("1e308", "1e308", "1e308")
    assert "could not run: it: Invalid Input Error: the sum of word is beyond" in said["distribution"].reason
    assert said["volume"].passed
    assert said_of("1e308", "-1e308", "0")["distribution"].passed
