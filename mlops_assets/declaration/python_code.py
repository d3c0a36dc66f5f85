"""A Python file beside a declaration: read and checked as text, without importing or running anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

from mlops_assets.declaration.python_state import bound_names, remembered
from mlops_assets.errors import DeclarationError, nearest, nearest_only

FUNCTION = "transform"
# What the code may use besides itself. Anything else could change what a feature means without a trace
# in its hash, or be missing where it is served.
ALLOWED_IMPORTS = frozenset({"__future__", "datetime", "math", "numpy", "pandas", "re", "typing", "zoneinfo"})
# What answers differently when it is asked again.
UNREPEATABLE = frozenset({"now", "today", "utcnow", "random", "sample"})
OF_THE_PROCESS = frozenset({"hash", "id"})
# What reads, or runs, something that does not stand in the file.
REACHING_OUT = frozenset(
    {
        *("open", "eval", "exec", "compile", "input", "globals", "locals", "vars"),
        *("getattr", "setattr", "delattr", "breakpoint"),
    }
)
READING_FILES = re.compile(
    r"read_.*|fromfile|load(txt)?|genfromtxt|memmap|open_memmap|HDFStore|ExcelFile|DataSource"
)
# Modules that others have as attributes, and what belongs to Python itself.
BEYOND = re.compile(r"sys|os|builtins|importlib|subprocess|ctypeslib|__.*__")
OF_PYTHON = re.compile(r"__.*__")
CLOCK_WORDS = frozenset({"now", "today"})
OF_MANY_MOMENTS = frozenset(
    {"to_datetime", "DatetimeIndex", "array", "asarray", "date_range", "period_range"}
)
AT_THE_TOP = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Assign, ast.AnnAssign)

# What is wrong, and the line.
_Problem = tuple[str, int]


def python_code(file: str, folder: Path, *, field: tuple[str | int, ...]) -> str:
    """The code of a file as Python itself spells it: without comments, docstrings and layout.

    Raises DeclarationError when the file is missing, does not parse, does more at its top than define and
    import, or holds no function ``transform`` of one argument.
    """
    path = folder / file
    if not path.is_file():
        beside = [one.name for one in folder.glob("*.py")]
        raise DeclarationError(f"there is no file {file!r} in {folder}. {nearest(file, beside)}", field=field)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        place = f"{file}, line {error.lineno}" if isinstance(error, SyntaxError) else file
        told = error.msg if isinstance(error, SyntaxError) else str(error)
        raise DeclarationError(f"{place}: this is not Python: {told}", field=field) from error
    found = (*_at_the_top(tree), *_beyond_the_file(tree), *remembered(tree), *_of_the_function(tree))
    for problem, line in found:
        raise DeclarationError(f"{file}, line {line}: {problem}", field=field)
    return ast.unparse(ast.fix_missing_locations(_WithoutDocstrings().visit(tree)))


def require_known_columns(
    code: str, inputs: Collection[str], features: Collection[str], *, asked_by: str
) -> None:
    """Refuse code that reads a column by a name that is no input, or returns other columns than the features.

    Told as far as the names are written out: ``inputs["a"]``, and ``return pd.DataFrame({"b": …})``.
    """
    function = _function(ast.parse(code))
    argument = function.args.args[0].arg
    subscripts = [node for node in ast.walk(function) if _is_column_of(node, argument)]
    made = {_text(node.slice) for node in subscripts if isinstance(node.ctx, ast.Store)}
    for node in subscripts:
        column = _text(node.slice)
        if column not in inputs and column not in made:
            raise DeclarationError(
                f"{asked_by} reads {column!r}, which is no input. {nearest(column, inputs)}"
            )
    for columns in _returned(function):
        for column in [*columns, *features]:
            if column not in features:
                raise DeclarationError(
                    f"{asked_by} returns {column!r}, which is not declared. {nearest(column, features)}"
                )
            if column not in columns:
                raise DeclarationError(f"{asked_by} does not return {column!r}. {nearest(column, columns)}")


def _at_the_top(tree: ast.Module) -> Iterator[_Problem]:
    for statement in tree.body:
        if not isinstance(statement, AT_THE_TOP) and not _is_docstring(statement):
            told = "found code that runs when the file is loaded, expected imports, constants and functions"
            yield told, statement.lineno


def _beyond_the_file(tree: ast.Module) -> Iterator[_Problem]:
    clocks, own = _names_of_clock_words(tree), bound_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((problem, node.lineno) for problem in _imports(node))
        elif isinstance(node, ast.Attribute) and node.attr in UNREPEATABLE:
            yield f"found {node.attr!r}, expected what gives the same whenever it is asked", node.lineno
        elif isinstance(node, ast.Attribute) and _reaches_out(node.attr):
            yield f"found {node.attr!r}, expected what computes from the inputs alone", node.lineno
        elif isinstance(node, ast.Call) and (words := _clock_words(node, clocks)):
            yield f"found {words[0]!r}, expected what gives the same whenever it is asked", node.lineno
        elif isinstance(node, ast.Name) and node.id in OF_THE_PROCESS - own:
            yield f"found {node.id!r}, expected what gives the same in every process", node.lineno
        elif isinstance(node, ast.Name) and (node.id in REACHING_OUT or OF_PYTHON.fullmatch(node.id)):
            yield f"found {node.id!r}, expected what computes from the inputs alone", node.lineno


def _reaches_out(attribute: str) -> bool:
    return bool(READING_FILES.fullmatch(attribute) or BEYOND.fullmatch(attribute))


def _clock_words(call: ast.Call, clocks: Mapping[str, str]) -> list[str]:
    """The words among a call's arguments that pandas and NumPy take for the moment of the call.

    clocks: names that stand for such a word.
    """
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if called in OF_MANY_MOMENTS:
        given += [item for one in given if isinstance(one, ast.List | ast.Tuple) for item in one.elts]
    names = [clocks[one.id] for one in given if isinstance(one, ast.Name) and one.id in clocks]
    return [*filter(None, map(_clock_word, given)), *names]


def _names_of_clock_words(tree: ast.Module) -> dict[str, str]:
    """The names that are given such a word, each with it."""
    return {
        target.id: word
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (word := _clock_word(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _clock_word(node: ast.expr) -> str | None:
    said = node.value if isinstance(node, ast.Constant) else None
    return said if isinstance(said, str) and said.strip().lower() in CLOCK_WORDS else None


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    names = [alias.name for alias in node.names]
    modules = names if isinstance(node, ast.Import) else ["." * node.level + (node.module or "")]
    for module in modules:
        if module.split(".")[0] not in ALLOWED_IMPORTS:
            allowed = ", ".join(sorted(ALLOWED_IMPORTS - {"__future__"}))
            yield (
                f"found an import of {module!r}, expected one of {allowed}: "
                "what a feature means must stand in its own file"
            )
    for part in sorted({part for name in (*modules, *names) for part in name.split(".")}):
        if part in UNREPEATABLE:
            yield f"found an import of {part!r}, expected what gives the same whenever it is asked"
        elif _reaches_out(part) and part not in ALLOWED_IMPORTS:
            yield f"found an import of {part!r}, expected what computes from the inputs alone"
        elif part == "*":
            yield "found an import of '*', expected the names that are used"


def _of_the_function(tree: ast.Module) -> Iterator[_Problem]:
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if names.count(FUNCTION) != 1:
        hint = nearest_only(FUNCTION, (name for name in names if name != FUNCTION))
        told = f"found {names.count(FUNCTION)} functions called {FUNCTION!r}, expected one. {hint}".rstrip()
        yield told, 1
        return
    function = _function(tree)
    arguments = function.args
    others = (*arguments.posonlyargs, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
    if len(arguments.args) != 1 or any(others):
        yield f"expected {FUNCTION}(inputs), with one argument", function.lineno


def _function(tree: ast.Module) -> ast.FunctionDef:
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == FUNCTION)


def _is_column_of(node: ast.AST, argument: str) -> TypeGuard[ast.Subscript]:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == argument
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    )


def _text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant)
    return str(node.value)


def _returned(function: ast.FunctionDef) -> Iterator[list[str]]:
    """The columns of each returned frame that is written out as a dictionary."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and _is_a_frame(node.value):
            first = node.value.args[0]
            if isinstance(first, ast.Dict) and all(isinstance(key, ast.Constant) for key in first.keys):
                yield [_text(key) for key in first.keys if key is not None]


def _is_a_frame(node: ast.expr | None) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "DataFrame"
        and bool(node.args)
    )


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


class _WithoutDocstrings(ast.NodeTransformer):
    """Leaves out what is only for people."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            said = [one for one in body if not _is_docstring(one)]
            node.body = said or [ast.Pass()]  # type: ignore[attr-defined]
        return node
