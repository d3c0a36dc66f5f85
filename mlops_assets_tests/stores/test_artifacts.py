"""Artifacts are written whole or not at all, and read only if they are what was written."""

import pytest

from mlops_assets.errors import ArtifactMismatch, NotMaterialized
from mlops_assets.stores.artifacts import MANIFEST, Artifacts

FILES = {"model.skops": b"weights", "about.json": b"{}"}


@pytest.fixture
def artifacts(tmp_path):
    return Artifacts(tmp_path / "artifacts")


def test_what_was_saved_is_loaded(artifacts):
    assert artifacts.load(artifacts.save(FILES)) == FILES


def test_the_same_files_have_the_same_digest_and_are_stored_once(artifacts):
    assert artifacts.save(FILES) == artifacts.save(dict(reversed(FILES.items())))
    assert len(list(artifacts.root.iterdir())) == 1


def test_other_files_have_another_digest(artifacts):
    assert artifacts.save(FILES) != artifacts.save({**FILES, "model.skops": b"Weights"})


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_changed_byte_is_refused_with_the_name_of_the_file(artifacts, name):
    digest = artifacts.save(FILES)
    (artifacts.folder(digest) / name).write_bytes(b"swapped")
    with pytest.raises(ArtifactMismatch, match="manifest" if name == MANIFEST else name):
        artifacts.load(digest)


def test_a_missing_file_is_refused_with_its_name(artifacts):
    digest = artifacts.save(FILES)
    (artifacts.folder(digest) / "model.skops").unlink()
    with pytest.raises(ArtifactMismatch, match=r"model\.skops"):
        artifacts.load(digest)


def test_an_artifact_that_is_not_there_is_told(artifacts):
    with pytest.raises(NotMaterialized, match="there is no artifact"):
        artifacts.load("0" * 64)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"swapped"), lambda path: path.unlink()])
def test_what_was_damaged_is_whole_again_when_it_is_stored_again_and_the_damage_is_kept(
    artifacts, name, damage
):
    digest = artifacts.save(FILES)
    damage(artifacts.folder(digest) / name)
    assert artifacts.save(FILES) == digest
    assert artifacts.load(digest) == FILES
    (aside,) = artifacts.root.glob(".damaged-*")
    assert not (aside / name).exists() or (aside / name).read_bytes() == b"swapped"
    artifacts.save(FILES)
    assert len(list(artifacts.root.glob(".damaged-*"))) == 1
