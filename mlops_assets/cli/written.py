"""Files that a command is asked to write."""

from pathlib import Path

from mlops_assets.errors import BadRequest


def written(path: Path, text: str) -> None:
    """Write a file, its folder too. Raises BadRequest when it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error}") from error
