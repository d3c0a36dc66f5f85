"""What each asset is called, and the table that holds it: the same path."""

import dagster as dg


def raw(table: str) -> dg.AssetKey:
    """Rows as they were found."""
    return dg.AssetKey(["raw", table])


def validated(table: str) -> dg.AssetKey:
    """Rows that may be used."""
    return dg.AssetKey(["validated", table])


def quarantine(table: str) -> dg.AssetKey:
    """Rows that were set aside, with the reasons."""
    return dg.AssetKey(["quarantine", table])


def is_raw(key: dg.AssetKey) -> bool:
    """Whether an asset holds rows as they were found."""
    return key == raw(key.path[-1])


def of_table(table: str) -> tuple[dg.AssetKey, ...]:
    """Everything that becomes of a source's table."""
    return raw(table), validated(table), quarantine(table)


def features(view: str) -> dg.AssetKey:
    """The rows of a feature view."""
    return dg.AssetKey(["features", view])


def online(view: str) -> dg.AssetKey:
    """The newest rows of a feature view, where applications read them."""
    return dg.AssetKey(["online", view])


def of_model(model: str, stage: str) -> dg.AssetKey:
    """One stage in the story of a model."""
    return dg.AssetKey([model, stage])


def table_name(key: dg.AssetKey) -> str:
    """The lake table of an asset.

    >>> table_name(validated("flights"))
    'validated/flights'
    """
    return "/".join(key.path)
