"""Find the script that a path or the name of a module means during a replay."""

from __future__ import annotations

from fnmatch import fnmatchcase

from posttrainbench.audit.behavior.libraries import MODELED
from posttrainbench.audit.behavior.replay_state import ReplayState
from posttrainbench.audit.behavior.scripts_in_workspace import Script
from posttrainbench.audit.behavior.values import UNKNOWN

MOST_MODULES = 20
"""Modules that one name with unknown parts may mean."""


class ScriptFinder:
    """Finds scripts: the texts that the agent wrote so far come before the files that it left in the workspace."""

    def __init__(self, state: ReplayState, workspace_scripts: dict[str, Script]) -> None:
        self._state = state
        self._workspace_scripts = workspace_scripts

    def at(self, path: str, cwd: str, *, loose: bool = True) -> Script | None:
        """Return the script at a path; if `loose`, also one whose path merely ends with the same file name."""
        resolved = self._state.files.resolve(path, cwd)
        texts, scripts = self._state.texts, self._workspace_scripts
        for name in dict.fromkeys((resolved, self._state.files.resolve(path))):
            if name in texts:
                return texts[name]
            if name in scripts:
                return scripts[name]
        if not loose or (
            resolved.startswith("/") and any(resolved.startswith(kit) for kit in self._state.files.test_data.kits)
        ):
            return None
        end = "/" + resolved.lstrip("./").rsplit("/", 1)[-1]
        candidates = [script for name, script in (scripts | texts).items() if f"/{name}".endswith(end)]
        return candidates[-1] if len({script.name for script in candidates}) == 1 else None

    def module(self, name: str, cwd: str) -> Script | None:
        """Return the script that is imported under this name."""
        path = name.lstrip(".").replace(".", "/")
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            script = self.at(candidate, cwd, loose=False) or self._installed(candidate)
            if script is not None:
                return script
        return None

    def modules(self, pattern: str, cwd: str) -> list[str]:
        """Return the names of the modules that match a name in which parts are not known."""
        path = pattern.replace(".", "/")
        known = [part for part in path.split(UNKNOWN) if part.strip("/")]
        if not known:
            return []
        inside = f"{cwd}/" if cwd not in ("", ".") else ""
        names = [name.removeprefix(inside).removesuffix(".py") for name in self._workspace_scripts | self._state.texts]
        matching = [name for name in sorted(names) if fnmatchcase(name, path.replace(UNKNOWN, "*"))]
        return [name.replace("/", ".") for name in matching][:MOST_MODULES]

    def _installed(self, path: str) -> Script | None:
        """Return the file of a package that lies elsewhere in the workspace, such as in `NAME/src`."""
        if "/" not in path or path.split("/")[0] in MODELED:
            return None
        scripts = self._workspace_scripts | self._state.texts
        found = {script.name: script for name, script in scripts.items() if name.endswith(f"/{path}")}
        return next(iter(found.values())) if len(found) == 1 else None
