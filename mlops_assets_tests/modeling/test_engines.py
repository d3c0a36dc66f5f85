"""Compiled trees answer as scikit-learn does, to the last bit; what cannot be compiled, or differs, is not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.modeling import compiling, proving
from mlops_assets.modeling.compiled import BITS, TOGETHER, Compiled
from mlops_assets.modeling.compiling import compiled
from mlops_assets.modeling.engines import COMPILED, REFERENCE, engine_of, reference
from mlops_assets.modeling.golden import Golden
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.proving import proof_of, proven
from mlops_assets.modeling.serialization import to_files
from mlops_assets_tests.modeling.test_training import FOREST, INPUTS, model, rows, train

BOOSTED = train(model(parameters={"max_iter": 40, "min_samples_leaf": 3}), INPUTS, rows(600))
GOLDEN = Golden.made(BOOSTED.model, INPUTS, rows(600), seed=1)
COMPILED_TREES = compiled(BOOSTED.model, INPUTS)
RECORDS = st.fixed_dictionaries(
    {
        "carrier": st.sampled_from(["AA", "UA", None, "ZZ", ""]),
        "distance": st.none() | st.floats(),
        "wind": st.none() | st.floats(-3, 3),
    }
)


def golden(trained, inputs=INPUTS):
    return Golden.made(trained.model, inputs, rows(600), seed=1)


def files_of(trained, inputs=INPUTS):
    return {**to_files(trained, question="q"), **golden(trained, inputs).to_files()}


def test_boosting_is_compiled_and_was_tried_at_every_split():
    files = files_of(BOOSTED)
    proof = proven(files)
    assert (proof.off, proof.why) == (0.0, "")
    splits = sum(len(one.splits) for one in COMPILED_TREES.numbers)
    assert splits > 100
    assert proof.probes > 3 * splits
    engine = engine_of(proof, files)
    assert (engine.name, engine.probes) == (COMPILED, proof.probes)
    assert engine.scores(GOLDEN.rows).tolist() == GOLDEN.probabilities


@given(st.lists(RECORDS, min_size=1, max_size=2 * TOGETHER))
def test_any_rows_are_answered_to_the_last_bit(records):
    asked = reference(BOOSTED.model, INPUTS)
    np.testing.assert_array_equal(COMPILED_TREES.scores(records), asked(records))


def test_trees_with_more_leaves_than_a_word_has_bits_are_compiled_too():
    estimator = {"max_iter": 5, "min_samples_leaf": 1, "max_leaf_nodes": 3 * BITS}
    trained = train(model(parameters=estimator), INPUTS, rows(2000))
    boosted = trained.model.named_steps["estimate"]
    assert max(tree.get_n_leaf_nodes() for (tree,) in boosted._predictors) > 2 * BITS
    found = proof_of(trained.model, INPUTS, golden(trained))
    assert (found.compiled is not None, found.why) == (True, "")


def test_categories_that_are_numbers_in_an_order_to_the_trees_are_compiled_too():
    trained = train(model(parameters={"max_iter": 20}, categories="ordinal"), INPUTS, rows(600))
    found = proof_of(trained.model, INPUTS, golden(trained))
    assert (found.compiled is not None, found.why) == (True, "")


@pytest.mark.parametrize(
    "inputs", [Inputs(("carrier",), ()), Inputs((), ("distance", "wind")), Inputs((), ("distance",))]
)
@pytest.mark.parametrize("trees", [1, 2, 3, 17])
def test_few_trees_and_inputs_of_one_kind_are_compiled_too(inputs, trees):
    trained = train(model(parameters={"max_iter": trees, "min_samples_leaf": 3}), inputs, rows(600))
    found = proof_of(trained.model, inputs, golden(trained, inputs))
    assert (found.compiled is not None, found.why) == (True, "")


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
    files = files_of(trained)
    proof = proven(files)
    assert why in proof.why
    found = engine_of(proof, files)
    assert (found.name, found.why) == (REFERENCE, proof.why)
    assert found.scores(golden(trained).rows).tolist() == golden(trained).probabilities


def test_trees_that_answer_one_probe_otherwise_are_not_used(monkeypatch):
    right = Compiled.scores

    def wrong(self, records):
        found = right(self, records)
        found[-1] = np.nextafter(found[-1], 1)
        return found

    monkeypatch.setattr(Compiled, "scores", wrong)
    found = proof_of(BOOSTED.model, INPUTS, GOLDEN)
    assert found.compiled is None
    assert "answer 1 of" in found.why
    assert "probes otherwise" in found.why


def test_where_scikit_learn_keeps_its_trees_otherwise_it_is_asked(monkeypatch):
    # Predicting does not ask for it.
    monkeypatch.delattr(BOOSTED.model.named_steps["estimate"], "is_categorical_")
    found = proof_of(BOOSTED.model, INPUTS, GOLDEN)
    assert found.compiled is None
    assert "is_categorical_" in found.why


def test_a_table_that_would_be_too_large_is_not_made(monkeypatch):
    monkeypatch.setattr(compiling, "MOST_BYTES", 10**4)
    found = proof_of(BOOSTED.model, INPUTS, GOLDEN)
    assert found.compiled is None
    assert "its table would have 0 MiB, expected 0.00953674 at most" in found.why


def test_trees_that_do_not_split_are_asked_of_scikit_learn():
    trained = train(model(parameters={"max_iter": 2, "min_samples_leaf": 600}), INPUTS, rows(600))
    found = proof_of(trained.model, INPUTS, golden(trained))
    assert (found.compiled, found.why) == (None, "none of its trees splits")


def test_what_is_written_is_what_is_read():
    again = Compiled.of(COMPILED_TREES.to_bytes())
    records = list(proving._probes(COMPILED_TREES, INPUTS, GOLDEN))
    np.testing.assert_array_equal(again.scores(records), COMPILED_TREES.scores(records))


def test_a_table_that_lacks_a_category_is_found():
    (carrier,) = COMPILED_TREES.texts
    assert set(carrier.lines) == {"AA", "UA"}
    swapped = replace(COMPILED_TREES, texts=(carrier._replace(lines={"AA": carrier.lines["UA"]}),))
    probes = list(proving._probes(COMPILED_TREES, INPUTS, GOLDEN))
    assert (swapped.scores(probes) != COMPILED_TREES.scores(probes)).any()
