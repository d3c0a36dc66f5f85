"""What decides about a release is part of its version."""

import ast
from importlib.util import find_spec
from pathlib import Path

from mlops_assets.graph.release import CODE

GOVERNANCE = "mlops_assets.governance."
# They hold what was found and said, and decide nothing.
SHAPES = {f"{GOVERNANCE}evidence", f"{GOVERNANCE}reasons", f"{GOVERNANCE}verdicts"}


def imported(module):
    """The modules of governance that a module rests on, itself too."""
    tree = ast.parse(Path(find_spec(module).origin).read_text(encoding="utf-8"))
    found = {node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module}
    below = {one for one in found if one.startswith(GOVERNANCE)} - SHAPES
    return {module}.union(*(imported(one) for one in below))


def test_every_module_that_decides_counts():
    assert imported("mlops_assets.steps.release") == set(CODE)
