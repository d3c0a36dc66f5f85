"""What the demonstration of a deployment shows."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path

from pydantic import Field, field_validator

from mlops_assets.declaration.base import Declaration, Name
from mlops_assets.declaration.located import read_documents
from mlops_assets.errors import DeclarationError


class Live(Declaration):
    """Days that are replayed against a running service. first: as of which the first version is trained."""

    title: str
    first: date
    days: int = Field(default=31, ge=1)


class Demo(Declaration):
    """One model, brought up to each of these dates in turn; live: what is replayed of it."""

    title: str
    model: Name
    as_of: tuple[date, ...] = Field(min_length=1)
    live: Live

    @field_validator("as_of")
    @classmethod
    def _in_order(cls, value: tuple[date, ...]) -> tuple[date, ...]:
        if any(later <= earlier for earlier, later in pairwise(value)):
            raise ValueError("expected as-of dates from the oldest to the newest, each once")
        return value


def read_demo(path: Path) -> Demo:
    """The demonstration declared in a file. Raises DeclarationError with file and line."""
    documents = list(read_documents(path))
    if len(documents) != 1:
        raise DeclarationError(f"{path}: found {len(documents)} YAML documents, expected one")
    return documents[0].parse(Demo, documents[0].value)
