"""Files that commands are asked to write."""

import pytest
from rich.console import Console

from mlops_assets.cli.outcome import Outcome, tell
from mlops_assets.cli.written import written
from mlops_assets.errors import BadRequest


def test_a_file_is_written_with_its_folder(tmp_path):
    written(tmp_path / "a" / "b.html", "é")
    assert (tmp_path / "a" / "b.html").read_text(encoding="utf-8") == "é"


def test_what_cannot_be_written_is_told_by_its_path(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "below.xml"):
        with pytest.raises(BadRequest, match=f"^{path} cannot be written"):
            tell(Outcome("train", "m", "2024-01-01", []), Console(quiet=True), junit=path, as_json=None)
