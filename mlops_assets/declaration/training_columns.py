"""The columns of a training set: those the platform adds, and that no other is called like them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlops_assets.declaration.features import RequestColumn, ServedFeature
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import EVENT_TIME, PARTITION, Table
from mlops_assets.errors import DeclarationError

LABEL = "label"
USE = "use"
PREDICTED_AT = "predicted_at"
LABEL_KNOWN_AT = "label_known_at"
ADDED = (PARTITION, EVENT_TIME, PREDICTED_AT, LABEL_KNOWN_AT, LABEL, USE)


def refuse_equal_columns(
    model: Model, events: Table, asked_with: Sequence[RequestColumn], served: Sequence[ServedFeature]
) -> None:
    """Refuse a column that would stand in the training set beside another of its name.

    asked_with: what views and on-demand transforms take of a request. Raises DeclarationError.
    """
    carried = dict(_carried(model, events, asked_with))
    for column, (field, whose) in carried.items():
        if column in ADDED:
            raise DeclarationError(
                f"model {model.name!r}: {whose} is called {column!r}, like a column that every training "
                f"set has ({', '.join(ADDED)}); give it another name in the source",
                field=field,
            )
    for one in served:
        if one.column in carried:
            raise DeclarationError(
                f"model {model.name!r}: the feature {one.feature!r} of {one.view!r} would be called "
                f"{one.column!r}, and {carried[one.column][1]} is called so too; rename one of them",
                field=("features",),
            )


def _carried(
    model: Model, events: Table, asked_with: Sequence[RequestColumn]
) -> Iterator[tuple[str, tuple[tuple[str | int, ...], str]]]:
    """What the events bring along: each column with the field that asks for it, and what it is there."""
    for asked in asked_with:
        yield asked.name, (("features",), f"{asked.role} of {asked.of}")
    for column in events.key:
        yield column, (("label", "table"), f"a key column of {events.name!r}")
    for index, column in enumerate(model.request):
        yield column, (("request", index), "the request column")
