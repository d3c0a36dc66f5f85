"""What is said of a file that cannot be read, compressed ones among them."""

import gzip
import zipfile

import duckdb
import pytest

from mlops_assets.declaration.source import PackageFile
from mlops_assets.errors import SourceUnreadable
from mlops_assets.stores.engine import Engine
from mlops_assets.stores.files import Files, SourceFile
from mlops_assets.stores.unreadable import why_unreadable

ROWS = "id;word\n" + "".join(f"{n};{n * 7919 % 10007}\n" for n in range(20_000))
WHOLE = gzip.compress(ROWS.encode())


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path / "spill")


def file(tmp_path, name: str, content: bytes) -> SourceFile:
    path = tmp_path / name
    path.write_bytes(content)
    return SourceFile(path, f"package:{name}", ("",))


def test_a_compressed_text_is_read_with_its_own_delimiter(engine, tmp_path):
    rows = engine.rows("SELECT * FROM source", {"source": file(tmp_path, "rows.csv.gz", WHOLE)})
    assert (rows.column_names, rows.num_rows) == (["id", "word"], 20_000)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            WHOLE[: len(WHOLE) // 2],
            "Unexpected end of GZIP stream: package:rows.csv.gz; expected CSV in UTF-8",
        ),
        (WHOLE[: len(WHOLE) // 2] + bytes(400) + WHOLE[len(WHOLE) // 2 + 400 :], "expected CSV in UTF-8"),
        (
            gzip.compress((ROWS + "1;2;3\n").encode()),
            "Original Line: 1;2;3; Expected Number of Columns: 2 Found: 3",
        ),
        (gzip.compress(ROWS.encode() + b"1;\xe9t\xe9\n"), "This file is not utf-8 encoded"),
    ],
    ids=["half of it", "other bytes within", "a long row", "Latin-1"],
)
def test_a_compressed_text_that_cannot_be_read_says_why(engine, tmp_path, content, said):
    broken = file(tmp_path, "rows.csv.gz", content)
    with pytest.raises(duckdb.Error) as caught:
        engine.rows("SELECT count(COLUMNS(*)) FROM source", {"source": broken})
    why = why_unreadable(engine, broken, caught.value)
    assert said in why
    assert str(tmp_path) not in why


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found no line in 0 bytes"),
        (gzip.compress(b"\n"), "found no line in"),
        (ROWS.encode(), "cannot be opened \\(Not a gzipped file"),
        (WHOLE[:15], "cannot be opened \\(Compressed file ended"),
    ],
    ids=["no byte", "a lone newline", "text", "only a beginning"],
)
def test_a_compressed_text_without_a_first_line_says_why(engine, tmp_path, content, said):
    with pytest.raises(SourceUnreadable, match=said):
        engine.rows("SELECT * FROM source", {"source": file(tmp_path, "rows.csv.gz", content)})


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-30], lambda whole: whole[:60] + bytes(200) + whole[260:]]
)
def test_an_archive_that_is_not_whole_says_so(tmp_path, monkeypatch, damage):
    archive = tmp_path / "rows.csv.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("rows.csv", ROWS)
    archive.write_bytes(damage(archive.read_bytes()))
    monkeypatch.setattr("mlops_assets.stores.files.installed_file", lambda declared: archive)
    files = Files(tmp_path / "landing", tmp_path / "cache")
    with pytest.raises(
        SourceUnreadable, match=r"rows\.csv\.zip cannot be unpacked .*expected a whole zip archive"
    ):
        files.package_file(PackageFile(package="some", file="rows.csv.zip"))
    assert not list((tmp_path / "cache").rglob("*.csv"))
