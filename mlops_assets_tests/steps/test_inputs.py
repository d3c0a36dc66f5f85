"""Whether inputs are proven: by the blocking checks, of exactly the contents that are read."""

import pyarrow as pa
import pytest

from mlops_assets.errors import GateRefusal
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.steps.inputs import all_below, require_proven, unproven
from mlops_assets.steps.reigns import refused_by
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")
AT = "2024-01-02T00:00:00+00:00"
REQUIRED = {"validated/orders": ("share", "schema")}
PASSED = (
    Verdict("share", True, "all good", blocking=True),
    Verdict("schema", True, "as declared", blocking=True),
)
FAILED = (Verdict("share", False, "half is bad", blocking=True), PASSED[1])


@pytest.fixture
def stores(tmp_path):
    return Stores.open(Places.below(tmp_path))


def write(
    stores, table="validated/orders", value=1, verdicts=PASSED, reads=(), partition="2024-01-01"
) -> Content:
    rows = pa.table({"partition": [partition], "value": [value]})
    made = Produced(rows, [partition], reads={partition: tuple(reads)}, verdicts={partition: verdicts})
    return stores.lake.write(table, made, PROVENANCE)[partition]


def said(stores, *contents):
    return list(unproven(stores.records, contents, REQUIRED))


def test_what_passed_all_its_checks_is_proven(stores):
    content = write(stores)
    assert said(stores, content) == []
    require_proven(stores.records, [content], REQUIRED)


def test_a_blocking_check_that_failed_is_told_with_its_reason(stores):
    content = write(stores, verdicts=FAILED)
    assert said(stores, content) == ["validated/orders, partition 2024-01-01: share: half is bad"]
    with pytest.raises(GateRefusal, match="share: half is bad"):
        require_proven(stores.records, [content], REQUIRED)


@pytest.mark.parametrize("spoke", [(), PASSED[:1], PASSED[1:]])
def test_a_check_that_never_spoke_is_told_by_name(stores, spoke):
    content = write(stores, verdicts=spoke)
    missing = [check for check in REQUIRED["validated/orders"] if check not in {one.check for one in spoke}]
    assert said(stores, content) == [
        f"validated/orders, partition 2024-01-01: {check} has said nothing of it" for check in missing
    ]


def test_what_was_said_of_an_older_content_says_nothing_of_a_newer_one(stores):
    older = write(stores, value=1)
    newer = write(stores, value=2, verdicts=())
    assert said(stores, older) == []
    assert [one.split(": ")[-1] for one in said(stores, newer)] == [
        "share has said nothing of it",
        "schema has said nothing of it",
    ]


def test_a_check_that_failed_while_it_was_only_a_warning_proves_nothing_where_it_must_pass(stores):
    warned = (Verdict("share", False, "half is bad"), PASSED[1])
    content = write(stores, verdicts=warned)
    assert said(stores, content) == ["validated/orders, partition 2024-01-01: share: half is bad"]


def test_a_failed_check_that_blocks_is_told_even_where_nothing_is_required(stores):
    content = write(stores, table="raw/orders", verdicts=FAILED)
    assert said(stores, content) == ["raw/orders, partition 2024-01-01: share: half is bad"]


def test_a_warning_that_failed_is_no_objection_where_it_is_not_required(stores):
    content = write(stores, verdicts=(*PASSED, Verdict("freshness", False, "late")))
    assert said(stores, content) == []


def test_an_override_counts_for_exactly_that_content_and_that_check(stores):
    content = write(stores, verdicts=FAILED)
    subject = refused_by(stores, content, "share")
    stores.overrides.give(subject, by="Ada", reason="a known outage", at=AT)
    assert said(stores, content) == []
    other = write(stores, value=2, verdicts=FAILED)
    assert said(stores, other) == ["validated/orders, partition 2024-01-01: share: half is bad"]
    again = write(stores, verdicts=FAILED)
    assert again.version != content.version
    assert said(stores, again) == []
    both = (FAILED[0], Verdict("schema", False, "no id", blocking=True))
    worse = write(stores, verdicts=both)
    assert said(stores, worse) == ["validated/orders, partition 2024-01-01: schema: no id"]


def test_many_objections_are_counted_after_the_first_ten(stores):
    contents = [write(stores, verdicts=FAILED, partition=f"2024-01-{day:02d}") for day in range(1, 14)]
    with pytest.raises(GateRefusal, match="… and 3 more") as caught:
        require_proven(stores.records, contents, REQUIRED)
    assert str(caught.value).count("half is bad") == 10


def test_all_below_is_every_content_down_to_the_raw_rows_each_once(stores):
    raw = write(stores, table="raw/orders")
    good = write(stores, reads=[raw])
    views = [write(stores, table=f"features/{name}", reads=[good]) for name in ("a", "b")]
    top = write(stores, table="m/training_set", reads=[*views, good])
    found = all_below(stores.records, [top])
    assert len(found) == len(set(found))
    assert {(one.table, one.version) for one in found} == {
        ("m/training_set", 0),
        ("features/a", 0),
        ("features/b", 0),
        ("validated/orders", 0),
        ("raw/orders", 0),
    }


def test_below_are_the_contents_that_were_read_and_not_those_written_since(stores):
    bad = write(stores, verdicts=FAILED, value=1)
    top = write(stores, table="m/training_set", reads=[bad], verdicts=())
    write(stores, value=2)
    assert said(stores, *all_below(stores.records, [top])) == [
        "validated/orders, partition 2024-01-01: share: half is bad"
    ]
