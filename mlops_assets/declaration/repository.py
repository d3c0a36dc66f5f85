"""Reads ``feature_repo/``: entities.yaml, services.yaml and views/*.yaml, each view beside its SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets.declaration.features import (
    Entity,
    FeatureRepository,
    FeatureService,
    FeatureView,
    with_sql_from,
)
from mlops_assets.declaration.located import Declared, Document, read_documents
from mlops_assets.errors import DeclarationError


@dataclass(frozen=True)
class _Place:
    """Where a declaration stands: its document, and the path to it inside."""

    document: Document
    below: tuple[int, ...] = ()

    def finding(self, error: DeclarationError, field: tuple[str | int, ...]) -> str:
        return self.document.finding((*self.below, *field), str(error))


def read_feature_repository(folder: Path) -> FeatureRepository:
    """All that is declared under ``folder``, with names resolved.

    Raises DeclarationError with file, line and the nearest right name.
    """
    if not folder.is_dir():
        raise DeclarationError(f"there is no feature repository at {folder}")
    entities = list(_read_list(folder / "entities.yaml", Entity))
    services = list(_read_list(folder / "services.yaml", FeatureService))
    views = [found for path in sorted((folder / "views").glob("*.yaml")) for found in _read_views(path)]
    # Of two declarations with one name the later is the one to point at.
    places = {("entities", e.name): place for e, place in entities}
    places |= {("services", s.name): place for s, place in services}
    places |= {("views", v.name): place for v, place in views}
    try:
        return FeatureRepository.of([e for e, _ in entities], [v for v, _ in views], [s for s, _ in services])
    except DeclarationError as error:
        place = places.get((str(error.field[0]), str(error.field[1]))) if len(error.field) > 1 else None
        if place is None:
            raise
        raise DeclarationError(place.finding(error, error.field[2:])) from error


def _read_views(path: Path) -> Iterator[tuple[FeatureView, _Place]]:
    for document in read_documents(path):
        view, place = document.parse(FeatureView, document.value), _Place(document)
        try:
            yield with_sql_from(view, path.parent), place
        except DeclarationError as error:
            raise DeclarationError(place.finding(error, error.field)) from error


def _read_list(path: Path, declared: type[Declared]) -> Iterator[tuple[Declared, _Place]]:
    """A file that is one YAML list of declarations; a missing file is an empty list."""
    if not path.is_file():
        return
    for document in read_documents(path):
        for index, value in enumerate(_as_list(document)):
            yield document.parse(declared, value, below=(index,)), _Place(document, (index,))


def _as_list(document: Document) -> list[Any]:
    if not isinstance(document.value, list):
        kind = type(document.value).__name__
        raise DeclarationError(document.finding((), f"found a {kind}, expected a list of declarations"))
    return document.value
