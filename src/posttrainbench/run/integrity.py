"""Detect changes to the evaluation code and the deadline file while the agent runs.

A sandbox with namespaces mounts both read-only, so a change there was made by the host; without isolation it may have
been made by the agent. The audit decides which.
"""

import hashlib
import importlib.util
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from posttrainbench.records import SolveIntegrity

PACKAGES = ("posttrainbench", "inspect_ai", "transformers", "vllm")
"""Packages that the final evaluation uses, if they are installed in this environment."""
CODE = {".py", ".so", ".jinja", ".yaml"}
MAX_CHANGED_FILES = 50


class CodeFile(NamedTuple):
    """The state of a file.

    Attributes:
        sha256: hash of its content.
        status: device, inode, size, and times of the last change of content and status, in nanoseconds. Every write
            changes the latter, which programs cannot set.
    """

    sha256: str
    status: tuple[int, int, int, int, int]


class IntegritySnapshot:
    """Hashes of the evaluation code and the content of the deadline file, taken before the agent starts."""

    def __init__(self, deadline: Path) -> None:
        self._deadline = deadline
        self.read_deadline()
        self._before = {name: code_files(folder) for name, folder in evaluation_packages().items()}
        self._started = time.time()

    def read_deadline(self) -> None:
        """Read the deadline file again after the host has changed it, while no process of the agent lives."""
        self._written = self._deadline.read_text()

    def diff(self) -> SolveIntegrity:
        """Return the changes since the snapshot. Call it after the agent's last process has ended."""
        ended = time.time()
        changed = {}
        for name, folder in evaluation_packages().items():
            before = self._before.get(name, {})
            after = code_files(folder, before)
            different = sorted(
                file
                for file in before.keys() | after.keys()
                if file not in before or file not in after or before[file].sha256 != after[file].sha256
            )
            if different:
                changed[name] = different[:MAX_CHANGED_FILES]
        try:
            deadline_after = self._deadline.read_text(errors="replace")[:100]
        except OSError:
            deadline_after = ""
        return SolveIntegrity(
            started=self._started,
            ended=ended,
            deadline=self._written,
            deadline_after=deadline_after,
            packages={name: _combined_hash(files) for name, files in self._before.items()},
            changed=changed,
        )


def evaluation_packages() -> dict[str, Path]:
    """Return package -> directory for the installed ones, without importing them."""
    directories = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            directories[name] = Path(spec.origin).parent
    return directories


def code_files(folder: Path, known: Mapping[str, CodeFile] | None = None) -> dict[str, CodeFile]:
    """Return relative path -> state of every code file below `folder`, except Python's own caches.

    Args:
        folder: directory of the package.
        known: earlier states. Files with an equal `status` are not read again.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in CODE and "__pycache__" not in path.parts and path.is_file():
            name, stat = str(path.relative_to(folder)), path.stat()
            status = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
            before = (known or {}).get(name)
            if before is None or before.status != status:
                before = CodeFile(hashlib.sha256(path.read_bytes()).hexdigest(), status)
            files[name] = before
    return files


def _combined_hash(files: Mapping[str, CodeFile]) -> str:
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        digest.update(f"{name}\0{file.sha256}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
