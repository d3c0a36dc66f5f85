"""Files that are no components at all: Dagster reads them first, and says less about them than it could."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from dagster.components.core.component_tree import ComponentTree
from dagster.components.core.defs_module import ComponentFileModel
from dagster_shared.check import CheckError
from dagster_shared.error import DagsterUnresolvableSymbolError
from pydantic import ValidationError

from mlops_assets import components
from mlops_assets.components.door import DECLARED_IN, told_from
from mlops_assets.declaration.located import Document, read_documents
from mlops_assets.errors import DeclarationError, nearest


@contextmanager
def malformed_files_told(tree: ComponentTree) -> Iterator[None]:
    """What Dagster raises about a file that is no component becomes a DeclarationError with file and line."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        _refuse([Path(error.problem_mark.name)] if error.problem_mark else [], tree.project_root)
        raise
    except (CheckError, ValidationError, DagsterUnresolvableSymbolError):
        _refuse(sorted(tree.defs_module_path.rglob(DECLARED_IN)), tree.project_root)
        raise


def _refuse(paths: list[Path], root: Path) -> None:
    with told_from(root):
        for path in paths:
            _refuse_malformed(path)


def _refuse_malformed(path: Path) -> None:
    documents = list(read_documents(path))
    if not documents:
        raise DeclarationError(
            f"{path}:1: found an empty file, expected a component: 'type' and 'attributes'"
        )
    for document in documents:
        problem = _problem(document)
        if problem is not None:
            raise DeclarationError(document.finding(*problem))
        _refuse_what_dagster_refuses(document)


def _refuse_what_dagster_refuses(document: Document) -> None:
    """A value beside 'type' and 'attributes' that is not of its kind."""
    try:
        ComponentFileModel.model_validate(document.value)
    except ValidationError as error:
        raise DeclarationError(document.explain(error)) from error


def _problem(document: Document) -> tuple[tuple[str, ...], str] | None:
    """What keeps a document from being a component, and in which field; None when nothing does."""
    said = document.value
    if not isinstance(said, dict):
        return (), f"found a {type(said).__name__}, expected a component: 'type' and 'attributes'"
    for field in said:
        if field not in ComponentFileModel.model_fields:
            hint = nearest(str(field), ComponentFileModel.model_fields)
            return (str(field),), f"unknown field {str(field)!r}. {hint}"
    if not isinstance(said.get("type"), str):
        return ("type",), f"found {said.get('type')!r}, expected the type of the component"
    package, _, name = said["type"].rpartition(".")
    if package == components.__name__ and name not in components.__all__:
        return ("type",), f"there is no component {name!r} in {package}. {nearest(name, components.__all__)}"
    attributes = said.get("attributes")
    if not isinstance(attributes, dict | None):
        return ("attributes",), f"found a {type(attributes).__name__}, expected fields with their values"
    return None
