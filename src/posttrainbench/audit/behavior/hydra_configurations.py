"""Compose the configuration of a Hydra program from its files: default lists, groups, packages and overrides.

Covers: `defaults` with groups, `override`, `optional`, packages (`group@package`, `# @package`), configurations that
are chosen on the command line, overridden values, and interpolations of other values and of environment variables.

Does not cover: structured configurations, resolvers other than `oc.env`, searches over several values, search paths
that are added at run time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from posttrainbench.audit.behavior.values import UNKNOWN

MOST_FILES = 60
"""Files of one configuration."""
MOST_REFERENCES = 10
"""Interpolations that lead from one value to the next."""
_PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)", re.MULTILINE)
_REFERENCE = re.compile(r"\$\{([^${}]+)\}")
_DEPTH = 12


@dataclass
class Composer:
    """Composes one configuration.

    Attributes:
        read: returns the text of a file of the configuration's folder, by its path without `.yaml`; "" if missing.
        chosen: group -> option, from the command line and from `override` entries.
        values: values that the command line sets, as (path, text).
        env: environment variables.
    """

    read: Callable[[str], str]
    chosen: dict[str, str | None] = field(default_factory=dict)
    values: list[tuple[str, str]] = field(default_factory=list)
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._files = 0
        self._used: set[str] = set()

    def compose(self, name: str, options: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the configuration with this name and these options of the command line."""
        added: list[tuple[str, str]] = []
        for key, text in options:
            group = key.lstrip("+~").replace(".", "/")
            if self.read(f"{group}/{text}"):
                self.chosen[group] = text
                added.append((group, text))
            else:
                self.values.append((key.lstrip("+~"), text))
        self._overrides(name, 0)
        data = self._file(name, "", 0)
        for group, text in added:
            if group not in self._used:
                _merge(data, self._file(f"{group}/{text}", group.replace("/", "."), 0))
        for key, text in self.values:
            _merge(data, _nested(key, _scalar(text)))
        resolved = self._resolved(data, data, (), 0)
        return resolved if isinstance(resolved, dict) else {}

    def _overrides(self, name: str, depth: int) -> None:
        """Collect the entries `override group: option` of a configuration and of those that it includes."""
        if depth > _DEPTH:
            return
        for group, option, overrides in _defaults(_parsed(self.read(name)), name.rpartition("/")[0]):
            if overrides:
                self.chosen.setdefault(group.partition("@")[0], option)
            chosen = self.chosen.get(group.partition("@")[0], option)
            path = f"{group.partition('@')[0]}/{chosen}" if group else chosen
            if path and chosen != "_self_":
                self._overrides(path, depth + 1)

    def _file(self, path: str, package: str, depth: int) -> dict[str, Any]:
        self._files += 1
        text = self.read(path)
        if not text or depth > _DEPTH or self._files > MOST_FILES:
            return {}
        if (match := _PACKAGE.search(text)) is not None:
            package = {"_global_": "", "_group_": path.rpartition("/")[0].replace("/", ".")}.get(match[1], match[1])
        own = _parsed(text)
        entries = _defaults(own, path.rpartition("/")[0])
        own = {key: value for key, value in own.items() if key != "defaults"}
        data: dict[str, Any] = {}
        placed = False
        for group, option, overrides in entries:
            if option == "_self_" and not group:
                _merge(data, _nested(package, own))
                placed = True
            elif not overrides:
                name, _, at = group.partition("@")
                self._used.add(name)
                chosen = self.chosen.get(name, option)
                inner = at if at else name.replace("/", ".")
                inner = "" if inner in ("_global_", "_here_") else inner
                if chosen:
                    _merge(data, self._file(f"{name}/{chosen}" if name else chosen, inner, depth + 1))
        if not placed:
            _merge(data, _nested(package, own))
        return data

    def _resolved(self, value: Any, root: dict[str, Any], place: tuple[str, ...], depth: int) -> Any:
        if depth > _DEPTH:
            return value
        if isinstance(value, dict):
            return {key: self._resolved(part, root, (*place, str(key)), depth + 1) for key, part in value.items()}
        if isinstance(value, list):
            return [self._resolved(part, root, (*place, str(n)), depth + 1) for n, part in enumerate(value)]
        return self._text(value, root, place, MOST_REFERENCES) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, root: dict[str, Any], place: tuple[str, ...], left: int) -> Any:
        whole = _REFERENCE.fullmatch(text)
        if whole is not None:
            return self._looked_up(whole[1], root, place, left)
        for _ in range(MOST_REFERENCES):
            if (match := _REFERENCE.search(text)) is None:
                break
            found = self._looked_up(match[1], root, place, left)
            known = UNKNOWN if found is None or isinstance(found, dict | list) else str(found)
            text = text[: match.start()] + known + text[match.end() :]
        return text

    def _looked_up(self, reference: str, root: dict[str, Any], place: tuple[str, ...], left: int) -> Any:
        if reference.startswith("oc.env:"):
            name, _, default = reference.removeprefix("oc.env:").partition(",")
            return self.env.get(name.strip(), default.strip() or UNKNOWN)
        if ":" in reference or left <= 0:
            return UNKNOWN
        dots = len(reference) - len(reference.lstrip("."))
        keys = [part for part in re.split(r"[.\[\]]", reference) if part]
        found: Any = root
        for key in [*place[: len(place) - dots], *keys] if dots else keys:
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            else:
                return UNKNOWN
        return self._text(found, root, tuple(keys), left - 1) if isinstance(found, str) and "${" in found else found


def _defaults(data: dict[str, Any], folder: str) -> list[tuple[str, str | None, bool]]:
    """Return the default list as (group, option, whether it overrides another entry); "" for no group."""
    listed = data.get("defaults")
    found: list[tuple[str, str | None, bool]] = []
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, str):
            name = (
                entry.lstrip("/") if entry.startswith("/") or entry == "_self_" or not folder else f"{folder}/{entry}"
            )
            found.append(("", name, False))
        for key, options in entry.items() if isinstance(entry, dict) else ():
            words = str(key).split()
            name = words[-1]
            group = (
                name.lstrip("/") if name.startswith("/") or not folder or "override" in words else f"{folder}/{name}"
            )
            for option in options if isinstance(options, list) else [options]:
                text = str(option) if isinstance(option, str | int | float) else None
                found.append((group, text, "override" in words))
    return found


def _parsed(text: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _scalar(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def _nested(package: str, value: Any) -> dict[str, Any]:
    for part in reversed([one for one in package.split(".") if one]):
        value = {part: value}
    return value if isinstance(value, dict) else {}


def _merge(target: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        known = target.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        else:
            target[key] = {**value} if isinstance(value, dict) else value
