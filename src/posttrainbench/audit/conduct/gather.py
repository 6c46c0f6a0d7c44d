"""The scripts that stand in the workspace at the end."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.untrusted import UnreadableError, open_regular, printable, walk
from posttrainbench.records import Skipped

SUFFIXES = {".py", ".sh", ".bash", ".ipynb"}
LONGEST = 2**20
MOST_SCRIPTS = 5000
MOST_BYTES = 128 * 2**20
_LIBRARIES = re.compile(r"(^|/)(site-packages|dist-packages|node_modules|__pycache__|\.git|\.cache/(pip|uv))/")


@dataclass(frozen=True)
class Script:
    """A script.

    Attributes:
        name: relative to the workspace, or as a person would name it.
        text: what stands in it; of a notebook, its code.
        file: where that can be looked up, relative to the run.
        line: of that file, where the script's first line stands; None where lines are the script's own.
    """

    name: str
    text: str
    file: str
    line: int | None = None

    def quote(self, line: int) -> tuple[int, str]:
        """(line to look up, what stands there) for a line of the script."""
        lines = self.text.split("\n")
        shown = lines[line - 1].strip()[:300] if 0 < line <= len(lines) else ""
        return self.line or line, printable(shown)


@dataclass
class Gathered:
    """What was found.

    Attributes:
        libraries: files of installed packages, which are not read.
    """

    scripts: dict[str, Script] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    size: int = 0
    libraries: int = 0


def gather(evidence: AuditInput) -> Gathered:
    """Read the workspace's scripts; kit files, packages and the scaffold's own records are left out."""
    found = Gathered()
    if not evidence.workspace.is_dir() or evidence.workspace.is_symlink():
        return found
    kit = set(evidence.kit_manifest.values())
    for entry in walk(evidence.workspace):
        suffix = PurePosixPath(entry.relative).suffix.lower()
        if entry.reason or suffix not in SUFFIXES:
            continue
        if _LIBRARIES.search(entry.relative):
            found.libraries += 1
            continue
        if any(fnmatchcase(entry.relative, pattern) for pattern in evidence.outcome.sessions):
            continue
        if entry.size > LONGEST or len(found.scripts) >= MOST_SCRIPTS or found.size > MOST_BYTES:
            why = "larger than 1 MiB" if entry.size > LONGEST else "more scripts than are read"
            found.skipped.append(Skipped(path=entry.relative, reason=why))
            continue
        try:
            with open_regular(entry.path) as file:
                data = file.read(LONGEST + 1)
        except (UnreadableError, OSError) as error:
            found.skipped.append(Skipped(path=entry.relative, reason=str(error)[:200]))
            continue
        if hashlib.sha256(data).hexdigest() in kit:
            continue
        found.size += len(data)
        text = data.decode(errors="replace").replace("\x00", "")
        if suffix == ".ipynb":
            text = notebook_code(text)
        found.scripts[entry.relative] = Script(entry.relative, text, f"{inside(evidence)}/{entry.relative}")
    return found


def notebook_code(text: str) -> str:
    """The code cells of a notebook, in order; "" where it is none."""
    try:
        cells = json.loads(text)["cells"]
        codes = [cell["source"] for cell in cells if cell.get("cell_type") == "code"]
        return "\n".join(code if isinstance(code, str) else "".join(map(str, code)) for code in codes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def inside(evidence: AuditInput) -> str:
    """The workspace's place in the run, with which evidence names its files."""
    workspace, root = evidence.workspace, evidence.root
    return printable(workspace.relative_to(root) if workspace.is_relative_to(root) else Path(workspace.name))
