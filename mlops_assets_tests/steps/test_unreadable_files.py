"""A file that cannot be read costs its own day, which keeps what it held, and no other day of the range."""

import gzip
import io
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_assets.declaration.source import Source
from mlops_assets.errors import GateRefusal, NotMaterialized, QueryFailed, SourceUnreadable
from mlops_assets.steps.ingestion import ingest, restated
from mlops_assets.steps.validation import Asked, judge
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")
DAYS = ["2024-03-29", "2024-03-30", "2024-03-31"]
BAD = DAYS[1]
HEADER = "id,word,moment"
MOMENTS = "moment AS event_time, moment AS available_at"


def table(name: str, reads: dict, **changed) -> dict:
    return {
        "name": name,
        "reads": reads,
        "select": f"SELECT *, {MOMENTS} FROM source",
        "key": ["id"],
        "quarantine_at_most": 1.0,
        "columns": {"id": {"type": "integer"}, "word": {"type": "string"}},
    } | changed


TIMELESS = (
    "SELECT *, TIMESTAMPTZ '2024-03-30' AS event_time, TIMESTAMPTZ '2024-03-30' AS available_at FROM source"
)
SOURCE = Source.model_validate(
    {
        "name": "shop",
        "owner": "team:x",
        "start": DAYS[0],
        "end": DAYS[-1],
        "tables": [
            table("words", {"landing": "words/{day}.csv"}),
            table("timeless", {"landing": "timeless/{day}.csv"}, select=TIMELESS),
            table("pages", {"landing": "pages/{day}.parquet"}),
            table("whole", {"landing": "whole.csv"}),
            table("snapshot", {"landing": "whole.csv"}, partitions="none", select=TIMELESS),
        ],
    }
)


def csv(day: str, rows: int = 3) -> bytes:
    return "\n".join([HEADER, *(f"{n},w{n},{day}T12:00Z" for n in range(rows)), ""]).encode()


def parquet(day: str, rows: int = 1000) -> bytes:
    columns = {
        "id": list(range(rows)),
        "word": [f"w{n}" for n in range(rows)],
        "moment": [f"{day}T12:00Z"] * rows,
    }
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


FEW, MANY = csv(BAD).decode(), csv(BAD, 30_000).decode()
TEXTS = {
    "no byte": (b"", "found no line in 0 bytes; expected CSV in UTF-8 whose first line names the columns"),
    "a lone newline": (b"\n", "found no line in 1 bytes"),
    "a byte order mark": ("\ufeff".encode(), "found no line in 3 bytes"),
    "no header": (FEW.split("\n", 1)[1].encode(), "the columns 0, w0, 2024-03-30T12:00Z; expected"),
    "a short row": (
        (FEW + "9\n" + FEW).encode(),
        "Line: 5; Original Line: 9; Expected Number of Columns: 3 Found: 1",
    ),
    "a long row": (
        (FEW + "9,a,b,c\n").encode(),
        "Line: 5; Original Line: 9,a,b,c; Expected Number of Columns: 3",
    ),
    "a short row far down": (
        (MANY + "9\n").encode(),
        "Line: 30002; Original Line: 9; Expected Number of Columns: 3",
    ),
    "a last row that was cut": (
        (FEW + "9,wo").encode(),
        "Original Line: 9,wo; Expected Number of Columns: 3 Found: 2",
    ),
    "a line above the header": (b"report\n" + csv(BAD), "Expected Number of Columns: 1 Found: 2"),
    "one byte of Latin-1": ((FEW + "9,").encode() + b"\xe9,x\n", "Line: 5; Original Line"),
    "one byte of Latin-1 far down": ((MANY + "9,").encode() + b"\xe9,x\n", "This file is not utf-8 encoded"),
    "an open quote": ((FEW + '9,"a,b\n').encode(), "unterminated quote"),
    "UTF-16": (FEW.encode("utf-16"), "expected CSV in UTF-8"),
    "bytes that are no text": (b"\xff\xfe\x00bad", "expected"),
    "gzip under the wrong name": (gzip.compress(MANY.encode()), "expected"),
    "half of a gzip": (gzip.compress(MANY.encode())[:2000], "expected"),
    "an error page": (b"<html>Not found</html>\n", "the columns <html>Not found</html>; expected"),
    "a table under the wrong name": (b"PAR1garbage", "the columns PAR1garbage; expected"),
    "a column of the platform's own": (
        FEW.replace("word", "reasons").encode(),
        "'reasons', a name of the platform's own",
    ),
    "a column of the platform's own in capitals": (
        FEW.replace("word", "Partition").encode(),
        "'Partition', a name of the platform's own",
    ),
    "columns that only case tells apart": (
        FEW.replace("word", "Word").encode(),
        "'Word' beside 'word', and case does not count",
    ),
}
WHOLE = parquet(BAD)
PARQUETS = {
    "no byte": (b"", "too small to be a Parquet file; expected a whole Parquet file"),
    "a lone newline": (b"\n", "expected a whole Parquet file"),
    "a cut end": (WHOLE[:-200], "No magic bytes found at end of file 'landing:pages/2024-03-30.parquet'"),
    "half of it": (WHOLE[: len(WHOLE) // 2], "expected a whole Parquet file"),
    "a page of other bytes": (WHOLE[:100] + bytes(400) + WHOLE[500:], "expected a whole Parquet file"),
    "text": (csv(BAD), "expected a whole Parquet file"),
}
CASES = [
    *(pytest.param("words", *case, id=f"text: {what}") for what, case in TEXTS.items()),
    *(pytest.param("pages", *case, id=f"parquet: {what}") for what, case in PARQUETS.items()),
]


@pytest.fixture
def stores(tmp_path):
    return Stores.open(Places.below(tmp_path))


def land(stores: Stores, name: str, content: bytes) -> None:
    path = stores.files.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def file_of(name: str, day: str) -> str:
    return SOURCE.table(name).reads.landing.replace("{day}", day)


def good(name: str, day: str) -> bytes:
    return parquet(day) if name == "pages" else csv(day)


def land_good(stores: Stores, name: str) -> None:
    for day in DAYS:
        land(stores, file_of(name, day), good(name, day))


def read(stores: Stores, name: str, days):
    """Ingest and write, as the asset does."""
    made = ingest(stores, SOURCE, SOURCE.table(name), days)
    stores.lake.write(f"raw/{name}", made, PROVENANCE)
    return made


def judged(stores: Stores, name: str, days):
    asked = Asked.of(stores, f"raw/{name}", days)
    return asked, judge(stores, SOURCE, SOURCE.table(name), asked.raw, asked.partitions)


@pytest.mark.parametrize(("name", "content", "said"), CASES)
def test_a_file_that_cannot_be_read_costs_its_own_day_only(stores, name, content, said):
    land_good(stores, name)
    land(stores, file_of(name, BAD), content)
    made = read(stores, name, DAYS)
    assert list(made.partitions) == [DAYS[0], DAYS[2]]
    assert list(made.refused) == [BAD]
    schema, arrival = made.refused[BAD]
    assert (schema.check, schema.passed, schema.blocking, arrival.passed) == ("schema", False, True, True)
    assert schema.reason.startswith(f"landing:{file_of(name, BAD)}, read for table '{name}': found ")
    assert said in schema.reason
    assert str(stores.files.landing) not in schema.reason
    asked, found = judged(stores, name, DAYS)
    assert asked.partitions == (DAYS[0], DAYS[2])
    assert set(found.validated.verdicts) == {DAYS[0], DAYS[2]}
    assert set(found.validated.rows.column("partition").to_pylist()) == {DAYS[0], DAYS[2]}
    with pytest.raises(GateRefusal, match=rf"1 of 3 partitions were not judged.*\n.*{BAD}: schema: landing"):
        asked.require_all()


@pytest.mark.parametrize(("name", "content", "said"), CASES)
def test_a_file_that_cannot_be_read_alone_is_refused_and_what_was_there_stays(stores, name, content, said):
    land_good(stores, name)
    read(stores, name, DAYS)
    before = stores.records.contents(f"raw/{name}")
    land(stores, file_of(name, BAD), content)
    assert not read(stores, name, [BAD]).partitions
    assert stores.records.contents(f"raw/{name}") == before
    for reader in (stores.lake.pin, lambda *asked: Asked.of(stores, *asked)):
        with pytest.raises(GateRefusal, match=f"raw/{name}, partition {BAD}: schema: landing:"):
            reader(f"raw/{name}", [BAD])
    assert restated(stores, SOURCE.table(name)) == {BAD}
    ((_, day, verdict),) = stores.records.failed([f"raw/{name}"])
    assert (day, verdict.check) == (BAD, "schema")
    assert said in verdict.reason
    land(stores, file_of(name, BAD), good(name, BAD))
    read(stores, name, [BAD])
    assert restated(stores, SOURCE.table(name)) == set()
    asked, found = judged(stores, name, DAYS)
    asked.require_all()
    assert list(found.counts) == DAYS


def test_a_day_that_never_was_and_cannot_be_read_is_refused_too(stores):
    land(stores, file_of("words", BAD), b"")
    read(stores, "words", [BAD])
    with pytest.raises(GateRefusal, match="found no line"):
        Asked.of(stores, "raw/words", [BAD])
    with pytest.raises(NotMaterialized, match=DAYS[0]):
        Asked.of(stores, "raw/words", [DAYS[0]])


def test_a_day_that_was_never_ingested_costs_itself_only(stores):
    land_good(stores, "words")
    read(stores, "words", DAYS[:2])
    asked, found = judged(stores, "words", DAYS)
    assert list(found.counts) == DAYS[:2]
    with pytest.raises(GateRefusal, match=f"{DAYS[2]}: nothing was written to it yet"):
        asked.require_all()


def test_names_that_are_none_of_the_declared_ones_are_no_header(stores):
    land_good(stores, "timeless")
    land(stores, file_of("timeless", BAD), b"1,2,3\n4,5,6\n")
    (schema, _) = read(stores, "timeless", DAYS).refused[BAD]
    assert "found the columns 1, 2, 3, event_time, available_at; expected id, word" in schema.reason
    land(stores, file_of("timeless", BAD), b"id\n4\n")
    made = read(stores, "timeless", [BAD])
    assert not made.refused
    assert made.verdicts[BAD][0].reason.startswith("missing columns: word")


@pytest.mark.parametrize("name", ["whole", "snapshot"])
@pytest.mark.parametrize(
    "what", ["no byte", "a lone newline", "no header", "a short row", "one byte of Latin-1"]
)
def test_one_file_of_all_days_costs_all_of_them(stores, name, what):
    partitions = ["all"] if name == "snapshot" else DAYS
    land(stores, "whole.csv", csv(BAD))
    read(stores, name, partitions)
    before = stores.records.contents(f"raw/{name}")
    land(stores, "whole.csv", TEXTS[what][0])
    made = read(stores, name, partitions)
    assert (list(made.partitions), list(made.refused)) == ([], partitions)
    assert stores.records.contents(f"raw/{name}") == before
    with pytest.raises(GateRefusal, match=r"landing:whole\.csv"):
        Asked.of(stores, f"raw/{name}", partitions)


def test_a_value_that_the_sql_of_the_source_cannot_take_costs_its_day(stores):
    select = f"SELECT CAST(id AS INTEGER) AS id, word, {MOMENTS} FROM source"
    strict = SOURCE.table("words").model_copy(update={"select": select})
    land_good(stores, "words")
    land(stores, file_of("words", BAD), FEW.replace("2,w2", "two,w2").encode())
    made = ingest(stores, SOURCE, strict, DAYS)
    (schema, _) = made.refused[BAD]
    assert "Original Line: two,w2," in schema.reason
    assert "Conversion Error" in schema.reason
    assert schema.reason.endswith("the columns id, word, moment; expected rows that the table's SQL fits")


def test_a_link_out_of_the_landing_root_costs_its_day(stores, tmp_path):
    land_good(stores, "words")
    outside = tmp_path.parent / f"{tmp_path.name}.csv"
    outside.write_bytes(csv(BAD))
    link = stores.files.landing / file_of("words", BAD)
    link.unlink()
    link.symlink_to(outside)
    assert "leads out of the landing root" in read(stores, "words", DAYS).refused[BAD][0].reason


def test_a_file_that_may_not_be_opened_is_to_be_read_again_and_costs_its_day(stores, monkeypatch):
    land_good(stores, "words")
    read(stores, "words", DAYS)
    locked, unlocked = stores.files.landing / file_of("words", BAD), open

    def opened(path, *args, **kwargs):
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied")
        return unlocked(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr("pathlib.Path.open", opened)
    assert restated(stores, SOURCE.table("words")) == {BAD}
    (schema, _) = read(stores, "words", DAYS).refused[BAD]
    assert "found that it cannot be opened ([Errno 13] Permission denied); expected CSV" in schema.reason


def test_too_little_memory_is_not_the_fault_of_a_file(stores):
    land(stores, file_of("words", BAD), csv(BAD, 300_000))
    small = replace(stores, engine=replace(stores.engine, memory_limit="1MB", threads=1))
    with pytest.raises(QueryFailed, match=r"landing:words/2024-03-30\.csv.*Out of Memory"):
        ingest(small, SOURCE, SOURCE.table("words"), [BAD])


def test_a_package_that_is_not_there_stops_the_step(stores):
    lost = type(SOURCE.tables[0]).model_validate(table("lost", {"package": "no_such", "file": "x.csv"}))
    with pytest.raises(SourceUnreadable, match="no_such"):
        ingest(stores, SOURCE, lost, DAYS)
