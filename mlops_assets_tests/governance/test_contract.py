"""Two contracts: everything that is otherwise is told, by the field that decides, and how bad it is."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.errors import ArtifactMismatch
from mlops_assets.governance.contract import WORST, Contract, Input, breaches, changes, kind_of

AMOUNT = Input("number", "request", 0.0, 100.0)
CHANNEL = Input("string", "request", categories=("app", "web"))
SPENT = Input("number", "features", 1.0, 9.0, missing=0.25)
OLD = Contract(
    model="returned",
    owner="team:shop",
    edition=2,
    as_of="2024-04-01",
    model_digest="ab",
    keys={"customer_id": "integer"},
    inputs={"amount": AMOUNT, "channel": CHANNEL, "spent": SPENT},
    output={"version": "integer", "probability": "double from 0 to 1"},
    service="at_checkout",
    features="f1",
    views={"customer_orders": "sql=1"},
    question="q1",
    label={"table": "orders", "positive": "returned"},
    objectives={"p95_ms": 100.0, "error_rate": 0.01},
    resources={"memory_mb": 512},
    metrics={"log_loss": 0.4},
    training={"raw/orders@2024-03-01": "aa"},
    code={"commit": "1"},
    environment={"python": "3.11"},
)


def with_input(name, **changed):
    return replace(OLD, inputs={**OLD.inputs, name: replace(OLD.inputs[name], **changed)})


def with_inputs(**more):
    return replace(OLD, inputs={**OLD.inputs, **more})


def without(field, name):
    return replace(OLD, **{field: {key: one for key, one in getattr(OLD, field).items() if key != name}})


def with_more(field, **more):
    return replace(OLD, **{field: {**getattr(OLD, field), **more}})


CHANGES = {
    "a key is gone": (without("keys", "customer_id"), "keys.customer_id", "breaking"),
    "a key more": (with_more("keys", country="string"), "keys.country", "breaking"),
    "a key of another type": (with_more("keys", customer_id="string"), "keys.customer_id", "breaking"),
    "a request column is gone": (without("inputs", "amount"), "inputs.amount", "breaking"),
    "a request column more": (with_inputs(colour=CHANNEL), "inputs.colour", "breaking"),
    "a request column of another type": (with_input("amount", type="string"), "inputs.amount", "breaking"),
    "a feature is gone": (without("inputs", "spent"), "inputs.spent", "retrain"),
    "a feature more": (with_inputs(visits=SPENT), "inputs.visits", "retrain"),
    "a feature of another type": (with_input("spent", type="integer"), "inputs.spent", "retrain"),
    "a view is gone": (without("views", "customer_orders"), "views.customer_orders", "retrain"),
    "a view more": (with_more("views", customer_profile="sql=2"), "views.customer_profile", "retrain"),
    "a view that means something else": (
        with_more("views", customer_orders="sql=2"),
        "views.customer_orders",
        "retrain",
    ),
    "other columns of the same views": (replace(OLD, features="f2"), "features", "retrain"),
    "another service with the same columns": (replace(OLD, service="at_home"), "service", "compatible"),
    "another label": (
        replace(with_more("label", positive="NOT returned"), question="q2"),
        "label",
        "breaking",
    ),
    "another table of labels": (
        replace(with_more("label", table="visits"), question="q2"),
        "label",
        "breaking",
    ),
    "the same label of other rows, or asked at another moment": (
        replace(OLD, question="q2"),
        "question",
        "retrain",
    ),
    "an answer lacks a part": (without("output", "version"), "output.version", "breaking"),
    "an answer has a part more": (with_more("output", reason="string"), "output.reason", "compatible"),
    "a part of an answer is of another type": (
        with_more("output", probability="percent"),
        "output.probability",
        "breaking",
    ),
    "a slower answer is promised": (with_more("objectives", p95_ms=101.0), "objectives.p95_ms", "breaking"),
    "a faster answer is promised": (with_more("objectives", p95_ms=99.0), "objectives.p95_ms", "compatible"),
    "more may fail": (with_more("objectives", error_rate=0.02), "objectives.error_rate", "breaking"),
    "less may fail": (with_more("objectives", error_rate=0.0), "objectives.error_rate", "compatible"),
    "a promise is taken back": (without("objectives", "p95_ms"), "objectives.p95_ms", "breaking"),
    "a promise more": (with_more("objectives", age_s=60.0), "objectives.age_s", "compatible"),
    "it needs more memory": (with_more("resources", memory_mb=1024), "resources.memory_mb", "compatible"),
    "it needs something else too": (with_more("resources", gpus=1), "resources.gpus", "compatible"),
    "it needs something no more": (without("resources", "memory_mb"), "resources.memory_mb", "compatible"),
    "a category more": (
        with_input("channel", categories=("app", "phone", "web")),
        "inputs.channel.categories",
        "compatible",
    ),
    "a category less": (
        with_input("channel", categories=("app",)),
        "inputs.channel.categories",
        "compatible",
    ),
    "too many categories to list": (
        with_input("channel", categories=None),
        "inputs.channel.categories",
        "compatible",
    ),
    "a wider range": (with_input("amount", high=200.0), "inputs.amount.range", "compatible"),
    "no number at all": (with_input("amount", low=None, high=None), "inputs.amount.range", "compatible"),
    "a range of a feature": (with_input("spent", low=0.5), "inputs.spent.range", "compatible"),
    "another owner": (replace(OLD, owner="team:other"), "owner", "compatible"),
    "another environment": (replace(OLD, environment={"python": "3.12"}), "environment", "compatible"),
    "its predictions need not be logged": (
        replace(OLD, prediction_log="wanted"),
        "prediction_log",
        "compatible",
    ),
    "another threshold": (replace(OLD, threshold=0.3), "threshold", "compatible"),
    "other code": (replace(OLD, code={"commit": "2"}), "code", "compatible"),
}

# What differs from one training to the next, and asks nothing of anybody.
OF_EACH_TRAINING = {
    "as_of": "2024-05-01",
    "model_digest": "cd",
    "metrics": {"log_loss": 0.3},
    "training": {"raw/orders@2024-03-02": "bb"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_told_once_by_the_field_that_decides(name):
    new, field, kind = CHANGES[name]
    (found,) = changes(OLD, new)
    assert (found.field, found.kind) == (field, kind)
    assert found.sentence
    assert kind_of([found]) == kind


def test_a_training_anew_changes_nothing_of_the_contract():
    assert changes(OLD, replace(OLD, **OF_EACH_TRAINING)) == []
    assert kind_of([]) == "compatible"


def test_a_label_that_is_only_spelled_otherwise_is_no_other():
    assert changes(OLD, with_more("label", positive="( returned ) -- sent back")) == []


def test_every_field_is_known_to_change_something_or_to_differ_by_training():
    decided = {field.split(".")[0] for _, field, _ in CHANGES.values()}
    # The edition is the permission itself, and contracts of two models are never held against each other.
    assert decided | OF_EACH_TRAINING.keys() | {"edition", "model"} == {one.name for one in fields(Contract)}


def test_an_input_that_was_looked_up_and_is_sent_breaks_callers_and_asks_for_training():
    found = {(one.field, one.kind) for one in changes(OLD, with_input("spent", origin="request"))}
    assert found == {("inputs.spent", "breaking"), ("inputs.spent", "retrain")}
    back = {(one.field, one.kind) for one in changes(OLD, with_input("amount", origin="features"))}
    assert back == {("inputs.amount", "breaking"), ("inputs.amount", "retrain")}


@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=6, unique=True))
def test_the_worst_comes_first_and_names_the_kind_of_all(names):
    found = changes(OLD, _all_of(names))
    ranks = [WORST.index(one.kind) for one in found]
    assert ranks == sorted(ranks)
    assert kind_of(found) == (WORST[min(ranks)] if ranks else "compatible")


@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=6, unique=True))
def test_only_a_later_edition_may_break_and_it_may_break_anything(names):
    new = _all_of(names)
    broken = [one for one in changes(OLD, new) if one.kind == "breaking"]
    said = breaches(OLD, new)
    assert len(said) == len(broken)
    for one, sentence in zip(broken, said, strict=True):
        assert sentence.startswith(one.sentence)
        assert "declare contract.edition 3" in sentence
    assert breaches(OLD, replace(new, edition=3)) == []


def test_an_edition_is_never_taken_back_even_where_nothing_else_changes():
    (said,) = breaches(OLD, replace(OLD, edition=1))
    assert said == "contract.edition 1 follows 2: an edition is never taken back"


@pytest.mark.parametrize("name", CHANGES)
def test_a_contract_read_back_from_json_is_equal(name):
    contract, _, _ = CHANGES[name]
    read = Contract.from_dict(json.loads(json.dumps(contract.to_dict())))
    assert read == contract
    assert changes(contract, read) == []


def test_files_without_a_contract_or_with_one_of_another_form_are_refused():
    assert Contract.of(OLD.to_files()) == OLD
    with pytest.raises(ArtifactMismatch, match=r"found model.skops, expected contract.json"):
        Contract.of({"model.skops": b""})
    body = {name: value for name, value in OLD.to_dict().items() if name != "views"}
    with pytest.raises(ArtifactMismatch, match=r"another version of the platform .*'views'"):
        Contract.of({"contract.json": json.dumps(body).encode()})


def test_categories_that_came_and_went_are_named_and_many_are_counted():
    many = tuple(f"c{n}" for n in range(8))
    (found,) = changes(OLD, with_input("channel", categories=many))
    assert "no longer saw 'app', 'web'" in found.sentence
    assert "saw 'c0', 'c1', 'c2', 'c3', 'c4' and 3 more for the first time" in found.sentence


def _all_of(names):
    """Every one of these changes at once; of two that touch one field the later one."""
    new = OLD
    for name in names:
        changed = CHANGES[name][0]
        touched = [
            one.name for one in fields(Contract) if getattr(changed, one.name) != getattr(OLD, one.name)
        ]
        new = replace(new, **{one: getattr(changed, one) for one in touched})
    return new
