"""A commit says the same after it was written into a table's log."""

from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.commit import COMMIT_KEY, Commit, PartitionRecord
from mlops_assets.stores.pinned import Content
from mlops_assets_tests.stores.commits import by

READ = tuple(Content("raw/größe", f"2013-01-{day:02}", day, day, f"f{day}") for day in range(1, 20))


def test_a_commit_read_back_is_equal():
    verdict = Verdict("types", False, 'ö "quoted"', blocking=True)
    commit = Commit(
        "t",
        by("run"),
        {
            "a": PartitionRecord(1, "x", READ, (verdict,)),
            "b'c": PartitionRecord(0, "y", READ[3:1:-1]),
        },
        {"ä": (verdict,)},
    )
    assert Commit.from_metadata("t", {**commit.to_metadata(), "operation": "WRITE"}) == commit


def test_a_commit_of_somebody_else_is_none_of_ours():
    assert Commit.from_metadata("t", {"operation": "OPTIMIZE"}) is None


def test_contents_that_many_partitions_read_are_written_once():
    days = {f"d{day}": PartitionRecord(1, "x", READ) for day in range(100)}
    said = Commit("t", by("run"), days).to_metadata()[COMMIT_KEY]
    assert said.count('"fingerprint":"f7"') == 1
