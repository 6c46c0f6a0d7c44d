"""Finds what packages register, ours and anybody's: entry points in the groups `posttrainbench.*`."""

from importlib.metadata import entry_points
from typing import Any

from posttrainbench.errors import InputError


def load_plugin(group: str, name: str) -> Any:
    """The object that is registered under `name` in `posttrainbench.GROUP`.

    Args:
        group: plural of what a user calls such a thing, such as `sandboxes`.

    Raises:
        InputError: no installed package registers it.
    """
    points = entry_points(group=f"posttrainbench.{group}")
    if name not in points.names:
        known = ", ".join(sorted(points.names))
        raise InputError(f"`{name}` is none of the installed {group}; choose one of: {known}.")
    return points[name].load()
