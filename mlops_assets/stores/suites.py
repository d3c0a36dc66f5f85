"""The one door to Great Expectations: a compiled suite, run on DuckDB."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Great Expectations takes eight seconds to import, so only what asks for its answer does.
BATCH = "batch"
DUCKDB = "duckdb"


@dataclass(frozen=True)
class SuiteResult:
    """What Great Expectations says of one expectation. error: why it could not evaluate it, empty when it did."""

    check: str
    expectation: str
    severity: str
    passed: bool
    observed: Any
    error: str = ""


def run_suite(suite: Mapping[str, Any], database: Path) -> list[SuiteResult]:
    """Evaluate a suite over the relation ``batch`` of a DuckDB file, in the order of the suite."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    _let_duckdb_keep_its_connection()
    _let_duckdb_go_on_after_an_error()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_sql(DUCKDB, connection_string=f"duckdb:///{database}")
    asset = source.add_table_asset(BATCH, table_name=BATCH)
    batch = asset.add_batch_definition_whole_table(BATCH).get_batch()
    try:
        validated = batch.validate(_numbered(suite), result_format="SUMMARY")
    finally:
        _close(batch.data.execution_engine)
        source.get_engine().dispose()
    results = sorted(validated.results, key=lambda result: result.expectation_config.meta["number"])
    return [_told(result) for result in results]


def _close(engine: Any) -> None:
    """Close what an execution engine has open; its own close() leaves the connection it keeps."""
    with engine.get_connection() as connection:
        connection.close()
    engine.engine.dispose()


def _numbered(suite: Mapping[str, Any]) -> Any:
    """The suite as an object of Great Expectations, which does not keep the order of what it is given."""
    import great_expectations as gx

    expectations = [
        {**one, "meta": {**one["meta"], "number": number}} for number, one in enumerate(suite["expectations"])
    ]
    return gx.ExpectationSuite(name=suite["name"], expectations=expectations)


def _told(result: Any) -> SuiteResult:
    config, found = result.expectation_config, result.result
    return SuiteResult(
        check=config.meta["check"],
        expectation=config.meta["expectation"],
        severity=config.severity.value,
        passed=bool(result.success),
        observed=found.get("observed_value", found.get("unexpected_count")),
        error=_error(result.exception_info or {}),
    )


def _error(info: Mapping[str, Any]) -> str:
    """The message of an evaluation that failed; it comes flat, or below the id of a metric."""
    flat = [info] if "raised_exception" in info else list(info.values())
    return "; ".join(str(one["exception_message"]) for one in flat if one["raised_exception"])


def _let_duckdb_go_on_after_an_error() -> None:
    """A query that fails aborts its transaction, and with it every later one; reading needs none."""
    from duckdb_engine import Dialect

    Dialect.do_begin = lambda self, connection: None  # type: ignore[method-assign]


def _let_duckdb_keep_its_connection() -> None:
    """Great Expectations returns a connection before it reads the result, which DuckDB does not survive.

    It spares the dialects it lists as having state in their connections; DuckDB is not among them.
    """
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    class Dialect(str):
        """One of the names of that list, which are both texts and members of an enumeration."""

        value = DUCKDB

    known = engine._PERSISTED_CONNECTION_DIALECTS
    if DUCKDB not in known:
        engine._PERSISTED_CONNECTION_DIALECTS = (*known, Dialect(DUCKDB))
