"""The SQL of a view as Spark must be asked, so that it answers as DuckDB does.

What is not known to mean the same in both is refused, never passed on: every kind of expression has a rule
here, which holds only for the types it was compared for, and mlops_assets_tests/stores/test_spark.py
compares each on a real Spark. Spark runs with ANSI errors and in UTC, so a moment with and without time zone
are one type there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from mlops_assets.errors import QueryFailed

Rule = Callable[[Any], exp.Expression]

# The families of types, by the names sqlglot has for DuckDB's.
_FAMILIES = {
    "integer": {"TINYINT", "SMALLINT", "INT", "BIGINT"},
    "number": {"DOUBLE", "DECIMAL"},
    "text": {"TEXT", "VARCHAR"},
    "boolean": {"BOOLEAN"},
    "date": {"DATE"},
    "moment": {"TIMESTAMP", "TIMESTAMPNTZ", "TIMESTAMPTZ"},
    "null": {"NULL"},
}
_FAMILY = {kind: family for family, kinds in _FAMILIES.items() for kind in kinds}
_NUMBERS = {"integer", "number"}
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_TRUNCATED_TO = {*_SECONDS, "MONTH", "QUARTER", "YEAR"}
_PARTS: dict[str, type[exp.Func]] = {
    "YEAR": exp.Year,
    "QUARTER": exp.Quarter,
    "MONTH": exp.Month,
    "DAY": exp.Day,
    "HOUR": exp.Hour,
    "MINUTE": exp.Minute,
    "SECOND": exp.Second,
    "DOY": exp.DayOfYear,
    "DOW": exp.DayOfWeek,
    "ISODOW": exp.DayOfWeekIso,
    "EPOCH": exp.TimeToUnix,
}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d{1,6})?)?)(?:\+00(?::00)?|Z)?")
_TIME_FORMAT = re.compile(r"(%[YmdHMS]|[ :/_.-])*")
# Unicode's separators of category Zs.
_SPACES = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_ZONE = re.compile(r"UTC|[A-Za-z]+(/[A-Za-z0-9_+-]+)+")
# Above it every DOUBLE is whole.
_WHOLE_FROM = 2**53
# What people write most that has no rule, and what to write for it.
_INSTEAD = {
    "concat": "write it with ||, and coalesce() where a part may be NULL",
    "try_cast": "keep what cannot be cast out with a rule of the source's table",
    "exists": "write a join",
    "date_part": "write extract(… FROM …)",
    "datepart": "write extract(… FROM …)",
    "arg_max": "rank the rows with row_number() and keep the first in QUALIFY",
    "arg_min": "rank the rows with row_number() and keep the first in QUALIFY",
    "max_by": "rank the rows with row_number() and keep the first in QUALIFY",
    "min_by": "rank the rows with row_number() and keep the first in QUALIFY",
    "any_value": "write min() or max()",
    "first": "write min() or max()",
    "last": "write min() or max()",
    "mean": "write avg()",
    "time_bucket": "write date_trunc()",
}
_DUCKDB = "let DuckDB compute the views (MLOPS_ENGINE=duckdb)"
_OTHERWISE = f"write it with what docs/decisions/0011-two-engines.md lists, or {_DUCKDB}"


def spark_sql(query: str, tables: Mapping[str, Mapping[str, str]]) -> str:
    """The query for Spark. tables: those in its reach, each column with DuckDB's type.

    Raises QueryFailed when a part of it is not known to mean on Spark what it means on DuckDB.
    """
    tree = _typed(query, tables)
    for select in tree.find_all(exp.Select):
        _write_out_windows(select)
    # From the inside out: a rule sees the types of its parts as DuckDB has them.
    for node in reversed(list(tree.walk())):
        rewritten = _rule(node)(node)
        if rewritten is node:
            continue
        rewritten.type = node.type
        node.replace(rewritten)
    try:
        return str(tree.sql(dialect="spark", unsupported_level=ErrorLevel.RAISE, comments=False))
    except SqlglotError as error:
        raise QueryFailed(f"Spark has no way to say it: {error}") from error


def _typed(query: str, tables: Mapping[str, Mapping[str, str]]) -> exp.Expression:
    try:
        tree = sqlglot.parse_one(query, dialect="duckdb")
        _require_clear_names(tree, tables)
        tree = qualify(tree, schema=dict(tables), dialect="duckdb")
        for node in list(tree.find_all(exp.AtTimeZone, exp.Anonymous)):
            node.replace(_with_known_type(node))
        return annotate_types(tree, schema=dict(tables), dialect="duckdb")
    except SqlglotError as error:
        raise QueryFailed(f"not understood for Spark: {str(error).splitlines()[0]}") from error


def _require_clear_names(tree: exp.Expression, tables: Mapping[str, Mapping[str, str]]) -> None:
    """In QUALIFY and HAVING DuckDB takes a column before what SELECT gives that name; sqlglot takes the latter."""
    columns = {column.lower() for columns in tables.values() for column in columns}
    for select in tree.find_all(exp.Select):
        given = {one.alias.lower() for one in select.selects if one.alias != one.name}
        others = {
            one.alias_or_name.lower()
            for other in tree.find_all(exp.Select)
            if other is not select
            for one in other.selects
        }
        for column in _named_in(select, "qualify", "having"):
            if not column.table and column.name.lower() in given & (columns | others):
                _refuse(
                    column,
                    "SELECT gives this name, and a column may have it too; give one of them another name",
                )


def _named_in(select: exp.Select, *clauses: str) -> Iterator[exp.Column]:
    for clause in clauses:
        if select.args.get(clause) is not None:
            yield from select.args[clause].find_all(exp.Column)


def _with_known_type(node: exp.AtTimeZone | exp.Anonymous) -> exp.Expression:
    """The same, so that sqlglot knows of what type it is."""
    if isinstance(node, exp.AtTimeZone):  # what it makes of a moment has no time zone
        return exp.Cast(this=node.copy(), to=exp.DataType.build("TIMESTAMP", dialect="duckdb"))
    if node.name.lower() == "epoch_us" and len(node.expressions) == 1:
        return exp.UnixMicros(this=node.expressions[0].copy())
    return node


def _write_out_windows(select: exp.Select) -> None:
    """Every window says itself what its name stood for."""
    named = {window.name: window for window in select.args.get("windows") or ()}
    for window in list(select.find_all(exp.Window)):
        alias = window.args.get("alias")
        if alias is None or window.find_ancestor(exp.Select) is not select:
            continue
        if alias.name not in named or any(
            window.args.get(part) for part in ("partition_by", "order", "spec")
        ):
            _refuse(window, "a window that adds to another one; write it out")
        meant = named[alias.name]
        if meant.args.get("alias"):
            _refuse(meant, "a window that adds to another one; write it out")
        window.set("alias", None)
        for part in ("partition_by", "order", "spec"):
            window.set(part, _copied(meant.args.get(part)))
    select.set("windows", None)


def _copied(part: Any) -> Any:
    return [one.copy() for one in part] if isinstance(part, list) else part and part.copy()


def _rule(node: exp.Expression) -> Rule:
    rule = _RULES.get(type(node))
    if rule is None:
        called = node.name if isinstance(node, exp.Anonymous) else _called(node)
        _refuse(
            node, f"{called} is not known to mean the same there; {_INSTEAD.get(called.lower(), _OTHERWISE)}"
        )
    return rule


def _called(node: exp.Expression) -> str:
    return str(node.sql_name()).lower() if isinstance(node, exp.Func) else type(node).__name__.upper()


def _refuse(node: exp.Expression, why: str) -> NoReturn:
    text = " ".join(node.sql(dialect="duckdb", comments=False).replace('"', "").split())
    raise QueryFailed(f"Spark is not asked {text[:120] + ('…' if len(text) > 120 else '')!r}: {why}")


def _family(node: exp.Expression) -> str:
    """The family of a part's type; refuses what has none."""
    if isinstance(node.unnest(), exp.Null):
        return "null"
    name = node.type.this.name if isinstance(node.type, exp.DataType) else "UNKNOWN"
    if name not in _FAMILY:
        _refuse(node, f"its type {name} is not compared; cast it to BIGINT, DOUBLE, VARCHAR or TIMESTAMPTZ")
    return _FAMILY[name]


def _need(node: exp.Expression, part: exp.Expression, families: set[str]) -> None:
    family = _family(part)
    if family not in families:
        _refuse(node, f"found {family}, expected {' or '.join(sorted(families))}; cast it")


def _same_family(node: exp.Expression, parts: Iterator[exp.Expression]) -> None:
    found = {_family(part) for part in parts} - {"null"}
    if not found <= _NUMBERS and len(found) > 1:
        _refuse(node, f"it mixes {' and '.join(sorted(found))}; cast them to one type")


def _plain(*allowed: str) -> Rule:
    """As it stands, if it has no parts but these."""

    def rule(node: exp.Expression) -> exp.Expression:
        extra = [part for part, value in node.args.items() if value and part not in allowed]
        if extra:
            _refuse(node, f"{extra[0].rstrip('_').replace('_', ' ')} is not compared here; {_OTHERWISE}")
        return node

    return rule


def _of(*families: str) -> Rule:
    """As it stands, if all its parts are of these families."""

    def rule(node: exp.Expression) -> exp.Expression:
        for part in node.iter_expressions():
            _need(node, part, {*families, "null"})
        return node

    return rule


def _alike(node: exp.Expression) -> exp.Expression:
    """As it stands, if its parts are of one family."""
    _same_family(node, node.iter_expressions())
    return node


def _call(name: str, *parts: exp.Expression | str | None) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=[exp.maybe_parse(part) for part in parts if part is not None])


def _cast(node: exp.Expression, kind: str) -> exp.Expression:
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="spark"))


def _unless(wrong: exp.Expression, message: str, answer: exp.Expression) -> exp.Expression:
    """The answer; where ``wrong`` is true the query stops, saying why."""
    stop = exp.Anonymous(this="RAISE_ERROR", expressions=[exp.Literal.string(message)])
    return exp.If(this=wrong, true=stop, false=answer)


# --- relations ------------------------------------------------------------------------------------


def _join(node: exp.Join) -> exp.Expression:
    if node.args.get("kind", "").upper() in ("SEMI", "ANTI"):
        _refuse(node, "SEMI and ANTI joins are not compared; write an inner join, or a left join and IS NULL")
    return _plain("this", "on", "side", "kind", "expressions")(node)


def _with(node: exp.With) -> exp.Expression:
    if node.args.get("recursive") and any(_reads_itself(cte) for cte in node.expressions):
        _refuse(node, f"a recursive query is not compared; {_DUCKDB}")
    node.set("recursive", None)
    return _plain("expressions")(node)


def _reads_itself(cte: exp.CTE) -> bool:
    return any(table.name == cte.alias for table in cte.find_all(exp.Table))


def _subquery(node: exp.Subquery) -> exp.Expression:
    if not isinstance(node.parent, exp.From | exp.Join | exp.Subquery | exp.SetOperation):
        _refuse(node, "a query inside an expression is not compared; write a join")
    return _plain("this", "alias")(node)


def _set_operation(node: exp.SetOperation) -> exp.Expression:
    for one, other in zip(node.left.selects, node.right.selects, strict=False):
        _same_family(node, iter((one, other)))
    return _plain("this", "expression", "distinct", "with_", "order")(node)


def _order(node: exp.Order) -> exp.Expression:
    if not isinstance(node.parent, exp.Window | exp.Select | exp.SetOperation):
        _refuse(
            node,
            f"the order within an aggregate is not compared; leave it out, or {_DUCKDB}",
        )
    return node


# --- numbers --------------------------------------------------------------------------------------


def _literal(node: exp.Literal) -> exp.Expression:
    if node.is_int and int(node.this) >= 2**63:
        _refuse(node, "the number is beyond BIGINT; write it as DOUBLE, such as 1e19")
    return node


def _divide(node: exp.Div) -> exp.Expression:
    """DuckDB divides as DOUBLE whatever it is given."""
    for part in (node.left, node.right):
        _need(node, part, {*_NUMBERS, "null"})
    return exp.Paren(
        this=exp.Div(this=_cast(node.left, "DOUBLE"), expression=_cast(node.right, "DOUBLE"), typed=True)
    )


def _add(node: exp.Add | exp.Sub) -> exp.Expression:
    if isinstance(node.right, exp.Interval):
        _need(node, node.left, {"moment"})
        return node
    families = {_family(node.left), _family(node.right)}
    if not families <= {*_NUMBERS, "null"}:
        _refuse(node, "of times only 'a moment and an INTERVAL' is compared; use epoch_us() for differences")
    return node


def _floor(node: exp.Floor | exp.Ceil) -> exp.Expression:
    """Spark answers with BIGINT, which does not hold every whole DOUBLE."""
    _need(node, node.this, {"number"})
    _plain("this")(node)
    value = node.this
    whole = exp.GTE(this=exp.Abs(this=value.copy()), expression=exp.Literal.number(f"{_WHOLE_FROM}D"))
    return exp.If(this=whole, true=_cast(value.copy(), "DOUBLE"), false=_cast(node.copy(), "DOUBLE"))


def _logarithm(node: exp.Ln) -> exp.Expression:
    _need(node, node.this, _NUMBERS)
    value = _cast(node.this, "DOUBLE")
    wrong = exp.LTE(this=value, expression=exp.Literal.number("0"))
    return _unless(
        wrong, "ln() of zero or less is NULL on Spark; use nullif() or greatest()", _call("LN", value.copy())
    )


def _is_nan(node: exp.IsNan) -> exp.Expression:
    """Of NULL it is NULL; Spark says false."""
    _need(node, node.this, {"number"})
    null = exp.Is(this=node.this.copy(), expression=exp.Null())
    return exp.If(this=null, true=exp.Null(), false=node.copy())


def _as_double(name: str) -> Rule:
    def rule(node: exp.Expression) -> exp.Expression:
        _plain("this")(node)
        _need(node, node.this, _NUMBERS)
        return _call(name, _cast(node.this, "DOUBLE"))

    return rule


def _interval(node: exp.Interval) -> exp.Expression:
    """A whole number of units of one length, in seconds: Spark takes no other unit beside them in a window."""
    unit = (node.args.get("unit") or exp.Var(this="")).name.upper().removesuffix("S")
    length = node.this.name if isinstance(node.this, exp.Literal) else ""
    if unit not in _SECONDS or not length.isdigit():
        _refuse(node, "expected an INTERVAL of a whole number of SECONDS, MINUTES, HOURS, DAYS or WEEKS")
    seconds = exp.Literal.string(str(int(length) * _SECONDS[unit]))
    return exp.Interval(this=seconds, unit=exp.Var(this="SECONDS"))


# --- casts ----------------------------------------------------------------------------------------

_SPARK_TYPES = {"number": "DOUBLE", "text": "STRING", "moment": "TIMESTAMP"}
_CASTS = {
    "integer": {"integer", "boolean"},
    "number": {"integer", "number"},
    "text": {"text", "integer", "boolean"},
    "boolean": {"boolean", "integer"},
    "moment": {"moment", "date"},
    "date": {"moment", "date"},
}


def _cast_rule(node: exp.Cast) -> exp.Expression:
    kind = node.to.this.name
    family = _FAMILY.get(kind, "")
    if family not in _CASTS or kind == "DECIMAL":
        _refuse(node, "expected a cast to BIGINT, DOUBLE, VARCHAR, BOOLEAN, DATE, TIMESTAMP or TIMESTAMPTZ")
    to = _SPARK_TYPES.get(family) or kind
    given = node.this.unnest()
    if family in ("moment", "date") and isinstance(given, exp.Literal) and given.is_string:
        return _cast(exp.Literal.string(_moment(node, given.name)), to)
    if _family(given) not in {*_CASTS[family], "null"} and not _rounds(family, given):
        _refuse(
            node, _CAST_ADVICE.get((_family(given), family), "both engines do this cast in their own way")
        )
    return _cast(node.this, to)


_CAST_ADVICE = {
    ("number", "integer"): "each engine rounds in its own way; say which with round(), floor() or ceil()",
    ("number", "text"): "each engine writes numbers in its own way; declare the feature as number",
    ("moment", "text"): "each engine writes moments in its own way; use strftime()",
    ("date", "text"): "each engine writes days in its own way; use strftime()",
    ("text", "integer"): "each engine reads numbers in its own way; cast where the source is read",
    ("text", "number"): "each engine reads numbers in its own way; cast where the source is read",
}


def _moment(node: exp.Expression, said: str) -> str:
    found = _MOMENT.fullmatch(said)
    if not found:
        _refuse(node, "expected a moment in UTC such as '2013-01-31 10:00:00'")
    return found[1]


def _rounds(family: str, given: exp.Expression) -> bool:
    """Whether a number is whole already when it is cast to an integer. given: rewritten already."""
    return family == "integer" and given.meta.get("whole") is True


def _whole(rule: Rule) -> Rule:
    def whole(node: exp.Expression) -> exp.Expression:
        rewritten = rule(node)
        rewritten.meta["whole"] = True
        return rewritten

    return whole


# --- time -----------------------------------------------------------------------------------------


def _truncate(node: exp.TimestampTrunc) -> exp.Expression:
    _plain("this", "unit", "input_type_preserved")(node)
    if node.unit.name.upper() not in _TRUNCATED_TO:
        _refuse(node, f"expected one of {', '.join(sorted(_TRUNCATED_TO)).lower()}")
    _need(node, node.this, {"moment"})
    return _call("DATE_TRUNC", exp.Literal.string(node.unit.name.upper()), node.this)


def _part_of_time(node: exp.Expression) -> exp.Expression:
    _plain("this")(node)
    _need(node, node.this, {"moment", "date"})
    return _part(type(node), node.this)


def _extract(node: exp.Extract) -> exp.Expression:
    part = _PARTS.get(node.name.upper())
    if part is None:
        _refuse(node, f"expected one of {', '.join(_PARTS).lower()}")
    _need(node, node.expression, {"moment", "date"})
    return _part(part, node.expression)


def _part(kind: type[exp.Expression], value: exp.Expression) -> exp.Expression:
    if kind is exp.TimeToUnix:
        micros = _cast(_call("UNIX_MICROS", _cast(value, "TIMESTAMP")), "DOUBLE")
        return exp.Paren(this=exp.Div(this=micros, expression=exp.Literal.number("1000000D"), typed=True))
    if kind is exp.DayOfWeekIso:  # Monday is 1; Spark's WEEKDAY begins there with 0
        return exp.Paren(
            this=exp.Add(this=_cast(_call("WEEKDAY", value), "BIGINT"), expression=exp.Literal.number(1))
        )
    if kind is exp.DayOfWeek:  # Sunday is 0; Spark's DAYOFWEEK begins there with 1
        return exp.Paren(
            this=exp.Sub(this=_cast(_call("DAYOFWEEK", value), "BIGINT"), expression=exp.Literal.number(1))
        )
    return _cast(_call(str(kind.sql_names()[0]).replace("_", ""), value), "BIGINT")


def _micros(node: exp.UnixMicros) -> exp.Expression:
    _need(node, node.this, {"moment"})
    return _call("UNIX_MICROS", node.this)


def _difference(node: exp.DateDiff) -> exp.Expression:
    """How many borders of the unit lie between two moments, as DuckDB counts; Spark counts whole units."""
    unit = (node.args.get("unit") or exp.Var(this="")).name.upper()
    if unit not in _SECONDS or unit == "WEEK":
        _refuse(node, "expected one of second, minute, hour, day")
    borders = []
    for value in (node.this, node.expression):
        _need(node, value, {"moment"})
        borders.append(_call("UNIX_MICROS", _call("DATE_TRUNC", exp.Literal.string(unit), value)))
    between = exp.Paren(this=exp.Sub(this=borders[0], expression=borders[1]))
    return exp.Paren(this=exp.IntDiv(this=between, expression=exp.Literal.number(_SECONDS[unit] * 10**6)))


def _in_zone(node: exp.AtTimeZone) -> exp.Expression:
    zone = node.args["zone"]
    if not (isinstance(zone, exp.Literal) and _ZONE.fullmatch(zone.name)):
        _refuse(node, "expected UTC or the name of a time zone such as 'Europe/Berlin'")
    if not (node.this.type and node.this.type.this.name == "TIMESTAMPTZ"):
        _refuse(node, "expected a moment with a time zone (TIMESTAMPTZ)")
    return _call("FROM_UTC_TIMESTAMP", node.this, zone)


def _format_time(node: exp.TimeToStr) -> exp.Expression:
    _plain("this", "format")(node)
    _need(node, node.this, {"moment", "date"})
    said = node.args["format"]
    if not (isinstance(said, exp.Literal) and _TIME_FORMAT.fullmatch(said.name)):
        _refuse(node, "expected a format of %Y %m %d %H %M %S and separators")
    return node


# --- text -----------------------------------------------------------------------------------------


def _letters(node: exp.Lower | exp.Upper) -> exp.Expression:
    """Each engine has letters beyond ASCII in its own case."""
    _need(node, node.this, {"text"})
    called = _called(node)
    other = exp.NEQ(
        this=_call("OCTET_LENGTH", node.this.copy()), expression=_call("LENGTH", node.this.copy())
    )
    return _unless(
        other, f"{called}() of a text with letters beyond ASCII differs between the engines", node.copy()
    )


def _substring(node: exp.Substring) -> exp.Expression:
    _plain("this", "start", "length")(node)
    _need(node, node.this, {"text"})
    start, length = node.args.get("start"), node.args.get("length")
    if not _counts(start, at_least=1) or not (length is None or _counts(length, at_least=0)):
        _refuse(node, "expected a start from 1 and a length, as numbers")
    return node


def _end_of_text(node: exp.Left | exp.Right) -> exp.Expression:
    _need(node, node.this, {"text"})
    if not _counts(node.expression, at_least=0):
        _refuse(node, "expected how many letters, as a number")
    return node


def _counts(part: exp.Expression | None, *, at_least: int) -> bool:
    return isinstance(part, exp.Literal) and part.is_int and int(part.this) >= at_least


def _trim(node: exp.Trim) -> exp.Expression:
    """Of every blank that Unicode knows as a space; Spark's own knows one."""
    _plain("this", "position")(node)
    _need(node, node.this, {"text"})
    return exp.Trim(
        this=node.this, expression=exp.Literal.string(_SPACES), position=node.args.get("position")
    )


def _counted(*parts: str) -> Rule:
    """A count of letters, which is BIGINT."""

    def rule(node: exp.Expression) -> exp.Expression:
        return _cast(_of("text")(_plain(*parts)(node)).copy(), "BIGINT")

    return rule


def _like(node: exp.Like) -> exp.Expression:
    _need(node, node.this, {"text"})
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string and "\\" not in pattern.name):
        _refuse(node, "expected a pattern in quotes without a backslash")
    return node


# --- aggregates and windows -----------------------------------------------------------------------


def _average(node: exp.Avg) -> exp.Expression:
    if isinstance(node.this, exp.Distinct):
        _refuse(node, "avg(DISTINCT …) is not compared")
    _need(node, node.this, _NUMBERS)
    return exp.Avg(this=_cast(node.this, "DOUBLE"))


def _total(node: exp.Sum) -> exp.Expression:
    of = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    _need(node, of, _NUMBERS)
    return _plain("this")(node)


def _filtered(node: exp.Filter) -> exp.Expression:
    """The aggregate of a CASE: Spark has no FILTER in windows. All these aggregates leave NULL out."""
    condition = node.expression.this
    aggregate = node.this
    if not isinstance(
        aggregate, exp.Count | exp.Sum | exp.Avg | exp.Min | exp.Max | exp.LogicalAnd | exp.LogicalOr
    ):
        _refuse(node, "FILTER is compared for count, sum, avg, min, max, bool_and and bool_or")
    holder = aggregate.this if isinstance(aggregate.this, exp.Distinct) else aggregate
    key = "expressions" if isinstance(holder, exp.Distinct) else "this"
    counted = holder.expressions[0] if key == "expressions" else holder.this
    value = exp.Literal.number(1) if isinstance(counted, exp.Star) else counted.copy()
    chosen = exp.Case(ifs=[exp.If(this=condition.copy(), true=value)])
    holder.set(key, [chosen] if key == "expressions" else chosen)
    return aggregate


def _distinct(node: exp.Distinct) -> exp.Expression:
    if len(node.expressions) > 1:
        _refuse(node, "DISTINCT of several values is not compared; concatenate them")
    return _plain("expressions")(node)


def _window(node: exp.Window) -> exp.Expression:
    """Where the answer depends on the order of rows that are equal in it, the query stops at such rows."""
    spec = node.args.get("spec")
    if spec is not None:
        _plain("kind", "start", "start_side", "end", "end_side")(spec)
    by_row = spec is not None and (spec.args.get("kind") or "").upper() == "ROWS"
    if not by_row and not isinstance(node.this, _BY_ROW):
        return node
    if not node.args.get("order"):
        _refuse(node, "its answer depends on the order of rows, and it has no ORDER BY")
    name = _called(node.this)
    message = f"{name}() meets rows that are equal in the ORDER BY of its window; add columns until none are"
    return _unless(_has_ties(node), message, node.copy())


_BY_ROW = (exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue)


def _has_ties(window: exp.Window) -> exp.Expression:
    """Whether the partition has fewer places than rows; true of all of its rows, or of none."""
    partition, order = window.args.get("partition_by"), window.args["order"]
    backwards = order.copy()
    for ordered in backwards.expressions:
        ordered.set("desc", not ordered.args.get("desc"))
        ordered.set("nulls_first", not ordered.args.get("nulls_first"))
    rows = exp.Window(this=exp.Count(this=exp.Star()), partition_by=_copied(partition))
    before, behind = (
        exp.Window(this=exp.DenseRank(), partition_by=_copied(partition), order=one.copy())
        for one in (order, backwards)
    )
    places = exp.Sub(this=exp.Add(this=before, expression=behind), expression=exp.Literal.number(1))
    return exp.NEQ(this=rows, expression=exp.Paren(this=places))


def _shifted(node: exp.Lag | exp.Lead) -> exp.Expression:
    offset = node.args.get("offset")
    if offset is not None and not _counts(offset, at_least=0):
        _refuse(node, "expected how many rows, as a number")
    default = node.args.get("default")
    if default is not None:
        _same_family(node, iter((node.this, default)))
    return node


def _case(node: exp.Case) -> exp.Expression:
    chosen = [branch.args["true"] for branch in node.args["ifs"]]
    _same_family(node, (part for part in [*chosen, node.args.get("default")] if part is not None))
    asked = [branch.this for branch in node.args["ifs"]]
    if node.this is not None:
        _same_family(node, iter([node.this, *asked]))
        return node
    for condition in asked:
        _need(node, condition, {"boolean", "null"})
    return node


def _if(node: exp.If) -> exp.Expression:
    if isinstance(node.parent, exp.Case):
        return node
    _need(node, node.this, {"boolean", "null"})
    parts = (node.args["true"], node.args.get("false"))
    _same_family(node, (part for part in parts if part is not None))
    return node


def _as_is(node: exp.Expression) -> exp.Expression:
    return node


_LOGIC = _of("boolean")
_SELECT_PARTS = (
    "with_",
    "expressions",
    "distinct",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "qualify",
    "order",
)

_RULES: dict[type[exp.Expression], Rule] = {
    # relations
    exp.Select: _plain(*_SELECT_PARTS),
    exp.Union: _set_operation,
    exp.Except: _set_operation,
    exp.Intersect: _set_operation,
    exp.Subquery: _subquery,
    exp.With: _with,
    exp.CTE: _plain("this", "alias", "materialized"),
    exp.From: _plain("this"),
    exp.Table: _plain("this", "alias"),
    exp.TableAlias: _plain("this", "columns"),
    exp.Join: _join,
    exp.Where: _as_is,
    exp.Group: _plain("expressions", "all"),
    exp.Having: _as_is,
    exp.Qualify: _as_is,
    exp.Order: _order,
    exp.Ordered: _plain("this", "desc", "nulls_first"),
    # names and constants
    exp.Alias: _as_is,
    exp.Column: _as_is,
    exp.Identifier: _as_is,
    exp.Var: _as_is,
    exp.Paren: _as_is,
    exp.Literal: _literal,
    exp.Boolean: _as_is,
    exp.Null: _as_is,
    exp.Star: _plain(),
    exp.DataType: _as_is,
    exp.DataTypeParam: _as_is,
    # logic and comparison
    exp.And: _LOGIC,
    exp.Or: _LOGIC,
    exp.Not: _LOGIC,
    exp.Is: _as_is,
    exp.EQ: _alike,
    exp.NEQ: _alike,
    exp.LT: _alike,
    exp.LTE: _alike,
    exp.GT: _alike,
    exp.GTE: _alike,
    exp.NullSafeEQ: _alike,
    exp.NullSafeNEQ: _alike,
    exp.Between: lambda node: _alike(_plain("this", "low", "high")(node)),
    exp.In: lambda node: _alike(_plain("this", "expressions")(node)),
    # choice
    exp.Case: _case,
    exp.If: _if,
    exp.Coalesce: _alike,
    exp.Nullif: _alike,
    exp.Greatest: _alike,
    exp.Least: _alike,
    # numbers
    exp.Add: _add,
    exp.Sub: _add,
    exp.Mul: _of("integer", "number"),
    exp.Div: _divide,
    exp.IntDiv: _of("integer"),
    exp.Mod: _of("integer"),
    exp.Neg: _of("integer", "number"),
    exp.Abs: _of("integer", "number"),
    exp.Round: _whole(lambda node: _of("integer", "number")(_plain("this")(node))),
    exp.Floor: _whole(_floor),
    exp.Ceil: _whole(_floor),
    exp.Sqrt: _as_double("SQRT"),
    exp.Exp: _as_double("EXP"),
    exp.Ln: _logarithm,
    exp.IsNan: _is_nan,
    exp.Cast: _cast_rule,
    exp.Interval: _interval,
    # time
    exp.TimestampTrunc: _truncate,
    exp.Extract: _extract,
    **dict.fromkeys(_PARTS.values(), _part_of_time),
    exp.UnixMicros: _micros,
    exp.DateDiff: _difference,
    exp.AtTimeZone: _in_zone,
    exp.TimeToStr: _format_time,
    # text
    exp.DPipe: _of("text"),
    exp.Length: _counted("this"),
    exp.Lower: _letters,
    exp.Upper: _letters,
    exp.Trim: _trim,
    exp.Substring: _substring,
    exp.Left: _end_of_text,
    exp.Right: _end_of_text,
    exp.StartsWith: _of("text"),
    exp.Contains: _of("text"),
    exp.StrPosition: _counted("this", "substr"),
    exp.Like: _like,
    # aggregates and windows
    exp.Count: _plain("this", "big_int"),
    exp.Sum: _total,
    exp.Avg: _average,
    exp.Min: _plain("this"),
    exp.Max: _plain("this"),
    exp.LogicalAnd: _of("boolean"),
    exp.LogicalOr: _of("boolean"),
    exp.Distinct: _distinct,
    exp.Filter: _filtered,
    exp.Window: _window,
    exp.WindowSpec: _as_is,
    exp.RowNumber: _plain(),
    exp.Rank: _plain(),
    exp.DenseRank: _plain(),
    exp.Lag: _shifted,
    exp.Lead: _shifted,
    exp.FirstValue: _plain("this"),
    exp.LastValue: _plain("this"),
}
