"""YAML that remembers its lines, so that a refused declaration can say where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from yaml.composer import ComposerError

from mlops_assets.declaration.base import Declaration
from mlops_assets.errors import DeclarationError, nearest_only

Declared = TypeVar("Declared", bound=Declaration)

# Declarations are small; a megabyte of YAML is a mistake or an attack.
LARGEST_FILE = 1_000_000
DEEPEST = 50
# What pydantic adds to the place of a key that is wrong itself.
KEY = "[key]"
# Findings of our own say what was found.
OWN_KINDS = ("unknown_field", "environment", "refused")
# Written in C where PyYAML was built with it: ten times faster, the same YAML.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """One YAML document of a file: its value, and the node that knows the lines."""

    path: Path
    value: Any
    node: yaml.Node

    def line(self, field: Sequence[str | int]) -> int:
        """The line (from 1) of the deepest part of ``field`` that the document has."""
        return _line(self.node, list(field))

    def parse(self, declared: type[Declared], value: Any, *, below: Sequence[str | int] = ()) -> Declared:
        """``value`` as a declaration, or a DeclarationError with file, line and what was found."""
        try:
            return declared.model_validate(value)
        except ValidationError as error:
            raise DeclarationError(self.explain(error, below=below)) from error

    def explain(self, error: ValidationError, *, below: Sequence[str | int] = ()) -> str:
        """Every finding of a failed validation, a line each: file, line, field, what is wrong.

        A finding about a whole is left out when one about its parts is there: it only echoes it.
        """
        found = error.errors()
        inner = [one for one in found if not any(_is_below(other["loc"], one["loc"]) for other in found)]
        return "\n".join(
            self.finding([*below, *(part for part in one["loc"] if part != KEY)], _sentence(one))
            for one in inner
        )

    def finding(self, field: Sequence[str | int], message: str) -> str:
        where = ".".join(str(part) for part in field)
        return f"{self.path}:{self.line(field)}: {where + ': ' if where else ''}{message}"


def read_documents(path: Path) -> Iterator[Document]:
    """The YAML documents of a file, in order.

    Anchors, tags beyond plain YAML and a key given twice are refused.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise DeclarationError(f"{path}: larger than {LARGEST_FILE:,} bytes, expected a small declaration")
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_anchors(text)
        nodes = [node for node in yaml.compose_all(text, Loader=LOADER) if node is not None]
        for node in nodes:
            _refuse_equal_keys(node)
        values = [yaml.SafeLoader("").construct_document(node) for node in nodes]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DeclarationError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    # ValueError: bytes that are not UTF-8, or a date such as 2013-02-30.
    except (yaml.YAMLError, ValueError) as error:
        raise DeclarationError(f"{path}: not valid YAML: {error}") from error
    for node, value in zip(nodes, values, strict=True):
        yield Document(path=path, value=value, node=node)


def _refuse_anchors(text: str) -> None:
    """Anchors make one text stand in two places; deep nesting is how a small file takes down a reader."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases are not allowed", event)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _refused("nested too deeply, expected a small declaration", event)


def _refused(problem: str, at: Any) -> ComposerError:
    return ComposerError(None, None, problem, at.start_mark)


def _refuse_equal_keys(node: yaml.Node) -> None:
    """YAML itself would keep the last of equal keys and forget the others."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise _refused(f"{key.value!r} is given twice", key)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
            _refuse_equal_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_equal_keys(value)


def _is_below(field: tuple[int | str, ...], whole: tuple[int | str, ...]) -> bool:
    return len(field) > len(whole) and field[: len(whole)] == whole


def _line(node: yaml.Node, field: list[str | int]) -> int:
    if field and isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(field[0]):
                return _line(value, field[1:]) if len(field) > 1 and _is_inside(value) else _at(key)
    if field and isinstance(node, yaml.SequenceNode):
        index = field[0]
        if isinstance(index, int) and index < len(node.value):
            return _line(node.value[index], field[1:])
    return _at(node)


def _is_inside(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode | yaml.SequenceNode)


def _at(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _sentence(finding: ErrorDetails) -> str:
    """Pydantic's sentence, with the nearest right word, and the offending value when it does not carry it."""
    message, short = finding["msg"].removeprefix("Value error, "), repr(finding["input"])
    if finding["type"] == "literal_error":
        words = re.findall(r"'(\w+)'", finding["ctx"]["expected"])
        message += f". {hint}" if (hint := nearest_only(str(finding["input"]), words)) else ""
    if finding["type"] in OWN_KINDS or len(short) > 60 or short in message:
        return message
    return f"{message} (found {short})"
