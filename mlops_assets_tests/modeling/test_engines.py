"""Compiled trees answer as scikit-learn does, to the last bit; what cannot be compiled, or differs, is not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.modeling import engines
from mlops_assets.modeling.compiled import FEW, Compiled
from mlops_assets.modeling.engines import COMPILED, REFERENCE, engine_of
from mlops_assets.modeling.estimators import Inputs
from mlops_assets.modeling.golden import Golden
from mlops_assets_tests.modeling.test_training import FOREST, INPUTS, model, rows, train

BOOSTED = train(model(parameters={"max_iter": 40, "min_samples_leaf": 3}), INPUTS, rows(600))
GOLDEN = Golden.made(BOOSTED.model, INPUTS, rows(600), seed=1)
COMPILED_TREES = Compiled.of(BOOSTED.model, INPUTS)
RECORDS = st.fixed_dictionaries(
    {
        "carrier": st.sampled_from(["AA", "UA", None, "ZZ", ""]),
        "distance": st.none() | st.floats(allow_nan=False),
        "wind": st.none() | st.floats(-3, 3),
    }
)


def golden(trained, inputs=INPUTS):
    return Golden.made(trained.model, inputs, rows(600), seed=1)


@pytest.fixture(scope="module")
def engine():
    return engine_of(BOOSTED.model, INPUTS, GOLDEN)


def test_boosting_is_compiled_and_was_tried_at_every_split(engine):
    assert (engine.name, engine.why) == (COMPILED, "")
    splits = sum(len(COMPILED_TREES.thresholds(column)) for column in INPUTS.numbers)
    assert splits > 100
    assert engine.probes > 3 * splits


@given(st.lists(RECORDS, min_size=1, max_size=2 * FEW))
def test_any_rows_are_answered_to_the_last_bit(records):
    reference = engines._reference(BOOSTED.model, INPUTS)
    np.testing.assert_array_equal(COMPILED_TREES.scores(records), reference(records))


@pytest.mark.parametrize(
    "inputs", [Inputs(("carrier",), ()), Inputs((), ("distance", "wind")), Inputs((), ("distance",))]
)
@pytest.mark.parametrize("trees", [1, 2, 3, 17])
def test_few_trees_and_inputs_of_one_kind_are_compiled_too(inputs, trees):
    trained = train(model(parameters={"max_iter": trees, "min_samples_leaf": 3}), inputs, rows(600))
    found = engine_of(trained.model, inputs, golden(trained, inputs))
    assert (found.name, found.why) == (COMPILED, "")


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        (FOREST, "Pipeline is no pipeline of columns and gradient boosting alone"),
        (model(calibration={"method": "isotonic"}), "CalibratedClassifierCV is no pipeline"),
        (model(categories="one_hot"), "prepared otherwise"),
        (model(numbers="standardized"), "prepared otherwise"),
    ],
)
def test_what_is_of_another_kind_is_asked_of_scikit_learn(declared, why):
    trained = train(declared, INPUTS, rows())
    found = engine_of(trained.model, INPUTS, golden(trained))
    assert found.name == REFERENCE
    assert why in found.why
    records = golden(trained).rows
    assert found.scores(records).tolist() == golden(trained).probabilities


@pytest.mark.parametrize("few", [True, False])
def test_trees_that_answer_one_probe_otherwise_are_not_used(monkeypatch, few):
    right = Compiled.scores

    def wrong(self, records):
        found = right(self, records)
        if (len(records) <= FEW) == few:
            found[0] = np.nextafter(found[0], 1)
        return found

    monkeypatch.setattr(Compiled, "scores", wrong)
    found = engine_of(BOOSTED.model, INPUTS, GOLDEN)
    assert found.name == REFERENCE
    assert "answer" in found.why
    assert "probes otherwise" in found.why


def test_where_scikit_learn_keeps_its_trees_otherwise_it_is_asked(monkeypatch):
    monkeypatch.delattr(BOOSTED.model.named_steps["estimate"], "_bin_mapper")
    found = engine_of(BOOSTED.model, INPUTS, GOLDEN)
    assert found.name == REFERENCE
    assert "_bin_mapper" in found.why


def test_a_table_that_lacks_a_category_is_found():
    compiled = COMPILED_TREES
    assert set(compiled.tables[0]) == {"AA", "UA"}
    swapped = replace(compiled, tables=({"AA": compiled.tables[0]["UA"]},))
    probes = list(engines._probes(compiled, GOLDEN))
    assert (swapped.scores(probes) != compiled.scores(probes)).any()
