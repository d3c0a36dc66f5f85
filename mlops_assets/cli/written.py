"""Files that a command is asked to write."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from mlops_assets.errors import BadRequest


def written(path: Path, text: str) -> None:
    """Write a file, its folder too. Raises BadRequest when it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error}") from error


def written_lines(path: Path, lines: Iterable[str]) -> int:
    """Write a file line by line, its folder too; how many. The file is there when all of it is, and not before.

    Raises BadRequest when it cannot be.
    """
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            with unfinished.open("w", encoding="utf-8", newline="\n") as file:
                for line in lines:
                    file.write(f"{line}\n")
                    count += 1
            unfinished.replace(path)
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error}") from error
    return count
