"""What the doors share: the declaration inside, and errors that say file and line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
from pydantic import BaseModel, ConfigDict

from mlops_assets.declaration.base import Declaration
from mlops_assets.declaration.located import Document, read_documents
from mlops_assets.errors import DeclarationError

Declared = TypeVar("Declared", bound=Declaration)
Door = TypeVar("Door", bound=dg.Component)

DECLARED_IN = "defs.yaml"


@lru_cache
def schema_of(kind: type[Declaration]) -> type[BaseModel]:
    """The model by which Dagster shows what ``attributes`` may say.

    It takes anything: the declaration itself judges, since only it names the nearest right word.
    """

    class Attributes(BaseModel):
        model_config = ConfigDict(extra="allow", title=kind.__name__)

        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return kind.model_json_schema(*args, **kwargs)

    return Attributes


def declared(kind: type[Declared], context: dg.ComponentLoadContext) -> Declared:
    """The declaration that stands in ``defs.yaml``. Raises DeclarationError with file and line."""
    with told_from(context.project_root):
        document = _document(context)
        said = document.value.get("attributes")
        required = [name for name, field in kind.model_fields.items() if field.is_required()]
        if said is None and required:
            expected = (
                f"found nothing, expected what a {kind.__name__.lower()} must say: {', '.join(required)}"
            )
            raise DeclarationError(document.finding(("attributes",), expected))
        return document.parse(kind, said or {}, below=("attributes",))


@contextmanager
def told_from(root: Path) -> Iterator[None]:
    """Errors name files as a person at the root of the project would."""
    try:
        yield
    except DeclarationError as error:
        raise DeclarationError(str(error).replace(f"{root}/", ""), field=error.field) from error


@contextmanager
def at_its_line(context: dg.ComponentLoadContext) -> Iterator[None]:
    """Declaration errors raised inside name the line of ``defs.yaml`` that they are about."""
    try:
        yield
    except DeclarationError as error:
        if not (context.path / DECLARED_IN).is_file():
            raise
        with told_from(context.project_root):
            message = _document(context).finding(("attributes", *error.field), str(error))
            raise DeclarationError(message) from error


def only(doors: Sequence[Door], name: str, context: dg.ComponentLoadContext) -> Door:
    """The one component of its kind. Raises DeclarationError when there are none or several."""
    if len(doors) != 1:
        raise DeclarationError(
            f"found {len(doors)} components of type {name} in {context.defs_module_path}, expected one"
        )
    return doors[0]


def _document(context: dg.ComponentLoadContext) -> Document:
    """The YAML document of this component; a file may hold several."""
    documents = list(read_documents(context.path / DECLARED_IN))
    index = context.component_path.instance_key
    return documents[index if isinstance(index, int) else 0]
