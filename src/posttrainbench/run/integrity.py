"""What evaluates must be the same before and after the agent worked: the packages' code and the deadline's file.

A sandbox with namespaces shows them read-only, so there a change is the host's; without isolation it may be the
agent's. Who it was is for the audit to say.
"""

import hashlib
import importlib.util
import time
from pathlib import Path

from posttrainbench.records import SolveIntegrity

PACKAGES = ("posttrainbench", "inspect_ai", "transformers", "vllm")
"""What the final evaluation runs, as far as it is installed beside us."""
CODE = {".py", ".so", ".jinja", ".yaml"}
SHOWN = 50


class Watched:
    """Takes note of everything when it is made, which is before the agent begins."""

    def __init__(self, deadline: Path) -> None:
        self._deadline, self._written = deadline, deadline.read_text()
        self._before = {name: code_hashes(folder) for name, folder in evaluation_packages().items()}
        self._started = time.time()

    def compared(self) -> SolveIntegrity:
        """Look again, when the agent's last process is dead."""
        ended = time.time()
        changed = {}
        for name, folder in evaluation_packages().items():
            before, after = self._before.get(name, {}), code_hashes(folder)
            different = sorted(file for file in before.keys() | after.keys() if before.get(file) != after.get(file))
            if different:
                changed[name] = different[:SHOWN]
        try:
            found = self._deadline.read_text(errors="replace")[:100]
        except OSError:
            found = ""
        return SolveIntegrity(
            started=self._started,
            ended=ended,
            deadline=self._written,
            deadline_after=found,
            packages={name: _together(files) for name, files in self._before.items()},
            changed=changed,
        )


def evaluation_packages() -> dict[str, Path]:
    """Package -> directory of those that are installed; none is imported."""
    found = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            found[name] = Path(spec.origin).parent
    return found


def code_hashes(folder: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of every code file below `folder`; what Python itself caches is left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in CODE and "__pycache__" not in path.parts and path.is_file()
    }


def _together(files: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for name, one in sorted(files.items()):
        digest.update(f"{name}\0{one}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
