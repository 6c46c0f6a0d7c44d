"""Load plugins, built-in and third-party, from the entry points in the groups `posttrainbench.*`."""

import sys
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any

from posttrainbench.errors import InputError, one_line


def load_plugin(group: str, name: str) -> Any:
    """Return the object that is registered as `name` in the group `posttrainbench.GROUP`.

    Args:
        group: in the plural, such as `sandboxes`.

    Raises:
        InputError: no installed package registers the name, or loading it fails.
    """
    points = _points(f"posttrainbench.{group}", tuple(sys.path))
    if name not in points.names:
        known = ", ".join(sorted(points.names))
        raise InputError(f"`{name}` is not among the installed {group}; choose from: {known}.")
    try:
        return points[name].load()
    except Exception as error:
        raise InputError(
            f"The entry point `{name}` ({points[name].value}) of `posttrainbench.{group}` cannot be loaded: "
            f"{one_line(error)}"
        ) from error


@cache
def _points(group: str, path: tuple[str, ...]) -> EntryPoints:
    """Return the entry points of a group. Finding them reads the metadata of every package on `sys.path`."""
    return entry_points(group=group)
