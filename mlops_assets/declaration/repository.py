"""Reads ``feature_repo/``: entities.yaml, services.yaml, views/*.yaml and on_demand/*.yaml.

Each view stands beside its SQL, and each on-demand transform beside its Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets.declaration.features import (
    Entity,
    FeatureRepository,
    FeatureService,
    FeatureView,
)
from mlops_assets.declaration.located import Declared, Document, read_documents
from mlops_assets.declaration.on_demand import OnDemandTransform
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
    found = _read(folder)
    try:
        return FeatureRepository.of(
            [entity for entity, _ in found.entities],
            [view for view, _ in found.views],
            [service for service, _ in found.services],
            [transform for transform, _ in found.on_demand],
        )
    except DeclarationError as error:
        raise at_its_place(folder, error) from error


def at_its_place(folder: Path, error: DeclarationError) -> DeclarationError:
    """The same error with the file and line it is about, when its field names one of the repository's."""
    found = _read(folder)
    # Of two declarations with one name the later is the one to point at.
    places = {("entities", e.name): place for e, place in found.entities}
    places |= {("services", s.name): place for s, place in found.services}
    places |= {("on_demand", t.name): place for t, place in found.on_demand}
    places |= {("views", v.name): place for v, place in found.views}
    place = places.get((str(error.field[0]), str(error.field[1]))) if len(error.field) > 1 else None
    return error if place is None else DeclarationError(place.finding(error, error.field[2:]))


@dataclass(frozen=True)
class _Found:
    """The declarations of a repository, each with its place."""

    entities: list[tuple[Entity, _Place]]
    views: list[tuple[FeatureView, _Place]]
    services: list[tuple[FeatureService, _Place]]
    on_demand: list[tuple[OnDemandTransform, _Place]]


def _read(folder: Path) -> _Found:
    if not folder.is_dir():
        raise DeclarationError(f"there is no feature repository at {folder}")
    return _Found(
        entities=list(_read_list(folder / "entities.yaml", Entity)),
        views=list(_read_beside(folder / "views", FeatureView, FeatureView.with_sql_from)),
        services=list(_read_list(folder / "services.yaml", FeatureService)),
        on_demand=list(
            _read_beside(folder / "on_demand", OnDemandTransform, OnDemandTransform.with_code_from)
        ),
    )


def _read_beside(
    folder: Path, declared: type[Declared], complete: Callable[[Declared, Path], Declared]
) -> Iterator[tuple[Declared, _Place]]:
    """Every declaration of a folder's files, completed with the file beside that it names."""
    for path in sorted(folder.glob("*.yaml")):
        for document in read_documents(path):
            found, place = document.parse(declared, document.value), _Place(document)
            try:
                yield complete(found, folder), place
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
