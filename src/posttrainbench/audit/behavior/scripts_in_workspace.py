"""Read the scripts in the workspace as the agent left it."""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from posttrainbench.audit.behavior.notebooks import notebook_code as notebook_code
from posttrainbench.records import Skipped
from posttrainbench.untrusted import UnreadableError, open_regular, printable, walk

SUFFIXES = {".py", ".sh", ".bash", ".ipynb"}
LONGEST = 2**20
LONGEST_NOTEBOOK = 32 * 2**20
"""Bytes of the longest notebook that is read: its pictures are left out."""
MOST_SCRIPTS = 5000
MOST_BYTES = 128 * 2**20
_LIBRARIES = re.compile(r"(^|/)(site-packages|dist-packages|node_modules|__pycache__|\.git|\.cache/(pip|uv))/")


@dataclass(frozen=True)
class Script:
    """A script.

    Attributes:
        name: path relative to the workspace, or another readable name.
        text: the script's text; for a notebook, its code.
        file: file that contains it, relative to the run directory.
        line: line of `file` to quote for every line of the script; None if `file` is the script itself.
    """

    name: str
    text: str
    file: str
    line: int | None = None

    def quote(self, line: int) -> tuple[int, str]:
        """Return (line of `file`, text) for a line of the script."""
        lines = self.text.split("\n")
        text = lines[line - 1].strip()[:300] if 0 < line <= len(lines) else ""
        return self.line or line, printable(text)


@dataclass
class WorkspaceScripts:
    """The scripts of a workspace.

    Attributes:
        scripts: path relative to the workspace -> script.
        skipped: scripts that were not read, with the reason.
        size: bytes read.
        libraries: number of files of installed packages, which are not read.
    """

    scripts: dict[str, Script] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    size: int = 0
    libraries: int = 0


def read_scripts(
    workspace: Path, *, root: Path, kit_hashes: Collection[str] = (), session_files: Sequence[str] = ()
) -> WorkspaceScripts:
    """Read the scripts of a workspace, except installed packages.

    Args:
        workspace: the agent's working directory.
        root: the run directory; quotations name files relative to it.
        kit_hashes: SHA-256 of the kit's files; copies of them are left out.
        session_files: shell-style patterns of the scaffold's own records, which are left out.

    Returns:
        The scripts; empty if the workspace is missing or a symbolic link.
    """
    result = WorkspaceScripts()
    if not workspace.is_dir() or workspace.is_symlink():
        return result
    prefix = path_in_run(workspace, root)
    hashes = frozenset(kit_hashes)
    for entry in walk(workspace):
        suffix = PurePosixPath(entry.relative).suffix.lower()
        if entry.reason or suffix not in SUFFIXES:
            continue
        if _LIBRARIES.search(entry.relative):
            result.libraries += 1
            continue
        if any(fnmatchcase(entry.relative, pattern) for pattern in session_files):
            continue
        longest = LONGEST_NOTEBOOK if suffix == ".ipynb" else LONGEST
        if entry.size > longest or len(result.scripts) >= MOST_SCRIPTS or result.size > MOST_BYTES:
            large = f"larger than {longest // 2**20} MiB"
            why = large if entry.size > longest else "beyond the limit on the number or size of scripts"
            result.skipped.append(Skipped(path=entry.relative, reason=why))
            continue
        try:
            with open_regular(entry.path) as file:
                data = file.read(longest + 1)
        except (UnreadableError, OSError) as error:
            result.skipped.append(Skipped(path=entry.relative, reason=str(error)[:200]))
            continue
        if hashlib.sha256(data).hexdigest() in hashes:
            continue
        result.size += len(data)
        text = data.decode(errors="replace").replace("\x00", "")
        if suffix == ".ipynb":
            text = notebook_code(text)
        result.scripts[entry.relative] = Script(entry.relative, text, f"{prefix}/{entry.relative}")
    return result


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def path_in_run(workspace: Path, root: Path) -> str:
    """Return the workspace's path relative to the run directory `root`, as quotations name it."""
    return printable(workspace.relative_to(root) if workspace.is_relative_to(root) else Path(workspace.name))
