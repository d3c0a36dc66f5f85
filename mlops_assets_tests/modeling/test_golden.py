"""Rows that a model is tried with where it is served, and rows as dictionaries."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.errors import ArtifactMismatch
from mlops_assets.modeling.engines import reference
from mlops_assets.modeling.frames import frame
from mlops_assets.modeling.golden import ROWS, Golden
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.records import frame_of
from mlops_assets_tests.modeling.test_training import INPUTS, model, rows, train

MIXED = Inputs(("word",), ("count", "share", "flag", "moment"))
RECORDS = st.fixed_dictionaries(
    {
        "word": st.none() | st.text(),
        "count": st.none() | st.integers(-(2**62), 2**62),
        "share": st.none() | st.floats(allow_nan=False),
        "flag": st.none() | st.booleans(),
        "moment": st.none()
        | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    }
)
STORED = {"count": "Int64", "share": "float64", "flag": "boolean", "moment": "datetime64[us, UTC]"}


@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_rows_as_dictionaries_become_what_a_frame_of_them_becomes(records):
    given_rows = pd.DataFrame(records, columns=list(records[0])).astype(STORED)
    pd.testing.assert_frame_equal(frame_of(records, MIXED), frame(given_rows, MIXED), check_exact=True)


def test_a_model_answers_its_golden_rows_as_it_did_and_another_does_not():
    first, other = train(model(), INPUTS, rows()), train(model(), INPUTS, rows(seed=3))
    golden = Golden.of(Golden.made(first.model, INPUTS, rows(), seed=1).to_files())
    assert len(golden.rows) == len(golden.probabilities) == ROWS
    assert golden.largest_difference(reference(first.model, INPUTS)) == 0
    assert golden.largest_difference(reference(other.model, INPUTS)) > 1e-3
    assert golden.reference["carrier"] in ("AA", "UA")
    assert golden.reference["wind"] == pytest.approx(rows()["wind"].median())


def test_files_without_golden_rows_are_refused():
    with pytest.raises(ArtifactMismatch, match="no rows to try it with: train it again"):
        Golden.of({"about.json": b"{}"})
