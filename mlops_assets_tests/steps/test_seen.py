"""What of a drift report counts as a reason to train is what is declared."""

import pytest

from mlops_assets.declaration.retraining import DRIFTS
from mlops_assets.declaration.training_columns import LABEL
from mlops_assets.monitoring.findings import DriftReport, Finding
from mlops_assets.steps.population import SCORE
from mlops_assets.steps.seen import severity


def report(**severities):
    columns = {"inputs": "distance", "scores": SCORE, "labels": LABEL}
    found = tuple(
        Finding(columns[of], "distribution", "drift" if said else "stable", said, "psi", 0.3, "")
        for of, said in severities.items()
    )
    return DriftReport("calibrated", 100, "drift", "error", found)


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (DRIFTS, "error"),
        (("inputs",), "error"),
        (("scores",), "warn"),
        (("labels",), None),
        (("scores", "labels"), "warn"),
    ],
)
def test_only_what_is_declared_counts(counted, said):
    assert severity(report(inputs="error", scores="warn", labels=None), counted) == said
