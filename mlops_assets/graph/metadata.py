"""What an asset says of its partitions beyond what every write says."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from mlops_assets.data.legible import embedded, in_markdown
from mlops_assets.data.sql import WHOLE


def say_of_partitions(
    context: dg.AssetExecutionContext, key: dg.AssetKey, told: Mapping[str, Mapping[str, Any]]
) -> None:
    """Metadata for each partition's own materialization, if the asset is among those to be made."""
    if key not in context.selected_asset_keys:
        return
    for partition, metadata in told.items():
        context.add_asset_metadata(metadata, key, None if partition == WHOLE else partition)


def drawing(svg: str, title: str) -> dg.MarkdownMetadataValue:
    """A drawing that the Dagster UI shows without asking any server for it."""
    return dg.MetadataValue.md(embedded(svg.encode(), "svg+xml", title))


def picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A picture that the Dagster UI shows without asking any server for it."""
    return dg.MetadataValue.md(embedded(png, "png", title))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> dg.MarkdownMetadataValue:
    """A table whose cells may hold text from data."""
    lines = [header, ["---"] * len(header), *([in_markdown(cell) for cell in row] for row in rows)]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))
