"""Online rows in Redis: a hash for each group, a change is one MULTI … EXEC."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mlops_assets.errors import BadEnvironment
from mlops_assets.stores.online import HEADER

# Of the names of all hashes, unless the address says another: redis://host:6379/0?prefix=mine:
PREFIX = "mlops:online:"
ROWS_TOGETHER = 2_000
# What a killed writer leaves aside goes by itself.
ASIDE_SECONDS = 24 * 3600
REPLACED_SECONDS = 60
# A server that hangs is one that does not answer, to who reads for somebody that waits: what an idle connection lost
# is asked again once, at once. A change may take longer, and is never asked twice. The address may say otherwise:
# redis://host:6379/0?socket_timeout=10
READING: dict[str, Any] = {
    "socket_timeout": 2.0,
    "socket_connect_timeout": 2.0,
    "retry": Retry(NoBackoff(), 1),
}
WRITING: dict[str, Any] = {
    "socket_timeout": 120.0,
    "socket_connect_timeout": 2.0,
    "retry": Retry(NoBackoff(), 0),
}


class RedisGroups:
    """Groups at an address. Threads may share it."""

    is_near = False

    def __init__(self, address: str) -> None:
        self._address, self._prefix = _with_prefix(address)
        # Untyped: redis types every answer as one that may have to be awaited.
        self._client: Any = redis.Redis.from_url(self._address, **WRITING, decode_responses=True)
        self._reader: Any = redis.Redis.from_url(self._address, **READING, decode_responses=True)

    def read(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[str | None]]:
        """See Groups."""
        with self._told():
            pipeline = self._reader.pipeline(transaction=False)
            for group, keys in asked:
                pipeline.hmget(self._name(group), keys)
            found: list[list[str | None]] = pipeline.execute()
        return found

    def change(
        self,
        group: str,
        header: str,
        rows: Iterable[tuple[str, str]],
        *,
        seen: str | None,
        gone: Collection[str] = (),
        whole: bool = False,
    ) -> bool:
        """See Groups. A whole group is written aside and put in its place, so that it blocks nobody."""
        name = self._name(group)
        aside = f"{name}:{uuid4().hex}" if whole else None
        with self._told(), self._client.pipeline(transaction=True) as pipeline:
            if aside:
                self._write_aside(aside, header, rows)
            pipeline.watch(name)
            found = pipeline.hget(name, HEADER)
            pipeline.multi()
            if aside:
                _replace(pipeline, name, aside, there=seen is not None)
            else:
                for some in _batches(rows):
                    pipeline.hset(name, mapping=some)
                for some in _batches((key, "") for key in gone):
                    pipeline.hdel(name, *some)
                pipeline.hset(name, HEADER, header)
            done = found == seen and _executed(pipeline)
            if aside and not done:
                self._client.unlink(aside)
        return done

    def drop(self, group: str) -> None:
        """See Groups."""
        with self._told():
            self._client.unlink(self._name(group))

    def _write_aside(self, aside: str, header: str, rows: Iterable[tuple[str, str]]) -> None:
        self._client.hset(aside, HEADER, header)
        self._client.expire(aside, ASIDE_SECONDS)
        for some in _batches(rows):
            self._client.hset(aside, mapping=some)

    def _name(self, group: str) -> str:
        # In braces is what decides on which node of a cluster a name is: a hash and what is beside it, together.
        return f"{self._prefix}{{{group}}}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError, redis.WatchError) as error:
            place = urlsplit(self._address)
            raise BadEnvironment(
                f"no Redis answers at {place.hostname}:{place.port or 6379}: {error}; MLOPS_ONLINE says where it is"
            ) from error


def _executed(pipeline: Any) -> bool:
    """Whether what was queued was done, which it is not when another changed the hash meanwhile.

    Raises WatchError when the server went away, and nobody knows.
    """
    try:
        pipeline.execute()
    except redis.WatchError as error:
        # The same is raised for an answer that did not come.
        if "while watching" in str(error):
            raise
        return False
    return True


def _replace(pipeline: Any, name: str, aside: str, *, there: bool) -> None:
    """Put what was written aside in its place. What was there expires, for freeing it at once may block."""
    if there:
        pipeline.rename(name, f"{aside}:replaced")
        pipeline.expire(f"{aside}:replaced", REPLACED_SECONDS)
    pipeline.rename(aside, name)
    pipeline.persist(name)


def _batches(rows: Iterable[tuple[str, str]]) -> Iterator[dict[str, str]]:
    iterator = iter(rows)
    while some := dict(islice(iterator, ROWS_TOGETHER)):
        yield some


def _with_prefix(address: str) -> tuple[str, str]:
    """The address without what is ours in it, and the prefix.

    >>> _with_prefix("redis://127.0.0.1:6379/0?prefix=mine:")
    ('redis://127.0.0.1:6379/0', 'mine:')
    """
    split = urlsplit(address)
    said = parse_qs(split.query)
    prefix = said.pop("prefix", [PREFIX])[-1]
    return urlunsplit(split._replace(query=urlencode(said, doseq=True))), prefix
