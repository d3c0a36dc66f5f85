"""Triggers by which the database itself refuses to change what was recorded, whoever asks.

Who owns the database can drop them; the ledger tells that, and what was done meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from mlops_assets.stores.rules import rules

# What PostgreSQL's triggers do. Both are errors of integrity, as SQLite's are.
_REFUSE = """
CREATE OR REPLACE FUNCTION mlops_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
_CHAINED = """
CREATE OR REPLACE FUNCTION mlops_chained() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE newest record;
BEGIN
  SELECT number, hash INTO newest FROM {table} ORDER BY number DESC LIMIT 1;
  IF NEW.number <> coalesce(newest.number, 0) + 1 OR (newest.hash IS NOT NULL AND NEW.previous <> newest.hash) THEN
    RAISE EXCEPTION '{said}' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$
"""

_RULED = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
{refusals}
  RETURN NEW;
END $$
"""
_REFUSAL = """  IF {wrong} THEN
    RAISE EXCEPTION '{said}' USING ERRCODE = 'integrity_constraint_violation';
  END IF;"""
_FUNCTION = "CREATE OR REPLACE FUNCTION"


def guarded(table: sa.Table) -> bool:
    """Whether rows of a table may not be changed."""
    return not table.info.keys().isdisjoint({"subject", "may_go", "chained"})


def governed_columns(table: sa.Table) -> list[sa.Column[object]]:
    """The columns that never change."""
    return [column for column in table.columns if not column.info.get("free")]


def guard(connection: sa.Connection, table: sa.Table) -> None:
    """Make the triggers of a table."""
    for statement in _statements(connection, table).values():
        _run(connection, statement)


def restore_guards(connection: sa.Connection, table: sa.Table) -> list[str]:
    """Make the triggers of a table that are missing; which."""
    missing = missing_guards(connection, table)
    on = f" ON {_quoted(connection, table.name)}" if _is_postgres(connection) else ""
    for name in missing:
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}{on}")
    for name, statement in _statements(connection, table).items():
        if missing and (name in missing or _is_function(statement)):
            _run(connection, statement)
    return missing


def missing_guards(connection: sa.Connection, table: sa.Table) -> list[str]:
    """The triggers of a table that are not there, not active, or not the ones that were made."""
    expected = _statements(connection, table)
    if not _is_postgres(connection):
        there = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table")
        rows = connection.execute(there, {"table": table.name})
        found = {row.name: row.sql for row in rows}
        return [name for name, sql in expected.items() if found.get(name) != sql]
    active = sa.text(
        "SELECT tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid "
        "WHERE tgrelid = CAST(:table AS regclass) AND tgenabled IN ('O', 'A')"
    )
    quoted = _quoted(connection, table.name)
    sources = {name: source.strip() for name, source in connection.execute(active, {"table": quoted})}
    functions = [sql for sql in expected.values() if _is_function(sql)]
    return [
        name
        for name, sql in expected.items()
        if not _is_function(sql)
        and not (name in sources and any(sources[name] in function for function in functions))
    ]


def _statements(connection: sa.Connection, table: sa.Table) -> dict[str, str]:
    """What makes each trigger, and each function, of a table, by name."""
    if not guarded(table):
        return {}
    make = _postgres if _is_postgres(connection) else _sqlite
    return dict(make(connection, table))


def _sqlite(connection: sa.Connection, table: sa.Table) -> Iterator[tuple[str, str]]:
    on, columns = _quoted(connection, table.name), governed_columns(table)
    changed = " OR ".join(f"OLD.{c} IS NOT NEW.{c}" for c in _names(connection, columns))
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_said(table)}'); END"
    name = f"{table.name}_never_changes"
    yield name, f"CREATE TRIGGER {name} BEFORE UPDATE ON {on} WHEN {changed} {refuse}"
    if "may_go" in table.info:
        return
    name = f"{table.name}_never_goes"
    yield name, f"CREATE TRIGGER {name} BEFORE DELETE ON {on} {refuse}"
    # INSERT OR REPLACE deletes without a word to the trigger above.
    name = f"{table.name}_is_not_replaced"
    there = f"EXISTS (SELECT 1 FROM {on} WHERE {_same_key(connection, table)})"
    yield name, f"CREATE TRIGGER {name} BEFORE INSERT ON {on} WHEN {there} {refuse}"
    if "chained" in table.info:
        name = f"{table.name}_is_chained"
        newest = f"SELECT hash FROM {on} ORDER BY number DESC LIMIT 1"
        wrong = (
            f"NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM {on}) "
            f"OR NEW.previous IS NOT coalesce(({newest}), NEW.previous)"
        )
        yield name, f"CREATE TRIGGER {name} BEFORE INSERT ON {on} WHEN {wrong} {refuse}"
    ruled = rules(table.name, postgres=False)
    if ruled:
        name = f"{table.name}_rules"
        refusals = " ".join(
            f"SELECT RAISE(ABORT, '{table.name}: {said}') WHERE {wrong};" for said, wrong in ruled.items()
        )
        yield name, f"CREATE TRIGGER {name} BEFORE INSERT ON {on} BEGIN {refusals} END"


def _postgres(connection: sa.Connection, table: sa.Table) -> Iterator[tuple[str, str]]:
    on, columns = _quoted(connection, table.name), governed_columns(table)
    # JSON is compared by its text: it has no equality.
    changed = " OR ".join(
        f"OLD.{c}::text IS DISTINCT FROM NEW.{c}::text" for c in _names(connection, columns)
    )
    refuse = f"EXECUTE FUNCTION mlops_refuse('{_said(table)}')"
    yield "mlops_refuse", _REFUSE
    name = f"{table.name}_never_changes"
    yield name, f"CREATE TRIGGER {name} BEFORE UPDATE ON {on} FOR EACH ROW WHEN ({changed}) {refuse}"
    if "may_go" in table.info:
        return
    name = f"{table.name}_never_goes"
    yield name, f"CREATE TRIGGER {name} BEFORE DELETE ON {on} FOR EACH ROW {refuse}"
    name = f"{table.name}_is_not_emptied"
    yield name, f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {on} FOR EACH STATEMENT {refuse}"
    if "chained" in table.info:
        yield "mlops_chained", _CHAINED.format(table=on, said=_said(table))
        name = f"{table.name}_is_chained"
        yield (
            name,
            f"CREATE TRIGGER {name} BEFORE INSERT ON {on} FOR EACH ROW EXECUTE FUNCTION mlops_chained()",
        )
    ruled = rules(table.name, postgres=True)
    if ruled:
        name = f"{table.name}_rules"
        refusals = "\n".join(
            _REFUSAL.format(wrong=wrong, said=f"{table.name}: {said}") for said, wrong in ruled.items()
        )
        yield f"mlops_{name}", _RULED.format(name=f"mlops_{name}", refusals=refusals)
        yield (
            name,
            f"CREATE TRIGGER {name} BEFORE INSERT ON {on} FOR EACH ROW EXECUTE FUNCTION mlops_{name}()",
        )


def _same_key(connection: sa.Connection, table: sa.Table) -> str:
    """Whether a row has what would have to be one of its kind in common with the new one."""
    unique = [
        list(constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint)
    ]
    keys = [" AND ".join(f"{c} = NEW.{c}" for c in _names(connection, columns)) for columns in unique]
    return " OR ".join(f"({key})" for key in sorted(keys))


def _names(connection: sa.Connection, columns: list[sa.Column[object]]) -> list[str]:
    return [_quoted(connection, column.name) for column in columns]


def _quoted(connection: sa.Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _is_function(statement: str) -> bool:
    return statement.strip().startswith(_FUNCTION)


def _said(table: sa.Table) -> str:
    return f"rows of {table.name} are added in order and stay as they are"


def _run(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%") if _is_postgres(connection) else statement)


def _is_postgres(connection: sa.Connection) -> bool:
    return connection.dialect.name == "postgresql"
