"""Another process proves what answers, and ends: what it finds, and how it fails."""

import json
import os
import subprocess
import sys

import pytest

from mlops_assets.errors import ArtifactMismatch, NotProven
from mlops_assets.modeling.proving import proven
from mlops_assets.serving import proving
from mlops_assets.serving.proving import proven_apart
from mlops_assets_tests.sandbox import REAL
from mlops_assets_tests.serving.world import MODEL


@pytest.fixture
def digest(shelves):
    return shelves.releases.version(MODEL, 1).artifact_digest


def test_it_finds_what_is_found_here(shelves, digest, tmp_path, monkeypatch):
    # Wherever the command was started, and whatever lies there.
    (tmp_path / "json.py").write_text("raise SystemExit('another json')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    found = proven_apart(shelves.artifacts, digest)
    assert found == proven(shelves.artifacts.load(digest))
    assert found.compiled is not None


def test_files_that_were_changed_are_refused_with_the_reason(shelves, digest):
    path = shelves.artifacts.folder(digest) / "model.skops"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactMismatch, match=r"model\.skops of artifact .* has been changed"):
        proven_apart(shelves.artifacts, digest)


def test_a_process_that_fails_is_told_with_its_words(shelves):
    with pytest.raises(NotProven, match=r"ended with 1: .*NotMaterialized: there is no artifact none"):
        proven_apart(shelves.artifacts, "none")


def test_a_process_that_is_killed_is_told(shelves, digest, monkeypatch):
    def killed(*_, **__):
        return subprocess.CompletedProcess([], -9, b"", b"")

    monkeypatch.setattr(subprocess, "run", killed)
    with pytest.raises(NotProven, match="ended with -9: it said nothing"):
        proven_apart(shelves.artifacts, digest)


def test_a_process_that_hangs_is_not_waited_for_for_ever(shelves, digest, monkeypatch):
    monkeypatch.setattr(proving, "SECONDS", 0.01)
    with pytest.raises(NotProven, match=r"not proven within 0\.01 seconds"):
        proven_apart(shelves.artifacts, digest)


LOUD = """
import sys
from mlops_assets.modeling import proving as finds
from mlops_assets.serving import proving

quiet = finds.proven
finds.proven = lambda files: sys.stdout.write("look at me") and quiet(files)
proving._prove(*sys.argv[1:])
"""


def test_what_libraries_print_is_no_part_of_the_answer(shelves, digest):
    asked = [sys.executable, "-c", LOUD, str(shelves.artifacts.root), digest]
    ended = subprocess.run(
        asked, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": str(REAL)}
    )
    assert b"look at me" in ended.stderr
    assert json.loads(ended.stdout)["off"] == 0.0
