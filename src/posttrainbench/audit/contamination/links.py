"""Symbolic links in the workspace that lead out of it, to places that the audit does not search.

Targets are paths of the sandbox, so they are compared as text and never opened. Known places hold nothing that the
agent put there: the kit, models, this machine's cache of the Hub and the directories of the system. The sandbox's
`/tmp` and `/dev/shm` are directories of the workspace.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from posttrainbench.audit.evidence import AGENT_PATH, Evidence
from posttrainbench.sandbox.host import python_binds
from posttrainbench.untrusted import Entry, printable

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt")
DEVICES = ("/dev/null", "/dev/zero", "/dev/stdin", "/dev/stdout", "/dev/stderr")
MOUNTED = "/workspace"
"""The workspace in a sandbox with a file system of its own."""
BELOW = {".tmp": "/tmp", ".shm": "/dev/shm"}  # noqa: S108 paths of the sandbox
"""Directory of the workspace -> where such a sandbox mounts it too."""
HUB = "/hub"
"""Where such a sandbox mounts this machine's cache of the Hub, to which the workspace's cache has links."""
LONGEST = 200


def with_links_named(entries: Iterable[Entry], evidence: Evidence) -> Iterator[Entry]:
    """Yield entries of the workspace; those of links out of it, to no known place, are named as unread."""
    links = _Links(evidence)
    for entry in entries:
        if not entry.path.is_symlink():
            yield entry
            continue
        try:
            target = str(entry.path.readlink())
        except OSError as error:
            yield replace(entry, reason=f"symbolic link that cannot be read ({error.strerror})", lost=True)
            continue
        if links.are_searched(entry.path, target):
            yield entry
        else:
            shown = printable(target)[:LONGEST]
            yield replace(entry, reason=f"symbolic link to {shown}, outside of the workspace", lost=True)


class _Links:
    """Resolves the links of a workspace without following them."""

    def __init__(self, evidence: Evidence) -> None:
        paths = evidence.sandbox_paths
        self._root = evidence.workspace
        self._inside = paths.get("workspace", str(evidence.workspace))
        self._below = BELOW if self._inside == MOUNTED else {}
        models = map(_checkpoint_root, [*evidence.sandbox_models, *filter(None, [paths.get("base_model")])])
        places = [
            paths.get("kit"),
            *models,
            AGENT_PATH,
            *((HUB, str(evidence.hub_cache)) if evidence.hub_cache else ()),
            *SYSTEM,
            *DEVICES,
            *self._below.values(),
            *map(str, python_binds()),
        ]
        self._known = [PurePosixPath(place) for place in (self._inside, *places) if place and place.startswith("/")]

    def are_searched(self, link: Path, target: str) -> bool:
        """Return True if the target is in the workspace or a known place, however the link is reached."""
        folder = link.parent.relative_to(self._root).parts
        starts = [PurePosixPath(self._inside, *folder)]
        if folder and folder[0] in self._below:
            starts.append(PurePosixPath(self._below[folder[0]], *folder[1:]))
        return all(self._is_searched(start, PurePosixPath(target)) for start in starts)

    def _is_searched(self, start: PurePosixPath, target: PurePosixPath) -> bool:
        path = PurePosixPath("/") if target.is_absolute() else start
        for part in target.parts:
            if part != "..":
                path /= part
            elif self._is_link(path):
                return False  # `..` of a link's target, which may be anywhere
            else:
                path = path.parent
        return any(path.is_relative_to(place) for place in self._known)

    def _is_link(self, path: PurePosixPath) -> bool:
        """Return True if a path leads through a link of the workspace."""
        for mounted, folder in ((self._inside, ""), *((place, name) for name, place in self._below.items())):
            if path.is_relative_to(mounted):
                here = self._root / folder
                for part in path.relative_to(mounted).parts:
                    here /= part
                    if here.is_symlink():
                        return True
        return False


def _checkpoint_root(path: str) -> str:
    """Return the directory that a checkpoint's own links stay in: in the Hub's cache, the folder of the repository."""
    folder = PurePosixPath(path)
    return str(folder.parents[1] if folder.parent.name == "snapshots" else folder)
