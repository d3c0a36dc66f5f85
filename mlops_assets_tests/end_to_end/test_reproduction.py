"""A released version is trained again, in another process than the first time, and answers exactly the same."""

import json
import shutil

import pytest

from mlops_assets.modeling.made import Made
from mlops_assets_tests.stores.ledger_world import Owner

pytestmark = pytest.mark.slow


def test_a_version_trained_in_another_process_is_made_again(deployed):
    code, printed = deployed.run("mlops", "reproduce", "returned", "1")
    assert code == 0, printed
    assert "trained again: identical" in printed
    (kept,) = deployed.stores.certificates.of("returned", 1)
    assert (kept.identical, kept.largest_difference, kept.environment, kept.code) == (True, 0.0, (), ())
    assert kept.rows > 500
    assert deployed.run("mlops", "reproduce", "returned")[0] == 0
    assert len(deployed.stores.certificates.of("returned", 1)) == 2


def test_a_version_that_does_not_come_out_the_same_is_told(deployed):
    """As if rounding were another on this machine: what is recorded was made by a recipe that is not recorded."""
    _restate(deployed, lambda body: body["recipe"]["estimator"]["parameters"].update({"C": 0.01}))
    code, printed = deployed.run("mlops", "reproduce", "returned")
    assert code == 3, printed
    assert "NOT identical" in printed
    (kept,) = deployed.stores.certificates.of("returned", 1)
    assert kept.largest_difference > 0.001


def test_another_environment_is_told_beside_the_same_answers(deployed):
    def older(body):
        body["environment"]["python"] = "3.10.0"
        body["environment"]["packages"]["scikit-learn"] = "0.1"

    _restate(deployed, older)
    code, printed = deployed.run("mlops", "reproduce", "returned")
    assert code == 0, printed
    assert "python was 3.10.0" in printed
    assert "scikit-learn was 0.1" in printed


def test_rows_that_are_others_than_those_learned_from_are_refused(deployed):
    _restate(deployed, lambda body: body["rows"].update({"fingerprint": "another"}))
    code, printed = deployed.run("mlops", "reproduce", "returned")
    assert code not in (0, 3)
    assert "expected another, which the model was trained on" in " ".join(printed.split())
    assert deployed.stores.certificates.of("returned", 1) == []


def test_files_that_were_changed_are_refused(deployed):
    release = deployed.stores.releases.champion("returned")
    path = deployed.stores.artifacts.folder(release.artifact_digest) / "made.json"
    path.write_bytes(path.read_bytes() + b" ")
    code, printed = deployed.run("mlops", "reproduce", "returned")
    assert code not in (0, 3)
    assert "has been changed" in " ".join(printed.split())


def test_inputs_keep_their_order(deployed):
    release = deployed.stores.releases.champion("returned")
    made = Made.of(deployed.stores.artifacts.load(release.artifact_digest))
    assert list(made.recipe.inputs) != sorted(made.recipe.inputs)
    assert Made.of({"made.json": made.to_bytes()}) == made


def _restate(deployed, change):
    """Store the champion's files with another account of how they were made, and let the release name them."""
    stores = deployed.stores
    release = stores.releases.champion("returned")
    files = stores.artifacts.load(release.artifact_digest)
    body = json.loads(files["made.json"])
    change(body)
    digest = stores.artifacts.save({**files, "made.json": json.dumps(body).encode()})
    shutil.rmtree(stores.artifacts.folder(release.artifact_digest))
    Owner(stores.places.database).run("UPDATE release SET artifact_digest = :digest", digest=digest)
