"""Programs that only look: whatever stands in them goes nowhere but to the screen.

A test question in such a program is debugging, and no training data. A program is quiet if it neither trains nor writes
nor starts anything, no other program names it, and no command sends on what it prints.
"""

import ast
import re
import warnings
from functools import cached_property
from pathlib import PurePosixPath

from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.conduct.gather import Script, gather
from posttrainbench.audit.conduct.shell import parse
from posttrainbench.audit.conduct.trace import Trace, read_trace

_ACTS = re.compile(
    r"(?<!pre)train|^fit|backward|save|dump(?!s$)|write|exec|popen|system|subprocess|upload|push|^to_(?!string|device|str)\w+|copy|"
    r"move|rename|^post$|^put$|^send|store|^log|append_to|compile|^run$|^call$|spawn|fork|import_module|globals|setattr|"
    r"check_output|getoutput|urlopen|request|socket|mmap|memoryview",
    re.IGNORECASE,
)


class Quiet:
    """Tells which scripts of a workspace only look."""

    def __init__(self, evidence: AuditInput) -> None:
        self._evidence = evidence
        self._known: dict[str, bool] = {}

    def __call__(self, name: str) -> bool:
        """Whether the workspace's file `name` is such a program; False where that is not sure."""
        if not name.endswith(".py"):
            return False
        if name not in self._known:
            script = self._scripts.get(name)
            self._known[name] = bool(
                script is not None
                and _only_looks(script.text)
                and not self._is_named(name)
                and not self._is_sent_on(name)
            )
        return self._known[name]

    @cached_property
    def _scripts(self) -> dict[str, Script]:
        return gather(self._evidence).scripts

    @cached_property
    def _trace(self) -> Trace:
        return read_trace(self._evidence.solve / "trajectory.json")

    def _is_named(self, name: str) -> bool:
        stem = re.compile(rf"\b{re.escape(PurePosixPath(name).stem)}\b")
        return any(stem.search(script.text) for other, script in self._scripts.items() if other != name)

    def _is_sent_on(self, name: str) -> bool:
        """Whether its output may have gone into a file; True where the commands are not known."""
        file = PurePosixPath(name).name
        if not self._trace.commands:
            return True
        for action in self._trace.commands:
            if file not in action.text:
                continue
            try:
                commands = parse(action.text)
            except RecursionError:
                return True
            for number, command in enumerate(commands):
                if not any(file in word for word in command.words):
                    continue
                piped = number + 1 < len(commands) and commands[number + 1].piped
                inner = any(" " in word for word in command.words if file in word)
                if command.writes or piped or (inner and re.search(r"[>|]", action.text)):
                    return True
        return False


def _only_looks(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if not name or _ACTS.search(name) or any(keyword.arg == "file" for keyword in node.keywords):
            return False
        if name == "eval" and node.args:
            return False
        if name == "open":
            modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
            if not all(isinstance(mode, ast.Constant) and mode.value in ("r", "rb", "rt") for mode in modes):
                return False
    return True
