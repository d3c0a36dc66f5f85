"""What the doors share: the declaration inside, and errors that say file and line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import dagster as dg
from pydantic import BaseModel

from mlops_assets.declaration.base import Declaration
from mlops_assets.declaration.located import read_documents
from mlops_assets.errors import DeclarationError

Declared = TypeVar("Declared", bound=Declaration)
Door = TypeVar("Door", bound=dg.Component)

DECLARED_IN = "defs.yaml"


def declared(kind: type[Declared], attributes: BaseModel | None) -> Declared:
    """The declaration a YAML file holds; its defaults when it says nothing."""
    return attributes if isinstance(attributes, kind) else kind()


@contextmanager
def at_its_line(context: dg.ComponentLoadContext) -> Iterator[None]:
    """Declaration errors raised inside name the line of ``defs.yaml`` that they are about."""
    try:
        yield
    except DeclarationError as error:
        raise DeclarationError(_located(context, error)) from error


def only(doors: Sequence[Door], name: str, context: dg.ComponentLoadContext) -> Door:
    """The one component of its kind. Raises DeclarationError when there are none or several."""
    if len(doors) != 1:
        raise DeclarationError(f"found {len(doors)} components of type {name} in {context.defs_module_path}, expected one")
    return doors[0]


def _located(context: dg.ComponentLoadContext, error: DeclarationError) -> str:
    file = context.path / DECLARED_IN
    if not file.is_file():
        return f"{_shown(context.path, context)}: {error}"
    field = ("attributes", *error.field)
    document = next(read_documents(file))
    return document.finding(field, str(error)).replace(str(file), _shown(file, context), 1)


def _shown(path: Path, context: dg.ComponentLoadContext) -> str:
    return str(path.relative_to(context.project_root)) if path.is_relative_to(context.project_root) else str(path)
