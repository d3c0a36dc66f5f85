"""Fixtures for what runs beside the tests.

PostgreSQL, of which each test has a database of its own; Redis, of which a prefix; Spark.
"""

import os
import shutil
import uuid
from importlib import import_module

import pytest
import redis
import sqlalchemy as sa

from mlops_assets.stores.spark import Spark

POSTGRES = os.environ.get("MLOPS_TEST_POSTGRES", "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("MLOPS_TEST_REDIS", "redis://127.0.0.1:6379/0")
MAY_BE_ABSENT = os.environ.get("MLOPS_TEST_WITHOUT_SERVICES") == "1"


@pytest.fixture
def postgres_url():
    """The URL of a new, empty PostgreSQL database, dropped after the test."""
    server = sa.create_engine(POSTGRES, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    name = f"mlops_test_{uuid.uuid4().hex}"
    try:
        with server.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    except sa.exc.OperationalError as error:
        absent(f"no PostgreSQL answers at {server.url!r} ({error.orig}); set MLOPS_TEST_POSTGRES")
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """Spark on two cores of this machine, with little memory; started once."""
    try:
        import_module("pyspark")
    except ImportError:
        absent("pyspark is not installed; `make test` installs it")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        absent("there is no Java; install a runtime 17 or 21 (Debian: default-jre-headless)")
    return Spark(tmp_path_factory.mktemp("spark"), memory_mb=1024)


def absent(reason):
    """Fail, or skip where the environment says that services may be absent."""
    if MAY_BE_ABSENT:
        pytest.skip(f"{reason}; MLOPS_TEST_WITHOUT_SERVICES=1 allows it")
    pytest.fail(f"{reason}, or MLOPS_TEST_WITHOUT_SERVICES=1 to do without", pytrace=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """A new, empty database of either kind that the platform can live in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'platform.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def redis_address():
    """An address of Redis with a prefix of its own; what is written below it is removed after the test."""
    client = redis.Redis.from_url(REDIS, socket_connect_timeout=5)
    try:
        client.ping()
    except redis.ConnectionError as error:
        absent(f"no Redis answers at {REDIS} ({error}); set MLOPS_TEST_REDIS")
    prefix = f"mlops_test_{uuid.uuid4().hex}:"
    yield f"{REDIS}?prefix={prefix}"
    for name in client.scan_iter(f"{prefix}*"):
        client.delete(name)
    client.close()


@pytest.fixture(params=["sqlite", "redis"])
def online_address(request, tmp_path):
    """An empty place of either kind that features can be served from."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'online.db'}"
    return request.getfixturevalue("redis_address")
