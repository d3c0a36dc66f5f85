"""Evidence survives being written down."""

import json

import pytest

from mlops_assets.governance.evidence import Comparison, Evidence


@pytest.mark.parametrize("champion", [None, Comparison(3, {"log_loss": 0.5}, {"log_loss": [0.1, -0.2]})])
def test_evidence_read_back_from_json_is_equal(champion):
    evidence = Evidence(
        model="delay",
        as_of="2013-05-01",
        model_digest="ab",
        rows=2,
        positives=1,
        first_day="2013-04-01",
        last_day="2013-04-30",
        metrics={"log_loss": 0.1 + 0.2},
        baseline={},
        champion=champion,
        notes=["einmal ö"],
    )
    assert Evidence.from_dict(json.loads(json.dumps(evidence.to_dict()))) == evidence
