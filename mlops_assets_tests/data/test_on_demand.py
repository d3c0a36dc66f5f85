"""An on-demand transform is held to what it declares, and each row stands for itself."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.data.on_demand import apply_on_demand, computed, require_row_wise
from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureService, FeatureView
from mlops_assets.declaration.on_demand import OnDemandTransform
from mlops_assets.errors import TransformFailed

INPUTS = {"n": "integer", "x": "number", "flag": "boolean", "word": "string", "at": "timestamp"}
MOMENT = pa.timestamp("us", tz="UTC")


def repository(body: str, features=None, top="import numpy as np\nimport pandas as pd") -> FeatureRepository:
    """One transform whose function has this body."""
    transform = OnDemandTransform.model_validate(
        {
            "name": "made",
            "owner": "team:x",
            "inputs": {"request": INPUTS, "views": ["view:hidden"]},
            "features": {name: {"type": kind} for name, kind in (features or {"y": "number"}).items()},
            "python": f"{top}\n\ndef transform(inputs):\n    {body}\n",
        }
    )
    view = FeatureView.model_validate(
        {
            "name": "view",
            "owner": "team:x",
            "entities": ["one"],
            "reads": {"t": "0d"},
            "sql": "SELECT 1",
            "ttl": "1d",
            "features": {"hidden": {"type": "number"}, "seen": {"type": "number"}},
        }
    )
    service = FeatureService(name="service", owner="team:x", features=("view:seen", "made"))
    return FeatureRepository.of([Entity(name="one", key="k")], [view], [service], [transform])


def rows(count=4) -> pa.Table:
    """Rows of which every second has nothing."""

    def some(values):
        return [None if index % 2 else value for index, value in enumerate(values)]

    return pa.table(
        {
            "id": list(range(count)),
            "n": pa.array(some(range(count)), pa.int64()),
            "x": pa.array(some(1.5 * n for n in range(count)), pa.float64()),
            "flag": pa.array(some([True] * count), pa.bool_()),
            "word": pa.array(some(["ö"] * count), pa.string()),
            "at": pa.array(some([datetime(2024, 3, 1, tzinfo=UTC)] * count), MOMENT),
            "view__hidden": pa.array([10.0] * count),
            "view__seen": pa.array([1.0] * count),
        }
    )


def made(body, features=None, *, of=None):
    return apply_on_demand(repository(body, features), "service", rows() if of is None else of)


def test_features_are_added_and_what_only_they_need_is_left_out():
    found = made('return pd.DataFrame({"y": inputs["x"] + inputs["view__hidden"]})')
    assert found.column_names == ["id", "n", "x", "flag", "word", "at", "view__seen", "made__y"]
    assert found["made__y"].to_pylist() == [10.0, None, 13.0, None]
    assert found["id"].to_pylist() == [0, 1, 2, 3]


def test_a_service_without_transforms_is_left_as_it_is():
    declared = repository("return inputs")
    plain = FeatureService(name="plain", owner="team:x", features=("view:seen",))
    services = {**declared.services, "plain": plain}
    table = rows()
    assert apply_on_demand(declared.model_copy(update={"services": services}), "plain", table) is table


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_types_that_a_function_is_given_do_not_depend_on_what_is_missing(count):
    told = 'return pd.DataFrame({"y": pd.Series([" ".join(map(str, inputs.dtypes))] * len(inputs))})'
    found = made(told, {"y": "string"}, of=rows(count))["made__y"].to_pylist()
    assert set(found) == {"Int64 float64 boolean object datetime64[us, UTC] float64"}


def test_every_type_comes_back_as_it_is_declared():
    body = (
        'return pd.DataFrame({"n": inputs["n"] * 2, "x": inputs["n"], "flag": ~inputs["flag"], '
        '"word": inputs["word"] + "!", "at": inputs["at"] + pd.Timedelta(hours=1)})'
    )
    found = made(body, INPUTS)
    assert [str(found.schema.field(f"made__{name}").type) for name in INPUTS] == [
        "int64", "double", "bool", "string", "timestamp[us, tz=UTC]"
    ]  # fmt: skip
    assert found.select([f"made__{name}" for name in INPUTS]).to_pylist()[:2] == [
        {
            "made__n": 0,
            "made__x": 0.0,
            "made__flag": False,
            "made__word": "ö!",
            "made__at": datetime(2024, 3, 1, 1, tzinfo=UTC),
        },
        dict.fromkeys([f"made__{name}" for name in INPUTS]),
    ]


def test_no_rows_have_no_features_and_the_function_is_not_asked():
    found = made("return 1 / 0", of=rows(0))
    assert found.num_rows == 0
    assert str(found.schema.field("made__y").type) == "double"


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("return inputs.nonsense", "number", "AttributeError: .*nonsense.*, in: return inputs.nonsense"),
        ("return 7", "number", "returns int, expected a pandas frame"),
        ('return pd.DataFrame({"y": inputs["x"]}).head(2)', "number", "returns 2 rows for 4"),
        ('return pd.DataFrame({"y": inputs["x"]})[::-1]', "number", "or in another order"),
        ('return inputs[["x"]].rename(columns={"x": "z"})', "number", "does not return 'y' once. Known: z"),
        ('return inputs.assign(y=1.0)', "number", "returns 'n', which is not declared"),
        ('return pd.DataFrame({"y": inputs["word"]})', "number", "'y' as object, expected numbers"),
        ('return pd.DataFrame({"y": inputs["x"]})', "integer", "'y' as float64, expected whole numbers"),
        ('return pd.DataFrame({"y": inputs["flag"]})', "number", "'y' as boolean, expected numbers"),
        ('return pd.DataFrame({"y": inputs["n"]})', "boolean", "'y' as Int64, expected flags"),
        ('return pd.DataFrame({"y": inputs["n"].astype(object)})', "string", "'y', which is no string"),
        ('return pd.DataFrame({"y": inputs["at"].dt.tz_localize(None)})', "timestamp", "expected moments with a time"),
        ('return pd.DataFrame({"y": 1 / (inputs["x"] * 0).fillna(0)})', "number", "with 4 infinite values"),
    ],
)  # fmt: skip
def test_a_function_that_keeps_no_promise_is_refused(body, kind, said):
    with pytest.raises(TransformFailed, match=said) as refused:
        made(body, {"y": kind})
    assert str(refused.value).startswith("on-demand transform 'made'")


def test_an_input_of_another_type_is_refused():
    other = rows().set_column(2, "x", pa.array(["a"] * 4))
    with pytest.raises(TransformFailed, match="its input 'x' is no number"):
        made('return pd.DataFrame({"y": inputs["x"]})', of=other)


def test_what_a_function_does_to_its_inputs_stays_in_it():
    body = 'inputs["x"] = 0.0; inputs["y"] = 1.0; return inputs[["y"]]'
    found = made(body)
    assert found["x"].to_pylist() == rows()["x"].to_pylist()


@pytest.mark.parametrize(
    "values",
    [
        'inputs["x"] - inputs["x"].mean()',
        'inputs["x"].rank()',
        'inputs["x"].shift(1)',
        'inputs["x"].cumsum()',
        'inputs["x"].fillna(inputs["x"].median())',
        'inputs["x"].ffill()',
        'inputs["x"].rolling(3, min_periods=1).mean()',
        'inputs["x"] / len(inputs)',
        'pd.Series(range(len(inputs)), dtype="float64")',
        'inputs.groupby("word")["x"].transform("sum")',
        '(inputs["x"] - inputs["x"].min()) / (inputs["x"].max() - inputs["x"].min())',
        'inputs["x"].clip(upper=inputs["x"].quantile(0.99))',
        'inputs["x"].clip(upper=inputs["x"].quantile(0.9999))',
        'inputs["x"].where(inputs["x"] < inputs["x"].max(), 0.0)',
        'inputs["x"].fillna(0.0) + float((inputs["x"] > 3000).any())',
        'inputs["x"].duplicated().astype("float64")',
        'inputs["x"].sort_values().reset_index(drop=True)',
        'inputs["x"].fillna(-1.0) * (inputs.index == 1250)',
    ],
)
def test_a_feature_that_looks_at_other_rows_is_found(values):
    declared = repository(f'return pd.DataFrame({{"y": {values}}})')
    with pytest.raises(TransformFailed, match="expected each row by itself"):
        require_row_wise(declared, "service", rows(2500))


@pytest.mark.parametrize(
    ("top", "body"),
    [
        ("SEEN = {}", 'seen = SEEN; seen.setdefault("mean", inputs["x"].mean()); y = inputs["x"] - seen["mean"]'),
        ("SEEN = []", 'seen = SEEN; seen.append(1); y = inputs["x"] * len(seen)'),
        ("SEEN = [None]", 'a, = [SEEN]; a[0] = a[0] or inputs["x"].mean(); y = inputs["x"] + SEEN[0]'),
    ],
)  # fmt: skip
def test_what_a_function_keeps_under_another_name_is_found(top, body):
    declared = repository(
        f'{body}; return pd.DataFrame({{"y": y}})', top=f"import numpy as np\nimport pandas as pd\n{top}"
    )
    # As it is when the code has answered somebody before.
    apply_on_demand(declared, "service", rows(7))
    with pytest.raises(TransformFailed, match="expected each row by itself"):
        require_row_wise(declared, "service", rows(2500))


@pytest.mark.parametrize("count", [0, 1, 2, 999, 3000])
@pytest.mark.parametrize(
    "values",
    [
        'np.exp(np.sin(inputs["x"].fillna(0) / 1e3))',
        'inputs["x"].clip(0, 3) * 2',
        'inputs["view__hidden"]',
        'inputs["word"].map({"ö": 1.0})',
        'inputs.apply(lambda row: row["view__hidden"] + 1.0, axis=1)',
        'inputs["at"].dt.hour.astype("float64")',
    ],
)
def test_a_feature_of_one_row_is_not_flagged(values, count):
    declared = repository(f'return pd.DataFrame({{"y": {values}}})')
    require_row_wise(declared, "service", rows(count))


@given(
    numbers=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8),
    chosen=st.randoms(use_true_random=False),
)
def test_rows_keep_their_values_in_any_company(numbers, chosen):
    table = rows(len(numbers)).set_column(1, "n", pa.array(numbers, pa.int64()))
    body = 'return pd.DataFrame({"n": inputs["n"], "word": inputs["n"].astype("string")})'
    declared = repository(body, {"n": "integer", "word": "string"})
    among = apply_on_demand(declared, "service", table).to_pylist()
    some = [index for index in range(len(numbers)) if chosen.random() < 0.5] or [0]
    again = apply_on_demand(declared, "service", table.take(some)).to_pylist()
    assert again == [among[index] for index in some]
    assert [row["made__n"] for row in among] == numbers


def doubled(inputs):
    return pd.DataFrame({"y": inputs["n"] * 2})


@pytest.mark.parametrize("values", [[1, None], [1.0, np.nan], pd.array([1, None], "Int64"), ["1", None]])
def test_what_feast_hands_over_is_given_in_the_declared_types(values):
    rows = pd.DataFrame({"other": [0, 0], "n": values}, index=[7, 3])
    found = computed(doubled, rows, {"n": "integer"}, {"y": "integer"}, called="it")
    assert found.index.tolist() == [7, 3]
    assert found["y"].dtype == "Int64"
    assert found["y"].fillna(-1).tolist() == [2, -1]


def test_of_two_columns_of_one_name_the_first_is_meant():
    rows = pd.DataFrame([[1, 50]], columns=["n", "n"])
    assert computed(doubled, rows, {"n": "integer"}, {"y": "integer"}, called="it")["y"].tolist() == [2]


@pytest.mark.parametrize("values", [[1.5], ["a"], [{"a": 1}], [1, "a"]])
def test_what_feast_hands_over_in_another_type_is_refused(values):
    rows = pd.DataFrame({"n": pd.Series(values, dtype=object)})
    with pytest.raises(TransformFailed, match="it: its input 'n' is no integer"):
        computed(doubled, rows, {"n": "integer"}, {"y": "integer"}, called="it")


def test_a_mean_that_only_a_rare_missing_value_is_filled_with_is_found():
    numbers = [float(n) for n in range(20_000)]
    numbers[777] = None
    table = rows(20_000)
    table = table.set_column(table.column_names.index("x"), "x", pa.array(numbers, pa.float64()))
    declared = repository('return pd.DataFrame({"y": inputs["x"].fillna(inputs["x"].mean())})')
    with pytest.raises(TransformFailed, match="expected each row by itself"):
        require_row_wise(declared, "service", table)
