"""Files that commands are asked to write."""

import pytest
from rich.console import Console

from mlops_assets.cli.outcome import Outcome, tell
from mlops_assets.cli.written import written, written_lines
from mlops_assets.errors import BadRequest


def test_a_file_is_written_with_its_folder(tmp_path):
    written(tmp_path / "a" / "b.html", "é")
    assert (tmp_path / "a" / "b.html").read_text(encoding="utf-8") == "é"


def test_what_cannot_be_written_is_told_by_its_path(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "below.xml"):
        with pytest.raises(BadRequest, match=f"^{path} cannot be written"):
            tell(Outcome("train", "m", "2024-01-01", []), Console(quiet=True), junit=path, as_json=None)


def test_lines_are_counted_and_only_a_whole_file_is_there(tmp_path):
    def broken():
        yield "new"
        raise ValueError("the database is gone")

    path = tmp_path / "a" / "events.jsonl"
    assert written_lines(path, ["é", "b"]) == 2
    assert path.read_bytes() == "é\nb\n".encode()
    with pytest.raises(ValueError, match="is gone"):
        written_lines(path, broken())
    assert path.read_bytes() == "é\nb\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_lines_that_cannot_be_written_are_told_by_their_path(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "below.jsonl"):
        with pytest.raises(BadRequest, match=f"^{path} cannot be written"):
            written_lines(path, ["a"])
