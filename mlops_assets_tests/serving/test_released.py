"""A version is served when all that its answers rest on is what was released; otherwise it says what is not."""

import pytest

from mlops_assets.declaration.features import FeatureService
from mlops_assets.declaration.versions import Version
from mlops_assets.errors import ArtifactMismatch, NotMaterialized, ServiceRefused, UnknownName
from mlops_assets.modeling.golden import Golden
from mlops_assets.serving.released import load_released, reigning, versions_online
from mlops_assets_tests.serving.world import (
    FEATURES,
    MODEL,
    PYTHON,
    SERVICE,
    TRANSFORM,
    VERSIONS,
    VIEW,
    contract_of,
    features,
    put_online,
    released,
    shelves_at,
    trained,
    view,
)


def load(shelves, of=FEATURES, **options):
    return load_released(shelves, of, MODEL, reigning(shelves, MODEL).version, **options)


def test_what_was_released_is_loaded(shelves):
    found = load(shelves)
    assert found.release == shelves.releases.version(MODEL, 1)
    assert found.loaded.digest == trained(1)[0].digest
    assert list(found.fields) == ["coupon", "customer_id", "amount", "channel", "gift", "ordered"]


def test_a_model_of_which_nothing_was_released_is_told_with_the_nearest(shelves):
    with pytest.raises(UnknownName, match="Did you mean 'returned'"):
        reigning(shelves, "retuned")


@pytest.mark.parametrize("file", ["model.skops", "golden.json", "manifest.json", "contract.json"])
def test_a_file_that_was_changed_is_refused(shelves, file):
    release = shelves.releases.version(MODEL, 1)
    digest = release.contract if file == "contract.json" else release.artifact_digest
    path = shelves.artifacts.folder(digest) / file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ArtifactMismatch, match="has been changed"):
        load(shelves)


def test_files_of_another_model_are_refused(tmp_path):
    shelves = shelves_at(tmp_path)
    released(shelves, 1, model_digest="0" * 32)
    with pytest.raises(ArtifactMismatch, match="found its contract of returned 000000000000, expected"):
        load(shelves)


@pytest.mark.parametrize("name", ["gift", "habits__vip"])
def test_a_contract_that_lacks_what_the_model_takes_is_refused(tmp_path, name):
    shelves = shelves_at(tmp_path)
    inputs = contract_of(*trained(1), "2024-05-01").inputs
    released(shelves, 1, inputs={column: one for column, one in inputs.items() if column != name})
    with pytest.raises(ArtifactMismatch, match=f"takes {name}, which its contract does not bring"):
        load(shelves)


def test_a_model_that_answers_otherwise_than_when_it_was_made_is_refused(tmp_path):
    shelves = shelves_at(tmp_path)
    model, rows = trained(1)
    golden = Golden.made(model.model, model.inputs, rows, seed=1)
    off = [golden.probabilities[0] + 1e-6, *golden.probabilities[1:]]
    other = Golden(golden.rows, off, golden.reference)
    released(shelves, 1, files=other.to_files())
    with pytest.raises(ArtifactMismatch, match=r"answers its golden rows otherwise .* by 1e-06"):
        load(shelves)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("golden.json", "no rows to try it with: train it again"),
        ("service", "another version of the platform"),
    ],
)
def test_a_model_of_before_the_service_is_refused(tmp_path, part, message):
    shelves = shelves_at(tmp_path)
    released(shelves, 1, without=part)
    with pytest.raises(ArtifactMismatch, match=message):
        load(shelves)


def test_an_older_edition_is_refused_unless_callers_are_said_to_be_ready_for_it(shelves):
    second = released(shelves, 2, "2024-05-02", edition=2)
    assert load(shelves).release == second
    shelves.reigns.begin(MODEL, 1, after=2, by="Ada", reason="r", at="2024-05-03T00:00:00+00:00", run_id="")
    with pytest.raises(ServiceRefused, match=r"edition 1, and callers were told of 2: .* --edition 1"):
        load(shelves)
    assert load(shelves, edition=1).release.version == 1


REDECLARED = {
    "a view with other SQL": (features(view(sql="SELECT 2")), "'habits' is declared otherwise .*sql"),
    "a view with another TTL": (features(view(ttl="1h")), "'habits' is declared otherwise .*ttl"),
    "another transform": (
        features(python=PYTHON + "\n# more\nMORE = 1\n"),
        "'per_order' is declared otherwise",
    ),
    "another service": (
        FEATURES.model_copy(update={"services": {}}),
        "'checkout', which is not declared",
    ),
    "a view less": (
        FEATURES.model_copy(
            update={
                "services": {
                    SERVICE: FeatureService.model_validate(
                        {"name": SERVICE, "owner": "team:shop", "features": [VIEW]}
                    )
                }
            }
        ),
        "'per_order' is not declared any more",
    ),
    "other columns": (
        FEATURES.model_copy(
            update={
                "services": {
                    SERVICE: FeatureService.model_validate(
                        {"name": SERVICE, "owner": "team:shop", "features": [f"{VIEW}:vip", TRANSFORM]}
                    )
                }
            }
        ),
        "delivers other columns",
    ),
}


@pytest.mark.parametrize("name", REDECLARED)
def test_features_that_are_declared_otherwise_by_now_are_refused(shelves, name):
    declared, message = REDECLARED[name]
    with pytest.raises(ServiceRefused, match=message):
        load(shelves, declared)


def test_a_view_that_is_not_online_in_the_version_of_the_model_is_told(shelves, tmp_path):
    contract = load(shelves).contract
    (spelled,) = versions_online(shelves.online, contract, FEATURES).values()
    assert "platform=pp" in spelled
    other = put_online(shelves, version=Version({**VERSIONS[VIEW].parts, "source.orders": "bb"}))
    assert shelves.online.versions(VIEW) == [other, spelled]
    # The one before the last stays online for models that were trained on it.
    assert versions_online(shelves.online, contract, FEATURES) == {VIEW: spelled}
    put_online(shelves, version=Version({**VERSIONS[VIEW].parts, "source.orders": "cc"}))
    with pytest.raises(NotMaterialized, match=r"but another version \(source.orders\)"):
        versions_online(shelves.online, contract, FEATURES)
    with pytest.raises(
        NotMaterialized,
        match=r"nothing is online of feature view 'habits'; .* mlops features materialize habits",
    ):
        versions_online(shelves_at(tmp_path / "empty").online, contract, FEATURES)
