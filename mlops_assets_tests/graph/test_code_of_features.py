"""What decides which values a feature has, and which of them a request gets, is part of versions."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlops_assets.graph.features import CODE, JOIN

DATA, STEPS = "mlops_assets.data.", "mlops_assets.steps."
AS_KNOWN = "mlops_assets.stores.as_known"
# They spell names, literals and bounds, and decide nothing.
SPELLING = {f"{DATA}sql", f"{DATA}moments"}


def imports(module):
    """What a module imports, inside functions too."""
    tree = ast.parse(Path(find_spec(module).origin).read_text(encoding="utf-8"))
    return {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def rests_on(module, below):
    """The modules of these packages that a module rests on, itself too."""
    seen, ahead = set(), [module]
    while ahead:
        one = ahead.pop()
        seen.add(one)
        ahead += [other for other in imports(one) - seen if other.startswith(below)]
    return seen


def test_every_module_of_the_join_counts():
    assert rests_on(AS_KNOWN, DATA) - SPELLING == set(JOIN)


def test_every_module_that_answers_windows_counts():
    assert rests_on("mlops_assets.stores.windows", DATA) - SPELLING <= set(CODE)


@pytest.mark.parametrize("asset", ["training_set", "performance", "drift", "parity"])
def test_what_joins_has_the_join_in_its_version(asset):
    graph = f"mlops_assets.graph.{asset}"
    assert AS_KNOWN in {other for one in rests_on(graph, STEPS) for other in imports(one)}
    assert set(JOIN) <= set(import_module(graph).CODE)
