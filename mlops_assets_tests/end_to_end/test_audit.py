"""The pack of a version that real runs made, by its command: the same whatever Dagster forgets."""

from pathlib import Path

import pytest

from mlops_assets_tests.end_to_end.test_ledger import dagster_forgets
from mlops_assets_tests.steps.audit_world import bare

pytestmark = pytest.mark.slow

# What says when the pack was made.
DATED = {"MANIFEST", "README.md", "index.html", "pack.json"}


def packed(deployed, to: Path, *arguments: str) -> dict[str, bytes]:
    code, printed = deployed.run("mlops", "audit", "returned", "1", "--to", str(to), *arguments)
    assert code == 0, printed
    assert "digest of the pack" in printed
    return {one.relative_to(to).as_posix(): one.read_bytes() for one in to.rglob("*") if one.is_file()}


def test_a_real_version_is_packed_verified_and_the_same_when_dagster_has_forgotten(deployed, tmp_path):
    before = packed(deployed, tmp_path / "before")
    code, printed = bare(tmp_path / "before")
    assert (code, "Nothing was changed" in printed) == (0, True), printed
    assert {"model/model.skops", "evaluation/page.html", "features/customer_orders.sql"} <= before.keys()
    assert b"landing:customers.csv" in before["data/files.jsonl"]
    dagster_forgets(deployed)
    after = packed(deployed, tmp_path / "after")
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} <= DATED
    code, printed = deployed.run("mlops", "audit", "returned", "9", "--to", str(tmp_path / "none"))
    assert (code, "returned has no version 9" in " ".join(printed.split())) == (1, True)
    assert not (tmp_path / "none").exists()
