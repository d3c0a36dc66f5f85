"""The graph of a project as a few lines that a person can review."""

from typing import Any

import dagster as dg


def draw(definitions: dg.Definitions, below: str) -> str:
    """Every asset that the ``below`` group needs: its partitions, its checks, and what it reads."""
    graph = definitions.resolve_asset_graph()
    wanted = {key for key in graph.get_all_asset_keys() if graph.get(key).group_name == below}
    todo = list(wanted)
    while todo:
        for parent in graph.get(todo.pop()).parent_keys:
            if parent not in wanted:
                wanted.add(parent)
                todo.append(parent)
    return "\n".join(sorted(_line(graph, key) for key in wanted)) + "\n"


def _line(graph: Any, key: dg.AssetKey) -> str:
    node = graph.get(key)
    checks = " ".join(
        f"{check.name}{'!' if graph.get(check).blocking else ''}"
        for check in sorted(node.check_keys, key=str)
    )
    parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
    days = _days(node.partitions_def)
    return f"{key.to_user_string()}  [{days}]  <- {parents or 'files'}" + (
        f"  checks: {checks}" if checks else ""
    )


def _days(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "whole"
    keys = partitions.get_partition_keys()
    if partitions.end is None:
        return f"daily from {keys[0]}, {partitions.timezone}"
    return f"daily {keys[0]} to {keys[-1]}, {partitions.timezone}"
