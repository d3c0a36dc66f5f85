"""One short graph per shipped model; ``python -m mlops_assets_tests.graph.test_golden`` writes them anew."""

from pathlib import Path

import pytest

from mlops_assets.components.project import Project
from mlops_assets_tests.graph.drawing import draw

GOLDEN = Path(__file__).parent / "golden"
PACKAGE = Path(__file__).parents[2] / "mlops_assets"


@pytest.fixture(scope="module")
def project() -> Project:
    return Project.load(PACKAGE)


def test_every_shipped_model_has_its_graph_reviewed(project):
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(project.models)


@pytest.mark.parametrize("model", sorted(path.stem for path in GOLDEN.glob("*.txt")))
def test_the_graph_of_a_model_is_the_reviewed_one(project, model):
    assert draw(project.definitions, model) == (GOLDEN / f"{model}.txt").read_text(encoding="utf-8")


def rewrite() -> None:
    shipped = Project.load(PACKAGE)
    for model in shipped.models:
        (GOLDEN / f"{model}.txt").write_text(draw(shipped.definitions, model), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
