"""What the database itself asks of a new row: conditions, in SQL, under which it is refused.

The same that ``governance/changes.py`` and ``stores/rollouts.py`` decide, for whoever writes past it. Moments are texts
that sort as they do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_assets.declaration.access import POLICY, POLICY_APPROVALS, READING
from mlops_assets.declaration.serving import MOST_SHARE
from mlops_assets.governance.access import STRICTEST
from mlops_assets.governance.grants import LONGEST_DAYS
from mlops_assets.governance.rollout import ENDS, KINDS, STATES

# The text of the policy in force.
IN_FORCE = "(SELECT ruling.body FROM policy ruling ORDER BY ruling.number DESC LIMIT 1)"
# Clocks of machines differ by so many seconds at most.
APART = 300


@dataclass(frozen=True)
class Sql:
    """How a dialect says what the two say differently."""

    postgres: bool

    def seconds(self, moment: str) -> str:
        """A moment's text as a number of seconds."""
        if self.postgres:
            return f"extract(epoch FROM ({moment})::timestamptz)"
        return f"((julianday({moment}) - 2440587.5) * 86400.0)"

    def now(self) -> str:
        """The clock of the database, in seconds."""
        return "extract(epoch FROM clock_timestamp())" if self.postgres else self.seconds("'now'")

    def field(self, column: str, name: str) -> str:
        """A field of a column of JSON, as text."""
        if self.postgres:
            return f"({column}::jsonb ->> '{name}')"
        return f"CAST(json_extract({column}, '$.{name}') AS TEXT)"

    def text(self, column: str) -> str:
        return f"CAST({column} AS TEXT)"

    def overridden(self) -> str:
        """What an override is of, as requests name resources."""
        model = "'model:' || substr(NEW.what, 1, length(NEW.what) - 8)"
        return f"(CASE WHEN NEW.what LIKE '%/release' THEN {model} ELSE 'table:' || NEW.what END)"

    def asked(self, kind: str, resource: str, what: str) -> str:
        """``approvals`` or ``delay_minutes`` that the policy in force asks of a change; null where there is none.

        The same as ``governance/access.tier_of``.
        """
        body = IN_FORCE
        if self.postgres:
            tiers = f"jsonb_array_elements({body}::jsonb -> 'tiers') WITH ORDINALITY AS tier (value, key)"
            found, gate = f"(tier.value ->> '{what}')::int", "(tier.value ->> 'gate')::boolean"
            like = "LIKE replace(replace(tier.value ->> '{0}', '_', '\\_'), '*', '%')"
        else:
            tiers = f"json_each({body}, '$.tiers') tier"
            found, gate = f"json_extract(tier.value, '$.{what}')", "json_extract(tier.value, '$.gate')"
            like = "GLOB json_extract(tier.value, '$.{0}')"
        fits = f"{kind} {like.format('kind')} AND {resource} {like.format('resource')}"
        value = f"CASE WHEN {gate} THEN 0 ELSE {found} END" if what == "approvals" else found
        default = getattr(STRICTEST, what)
        first = f"coalesce((SELECT {value} FROM {tiers} WHERE {fits} ORDER BY tier.key LIMIT 1), {default})"
        if what == "approvals":
            least = f"{kind} = '{POLICY}' AND {first} < {POLICY_APPROVALS}"
            first = f"CASE WHEN {least} THEN {POLICY_APPROVALS} ELSE {first} END"
        return f"(CASE WHEN {body} IS NOT NULL THEN {first} END)"

    def may(self, role: str, holds: str = "TRUE") -> str:
        """Whether the policy in force lets a role do an ``act.value`` of which something holds.

        ``{deny}`` in it stands for whether it is denied.
        """
        if self.postgres:
            roles = f"jsonb_each({IN_FORCE}::jsonb -> 'roles') AS named (key, value)"
            given = "jsonb_array_elements(named.value) AS given (value)"
            acts = "jsonb_array_elements_text(given.value -> 'actions') AS act (value)"
            deny = "(given.value ->> 'deny')::boolean"
        else:
            roles = f"json_each({IN_FORCE}, '$.roles') named"
            given, acts = "json_each(named.value) given", "json_each(given.value, '$.actions') act"
            deny = "json_extract(given.value, '$.deny')"
        held = holds.format(deny=deny)
        return f"EXISTS (SELECT 1 FROM {roles}, {given}, {acts} WHERE named.key = {role} AND ({held}))"


def rules(table: str, *, postgres: bool) -> dict[str, str]:
    """What is said -> the condition on the new row under which it is said; none for most tables."""
    makes = {
        "change_request": _of_a_request,
        "vote": _of_a_vote,
        "application": _of_an_application,
        "reign": _of_a_reign,
        "rollout": _of_a_rollout,
        "override": _of_an_override,
        "policy": _of_a_policy,
        "role_grant": _of_a_grant,
        "role_withdrawal": _now,
    }
    return dict(makes[table](Sql(postgres))) if table in makes else {}


def _of_a_request(sql: Sql) -> Iterator[tuple[str, str]]:
    yield from _now(sql)
    yield (
        "it opens before it is proposed, or after it expires",
        "NEW.opens < NEW.at OR NEW.expires <= NEW.opens",
    )
    needed = f"{sql.asked('NEW.kind', 'NEW.resource', 'approvals')}"
    yield "it asks for fewer approvals than the policy", f"NEW.approvals < coalesce({needed}, 0)"
    delay = f"60 * coalesce({sql.asked('NEW.kind', 'NEW.resource', 'delay_minutes')}, 0)"
    # Half a second for what a number of seconds cannot say.
    soon = f"{sql.seconds('NEW.opens')} + 0.5 < {sql.seconds('NEW.at')} + {delay}"
    yield "it opens sooner than the policy allows", soon


def _of_a_vote(sql: Sql) -> Iterator[tuple[str, str]]:
    yield from _now(sql)
    yield "an answer is approve, refuse or withdraw", "NEW.answer NOT IN ('approve', 'refuse', 'withdraw')"
    own = _request('trim(asked."by") = trim(NEW."by")')
    yield "nobody approves or refuses what they proposed", f"NEW.answer <> 'withdraw' AND {own}"
    yield "who did not propose it cannot withdraw it", f"NEW.answer = 'withdraw' AND NOT {own}"
    yield "it is of another digest than the request", f"NOT {_request('asked.digest = NEW.digest')}"
    yield "the request expired", f"NOT {_request('asked.expires > NEW.at')}"
    yield "the request was refused or withdrawn", _ended()
    yield (
        "the request was applied",
        ("EXISTS (SELECT 1 FROM application done WHERE done.request_id = NEW.request_id)"),
    )


def _of_an_application(sql: Sql) -> Iterator[tuple[str, str]]:
    yield from _now(sql)
    yield "it is of another digest than the request", f"NOT {_request('asked.digest = NEW.digest')}"
    yield "the request was refused or withdrawn", _ended()
    yield "the request expired", f"NOT {_request('asked.expires > NEW.at')}"
    yield "too few approved", f"NOT {_request(f'{_approvals()} >= asked.approvals')}"
    yield "it is too early", f"NOT {_request('asked.opens <= NEW.at')}"


def _of_a_reign(sql: Sql) -> Iterator[tuple[str, str]]:
    model, version = sql.text("NEW.model"), sql.text("NEW.version")
    agreed = _applied(
        ("promote", "rollback"),
        f"asked.resource = 'model:' || {model} AND {sql.field('asked.payload', 'version')} = {version} "
        f"AND {sql.field('asked.payload', 'after')} = {sql.text('NEW.number - 1')}",
    )
    before = "EXISTS (SELECT 1 FROM reign earlier WHERE earlier.model = NEW.model AND earlier.version = NEW.version)"
    needed = sql.asked("'promote'", f"'model:' || {model}", "approvals")
    yield "nobody agreed to it", f"coalesce({needed}, 0) > 0 AND NOT {before} AND NOT {agreed}"


def _of_a_rollout(sql: Sql) -> Iterator[tuple[str, str]]:
    yield from _now(sql)
    yield f"a state is {', '.join(STATES)}", f"NEW.state NOT IN ({_texts(STATES)})"
    yield f"a kind is {' or '.join(KINDS)}", f"NEW.kind NOT IN ({_texts(KINDS)})"
    share = f"NEW.kind = 'canary' AND NOT (NEW.share > 0 AND NEW.share <= {MOST_SHARE})"
    yield f"the share of a canary is above 0 and at most {MOST_SHARE:g}", share
    yield "only the share of a canary changes", "NEW.state = 'share changed' AND NEW.kind <> 'canary'"
    earlier = "FROM rollout earlier WHERE earlier.model = NEW.model"
    own = f"{earlier} AND earlier.number = NEW.number"
    yield (
        "it does not follow the last step",
        f"NEW.step <> (SELECT coalesce(max(earlier.step), 0) {own}) + 1",
    )
    yield "it begins with being started, and only so", "(NEW.step = 1) <> (NEW.state = 'started')"
    yield "it has ended", f"EXISTS (SELECT 1 {own} AND earlier.state IN ({_texts(ENDS)}))"
    same = " AND ".join(f"earlier.{name} = NEW.{name}" for name in ("version", "reign", "kind"))
    limits = f"{sql.text('earlier.limits')} = {sql.text('NEW.limits')}"
    yield (
        "it is of another version, reign, kind or limits than when it was started",
        f"EXISTS (SELECT 1 {own} AND NOT ({same} AND {limits}))",
    )
    first = "NEW.step = 1 AND "
    yield (
        "it does not follow the last rollout of its model",
        f"{first}NEW.number <> (SELECT coalesce(max(earlier.number), 0) {earlier}) + 1",
    )
    of_model = "FROM rollout ending WHERE ending.model = NEW.model"
    ended = f"SELECT ending.number {of_model} AND ending.state IN ({_texts(ENDS)})"
    yield (
        "another rollout of the model is open",
        f"{first}EXISTS (SELECT 1 {earlier} AND earlier.number NOT IN ({ended}))",
    )
    reigning = (
        "SELECT last.{0} FROM reign last WHERE last.model = NEW.model ORDER BY last.number DESC LIMIT 1"
    )
    yield (
        "it is beside another reign than the one that lasts",
        f"{first}NEW.reign <> coalesce(({reigning.format('number')}), 0)",
    )
    yield "the version reigns", f"{first}NEW.version = ({reigning.format('version')})"


def _texts(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _of_an_override(sql: Sql) -> Iterator[tuple[str, str]]:
    same = " AND ".join(
        f"{sql.field('asked.payload', name)} = NEW.{column}"
        for name, column in {
            "what": "what",
            "partition": "partition",
            "digest": "digest",
            "check": "check_name",
        }.items()
    ).replace("NEW.partition", 'NEW."partition"')
    needed = sql.asked("'override'", sql.overridden(), "approvals")
    agreed = _applied(("override",), f"asked.resource = {sql.overridden()} AND {same}")
    yield "nobody agreed to it", f"coalesce({needed}, 0) > 0 AND NOT {agreed}"


def _of_a_policy(sql: Sql) -> Iterator[tuple[str, str]]:
    last = "(SELECT coalesce(max(earlier.number), 0) FROM policy earlier)"
    yield "it does not follow the last one", f"NEW.number <> {last} + 1"
    agreed = _applied(
        ("policy",),
        f"asked.id = NEW.request_id AND {sql.field('asked.payload', 'digest')} = NEW.digest "
        f"AND {sql.field('asked.payload', 'after')} = {sql.text('NEW.number - 1')}",
    )
    yield "nobody agreed to it", f"NEW.number > 1 AND NOT {agreed}"


def _of_a_grant(sql: Sql) -> Iterator[tuple[str, str]]:
    yield from _now(sql)
    reads = ", ".join(f"'{one}'" for one in READING)
    writes = sql.may("NEW.role", f"act.value NOT IN ({reads}) OR {{deny}}")
    yield "it is of no role that only reads", f"{writes} OR NOT {sql.may('NEW.role')}"
    begins, ends = sql.seconds("NEW.at"), sql.seconds("NEW.expires")
    days = f"CAST({sql.field('asked.payload', 'days')} AS INTEGER)"
    # Half a second for what a number of seconds cannot say.
    agreed = _applied(
        ("grant",),
        f'asked.id = NEW.request_id AND asked."by" = NEW.name AND asked.resource = NEW.resource '
        f"AND {sql.field('asked.payload', 'role')} = NEW.role AND {ends} <= {begins} + 86400 * {days} + 0.5",
    )
    yield "it is for too long", f"{ends} > {begins} + 86400 * {LONGEST_DAYS} + 0.5"
    yield "nobody agreed to it", f"NOT {agreed}"


def _applied(kinds: tuple[str, ...], holds: str) -> str:
    """Whether a request of one of these kinds was carried out of which something holds."""
    named = ", ".join(f"'{kind}'" for kind in kinds)
    return (
        "EXISTS (SELECT 1 FROM application done JOIN change_request asked ON asked.id = done.request_id "
        f"WHERE asked.kind IN ({named}) AND {holds})"
    )


def _now(sql: Sql) -> Iterator[tuple[str, str]]:
    """A moment is that of the transaction: after what was recorded last, and by no clock in the future."""
    newest = "(SELECT said.at FROM ledger said ORDER BY said.number DESC LIMIT 1)"
    yield "it is dated before what was recorded last", f"NEW.at < {newest}"
    ahead = f"{sql.seconds('NEW.at')} > {sql.now()} + {APART}"
    yield "it is dated in the future", f"{ahead} AND NEW.at > coalesce({newest}, '')"


def _request(holds: str) -> str:
    """Whether something holds of the request that the new row is about."""
    return f"EXISTS (SELECT 1 FROM change_request asked WHERE asked.id = NEW.request_id AND {holds})"


def _ended() -> str:
    return (
        "EXISTS (SELECT 1 FROM vote said WHERE said.request_id = NEW.request_id "
        "AND said.answer IN ('refuse', 'withdraw'))"
    )


def _approvals() -> str:
    """How many approved the request ``asked``. Spaces around a name make nobody another."""
    return (
        '(SELECT count(DISTINCT trim(said."by")) FROM vote said WHERE said.request_id = asked.id '
        "AND said.answer = 'approve' AND said.digest = asked.digest "
        'AND trim(said."by") <> trim(asked."by"))'
    )
