"""The platform's own tables: one SQL database, SQLite embedded or PostgreSQL by URL.

Rows of tables with a ``subject`` are told of in the ledger, which names them so; a trigger refuses to change or delete
them. Columns that are ``FREE`` are notes of what was done about a row: they may change.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from mlops_assets.errors import BadEnvironment, OtherVersion
from mlops_assets.stores.guards import guard
from mlops_assets.stores.sqlite import BUSY_TIMEOUT_SECONDS, use_wal

SCHEMA = sa.MetaData()

FREE = {"free": True}
# Rows go when the table of the lake that they are of goes; while they are there they do not change.
MAY_GO = {"may_go": True}

# What was recorded in the other tables, in order, each entry sealed with the one before (governance/ledger.py). A
# trigger holds the chain; an index of hashes, which come in no order, would cost more than all else of an entry.
ledger = sa.Table(
    "ledger",
    SCHEMA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("body_digest", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("ledger_of", "kind", "subject"),
    info={"chained": True},
)

materialization = sa.Table(
    "materialization",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("partition", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("written_at", sa.Text, nullable=False),
    sa.UniqueConstraint("table_name", "partition", "version"),
    info=MAY_GO,
)

# Which table of the lake the materializations of a name are of: one that is made anew begins anew.
lake_table = sa.Table(
    "lake_table",
    SCHEMA,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("delta_id", sa.Text, nullable=False),
)

# Which exact contents a materialization read: one row for each partition of each input. source_id: the materialization
# that wrote it, for whoever follows many; null for a file, and for what is not among the records.
reading = sa.Table(
    "reading",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("materialization_id", sa.ForeignKey("materialization.id"), nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("partition", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("source_id", sa.Integer, info=FREE),
    sa.Index("reading_of", "table_name", "version", "partition"),
    sa.Index("reading_down", "source_id", "materialization_id"),
    sa.Index("reading_up", "materialization_id", "source_id"),
    info=MAY_GO,
)

verdict = sa.Table(
    "verdict",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("materialization_id", sa.ForeignKey("materialization.id"), nullable=False, index=True),
    sa.Column("check_name", sa.Text, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("blocking", sa.Boolean, nullable=False),
    sa.Column("error", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    info=MAY_GO,
)

# Partitions that a commit could not make. They keep what they hold, which may not be built upon until the
# partition is made.
refusal = sa.Table(
    "refusal",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("partition", sa.Text, nullable=False),
    sa.Column("check_name", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.UniqueConstraint("table_name", "partition", "version", "check_name"),
    info=MAY_GO,
)

decision = sa.Table(
    "decision",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("as_of", sa.Text, nullable=False),
    sa.Column("model_digest", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    # The fingerprint of all that the gate asked beside the evidence; empty where an override decided.
    sa.Column("asked", sa.Text, nullable=False),
    sa.Column("measured", sa.JSON, nullable=False),
    sa.Column("champion_version", sa.Integer),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("version", sa.Integer),
    # Which look at that champion this was, and the risk of a false winner it was allowed.
    sa.Column("look", sa.Integer),
    sa.Column("spent", sa.Float, nullable=False),
    # The override that decided it; zero where the gate did.
    sa.Column("override_id", sa.Integer, nullable=False),
    sa.Column("decided_at", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.UniqueConstraint("model", "as_of", "model_digest", "evidence", "asked", "override_id"),
    # Of two that look at one champion at once, one is refused: each must know what the other took.
    sa.UniqueConstraint("model", "champion_version", "look"),
    info={"subject": "{model}@{as_of}"},
)

# Which version reigned when: the newest row of a model. A version may reign more than once.
reign = sa.Table(
    "reign",
    SCHEMA,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("since", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("shown", sa.Boolean, nullable=False, info=FREE),
    sa.ForeignKeyConstraint(["model", "version"], ["release.model", "release.version"]),
    info={"subject": "{model}:{version}"},
)

# A version that is tried beside the one that reigns (governance/rollout.py): each step a row, the newest counts.
rollout = sa.Table(
    "rollout",
    SCHEMA,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    # The number of the reign beside which it is tried.
    sa.Column("reign", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("limits", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(["model", "version"], ["release.model", "release.version"]),
    sa.ForeignKeyConstraint(["model", "reign"], ["reign.model", "reign.number"]),
    info={"subject": "{model}:{version}"},
)

# What a person allowed although a gate or a blocking check said no: of exactly this content, once.
override = sa.Table(
    "override",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("partition", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("check_name", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.UniqueConstraint("what", "partition", "digest", "check_name"),
    info={"subject": "{what}@{partition}"},
)

release = sa.Table(
    "release",
    SCHEMA,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("as_of", sa.Text, nullable=False),
    sa.Column("model_digest", sa.Text, nullable=False),
    sa.Column("artifact_digest", sa.Text, nullable=False),
    sa.Column("mlflow_run_id", sa.Text, nullable=False),
    sa.Column("mlflow_version", sa.Text, info=FREE),
    sa.Column("mlflow_digest", sa.Text, info=FREE),
    sa.Column("released_at", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("feature_hash", sa.Text, nullable=False),
    sa.Column("view_versions", sa.JSON, nullable=False),
    sa.Column("contract", sa.Text, nullable=False),
    sa.Column("made_from", sa.JSON, nullable=False),
    sa.UniqueConstraint("model", "as_of", "model_digest"),
    info={"subject": "{model}:{version}"},
)

# Every time a version was trained again from what is recorded of it, and what came of it.
certificate = sa.Table(
    "certificate",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("artifact_digest", sa.Text, nullable=False),
    sa.Column("model_digest", sa.Text, nullable=False),
    sa.Column("found_digest", sa.Text, nullable=False),
    sa.Column("identical", sa.Boolean, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("largest_difference", sa.Float, nullable=False),
    sa.Column("environment", sa.JSON, nullable=False),
    sa.Column("code", sa.JSON, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(["model", "version"], ["release.model", "release.version"]),
    info={"subject": "{model}:{version}"},
)

# MLflow runs by a key of ours, each closed when the Dagster run that opened it has ended.
tracked_run = sa.Table(
    "tracked",
    SCHEMA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False, index=True),
)

# What was decided about training a challenger: of every reason to look once, also when the answer was no.
retraining = sa.Table(
    "retraining",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("as_of", sa.Text, nullable=False),
    # What was looked at: a digest of it.
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("trains", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.UniqueConstraint("model", "as_of", "evidence"),
    info={"subject": "{model}@{as_of}"},
)

# What the days after a release said of it.
verification = sa.Table(
    "verification",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("reign", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("as_of", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    # By how much the loss of each day was lower than that of the version before.
    sa.Column("daily", sa.JSON, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.UniqueConstraint("model", "reign", "as_of", "answer", "sentence"),
    info={"subject": "{model}:{version}"},
)

# Who may do what (declaration/access.py): the newest row is in force. request_id: of the change that was agreed to;
# null for the first.
policy = sa.Table(
    "policy",
    SCHEMA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("request_id", sa.Integer),
    info={"subject": "{number}"},
)

# What somebody shows to say who they are: of the secret its SHA-256 only.
token = sa.Table(
    "token",
    SCHEMA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("secret_digest", sa.Text, nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
    info={"subject": "{name}:{id}"},
)

# Tokens that are good for nothing any more.
revocation = sa.Table(
    "revocation",
    SCHEMA,
    sa.Column("token_id", sa.ForeignKey("token.id"), primary_key=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    info={"subject": "{token_id}"},
)

# What somebody wants changed (governance/changes.py).
change_request = sa.Table(
    "change_request",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False, index=True),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("approvals", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("opens", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    info={"subject": "{id}"},
)

# What people said of it, one voice each; withdrawing is its author's.
vote = sa.Table(
    "vote",
    SCHEMA,
    sa.Column("request_id", sa.ForeignKey("change_request.id"), primary_key=True),
    sa.Column("by", sa.Text, primary_key=True),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    # How they were identified, so that the policy of a later day can be asked about them.
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("groups", sa.JSON, nullable=False),
    info={"subject": "{request_id}"},
)

# That it was carried out, in the transaction of what it did.
application = sa.Table(
    "application",
    SCHEMA,
    sa.Column("request_id", sa.ForeignKey("change_request.id"), primary_key=True, autoincrement=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    info={"subject": "{request_id}"},
)

# A role that somebody holds on one resource until a moment (governance/grants.py), by the request that asked for it.
role_grant = sa.Table(
    "role_grant",
    SCHEMA,
    sa.Column("request_id", sa.ForeignKey("change_request.id"), primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
    info={"subject": "{request_id}"},
)

# Those that ended before they expired.
role_withdrawal = sa.Table(
    "role_withdrawal",
    SCHEMA,
    sa.Column("request_id", sa.ForeignKey("role_grant.request_id"), primary_key=True, autoincrement=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    info={"subject": "{request_id}"},
)

# What was refused to somebody: the first time in a day (UTC) for each action, so that nobody fills the ledger with it.
# who: empty for whoever nobody knows.
denial = sa.Table(
    "denial",
    SCHEMA,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("who", sa.Text, primary_key=True),
    sa.Column("action", sa.Text, primary_key=True),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    info={"subject": "{day} {who} {action}"},
)

# What people say that they tested by hand.
attestation = sa.Table(
    "attestation",
    SCHEMA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("test", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Text, nullable=False),
    info={"subject": "{model}@{test}"},
)


_SCHEMA_LOCK = 0x6D6C6F7073


def open_database(url: str) -> sa.Engine:
    """The database at ``url`` with every table in place. SQLite runs in WAL mode and waits for locks.

    Raises OtherVersion when another version of the platform made its tables, and BadEnvironment when the
    database cannot be had.
    """
    try:
        return _opened(sa.create_engine(url))
    except (sa.exc.ArgumentError, sa.exc.DBAPIError, ModuleNotFoundError) as error:
        raise BadEnvironment(
            f"the database {_without_password(url)} cannot be opened: {str(error).splitlines()[0]}. "
            "Expected an SQLAlchemy URL of a database that answers: sqlite:///… or postgresql+psycopg2://…"
        ) from error


def _opened(engine: sa.Engine) -> sa.Engine:
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    with engine.connect() as connection:
        made = _tables(connection)
    if not made:
        _make(engine)
    with engine.connect() as connection:
        _refuse_other_tables(connection)
    return engine


def _tables(connection: sa.Connection) -> set[str]:
    """Those of ours that are there."""
    return set(sa.inspect(connection).get_table_names()) & set(SCHEMA.tables)


def _make(engine: sa.Engine) -> None:
    """All tables with their guards, or none; another process may be first."""
    with engine.begin() as connection:
        # Several processes may open a new database at once, and in PostgreSQL two that run
        # CREATE TABLE IF NOT EXISTS together can still collide in the catalogue.
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        if not _tables(connection):
            SCHEMA.create_all(connection, checkfirst=False)
            for table in SCHEMA.sorted_tables:
                guard(connection, table)


def _without_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return repr(url)


def _refuse_other_tables(connection: sa.Connection) -> None:
    stored, there = sa.inspect(connection), _tables(connection)
    for table in SCHEMA.sorted_tables:
        if table.name not in there:
            raise OtherVersion(
                f"{connection.engine.url!r} has {', '.join(sorted(there))} and no table {table.name!r}: it was made "
                "by another version of the platform. Use a new home (MLOPS_HOME) or database; the lake's own "
                "commits keep what they recorded."
            )
        missing = set(table.columns.keys()) - {column["name"] for column in stored.get_columns(table.name)}
        if missing:
            raise OtherVersion(
                f"table {table.name!r} of {connection.engine.url!r} has no column {', '.join(sorted(missing))}: "
                "it was made by another version of the platform. Use a new home (MLOPS_HOME) or database; "
                "the lake's own commits keep what they recorded."
            )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    use_wal(connection)
    milliseconds = int(BUSY_TIMEOUT_SECONDS * 1000)
    for pragma in (f"busy_timeout = {milliseconds}", "foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")
