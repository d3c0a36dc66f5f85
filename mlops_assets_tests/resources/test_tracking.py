"""What a model logs of the rows it takes: the schema of all of them, inferred from a few."""

import numpy as np
import pandas as pd
from mlflow.models import infer_signature

from mlops_assets.resources.tracking import _few

ROWS = pd.DataFrame(
    {
        "whole": np.arange(500.0),
        "gap_at_the_end": [*np.arange(499.0), np.nan],
        "value_at_the_end": [*[np.nan] * 499, 1.0],
        "text": ["a"] * 500,
        "text_with_a_gap": [*["a"] * 300, np.nan, *["b"] * 199],
        "text_at_the_end": [*[np.nan] * 499, "z"],
    }
)


def test_the_schema_of_a_few_telling_rows_is_that_of_all():
    assert infer_signature(_few(ROWS)) == infer_signature(ROWS)
    assert infer_signature(ROWS.head(5)) != infer_signature(ROWS)
    assert len(_few(ROWS)) <= 2 * len(ROWS.columns) + 1
