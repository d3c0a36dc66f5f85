"""A prediction is spelled in one way, and its id is a hash of that."""

import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.errors import BadRequest
from mlops_assets.governance.canonical import canonical, digest, plain
from mlops_assets.governance.prediction import (
    ANSWERED,
    PROBABLE,
    UNIQUE,
    Prediction,
    place_of,
    verdicts,
)
from mlops_assets.governance.sealed import Seal, prove
from mlops_assets.governance.served_prediction import ServedPrediction

texts = st.text(st.characters(exclude_categories=["Cs"]))
predictions = st.builds(
    Prediction,
    model=st.just("m"),
    day=st.just("2024-04-02"),
    version=st.integers(1, 2**40),
    artifact_digest=texts,
    entity=texts,
    event_time=texts,
    predicted_at=texts,
    features=texts,
    score=st.floats(),
)
ONE = Prediction("m", "2024-04-02", 1, "a", "{}", "t", "t", "{}", 0.5)


served = st.builds(
    ServedPrediction,
    model=st.just("m"),
    day=st.just("2024-04-02"),
    request_id=texts,
    row=st.integers(0, 2**40),
    predicted_at=texts,
    version=st.integers(1, 2**40),
    probability=st.floats(),
    milliseconds=st.floats(),
    request=texts,
    features=texts,
    views=texts,
    by=texts,
)


@given(predictions | served)
def test_the_record_is_the_canonical_spelling_and_the_id_its_hash(one):
    assert one.record == canonical(plain(asdict(one)))
    assert one.id == f"m:2024-04-02:{digest(one.record)[:32]}"
    assert place_of(one.id) == ("m", "2024-04-02")


@pytest.mark.parametrize("field", [name for name in asdict(ONE) if name not in ("model", "day")])
def test_every_field_counts(field):
    other = {"version": 2, "score": math.nextafter(0.5, 1)}.get(field, "another")
    assert replace(ONE, **{field: other}).id != ONE.id


@pytest.mark.parametrize(
    "said", ["", "m", "m:2024-04-02", "m:2024-4-2:" + "0" * 32, "m:2024-04-02:" + "g" * 32]
)
def test_what_is_no_id_is_refused(said):
    with pytest.raises(BadRequest, match="expected the id of a prediction"):
        place_of(said)


@pytest.mark.parametrize(
    ("ids", "scores", "requests", "why", "failed"),
    [
        (["a", "b"], [0.0, 1.0], 2, "", []),
        (["a", "a"], [0.5, 0.5], 2, "", [UNIQUE]),
        (["a"], [0.5], 2, "", [ANSWERED]),
        ([], [], 2, "nobody reigned", [ANSWERED]),
        (["a", "b", "c"], [math.nan, 1.01, math.inf], 3, "", [PROBABLE]),
    ],
)
def test_checks_of_a_day(ids, scores, requests, why, failed):
    said = verdicts(ids, scores, requests=requests, why=why)
    assert [one.check for one in said if not one.passed] == failed
    assert all(one.error == (not why) for one in said if one.check == ANSWERED)


def test_a_row_that_took_the_id_of_another_is_named():
    rows = sorted((replace(ONE, version=n).id, replace(ONE, version=n)) for n in range(1, 6))
    stolen = [(name, replace(one, score=0.9) if at == 2 else one) for at, (name, one) in enumerate(rows)]
    proof = prove(stolen, rows[2][0], [Seal(1, "h", "t", 5, "0" * 64)])
    assert (proof.holds, proof.changed, proof.seal) == (False, (rows[2][0],), None)
