"""Spark over pinned table versions: the same queries as DuckDB, for those who outgrow one machine."""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from mlops_assets.data.spark_sql import spark_sql
from mlops_assets.errors import BadEnvironment, QueryFailed
from mlops_assets.stores.pinned import Pinned

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# A column's type in a table of ours: what DuckDB calls it, and what Spark does.
_TYPES = {
    pa.string(): ("VARCHAR", "STRING"),
    pa.large_string(): ("VARCHAR", "STRING"),
    pa.int64(): ("BIGINT", "BIGINT"),
    pa.float64(): ("DOUBLE", "DOUBLE"),
    pa.bool_(): ("BOOLEAN", "BOOLEAN"),
    pa.timestamp("us", "UTC"): ("TIMESTAMPTZ", "TIMESTAMP"),
}
# What DuckDB does, said to Spark; spark_sql.py counts on it.
_MEANING = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
}
# What Spark takes for a pattern in a path.
_GLOB = re.compile(r"[{}\[\]*?\\]")
# Of a table with a partition a day the driver lists the files itself: it is told them one by one.
_LISTED_BY_DRIVER = 100_000


@dataclass(frozen=True)
class Spark:
    """How queries run on Spark. master: ``local[2]`` or a cluster's address; memory: the driver's heap, in MB.

    spill: where a local Spark keeps what exceeds memory, and everything else it would leave behind.
    On a cluster every worker must see the lake's files under the same paths.
    """

    spill: Path
    master: str = "local[2]"
    memory_mb: int = 2048

    def rows(self, sql: str, relations: Mapping[str, Pinned]) -> pa.Table:
        """The result of one query, in DuckDB's dialect, over ``relations``.

        Raises QueryFailed when it is not known to mean the same on Spark, or when Spark stops at a row.
        """
        tables = {name: _duckdb_types(name, pinned.schema) for name, pinned in relations.items()}
        query = spark_sql(sql, tables)
        session = _session(self).newSession()
        # Imported here: it is there only where somebody chose Spark.
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            for name, pinned in relations.items():
                _scan(session, pinned).createOrReplaceTempView(name)
            return _in_our_types(session.sql(query).toArrow())
        except (PySparkException, Py4JError) as error:
            raise QueryFailed(f"Spark: {_reason(error)}") from error


def _duckdb_types(table: str, schema: pa.Schema) -> dict[str, str]:
    strange = [f"{field.name} ({field.type})" for field in schema if field.type not in _TYPES]
    if strange:
        raise QueryFailed(f"Spark is not given columns of these types: {', '.join(strange)}, of {table!r}")
    return {field.name: _TYPES[field.type][0] for field in schema}


def _scan(session: SparkSession, pinned: Pinned) -> DataFrame:
    """Exactly the pinned files; a column that was added after one of them was written is null there."""
    schema = ", ".join(
        f"`{field.name.replace('`', '``')}` {_TYPES[field.type][1]}" for field in pinned.schema
    )
    if not pinned.files:
        return session.createDataFrame([], schema)
    # The table's folder is above those of its partitions.
    reader = session.read.schema(schema).option("basePath", str(Path(pinned.files[0]).parents[1]))
    return reader.parquet(*(_GLOB.sub(r"\\\g<0>", file) for file in pinned.files))


def _in_our_types(rows: pa.Table) -> pa.Table:
    """Without Spark's notes, and without its promises of what is never null."""
    fields = [pa.field(field.name, field.type) for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _reason(error: Exception) -> str:
    """Spark's sentence, without the query it quotes and without advice to switch its errors off."""
    sentence = str(error).split("SQLSTATE")[0].split("\n==")[0].split(" If necessary set ")[0]
    return " ".join(sentence.split())[:500]


@lru_cache
def _session(spark: Spark) -> SparkSession:
    """One for the process, stopped when it ends."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise BadEnvironment(
            "Spark is asked for, and is not installed: pip install 'mlops_assets[spark]'"
        ) from error
    _require_java()
    # It would print every error, with the JVM's whole stack, besides raising it.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    builder = SparkSession.builder.master(spark.master).appName("mlops_assets")
    for setting, value in {**_MEANING, **_modest(spark), **_local(spark)}.items():
        builder = builder.config(setting, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:
        raise BadEnvironment(f"Spark does not start at {spark.master!r}: {_reason(error)}") from error
    atexit.register(session.stop)
    return session


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not (home and (Path(home) / "bin" / "java").exists()) and shutil.which("java") is None:
        raise BadEnvironment(
            "Spark is asked for, and there is no Java: found no 'java' on the PATH and none in JAVA_HOME; "
            "install a Java runtime 17 or 21 (Debian: default-jre-headless), or let DuckDB compute the views"
        )


def _modest(spark: Spark) -> dict[str, str]:
    """No web page, no progress bars, no database of its own."""
    return {
        "spark.driver.memory": f"{spark.memory_mb}m",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "FATAL",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": str(_LISTED_BY_DRIVER),
    }


def _local(spark: Spark) -> dict[str, str]:
    """On this machine: nobody else is listened to, and all files are in one folder that goes with the process."""
    if not spark.master.startswith("local"):
        return {}
    spark.spill.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="spark-", dir=spark.spill)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={folder} -Duser.timezone=UTC",
        "spark.sql.shuffle.partitions": "2",
    }
