"""The sketch is what a plain count says while it is complete, and a fair sample of it beyond."""

import json
from collections import defaultdict

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mlops_assets.monitoring.cells import Categories, Watched
from mlops_assets.monitoring.counting import by_column, values_query
from mlops_assets.monitoring.profile import Profile, merge
from mlops_assets.monitoring.sketch import HASHES, MOST, Seen, Sketch, Sketching
from mlops_assets.monitoring.tally import tally

WORD = Watched("word", "category")
CELLS = {WORD: Categories(("listed",))}
RANDOM = np.random.default_rng(3)


def sketched(hashes, blocks, names, *, size=500) -> Sketch:
    made = Sketching()
    for start in range(0, len(hashes), size):
        made.add(hashes[start : start + size], blocks[start : start + size])
    return made.made(names)


def plainly(hashes, blocks, names) -> dict[int, Seen]:
    found = defaultdict(list)
    for key, block in zip(hashes.tolist(), blocks.tolist(), strict=True):
        found[key].append(names[block])
    return {key: Seen(min(of), len(of)) for key, of in found.items()}


def rows_of(values: int, rows: int):
    hashes = (
        RANDOM.choice(HASHES, values, replace=False) if values < 20 else RANDOM.integers(0, HASHES, values)
    )
    return RANDOM.choice(hashes, rows), RANDOM.integers(0, 4, rows)


NAMES = ["2024-01-03", "2024-01-01", "2024-01-04", "2024-01-02"]


@pytest.mark.parametrize("values", [1, 50, MOST, 5 * MOST])
@pytest.mark.parametrize("size", [700, 100_000])
def test_it_holds_the_smallest_hashes_with_all_their_rows_and_first_blocks(values, size):
    hashes, blocks = rows_of(values, 30_000)
    made, expected = sketched(hashes, blocks, NAMES, size=size), plainly(hashes, blocks, NAMES)
    kept = sorted(expected)[:MOST]
    assert made.seen == {key: expected[key] for key in kept}
    assert made.below == (HASHES if len(expected) <= MOST else sorted(expected)[MOST])


@pytest.mark.parametrize("values", [50, 5 * MOST])
def test_merging_is_sketching_together_in_any_order(values):
    hashes, blocks = rows_of(values, 30_000)
    one, two, three = (sketched(hashes[at::3], blocks[at::3], NAMES) for at in range(3))
    whole = sketched(hashes, blocks, NAMES)
    assert one.merged(two).merged(three) == one.merged(two.merged(three)) == whole
    assert three.merged(one).merged(two) == whole


def test_new_rows_are_exact_while_both_are_complete():
    known = Sketch(seen={1: Seen("a", 5), 9: Seen("b", 2)})
    batch = Sketch(seen={1: Seen("c", 4), 8: Seen("c", 3), 10: Seen("c", 2)})
    assert batch.rows_not_in(known) == 5
    assert known.rows_first_seen_from("b") == 2


def test_new_rows_of_a_sample_are_about_right_and_hardly_ever_too_many():
    estimates = []
    for _ in range(100):
        old = RANDOM.integers(0, HASHES, 20_000)
        batch = np.concatenate([RANDOM.choice(old, 6_000), RANDOM.integers(0, HASHES, 4_000)])
        sides = (sketched(each, np.zeros(len(each), dtype=np.int64), ["a"]) for each in (batch, old))
        estimates.append(next(sides).rows_not_in(next(sides)))
    assert 3_400 < np.mean(estimates) < 4_000
    assert np.mean(np.array(estimates) > 4_000) < 0.06


def test_what_is_new_by_habit_is_hardly_ever_underestimated():
    estimates = []
    for _ in range(100):
        hashes, blocks = RANDOM.integers(0, HASHES, 20_000), np.repeat([1, 2], [16_000, 4_000])
        estimates.append(sketched(hashes, blocks, ["", "a", "b"], size=20_000).rows_first_seen_from("b"))
    assert 4_000 < np.mean(estimates) < 4_500
    assert np.mean(np.array(estimates) < 4_000) < 0.06


def test_one_heavy_value_of_a_small_sample_tells_nothing():
    known = Sketch(below=HASHES // 50, seen={})
    assert Sketch(below=HASHES, seen={7: Seen("a", 900)}).rows_not_in(known) == 0


def profile_of(values: list[str | None]) -> Profile:
    rows = pa.table({"word": pa.array(values, pa.string()), "day": [f"{n % 3}" for n in range(len(values))]})
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        return tally(
            connection.sql(values_query("rows", CELLS, block=by_column("day"))).to_arrow_reader(700), CELLS
        )


def test_hashes_are_of_the_text_and_the_same_for_ever():
    column = profile_of(["a", "listed", None, "", "日本", "a"]).columns["word"]
    assert (column.counts, column.missing) == ((1, 4), 1)
    assert {key: one.rows for key, one in column.others.seen.items()} == {
        1654244145: 2,
        403276009: 1,
        1396142566: 1,
    }


def test_a_profile_of_very_many_values_stays_small_and_survives_json():
    made = profile_of([f"value {number}" for number in range(50_000)])
    body = json.dumps(made.to_dict())
    assert len(body) < 64_000
    assert Profile.from_dict(json.loads(body)) == made
    assert (
        len(merge(made, profile_of([f"other {n}" for n in range(9_000)])).columns["word"].others.seen) == MOST
    )
