"""The registry: where it is, and what forty writers at once leave in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlops_assets.stores.feast_registry import PlatformRegistry
from mlops_assets_tests.sandbox import REAL

PROCESSES, APPLIES = 8, 5


def environment(**said: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return {**kept, **said}


@pytest.fixture(params=["sqlite", "postgresql"])
def registry(request, tmp_path):
    """What says where an empty registry is, and its URL."""
    if request.param == "sqlite":
        return {"MLOPS_HOME": str(tmp_path / "home")}, f"sqlite:///{tmp_path / 'home' / 'registry.db'}"
    url = request.getfixturevalue("postgres_url")
    return {"MLOPS_HOME": str(tmp_path / "home"), "MLOPS_REGISTRY": url}, url


def test_forty_first_applies_of_eight_processes_lose_none(registry, tmp_path):
    said, url = registry
    repository = tmp_path / "feature_repo"
    repository.mkdir()
    shutil.copy(REAL / "feature_repo" / "feature_store.yaml", repository)
    (repository / "data").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "mlops_assets_tests.feature_repo.appliers", repository, str(PROCESSES), str(APPLIES)],
        env=environment(**said), capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    names = [f"view_{process}_{number}" for process in range(PROCESSES) for number in range(APPLIES)]
    with sa.create_engine(url).connect() as connection:
        views = connection.execute(sa.text("SELECT feature_view_name FROM feature_views")).scalars().all()
        entities = connection.execute(sa.text("SELECT entity_name FROM entities")).scalars().all()
    assert sorted(views) == sorted(names)
    assert set(entities) >= {f"{name}_entity" for name in names}


def opened(**told: str) -> sa.Engine:
    return sa.create_engine("sqlite://", plugins=["mlops_registry"], **told)


def test_the_registry_is_a_file_in_the_home_that_is_told(tmp_path):
    engine = opened(home=str(tmp_path / "ö home"), registry="${MLOPS_REGISTRY}")
    assert Path(engine.url.database) == tmp_path / "ö home" / "registry.db"
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_where_nothing_is_told_the_home_is_the_one_of_the_commands(tmp_path, monkeypatch):
    repository = tmp_path / "feature_repo"
    repository.mkdir()
    (repository / "feature_store.yaml").touch()
    for place in (tmp_path, repository):
        monkeypatch.chdir(place)
        engine = opened(home="${MLOPS_HOME}", registry="")
        assert Path(engine.url.database) == tmp_path / ".mlops" / "registry.db"


def test_a_registry_elsewhere_is_named_by_its_url(tmp_path):
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    assert opened(home=str(tmp_path), registry=url).url.database == str(tmp_path / "elsewhere.db")


def test_the_plugin_is_found_by_its_name():
    from sqlalchemy.dialects import plugins

    assert plugins.load("mlops_registry") is PlatformRegistry
