"""Feature rows computed again in worlds that were cut, from exactly the table versions they were made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from mlops_assets.data.features import view_rows
from mlops_assets.data.sql import PARTITION, name, text
from mlops_assets.data.worlds import known_by, planted
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.source import EVENT_TIME
from mlops_assets.errors import NotMaterialized
from mlops_assets.steps.rounding import roundings
from mlops_assets.stores.engine import Relation, Session
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.stores import Stores

PIN = "_pin"
# Of each table that a view reads.
CANARY_ROWS = 500


@dataclass(frozen=True)
class Batch:
    """Days of a view that agree about what they were made of."""

    days: tuple[str, ...]
    read: frozenset[Content]


def batches(made: Sequence[Content], reads: Mapping[Content, Sequence[Content]]) -> list[Batch]:
    """The days in as few batches as possible, in their order: a partition that two of them read in two
    versions parts them."""
    found: list[tuple[list[str], dict[tuple[str, str], Content]]] = []
    for one in made:
        read = {(content.table, content.partition): content for content in reads[one]}
        fits = found and all(
            found[-1][1].get(place, content).fingerprint == content.fingerprint
            for place, content in read.items()
        )
        if not fits:
            found.append(([], {}))
        found[-1][0].append(one.partition)
        found[-1][1].update(read)
    return [Batch(tuple(days), frozenset(read.values())) for days, read in found]


@dataclass(frozen=True)
class Worlds:
    """A session in which validated tables can be had as they stood.

    pins: (lake table, partition, fingerprint) -> which of the pinned versions has it.
    """

    session: Session
    catalog: Catalog
    lake_tables: Mapping[str, str]
    pins: Mapping[tuple[str, str, str], int]

    def plant(self, at: datetime, keys: Collection[str]) -> None:
        """Make the rows that ``compute`` plants in the future of the world as it was at ``at``.

        keys: of all views, so that entities are found there that exist.
        """
        for table in self.lake_tables:
            declared = self.catalog.tables[table]
            known = f"(SELECT * EXCLUDE ({PIN}) FROM ({known_by(name(_world(table)), at)}))"
            sql = planted(
                declared.table, known, at=at, timezone=declared.source.timezone, kept=keys, rows=CANARY_ROWS
            )
            self.session.keep(_canaries(table), sql)

    def compute(
        self,
        relation: str,
        view: FeatureView,
        batches: Sequence[Batch],
        at: datetime,
        *,
        canaries: bool = False,
    ) -> None:
        """Keep as ``relation`` the rows of the view that say they were known at ``at``, in the world cut there.

        canaries: whether the rows made by ``plant`` are in its future.
        """
        for number, batch in enumerate(batches):
            cut = (f"{name(table)} AS ({self._cut(table, batch, at, canaries)})" for table in view.reads)
            rows = f"(WITH {', '.join(cut)} {self._rows(view, batch.days)})"
            known = f"{known_by(rows, at)} AND {EVENT_TIME} IS NOT NULL"
            before = f"SELECT * FROM {name(relation)} UNION ALL " if number else ""
            self.session.keep(relation, before + known)

    def roundings(self, view: FeatureView, batches: Sequence[Batch], at: datetime) -> Mapping[str, float]:
        """The features of a view that lose more in rounding than usual, in the world cut at a moment."""
        if not batches:
            return {}
        batch = max(batches, key=lambda one: len(one.days))
        tables = {table: self._cut(table, batch, at, canaries=False) for table in view.reads}
        keys = self.catalog.features.key_types(view.name)
        return roundings(self.session, view, keys, tables, days=list(batch.days), timezone=self._zone(view))

    def _rows(self, view: FeatureView, days: Sequence[str]) -> str:
        keys = self.catalog.features.key_types(view.name)
        return view_rows(view, keys, days=days, timezone=self._zone(view))

    def _zone(self, view: FeatureView) -> str | None:
        calendar = self.catalog.view_calendar(view)
        return calendar.timezone if calendar else None

    def _cut(self, table: str, batch: Batch, at: datetime, canaries: bool) -> str:
        by_pin: dict[int, list[str]] = defaultdict(list)
        for one in sorted(batch.read, key=lambda content: content.partition):
            if one.table == self.lake_tables[table]:
                by_pin[self.pins[_place(one)]].append(text(one.partition))
        inside = " OR ".join(
            f"{PIN} = {pin} AND {PARTITION} IN ({', '.join(partitions)})"
            for pin, partitions in by_pin.items()
        )
        whole = f"(SELECT * EXCLUDE ({PIN}) FROM {name(_world(table))} WHERE {inside or 'false'})"
        more = f" UNION ALL BY NAME SELECT * FROM {name(_canaries(table))}" if canaries else ""
        return known_by(whole, at) + more


@contextmanager
def opened(
    stores: Stores,
    catalog: Catalog,
    lake_tables: Mapping[str, str],
    contents: Iterable[Content],
    relations: Mapping[str, Relation],
) -> Iterator[Worlds]:
    """The worlds that hold exactly these contents, in a session that has ``relations`` too.

    lake_tables: the name of each table in the lake. Raises NotMaterialized when a version is gone.
    """
    by_table: dict[str, dict[tuple[str, str, str], Content]] = {table: {} for table in lake_tables}
    of = {lake_table: table for table, lake_table in lake_tables.items()}
    for one in contents:
        by_table[of[one.table]][_place(one)] = one
    pins: dict[tuple[str, str, str], int] = {}
    parts: dict[str, dict[str, Pinned]] = {}
    for table, wanted in by_table.items():
        parts[table] = {}
        for number, pinned in enumerate(exactly(stores, list(wanted.values()))):
            parts[table][f"_pinned_{number}_{table}"] = pinned
            pins.update({_place(one): number for one in pinned.contents if _place(one) in wanted})
    pinned_relations = {
        relation: pinned for of_table in parts.values() for relation, pinned in of_table.items()
    }
    with stores.engine.session({**relations, **pinned_relations}) as session:
        for table, of_table in parts.items():
            if of_table:
                union = " UNION ALL BY NAME ".join(
                    f"SELECT *, {number} AS {PIN} FROM {name(relation)}"
                    for number, relation in enumerate(of_table)
                )
                session.keep(_world(table), union)
        yield Worlds(session, catalog, lake_tables, pins)


def exactly(stores: Stores, contents: Sequence[Content]) -> Iterator[Pinned]:
    """These contents of one table, in as few pinned versions as possible, the newest first.

    Raises NotMaterialized when the lake does not know one of them any more.
    """
    left = list(contents)
    while left:
        newest = max(left, key=lambda one: one.version)
        partitions = [one.partition for one in left]
        held = {
            one.partition: one.fingerprint
            for one in stores.records.contents(newest.table, up_to=newest.version, partitions=partitions)
        }
        found = [one for one in left if held.get(one.partition) == one.fingerprint]
        if newest not in found:
            raise NotMaterialized(
                f"{newest.table}, partition {newest.partition}, is gone as it was in version {newest.version}; "
                "materialize what was made from it again"
            )
        # Of one partition in two versions each pin has one.
        once = {one.partition: one for one in found}
        yield stores.lake.pin(newest.table, list(once), version=newest.version)
        left = [one for one in left if _place(one) not in {_place(other) for other in once.values()}]


def _place(content: Content) -> tuple[str, str, str]:
    return content.table, content.partition, content.fingerprint


def _world(table: str) -> str:
    return f"_world_{table}"


def _canaries(table: str) -> str:
    return f"_canaries_{table}"
