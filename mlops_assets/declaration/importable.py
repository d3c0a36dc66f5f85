"""Is there something at an import path? Told from the source files, without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from mlops_assets.errors import nearest_only


def import_problem(path: str) -> str | None:
    """What is wrong with an import path such as ``package.module.Name``, with the nearest right one.

    None when nothing is, or when the files do not tell: a module that is not written in Python, or
    makes its names when it is imported.

    >>> import_problem("sklearn.dummy.DummyClasifier")
    "there is no 'DummyClasifier' in sklearn.dummy. Did you mean 'DummyClassifier'?"
    """
    package, *modules, name = path.split(".")
    found = find_spec(package)
    if found is None:
        return f"there is no package or module {package!r}"
    if not found.submodule_search_locations:
        return None
    folder, parent = Path(found.submodule_search_locations[0]), package
    for module in modules:
        if module not in _modules(folder):
            return f"there is no {module!r} in {parent}. {nearest_only(module, _modules(folder))}".rstrip()
        folder, parent = folder / module, f"{parent}.{module}"
    known = _names(folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py"))
    if known is None or name in known:
        return None
    public = [one for one in known if not one.startswith("_")]
    return f"there is no {name!r} in {parent}. {nearest_only(name, public)}".rstrip()


def _modules(folder: Path) -> set[str]:
    """The modules of a package, by whatever they are written in."""
    return {found.name.partition(".")[0] for found in folder.iterdir()} if folder.is_dir() else set()


def _names(file: Path) -> set[str] | None:
    """What a module defines or imports at its top; None when reading it does not tell."""
    if not file.is_file():
        return None
    names = set(_top_names(ast.parse(file.read_text(encoding="utf-8")).body))
    return None if names & {"*", "__getattr__"} else names


def _top_names(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.ClassDef() | ast.FunctionDef():
                yield statement.name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in statement.names)
            case ast.Assign():
                yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If() | ast.Try():
                yield from _top_names([one for one in ast.walk(statement) if isinstance(one, ast.stmt)][1:])
