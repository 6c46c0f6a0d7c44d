"""Detect changes to the evaluation code and the deadline file while the agent runs.

A sandbox with namespaces mounts both read-only, so a change there was made by the host; without isolation it may have
been made by the agent. The audit decides which.
"""

import hashlib
import importlib.util
import time
from pathlib import Path

from posttrainbench.records import SolveIntegrity

PACKAGES = ("posttrainbench", "inspect_ai", "transformers", "vllm")
"""Packages that the final evaluation uses, if they are installed in this environment."""
CODE = {".py", ".so", ".jinja", ".yaml"}
MAX_CHANGED_FILES = 50


class IntegritySnapshot:
    """Hashes of the evaluation code and the content of the deadline file, taken before the agent starts."""

    def __init__(self, deadline: Path) -> None:
        self._deadline = deadline
        self.read_deadline()
        self._before = {name: code_hashes(folder) for name, folder in evaluation_packages().items()}
        self._started = time.time()

    def read_deadline(self) -> None:
        """Read the deadline file again after the host has changed it, while no process of the agent lives."""
        self._written = self._deadline.read_text()

    def diff(self) -> SolveIntegrity:
        """Return the changes since the snapshot. Call it after the agent's last process has ended."""
        ended = time.time()
        changed = {}
        for name, folder in evaluation_packages().items():
            before, after = self._before.get(name, {}), code_hashes(folder)
            different = sorted(file for file in before.keys() | after.keys() if before.get(file) != after.get(file))
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


def code_hashes(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 of every code file below `folder`, except Python's own caches."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in CODE and "__pycache__" not in path.parts and path.is_file()
    }


def _combined_hash(files: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for name, file_hash in sorted(files.items()):
        digest.update(f"{name}\0{file_hash}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
