"""Does Python code remember one call when it answers the next? Read off its text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeAlias

# What changes a list, a dictionary, a set or an array in place.
CHANGING = frozenset(
    {
        *("add", "append", "clear", "difference_update", "discard", "extend", "fill", "insert"),
        *("intersection_update", "itemset", "pop", "popitem", "put", "remove", "reverse", "setdefault"),
        *("sort", "symmetric_difference_update", "update"),
    }
)
CHANGEABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MAKE_CHANGEABLE = frozenset({"list", "dict", "set", "bytearray"})
EXPECTED = "expected a function that remembers nothing: a value must not rest on what was asked before"

Function: TypeAlias = ast.FunctionDef | ast.Lambda


def remembered(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Where its functions change what outlives a call, and the line.

    Told as far as names are written out; what goes by another name shows when rows are computed again.
    """
    constants, modules = _names_of(tree), _modules_of(tree)
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(
            statement.value, ast.GeneratorExp
        ):
            yield f"found a generator, which is another one after each use, {EXPECTED}", statement.lineno
        for function in _functions_of(statement):
            own = bound_names(function)
            yield from _of_function(function, constants - own, modules - own)


def _of_function(function: Function, constants: set[str], modules: set[str]) -> Iterator[tuple[str, int]]:
    """constants, modules: the names that mean in the function what they mean in the file."""
    for default in (*function.args.defaults, *filter(None, function.args.kw_defaults)):
        if isinstance(default, CHANGEABLE) or _makes_changeable(default):
            told = f"found the default {ast.unparse(default)!r}, which lives as long as the function"
            yield f"{told}, {EXPECTED}", default.lineno
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            yield f"found 'global {', '.join(node.names)}', {EXPECTED}", node.lineno
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            if _root(node) in constants | modules:
                yield f"found a change of {ast.unparse(node.value)!r}, {EXPECTED}", node.lineno
        elif isinstance(node, ast.Call) and (changed := _changed_by(node)) and _root(changed) in constants:
            yield f"found a change of {ast.unparse(changed)!r}, {EXPECTED}", node.lineno


def _changed_by(call: ast.Call) -> ast.expr | None:
    """What a call changes in place, if it does."""
    if isinstance(call.func, ast.Name) and call.func.id == "next" and call.args:
        return call.args[0]
    is_change = isinstance(call.func, ast.Attribute) and call.func.attr in CHANGING
    return call.func.value if is_change and isinstance(call.func, ast.Attribute) else None


def _makes_changeable(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKE_CHANGEABLE


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _functions_of(statement: ast.stmt) -> Iterator[Function]:
    if isinstance(statement, ast.FunctionDef):
        yield statement
    else:
        yield from (node for node in ast.walk(statement) if isinstance(node, ast.Lambda))


def _names_of(tree: ast.Module) -> set[str]:
    """The constants and functions of a file."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            names |= _stored_names(statement)
    return names


def _modules_of(tree: ast.Module) -> set[str]:
    """What a file imports, by the names that it has there."""
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}


def bound_names(tree: ast.AST) -> set[str]:
    """The names that code gives a meaning of its own: what it assigns, and its arguments."""
    return {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} | _stored_names(tree)


def _stored_names(tree: ast.AST) -> set[str]:
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}
