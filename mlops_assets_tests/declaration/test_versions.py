"""What changes the version of a view and of a service, and what does not; equal in every process."""

import shutil
import subprocess
import sys
from datetime import timedelta

import pytest

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureService
from mlops_assets.declaration.identity import meaning, sql_meaning
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.declaration.source import Column, Source
from mlops_assets.declaration.sql import CONDITION, QUERY
from mlops_assets.declaration.versions import (
    Version,
    feature_hash,
    question,
    raw_version,
    transform_version,
    validated_version,
    view_version,
)
from mlops_assets.errors import DeclarationError
from mlops_assets_tests.sandbox import REAL, SHOP, load_project, make_project

VIEW, SERVICE = "airport_delays", "departure"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return load_project(make_project(tmp_path_factory.mktemp("versions"), like=REAL))


@pytest.fixture
def catalog(project) -> Catalog:
    return project.catalog


def with_view(catalog: Catalog, **changes) -> Catalog:
    features = catalog.features
    view = features.views[VIEW].model_copy(update=changes)
    return Catalog(catalog.tables, features.model_copy(update={"views": {**features.views, VIEW: view}}))


def with_table(catalog: Catalog, name: str, source=None, **changes) -> Catalog:
    declared = catalog.tables[name]
    table = declared.table.model_copy(update=changes)
    found = type(declared)(declared.source.model_copy(update=source or {}), table)
    return Catalog({**catalog.tables, name: found}, catalog.features)


def both(catalog: Catalog) -> tuple[Version, str]:
    return view_version(catalog, VIEW), feature_hash(catalog, SERVICE)


def retyped(catalog: Catalog) -> Catalog:
    view = catalog.features.views[VIEW]
    flights = view.features["flights"].model_copy(update={"type": "number"})
    return with_view(catalog, features={**view.features, "flights": flights})


def other_column(catalog: Catalog, **changes) -> Catalog:
    columns = catalog.tables["flights"].table.columns
    delay = columns["arrival_delay"].model_copy(update=changes)
    return with_table(catalog, "flights", columns={**columns, "arrival_delay": delay})


def other_entity(catalog: Catalog) -> Catalog:
    features = catalog.features
    entity = features.entities["airport"].model_copy(update={"type": "integer"})
    return Catalog(
        catalog.tables, features.model_copy(update={"entities": {**features.entities, "airport": entity}})
    )


def sql_of(catalog: Catalog, old: str, new: str) -> Catalog:
    sql = catalog.features.views[VIEW].sql
    assert old in sql
    return with_view(catalog, sql=sql.replace(old, new))


def select_of(catalog: Catalog, table: str, old: str, new: str) -> Catalog:
    select = catalog.tables[table].table.select
    assert old in select
    return with_table(catalog, table, select=select.replace(old, new))


CHANGES = {
    "another window": (lambda c: sql_of(c, "7200", "7201"), "sql"),
    "another delay of knowing": (
        lambda c: sql_of(
            c,
            "known_by AS available_at\nFROM recent",
            "known_by + INTERVAL 60 SECONDS AS available_at\nFROM recent",
        ),
        "sql",
    ),
    "another lifetime": (lambda c: with_view(c, ttl=timedelta(hours=4)), "ttl"),
    "another type": (retyped, "schema"),
    "another key type": (other_entity, "schema"),
    "more history": (lambda c: with_view(c, reads={"flights": timedelta(days=3)}), "history"),
    "another source query": (
        lambda c: select_of(c, "flights", "dep_delay AS", "dep_delay + 0 AS"),
        "source.flights",
    ),
    "another label delay of the source": (
        lambda c: select_of(c, "flights", "late_by + 720", "late_by + 721"),
        "source.flights",
    ),
    "another range of a source column": (
        lambda c: other_column(c, between=(-100.0, 2880.0)),
        "source.flights",
    ),
    "another type of a source column": (lambda c: other_column(c, type="number"), "source.flights"),
    "another key of the source": (lambda c: with_table(c, "flights", key=("carrier",)), "source.flights"),
    "another time zone": (
        lambda c: with_table(c, "flights", {"timezone": "America/Chicago"}),
        "source.flights",
    ),
    "other values that are missing": (
        lambda c: with_table(
            c, "flights", reads=c.tables["flights"].table.reads.model_copy(update={"missing": ("NA",)})
        ),
        "source.flights",
    ),
    "rows that are set aside no more": (
        lambda c: with_table(c, "flights", expectations=()),
        "source.flights",
    ),
}


@pytest.mark.parametrize(("change", "part"), CHANGES.values(), ids=CHANGES)
def test_what_changes_rows_changes_the_version_of_the_view_and_says_which_part(catalog, change, part):
    before, service = both(catalog)
    after, changed_service = both(change(catalog))
    assert after.changes(before) == (part,)
    assert after.digest != before.digest
    assert changed_service != service


SAME = {
    "comments": lambda c: sql_of(c, "FROM recent", "FROM recent -- the last three hours\n/* done */"),
    "whitespace": lambda c: with_view(c, sql="\n\n" + c.features.views[VIEW].sql.replace(" ", "  ")),
    "the case of keywords": lambda c: sql_of(c, "SELECT origin", "select origin"),
    "a description": lambda c: with_view(c, description="Something else"),
    "tags": lambda c: with_view(c, tags={"domain": "other"}),
    "an owner": lambda c: with_view(c, owner="team:other"),
    "a comment in the source's query": lambda c: select_of(
        c, "flights", "FROM scheduled", "FROM scheduled -- !"
    ),
    "the source's owner and licence": lambda c: with_table(
        c, "flights", {"owner": "team:other", "licence": "other", "description": "other"}
    ),
    "a column's description": lambda c: other_column(c, description="In minutes"),
    "the same lifetime": lambda c: with_view(c, ttl=timedelta(minutes=180)),
    "another table": lambda c: with_table(c, "planes", key=("engine",)),
    "an expectation that sets nothing aside": lambda c: with_table(
        c,
        "flights",
        expectations=tuple(one for one in c.tables["flights"].table.expectations if one.sets_aside),
    ),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_changes_no_row_changes_no_version(catalog, change):
    assert view_version(change(catalog), VIEW) == view_version(catalog, VIEW)


def test_other_columns_of_a_service_are_another_service_on_the_same_views(catalog):
    features = catalog.features
    fewer = FeatureService.model_validate(
        {"name": SERVICE, "owner": "team:x", "features": ["airport_delays:flights"]}
    )
    other = Catalog(catalog.tables, features.model_copy(update={"services": {SERVICE: fewer}}))
    renamed = features.services[SERVICE].model_copy(update={"tags": {"a": "b"}, "owner": "team:x"})
    same = Catalog(catalog.tables, features.model_copy(update={"services": {SERVICE: renamed}}))
    assert feature_hash(other, SERVICE) != feature_hash(catalog, SERVICE)
    assert feature_hash(same, SERVICE) == feature_hash(catalog, SERVICE)
    assert view_version(other, VIEW) == view_version(catalog, VIEW)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("DEAR = 100.0", "DEAR = 101.0", ("code",)),
        ("DEAR = 100.0", "DEAR = 100.0  # euros", ()),
        ('"""A share, a flag and a word."""', '"""Three features."""', ()),
    ],
)
def test_the_code_of_a_transform_counts_and_its_comments_do_not(tmp_path, old, new, changed):
    def read():
        return read_feature_repository(tmp_path / "repo").on_demand["order_habits"]

    shutil.copytree(SHOP / "feature_repo", tmp_path / "repo")
    before = read()
    code = tmp_path / "repo" / "on_demand" / "order_habits.py"
    assert old in code.read_text()
    code.write_text(code.read_text().replace(old, new))
    assert transform_version(read()).changes(transform_version(before)) == changed


def test_the_question_of_a_model_changes_with_what_its_label_means(project, catalog):
    model: Model = project.model("flight_delay")
    asked = question(catalog, model)
    later = select_of(catalog, "flights", "late_by + 720", "late_by + 721")
    assert question(later, model) != asked
    spaced = model.label.model_copy(update={"positive": f"( {model.label.positive} ) -- late"})
    assert question(catalog, model.model_copy(update={"label": spaced})) == asked
    other = model.label.model_copy(update={"positive": f"NOT ({model.label.positive})"})
    assert question(catalog, model.model_copy(update={"label": other})) != asked
    sooner = model.label.model_copy(update={"mature_at": 0.5})
    assert question(catalog, model.model_copy(update={"label": sooner})) == asked


def test_tables_of_one_source_have_versions_of_their_own(catalog):
    other = select_of(catalog, "planes", "engines", "engines + 0 AS engines")
    for name in ("flights", "weather"):
        assert raw_version(other.tables[name]) == raw_version(catalog.tables[name])
    assert raw_version(other.tables["planes"]).changes(raw_version(catalog.tables["planes"])) == ("sql",)
    assert validated_version(other.tables["weather"]) == validated_version(catalog.tables["weather"])
    assert validated_version(other.tables["planes"]).changes(validated_version(catalog.tables["planes"])) == (
        "raw",
    )


# Pairs that look alike and are not.
DIFFERENT = [
    ("SELECT 'a b' AS x", "SELECT 'a  b' AS x"),
    ("SELECT 'a -- b' AS x", "SELECT 'a ' AS x"),
    ("SELECT 'a /* b */ c' AS x", "SELECT 'a  c' AS x"),
    ("SELECT 'A' AS x", "SELECT 'a' AS x"),
    ('SELECT a AS "X y" FROM t', 'SELECT a AS "X  y" FROM t'),
    ('SELECT a AS "Total" FROM t', 'SELECT a AS "total" FROM t'),
    ('SELECT "a--b" FROM t', 'SELECT "a" FROM t'),
    ("SELECT $$a;b$$ AS x", "SELECT $$a; b$$ AS x"),
    ("SELECT 1.0 AS x", "SELECT 1.00 AS x"),
    ("SELECT 1 AS x", "SELECT '1' AS x"),
    ("SELECT 1 AS x", "SELECT 1::INT AS x"),
    ("SELECT a::INT FROM t", "SELECT try_cast(a AS INT) FROM t"),
    ("SELECT a - (b - c) FROM t", "SELECT a - b - c FROM t"),
    ("SELECT NOT (a AND b) FROM t", "SELECT NOT a AND b FROM t"),
    ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a NULLS FIRST"),
    ("SELECT a FROM t UNION SELECT a FROM u", "SELECT a FROM t UNION ALL SELECT a FROM u"),
    ("SELECT a FROM t UNION ALL SELECT a FROM u", "SELECT a FROM t UNION ALL BY NAME SELECT a FROM u"),
    ("SELECT count(*) FROM t", "SELECT count(a) FROM t"),
    ("SELECT count(a) FROM t", "SELECT count(DISTINCT a) FROM t"),
    ("SELECT sum(a) FROM t", "SELECT sum(a) FILTER (a > 0) FROM t"),
    ("SELECT first(a ORDER BY b) FROM t", "SELECT first(a ORDER BY b DESC) FROM t"),
    ("SELECT * FROM t JOIN u USING (k)", "SELECT * FROM t LEFT JOIN u USING (k)"),
    ("SELECT * FROM t ASOF JOIN u ON t.a >= u.a", "SELECT * FROM t JOIN u ON t.a >= u.a"),
    ("SELECT * FROM t ASOF JOIN u ON t.a >= u.a", "SELECT * FROM t ASOF JOIN u ON t.a > u.a"),
    ("SELECT * FROM t", "SELECT * EXCLUDE (a) FROM t"),
    ("SELECT * EXCLUDE (a) FROM t", "SELECT * EXCLUDE (b) FROM t"),
    ("SELECT * REPLACE (a + 1 AS a) FROM t", "SELECT * REPLACE (a + 2 AS a) FROM t"),
    ("SELECT * RENAME (a AS b) FROM t", "SELECT * RENAME (a AS c) FROM t"),
    ("SELECT COLUMNS('a') FROM t", "SELECT COLUMNS('b') FROM t"),
    ("SELECT a FROM t GROUP BY ALL", "SELECT a FROM t"),
    ("SELECT a FROM t QUALIFY row_number() OVER () = 1", "SELECT a FROM t"),
    (
        "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT sum(a) OVER (ORDER BY b RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
    ),
    (
        "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM t",
    ),
    ("SELECT lag(a IGNORE NULLS) OVER (ORDER BY b) FROM t", "SELECT lag(a) OVER (ORDER BY b) FROM t"),
    ("SELECT INTERVAL 1 DAY AS x", "SELECT INTERVAL 1 HOUR AS x"),
    ("WITH c AS (SELECT 1 AS a) SELECT a FROM c", "WITH c AS (SELECT 2 AS a) SELECT a FROM c"),
    (
        "WITH c AS MATERIALIZED (SELECT 1 AS a) SELECT a FROM c",
        "WITH c AS MATERIALIZED (SELECT 1 AS b) SELECT b FROM c",
    ),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 2"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 1%"),
    ("SELECT DISTINCT a FROM t", "SELECT a FROM t"),
    ("SELECT DISTINCT ON (a) a, b FROM t", "SELECT DISTINCT a, b FROM t"),
    ("SELECT a FROM (VALUES (1), (2)) v(a)", "SELECT a FROM (VALUES (2), (1)) v(a)"),
    ("SELECT list_transform(l, lambda x: x + 1) FROM t", "SELECT list_transform(l, lambda x: x + 2) FROM t"),
    ("SELECT {'a': 1} AS s", "SELECT {'b': 1} AS s"),
    ("SELECT a COLLATE NOCASE FROM t", "SELECT a FROM t"),
    (
        "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u)",
        "SELECT a FROM t WHERE NOT EXISTS (SELECT 1 FROM u)",
    ),
    ("PIVOT t ON a IN ('x') USING sum(b)", "PIVOT t ON a IN ('y') USING sum(b)"),
    ("SELECT CASE WHEN a THEN b END FROM t", "SELECT CASE WHEN a THEN b ELSE c END FROM t"),
    ("SELECT a FROM t, u", "SELECT a FROM u, t"),
    ("SELECT a[1] FROM t", "SELECT a[2] FROM t"),
    ("SELECT TIMESTAMP '2013-01-01' AS x", "SELECT TIMESTAMPTZ '2013-01-01' AS x"),
    ("SELECT 'é' AS x", "SELECT 'e\u0301' AS x"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_queries_that_say_different_things_never_have_one_meaning(one, other):
    assert sql_meaning(one, QUERY) != sql_meaning(other, QUERY)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a,b FROM t", "select a -- first\n , b\nfrom\tt"),
        ("SELECT (a) FROM t", "SELECT a /* no more */ FROM t;"),
        ("SELECT a AS x FROM t", "SELECT a x FROM t"),
        ("SELECT a FROM t JOIN u ON t.k = u.k", "SELECT a FROM t INNER JOIN u ON (t.k = u.k)"),
        ('SELECT "a" FROM "t"', "SELECT a FROM t"),
    ],
)
def test_queries_that_are_only_written_differently_have_one(one, other):
    assert sql_meaning(one, QUERY) == sql_meaning(other, QUERY)


def test_sql_that_cannot_be_read_is_refused():
    with pytest.raises(DeclarationError, match="cannot be read"):
        sql_meaning("SELECT FROM WHERE", QUERY)
    assert sql_meaning("a > 1 -- more", CONDITION) == sql_meaning("a>1", CONDITION)


def test_a_column_that_is_called_like_a_word_for_people_counts():
    """Only a declaration's own field is for people."""
    text, number = ({"owner": Column(type=kind), "tags": Column(type=kind)} for kind in ("string", "number"))
    assert meaning(text) != meaning(number)
    assert meaning({"parameters": {"tags": 1}}) != meaning({"parameters": {"tags": 2}})


def test_sets_have_one_spelling_and_what_has_none_is_refused():
    assert meaning({"b", "a", "c"}) == meaning({"c", "b", "a"})
    with pytest.raises(TypeError):
        meaning(lambda: None)


def test_a_version_is_spelled_and_read_again():
    version = Version.of({"sql": "SELECT 1", "source.flights": {"a": 1}})
    assert Version.read(str(version)) == version
    assert Version.read("0123456789abcdef").changes(version) == ("source.flights", "sql", "version")
    made = Version.read(version.made_by("mlops_assets.data.features"))
    assert made.changes(version) == ("platform",)


@pytest.mark.slow
def test_versions_are_equal_in_every_process(catalog, project):
    script = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from pathlib import Path\n"
        "from mlops_assets.components.project import Project\n"
        "from mlops_assets.declaration.versions import feature_hash, question, view_version\n"
        f"project = Project.load(Path({str(REAL / 'mlops_assets')!r}))\n"
        "print(*(view_version(project.catalog, view) for view in project.catalog.features.views), sep='\\n')\n"
        f"print(feature_hash(project.catalog, {SERVICE!r}))\n"
        "print(question(project.catalog, project.model('flight_delay')))\n"
    )
    here = [str(view_version(catalog, view)) for view in catalog.features.views]
    here += [feature_hash(catalog, SERVICE), question(catalog, project.model("flight_delay"))]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            cwd=REAL,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
        )
        assert done.stdout.splitlines() == here, done.stderr


def test_the_same_files_read_twice_have_the_same_versions(catalog):
    sources = {declared.source.name: declared.source for declared in catalog.tables.values()}
    again = Catalog.of(
        [Source.model_validate(source.model_dump()) for source in sources.values()],
        read_feature_repository(REAL / "feature_repo"),
    )
    for view in catalog.features.views:
        assert view_version(again, view) == view_version(catalog, view)
