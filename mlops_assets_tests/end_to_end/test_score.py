"""The ML Test Score of a version that real runs made, by its command."""

import json

import pytest

pytestmark = pytest.mark.slow

# What a release that was judged once, of data that were checked, leaves behind.
LEFT = {"feature_schema", "simpler_model", "validated", "numerically_stable", "computing_performance"}


def test_a_release_leaves_evidence_and_a_person_adds_to_it(deployed, tmp_path):
    to = {"--json": tmp_path / "score.json", "--html": tmp_path / "score.html"}
    attested = ("--attest", "privacy", "--by", "Zoë 王", "--evidence", "https://wiki/privacy")
    code, printed = deployed.run(
        "mlops", "score", "returned", *attested, *(str(one) for pair in to.items() for one in pair)
    )
    assert code == 0, printed
    told = json.loads((tmp_path / "score.json").read_text("utf-8"))
    tests = {one["name"]: one for one in told["tests"]}
    assert {name for name, one in tests.items() if one["points"] == 1} >= LEFT
    assert tests["privacy"]["points"] == 0.5
    assert told["score"] == min(told["sections"].values())
    assert f"ML Test Score of returned: {told['score']:g}" in " ".join(printed.split())
    page = (tmp_path / "score.html").read_text("utf-8")
    assert "http://127.0.0.1:3000/assets/returned/release?view=partitions" in page
    assert "https://wiki/privacy" in page
    code, printed = deployed.run(
        "mlops", "score", "returned", "--attest", "privcy", "--by", "A", "--evidence", "x"
    )
    assert (code, "Did you mean 'privacy'" in " ".join(printed.split())) == (1, True)
